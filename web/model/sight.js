// What of an image was really on the screen, whole: the ground on which a person may say that nothing in it identifies.

/** @typedef {import("../contract.js").Redaction} Redaction */
/** `shown`: an image of one frame; `frames`: each of several; `projection`: all of them in two pictures; `played`: each
 * second of a video. @typedef {"shown"|"frames"|"projection"|"played"} Means */
/** A frame by its number, or one of the two pictures over all frames: of each pixel its brightest and darkest value.
 * Text that is dark on white is lost in the brightest, so that both are needed. Of a video a second, from 0, of so many.
 * @typedef {number|"brightest"|"darkest"|{second: number, of: number}} Sighting */

export class Sight {
  /** What was shown, and the areas that lay over it then. @type {Map<Sighting, Redaction[]>} */
  #seen = new Map();
  /** Seconds of a video. @type {Set<number>} */
  #seconds = new Set();
  /** How much of a video was played, in seconds. */
  played = { done: 0, all: 0 };

  /**
   * @param {Sighting} what @param {Redaction[]} under  areas that lay over it
   * @returns {boolean} whether that is news
   */
  add(what, under) {
    if (typeof what === "object") {
      if (what.of === this.played.all && this.#seconds.has(what.second)) return false;
      this.#seconds.add(what.second);
      const inside = [...this.#seconds].filter((second) => second < what.of); // the browser may correct a length
      this.played = { done: inside.length, all: what.of };
      return true;
    }
    const before = this.#seen.get(what);
    if (before?.every((area) => under.includes(area))) return false;
    this.#seen.set(what, under);
    return true;
  }

  /** Whether it was shown, but for what is still covered. @param {Sighting} what @param {Redaction[]} areas */
  has(what, areas) {
    return this.#seen.get(what)?.every((area) => areas.includes(area)) === true;
  }

  /** How many frames were shown one by one. @param {Redaction[]} areas  of the image now */
  frames(areas) {
    let count = 0;
    for (const what of this.#seen.keys()) if (typeof what === "number" && this.has(what, areas)) count += 1;
    return count;
  }

  /** @param {number} frames  of the image @param {Redaction[]} areas  of it now @returns {Means|null} null: not seen */
  means(frames, areas) {
    const { done, all } = this.played;
    if (all) return done >= all ? "played" : null;
    if (this.frames(areas) >= frames) return frames > 1 ? "frames" : "shown";
    return this.has("brightest", areas) && this.has("darkest", areas) ? "projection" : null;
  }
}

/**
 * As the core has it (dicomveil.pipeline): an area stands for a look at its frames only.
 * @param {Redaction[]} areas @param {number} frames
 */
export function everyFrameHasOne(areas, frames) {
  let unseen = 0;
  const ranges = areas.map((area) => area.frames ?? [0, frames - 1]).sort((a, b) => a[0] - b[0]);
  for (const [first, last] of ranges) {
    if (first > unseen) return false;
    unseen = Math.max(unseen, last + 1);
  }
  return unseen >= frames;
}
