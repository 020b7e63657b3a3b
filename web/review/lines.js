// What a line of the list says: a patient, a study, a series with the states of its images, or an image and its state.

import { el } from "../dom.js";
import { explain, t } from "../i18n.js";
import { STATES } from "../model/counts.js";
import { readableDate, readableName } from "./tree.js";

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/counts.js").Counts} Counts */
/** @typedef {import("./tree.js").Node} Node */

/** @type {[string, import("../model/counts.js").Fact][]} */
const TOLD = [
  ["total", "any"],
  ...STATES.map((state) => /** @type {[string, typeof state]} */ ([state, state])),
];
/** What a line shows now, so that only real changes touch the DOM. @type {WeakMap<Element, string>} */
const shown = new WeakMap();

/** The element of a line, which `drawLine` fills. @param {Node} node */
export function makeLine({ kind, level, item }) {
  const image = kind === "image";
  const pictured = (image || kind === "series") && item.info?.has_pixels;
  return el(
    "div",
    {
      role: "treeitem",
      tabIndex: -1,
      className: image ? "row" : kind === "series" ? "group series-toggle" : "group",
      data: { kind },
      aria: { level },
    },
    pictured ? el("span", { className: "thumbnail" }) : null,
    el("span", { className: image ? "row-name" : "group-name" }),
    el("span", { className: image ? "row-state" : "muted" }),
    image ? null : el("span", { className: "badges" }),
  );
}

/** @param {Node} node @param {HTMLElement} element @returns {boolean} whether it shows something else now */
export function drawLine(node, element) {
  const { place, item, counts } = node;
  const among = node.parent?.children.length ?? 1;
  const what = counts
    ? [node.open, node.children.length, ...STATES.map((state) => counts.of(state))]
    : [item.status, item.code, item.confirmed, item.redactions.length, item.tag, item.sending, item.seen];
  const now = [document.documentElement.lang, place, among, ...what].join(" ");
  if (shown.get(element) === now) return false;
  shown.set(element, now);
  element.setAttribute("aria-posinset", String(place + 1));
  element.setAttribute("aria-setsize", String(among));
  if (counts) drawGroup(node, counts, element);
  else drawImage(item, element);
  return true;
}

/** How many files there are, and in which state, as data for scripts. @param {HTMLElement} element @param {Counts} counts */
export function tellCounts(element, counts) {
  const { dataset } = element;
  for (const [name, fact] of TOLD) {
    const count = String(counts.of(fact));
    if (dataset[name] !== count) dataset[name] = count;
  }
}

/** @param {Node} group @param {Counts} counts @param {HTMLElement} element */
function drawGroup(group, counts, element) {
  const { kind, open, children } = group;
  const [name, detail, badges] = element.querySelectorAll(".group-name, .muted, .badges");
  const total = counts.of("any");
  element.setAttribute("aria-expanded", String(open));
  tellCounts(element, counts);
  name.textContent = nameOf(group);
  // One of a kind says it all by itself.
  const summed = kind === "series" || kind === "left-out" || children.length > 1 || !open;
  detail.textContent =
    kind === "left-out" ? t("list.left-out-hint") : summed ? t("list.images", { count: total }) : "";
  const states = kind === "series" || kind === "left-out" ? STATES : STATES.filter(needsPerson);
  const told = summed && total > 1 ? states.filter((state) => counts.of(state)) : [];
  badges.replaceChildren(
    ...told.map((state) =>
      el("span", {
        className: "badge",
        data: { state },
        textContent: t(`badge.${state}`, { count: counts.of(state) }),
      }),
    ),
  );
}

const needsPerson = (/** @type {string} */ state) => state === "attention" || state === "refused";

/** @param {Item} item @param {HTMLElement} row */
function drawImage(item, row) {
  const { status, code } = item;
  row.dataset.status = status;
  if (code) row.dataset.code = code;
  else delete row.dataset.code;
  row.toggleAttribute("data-sending", item.sending);
  const [name, state] = row.querySelectorAll(".row-name, .row-state");
  const number = item.info?.instance.number;
  name.textContent = number ? t("list.image", { number, name: fileName(item) }) : fileName(item);
  state.textContent = stateText(item);
}

/** What a group is called. @param {Node} node @returns {string} */
export function nameOf({ kind, item }) {
  const { info } = item;
  if (kind === "image") return fileName(item);
  if (!info) return t("list.left-out");
  const { patient, study, series } = info;
  if (kind === "patient") return readableName(patient.name) || patient.id || t("list.unnamed");
  if (kind === "series")
    return [series.modality, series.description || t("list.series", series)].filter(Boolean).join(" · ");
  const day = readableDate(study.date, document.documentElement.lang);
  return [day, study.description].filter(Boolean).join(" · ") || t("list.study");
}

/** @param {Item} item */
const fileName = (item) => item.path.slice(item.path.lastIndexOf("/") + 1);

/** @param {Item} item */
function stateText(item) {
  const { status, code } = item;
  if (status === "refused" && code) return explain("code", code);
  if (item.sending) return t("state.sending");
  if (status === "clean" && code) return explain("code", code);
  if (status === "attention" && item.covered) return t("state.covered-unseen");
  if (status === "attention" && item.seen) return t("state.seen");
  if (status === "ready" && item.redactions.length)
    return t("state.covered", { count: item.redactions.length });
  if (status === "ready" && item.confirmed) return t("state.confirmed");
  return t(`state.${status}`);
}
