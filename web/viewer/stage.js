// The stage: a canvas with the picture, and above it the rectangles as elements that take focus, pointer and keys.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { boxFromCorners, moved, outsideOf, resized } from "./coverings.js";

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("./coverings.js").Box} Box */
/** @typedef {{added(box: Box): void, changed(from: Redaction, box: Box): void, removed(box: Redaction): void,
 *   windowed(dx: number, dy: number): void, stepped(by: number): void}} Listener */

const STEP = 1;
const BIG_STEP = 10;

export class Stage {
  canvas = el("canvas", { data: { testid: "canvas" } });
  #layer = el("div", { className: "coverings" });
  root = el("div", { className: "stage-box" }, this.canvas, this.#layer);
  /** What a drag on the picture does. @type {"window"|"cover"} */
  tool = "window";
  /** Rectangles can be drawn here. */
  editable = false;
  #listener;

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
    this.root.addEventListener("pointerdown", (event) => this.#down(event));
  }

  /** @param {ImageData} image */
  show(image) {
    if (this.canvas.width !== image.width || this.canvas.height !== image.height) {
      this.canvas.width = image.width;
      this.canvas.height = image.height;
      this.root.style.setProperty("--ratio", String(image.width / image.height));
    }
    this.canvas.getContext("2d")?.putImageData(image, 0, 0);
  }

  /** @param {Redaction[]} redactions @param {Redaction|null} focus */
  cover(redactions, focus = null) {
    const { width, height } = this.canvas;
    const boxes = redactions.map((redaction, index) => {
      const box = el("div", {
        className: redaction.keep_only ? "covering keep" : "covering",
        tabIndex: 0,
        role: "group",
        ariaLabel: label(index + 1, redaction),
        data: { testid: "covering" },
      });
      place(box, redaction, width, height);
      box.append(el("span", { className: "grip" }));
      box.addEventListener("keydown", (event) => this.#key(event, redaction));
      box.addEventListener("pointerdown", (event) => this.#grab(event, box, redaction));
      return box;
    });
    const outside = el("div", { className: "outside" });
    outside.style.clipPath = outsideOf(redactions, width, height);
    outside.hidden = !outside.style.clipPath;
    this.#layer.replaceChildren(outside, ...boxes);
    const index = focus ? redactions.indexOf(focus) : -1;
    if (index >= 0) boxes[index].focus();
  }

  /** Where a pointer is, in pixels of the image. @param {PointerEvent} event @returns {[number, number]} */
  #at(event) {
    const area = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - area.left) / area.width) * this.canvas.width;
    const y = ((event.clientY - area.top) / area.height) * this.canvas.height;
    return [x, y];
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button !== 0 || !this.canvas.width) return;
    event.preventDefault();
    if (this.tool === "cover" && this.editable) this.#draw(event);
    else this.#drag(event, (dx, dy) => this.#listener.windowed(dx, dy));
  }

  /** @param {PointerEvent} start */
  #draw(start) {
    const { width, height } = this.canvas;
    const [x0, y0] = this.#at(start);
    const box = el("div", { className: "covering drawing" });
    this.#layer.append(box);
    let last = boxFromCorners(x0, y0, x0, y0, width, height);
    let moves = 0;
    follow(
      this.root,
      start,
      (event) => {
        moves += 1;
        last = boxFromCorners(x0, y0, ...this.#at(event), width, height);
        place(box, last, width, height);
      },
      (done) => {
        box.remove();
        if (done && moves && last.width > 1 && last.height > 1) this.#listener.added(last);
      },
    );
  }

  /** @param {PointerEvent} start @param {HTMLElement} box @param {Redaction} redaction */
  #grab(start, box, redaction) {
    if (start.button !== 0 || !this.editable) return;
    start.stopPropagation();
    const { width, height } = this.canvas;
    const change = /** @type {HTMLElement} */ (start.target).matches(".grip") ? resized : moved;
    const [x0, y0] = this.#at(start);
    /** @type {Box} */
    let last = redaction;
    follow(
      this.root,
      start,
      (event) => {
        const [x, y] = this.#at(event);
        last = change(redaction, Math.round(x - x0), Math.round(y - y0), width, height);
        place(box, last, width, height);
      },
      (done) => {
        if (done && last !== redaction) this.#listener.changed(redaction, last);
        else place(box, redaction, width, height);
      },
    );
    box.focus();
  }

  /** @param {PointerEvent} start @param {(dx: number, dy: number) => void} moved */
  #drag(start, moved) {
    let { clientX: x, clientY: y } = start;
    follow(
      this.root,
      start,
      (event) => {
        moved(event.clientX - x, event.clientY - y);
        x = event.clientX;
        y = event.clientY;
      },
      () => {},
    );
  }

  /** @param {KeyboardEvent} event @param {Redaction} redaction */
  #key(event, redaction) {
    if (!this.editable) return;
    const { width, height } = this.canvas;
    const step = event.ctrlKey || event.altKey ? BIG_STEP : STEP;
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[
      event.key
    ];
    if (direction) {
      const [dx, dy] = direction;
      const change = event.shiftKey ? resized : moved;
      this.#listener.changed(redaction, change(redaction, dx * step, dy * step, width, height));
    } else if (event.key === "Delete" || event.key === "Backspace") this.#listener.removed(redaction);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** @param {number} number @param {Box} box */
const label = (number, { x, y, width, height }) => t("viewer.covering", { number, x, y, width, height });

/** @param {HTMLElement} element @param {Box} box @param {number} width @param {number} height */
function place(element, box, width, height) {
  const percent = (/** @type {number} */ part, /** @type {number} */ whole) => `${(part / whole) * 100}%`;
  element.style.left = percent(box.x, width);
  element.style.top = percent(box.y, height);
  element.style.width = percent(box.width, width);
  element.style.height = percent(box.height, height);
}

/**
 * Follow one pointer until it is released (done) or lost.
 * @param {HTMLElement} element @param {PointerEvent} start
 * @param {(event: PointerEvent) => void} moved @param {(done: boolean) => void} ended
 */
function follow(element, start, moved, ended) {
  const stop = new AbortController();
  const { signal } = stop;
  element.setPointerCapture(start.pointerId);
  const finish = (/** @type {boolean} */ done) => {
    stop.abort();
    ended(done);
  };
  element.addEventListener("pointermove", (event) => event.pointerId === start.pointerId && moved(event), {
    signal,
  });
  element.addEventListener("pointerup", (event) => event.pointerId === start.pointerId && finish(true), {
    signal,
  });
  element.addEventListener("pointercancel", () => finish(false), { signal });
}
