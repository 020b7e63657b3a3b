// A ZIP of files that are not compressed, as a Blob of Blobs: the bytes of the images are never copied into memory, only
// read once for their checksums. The headers between them come from the core (py/dicomveil/zip_writing.py).

import { crc32OfEach } from "./crc32.js";

/** @typedef {{name: string, blob: Blob}} Entry */

/** Files that are put into one Blob: to put together ten thousand at once would keep the page waiting. */
const TOGETHER = 128;

/**
 * @param {import("../pool/worker-pool.js").WorkerPool} pool
 * @param {AbortSignal} signal
 * @param {Entry[]} entries  names are unique
 * @param {(done: number) => void} progress
 * @returns {Promise<Blob>}
 */
export async function zip(pool, signal, entries, progress = () => {}) {
  const blobs = entries.map(({ blob }) => blob);
  /** @type {[string, number, number][]} */
  const files = [];
  for await (const crc of crc32OfEach(signal, blobs)) {
    const { name, blob } = entries[files.length];
    progress(files.push([name, blob.size, crc]));
  }
  /** @type {{ends: number[], bytes: Uint8Array<ArrayBuffer>}} */
  const { ends, bytes } = await pool.run(signal, "zip", { files }, { urgent: true });
  const header = (/** @type {number} */ at) => bytes.subarray(ends[at - 1] ?? 0, ends[at]);
  const body = [];
  for (let at = 0; at < blobs.length; at += TOGETHER) {
    const parts = blobs.slice(at, at + TOGETHER).flatMap((blob, next) => [header(at + next), blob]);
    body.push(new Blob(parts));
    await body[0].slice(0, 1).arrayBuffer(); // the page has a moment for other things
    signal.throwIfAborted();
  }
  return new Blob([...body, header(blobs.length)], { type: "application/zip" });
}
