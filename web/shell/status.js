// The state in words and as data for scripts, the line that says where data are, and notices.

import { byTestId, el, paced } from "../dom.js";
import { explain, named, onLanguage, t } from "../i18n.js";
import { STATES } from "../model/counts.js";

/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("./sharing.js").Sharing} Sharing */

const NOTICE_MS = 12_000;

/** @param {Session} session @param {Sharing} sharing */
export function connectStatus(session, sharing) {
  const draw = () => drawStatus(session, sharing);
  session.addEventListener("state-changed", draw);
  session.addEventListener("items-changed", draw);
  session.addEventListener("input-failed", (event) => notify(/** @type {CustomEvent} */ (event).detail.code));
  const drawAll = () => {
    draw();
    drawPrivacy(sharing);
  };
  sharing.addEventListener("sharing-changed", paced(drawAll));
  drawAll();
  onLanguage(drawAll);
}

/** @param {Session} session @param {Sharing} sharing */
function drawStatus(session, sharing) {
  const { state } = session;
  const status = byTestId("status");
  const busy = sharing.busy;
  const [done, total] = busy ? [busy.done, busy.total] : [session.done, session.total];
  const text = busy ? t(`status.${busyState(sharing)}`, { done, total }) : statusText(session);
  if (status.textContent !== text) status.textContent = text;
  status.dataset.done = String(session.done);
  status.dataset.total = String(session.total);
  status.dataset.state = state;
  document.body.dataset.state = state;
  document.body.dataset.view = session.items.length ? "work" : "open";
  const bar = /** @type {HTMLProgressElement} */ (byTestId("progress"));
  bar.hidden = !busy && state !== "reading" && state !== "cleaning";
  bar.max = Math.max(total, 1);
  bar.value = done;
}

/** @param {Sharing} sharing */
function busyState({ busy, upload }) {
  if (upload?.paused) return "paused";
  return upload?.waiting ? "retrying" : busy?.what;
}

/** @param {Session} session */
function statusText(session) {
  const { state, done, total } = session;
  if (state === "reading" || state === "cleaning") return t(`status.${state}`, { done, total });
  if (state === "failed") return explain("code", session.failure ?? "");
  if (state === "review" || state === "done") {
    return STATES.map((of) => ({ of, count: session.counts.of(of) }))
      .filter(({ count }) => count)
      .map(({ of, count }) => t(`count.${of}`, { count }))
      .join(" · ");
  }
  return t(`status.${state}`);
}

/** @param {Sharing} sharing */
function drawPrivacy({ phase, host, sent }) {
  const line = byTestId("privacy");
  line.dataset.phase = phase;
  line.textContent = t(`privacy.${phase}`, { host, count: sent });
}

/** Show what a code means, for a while. @param {string} code */
export function notify(code) {
  const note = el("p", { className: "notice", ...named(`code.${code}`), textContent: explain("code", code) });
  byTestId("notices").append(note);
  setTimeout(() => note.remove(), NOTICE_MS);
}
