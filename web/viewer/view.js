// What the viewer shows: which image, which frame or projection, input or output, under which window. No DOM.
//
// Events: "loading" (something else will be shown), "loaded" (a picture is there, or `problem` says why not),
// "windowed" (the same picture under another window).

import { CodedError, codeOf } from "../errors.js";
import { byInstance } from "../review/tree.js";
import { Pictures } from "./pictures.js";
import { projectionOf } from "./projection.js";

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("./picture.js").Window} Window */
/** @typedef {import("./projection.js").Projection} Projection */
/** @typedef {"frames"|"brightest"|"darkest"} Mode */
/** @typedef {{picture?: Picture|null, video?: Blob|null, problem?: string|null}} Found */

const PREFETCHED = 4;
/** Something else is wanted: a worker that is at the old wish for longer is stopped. */
const PATIENCE_MS = 1500;
const UNPLAYABLE = "viewer.video";

export class View extends EventTarget {
  /** @type {Item|null} */
  item = null;
  frame = 0;
  /** @type {Mode} */
  mode = "frames";
  /** Show the cleaned file's own pixels. */
  cleaned = false;
  /** @type {Picture|null} */
  picture = null;
  /** The stream of a video, which the browser plays if it can. @type {Blob|null} */
  video = null;
  /** @type {Window} */
  window = { centre: 0, width: 1 };
  /** The message that stands in for a picture. @type {string|null} */
  problem = "viewer.nothing";
  /** How much of a projection is there. @type {{done: number, total: number}|null} */
  progress = null;
  /** @type {Projection|null} */
  projection = null;
  /** What is wanted is what is there. */
  settled = false;
  #pictures;
  #session;
  #pool;
  /** Where the frame that is shown was read from. @type {Blob|null} */
  #file = null;
  /** The decisions of which the output is shown. */
  #revision = 0;
  /** @type {{item: Item, revision: number, blob: Blob}|null} */
  #preview = null;
  #abort = new AbortController();
  /** @type {Promise<void>|null} */
  #loading = null;
  /** Counts what was asked for. */
  #wish = 0;
  /** The window that the user chose is kept while going through a series. @type {string|null} */
  #windowSeries = null;

