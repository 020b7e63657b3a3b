// To which images a change of areas goes, and to which of their frames. No DOM.

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {"frame"|"range"|"image"|"series"|"device"} Scope */

export const SCOPES = /** @type {const} */ (["frame", "range", "image", "series", "device"]);

/** Scopes that make a difference for an image. @param {Session} session @param {Item} item @returns {Scope[]} */
export function scopesFor(session, item) {
  const several = (item.info?.frames ?? 1) > 1; // one frame: then these two say the same
  return SCOPES.filter((scope) => {
    if (scope === "frame" || scope === "range") return several;
    return scope === "image" || targetsOf(session, item, scope).length > 1;
  });
}

/**
 * The images that a change goes to, the chosen one first. All are of one size, since areas are in pixels.
 * @param {Session} session @param {Item} item @param {Scope} scope
 */
export function targetsOf(session, item, scope) {
  if (scope !== "series" && scope !== "device") return [item];
  const { rows, columns, device } = /** @type {NonNullable<Item["info"]>} */ (item.info);
  const among = scope === "series" ? session.seriesOf(item) : session.items;
  const alike = among.filter(({ info, refusal }) => {
    if (!info?.redactable || refusal || info.rows !== rows || info.columns !== columns) return false;
    return scope === "series" || sameDevice(info.device, device);
  });
  return [item, ...alike.filter((other) => other !== item)];
}

/** A device without a name is no device: areas for one would go to any other's images. */
const sameDevice = (
  /** @type {{manufacturer: string, model: string}} */ a,
  /** @type {{manufacturer: string, model: string}} */ b,
) => Boolean(b.manufacturer || b.model) && deviceKey(a) === deviceKey(b);

/** @param {{manufacturer: string, model: string}} device */
const deviceKey = ({ manufacturer, model }) => `${manufacturer}\n${model}`.toLowerCase();

/** An area for fewer frames than it has; null where nothing of it is left. @param {Redaction} area @param {number} frames */
export function fitted(area, frames) {
  if (area.frames === null) return area;
  const [first, last] = area.frames;
  if (first >= frames) return null;
  return last < frames ? area : { ...area, frames: /** @type {[number, number]} */ ([first, frames - 1]) };
}
