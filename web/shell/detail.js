// The chosen file: its title, and whether its picture or its header is shown.

import { byTestId } from "../dom.js";
import { explain, onLanguage, t } from "../i18n.js";
import { tagText } from "../review/header-rows.js";

/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../review/file-list.js").FileList} FileList */
/** @typedef {import("../review/header-view.js").HeaderView} HeaderView */

/** @param {Session} session @param {FileList} list */
export function connectDetail(session, list) {
  const header = /** @type {HeaderView} */ (document.querySelector("header-view"));
  const show = (/** @type {"image"|"header"} */ tab) => {
    byTestId("viewer").hidden = tab !== "image";
    header.hidden = tab !== "header";
    header.refresh();
    byTestId("tab-image").ariaPressed = String(tab === "image");
    byTestId("tab-header").ariaPressed = String(tab === "header");
  };
  byTestId("tab-image").addEventListener("click", () => show("image"));
  byTestId("tab-header").addEventListener("click", () => show("header"));
  byTestId("back").addEventListener("click", () => {
    document.body.classList.remove("detail-open"); // narrow screens show one of the two
  });
  list.addEventListener("click", (event) => {
    if (/** @type {HTMLElement} */ (event.target).closest(".row")) document.body.classList.add("detail-open");
  });
  byTestId("next-attention").addEventListener("click", () => document.body.classList.add("detail-open"));
  session.addEventListener("selection-changed", () => describe(session));
  session.addEventListener("state-changed", () => {
    if (session.state !== "review" || session.selected) return;
    // What needs a person comes first.
    session.select(list.nextToLookAt ?? list.first ?? null);
  });
  byTestId("remove-attribute").addEventListener("click", () => {
    const { selected } = session;
    if (selected?.tag) session.removeAttribute(selected, selected.tag);
  });
  session.addEventListener("items-changed", () => showProblem(session));
  onLanguage(() => describe(session));
  describe(session);
}

/** Why the chosen file is left out, and what can be done. @param {Session} session */
function showProblem({ selected }) {
  const failure = selected?.refusal ?? selected?.failure ?? null;
  byTestId("problem").hidden = failure === null;
  if (!failure) return;
  const where = failure.tag ? t("problem.tag", { name: tagText(failure.tag) }) : "";
  byTestId("problem-text").textContent = [explain("code", failure.code), where].filter(Boolean).join(" ");
  byTestId("remove-attribute").hidden = failure.code !== "identifier-remains" || !failure.tag;
}

/** @param {Session} session */
function describe(session) {
  showProblem(session);
  const { selected } = session;
  const info = selected?.info;
  byTestId("detail-title").textContent = info
    ? info.series.description || t("list.series", info.series)
    : t(selected ? "detail.left-out" : "detail.none");
  const size = info?.rows ? t("detail.size", { columns: info.columns, rows: info.rows }) : "";
  const frames = info && info.frames > 1 ? t("detail.frames", { count: info.frames }) : "";
  const number = info?.instance.number ? t("detail.number", info.instance) : "";
  byTestId("detail-facts").textContent = info
    ? [number, info.sop_class_name, size, frames, info.transfer_syntax_name].filter(Boolean).join(" · ")
    : "";
}
