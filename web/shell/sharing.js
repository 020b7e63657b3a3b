// Saving and sending what was cleaned, and what the page says of it: nothing left, sending, sent.

import { byTestId } from "../dom.js";
import { codeOf } from "../errors.js";
import { each } from "../model/each.js";
import { resource } from "../output/endpoint.js";
import { Receipts } from "../output/receipt.js";
import { download, pickFolder, saveZip } from "../output/save.js";
import { isThere, leaving, reportFile, uploadOf } from "../output/share.js";
import { connectDestination, ownDestination } from "./destination.js";
import { notify } from "./status.js";

/** @typedef {import("../model/case.js").TeachingCase} TeachingCase */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("../output/endpoint.js").Destination} Destination */
/** @typedef {import("../output/upload.js").Upload} Upload */
/** @typedef {{what: "saving"|"reading"|"sending", done: number, total: number}} Busy */

/** A person wants a DICOMDIR with what is saved. */
const withDicomdir = () => /** @type {HTMLInputElement} */ (byTestId("dicomdir")).checked;

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
  /** What sends now. @type {Upload|null} */
  upload = null;
  #receipts = new Receipts();
  #abort = new AbortController();
  #session;
  #pool;
  #ask;

  /** @param {Session} session @param {WorkerPool} pool @param {TeachingCase} teaching */
  constructor(session, pool, teaching) {
    super();
    this.#session = session;
    this.#pool = pool;
    this.teaching = teaching;
    this.#ask = connectDestination((destination) => this.#send(destination));
    globalThis.addEventListener("beforeunload", (event) => {
      if (this.busy) event.preventDefault(); // the browser asks whether to leave
    });
  }

  cancel() {
    this.#abort.abort();
  }

  /** @param {Busy["what"]} what @param {number} total */
  #begin(what, total) {
    this.busy = { what, done: 0, total };
    this.tell();
  }

  /** @param {Busy["what"]} what @param {number} total @param {(signal: AbortSignal) => Promise<void>} work */
  async #do(what, total, work) {
    if (this.busy) return;
    this.#abort = new AbortController();
    this.#begin(what, total);
    try {
      await work(this.#abort.signal);
    } catch (error) {
      const code = codeOf(error);
      if (code !== "cancelled") notify(code);
    }
    this.busy = null;
    this.upload = null;
    this.#session.tell();
    this.tell();
  }

  #progress = (/** @type {number} */ done) => {
    if (this.busy) this.busy.done = done;
    this.tell();
  };

  /**
   * Let the workers read each file, and one of them put together what they found: texts, which the page only hands on.
   * @param {AbortSignal} signal @param {"media"|"crosswalk"} op @param {{file: Blob, request: object}[]} files
   */
  async #gather(signal, op, files) {
    /** @type {string[]} */
    const parts = [];
    this.#begin("reading", files.length);
    await each(signal, files.entries(), async ([place, file]) => {
      parts[place] = (await this.#pool.run(signal, op, file)).part;
      if (this.busy) this.#progress(this.busy.done + 1);
    });
    return this.#pool.run(signal, op, { request: { parts } });
  }

  /** @param {AbortSignal} signal */
  async #leaving(signal) {
    const { teaching } = this;
    const documents = await teaching.documents(signal);
    const layOut = withDicomdir() ? this.#gather.bind(this, signal, "media") : null;
    return leaving(this.#pool, signal, this.#session.items, teaching.content, documents, layOut);
  }

  /** @param {() => Promise<typeof saveZip>} how */
  #save(how) {
    return this.#do("saving", 1, async (signal) => {
      const write = await how();
      const { entries, unlisted } = await this.#leaving(signal);
      this.#begin("saving", entries.length);
      await write(signal, entries, this.#progress, this.#pool);
      if (unlisted) notify("media-left-out");
    });
  }

  saveZip() {
    return this.#save(async () => saveZip);
  }

  saveFolder() {
    return this.#save(() => pickFolder(withDicomdir()));
  }

  saveReport() {
    return this.makeReport((data) => download(reportFile(data), "dicomveil-report.json"));
  }

  /** The report, for a page of it. @param {(data: any) => void} show */
  makeReport(show) {
    return this.#do("saving", 1, async (signal) => show((await this.#leaving(signal)).data));
  }

  /** Old and new identifiers, in a file of their own: they go nowhere else. */
  saveCrosswalk() {
    const cleaned = this.#session.items.filter((item) => item.result);
    const files = cleaned.map(({ file, cleanRequest: request }) => ({ file, request }));
    return this.#do("reading", files.length, async (signal) => {
      const { blob, name } = await this.#gather(signal, "crosswalk", files);
      download(blob, name);
    });
  }

  /** Files of which the receipt tells. */
  get receipted() {
    return this.#receipts.count(this.#session.items);
  }

  saveReceipt() {
    download(this.#receipts.file(this.#session.items), "dicomveil-receipt.json");
  }

  /** Send, or first ask where to. */
  async send() {
    const configured = await ownDestination();
    if (configured) return this.#send(configured);
    this.#ask();
  }

  /** Pause, or go on. */
  togglePause() {
    if (this.upload?.paused) this.upload.proceed();
    else this.upload?.pause();
  }

  /** @param {Destination} destination */
  #send(destination) {
    const session = this.#session;
    const waiting = session.items.filter((item) => item.result && !item.uploaded);
    return this.#do("sending", waiting.length, async (signal) => {
      this.host = resource(destination.endpoint, "studies").host;
      const documents = await this.teaching.documents(signal);
      this.phase = "sending";
      const uploaded = () => session.items.filter((item) => item.uploaded).length;
      const before = uploaded();
      for (const item of waiting) item.uploadCode = null; // of an earlier try
      const left = new Set(waiting);
      const told = (/** @type {import("../model/item.js").Item[]} */ items) => {
        session.uploadsChanged(items);
        for (const item of items) if (item.uploaded || item.uploadCode) left.delete(item);
        this.#progress(waiting.length - left.size);
      };
      const { upload, ofCase } = await uploadOf(destination, session.items, this.#receipts, documents, told);
      this.upload = upload;
      await upload.run(signal);
      this.sent = uploaded();
      this.teaching.sent = ofCase.length > 0 && ofCase.every(isThere);
      this.phase = this.sent > before || ofCase.some(isThere) ? "sent" : "tried";
      const failed = waiting.find((item) => !item.uploaded && item.result);
      const code = failed ? failed.uploadCode : ofCase.find((one) => !isThere(one))?.code;
      if ((failed || code) && !signal.aborted) notify(code ?? "upload-failed");
    });
  }

  /** Something about what can be shared changed. */
  tell() {
    this.dispatchEvent(new CustomEvent("sharing-changed"));
  }
}
