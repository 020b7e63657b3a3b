// Why an image needs a look, how much of it was seen, and a person's word on it.

import { byTestId } from "../dom.js";
import { explain, t } from "../i18n.js";

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("./looking.js").Looking} Looking */

const wasSeen = (/** @type {Item} */ item) => item.seen !== null;

export class ReviewPanel {
  #session;
  #looking;

  /** @param {Session} session @param {Looking} looking */
  constructor(session, looking) {
    this.#session = session;
    this.#looking = looking;
    byTestId("confirm-pixels").addEventListener("click", () => {
      const item = session.selected;
      if (item) session.confirm([item], !item.confirmed);
    });
    byTestId("confirm-series").addEventListener("click", () => {
      const item = session.selected;
      if (item) session.confirm(this.#waiting(item).filter(wasSeen), true);
    });
    looking.addEventListener("sight-changed", () => this.draw());
    for (const event of ["items-changed", "selection-changed"])
      session.addEventListener(event, () => this.draw());
  }

  /** The images of a series at risk that nobody has settled. @param {Item} item */
  #waiting(item) {
    return this.#session.seriesOf(item).filter((other) => other.needsEyes);
  }

  draw() {
    const item = this.#session.selected;
    const panel = byTestId("risks");
    panel.hidden = !item?.atRisk;
    if (!item?.atRisk) return;
    const settled = !item.needsEyes;
    panel.dataset.settled = String(settled);
    const why = item.confirmed ? "risk.confirmed" : settled ? "risk.covered" : "risk.title";
    byTestId("risk-title").textContent = t(why);
    const risks = item.info?.risks.length ? item.info.risks : ["suspect"];
    const reasons = new Set(risks.map((risk) => explain("risk", risk)));
    byTestId("risk-reasons").textContent = settled ? "" : [...reasons].join(" ");
    byTestId("sight").textContent = settled ? "" : this.#sight(item);
    const confirm = /** @type {HTMLButtonElement} */ (byTestId("confirm-pixels"));
    confirm.textContent = t(
      item.confirmed ? "risk.take-back" : item.isVideo && !item.seen ? "risk.elsewhere" : "risk.confirm",
    );
    confirm.hidden = settled && !item.confirmed;
    confirm.disabled = !item.confirmed && !item.confirmable;
    const waiting = this.#waiting(item);
    const seen = waiting.filter(wasSeen).length;
    const all = /** @type {HTMLButtonElement} */ (byTestId("confirm-series"));
    all.textContent = t("risk.confirm-series", { count: seen });
    all.hidden = waiting.length < 2 || seen < 1 || (seen === 1 && wasSeen(item) && !settled);
  }

  /** What is missing before somebody can say that nothing identifies. @param {Item} item */
  #sight(item) {
    const all = item.info?.frames ?? 1;
    if (item.isVideo) return t(item.sight.played.done ? "sight.played" : "sight.video", item.sight.played);
    if (item.seen) return item.redactions.length ? t("sight.covered-in-part") : "";
    if (!item.info?.preview) return t("sight.impossible");
    if (this.#looking.magnified) return t("sight.magnified");
    if (all === 1) return "";
    return t("sight.frames", { done: item.sight.frames(item.redactions), all });
  }
}
