// The report as a page to read and to print: for whoever has to answer for what was shared. It has no value of a file.

import { byTestId, el } from "../dom.js";
import { explain, named, onLanguage, t } from "../i18n.js";

/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("./sharing.js").Sharing} Sharing */
/** @typedef {{input: number, status: string, code: string|null, tag: string|null, output: string|null,
 *   sop_class: string|null, actions: Record<string, number>, warnings: string[], pixels: string,
 *   review?: string[]}} Entry */
/** @typedef {{version: string, table_edition: string, profile: {name: string, options: string[],
 *   overrides?: {tag: string, action: string, reason: string}[]}, files: Entry[],
 *   case?: {documents: string[]}}} Report */

/** @param {Session} session @param {Sharing} sharing */
export function connectReport(session, sharing) {
  const page = byTestId("report-view");
  /** @type {{data: Report, made: Date}|null} */
  let shown = null;
  const draw = () => {
    if (shown)
      byTestId("report-content").replaceChildren(...content(shown.data, shown.made, session, sharing));
  };
  onLanguage(draw);
  const close = () => {
    if (!shown) return;
    shown = null;
    page.hidden = true;
    document.body.classList.remove("reporting");
    byTestId("report-content").replaceChildren();
    byTestId("report-page").focus();
  };
  byTestId("report-page").addEventListener("click", () =>
    sharing.makeReport((data) => {
      shown = { data, made: new Date() };
      draw();
      page.hidden = false;
      document.body.classList.add("reporting"); // all else is out of sight, and is not printed
      byTestId("report-title").focus();
    }),
  );
  byTestId("report-print").addEventListener("click", () => print());
  byTestId("report-close").addEventListener("click", close);
  /** @type {HTMLDialogElement} */
  const secret = byTestId("crosswalk-dialog");
  const form = /** @type {HTMLFormElement} */ (byTestId("crosswalk-form"));
  byTestId("crosswalk").addEventListener("click", () => {
    form.reset(); // to be ticked each time
    secret.showModal();
  });
  form.addEventListener("submit", ({ submitter }) => {
    if (submitter === byTestId("crosswalk-save")) sharing.saveCrosswalk();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) close();
  });
  // What it says holds for the files as they are: not once something changes.
  for (const event of ["results-voided", "items-cleared"]) session.addEventListener(event, close);
}

/** @param {Report} data @param {Date} made @param {Session} session @param {Sharing} sharing */
function content(data, made, session, sharing) {
  const { options, overrides } = data.profile;
  const lang = document.documentElement.lang;
  const mode = String(sharing.profile?.mode ?? "anonymize");
  /** @type {[string, (Node|string)[]][]} */
  const facts = [
    ["report.made", [made.toLocaleString(lang, { dateStyle: "long", timeStyle: "short" })]],
    ["report.tool", [`dicomveil ${data.version}. ${byTestId("build").textContent}`]],
    ["report.table", [t("report.table-text", { edition: data.table_edition })]],
    ["report.profile", [t("report.basic"), ` (${data.profile.name})`]],
    ["report.pseudonyms", [t(`settings.${mode}`), ". ", t(`settings.${mode}-hint`)]],
  ];
  const list = el("dl", { className: "facts" });
  for (const [id, texts] of facts) list.append(el("dt", named(id)), el("dd", {}, ...texts));
  return [
    list,
    el("h3", named("report.counts")),
    counts(data.files),
    el("h3", named("report.options")),
    options.length
      ? bullets(options.map((name) => [explain("option", name), explain("option-hint", name)]))
      : el("p", named("report.no-options")),
    ...(overrides
      ? [
          el("h3", named("report.overrides")),
          bullets(overrides.map(({ tag, action, reason }) => [`${tag}: ${t(`action.${action}`)}`, reason])),
        ]
      : []),
    ...(data.case ? [el("h3", named("report.case")), el("p", named("report.case-text"))] : []),
    ...noted(data.files),
    el("h3", named("report.files")),
    table(data.files, session),
    el("p", { className: "muted", ...named("report.limits") }),
  ];
}

/** @param {[string, string][]} rows */
function bullets(rows) {
  const items = rows.map(([what, more]) => el("li", {}, el("b", { textContent: what }), ` ${more}`));
  return el("ul", { className: "bullets" }, ...items);
}

/** @param {Entry} entry */
const outcome = ({ status, review = [], pixels }) => {
  if (status !== "clean") return "refused";
  return pixels === "redacted" ? "redacted" : review.length && pixels === "confirmed" ? "confirmed" : "clean";
};

/** @param {Entry[]} files */
function counts(files) {
  const clean = files.filter(({ status }) => status === "clean");
  /** @type {[string, number][]} */
  const rows = [
    ["report.count-files", files.length],
    ["report.count-clean", clean.length],
    ["report.count-redacted", clean.filter((one) => outcome(one) === "redacted").length],
    ["report.count-confirmed", clean.filter((one) => outcome(one) === "confirmed").length],
    ["report.count-refused", files.length - clean.length],
  ];
  const list = el("dl", { className: "facts counts" });
  for (const [id, count] of rows)
    list.append(
      el("dt", named(id)),
      el("dd", { textContent: count.toLocaleString(document.documentElement.lang) }),
    );
  return list;
}

/** What the warnings and refusals that occur mean, once each. @param {Entry[]} files */
function noted(files) {
  const codes = new Map();
  for (const { code, warnings } of files)
    for (const one of code ? [code] : warnings) codes.set(one, (codes.get(one) ?? 0) + 1);
  if (!codes.size) return [];
  const rows = Array.from(
    codes,
    ([code, count]) =>
      /** @type {[string, string]} */ ([code, `${explain("code", code)} (${t("report.times", { count })})`]),
  );
  return [el("h3", named("report.noted")), bullets(rows)];
}

/** Patient and instance; study and series lie between. @param {string} output */
const shortened = (output) => output.replace(/\/.*\//, "/…/");

/** @param {Entry[]} files @param {Session} session */
function table(files, session) {
  const heads = ["number", "status", "pixels", "changes", "output"];
  const head = el("tr", {}, ...heads.map((id) => el("th", { scope: "col", ...named(`report.${id}`) })));
  const rows = files.map((entry) => {
    const { input, status, code, tag, pixels, review = [], actions, warnings, output } = entry;
    const item = session.items[input - 1];
    const why = [code, ...warnings].filter(Boolean).join(", ");
    const words = Object.entries(actions).map(([action, count]) => `${t(`action.${action}`)} ${count}`);
    const seen = review.map((means) => t(`report.seen-${means}`)).join(", ");
    return el(
      "tr",
      { data: { input, status } },
      el("th", { scope: "row", textContent: String(input) }),
      el(
        "td",
        {},
        t(`report.status-${status}`),
        code || warnings.length ? el("code", { textContent: why }) : null,
        tag,
      ),
      el(
        "td",
        {},
        status === "clean" ? t(`report.pixels-${pixels.replace(" ", "-")}`) : "–",
        seen && ` (${seen})`,
      ),
      el("td", { textContent: words.join(", ") || "–" }),
      el("td", {}, item?.info?.sop_class_name ?? "", el("code", { textContent: shortened(output ?? "") })),
    );
  });
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}
