// Plays the frames of an image at their own pace, or the images of a series, over and over.

/** @typedef {import("./view.js").View} View */

/** For images that name no frame time. */
const FRAME_MS = 100;
/** Faster than the screen makes no sense; slower than this is no film. */
const [LEAST_MS, MOST_MS] = [1000 / 60, 2000];

export class Player extends EventTarget {
  playing = false;
  #view;
  /** Counts films: one that was stopped does not go on in the next. */
  #films = 0;

  /** @param {View} view */
  constructor(view) {
    super();
    this.#view = view;
  }

  /** There is a picture, and another one to follow. */
  get possible() {
    const { picture, next, position } = this.#view;
    return picture !== null && next !== position.at;
  }

  /** @param {boolean} playing */
  set(playing) {
    const wanted = playing && this.possible;
    if (this.playing === wanted) return;
    this.playing = wanted;
    this.dispatchEvent(new CustomEvent("playing-changed"));
    if (wanted) this.#run();
  }

  toggle() {
    this.set(!this.playing);
  }

  /** Until it is stopped, or something else is shown; a frame that comes late makes the next wait less. */
  async #run() {
    const view = this.#view;
    let { item } = view;
    // What a file says of its frames' time is not of the images of a series.
    const time = (view.frames > 1 && item?.info?.frame_time) || FRAME_MS;
    const pace = Math.min(Math.max(time, LEAST_MS), MOST_MS);
    this.#films += 1;
    const film = this.#films;
    let due = performance.now();
    while (this.playing && film === this.#films && view.item === item && !view.problem) {
      due = Math.max(due + pace, performance.now() - pace);
      await new Promise((resolve) => setTimeout(resolve, Math.max(due - performance.now(), 0)));
      await new Promise((resolve) => requestAnimationFrame(resolve)); // not while nobody can see it
      if (!this.playing || film !== this.#films || view.item !== item) continue;
      const shown = view.go(view.next);
      ({ item } = view);
      await shown;
    }
    if (film === this.#films) this.set(false);
  }
}
