// Tells the session what was really on the screen: the whole picture, drawn, in a page that is in front, under no dialog.

import { isIn } from "./shapes.js";

/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("./view.js").View} View */

/** How much of the picture has to be in sight; the rest is rounding. */
const WHOLE = 0.99;

/**
 * Tell whenever all of an element comes into sight, or no longer is.
 * @param {Element} element @param {(whole: boolean, part: boolean) => void} tell  part: some of it is, not all
 */
export function watchSight(element, tell) {
  const told = (/** @type {IntersectionObserverEntry[]} */ entries) => {
    const ratio = entries.at(-1)?.intersectionRatio ?? 0;
    tell(ratio >= WHOLE, ratio > 0 && ratio < WHOLE);
  };
  new IntersectionObserver(told, { threshold: [0, WHOLE] }).observe(element);
}

/** The page is in front, and no dialog in front of it: IntersectionObserver does not know what lies over an element. */
export const inFront = () =>
  document.visibilityState === "visible" && !document.querySelector("dialog[open]");

/** Tell whenever that may have changed. @param {() => unknown} tell */
export function watchFront(tell) {
  document.addEventListener("visibilitychange", tell);
  new MutationObserver(tell).observe(document.body, { subtree: true, attributeFilter: ["open"] });
}

export class Looking extends EventTarget {
  /** All of the picture is in sight: not magnified, not behind another tab of the page. */
  whole = false;
  /** Only a part of it is. */
  magnified = false;
  #session;
  #view;
  /** Counts pictures, so that one that was replaced before it was on the screen does not count. */
  #drawn = 0;

  /** @param {Session} session @param {View} view @param {HTMLCanvasElement} canvas */
  constructor(session, view, canvas) {
    super();
    this.#session = session;
    this.#view = view;
    watchSight(canvas, (whole, part) => {
      this.whole = whole;
      this.magnified = part;
      this.look();
      this.dispatchEvent(new CustomEvent("sight-changed"));
    });
    view.addEventListener("loaded", () => this.look());
    session.addEventListener("items-changed", () => this.look()); // an area may be gone, and what lay below it seen
    watchFront(() => this.look());
  }

  /** A picture was drawn: after the next but one frame of the browser it was on the screen, if it still is. */
  look() {
    this.#drawn += 1;
    const drawn = this.#drawn;
    const { item, frame, mode, projection } = this.#view;
    if (!item || !this.#counts) return;
    const items = mode === "frames" ? [item] : (projection?.items ?? []);
    const under = item.redactions.filter((area) => mode !== "frames" || isIn(area, frame));
    requestAnimationFrame(() => {
      if (drawn !== this.#drawn || !this.#counts) return;
      requestAnimationFrame(() => this.#session.saw(items, mode === "frames" ? frame : mode, under));
    });
  }

  get #counts() {
    const { picture, settled, cleaned } = this.#view;
    return picture !== null && settled && !cleaned && this.whole && inFront();
  }
}
