// From the stored bytes of a native frame to numbers (PS3.5 8.1): cell size, byte order, high bit, sign, planes.

/** @typedef {import("../contract.js").Frame} Frame */

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** @param {Frame} frame @returns {Uint8Array|Uint16Array|Uint32Array} the cells as they are stored */
function cells({ bits_allocated: bits, big_endian: bigEndian, data, rows, columns, samples }) {
  const count = rows * columns * samples;
  const bytes = new Uint8Array(data instanceof Uint8Array ? data : new Uint8Array(data));
  if (bits === 1) return Uint8Array.from({ length: count }, (_, i) => (bytes[i >> 3] >> (i & 7)) & 1);
  if (bytes.length < (count * bits) / 8) throw new RangeError("frame too short");
  if (bits === 8) return bytes.subarray(0, count);
  const size = bits / 8;
  const copy = bytes.slice(0, count * size);
  if (bigEndian === LITTLE)
    for (let at = 0; at < copy.length; at += size) copy.subarray(at, at + size).reverse();
  return bits === 16 ? new Uint16Array(copy.buffer) : new Uint32Array(copy.buffer);
}

/**
 * Stored values: shifted to bit 0, masked to Bits Stored, sign extended.
 * @param {Frame} frame
 * @returns {Uint8Array|Uint16Array|Int16Array|Uint32Array|Int32Array}
 */
export function storedValues(frame) {
  const raw = cells(frame);
  const { bits_allocated: allocated, bits_stored: stored, high_bit: high, signed } = frame;
  const shift = high + 1 - stored;
  if (stored === allocated && shift === 0) {
    if (!signed) return raw;
    if (allocated === 8) return Int16Array.from(new Int8Array(raw.buffer, raw.byteOffset, raw.length));
    return allocated === 16 ? new Int16Array(raw.buffer) : new Int32Array(raw.buffer);
  }
  const mask = stored >= 32 ? 0xffffffff : 2 ** stored - 1;
  const up = 32 - stored;
  const values = signed ? new (stored > 16 ? Int32Array : Int16Array)(raw.length) : raw;
  for (let i = 0; i < raw.length; i++) {
    const value = (raw[i] >>> shift) & mask;
    values[i] = signed ? (value << up) >> up : value;
  }
  return values;
}

/**
 * Smallest and largest value, without padding.
 * @param {ArrayLike<number>} values
 * @param {number|null} padding
 * @returns {[number, number]}
 */
export function extent(values, padding) {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === padding) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/**
 * Colour frames as RGBA (PS3.3 C.7.6.3.1.2): RGB, YBR_FULL, YBR_FULL_422 (native), either planar configuration.
 * @param {Frame} frame
 * @param {ArrayLike<number>} values
 * @returns {Uint8ClampedArray<ArrayBuffer>}
 */
export function colour({ rows, columns, photometric, planar, bits_stored: bits }, values) {
  const count = rows * columns;
  const out = new Uint8ClampedArray(count * 4);
  const [step, plane] = planar === 1 ? [1, count] : [3, 1];
  const down = Math.max(0, bits - 8);
  const ybr = photometric.startsWith("YBR");
  const packed = photometric === "YBR_FULL_422" && values.length < count * 3;
  for (let i = 0, o = 0; i < count; i++, o += 4) {
    const pair = (i >> 1) * 4;
    const a = (packed ? values[pair + (i & 1)] : values[i * step]) >> down;
    const b = (packed ? values[pair + 2] : values[i * step + plane]) >> down;
    const c = (packed ? values[pair + 3] : values[i * step + 2 * plane]) >> down;
    out[o] = ybr ? a + 1.402 * (c - 128) : a;
    out[o + 1] = ybr ? a - 0.344136 * (b - 128) - 0.714136 * (c - 128) : b;
    out[o + 2] = ybr ? a + 1.772 * (b - 128) : c;
    out[o + 3] = 255;
  }
  return out;
}

/**
 * Palette colour frames as RGBA (PS3.3 C.7.9).
 * @param {Frame} frame
 * @param {ArrayLike<number>} values
 * @returns {Uint8ClampedArray<ArrayBuffer>}
 */
export function palette(frame, values) {
  const { first, rgb } = /** @type {NonNullable<Frame["palette"]>} */ (frame.palette);
  const table = Uint8Array.from(rgb.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  const last = table.length / 3 - 1;
  const out = new Uint8ClampedArray(values.length * 4);
  for (let i = 0, o = 0; i < values.length; i++, o += 4) {
    const entry = Math.min(Math.max(values[i] - first, 0), last) * 3;
    out[o] = table[entry];
    out[o + 1] = table[entry + 1];
    out[o + 2] = table[entry + 2];
    out[o + 3] = 255;
  }
  return out;
}
