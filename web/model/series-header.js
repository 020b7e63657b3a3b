// The header of a series: each worker compares what it is given, image after image, and takes up what others found.
// The page holds a few texts that it does not read. No DOM.

import { codeOf } from "../errors.js";
import { each } from "./each.js";

/** @typedef {import("../contract.js").SeriesHeader} SeriesHeader */
/** @typedef {import("./item.js").Item} Item */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */

/** So many parts are put together at once. */
const TOGETHER = 24;

/**
 * @param {AbortSignal} signal @param {WorkerPool} pool @param {Item[]} items  of one series
 * @param {(done: number) => void} progress
 * @returns {Promise<SeriesHeader & {unread: [Item, string][]}>}  and which images are missing in it, by which code
 */
export async function compareSeries(signal, pool, items, progress) {
  /** @type {string[]} */
  const parts = [];
  /** @type {[Item, string][]} */
  const unread = [];
  let done = 0;
  await each(signal, items.entries(), async ([place, item]) => {
    const others = parts.length < TOGETHER ? [] : parts.splice(0);
    const request = { ...item.cleanRequest, place, parts: others };
    try {
      parts.push((await pool.run(signal, "series", { file: item.file, request }, { urgent: true })).part);
    } catch (error) {
      parts.push(...others);
      unread.push([item, codeOf(error)]);
    }
    done += 1;
    progress(done);
  });
  const table = await pool.run(signal, "series", { request: { parts } }, { urgent: true });
  return { ...table, unread };
}
