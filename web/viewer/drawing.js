// Drawing new areas by pointer: boxes by a drag, polygons point by point.

import { svg } from "./areas.js";
import { follow } from "./pointer.js";
import { boxAround, boxFromCorners, MIN_POINTS, pathOf, pixelsOf, shapeIn } from "./shapes.js";

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("./shapes.js").Point} Point */
/** @typedef {import("./shapes.js").Shape} Shape */
/** @typedef {import("./areas.js").Areas} Areas */

/** This near to the first point, in pixels of the screen, a click closes a polygon. */
const NEAR = 10;

export class Drawing {
  #areas;
  #at;
  #added;
  /** The corners so far of a polygon, where the pointers went down. @type {Point[]} */
  #points = [];
  #line = svg("path", { class: "drawing" });

  /** @param {Areas} areas @param {(event: PointerEvent) => Point} at @param {(area: Redaction) => void} added */
  constructor(areas, at, added) {
    this.#areas = areas;
    this.#at = at;
    this.#added = added;
    areas.root.addEventListener("pointermove", (event) => this.#preview(event));
  }

  get busy() {
    return this.#line.isConnected;
  }

  /** A box from here to where the pointer is released. @param {PointerEvent} start @param {Shape} shape */
  box(start, shape) {
    const { size } = this.#areas;
    const from = this.#at(start);
    /** @type {Redaction|null} */
    let area = null;
    this.#show("");
    follow(
      this.#areas.root,
      start,
      (event) => {
        area = shapeIn(shape, boxFromCorners(from, this.#at(event), size));
        this.#line.setAttribute("d", pathOf(area));
      },
      (done) => {
        this.#line.remove();
        if (done && area && area.width > 1 && area.height > 1) this.#added(area);
      },
    );
  }

  /** One more corner; on the first one, or twice at one place, the last. @param {PointerEvent} event */
  point(event) {
    const point = this.#at(event);
    const near = (/** @type {Point|undefined} */ other) =>
      other !== undefined && this.#distance(point, other) < NEAR;
    if (near(this.#points[0]) || near(this.#points.at(-1))) return this.finish();
    this.#points.push(point);
    this.#show(this.#path());
  }

  /** Make an area of the corners, if they are enough. */
  finish() {
    const points = pixelsOf(this.#points, this.#areas.size);
    this.cancel();
    if (points.length < MIN_POINTS) return;
    this.#added({ ...shapeIn("rectangle", boxAround(points)), shape: "polygon", points });
  }

  cancel() {
    this.#points = [];
    this.#line.remove();
  }

  /** @param {string} path */
  #show(path) {
    this.#line.setAttribute("d", path);
    this.#areas.root.append(this.#line);
  }

  /** @param {...Point} more */
  #path(...more) {
    return `M${[...this.#points, ...more].map(([x, y]) => `${x} ${y}`).join("L")}`;
  }

  /** @param {PointerEvent} event */
  #preview(event) {
    if (this.#points.length) this.#line.setAttribute("d", this.#path(this.#at(event)));
  }

  /** In pixels of the screen. @param {Point} a @param {Point} b */
  #distance([x0, y0], [x1, y1]) {
    const scale = this.#areas.root.getBoundingClientRect().width / this.#areas.size.columns;
    return Math.hypot(x1 - x0, y1 - y0) * scale;
  }
}