  /** @param {Session} session @param {WorkerPool} pool */
  constructor(session, pool) {
    super();
    this.#session = session;
    this.#pool = pool;
    this.#pictures = new Pictures(pool);
    session.addEventListener("selection-changed", () => this.#choose(session.selected));
    session.addEventListener("items-changed", () => {
      if (this.cleaned && this.item?.revision !== this.#revision) this.compare(false);
    });
    session.addEventListener("items-cleared", () => {
      this.#pictures.clear();
      this.#preview = null;
    });
  }

  get frames() {
    return (!this.item?.isVideo && this.item?.info?.frames) || 1;
  }

  /** @type {{of: string|undefined, among: number, items: Item[]}|null} */
  #series = null;
  /** The images of the series, in order. */
  get series() {
    if (!this.item) return [];
    const [of, among] = [this.item.info?.series.uid, this.#session.items.length];
    if (!of) return [this.item];
    if (this.#series?.of !== of || this.#series.among !== among || !this.#series.items.includes(this.item))
      this.#series = { of, among, items: this.#session.seriesOf(this.item).toSorted(byInstance) };
    return this.#series.items;
  }

  /** What is stepped through, the frames of an image or the images of a series: the place in it, and how many. */
  get position() {
    if (this.frames > 1 || !this.item) return { at: this.frame, of: this.frames };
    return { at: Math.max(this.series.indexOf(this.item), 0), of: this.series.length };
  }

  /** The images that a projection goes over: the image's own frames, or the series in the image's size. */
  get stack() {
    const { item } = this;
    if (!item?.info || this.frames > 1) return item ? [item] : [];
    const { rows, columns } = item.info;
    const alike = (/** @type {Item} */ { info, refusal }) =>
      info?.preview && !refusal && info.frames === 1 && info.rows === rows && info.columns === columns;
    return this.series.filter(alike);
  }

  /** @param {Item|null} item */
  #choose(item) {
    this.item = item;
    this.video = null;
    this.frame = 0;
    this.cleaned = false;
    this.mode = "frames";
    if (!item) this.projection = null;
    this.load();
  }

  /** To another frame, or to another image of the series. @param {number} at */
  async go(at) {
    const { at: now, of } = this.position;
    const wanted = Math.min(Math.max(at, 0), of - 1);
    if (wanted === now && this.mode === "frames") return;
    if (this.frames === 1 && wanted !== now) {
      this.#session.select(this.series[wanted]);
      return this.#loading;
    }
    this.frame = this.frames > 1 ? wanted : 0;
    this.mode = "frames";
    return this.load();
  }

  /** What follows in a film, over and over: a frame, or an image of the series that has one to show. The same: nothing does. */
  get next() {
    const { at, of } = this.position;
    const shows = (/** @type {Item["info"]} */ info) => info?.preview && info.frames === 1;
    let next = at;
    do next = (next + 1) % of;
    while (next !== at && this.frames === 1 && !shows(this.series[next].info));
    return next;
  }

  /** @param {boolean} cleaned */
  compare(cleaned) {
    if (this.cleaned === cleaned) return;
    this.cleaned = cleaned;
    this.#revision = this.item?.revision ?? 0;
    this.mode = "frames";
    return this.load();
  }

  /** @param {Mode} mode */
  project(mode) {
    if (this.mode === mode || this.item?.isVideo) return;
    this.mode = mode;
    this.cleaned = false;
    return this.load();
  }

  /** One picture at a time: what was asked for in the meantime is forgotten, and only the last wish comes next. */
  load() {
    this.settled = false;
    this.#wish += 1;
    this.#emit("loading");
    const abort = this.#abort;
    if (this.#loading) setTimeout(() => abort.abort(), this.progress ? 0 : PATIENCE_MS);
    this.#loading ??= this.#loadLast();
    return this.#loading;
  }

  async #loadLast() {
    let wish = 0;
    while (wish !== this.#wish) {
      wish = this.#wish;
      this.progress = null;
      this.#abort = new AbortController();
      const found = await this.#found(this.#abort.signal);
      if (wish === this.#wish) this.#loaded(found);
    }
    this.#loading = null; // in the same step: no wish can come between
  }

  /** @param {AbortSignal} signal @returns {Promise<Found>} */
  async #found(signal) {
    const { item } = this;
    try {
      if (item?.isVideo)
        return { video: (await this.#pool.run(signal, "video", { file: item.file }, { urgent: true })).blob };
      const problem = this.#noPicture();
      if (problem) return { problem };
      return { picture: await (this.mode === "frames" ? this.#read(signal) : this.#project(signal)) };
    } catch (error) {
      const code = error instanceof CodedError && codeOf(error);
      if (item?.isVideo && code === "pixels-undecodable") return { problem: UNPLAYABLE };
      return { problem: code ? `code.${code}` : "viewer.no-preview" };
    }
  }

  /** The browser cannot show the video that it was given. */
  cannotPlay() {
    if (this.video && this.settled) this.#loaded({ problem: UNPLAYABLE });
  }

  #noPicture() {
    if (!this.item) return "viewer.nothing";
    const { info } = this.item;
    if (!info) return "viewer.unreadable";
    if (info.preview) return null;
    return info.has_pixels ? "viewer.no-preview" : "viewer.no-image";
  }

  /** @param {AbortSignal} signal */
  async #read(signal) {
    const item = /** @type {Item} */ (this.item);
    this.#file = this.cleaned ? await this.#output(signal, item) : item.file;
    return this.#pictures.get(signal, this.#file, this.frame);
  }

  /** The cleaned file; made for the eye alone, and thrown away, while it is not cleaned. @param {AbortSignal} signal @param {Item} item */
  async #output(signal, item) {
    const { revision } = item;
    if (item.result?.blob) return item.result.blob;
    if (this.#preview?.item === item && this.#preview.revision === revision) return this.#preview.blob;
    const request = { ...item.cleanRequest, pixels: "unclaimed" };
    const result = await this.#pool.run(signal, "clean", { file: item.file, request }, { urgent: true });
    if (!result.blob) throw new CodedError(result.code ?? "internal-error");
    this.#preview = { item, revision, blob: result.blob };
    return this.#preview.blob;
  }

  /** @param {AbortSignal} signal */
  async #project(signal) {
    const { mode, stack, item } = this;
    const known = this.projection?.items.includes(/** @type {Item} */ (item)) ? this.projection : null;
    this.projection =
      known ??
      (await projectionOf(signal, this.#pictures, stack, (done, total) => {
        this.progress = { done, total };
        this.#emit("loading");
      }));
    return this.projection[mode === "darkest" ? "darkest" : "brightest"];
  }

  /** What comes next is decoded before anybody asks. */
  #prefetch() {
    const { at, of } = this.position;
    for (let ahead = 1; ahead <= Math.min(PREFETCHED, of - 1); ahead += 1) {
      const next = (at + ahead) % of;
      if (this.frames > 1 && this.#file) this.#pictures.prefetch(this.#file, next);
      else if (this.frames === 1 && this.series[next].info?.preview)
        this.#pictures.prefetch(this.series[next].file, 0);
    }
  }

  /** @param {Picture} picture */
  #chooseWindow(picture) {
    if (!picture.grey) return;
    const series = this.item?.info?.series.uid ?? null;
    if (this.#windowSeries !== series) this.window = picture.initial;
    this.#windowSeries = series;
  }

  /** @param {Found} found */
  #loaded({ picture = null, video = null, problem = null }) {
    if (picture) this.#chooseWindow(picture);
    this.picture = picture;
    this.video = video;
    this.problem = problem;
    this.progress = null;
    this.settled = true;
    this.#emit("loaded");
    if (picture && this.mode === "frames") this.#prefetch();
  }

  /** @param {Window} window */
  setWindow(window) {
    this.window = window;
    this.#emit("windowed");
  }

  /** @param {string} type */
  #emit(type) {
    this.dispatchEvent(new CustomEvent(type));
  }
}
