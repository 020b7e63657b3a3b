// How the picture lies on the stage: fitted to it, or magnified and moved. Sizes, not transforms, so that lines stay thin.

/** @typedef {import("./pointer.js").Place} Place */
/** @typedef {import("./shapes.js").Point} Point */

const STEP = 1.25;
const MOST = 16;

export class Camera {
  #stage;
  #box;
  /** Pixels of the screen for one of the image; null: as large as fits. @type {number|null} */
  #scale = null;
  /** From the middle of the stage to that of the picture. @type {Point} */
  #pan = [0, 0];
  #width = 1;
  #height = 1;

  /** @param {HTMLElement} stage @param {HTMLElement} box */
  constructor(stage, box) {
    this.#stage = stage;
    this.#box = box;
  }

  /** @param {number} width @param {number} height  of the image */
  size(width, height) {
    if (this.#width === width && this.#height === height) return;
    this.#width = width;
    this.#height = height;
    this.#box.style.setProperty("--ratio", String(width / height));
    this.fit();
  }

  get fitted() {
    return this.#scale === null;
  }

  /** Pixels of the screen for one of the image. */
  get scale() {
    return this.#scale ?? this.#box.clientWidth / this.#width;
  }

  fit() {
    this.#scale = null;
    this.#pan = [0, 0];
    this.#apply();
  }

  /** One pixel of the image is one of the screen. */
  actual() {
    this.#zoomTo(1 / devicePixelRatio, [0, 0]);
  }

  /** @param {number} steps  in when positive @param {Place} [at]  what stays in its place */
  zoom(steps, at) {
    this.#zoomTo(this.scale * STEP ** steps, at ? this.#fromMiddle(at) : [0, 0]);
  }

  /** What was at one place is at another, and so many times as large. @param {number} factor @param {Place} from @param {Place} to */
  pinch(factor, from, to) {
    this.#zoomTo(this.scale * factor, this.#fromMiddle(from));
    this.move(to.clientX - from.clientX, to.clientY - from.clientY);
  }

  /** @param {Place} place @returns {Point} */
  #fromMiddle({ clientX, clientY }) {
    const { left, top, width, height } = this.#stage.getBoundingClientRect();
    return [clientX - left - width / 2, clientY - top - height / 2];
  }

  /** Never smaller than fits, or than 1:1 where that is less: a stamp on the screen is not seen. @param {number} wanted @param {Point} at */
  #zoomTo(wanted, [x, y]) {
    const old = this.scale;
    if (!old) return; // it is not shown
    const { clientWidth, clientHeight } = this.#stage;
    const edges = 2 * Number.parseFloat(getComputedStyle(this.#stage).paddingLeft);
    const fitting = Math.min((clientWidth - edges) / this.#width, (clientHeight - edges) / this.#height);
    const least = Math.min(fitting, 1 / devicePixelRatio);
    if (wanted <= least && least === fitting) return this.fit();
    const scale = Math.min(Math.max(wanted, least), MOST);
    this.#scale = scale;
    this.#pan = [x - ((x - this.#pan[0]) * scale) / old, y - ((y - this.#pan[1]) * scale) / old];
    this.#apply();
  }

  /** @param {number} dx @param {number} dy */
  move(dx, dy) {
    if (this.fitted) return;
    this.#pan = [this.#pan[0] + dx, this.#pan[1] + dy];
    this.#apply();
  }

  #apply() {
    const { style, dataset } = this.#box;
    const scale = this.#scale;
    if (scale !== null) {
      // The picture never leaves the stage altogether.
      const most = [(this.#width * scale) / 2, (this.#height * scale) / 2];
      const inside = (/** @type {0|1} */ axis) =>
        Math.min(Math.max(this.#pan[axis], -most[axis]), most[axis]);
      this.#pan = [inside(0), inside(1)];
    }
    dataset.fitted = String(scale === null);
    dataset.sharp = String(this.scale * devicePixelRatio >= 2);
    style.setProperty("--width", scale === null ? "" : `${this.#width * scale}px`);
    style.translate = scale === null ? "" : `${this.#pan[0]}px ${this.#pan[1]}px`;
  }
}
