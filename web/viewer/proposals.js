// What the core proposes to cover in the chosen image, and why. A person accepts it or leaves it: nothing is covered, and
// nothing counts as looked at, by a proposal alone.

import { byTestId, el } from "../dom.js";
import { onLanguage, t } from "../i18n.js";
import { same } from "./shapes.js";

/** @typedef {import("../contract.js").Proposal} Proposal */
/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("./templates.js").Templates} Templates */

/** Who goes through a series in a hurry does not wait for proposals. */
const REST_MS = 250;

export class Proposals {
  #abort = new AbortController();
  #session;
  #pool;
  #templates;
  #accept;
  #panel = byTestId("proposals");
  /** What the core proposes for the chosen image. @type {Proposal[]} */
  #found = [];
  /** How far the search in the chosen image is; null where nothing is searched. @type {"searching"|"none"|"failed"|null} */
  #search = null;
  /** @type {Map<HTMLButtonElement, Redaction[]>} */
  #buttons = new Map();

  /**
   * @param {Session} session @param {WorkerPool} pool @param {Templates} templates
   * @param {(areas: Redaction[]) => void} accept
   */
  constructor(session, pool, templates, accept) {
    this.#session = session;
    this.#pool = pool;
    this.#templates = templates;
    this.#accept = accept;
    session.addEventListener("selection-changed", () => this.#load());
    session.addEventListener("items-changed", () => this.#refresh());
    templates.addEventListener("templates-changed", () => this.#show());
    onLanguage(() => this.#show());
  }

  async #load() {
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const item = this.#session.selected;
    this.#found = [];
    this.#search = item?.info?.redactable && item.atRisk ? "searching" : null;
    this.#show();
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    if (signal.aborted || !this.#search || !item) return;
    const args = { file: item.file, request: { text: true } };
    // Without proposals the person looks all the same.
    const found = await this.#pool.run(signal, "propose", args, { urgent: true }).catch(() => null);
    if (signal.aborted) return;
    this.#found = found ?? [];
    // Of many frames not all are searched: that nothing was found would say too much.
    const none = item.info?.frames === 1 ? "none" : null;
    this.#search = found ? none : "failed";
    this.#show();
  }

  #show() {
    const info = this.#session.selected?.info;
    const own = info?.redactable ? this.#templates.proposalsFor(info) : [];
    const found = [...own, ...grouped(this.#found)];
    this.#buttons.clear();
    this.#panel.replaceChildren(...found.map((proposal) => this.#button(proposal)));
    const search = this.#search;
    if (search && !found.length)
      this.#panel.append(el("p", { textContent: t(`proposal.${search}`), data: { search } }));
    this.#refresh();
  }

  /** @param {Proposal} proposal */
  #button({ reason, label, areas }) {
    const count = areas.length;
    const button = el("button", { type: "button", className: "small", data: { reason } });
    button.textContent = t(`proposal.${reason}`, { count, label });
    button.title = t("proposal.hint");
    button.addEventListener("click", () => this.#accept(areas));
    this.#buttons.set(button, areas);
    return button;
  }

  /** What was accepted cannot be accepted again; once the image is confirmed, nothing is left to propose. */
  #refresh() {
    const item = this.#session.selected;
    for (const [button, areas] of this.#buttons)
      button.disabled = areas.every((area) => item?.redactions.some((one) => same(one, area)));
    this.#panel.hidden = !this.#panel.firstChild || item?.confirmed === true;
  }
}

/** Each area that looks like text is a proposal of its own: people want them together. @param {Proposal[]} proposals */
function grouped(proposals) {
  const others = proposals.filter(({ source }) => source !== "text");
  const text = proposals.filter(({ source }) => source === "text");
  if (!text.length) return others;
  return [...others, { ...text[0], areas: text.flatMap(({ areas }) => areas) }];
}
