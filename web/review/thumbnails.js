// Small pictures of the lines that are in sight: one at a time, only while nobody waits for the workers. The last few
// hundred are kept, for lines that come into sight again.

import { el } from "../dom.js";
import { Picture } from "../viewer/picture.js";

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */

/** Pixels of a side; few, since there may be thousands. */
const SIDE = 64;
/** Frames of more pixels cost more time than a small picture is worth. */
const MOST_PIXELS = 5_000_000;
/** Pictures that are kept; 16 kB each. */
const KEPT = 400;
/** A row that is only scrolled past is left alone. */
const REST_MS = 150;

export class Thumbnails {
  #session;
  #pool;
  /** Rows in sight without a picture. @type {Map<Element, Item>} */
  #wanted = new Map();
  /** @type {WeakMap<Element, Item>} */
  #items = new WeakMap();
  /** The one used last is the last. @type {Map<Item, ImageData>} */
  #kept = new Map();
  #observer;
  #drawing = false;

  /** @param {Session} session @param {WorkerPool} pool @param {Element} list  that scrolls */
  constructor(session, pool, list) {
    this.#session = session;
    this.#pool = pool;
    this.#observer = new IntersectionObserver((entries) => this.#seen(entries), { root: list });
    session.addEventListener("state-changed", () => this.#next());
    session.addEventListener("items-cleared", () => {
      this.#observer.disconnect();
      this.#wanted.clear();
      this.#kept.clear();
    });
  }

  /** @param {Element} place  where the picture goes @param {Item} item */
  watch(place, item) {
    const { info } = item;
    if (this.#items.get(place) === item) return;
    if (!info?.preview || item.refusal || info.rows * info.columns > MOST_PIXELS) return;
    this.#items.set(place, item);
    this.#observer.unobserve(place); // so that it tells anew whether it is in sight
    this.#observer.observe(place);
  }

  /** It left the document. @param {Element} place */
  forget(place) {
    this.#observer.unobserve(place);
    this.#wanted.delete(place);
    this.#items.delete(place);
  }

  /** @param {Element} place @param {Item} item @param {ImageData} image */
  #put(place, item, image) {
    if (this.#items.get(place) !== item) return; // another line by now
    const canvas = el("canvas", { width: image.width, height: image.height, ariaHidden: "true" });
    canvas.getContext("2d")?.putImageData(image, 0, 0);
    place.replaceChildren(canvas);
    this.#wanted.delete(place);
    this.#observer.unobserve(place);
    this.#kept.delete(item);
    this.#kept.set(item, image);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT) this.#kept.delete(oldest);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const item = this.#items.get(target);
      const kept = item && this.#kept.get(item);
      if (isIntersecting && kept) this.#put(target, item, kept);
      else if (isIntersecting && item) this.#wanted.set(target, item);
      else this.#wanted.delete(target);
    }
    this.#next();
  }

  get #idle() {
    return this.#session.state === "review" || this.#session.state === "done";
  }

  async #next() {
    if (this.#drawing || !this.#wanted.size || !this.#idle) return;
    this.#drawing = true;
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    while (this.#idle) {
      const [next] = this.#wanted;
      if (!next) break;
      const [place, item] = next;
      this.#wanted.delete(place);
      this.#observer.unobserve(place);
      await this.#draw(place, item);
    }
    this.#drawing = false;
  }

  /** @param {Element} place @param {Item} item */
  async #draw(place, item) {
    const { signal } = new AbortController();
    const index = ((item.info?.frames ?? 1) - 1) >> 1;
    try {
      const picture = new Picture(await this.#pool.run(signal, "frame", { file: item.file, index }));
      const step = Math.max(1, Math.ceil(Math.max(picture.width, picture.height) / SIDE));
      this.#put(place, item, picture.draw(picture.initial, step));
    } catch {
      // the row stays without: the viewer says why
    }
  }
}
