// Frames that are ready to draw: asked of the pool once, kept while there is room, so that scrolling and playing wait for
// nothing that was seen a moment ago.

import { Picture } from "./picture.js";

/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */

const ROOM_BYTES = 192 * 2 ** 20;
/** Files of which frames are decoded in advance at a time. */
const MOST_AHEAD = 4;

export class Pictures {
  #pool;
  /** Oldest first. @type {Map<Blob, Map<number, Picture>>} */
  #kept = new Map();
  #bytes = 0;
  /** What was asked for in advance, and is not there yet. @type {Map<Blob, Set<number>>} */
  #ahead = new Map();

  /** @param {WorkerPool} pool */
  constructor(pool) {
    this.#pool = pool;
  }

  /**
   * @param {AbortSignal} signal @param {Blob} file @param {number} index
   * @param {{urgent?: boolean, keep?: boolean}} [how]
   * @returns {Promise<Picture>}
   */
  async get(signal, file, index, { urgent = true, keep = true } = {}) {
    const kept = this.#kept.get(file)?.get(index);
    if (kept) return kept;
    const picture = new Picture(await this.#pool.run(signal, "frame", { file, index }, { urgent }));
    if (keep) this.#keep(file, index, picture);
    return picture;
  }

  /** Decode a frame that somebody may ask for next. @param {Blob} file @param {number} index */
  prefetch(file, index) {
    if (this.#ahead.size >= MOST_AHEAD || this.#ahead.get(file)?.has(index)) return;
    const { signal } = new AbortController(); // a frame is decoded in the time that stopping a worker would take
    const waiting = this.#ahead.get(file) ?? new Set();
    this.#ahead.set(file, waiting.add(index));
    const done = () => waiting.delete(index) && !waiting.size && this.#ahead.delete(file);
    this.get(signal, file, index, { urgent: false }).then(done, done); // who asks for it in earnest hears of errors
  }

  clear() {
    this.#kept.clear();
    this.#bytes = 0;
  }

  /** @param {Blob} file @param {number} index @param {Picture} picture */
  #keep(file, index, picture) {
    const frames = this.#kept.get(file) ?? new Map();
    if (frames.has(index)) return;
    this.#kept.delete(file);
    this.#kept.set(file, frames); // now the newest
    frames.set(index, picture);
    this.#bytes += picture.bytes;
    while (this.#bytes > ROOM_BYTES) {
      const [oldest, others] = /** @type {[Blob, Map<number, Picture>]} */ (
        this.#kept.entries().next().value
      );
      const [first, gone] = /** @type {[number, Picture]} */ (others.entries().next().value);
      others.delete(first);
      if (!others.size) this.#kept.delete(oldest);
      this.#bytes -= gone.bytes;
    }
  }
}
