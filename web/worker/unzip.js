// A file out of a ZIP: a range of it, or what the browser inflates of that; never more than the ZIP says.

import { withFile } from "./files.js";

/**
 * @param {Record<string, any>} core
 * @param {{handle: number, file: Blob, entry: import("../contract.js").ZipEntry}} args  file: the entry, from its header on
 * @param {Uint8Array|null} head  what was read of that already
 * @returns {Promise<{code: string|null, file: Blob, head: Uint8Array|null}>}
 */
export async function unzip(core, { handle, file, entry }, head) {
  const { code, start, end, inflated, crc } = withFile(handle, file, head, (_, size) =>
    JSON.parse(core.unzip(handle, size, JSON.stringify(entry))),
  );
  if (code) return { code, file, head };
  const packed = file.slice(start, end);
  if (inflated === null) return { code, file: packed, head: head?.subarray(start, end) ?? null };
  let [left, found] = [inflated, 0];
  const counted = new TransformStream({
    transform(chunk, controller) {
      left -= chunk.length;
      if (left < 0) throw new RangeError();
      found = core.crc32(chunk, found);
      controller.enqueue(chunk);
    },
  });
  try {
    const plain = packed.stream().pipeThrough(new DecompressionStream("deflate-raw")).pipeThrough(counted);
    const content = new Uint8Array(await new Response(plain).arrayBuffer());
    if (!left && found === crc) return { code, file: new Blob([content]), head: content };
  } catch {
    // what the browser says of it does not matter: it could not be inflated to what it should be
  }
  return { code: "zip-damaged", file, head: null };
}
