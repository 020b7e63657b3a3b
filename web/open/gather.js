// Turns what people give (files, folders, drops of both) into a stream of files, without waiting for a whole tree.

/** @typedef {import("../contract.js").ZipEntry} ZipEntry */
/** @typedef {{file: Blob, path: string, entry?: ZipEntry}} Input  entry: the file is the range of a ZIP that holds it */

/** IM2 before IM10. One for all: to make one for each comparison takes a tenth of a second in a folder of ten thousand. */
const byName = new Intl.Collator(undefined, { numeric: true });

/** @param {Iterable<File>} files @returns {Input[]} */
export function fromFiles(files) {
  return Array.from(files, (file) => ({ file, path: file.webkitRelativePath || file.name }));
}

/** A file that cannot be read so soon lies on a slow disk: it is not waited for. */
const LISTING_MS = 1000;

/**
 * Files that were chosen just now. The browser has work with many of them for a while yet: to post one meanwhile blocks the
 * page for tenths of a second, to read of the last one waits without that.
 * @param {Input[]} inputs @returns {AsyncGenerator<Input>}
 */
export async function* onceListed(inputs) {
  const reader = inputs.at(-1)?.file.stream().getReader();
  const read = reader?.read().catch(() => {}); // it is told of when it is its turn
  await Promise.race([read, new Promise((resolve) => setTimeout(resolve, LISTING_MS))]);
  reader?.cancel().catch(() => {});
  yield* inputs;
}

/** What lies in a ZIP; its ranges are made one by one. @param {Input} zip @param {ZipEntry[]} entries @returns {Generator<Input>} */
export function* fromZip({ file, path }, entries) {
  for (const entry of entries) {
    const [name, start, end] = entry;
    yield { file: file.slice(start, end), path: `${path}/${name}`, entry };
  }
}

/**
 * The entries of a drop, or of what is pasted. They must be taken at once: the browser forgets them when the event is over.
 * @param {DataTransfer} transfer
 * @returns {AsyncIterable<Input>}
 */
export function fromDrop(transfer) {
  const files = Array.from(transfer.items).filter((item) => item.kind === "file");
  const taken = files.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return walk(taken.filter((entry) => entry !== null));
}

/** @param {(FileSystemEntry|File)[]} entries @returns {AsyncGenerator<Input>} */
async function* walk(entries) {
  for (const entry of entries) {
    if (entry instanceof File) yield { file: entry, path: entry.name };
    else if (entry.isDirectory) yield* walk(await children(/** @type {FileSystemDirectoryEntry} */ (entry)));
    else
      yield { file: await fileOf(/** @type {FileSystemFileEntry} */ (entry)), path: entry.fullPath.slice(1) };
  }
}

/** A directory answers in portions; an empty one is the end. @param {FileSystemDirectoryEntry} directory */
async function children(directory) {
  const reader = directory.createReader();
  /** @type {FileSystemEntry[]} */
  const all = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!portion.length) return all.sort((a, b) => byName.compare(a.name, b.name));
    all.push(...portion);
  }
}

/** @param {FileSystemFileEntry} entry @returns {Promise<File>} */
function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
