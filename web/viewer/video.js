// A video, played by the browser from where it lies in the file. A second of it was seen when it was played while all of the
// picture was in sight: whenever it is not, or something lies over it, playing stops.

import { byTestId } from "../dom.js";
import { inFront, watchFront, watchSight } from "./looking.js";

/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("./view.js").View} View */

/** To this many seconds browsers say what they played. */
const ROUNDING = 0.05;

export class Video {
  #session;
  #view;
  #element = /** @type {HTMLVideoElement} */ (byTestId("video"));
  /** @type {Blob|null} */
  #shown = null;
  #whole = false;

  /** @param {Session} session @param {View} view */
  constructor(session, view) {
    this.#session = session;
    this.#view = view;
    const on = (/** @type {string} */ type, /** @type {() => void} */ act) =>
      this.#element.addEventListener(type, act);
    on("timeupdate", () => this.#count());
    on("play", () => this.#stopUnseen());
    on("error", () => view.cannotPlay());
    on("loadedmetadata", () => this.#element.videoWidth || view.cannotPlay()); // sound alone shows nothing
    on("ratechange", () => Object.assign(this.#element, { playbackRate: 1 })); // not every browser lets the page hide it
    watchFront(() => this.#stopUnseen());
    watchSight(this.#element, (whole) => {
      this.#whole = whole;
      this.#stopUnseen();
    });
    for (const event of ["loading", "loaded"]) view.addEventListener(event, () => this.#show());
  }

  #show() {
    const { video } = this.#view;
    if (this.#shown === video) return;
    this.#shown = video;
    const element = this.#element;
    URL.revokeObjectURL(element.src);
    element.hidden = !video;
    if (video) element.src = URL.createObjectURL(video);
    else element.removeAttribute("src");
    element.load();
  }

  #stopUnseen() {
    if (!this.#whole || !inFront()) this.#element.pause();
  }

  #count() {
    const { played, duration, videoWidth } = this.#element;
    const { item, video } = this.#view;
    if (!item || !video || !videoWidth || !Number.isFinite(duration)) return;
    const of = Math.max(Math.ceil(duration), 1);
    for (let n = 0; n < played.length; n++) {
      const end = played.end(n) + ROUNDING;
      for (let second = Math.ceil(played.start(n) - ROUNDING); second < of; second++)
        if (Math.min(second + 1, duration) <= end) this.#session.saw([item], { second, of }, []);
    }
  }
}
