// <header-view>: the attributes of the chosen file before and after, and the rule that acted on each.

import { el } from "../dom.js";
import { codeOf } from "../errors.js";
import { explain, named, onLanguage, t, translate } from "../i18n.js";

/** @typedef {import("../contract.js").HeaderRow} HeaderRow */
/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */

/** @param {number} tag */
export const tagText = (tag) => {
  const hex = tag.toString(16).padStart(8, "0").toUpperCase();
  return `(${hex.slice(0, 4)},${hex.slice(4)})`;
};

export class HeaderView extends HTMLElement {
  /** @type {HeaderRow[]} */
  #rows = [];
  #abort = new AbortController();
  #search = el("input", { type: "search", className: "search", data: { testid: "header-search" } });
  #changed = el("input", { type: "checkbox", checked: true, data: { testid: "changed-only" } });
  #body = el("tbody");
  #note = el("p", { className: "muted note" });
  #head = el("tr");
  /** Why there are no rows. @type {string|null} */
  #problem = null;

  /** @param {Session} session @param {WorkerPool} pool */
  connect(session, pool) {
    this.#head.append(
      ...["attribute", "before", "after", "rule"].map((id) =>
        el("th", { scope: "col", ...named(`header.${id}`) }),
      ),
    );
    const table = el("table", { data: { testid: "header" } }, el("thead", {}, this.#head), this.#body);
    this.append(
      el(
        "div",
        { className: "header-tools" },
        this.#search,
        el("label", { className: "check" }, this.#changed, el("span", named("header.changed-only"))),
      ),
      el(
        "div",
        { className: "table-scroll", tabIndex: 0, role: "region", data: { label: "header.table" } },
        table,
        this.#note,
      ),
    );
    this.#search.addEventListener("input", () => this.#draw());
    this.#changed.addEventListener("change", () => this.#draw());
    const load = () => this.#load(session, pool);
    session.addEventListener("selection-changed", load);
    session.addEventListener("settings-changed", load);
    const draw = () => {
      this.#search.placeholder = t("header.search");
      this.#search.ariaLabel = t("header.search");
      this.#draw();
    };
    onLanguage(draw);
    translate(this);
    draw();
  }

  /** @param {Session} session @param {WorkerPool} pool */
  async #load(session, pool) {
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const item = session.selected;
    this.#rows = [];
    this.#problem = null;
    this.#note.textContent = "";
    if (!item) return this.#draw();
    try {
      const rows = await pool.run(
        signal,
        "header",
        { file: item.file, request: item.cleanRequest },
        { urgent: true },
      );
      if (signal.aborted) return;
      this.#rows = rows;
      this.#draw();
    } catch (error) {
      if (signal.aborted) return;
      this.#problem = item.code ?? codeOf(error);
      this.#draw();
    }
  }

  #draw() {
    const words = this.#search.value.trim().toLowerCase();
    const shown = this.#rows.filter((row) => {
      if (this.#changed.checked && !isChanged(row)) return false;
      return (
        !words ||
        [row.name, row.keyword, tagText(row.tag), row.before, row.after ?? ""].some((text) =>
          text.toLowerCase().includes(words),
        )
      );
    });
    this.#body.replaceChildren(...shown.map(tableRow));
    const all = this.#rows.length;
    const why = this.#problem ? explain("code", this.#problem) : "";
    this.#note.textContent = all ? t("header.count", { count: shown.length, all }) : why;
  }
}

/** A rule may act and leave a value as it is: a time of day, when dates move by whole days. @param {HeaderRow} row */
const isChanged = (row) => row.action !== "K" && row.before !== row.after;

/** The action in the reader's terms: a value that is emptied may get a pseudonym, which replaces it. @param {HeaderRow} row */
const effect = (row) => (row.action === "Z" && row.after ? "D" : row.action);

/** @param {HeaderRow} row */
function tableRow(row) {
  const changed = isChanged(row);
  const where = row.path.length
    ? el("span", { className: "muted path", textContent: row.path.join(" › ") })
    : null;
  // That the table says so is in the rule already.
  const reason = [
    row.rule ? "" : explain("reason", row.reason),
    row.option ? explain("option", row.option) : "",
  ];
  return el(
    "tr",
    { data: { action: row.action, changed } },
    el(
      "th",
      { scope: "row" },
      where,
      el("span", { className: "attribute", lang: "en", textContent: row.name || row.keyword }),
      el("span", { className: "muted tag", textContent: `${tagText(row.tag)} ${row.vr}` }),
    ),
    el("td", { className: "value before", textContent: row.before }),
    el("td", { className: "value after" }, after(row, changed)),
    el(
      "td",
      {},
      el("span", {
        className: "action",
        data: { action: effect(row) },
        textContent: t(`action.${effect(row)}`),
      }),
      el("span", { className: "muted rule", textContent: row.rule }),
      el("span", { className: "muted rule", textContent: reason.filter(Boolean).join(" · ") }),
    ),
  );
}

/** @param {HeaderRow} row @param {boolean} changed */
function after(row, changed) {
  if (row.after === null) return el("span", { className: "muted", textContent: t("header.removed") });
  if (!changed) return el("span", { className: "muted", textContent: t("header.unchanged") });
  return row.after || el("span", { className: "muted", textContent: t("header.empty") });
}

customElements.define("header-view", HeaderView);
