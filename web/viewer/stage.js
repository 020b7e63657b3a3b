// The stage: a canvas with the picture and the areas above it, and what a pointer on it does.

import { el } from "../dom.js";
import { Areas } from "./areas.js";
import { Camera } from "./camera.js";
import { Drawing } from "./drawing.js";
import { follow, pinches } from "./pointer.js";

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("./shapes.js").Point} Point */
/** @typedef {"window"|"move"|"cover"} Tool */
/** @typedef {import("./areas.js").Listener & {added(area: Redaction): void, windowed(dx: number, dy: number): void,
 *   released(): void, stepped(by: number): void}} Listener */

/** A mouse wheel reports about so many pixels a notch. */
const NOTCH = 40;

export class Stage {
  canvas = el("canvas", { data: { testid: "canvas" } });
  #listener;
  areas;
  drawing;
  root;
  camera;
  /** What a drag on the picture does. @type {Tool} */
  tool = "window";
  /** @type {import("./shapes.js").Shape} */
  shape = "rectangle";

  /** @param {HTMLElement} stage @param {Listener} listener */
  constructor(stage, listener) {
    this.#listener = listener;
    const at = (/** @type {PointerEvent} */ event) => this.#at(event);
    this.areas = new Areas(listener, at);
    this.drawing = new Drawing(this.areas, at, (area) => listener.added(area));
    this.root = el("div", { className: "stage-box" }, this.canvas, this.areas.root);
    this.camera = new Camera(stage, this.root);
    stage.tabIndex = 0; // the keys of the viewer have a place to go
    stage.append(this.root);
    pinches(stage, (factor, from, to) => {
      if (!this.root.hidden) this.camera.pinch(factor, from, to);
    });
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /** @param {ImageData} image @param {number} width @param {number} height  of the whole picture: the image may be coarser */
  show(image, width, height) {
    if (this.canvas.width !== image.width || this.canvas.height !== image.height) {
      this.canvas.width = image.width;
      this.canvas.height = image.height;
    }
    this.camera.size(width, height);
    this.areas.size = { columns: width, rows: height };
    this.canvas.getContext("2d")?.putImageData(image, 0, 0);
  }

  /** @param {Tool} tool */
  use(tool) {
    this.tool = tool;
    this.root.dataset.tool = tool;
    this.drawing.cancel();
  }

  /** What a drag of the tool does, for keys. @param {number} dx @param {number} dy  pixels of the screen */
  drag(dx, dy) {
    if (this.tool === "move") this.camera.move(dx, dy);
    else this.#listener.windowed(dx, dy);
  }

  /** Where a pointer is, in pixels of the image. @param {PointerEvent} event @returns {Point} */
  #at(event) {
    const area = this.canvas.getBoundingClientRect();
    const { columns, rows } = this.areas.size;
    const x = ((event.clientX - area.left) / area.width) * columns;
    return [x, ((event.clientY - area.top) / area.height) * rows];
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (this.root.hidden || !this.canvas.width || event.button > 1) return;
    event.preventDefault();
    /** @type {HTMLElement} */ (event.currentTarget).focus({ preventScroll: true });
    const cover = event.button === 0 && this.tool === "cover" && this.areas.editable;
    if (cover && this.shape === "polygon")
      follow(
        this.areas.root,
        event,
        () => {},
        (done) => done && this.drawing.point(event),
      );
    else if (cover) this.drawing.box(event, this.shape);
    else this.#drag(event, event.button === 1 ? "move" : this.tool);
  }

  /** @param {PointerEvent} start @param {Tool} tool */
  #drag(start, tool) {
    let { clientX: x, clientY: y } = start;
    const moved = (/** @type {PointerEvent} */ event) => {
      const [dx, dy] = [event.clientX - x, event.clientY - y];
      if (tool === "move") this.camera.move(dx, dy);
      else this.#listener.windowed(dx, dy);
      x = event.clientX;
      y = event.clientY;
    };
    follow(this.root, start, moved, () => this.#listener.released());
  }

  #wheeled = 0;
  /** @param {WheelEvent} event */
  #wheel(event) {
    if (this.root.hidden) return;
    event.preventDefault();
    const turned = event.deltaMode === 0 ? event.deltaY / NOTCH : event.deltaY;
    if (event.ctrlKey) return this.camera.zoom(-Math.sign(turned) * Math.min(Math.abs(turned), 1), event);
    this.#wheeled += turned;
    const steps = Math.trunc(this.#wheeled);
    if (!steps) return;
    this.#wheeled -= steps;
    this.#listener.stepped(Math.sign(steps));
  }
}
