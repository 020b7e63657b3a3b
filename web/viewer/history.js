// What images had before and after each change, to go back and forth. No DOM.

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {Map<Item, Redaction[]>} State */

export class History {
  /** @type {{before: State, after: State}[]} */
  #past = [];
  /** @type {{before: State, after: State}[]} */
  #future = [];

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** What is about to change, and to what. @param {State} after */
  remember(after) {
    const before = new Map(Array.from(after.keys(), (item) => [item, item.redactions]));
    this.#past.push({ before, after });
    this.#future = [];
  }

  /** @returns {State|null} what to go back to */
  undo() {
    const change = this.#past.pop();
    if (change) this.#future.push(change);
    return change?.before ?? null;
  }

  /** @returns {State|null} what to go forward to */
  redo() {
    const change = this.#future.pop();
    if (change) this.#past.push(change);
    return change?.after ?? null;
  }

  clear() {
    this.#past = [];
    this.#future = [];
  }
}
