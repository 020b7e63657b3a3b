// Saving and sending what was cleaned, and what the page says of it: nothing left, sending, sent.

import { byTestId } from "../dom.js";
import { codeOf } from "../errors.js";
import { explain } from "../i18n.js";
import { download, saveFolder, saveZip } from "../output/save.js";
import { report, upload, zipEntries } from "../output/share.js";
import { studiesAddress } from "../output/stow.js";
import { notify } from "./status.js";

/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("../output/stow.js").Destination} Destination */
/** @typedef {{what: "saving"|"sending", done: number, total: number}} Busy */

export class Sharing extends EventTarget {
  /** `tried`: something may have left, nothing was confirmed. @type {"nothing"|"sending"|"sent"|"tried"} */
  phase = "nothing";
  host = "";
  /** Files that were sent and confirmed by the endpoint. */
  sent = 0;
  /** @type {Busy|null} */
  busy = null;
  /** @type {Record<string, unknown>|null} */
  profile = null;
  #abort = new AbortController();
  #session;
  #pool;

  /** @param {Session} session @param {WorkerPool} pool */
  constructor(session, pool) {
    super();
    this.#session = session;
    this.#pool = pool;
    byTestId("upload-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    byTestId("upload-cancel").addEventListener("click", () => this.#dialog.close());
  }

  get #dialog() {
    return /** @type {HTMLDialogElement} */ (byTestId("upload-dialog"));
  }

  cancel() {
    this.#abort.abort();
  }

  /** @param {"saving"|"sending"} what @param {number} total @param {(signal: AbortSignal) => Promise<void>} work */
  async #do(what, total, work) {
    if (this.busy) return;
    this.#abort = new AbortController();
    this.busy = { what, done: 0, total };
    this.#tell();
    try {
      await work(this.#abort.signal);
    } catch (error) {
      const code = codeOf(error);
      if (code !== "cancelled") notify(code);
    }
    this.busy = null;
    this.#tell();
  }

  #progress = (/** @type {number} */ done) => {
    if (this.busy) this.busy.done = done;
    this.#tell();
  };

  /** @param {typeof saveZip} how */
  #save(how) {
    const { items } = this.#session;
    const cleaned = items.filter((item) => item.result).length;
    return this.#do("saving", cleaned + 1, async (signal) => {
      const entries = await zipEntries(items, await report(this.#pool, signal, items));
      await how(signal, entries, this.#progress);
    });
  }

  saveZip() {
    return this.#save(saveZip);
  }

  saveFolder() {
    return this.#save(saveFolder);
  }

  saveReport() {
    const { items } = this.#session;
    return this.#do("saving", 1, async (signal) => {
      download(await report(this.#pool, signal, items), "dicomveil-report.json");
    });
  }

  /** Send, or first ask where to. */
  async upload() {
    const configured = await ownDestination();
    if (configured) return this.#send(configured);
    byTestId("upload-error").textContent = "";
    this.#dialog.showModal();
  }

  #submit() {
    const endpoint = /** @type {HTMLInputElement} */ (byTestId("endpoint")).value.trim();
    const token = /** @type {HTMLInputElement} */ (byTestId("token")).value.trim();
    try {
      studiesAddress(endpoint);
    } catch (error) {
      byTestId("upload-error").textContent = explain("code", codeOf(error));
      return;
    }
    this.#dialog.close();
    this.#send({ endpoint, token });
  }

  /** @param {Destination} destination */
  #send(destination) {
    const session = this.#session;
    const waiting = session.items.filter((item) => item.result && !item.uploaded);
    return this.#do("sending", waiting.length, async (signal) => {
      this.host = studiesAddress(destination.endpoint).host;
      this.phase = "sending";
      this.#tell();
      await upload(signal, destination, session.items, (items) => {
        this.sent += items.filter((item) => item.uploaded).length;
        if (this.busy) this.busy.done += items.length;
        session.uploadsChanged(items);
        this.#tell();
      });
      this.phase = this.sent ? "sent" : "tried";
      const failed = waiting.filter((item) => !item.uploaded && item.result);
      if (failed.length && !signal.aborted) notify(failed[0].uploadCode ?? "upload-failed");
    });
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("sharing-changed"));
  }
}

/** Where the server of this page says to send, so that one click does; else null. @returns {Promise<Destination|null>} */
async function ownDestination() {
  try {
    const response = await fetch("settings.json", { cache: "no-store" });
    if (!response.ok) return null;
    const { endpoint, token } = await response.json();
    return typeof endpoint === "string" ? { endpoint, token: String(token ?? "") } : null;
  } catch {
    return null;
  }
}
