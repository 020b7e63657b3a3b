// Many frames at once: of each pixel the brightest and the darkest value over all, as they are displayed. What is burned
// into a single one of them is seen in one of the two.

import { each } from "../model/each.js";
import { Picture } from "./picture.js";

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("./pictures.js").Pictures} Pictures */
/** `items` are those of which every frame is in it. @typedef {{brightest: Picture, darkest: Picture, items: Item[]}} Projection */

const UNDER_WAY = 3;

/**
 * @param {AbortSignal} signal @param {Pictures} pictures
 * @param {Item[]} items  of one size: one with several frames, or several with one each
 * @param {(done: number, total: number) => void} progress
 * @returns {Promise<Projection>}
 */
export async function projectionOf(signal, pictures, items, progress) {
  const { rows, columns } = /** @type {NonNullable<Item["info"]>} */ (items[0].info);
  const total = items.reduce((sum, item) => sum + (item.info?.frames ?? 1), 0);
  const extremes = new Extremes(columns, rows);
  /** Nobody has seen an image of which a frame is missing. @type {Map<Item, unknown>} */
  const missing = new Map();
  let done = 0;
  const add = async (/** @type {{item: Item, index: number}} */ { item, index }) => {
    try {
      const picture = await pictures.get(signal, item.file, index, { keep: false });
      extremes.add(picture.draw(picture.initial));
    } catch (error) {
      missing.set(item, error);
    }
    done += 1;
    if (!signal.aborted) progress(done, total);
  };
  await each(signal, framesOf(items, missing), add, UNDER_WAY);
  signal.throwIfAborted();
  const whole = items.filter((item) => !missing.has(item));
  if (!whole.length) throw missing.get(items[0]);
  return { ...extremes.pictures(), items: whole };
}

/** One by one, and no more of an image that failed: a file may claim more frames than there can be.
 * @param {Item[]} items @param {Map<Item, unknown>} missing */
function* framesOf(items, missing) {
  for (const item of items)
    for (let index = 0; index < (item.info?.frames ?? 1) && !missing.has(item); index++)
      yield { item, index };
}

class Extremes {
  #brightest;
  #darkest;

  /** @param {number} width @param {number} height */
  constructor(width, height) {
    this.#brightest = new ImageData(width, height);
    this.#darkest = new ImageData(width, height);
    this.#darkest.data.fill(255);
  }

  /** @param {ImageData} image */
  add({ data, width, height }) {
    const [high, low] = [this.#brightest.data, this.#darkest.data];
    if (width !== this.#brightest.width || height !== this.#brightest.height) throw new RangeError("size");
    for (let i = 0; i < data.length; i++) {
      const value = data[i];
      if (value > high[i]) high[i] = value;
      if (value < low[i]) low[i] = value;
    }
  }

  pictures() {
    return { brightest: Picture.of(this.#brightest), darkest: Picture.of(this.#darkest) };
  }
}
