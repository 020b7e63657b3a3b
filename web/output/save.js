// Puts cleaned files where the user wants them: a ZIP as a download, or files in a chosen folder.

import { zip } from "./zip.js";

/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("./zip.js").Entry} Entry */

/** How long a download may take to start reading its Blob. */
const RELEASE_MS = 60_000;

/** @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), RELEASE_MS);
}

/**
 * @param {AbortSignal} signal @param {Entry[]} entries @param {(done: number) => void} progress @param {WorkerPool} pool
 */
export async function saveZip(signal, entries, progress, pool) {
  download(await zip(pool, signal, entries, progress), "dicomveil.zip");
}

export const canSaveFolder = "showDirectoryPicker" in globalThis;

/**
 * Write every entry below a folder that the user picks.
 * @param {AbortSignal} signal @param {Entry[]} entries @param {(done: number) => void} progress
 */
export async function saveFolder(signal, entries, progress) {
  const root = await /** @type {any} */ (globalThis).showDirectoryPicker({ mode: "readwrite" });
  /** @type {Map<string, Promise<FileSystemDirectoryHandle>>} */
  const folders = new Map([["", Promise.resolve(root)]]);
  /** @param {string} path @returns {Promise<FileSystemDirectoryHandle>} */
  const folder = (path) => {
    const known = folders.get(path);
    if (known) return known;
    const cut = path.lastIndexOf("/");
    const made = folder(path.slice(0, Math.max(cut, 0))).then((parent) =>
      parent.getDirectoryHandle(path.slice(cut + 1), { create: true }),
    );
    folders.set(path, made);
    return made;
  };
  for (const [index, { name, blob }] of entries.entries()) {
    signal.throwIfAborted();
    const cut = name.lastIndexOf("/");
    const parent = await folder(name.slice(0, Math.max(cut, 0)));
    const file = await parent.getFileHandle(name.slice(cut + 1), { create: true });
    const writable = await file.createWritable();
    await blob.stream().pipeTo(writable, { signal, preventClose: true }); // aborted, it leaves no file behind
    if (signal.aborted) await writable.abort(); // in time, though the last bytes were on their way
    signal.throwIfAborted();
    await writable.close();
    progress(index + 1);
  }
}
