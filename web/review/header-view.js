// <header-view>: the attributes of the chosen file, or of all images of its series, before and after, and the rule that
// acted on each.

import { byTestId } from "../dom.js";
import { codeOf } from "../errors.js";
import { explain, onLanguage, t } from "../i18n.js";
import { compareSeries } from "../model/series-header.js";
import { attribute, isChanged, valuesWith } from "./header-rows.js";
import { byInstance } from "./tree.js";

/** @typedef {import("../contract.js").HeaderRow} HeaderRow */
/** @typedef {import("../contract.js").SeriesRow} SeriesRow */
/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {{images: number, cut: boolean, rows: (HeaderRow|SeriesRow)[], unread: [Item, string][],
 *   problem?: string}} Header  problem: why there are no rows */

/** @type {Header} */
const NOTHING = { images: 0, cut: false, rows: [], unread: [] };

export class HeaderView extends HTMLElement {
  /** What is shown. */
  #header = NOTHING;
  /** The images that it is of, and how often decisions on them had changed. @type {Item[]} */
  #items = [];
  #revision = -1;
  #abort = new AbortController();
  #whole = false;
  #search = /** @type {HTMLInputElement} */ (byTestId("header-search"));
  #changed = /** @type {HTMLInputElement} */ (byTestId("changed-only"));
  #differing = /** @type {HTMLInputElement} */ (byTestId("differing-only"));
  /** Load what is to be shown, if that is another than what is. */
  refresh = () => {};

  /** @param {Session} session @param {WorkerPool} pool */
  connect(session, pool) {
    this.refresh = () => this.#refresh(session, pool);
    const show = (/** @type {boolean} */ whole) => {
      this.#whole = whole;
      this.dataset.scope = whole ? "series" : "image";
      byTestId("header-image").ariaPressed = String(!whole);
      byTestId("header-series").ariaPressed = String(whole);
      if (this.#header.unread.length) this.#revision = -1; // they are tried again
      this.refresh();
    };
    byTestId("header-image").addEventListener("click", () => show(false));
    byTestId("header-series").addEventListener("click", () => show(true));
    session.addEventListener("selection-changed", () => show(false));
    const unlessComing = () => {
      if (!this.#whole || session.state !== "reading") this.refresh(); // else it would begin again with each image
    };
    for (const event of ["settings-changed", "state-changed", "items-changed"])
      session.addEventListener(event, unlessComing);
    const draw = () => {
      this.#search.placeholder = t("header.search");
      this.#draw();
    };
    for (const input of [this.#search, this.#changed, this.#differing])
      input.addEventListener("input", () => this.#draw());
    onLanguage(draw);
    draw();
  }

  /** @param {Session} session @param {WorkerPool} pool */
  async #refresh(session, pool) {
    const item = session.selected;
    const series = item ? session.seriesOf(item) : [];
    byTestId("header-scope").hidden = series.length < 2;
    const items = this.#whole ? series.toSorted(byInstance) : item ? [item] : [];
    const revision = items.reduce((sum, one) => sum + one.revision, 0);
    const same = items.length === this.#items.length && items.every((one, at) => one === this.#items[at]);
    if (same && revision === this.#revision) return;
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    // What nobody sees is not asked for.
    [this.#items, this.#revision] = [items, this.hidden ? -1 : revision];
    this.#header = NOTHING;
    delete this.dataset.comparing;
    this.#draw();
    if (this.hidden) return;
    const header = await this.#load(signal, pool).catch((error) => ({ ...NOTHING, problem: codeOf(error) }));
    if (signal.aborted) return;
    this.#header = header;
    delete this.dataset.comparing;
    this.#draw();
  }

  /** @param {AbortSignal} signal @param {WorkerPool} pool @returns {Promise<Header>} */
  async #load(signal, pool) {
    const [item] = this.#items;
    if (!item) return NOTHING;
    if (!this.#whole) {
      const args = { file: item.file, request: item.cleanRequest };
      return { ...NOTHING, rows: await pool.run(signal, "header", args, { urgent: true }) };
    }
    const bar = /** @type {HTMLProgressElement} */ (byTestId("series-progress"));
    const all = this.#items.length;
    const progress = (/** @type {number} */ done) => {
      if (signal.aborted) return;
      bar.value = done / all;
      byTestId("series-done").textContent = t("header.compared", { done, all });
    };
    progress(0);
    this.dataset.comparing = "";
    return compareSeries(signal, pool, this.#items, progress);
  }

  #draw() {
    const { rows, images, problem } = this.#header;
    const words = this.#search.value.trim().toLowerCase();
    const name = (/** @type {number} */ place) => fileName(this.#items[place]);
    const shown = rows.flatMap((row) => {
      if (this.#changed.checked && !isChanged(row)) return [];
      if (this.#whole && this.#differing.checked && !("values" in row)) return [];
      const values = valuesWith(row, words);
      return values ? attribute(row, values, images, name) : [];
    });
    const table = byTestId("header");
    table.replaceChildren(/** @type {Element} */ (table.firstElementChild), ...shown);
    const why = problem ? explain("code", problem) : "";
    const count = { count: shown.length, all: rows.length };
    const unsearched = words && rows.some((row) => "values" in row && row.values.length < row.distinct);
    const note = [t("header.count", count), unsearched ? t("header.unsearched") : ""].join(" ");
    byTestId("header-note").textContent = rows.length ? note : why;
    this.#tell();
  }

  /** What is to be known of the series beside its rows. */
  #tell() {
    const { rows, images, cut, unread } = this.#header;
    const names = unread.slice(0, 3).map(([item]) => fileName(item));
    const said = new Set(unread.map(([, code]) => explain("code", code)));
    if (cut) said.add(t("header.cut"));
    const missing = unread.length && t("header.unread", { count: unread.length, names: names.join(", ") });
    const count = { count: images, differing: rows.filter((row) => "values" in row).length };
    byTestId("series-said").textContent = images ? t("header.compared-all", count) : "";
    byTestId("series-unread").textContent = [missing, ...said].filter(Boolean).join(" ");
  }
}

/** @param {Item} item */
const fileName = ({ path }) => path.slice(path.lastIndexOf("/") + 1);

customElements.define("header-view", HeaderView);
