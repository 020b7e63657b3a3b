// <file-list>: studies, series and files with their states. One row a file, with `data-status` and `data-code`.

import { el } from "../dom.js";
import { explain, onLanguage, t } from "../i18n.js";
import { Thumbnails } from "./thumbnails.js";
import { groupKey, LEFT_OUT, placeOf, readableDate, readableName, studyKey, tally } from "./tree.js";

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {{key: string, items: Item[], list: HTMLElement, root: HTMLElement, count: HTMLElement, badges: HTMLElement}} Group */

/** Series longer than this start closed, unless something in them needs a person. */
const OPEN_UP_TO = 12;

export class FileList extends HTMLElement {
  /** @type {Session|null} */
  #session = null;
  /** @type {Thumbnails|null} */
  #thumbnails = null;
  /** @type {Map<Item, HTMLElement>} */
  #rows = new Map();
  /** @type {Map<string, Group>} */
  #groups = new Map();
  /** @type {Map<string, HTMLElement>} */
  #studies = new Map();
  /** What draws the texts of studies and series anew. @type {(() => void)[]} */
  #titles = [];
  /** What the rows show now, so that only real changes touch the DOM. @type {Map<Item, string>} */
  #shown = new Map();

  /** @param {Session} session @param {WorkerPool} pool */
  connect(session, pool) {
    this.#session = session;
    this.#thumbnails = new Thumbnails(session, pool, this);
    session.addEventListener("items-changed", (event) =>
      this.#show(/** @type {CustomEvent} */ (event).detail.items),
    );
    session.addEventListener("items-dropped", (event) =>
      this.#drop(/** @type {CustomEvent} */ (event).detail.items),
    );
    session.addEventListener("items-cleared", () => this.#clear());
    session.addEventListener("selection-changed", () => this.#select());
    this.addEventListener("click", (event) => this.#click(/** @type {HTMLElement} */ (event.target)));
    this.addEventListener("keydown", (event) => this.#key(event));
    onLanguage(() => this.#translate());
  }

  #translate() {
    this.#shown.clear();
    for (const draw of this.#titles) draw();
    for (const item of this.#rows.keys()) this.#update(item);
    for (const group of this.#groups.values()) this.#finish(group);
  }

  /** Draw a text, now and whenever the language changes. @param {() => void} draw */
  #title(draw) {
    this.#titles.push(draw);
    draw();
  }

  /** @param {Item[]} items */
  #show(items) {
    /** @type {Set<Group>} */
    const touched = new Set();
    for (const item of items) {
      if (item.status === "reading") continue; // a row appears when it is known where it belongs
      const group = this.#group(item);
      touched.add(group);
      if (!this.#rows.has(item)) this.#add(group, item);
      this.#update(item);
    }
    for (const group of touched) this.#finish(group);
  }

  /** @param {Item} item */
  #group(item) {
    const key = groupKey(item);
    const known = this.#groups.get(key);
    if (known) return known;
    const list = el("ul", { className: "rows" });
    const count = el("span", { className: "muted" });
    const badges = el("div", { className: "badges" });
    const root = el("section", { className: "series" });
    if (item.info) root.append(this.#seriesToggle(item.info.series, count), badges);
    root.append(list);
    const group = { key, items: [], list, root, count, badges };
    this.#groups.set(key, group);
    this.#study(item).append(root);
    return group;
  }

  /** @param {Item} item */
  #study(item) {
    const key = studyKey(item);
    const known = this.#studies.get(key);
    if (known) return known;
    const { info } = item;
    const title = el("h3");
    const detail = el("p", { className: "muted" });
    this.#title(() => {
      [title.textContent, detail.textContent] = info
        ? studyTexts(info)
        : [t("list.left-out"), t("list.left-out-hint")];
    });
    const kind = info ? "study" : LEFT_OUT;
    const study = el("section", { className: "study", data: { kind } }, title, detail);
    this.#studies.set(key, study);
    const end = this.#studies.get(LEFT_OUT);
    if (end && info) end.before(study);
    else this.append(study);
    return study;
  }

  /** @param {Group} group @param {Item} item */
  #add(group, item) {
    const thumbnail = el("span", { className: "thumbnail" });
    const row = el(
      "li",
      { className: "row", data: { index: String(item.index) } },
      el(
        "button",
        { type: "button", className: "row-button" },
        item.info?.has_pixels ? thumbnail : null,
        el("span", { className: "row-name" }),
        el("span", { className: "row-state" }),
      ),
    );
    this.#rows.set(item, row);
    this.#thumbnails?.watch(thumbnail, item);
    const place = placeOf(group.items, item);
    group.list.insertBefore(row, this.#rows.get(group.items[place]) ?? null);
    group.items.splice(place, 0, item);
  }

  /** @param {Item} item */
  #update(item) {
    const { status, code } = item;
    const state = `${status} ${code} ${item.confirmed} ${item.redactions.length} ${item.tag} ${item.sending} ${item.seen}`;
    if (this.#shown.get(item) === state) return;
    this.#shown.set(item, state);
    const row = /** @type {HTMLElement} */ (this.#rows.get(item));
    row.dataset.status = status;
    if (code) row.dataset.code = code;
    else delete row.dataset.code;
    row.toggleAttribute("data-sending", item.sending);
    const [name, label] = row.querySelectorAll(".row-name, .row-state");
    const number = item.info?.instance.number;
    name.textContent = number ? t("list.image", { number, name: fileName(item) }) : fileName(item);
    label.textContent = stateText(item);
  }

  /** Header and counts of a series. @param {Group} group */
  #finish(group) {
    const { root, items } = group;
    if (!root.dataset.chosen) setOpen(root, items.length <= OPEN_UP_TO);
    group.count.textContent = t("list.images", { count: items.length });
    // One file tells its state itself.
    const counts = Object.entries(tally(items.length > 1 ? items : []));
    const shown = counts.filter(([, count]) => count > 0);
    group.badges.replaceChildren(
      ...shown.map(([status, count]) =>
        el("span", {
          className: "badge",
          data: { state: status },
          textContent: t(`badge.${status}`, { count }),
        }),
      ),
    );
  }

  /** @param {HTMLElement} target */
  #click(target) {
    const toggle = /** @type {HTMLElement|null} */ (target.closest("[data-action=toggle]"));
    if (toggle) {
      const root = /** @type {HTMLElement} */ (toggle.closest(".series"));
      root.dataset.chosen = "yes";
      setOpen(root, root.dataset.open !== "true");
      const group = [...this.#groups.values()].find((other) => other.root === root);
      if (root.dataset.open === "true" && group) this.#session?.select(group.items[0]);
      return;
    }
    const row = target.closest("li.row");
    for (const [item, element] of this.#rows) if (element === row) this.#session?.select(item);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const buttons = [
      ...this.querySelectorAll(
        ".series-toggle, [data-open=true] .row-button, [data-kind=left-out] .row-button",
      ),
    ];
    const next = buttons[buttons.indexOf(/** @type {Element} */ (document.activeElement)) + step];
    if (!(next instanceof HTMLElement)) return;
    event.preventDefault();
    next.focus();
    if (next.matches(".row-button")) next.click();
  }

  #select() {
    for (const row of this.querySelectorAll("[aria-current]")) row.removeAttribute("aria-current");
    const item = this.#session?.selected;
    const row = item && this.#rows.get(item);
    if (!row) return;
    const series = /** @type {HTMLElement|null} */ (row.closest(".series"));
    if (series && series.dataset.open !== "true") {
      series.dataset.chosen = "yes";
      setOpen(series, true);
    }
    row.setAttribute("aria-current", "true");
    row.scrollIntoView({ block: "nearest" });
  }

  /** @param {Item[]} items */
  #drop(items) {
    for (const item of items) {
      this.#rows.get(item)?.remove();
      this.#rows.delete(item);
    }
    for (const [item, row] of this.#rows) row.dataset.index = String(item.index); // those after it moved up
  }

  #clear() {
    this.#rows.clear();
    this.#groups.clear();
    this.#studies.clear();
    this.#shown.clear();
    this.#titles = [];
    this.replaceChildren();
  }

  /** @param {{number: string, description: string, modality: string}} series @param {HTMLElement} count */
  #seriesToggle(series, count) {
    const name = el("span", { className: "series-name" });
    this.#title(() => {
      name.textContent = series.description || t("list.series", series);
    });
    return el(
      "button",
      { type: "button", className: "series-toggle", data: { action: "toggle" } },
      el("span", { className: "modality", textContent: series.modality || "–" }),
      name,
      count,
    );
  }
}

/** @param {import("../contract.js").Inspection} info */
function studyTexts({ patient, study }) {
  const name = readableName(patient.name) || patient.id || t("list.unnamed");
  const day = readableDate(study.date, document.documentElement.lang);
  return [name, [day, study.description].filter(Boolean).join(" · ")];
}

/** @param {HTMLElement} series @param {boolean} open */
function setOpen(series, open) {
  series.dataset.open = String(open);
  series.querySelector(".series-toggle")?.setAttribute("aria-expanded", String(open));
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

customElements.define("file-list", FileList);
