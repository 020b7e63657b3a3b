// The areas that cover parts of images: their geometry, in pixels of the image. No DOM.

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {Redaction["shape"]} Shape */
/** @typedef {{columns: number, rows: number}} Size */
/** @typedef {[number, number]} Point */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */

export const SHAPES = /** @type {const} */ (["rectangle", "ellipse", "polygon"]);
export const MIN_POINTS = 3;

/** @param {number} value @param {number} low @param {number} high */
const within = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * A box of whole pixels inside the image, from any two corners.
 * @param {Point} one @param {Point} other @param {Size} size @returns {Box}
 */
export function boxFromCorners([x0, y0], [x1, y1], { columns, rows }) {
  const left = within(Math.floor(Math.min(x0, x1)), 0, columns - 1);
  const top = within(Math.floor(Math.min(y0, y1)), 0, rows - 1);
  const right = within(Math.ceil(Math.max(x0, x1)), left + 1, columns);
  const bottom = within(Math.ceil(Math.max(y0, y1)), top + 1, rows);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The box around points, which are pixels. @param {Point[]} points @returns {Box} */
export function boxAround(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) + 1 - x, height: Math.max(...ys) + 1 - y };
}

/** @param {Point[]} points @param {Size} size @returns {Point[]} whole pixels inside the image */
export const pixelsOf = (points, { columns, rows }) =>
  points.map(([x, y]) => [within(Math.floor(x), 0, columns - 1), within(Math.floor(y), 0, rows - 1)]);

/** A shape that fills a box. @param {Shape} shape @param {Box} box @returns {Redaction} over all frames */
export function shapeIn(shape, { x, y, width, height }) {
  const area = { frames: null, keep_only: false, shape, x, y, width, height };
  if (shape !== "polygon") return area;
  const [right, bottom] = [x + width - 1, y + height - 1];
  /** @type {Point[]} */
  const points = [
    [x, y],
    [right, y],
    [right, bottom],
    [x, bottom],
  ];
  return { ...area, points };
}

/** @param {Redaction} area @param {Point[]} points @returns {Redaction} */
export const withPoints = (area, points) => ({ ...area, ...boxAround(points), points });

/** @param {Redaction} area @param {number} dx @param {number} dy @param {Size} size @returns {Redaction} */
export function moved(area, dx, dy, { columns, rows }) {
  const x = within(area.x + dx, 0, Math.max(columns - area.width, 0));
  const y = within(area.y + dy, 0, Math.max(rows - area.height, 0));
  if (!area.points) return { ...area, x, y };
  return withPoints(
    area,
    area.points.map(([a, b]) => [a + x - area.x, b + y - area.y]),
  );
}

/** @param {Redaction} area @param {number} dw @param {number} dh @param {Size} size @returns {Redaction} */
export function resized(area, dw, dh, { columns, rows }) {
  const width = within(area.width + dw, 1, Math.max(columns - area.x, 1));
  const height = within(area.height + dh, 1, Math.max(rows - area.y, 1));
  if (!area.points) return { ...area, width, height };
  const scale = (/** @type {number} */ at, /** @type {number} */ from, /** @type {number} */ to) =>
    from > 1 ? Math.round((at * (to - 1)) / (from - 1)) : at;
  return withPoints(
    area,
    area.points.map(([a, b]) => [
      area.x + scale(a - area.x, area.width, width),
      area.y + scale(b - area.y, area.height, height),
    ]),
  );
}

/** @param {Redaction} area @param {number} index @param {Point} to @param {Size} size @returns {Redaction} */
export const pointMoved = (area, index, to, size) =>
  withPoints(area, (area.points ?? []).with(index, pixelsOf([to], size)[0]));

/** @param {Redaction} area @param {number} index @returns {Redaction} the same where too few would be left */
export function pointRemoved(area, index) {
  const points = area.points ?? [];
  return points.length > MIN_POINTS ? withPoints(area, points.toSpliced(index, 1)) : area;
}

/** A new point between one and the next. @param {Redaction} area @param {number} index @returns {Redaction} */
export function pointAdded(area, index) {
  const points = area.points ?? [];
  const [[x0, y0], [x1, y1]] = [points[index], points[(index + 1) % points.length]];
  return withPoints(area, points.toSpliced(index + 1, 0, [(x0 + x1) >> 1, (y0 + y1) >> 1]));
}

/** The outline as an SVG path. A polygon's points are pixels: the line runs through their middle. @param {Redaction} area */
export function pathOf({ shape, x, y, width, height, points }) {
  if (shape === "polygon") return `M${(points ?? []).map(([a, b]) => `${a + 0.5} ${b + 0.5}`).join("L")}Z`;
  if (shape === "rectangle") return `M${x} ${y}h${width}v${height}h${-width}Z`;
  const arc = (/** @type {number} */ to) => `a${width / 2} ${height / 2} 0 0 1 ${to} 0`;
  return `M${x} ${y + height / 2}${arc(width)}${arc(-width)}Z`;
}

/** @param {Redaction} area @param {number} frame */
export const isIn = ({ frames }, frame) => frames === null || (frames[0] <= frame && frame <= frames[1]);

/** @param {Redaction} a @param {Redaction} b */
export const same = (a, b) => a === b || asText(a) === asText(b);

/** @param {Redaction} area */
const asText = ({ frames, shape, x, y, width, height, keep_only, points }) =>
  JSON.stringify([frames, shape, x, y, width, height, keep_only, points ?? null]);
