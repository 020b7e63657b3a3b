// <image-viewer>: the chosen file's frames, its risks, and what covers it.

import { byTestId } from "../dom.js";
import { CodedError, codeOf } from "../errors.js";
import { explain, t } from "../i18n.js";
import { History, redactionOf, same } from "./coverings.js";
import { Picture } from "./picture.js";
import { Proposals } from "./proposals.js";
import { Stage } from "./stage.js";

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("./coverings.js").Box} Box */

/** A drag over this many pixels of the screen changes the window by its whole width. */
const WINDOW_DRAG = 300;

export class ImageViewer extends HTMLElement {
  /** @type {Session} */
  #session = /** @type {any} */ (null);
  /** @type {WorkerPool} */
  #pool = /** @type {any} */ (null);
  #stage = new Stage({
    added: (box) => this.#change((list) => [...list, redactionOf(box)], redactionOf(box)),
    changed: (from, box) =>
      this.#change((list) => list.map((one) => (same(one, from) ? { ...one, ...box } : one)), {
        ...from,
        ...box,
      }),
    removed: (gone) => this.#change((list) => list.filter((one) => !same(one, gone)), null),
    windowed: (dx, dy) => this.#drag(dx, dy),
    stepped: (by) => this.#step(by),
  });
  #history = new History();
  #abort = new AbortController();
  /** @type {Picture|null} */
  #picture = null;
  /** @type {import("./picture.js").Window} */
  #window = { centre: 0, width: 1 };
  /** The window that the user chose, kept while going through a series. @type {string|null} */
  #windowSeries = null;
  #frame = 0;
  /** Show the cleaned file's own pixels. */
  #cleaned = false;

  /** @param {Session} session @param {WorkerPool} pool */
  connect(session, pool) {
    this.#session = session;
    this.#pool = pool;
    byTestId("stage").append(this.#stage.root);
    session.addEventListener("selection-changed", () => this.#choose());
    session.addEventListener("items-changed", () => this.#refresh());
    session.addEventListener("items-cleared", () => this.#history.clear());
    const on = (/** @type {string} */ id, /** @type {() => void} */ act) =>
      byTestId(id).addEventListener("click", act);
    on("tool-window", () => this.#use("window"));
    on("tool-cover", () => this.#use("cover"));
    on("add-covering", () => this.#addInMiddle());
    on("undo", () => this.#undo());
    on("window-reset", () => this.#resetWindow());
    on("show-original", () => this.#compare(false));
    on("show-cleaned", () => this.#compare(true));
    on("confirm-pixels", () => this.#confirm(this.#item ? [this.#item] : []));
    on("confirm-series", () => this.#confirm(this.#item ? this.#session.seriesOf(this.#item) : []));
    byTestId("frame").addEventListener("input", () => this.#go(Number(this.#slider.value)));
    this.addEventListener("keydown", (event) => this.#key(event));
    byTestId("stage").addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    new Proposals(session, pool, (areas) => this.#change((list) => [...list, ...areas], areas[0]));
    this.#use("window");
    this.#choose();
  }

  get #item() {
    return this.#session.selected;
  }

  get #slider() {
    return /** @type {HTMLInputElement} */ (byTestId("frame"));
  }

  /** Another file was chosen. */
  #choose() {
    this.#frame = 0;
    this.#cleaned = false;
    this.#picture = null;
    this.#refresh();
    this.#load();
  }

  /** Everything beside the pixels. */
  #refresh() {
    const item = this.#item;
    const info = item?.info ?? null;
    const frames = info?.frames ?? 1;
    byTestId("frames").hidden = frames < 2;
    this.#slider.max = String(frames - 1);
    this.#slider.value = String(this.#frame);
    byTestId("frame-number").textContent = t("viewer.frame", { number: this.#frame + 1, all: frames });
    const shown = this.#picture !== null;
    this.#stage.editable = shown && Boolean(info?.redactable) && !this.#cleaned;
    /** @type {HTMLButtonElement} */ disable("tool-cover", !this.#stage.editable);
    disable("add-covering", !this.#stage.editable);
    disable("undo", this.#history.empty);
    byTestId("compare").hidden = !item?.result;
    if (!item?.result && this.#cleaned) this.#compare(false);
    byTestId("show-original").ariaPressed = String(!this.#cleaned);
    byTestId("show-cleaned").ariaPressed = String(this.#cleaned);
    this.#stage.root.dataset.filled = String(!this.#cleaned);
    if (shown && !this.#stage.root.querySelector(".drawing")) this.#showCoverings(null);
    this.#showRisks(item);
  }

  /** @param {Redaction|null} focus */
  #showCoverings(focus) {
    const list = this.#cleaned ? [] : (this.#item?.redactions ?? []);
    const had = this.#stage.root.contains(document.activeElement) ? document.activeElement : null;
    const index = had ? [...this.#stage.root.querySelectorAll(".covering")].indexOf(had) : -1;
    const again = focus ? (list.find((one) => same(one, focus)) ?? null) : (list[index] ?? null);
    this.#stage.cover(list, again);
  }

  /** @param {Item|null} item */
  #showRisks(item) {
    const panel = byTestId("risks");
    const atRisk = Boolean(item?.atRisk);
    panel.hidden = !atRisk;
    if (!item || !atRisk) return;
    const series = this.#session.seriesOf(item).filter((other) => other.atRisk);
    const settled = !item.needsEyes;
    panel.dataset.settled = String(settled);
    const why = item.confirmed ? "risk.confirmed" : settled ? "risk.covered" : "risk.title";
    byTestId("risk-title").textContent = t(why);
    byTestId("risk-reasons").textContent = settled
      ? ""
      : [...new Set((item.info?.risks ?? []).map((risk) => explain("risk", risk)))].join(" ");
    byTestId("confirm-pixels").textContent = t(item.confirmed ? "risk.take-back" : "risk.confirm");
    byTestId("confirm-pixels").hidden = settled && !item.confirmed;
    const all = byTestId("confirm-series");
    all.textContent = t("risk.confirm-series", { count: series.length });
    all.hidden = settled || series.length < 2;
  }

  async #load() {
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const item = this.#item;
    if (!item) return this.#say("viewer.nothing");
    if (!item.info) return this.#say("viewer.unreadable");
    if (!item.info.preview) return this.#say(item.info.has_pixels ? "viewer.no-preview" : "viewer.no-image");
    this.#stage.root.dataset.loading = "true"; // what is still shown is of the file before
    const file = this.#cleaned && item.result?.blob ? item.result.blob : item.file;
    try {
      const args = { file, index: this.#frame };
      const frame = await this.#pool.run(signal, "frame", args, { urgent: true });
      if (signal.aborted) return;
      this.#picture = new Picture(frame);
      this.#say(null);
      const series = item.info.series.uid;
      if (this.#windowSeries !== series || !this.#picture.grey) this.#window = this.#picture.initial;
      this.#windowSeries = series;
      this.#paint();
      this.#refresh();
      this.#stage.root.dataset.loading = "false";
    } catch (error) {
      if (signal.aborted) return;
      this.#picture = null;
      this.#say(error instanceof CodedError ? `code.${codeOf(error)}` : "viewer.no-preview");
    }
  }

  /** @param {string|null} id */
  #say(id) {
    this.#stage.root.hidden = id !== null;
    byTestId("stage-note").hidden = id === null;
    byTestId("stage-note").textContent = id ? t(id) : "";
    byTestId("viewer-tools").hidden = id !== null;
    byTestId("window-values").textContent = "";
  }

  #paint() {
    const picture = this.#picture;
    if (!picture) return;
    this.#stage.show(picture.draw(this.#window));
    const { centre, width } = this.#window;
    byTestId("window-reset").hidden = !picture.grey;
    byTestId("window-values").textContent = picture.grey
      ? t("viewer.window", { centre: Math.round(centre), width: Math.round(width) })
      : "";
  }

  #painting = false;
  /** @param {number} dx @param {number} dy */
  #drag(dx, dy) {
    if (!this.#picture?.grey) return;
    const base = Math.max(this.#picture.initial.width, 2);
    this.#window = {
      width: Math.max(1, this.#window.width + (dx / WINDOW_DRAG) * base),
      centre: this.#window.centre + (dy / WINDOW_DRAG) * base,
    };
    if (this.#painting) return;
    this.#painting = true;
    requestAnimationFrame(() => {
      this.#painting = false;
      this.#paint();
    });
  }

  #resetWindow() {
    if (this.#picture) this.#window = this.#picture.initial;
    this.#paint();
  }

  /** @param {"window"|"cover"} tool */
  #use(tool) {
    this.#stage.tool = tool;
    this.#stage.root.dataset.tool = tool;
    byTestId("tool-window").ariaPressed = String(tool === "window");
    byTestId("tool-cover").ariaPressed = String(tool === "cover");
  }

  /** @param {boolean} cleaned */
  #compare(cleaned) {
    if (this.#cleaned === cleaned) return;
    this.#cleaned = cleaned;
    this.#load();
  }

  /** The images that a change goes to: this one, or all of the series with its size. */
  get #targets() {
    const item = this.#item;
    if (!item?.info) return [];
    const { rows, columns } = item.info;
    const whole = /** @type {HTMLInputElement} */ (byTestId("whole-series")).checked;
    if (!whole) return [item];
    const series = this.#session.seriesOf(item);
    return series.filter(({ info }) => info?.redactable && info.rows === rows && info.columns === columns);
  }

  /** @param {(list: Redaction[]) => Redaction[]} change @param {Redaction|null} focus */
  #change(change, focus) {
    const targets = this.#targets;
    this.#history.remember(targets);
    this.#session.redact(new Map(targets.map((item) => [item, change(item.redactions)])));
    this.#showCoverings(focus);
    this.#refresh();
  }

  #addInMiddle() {
    const { width, height } = this.#stage.canvas;
    const box = {
      x: Math.floor(width / 4),
      y: Math.floor(height / 4),
      width: Math.ceil(width / 2),
      height: Math.ceil(height / 4),
    };
    this.#change((list) => [...list, redactionOf(box)], redactionOf(box));
  }

  #undo() {
    const before = this.#history.back();
    if (before) this.#session.redact(before);
    this.#refresh();
  }

  /** @param {Item[]} items */
  #confirm(items) {
    this.#session.confirm(items, !this.#item?.confirmed);
    this.#refresh();
  }

  /** @param {number} index */
  #go(index) {
    const last = (this.#item?.info?.frames ?? 1) - 1;
    const frame = Math.min(Math.max(index, 0), last);
    if (frame === this.#frame) return;
    this.#frame = frame;
    this.#load();
    this.#refresh();
  }

  /** Through the frames of an image, or the images of its series. @param {number} by */
  #step(by) {
    const item = this.#item;
    if (!item) return;
    if ((item.info?.frames ?? 1) > 1) return this.#go(this.#frame + by);
    this.dispatchEvent(new CustomEvent("image-stepped", { detail: { by }, bubbles: true }));
  }

  #wheeled = 0;
  /** @param {WheelEvent} event */
  #wheel(event) {
    if (!this.#picture || event.ctrlKey) return;
    event.preventDefault();
    this.#wheeled += event.deltaMode === 0 ? event.deltaY / 40 : event.deltaY;
    const steps = Math.trunc(this.#wheeled);
    if (!steps) return;
    this.#wheeled -= steps;
    this.#step(Math.sign(steps));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const typing = event.target instanceof HTMLInputElement && event.target.type !== "range";
    if (typing || event.target instanceof HTMLInputElement) return;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if ((event.ctrlKey || event.metaKey) && event.key === "z") this.#undo();
    else if (plain && event.key === "r" && this.#stage.editable) this.#addInMiddle();
    else if (plain && event.key === "w") this.#use("window");
    else if (plain && event.key === "c" && this.#stage.editable) this.#use("cover");
    else if (plain && (event.key === "PageDown" || event.key === "ArrowDown")) this.#step(1);
    else if (plain && (event.key === "PageUp" || event.key === "ArrowUp")) this.#step(-1);
    else return;
    event.preventDefault();
  }
}

/** @param {string} id @param {boolean} disabled */
function disable(id, disabled) {
  /** @type {HTMLButtonElement} */ (byTestId(id)).disabled = disabled;
}

customElements.define("image-viewer", ImageViewer);
