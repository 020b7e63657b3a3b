// Two inputs can have one SOP Instance UID: the same file opened twice, or other contents under a UID used again.

/** @typedef {import("../model/item.js").Item} Item */

const CHUNK = 1 << 20;

/** @param {Blob} one @param {Blob} other */
async function same(one, other) {
  if (one.size !== other.size) return false;
  for (let at = 0; at < one.size; at += CHUNK) {
    const [a, b] = await Promise.all(
      [one, other].map(async (blob) => new Uint8Array(await blob.slice(at, at + CHUNK).arrayBuffer())),
    );
    if (a.some((byte, i) => byte !== b[i])) return false;
  }
  return true;
}

/**
 * The name under which each cleaned file leaves, as the command line gives them: equal contents leave once (null for
 * the later ones), other contents under the same name get a number.
 * @param {Item[]} items
 * @returns {Promise<Map<Item, string|null>>}
 */
export async function outputNames(items) {
  /** @type {Map<Item, string|null>} */
  const names = new Map();
  /** @type {Map<string, Blob[]>} */
  const taken = new Map();
  for (const item of items) {
    const blob = item.result?.blob;
    if (!item.result || !blob) continue;
    const { name } = item.result;
    const others = taken.get(name) ?? [];
    const equal = await Promise.all(others.map((other) => same(other, blob)));
    if (equal.includes(true)) {
      names.set(item, null);
      continue;
    }
    names.set(item, others.length ? name.replace(/\.dcm$/, `-${others.length + 1}.dcm`) : name);
    taken.set(name, [...others, blob]);
  }
  return names;
}
