// The session: the open files, the state of the page, and what a person decided. No DOM, no Python, no network.
//
// Events: "state-changed", "items-changed" {items}, "items-cleared",
// "selection-changed", "input-failed" {code}, "results-voided" (what is being saved or sent no longer holds).

import { CodedError, codeOf } from "../errors.js";
import { fromZip } from "../open/gather.js";
import { Counts, factsOf } from "./counts.js";
import { each } from "./each.js";
import { Item } from "./item.js";

/** @typedef {"booting"|"empty"|"reading"|"review"|"cleaning"|"done"|"failed"} State */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("../contract.js").ZipEntry} ZipEntry */
/** @typedef {import("../open/gather.js").Input} Input */

/** Changes of rows are told together, this often: soon what a person did, else so seldom that drawing costs little. */
const TELL_MS = { soon: 60, busy: 200 };

export class Session extends EventTarget {
  /** @type {State} */
  state = "booting";
  done = 0;
  total = 0;
  /** Why the state is `failed`. @type {string|null} */
  failure = null;
  /** @type {Item[]} */
  items = [];
  /** @type {Item|null} */
  selected = null;
  /** How many items are in which state. Up to date when events are told. */
  counts = new Counts();
  #pool;
  #booted = false;
  #abort = new AbortController();
  /** @type {Set<Item>} */
  #changed = new Set();
  #telling = false;
  /** Reading and cleaning run one after the other. @type {Promise<void>} */
  #queue = Promise.resolve();
  /** Series (their UIDs) of which an image is covered. @type {Set<string>} */
  #covered = new Set();
  /** By the UID of their series. @type {Map<string, Item[]>} */
  #series = new Map();
  /** Additions that wait or run. */
  #additions = 0;

  /** @param {WorkerPool} pool */
  constructor(pool) {
    super();
    this.#pool = pool;
  }

  /** Python runs: files that were dropped while booting are read from now on. */
  booted() {
    this.#booted = true;
    if (this.state === "booting") this.#enter("empty");
  }

  /** @param {string} code */
  failed(code) {
    this.failure = code;
    this.#enter("failed");
  }

  /**
   * Open files; ends in `review`. May be called while booting or while reading.
   * @param {AsyncIterable<Input>|Iterable<Input>} inputs
   */
  add(inputs) {
    this.#additions += 1;
    this.#queue = this.#queue.then(() => this.#read(inputs));
    return this.#queue;
  }

  /** @param {AsyncIterable<Input>|Iterable<Input>} inputs */
  async #read(inputs) {
    if (this.state !== "reading") this.#begin("reading", 0);
    const signal = this.#abort.signal;
    try {
      await this.#readEach(signal, inputs);
    } catch (error) {
      this.#emit("input-failed", { code: codeOf(error) });
    }
    this.#additions -= 1;
    if (signal.aborted) this.#drop(this.items.filter((item) => item.status === "reading"));
    if (this.#additions === 0) this.#enter(this.items.length ? "review" : "empty");
  }

