// The open files of this worker, and the one function by which Python reads them.

/** How much of a file Python asks for first: most headers end before. */
const HEAD = 65_536;

/** @type {Map<number, {file: Blob, head: Uint8Array|null}>} */
const open = new Map();
const reader = new FileReaderSync();

/**
 * Begin to read the head of a file while Python is at another one.
 * @param {Blob} file
 * @returns {Promise<Uint8Array|null>}  null where it cannot be read: Python hears of it when it asks
 */
export function readAhead(file) {
  const read = async () => new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  return read().catch(() => null);
}

/**
 * Let Python read a file for as long as `use` runs.
 * @template T
 * @param {number} handle  the same number for the same file, always: the core keeps the last one it read
 * @param {Blob} file
 * @param {Uint8Array|null} head  what was read of it already
 * @param {(handle: number, size: number) => T} use
 * @returns {T}
 */
export function withFile(handle, file, head, use) {
  open.set(handle, { file, head });
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
  const found = open.get(handle);
  if (!found) throw new Error("unreadable");
  const { file, head } = found;
  if (head && offset + length <= head.length) return head.slice(offset, offset + length);
  return new Uint8Array(reader.readAsArrayBuffer(file.slice(offset, offset + length)));
}
