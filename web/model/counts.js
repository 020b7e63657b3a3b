// How many items there are of which anything holds, kept up to date item by item: with ten thousand of them, nobody can
// go through all whenever one changes.

/** @typedef {import("./item.js").Item} Item */
/** @typedef {import("./item.js").Status|"cleanable"|"risk"|"looked"|"unsent"|"any"} Fact */

/** @type {Fact[]} */
const FACTS = [
  "reading",
  "ready",
  "attention",
  "refused",
  "clean",
  "uploaded",
  "cleanable",
  "risk",
  "looked",
  "unsent",
  "any",
];
const BITS = new Map(FACTS.map((fact, place) => [fact, 1 << place]));
/** The states in the order in which they are told: what needs a person first. @type {import("./item.js").Status[]} */
export const STATES = ["attention", "ready", "clean", "uploaded", "refused"];

/** @param {Fact} fact @param {unknown} [holds] */
const bit = (fact, holds = true) => (holds ? (BITS.get(fact) ?? 0) : 0);

/** What holds of an item now, as one number. @param {Item} item */
export function factsOf(item) {
  const risk = item.atRisk && !item.refusal;
  return (
    bit(item.status) |
    bit("cleanable", item.cleanable) |
    bit("risk", risk) |
    bit("looked", risk && (item.confirmed || item.seen)) |
    bit("unsent", item.uploadCode) |
    bit("any")
  );
}

export class Counts {
  /** How many items have just these facts. @type {Map<number, number>} */
  #items = new Map();

  /** @param {number} before  0: it was not counted @param {number} now  0: it is gone */
  move(before, now) {
    if (before) this.#items.set(before, (this.#items.get(before) ?? 0) - 1);
    if (now) this.#items.set(now, (this.#items.get(now) ?? 0) + 1);
  }

  /** @param {Fact} fact */
  of(fact) {
    const wanted = bit(fact);
    let count = 0;
    for (const [facts, items] of this.#items) if (facts & wanted) count += items;
    return count;
  }
}
