// Puts cleaned files where the user wants them: a ZIP as a download, or files in a chosen folder.

import { CodedError } from "../errors.js";
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
 * Let the user pick a folder: at once, since a browser forgets soon that somebody asked for it.
 * @param {boolean} empty  it has to be: media are not mixed with others
 * @returns {Promise<typeof saveZip>}  writes every entry below it
 */
export async function pickFolder(empty) {
  const root = await /** @type {any} */ (globalThis).showDirectoryPicker({ mode: "readwrite" });
  if (empty) for await (const _ of root.keys()) throw new CodedError("media-folder-in-use");
  return (signal, entries, progress) => saveFolder(signal, root, entries, progress);
}

/**
 * @param {AbortSignal} signal @param {FileSystemDirectoryHandle} root @param {Entry[]} entries
 * @param {(done: number) => void} progress
 */
async function saveFolder(signal, root, entries, progress) {
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
