// The rectangles that cover parts of images: geometry, and a history to go back in. No DOM.

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */

const MIN_SIDE = 1;

/**
 * A box of whole pixels inside the image, from any two corners.
 * @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1
 * @param {number} columns @param {number} rows
 * @returns {Box}
 */
export function boxFromCorners(x0, y0, x1, y1, columns, rows) {
  const left = Math.min(Math.max(Math.floor(Math.min(x0, x1)), 0), columns - MIN_SIDE);
  const top = Math.min(Math.max(Math.floor(Math.min(y0, y1)), 0), rows - MIN_SIDE);
  const right = Math.min(Math.max(Math.ceil(Math.max(x0, x1)), left + MIN_SIDE), columns);
  const bottom = Math.min(Math.max(Math.ceil(Math.max(y0, y1)), top + MIN_SIDE), rows);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** @param {Box} box @param {number} dx @param {number} dy @param {number} columns @param {number} rows @returns {Box} */
export function moved(box, dx, dy, columns, rows) {
  const x = Math.min(Math.max(box.x + dx, 0), columns - box.width);
  const y = Math.min(Math.max(box.y + dy, 0), rows - box.height);
  return { ...box, x, y };
}

/** @param {Box} box @param {number} dw @param {number} dh @param {number} columns @param {number} rows @returns {Box} */
export function resized(box, dw, dh, columns, rows) {
  const width = Math.min(Math.max(box.width + dw, MIN_SIDE), columns - box.x);
  const height = Math.min(Math.max(box.height + dh, MIN_SIDE), rows - box.y);
  return { ...box, width, height };
}

/** @param {Box} box @returns {Redaction} over all frames */
export const redactionOf = ({ x, y, width, height }) => ({
  frames: null,
  shape: "rectangle",
  x,
  y,
  width,
  height,
  keep_only: false,
});

/** @param {Redaction} a @param {Redaction} b */
export const same = (a, b) =>
  a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height && a.keep_only === b.keep_only;

/**
 * What lies outside of all rectangles that are kept, as a CSS polygon; empty where nothing is turned around.
 * @param {Redaction[]} redactions @param {number} columns @param {number} rows
 */
export function outsideOf(redactions, columns, rows) {
  const kept = redactions.filter(({ keep_only }) => keep_only);
  if (!kept.length) return "";
  const corner = (/** @type {number} */ x, /** @type {number} */ y) =>
    `${(x / columns) * 100}% ${(y / rows) * 100}%`;
  const ring = (/** @type {Box} */ { x, y, width, height }) =>
    [
      [x, y],
      [x + width, y],
      [x + width, y + height],
      [x, y + height],
      [x, y],
    ].map(([a, b]) => corner(a, b));
  const whole = ring({ x: 0, y: 0, width: columns, height: rows });
  // Back to the first corner after each ring: the lines between them enclose nothing.
  return `polygon(evenodd, ${[...whole, ...kept.flatMap((box) => [...ring(box), whole[0]])].join(", ")})`;
}

/** The states before each change, newest last. */
export class History {
  /** @type {Map<Item, Redaction[]>[]} */
  #past = [];

  get empty() {
    return this.#past.length === 0;
  }

  /** Remember what these images have now. @param {Iterable<Item>} items */
  remember(items) {
    this.#past.push(new Map(Array.from(items, (item) => [item, item.redactions])));
  }

  /** @returns {Map<Item, Redaction[]>|undefined} what to go back to */
  back() {
    return this.#past.pop();
  }

  clear() {
    this.#past = [];
  }
}
