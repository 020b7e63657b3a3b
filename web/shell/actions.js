// The buttons of the page, and when each of them is there.

import { byTestId, paced } from "../dom.js";
import { onLanguage, t } from "../i18n.js";
import { canSaveFolder } from "../output/save.js";
import { canSend } from "./destination.js";

/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("./sharing.js").Sharing} Sharing */
/** @typedef {import("../review/file-list.js").FileList} FileList */

/** @param {Session} session @param {Sharing} sharing @param {FileList} list */
export function connectActions(session, sharing, list) {
  const on = (/** @type {string} */ id, /** @type {() => void} */ act) =>
    byTestId(id).addEventListener("click", act);
  on("clean", () => session.clean());
  on("cancel", () => {
    session.cancel();
    sharing.cancel();
  });
  on("save", () => sharing.saveZip());
  on("save-folder", () => sharing.saveFolder());
  for (const id of ["report", "report-json"]) on(id, () => sharing.saveReport());
  if (canSend) {
    on("upload", () => sharing.send());
    on("pause", () => sharing.togglePause());
    on("receipt", () => sharing.saveReceipt());
  }
  on("start-over", () => session.clear());
  on("next-attention", () => {
    const next = list.nextToLookAt;
    if (next) session.select(next);
  });
  const draw = () => drawActions(session, sharing);
  session.addEventListener("state-changed", draw);
  session.addEventListener("items-changed", draw);
  sharing.addEventListener("sharing-changed", paced(draw));
  onLanguage(draw);
  draw();
}

/** @param {string} id @param {boolean} shown */
function show(id, shown) {
  byTestId(id).hidden = !shown;
}

/** @param {Session} session @param {Sharing} sharing */
function drawActions(session, sharing) {
  const { state } = session;
  const { counts } = session;
  const working = state === "reading" || state === "cleaning" || sharing.busy !== null;
  const cleaned = counts.of("clean") + counts.of("uploaded");
  const idle = !working && session.items.length > 0;
  const cleanable = counts.of("cleanable");
  show("cancel", working);
  show("add-files", idle);
  show("add-folder", idle);
  show("start-over", idle);
  show("clean", idle && (state === "review" || cleanable > 0));
  const clean = /** @type {HTMLButtonElement} */ (byTestId("clean"));
  clean.textContent = t("action.clean", { count: cleanable });
  clean.disabled = cleanable === 0;
  clean.classList.toggle("primary", state !== "done"); // then saving comes first
  const leaving = idle && state === "done" && cleaned > 0;
  show("save", leaving);
  show("save-folder", leaving && canSaveFolder);
  show("with-dicomdir", leaving);
  if (canSend) {
    show("upload", leaving && (counts.of("clean") > 0 || sharing.teaching.waits));
    byTestId("upload").textContent = t(counts.of("unsent") ? "action.retry" : "action.upload");
    show("pause", sharing.upload !== null);
    byTestId("pause").textContent = t(sharing.upload?.paused ? "action.proceed" : "action.pause");
    show("receipt", idle && state === "done" && sharing.receipted > 0);
  }
  show("report", idle && state === "done");
  show("report-page", idle && state === "done");
  show("case", leaving);
  byTestId("case").textContent = t(sharing.teaching.content ? "case.edit" : "case.open");
  const attention = counts.of("attention");
  show("next-attention", attention > 0);
  byTestId("next-attention").textContent = t("list.next-attention", { count: attention });
  drawSeen({ seen: counts.of("looked"), all: counts.of("risk") });
}

/** How many of the images that need a look had one. @param {{seen: number, all: number}} looked */
function drawSeen({ seen, all }) {
  const element = byTestId("seen");
  element.hidden = all === 0;
  element.dataset.seen = String(seen);
  element.dataset.total = String(all);
  element.textContent = t("list.seen", { seen, all });
}
