// Where each block of a JPEG scan begins: the hot loop of dicomveil.pixels.jpeg_huffman, which has the same in
// Python and is six times slower here. Tables are those of its Lookup, by the next 16 bits.

const END_OF_BLOCK = 128;

/** @type {Map<string, Int32Array>} */
const tables = new Map();

/** @param {Uint8Array} data @param {number} bit @returns {number} the 16 bits from a bit on */
function window16(data, bit) {
  const at = bit >> 3;
  return (((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]) >> (8 - (bit & 7))) & 0xffff;
}

/**
 * The first bit after the AC coefficients that begin at `bit`; -1 where a code is invalid.
 * @param {Uint8Array} data
 * @param {number} bit
 * @param {Int32Array} ac  one symbol at a time, then as many as fit
 */
function afterCoefficients(data, bit, ac) {
  let k = 1;
  for (;;) {
    const value = ac[65536 + window16(data, bit)];
    const reached = k + (value >> 8);
    if (reached < 64) {
      k = reached;
      bit += value & 255;
    } else if (reached >= END_OF_BLOCK && reached < 192) return bit + (value & 255);
    else break;
  }
  while (k < 64) {
    const value = ac[window16(data, bit)];
    bit += value & 255;
    k += value >> 8;
  }
  return k === 64 || (k >= END_OF_BLOCK && k < 192) ? bit : -1;
}

export const jpegWalker = {
  /** Keep a table of 32-bit numbers; an empty key drops all. @param {string} key @param {Uint8Array} bytes */
  table(key, bytes) {
    if (key) tables.set(key, new Int32Array(bytes.slice().buffer));
    else tables.clear();
  },

  /**
   * The first bit of every block of `count` MCUs, and the first after them, as 32-bit numbers; nothing if invalid.
   * @param {Uint8Array} data  without stuffed bytes, padded with at least 8
   * @param {string} keys  the DC and AC table of each block of an MCU: "dc ac,dc ac"
   * @param {number} count
   */
  walk(data, keys, count) {
    const plan = keys
      .split(",")
      .map((pair) => pair.split(" ").map((key) => tables.get(key) ?? new Int32Array(131072)));
    const positions = new Int32Array(count * plan.length + 1);
    const limit = (data.length - 8) * 8;
    let n = 0;
    let bit = 0;
    for (let mcu = 0; mcu < count; mcu++) {
      for (const [dc, ac] of plan) {
        positions[n++] = bit;
        const step = dc[window16(data, bit)];
        bit = step ? afterCoefficients(data, bit + step, ac) : -1;
        if (bit < 0 || bit > limit) return new Uint8Array(0);
      }
    }
    positions[n] = bit;
    return new Uint8Array(positions.buffer);
  },
};