  /** @param {AbortSignal} signal @param {AsyncIterable<Input>|Iterable<Input>} inputs @returns {Promise<void>} */
  #readEach(signal, inputs) {
    return each(signal, inputs, async (input) => {
      const item = new Item(this.items.length, input.file, input.path);
      this.items.push(item);
      this.total += 1;
      const entries = await this.#inspect(signal, item, input.entry);
      if (entries) {
        this.#drop([item]); // a ZIP: what is in it takes its place
        this.total -= 1;
        return this.#readEach(signal, fromZip(input, entries));
      }
      this.done += 1;
      this.#touch(item);
    });
  }

  /** @param {AbortSignal} signal @param {Item} item @param {ZipEntry} [entry] @returns {Promise<ZipEntry[]|null>} */
  async #inspect(signal, item, entry) {
    try {
      const info = await this.#pool.run(signal, "inspect", { file: item.file, entry });
      if (info.entries) return info.entries;
      if (info.status === "refused") item.refusal = { code: info.code, tag: info.tag };
      if (info.status === "refused" && !info.series?.uid) return null;
      item.file = info.file ?? item.file; // what was inflated is kept only where it is of use
      const { uid } = info.series;
      item.info = info;
      item.suspect = this.#covered.has(uid);
      if (!uid || this.items[item.index] !== item) return null; // forgotten meanwhile
      const others = this.#series.get(uid);
      if (others) others.push(item);
      else this.#series.set(uid, [item]);
    } catch (error) {
      if (codeOf(error) !== "cancelled")
        item.refusal = { code: codeOf(error), tag: error instanceof CodedError ? error.tag : null };
    }
    return null;
  }

  /** Clean everything that can be; ends in `done`, or in `review` when cancelled. */
  clean() {
    this.#queue = this.#queue.then(() => this.#clean());
    return this.#queue;
  }

  async #clean() {
    const items = this.items.filter((item) => item.cleanable);
    for (const item of items) item.failure = null;
    this.#begin("cleaning", items.length);
    const signal = this.#abort.signal;
    await each(signal, items, async (item) => {
      await this.#cleanOne(signal, item);
      this.done += 1;
      this.#touch(item);
    });
    if (signal.aborted) this.#review(items);
    this.#enter(signal.aborted ? "review" : "done");
  }

  /** @param {AbortSignal} signal @param {Item} item */
  async #cleanOne(signal, item) {
    const { revision } = item;
    try {
      const result = await this.#pool.run(signal, "clean", { file: item.file, request: item.cleanRequest });
      if (item.revision !== revision) return;
      if (result.status === "clean") item.result = result;
      else item.failure = { code: result.code ?? "internal-error", tag: result.tag };
    } catch (error) {
      if (codeOf(error) !== "cancelled" && item.revision === revision)
        item.failure = { code: codeOf(error), tag: error instanceof CodedError ? error.tag : null };
    }
  }

  cancel() {
    this.#abort.abort();
  }

  /** The signal of what runs now: aborted by `cancel`. */
  get signal() {
    return this.#abort.signal;
  }

  /** Forget every file. The key of an anonymous session goes with them (see settings). */
  clear() {
    this.cancel();
    this.items = [];
    this.counts = new Counts();
    this.#changed.clear();
    this.#covered.clear();
    this.#series.clear();
    this.select(null);
    this.#emit("items-cleared");
    this.#enter("empty");
  }

  /** @param {Item|null} item */
  select(item) {
    if (this.selected === item) return;
    this.selected = item;
    this.#emit("selection-changed");
  }

  /** @param {Item} item @returns {Item[]} */
  seriesOf(item) {
    return this.#series.get(item.info?.series.uid ?? "") ?? [item];
  }

  /**
   * This was on the screen, whole but for some areas.
   * @param {Item[]} items @param {import("./sight.js").Sighting} what @param {Redaction[]} under
   */
  saw(items, what, under) {
    for (const item of items) if (item.sight.add(what, under)) this.#touch(item);
  }

  /**
   * A person says that nothing in these images identifies, or takes it back. What was never shown is left out.
   * @param {Item[]} items @param {boolean} confirmed
   */
  confirm(items, confirmed) {
    const changed = items.filter((item) => item.confirmed !== confirmed && (!confirmed || item.confirmable));
    for (const item of changed) item.confirmed = confirmed;
    this.#review(changed);
  }

  /** Set what is covered in each image. @param {Map<Item, Redaction[]>} redactions */
  redact(redactions) {
    for (const [item, list] of redactions) {
      item.redactions = list;
      if (!item.confirmable) item.confirmed = false; // what lay under an area that is gone was not seen
    }
    const covered = this.items.filter((item) => item.redactions.length > 0);
    this.#covered = new Set(covered.flatMap((item) => item.info?.series.uid || []));
    this.#review([...redactions.keys()]);
  }

  /** Leave attributes out of a file's output. @param {Item} item @param {number} tag */
  removeAttribute(item, tag) {
    item.remove = [...new Set([...item.remove, tag])];
    this.#review([item]);
  }

  /** Settings changed: every result was made under the old ones. */
  settingsChanged() {
    this.#review(this.items);
    this.#emit("settings-changed");
  }

  /** @param {Item[]} items */
  uploadsChanged(items) {
    for (const item of items) this.#touch(item);
  }

  /** A decision on these files changed: their results are void. @param {Item[]} items */
  #review(items) {
    const voided = items.some((item) => item.result);
    for (const item of items) {
      item.invalidate();
      this.#touch(item);
    }
    if (voided) this.#emit("results-voided");
    if (this.state === "done" && items.length) this.#enter("review");
  }

  /** @param {Item[]} gone */
  #drop(gone) {
    const drop = new Set(gone);
    for (const item of gone) this.#changed.delete(item); // nothing was told of them yet
    this.items = this.items.filter((item) => !drop.has(item));
    for (const [index, item] of this.items.entries()) item.index = index;
  }

  /** @param {State} state @param {number} total */
  #begin(state, total) {
    this.#abort = new AbortController();
    this.done = 0;
    this.total = total;
    this.#enter(state);
  }

  /** @param {State} state */
  #enter(state) {
    this.tell();
    this.state = state === "empty" && !this.#booted ? "booting" : state;
    this.#emit("state-changed");
  }

  /** @param {Item} item */
  #touch(item) {
    if (this.items[item.index] !== item) return; // forgotten meanwhile
    this.#changed.add(item);
    if (this.#telling) return;
    this.#telling = true;
    const busy = this.state === "reading" || this.state === "cleaning";
    setTimeout(() => this.tell(), busy ? TELL_MS.busy : TELL_MS.soon);
  }

  /** Tell of all that changed now, before something else tells that all is done. */
  tell() {
    this.#telling = false;
    if (!this.#changed.size) return;
    const items = [...this.#changed];
    this.#changed.clear();
    for (const item of items) {
      const facts = factsOf(item);
      this.counts.move(item.counted, facts);
      item.counted = facts;
    }
    this.#emit("items-changed", { items });
  }

  /** @param {string} type @param {object} [detail] */
  #emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
