// SHA-256 (FIPS 180-4) of a Blob. The browser's own wants all bytes at once, so what is large is read in pieces here.

const WHOLE_BYTES = 64 << 20;
const CHUNK = 1 << 20;
const BLOCK = 64;

/** The first 32 bits of the fractions of the roots of the first primes. @param {number} count @param {number} power */
function fractions(count, power) {
  const found = [];
  for (let n = 2; found.length < count; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (prime) found.push((n ** power % 1) * 2 ** 32);
  }
  return new Int32Array(Uint32Array.from(found)); // signed, as JavaScript's bit operations are
}
const K = fractions(64, 1 / 3);

/** @param {number} x @param {number} by */
const turn = (x, by) => (x >>> by) | (x << (32 - by));

/** @param {Int32Array} h  state @param {DataView} data @param {Int32Array} w  room for 64 words */
function blocks(h, data, w) {
  for (let at = 0; at + BLOCK <= data.byteLength; at += BLOCK) {
    for (let t = 0; t < 16; t++) w[t] = data.getInt32(at + 4 * t);
    for (let t = 16; t < 64; t++) {
      const s0 = turn(w[t - 15], 7) ^ turn(w[t - 15], 18) ^ (w[t - 15] >>> 3);
      const s1 = turn(w[t - 2], 17) ^ turn(w[t - 2], 19) ^ (w[t - 2] >>> 10);
      w[t] = (w[t - 16] + s0 + w[t - 7] + s1) | 0;
    }
    let a = h[0];
    let b = h[1];
    let c = h[2];
    let d = h[3];
    let e = h[4];
    let f = h[5];
    let g = h[6];
    let last = h[7];
    for (let t = 0; t < 64; t++) {
      const choice = (e & f) ^ (~e & g);
      const one = (last + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + choice + K[t] + w[t]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      last = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + two) | 0;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    h[5] += f;
    h[6] += g;
    h[7] += last;
  }
}

/** @param {AbortSignal} signal @param {Blob} blob */
async function inPieces(signal, blob) {
  const state = fractions(8, 1 / 2);
  const words = new Int32Array(64);
  const full = blob.size - (blob.size % BLOCK);
  for (let at = 0; at < full; at += CHUNK) {
    signal.throwIfAborted();
    const piece = await blob.slice(at, Math.min(at + CHUNK, full)).arrayBuffer();
    blocks(state, new DataView(piece), words);
  }
  const rest = new Uint8Array(await blob.slice(full).arrayBuffer());
  const end = new Uint8Array(rest.length + 9 > BLOCK ? 2 * BLOCK : BLOCK);
  end.set(rest);
  end[rest.length] = 0x80;
  new DataView(end.buffer).setBigUint64(end.length - 8, BigInt(blob.size) * 8n);
  blocks(state, new DataView(end.buffer), words);
  const result = new DataView(new ArrayBuffer(32));
  for (const [i, value] of state.entries()) result.setInt32(4 * i, value);
  return result.buffer;
}

/**
 * @param {AbortSignal} signal @param {Blob} blob
 * @param {number} [whole]  up to this many bytes the browser's own does it
 * @returns {Promise<string>} lower-case hexadecimal
 */
export async function sha256OfBlob(signal, blob, whole = WHOLE_BYTES) {
  const digest =
    blob.size <= whole
      ? await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())
      : await inPieces(signal, blob);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
