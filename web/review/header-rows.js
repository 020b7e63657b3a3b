// The rows of a header as they are drawn: an attribute once, with each of the values that images of a series have.

import { el } from "../dom.js";
import { explain, t } from "../i18n.js";

/** @typedef {import("../contract.js").HeaderRow} HeaderRow */
/** @typedef {import("../contract.js").SeriesRow} SeriesRow */
/** @typedef {import("../contract.js").SeriesValue} SeriesValue */

/** So many values of an attribute are shown before somebody asks for more. */
const FEW = 3;

/** @param {number} tag */
export const tagText = (tag) => {
  const hex = tag.toString(16).padStart(8, "0").toUpperCase();
  return `(${hex.slice(0, 4)},${hex.slice(4)})`;
};

/** A rule may act and leave a value as it is: a time of day, when dates move by whole days. @param {HeaderRow|SeriesRow} row */
export const isChanged = (row) =>
  "values" in row ? row.changed : row.action !== "K" && row.before !== row.after;

/** The action in the reader's terms: a value that is emptied may get a pseudonym, which replaces it. @param {HeaderRow} row */
const effect = (row) => (row.action === "Z" && row.after ? "D" : row.action);

/** @param {string} className @param {string} textContent @param {Record<string, unknown>} [more] */
const span = (className, textContent, more = {}) => el("span", { className, textContent, ...more });

/**
 * What of a row is found: its values, those with the words if any has them; null where nothing has.
 * @param {HeaderRow|SeriesRow} row @param {string} words  in lower case
 * @returns {(HeaderRow|SeriesValue)[]|null}
 */
export function valuesWith(row, words) {
  const has = (/** @type {string|null} */ text) => text?.toLowerCase().includes(words);
  const values = "values" in row ? row.values : [row];
  const hits = values.filter(({ before, after }) => has(before) || has(after));
  return hits.length ? hits : [row.name, row.keyword, tagText(row.tag)].some(has) ? values : null;
}

/**
 * @param {HeaderRow|SeriesRow} row @param {(HeaderRow|SeriesValue)[]} values  those to be shown
 * @param {number} images  of the series @param {(place: number) => string} name  of an image
 */
export function attribute(row, values, images, name) {
  const head = el(
    "th",
    {},
    row.path.length ? span("muted path", row.path.join(" › ")) : null,
    span("attribute", row.name || row.keyword, { lang: "en" }),
    span("muted tag", `${tagText(row.tag)} ${values[0].vr}`),
  );
  const body = el("tbody", { data: { differs: "values" in row } });
  const draw = (most = FEW) => {
    const shown = values.slice(0, most);
    head.rowSpan = shown.length;
    head.scope = shown.length > 1 ? "rowgroup" : "row";
    const lines = shown.map((value, at) => {
      const data = { action: value.action, changed: isChanged(value), further: at > 0 };
      return el("tr", { data }, at ? null : head, ...cells(value, name));
    });
    body.replaceChildren(...lines);
  };
  draw();
  if ("values" in row) head.append(...differences(row, values.length, images, draw));
  return body;
}

/**
 * In how many images an attribute is, how many values it has, and how to see them.
 * @param {SeriesRow} row @param {number} shown @param {number} images @param {(most?: number) => void} draw
 */
function* differences(row, shown, images, draw) {
  const text = t(row.more ? "header.more-values" : "header.values", { count: row.distinct });
  const differs = el(shown > FEW ? "button" : "span", { className: "differs", textContent: text });
  if (shown > FEW) {
    differs.ariaExpanded = "false";
    differs.onclick = () => {
      const open = differs.ariaExpanded === "false";
      draw(open ? shown : FEW);
      differs.ariaExpanded = String(open);
      differs.focus(); // it was taken out with its row
    };
  }
  yield differs;
  if (row.images < images) yield span("muted", t("header.in-some", { count: row.images, all: images }));
  if (row.values.length < row.distinct) yield span("muted", t("header.listed", { count: row.values.length }));
}

/** @param {HeaderRow|SeriesValue} row @param {(place: number) => string} name */
function cells(row, name) {
  const before = [span("", row.before)];
  if ("first" in row) {
    const where = { count: row.images ?? 0, name: name(row.first) };
    before.push(span("muted where", t(row.images ? "header.in" : "header.first", where)));
  }
  // That the table says so is in the rule already.
  const reason = [!row.rule && explain("reason", row.reason), row.option && explain("option", row.option)];
  return [
    el("td", { className: "value before" }, ...before),
    el("td", { className: "value after" }, after(row)),
    el(
      "td",
      { className: "effect" },
      span("action", t(`action.${effect(row)}`), { data: { action: effect(row) } }),
      span("muted rule", row.rule),
      span("muted rule", reason.filter(Boolean).join(" · ")),
    ),
  ];
}

/** @param {HeaderRow} row */
function after(row) {
  if (row.after === null) return span("muted", t("header.removed"));
  if (!isChanged(row)) return span("muted", t("header.unchanged"));
  return row.after || span("muted", t("header.empty"));
}
