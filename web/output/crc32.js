// CRC-32 of a Blob (ISO 3309, as ZIP asks), eight bytes a step.

const TABLES = Array.from({ length: 8 }, () => new Uint32Array(256));
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  TABLES[0][n] = c;
}
for (let t = 1; t < 8; t++)
  for (let n = 0; n < 256; n++) TABLES[t][n] = (TABLES[t - 1][n] >>> 8) ^ TABLES[0][TABLES[t - 1][n] & 255];
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES;

/**
 * @param {Uint8Array} bytes
 * @param {number} [before]  CRC of what came before
 * @returns {number} unsigned 32 bit
 */
export function crc32(bytes, before = 0) {
  let c = ~before;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    const a = c ^ (bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24));
    c =
      T7[a & 255] ^
      T6[(a >>> 8) & 255] ^
      T5[(a >>> 16) & 255] ^
      T4[a >>> 24] ^
      T3[bytes[i + 4]] ^
      T2[bytes[i + 5]] ^
      T1[bytes[i + 6]] ^
      T0[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ T0[(c ^ bytes[i]) & 255];
  return ~c >>> 0;
}

const CHUNK = 1 << 22;
/** Blobs that are read together at most: putting them together takes the page a tenth of a millisecond each. */
const TOGETHER = 64;

/** @param {AbortSignal} signal @param {Blob} blob */
export async function crc32OfBlob(signal, blob) {
  let crc = 0;
  for (let at = 0; at < blob.size; at += CHUNK) {
    signal.throwIfAborted();
    crc = crc32(new Uint8Array(await blob.slice(at, at + CHUNK).arrayBuffer()), crc);
  }
  return crc;
}

/**
 * The CRC of each Blob, in order. Small ones are read together: every reading takes a way through the browser's process.
 * @param {AbortSignal} signal @param {Iterable<Blob>} blobs @returns {AsyncGenerator<number>}
 */
export async function* crc32OfEach(signal, blobs) {
  /** @type {Blob[]} */
  let together = [];
  let size = 0;
  for (const blob of blobs) {
    if (together.length === TOGETHER || (together.length && size + blob.size > CHUNK)) {
      yield* await crcsOf(signal, together);
      [together, size] = [[], 0];
    }
    together.push(blob);
    size += blob.size;
  }
  yield* await crcsOf(signal, together);
}

/** @param {AbortSignal} signal @param {Blob[]} blobs  of no more than a chunk, or one */
async function crcsOf(signal, blobs) {
  if (blobs.length === 1) return [await crc32OfBlob(signal, blobs[0])];
  signal.throwIfAborted();
  const bytes = new Uint8Array(await new Blob(blobs).arrayBuffer());
  let at = 0;
  return blobs.map(({ size }) => {
    at += size;
    return crc32(bytes.subarray(at - size, at));
  });
}
