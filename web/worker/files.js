// The open files of this worker, and the one function by which Python reads them.

/** @type {Map<number, Blob>} */
const open = new Map();
const reader = new FileReaderSync();

/**
 * Let Python read a file for as long as `use` runs.
 * @template T
 * @param {number} handle  the same number for the same file, always: the core keeps the last one it read
 * @param {Blob} file
 * @param {(handle: number, size: number) => T} use
 * @returns {T}
 */
export function withFile(handle, file, use) {
  open.set(handle, file);
  try {
    return use(handle, file.size);
  } finally {
    open.delete(handle);
  }
}

/**
 * Read a range of a file; shorter only at its end. Called from Python, synchronously.
 * @param {number} handle
 * @param {number} offset
 * @param {number} length
 * @returns {Uint8Array}
 */
export function read(handle, offset, length) {
  const file = open.get(handle);
  if (!file) throw new Error("unreadable");
  return new Uint8Array(reader.readAsArrayBuffer(file.slice(offset, offset + length)));
}
