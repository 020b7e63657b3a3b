// Patient, study, series: the order in which files are shown. No DOM.

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {{key: string, kind: "series"|"left-out", study: string, first: Item}} Group */

/** Files that could not be read share one group at the end. */
export const LEFT_OUT = "left-out";

/** The group that an item belongs to. @param {Item} item @returns {string} */
export const groupKey = (item) => (item.info ? `${studyKey(item)}\n${item.info.series.uid}` : LEFT_OUT);

/** @param {Item} item */
export const studyKey = (item) => (item.info ? `${item.info.patient.key}\n${item.info.study.uid}` : LEFT_OUT);

/** @param {Item} item @returns {number} */
const instanceNumber = ({ info }) =>
  info?.instance.number.trim() ? Number(info.instance.number) : Number.NaN;

/** By instance number; those without one last, in the order of opening. @param {Item} a @param {Item} b */
export function byInstance(a, b) {
  const [x, y] = [a, b].map(instanceNumber).map((n) => (Number.isFinite(n) ? n : Number.MAX_VALUE));
  return x - y || a.index - b.index;
}

/** Where an item belongs among sorted ones. @param {Item[]} sorted @param {Item} item */
export function placeOf(sorted, item) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (byInstance(sorted[middle], item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** "20240131" as the reader's own date; anything else as it is. @param {string} date @param {string} language */
export function readableDate(date, language) {
  const match = /^(\d{4})(\d{2})(\d{2})$/.exec(date);
  if (!match) return date;
  const day = new Date(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])));
  return day.toLocaleDateString(language, { dateStyle: "medium", timeZone: "UTC" });
}

/** A Person Name as people write it: family name, comma, the rest (PS3.5 6.2.1). @param {string} name */
export function readableName(name) {
  const [family, ...others] = name.split("=")[0].split("^");
  return [family, others.filter(Boolean).join(" ")].filter(Boolean).join(", ");
}

/** How many of each status. @param {Iterable<Item>} items */
export function tally(items) {
  /** @type {Record<import("../model/item.js").Status, number>} */
  const counts = { reading: 0, ready: 0, attention: 0, refused: 0, clean: 0, uploaded: 0 };
  for (const item of items) counts[item.status] += 1;
  return counts;
}
