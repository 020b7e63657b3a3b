// Templates: areas that a person keeps for a device, as a file of the form that `dicomveil clean --redact` takes. What is
// loaded is proposed, and covers nothing by itself.

import { byTestId } from "../dom.js";
import { CodedError, codeOf } from "../errors.js";
import { download } from "../output/save.js";
import { notify } from "../shell/status.js";
import { boxAround, MIN_POINTS, SHAPES } from "./shapes.js";

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("../contract.js").Proposal} Proposal */
/** @typedef {import("../contract.js").Inspection} Inspection */
/** @typedef {import("./view.js").View} View */
/** @typedef {{select: Record<string, string|number>, frames: [number, number]|null, shapes: any[]}} Entry */

const MOST_BYTES = 1 << 20;
const KEYS = new Set(["manufacturer", "model", "rows", "columns"]);

export class Templates extends EventTarget {
  /** @type {Entry[]} */
  #entries = [];

  /** @param {View} view */
  constructor(view) {
    super();
    byTestId("save-template").addEventListener("click", () => {
      const { item } = view;
      if (!item?.info || !item.redactions.length) return;
      if (!Object.values(item.info.device).some((name) => name.trim())) return notify("template-no-device");
      const redactions = entriesOf(item.info, item.redactions);
      const text = `${JSON.stringify({ redactions }, null, 1)}\n`;
      download(new Blob([text], { type: "application/json" }), "dicomveil-template.json");
    });
    const file = /** @type {HTMLInputElement} */ (byTestId("load-template"));
    file.addEventListener("change", async () => {
      const chosen = file.files?.[0];
      file.value = "";
      try {
        if (chosen) this.#load(parsed(chosen.size > MOST_BYTES ? "" : await chosen.text()));
      } catch (error) {
        notify(codeOf(error));
      }
    });
  }

  /** @param {Entry[]} entries */
  #load(entries) {
    this.#entries = entries;
    this.dispatchEvent(new CustomEvent("templates-changed"));
  }

  /** What the loaded file says of an image. @param {Inspection} info @returns {Proposal[]} */
  proposalsFor({ device, rows, columns }) {
    /** @type {Record<string, string|number>} */
    const found = { ...device, rows, columns };
    const fits = (/** @type {Entry} */ { select }) =>
      Object.entries(select).every(([key, value]) => same(found[key], value));
    const areas = this.#entries
      .filter(fits)
      .flatMap((entry) => entry.shapes.map((shape) => areaOf(shape, entry.frames)));
    const label = [device.manufacturer, device.model].filter(Boolean).join(" ");
    return areas.length ? [{ source: "template", reason: "template", label, areas }] : [];
  }
}

/** As the core compares: whole values, whatever their case. @param {string|number} a @param {string|number} b */
const same = (a, b) => String(a).trim().toLowerCase() === String(b).trim().toLowerCase();

/** One entry for each range of frames. @param {Inspection} info @param {Redaction[]} areas */
function entriesOf({ device, rows, columns }, areas) {
  const named = Object.entries(device).filter(([, value]) => value.trim());
  const select = { ...Object.fromEntries(named), rows, columns };
  return Array.from(
    Map.groupBy(areas, ({ frames }) => String(frames)),
    ([, alike]) => ({ select, frames: alike[0].frames, shapes: alike.map(shapeOf) }),
  );
}

/** @param {Redaction} area */
function shapeOf({ shape, keep_only, points, x, y, width, height }) {
  const where = shape === "polygon" ? { points } : { x, y, width, height };
  return { shape, ...where, keep_only };
}

/** @param {any} shape @param {[number, number]|null} frames @returns {Redaction} */
const areaOf = ({ shape, keep_only = false, points, ...box }, frames) =>
  shape === "polygon"
    ? { frames, shape, keep_only, points, ...boxAround(points) }
    : { frames, shape, keep_only, x: box.x, y: box.y, width: box.width, height: box.height };

/** @param {string} text @returns {Entry[]} @throws {CodedError} redactions-invalid */
function parsed(text) {
  try {
    const { redactions } = JSON.parse(text);
    const entries = redactions.map((/** @type {any} */ { select, frames = null, shapes }) => ({
      select,
      frames,
      shapes,
    }));
    if (entries.length && entries.every(isEntry)) return entries;
  } catch {
    // falls through: not JSON, or not of this form
  }
  throw new CodedError("redactions-invalid");
}

/** Templates are for devices: an entry for a single image or series is none. @param {Entry} entry */
function isEntry({ select, frames, shapes }) {
  const range = frames === null || (frames.length === 2 && frames.every(isWhole) && frames[0] <= frames[1]);
  const keys = Object.keys(select);
  return (
    range &&
    keys.length > 0 &&
    keys.every((key) => KEYS.has(key)) &&
    shapes.length > 0 &&
    shapes.every(isShape)
  );
}

const isWhole = (/** @type {unknown} */ value) =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < 1 << 20;

/** @param {any} shape */
function isShape({ shape, points, x, y, width, height }) {
  if (!SHAPES.includes(shape)) return false;
  if (shape === "polygon")
    return (
      points.length >= MIN_POINTS &&
      points.every((/** @type {any} */ point) => point.length === 2 && point.every(isWhole))
    );
  return [x, y, width, height].every(isWhole) && width > 0 && height > 0;
}
