// Everything by which files come in: two file inputs, drops anywhere on the page, paste, Ctrl+O.

import { byTestId } from "../dom.js";
import { codeOf } from "../errors.js";
import { fromDrop, fromFiles, onceListed } from "../open/gather.js";
import { notify } from "./status.js";

/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */

/** @param {Session} session */
export function connectOpening(session) {
  for (const id of ["open-files", "open-folder"]) {
    const input = /** @type {HTMLInputElement} */ (byTestId(id));
    input.addEventListener("change", () => {
      const files = fromFiles(input.files ?? []);
      input.value = ""; // so that the same files can be chosen again
      if (files.length) session.add(onceListed(files));
    });
  }
  byTestId("add-files").addEventListener("click", () => byTestId("open-files").click());
  byTestId("add-folder").addEventListener("click", () => byTestId("open-folder").click());
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "o" || event.shiftKey || event.altKey) return;
    event.preventDefault();
    byTestId("open-files").click();
  });
  document.addEventListener("paste", (event) => {
    const { target, clipboardData } = event;
    const writing = target instanceof Element && target.matches(":read-write");
    if (writing || !clipboardData?.files.length) return;
    event.preventDefault();
    session.add(fromDrop(clipboardData));
  });
  connectDrops(session);
}

/** A made-up study, for whoever has no file at hand. @param {Session} session @param {WorkerPool} pool */
export function connectExample(session, pool) {
  byTestId("example").addEventListener("click", async () => {
    try {
      const files = await pool.run(new AbortController().signal, "example", {});
      if (!session.items.length) session.add(fromFiles(files));
    } catch (error) {
      notify(codeOf(error));
    }
  });
}

/** @param {Session} session */
function connectDrops(session) {
  const show = (/** @type {boolean} */ over) => document.body.classList.toggle("dropping", over);
  let depth = 0;
  const carriesFiles = (/** @type {DragEvent} */ event) =>
    event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    depth += 1;
    show(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth -= 1;
    if (depth <= 0) show(false);
  });
  // Without this the browser would open the file itself, in place of the page.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    show(false);
    if (event.dataTransfer && carriesFiles(event)) session.add(fromDrop(event.dataTransfer));
  });
}
