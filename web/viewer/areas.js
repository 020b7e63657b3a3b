// The areas above the picture, as elements that take focus, pointer and keys: SVG, so that every shape is its own outline.

import { t } from "../i18n.js";
import { follow } from "./pointer.js";
import { moved, pathOf, pointAdded, pointMoved, pointRemoved, resized, same } from "./shapes.js";

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("./shapes.js").Size} Size */
/** @typedef {import("./shapes.js").Point} Point */
/** @typedef {{changed(from: Redaction, to: Redaction): void, removed(area: Redaction): void}} Listener */

const BIG_STEP = 10;
/** @type {Record<string, Point>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {string} name @param {Record<string, string|number>} attributes @param {...Element} children */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return /** @type {SVGElement} */ (element);
}

export class Areas {
  root = svg("svg", { class: "areas", preserveAspectRatio: "none" });
  editable = false;
  /** @type {Size} */
  size = { columns: 1, rows: 1 };
  #listener;
  #at;
  /** @type {Redaction[]} */
  #shown = [];

  /** @param {Listener} listener @param {(event: PointerEvent) => Point} at  where a pointer is in the image */
  constructor(listener, at) {
    this.#listener = listener;
    this.#at = at;
  }

  /** The area that has the focus, or a part of it. @returns {Redaction|null} */
  get focused() {
    const group = document.activeElement?.closest(".covering");
    const index = group ? [...this.root.querySelectorAll(".covering")].indexOf(group) : -1;
    return this.#shown[index] ?? null;
  }

  /** @param {Redaction[]} areas @param {Redaction|null} [focus]  that takes the focus */
  show(areas, focus = null) {
    const known = areas.length === this.#shown.length && areas.every((area, at) => area === this.#shown[at]);
    const view = `0 0 ${this.size.columns} ${this.size.rows}`;
    if (known && this.root.getAttribute("viewBox") === view && (!focus || this.focused === focus)) return;
    const part = document.activeElement?.closest(".point")?.getAttribute("data-point") ?? null;
    const wanted = focus ?? this.focused;
    this.#shown = areas;
    this.root.setAttribute("viewBox", view);
    const groups = areas.map((area, index) => this.#group(area, index + 1));
    this.root.replaceChildren(...outside(areas, this.size), ...groups);
    const group = wanted ? groups[areas.findIndex((area) => same(area, wanted))] : undefined;
    const inside = part === null ? null : group?.querySelector(`[data-point="${part}"]`);
    /** @type {SVGElement|undefined} */ (inside ?? group)?.focus({ preventScroll: true });
  }

  /** @param {Redaction} area @param {number} number */
  #group(area, number) {
    const name = `viewer.${area.keep_only ? "kept" : "covering"}`;
    const { x, y, width, height } = area;
    const group = svg(
      "g",
      { class: area.keep_only ? "covering keep" : "covering", tabindex: 0, role: "group" },
      svg("path", { class: "shape", d: pathOf(area) }),
      svg("path", { class: "edge", d: pathOf(area) }), // wide enough for a hand, and not seen
    );
    group.ariaLabel = t(name, { number, shape: t(`shape.${area.shape}`), x, y, width, height });
    group.dataset.testid = "covering";
    group.dataset.shape = area.shape;
    if (!area.points) group.append(this.#grip(area));
    for (const index of (area.points ?? []).keys()) group.append(this.#point(area, index));
    this.#drags(group, area, (dx, dy) => moved(area, dx, dy, this.size));
    group.addEventListener("keydown", (event) => this.#key(event, area));
    return group;
  }

  /** The lower right corner, by which the size changes. @param {Redaction} area */
  #grip(area) {
    const grip = dot("grip", area.x + area.width, area.y + area.height);
    this.#drags(grip, area, (dx, dy) => resized(area, dx, dy, this.size));
    return grip;
  }

  /** @param {Redaction} area @param {number} index */
  #point(area, index) {
    const points = area.points ?? [];
    const [x, y] = points[index];
    const point = dot("point", x + 0.5, y + 0.5);
    point.setAttribute("tabindex", "0");
    point.role = "group";
    point.ariaLabel = t("viewer.point", { number: index + 1, all: points.length, x, y });
    point.dataset.point = String(index);
    const change = (/** @type {number} */ dx, /** @type {number} */ dy) =>
      pointMoved(area, index, [x + dx, y + dy], this.size);
    this.#drags(point, area, change);
    point.addEventListener("keydown", (event) => {
      if (!this.editable) return;
      const direction = DIRECTIONS[event.key];
      const step = event.ctrlKey || event.altKey ? BIG_STEP : 1;
      if (direction) this.#change(area, change(direction[0] * step, direction[1] * step));
      else if (event.key === "Delete" || event.key === "Backspace")
        this.#change(area, pointRemoved(area, index));
      else if (event.key === "Insert" || event.key === "+") this.#change(area, pointAdded(area, index));
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return point;
  }

  /** @param {SVGElement} element @param {Redaction} area @param {(dx: number, dy: number) => Redaction} change */
  #drags(element, area, change) {
    element.addEventListener("pointerdown", (start) => {
      if (start.button !== 0 || !this.editable) return;
      start.stopPropagation();
      start.preventDefault();
      element.focus({ preventScroll: true });
      const [x0, y0] = this.#at(start);
      const outlines = element.closest(".covering")?.querySelectorAll(".shape, .edge") ?? [];
      let last = area;
      const draw = (/** @type {Redaction} */ now) => {
        for (const outline of outlines) outline.setAttribute("d", pathOf(now));
      };
      const move = (/** @type {PointerEvent} */ event) => {
        const [x, y] = this.#at(event);
        last = change(Math.round(x - x0), Math.round(y - y0));
        draw(last);
      };
      follow(this.root, start, move, (done) => (done ? this.#change(area, last) : draw(area)));
    });
  }

  /** @param {Redaction} from @param {Redaction} to */
  #change(from, to) {
    if (!same(from, to)) this.#listener.changed(from, to);
  }

  /** @param {KeyboardEvent} event @param {Redaction} area */
  #key(event, area) {
    if (!this.editable) return;
    const step = event.ctrlKey || event.altKey ? BIG_STEP : 1;
    const direction = DIRECTIONS[event.key];
    if (direction) {
      const change = event.shiftKey ? resized : moved;
      this.#change(area, change(area, direction[0] * step, direction[1] * step, this.size));
    } else if (event.key === "Delete" || event.key === "Backspace") this.#listener.removed(area);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** A dot that keeps its size on the screen: a line of no length. @param {string} name @param {number} x @param {number} y */
const dot = (name, x, y) => svg("path", { class: name, d: `M${x} ${y}h0` });

/** What lies outside of all areas that are kept. @param {Redaction[]} areas @param {Size} size */
function outside(areas, { columns, rows }) {
  const kept = areas.filter(({ keep_only }) => keep_only);
  if (!kept.length) return [];
  const all = { x: 0, y: 0, width: columns, height: rows };
  const holes = kept.map((area) => svg("path", { d: pathOf(area), fill: "#000" }));
  return [
    svg("mask", { id: "outside-kept" }, svg("rect", { ...all, fill: "#fff" }), ...holes),
    svg("rect", { ...all, class: "outside", mask: "url(#outside-kept)" }),
  ];
}
