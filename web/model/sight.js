// What of an image was really on the screen, whole: the ground on which a person may say that nothing in it identifies.

/** @typedef {import("../contract.js").Redaction} Redaction */
/** `shown`: an image of one frame; `frames`: each of several; `projection`: all of them in two pictures.
 * @typedef {"shown"|"frames"|"projection"} Means */
/** A frame by its number, or one of the two pictures over all frames: of each pixel its brightest and darkest value.
 * Text that is dark on white is lost in the brightest, so that both are needed.
 * @typedef {number|"brightest"|"darkest"} Sighting */

export class Sight {
  /** @type {Set<Sighting>} */
  #seen = new Set();

  /** @param {Sighting} what */
  add(what) {
    this.#seen.add(what);
  }

  /** @param {Sighting} what */
  has(what) {
    return this.#seen.has(what);
  }

  /** How many frames were shown one by one. */
  get frames() {
    return this.#seen.size - Number(this.has("brightest")) - Number(this.has("darkest"));
  }

  /** @param {number} frames  of the image @returns {Means|null} null: not seen */
  means(frames) {
    if (this.frames >= frames) return frames > 1 ? "frames" : "shown";
    return this.has("brightest") && this.has("darkest") ? "projection" : null;
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
