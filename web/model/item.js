// One file that the user opened, and everything the page knows of it. Lives in memory only.

/** @typedef {import("../contract.js").Inspection} Inspection */
/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("../contract.js").Cleaned} Cleaned */
/** @typedef {import("../contract.js").Failure} Failure */
/** @typedef {"reading"|"ready"|"attention"|"refused"|"clean"|"uploaded"} Status */

import { everyFrameHasOne, Sight } from "./sight.js";

/** Failures that have nothing to do with the file itself: trying again may do. */
const PASSING = new Set(["worker-crashed", "worker-stalled", "unreadable", "assets-missing"]);

export class Item {
  /** @type {Inspection|null} */
  info = null;
  /** Refused when opened: stays. @type {Failure|null} */
  refusal = null;
  /** Refused when cleaned: gone when something changes. @type {Failure|null} */
  failure = null;
  /** Another image of its series was covered before this one was opened: what was there may be here, too. */
  suspect = false;
  /** What of it was really on the screen. */
  sight = new Sight();
  /** A person said that nothing in the pixels identifies. */
  confirmed = false;
  /** @type {Redaction[]} */
  redactions = [];
  /** Attributes that a person asked to remove, since verification found an identifier in them. @type {number[]} */
  remove = [];
  /** @type {Cleaned|null} */
  result = null;
  /** Counts what voids results: one that was begun under an older count is not taken. */
  revision = 0;
  uploaded = false;
  /** It is in a request that is under way. */
  sending = false;
  /** Why the last upload failed. @type {string|null} */
  uploadCode = null;
  /** As what it is counted (`factsOf`); 0: not yet. */
  counted = 0;

  /** @param {number} index  order of opening, from 0 @param {Blob} file @param {string} path  for display only */
  constructor(index, file, path) {
    this.index = index;
    this.file = file;
    this.path = path;
  }

  /** @returns {Status} */
  get status() {
    if (this.uploaded) return "uploaded";
    if (this.result) return "clean";
    if (this.refusal || this.failure) return "refused";
    if (!this.info) return "reading";
    return this.needsEyes ? "attention" : "ready";
  }

  /** `clean` would clean it now: readable, not yet clean, and nothing left to look at. */
  get cleanable() {
    return this.status === "ready" || PASSING.has(this.failure?.code ?? "");
  }

  /** At risk of burned-in text, and not settled: confirmed, or seen and then covered in every frame. */
  get needsEyes() {
    return this.atRisk && !this.confirmed && !(this.seen && this.covered);
  }

  /** @returns {import("./sight.js").Means|null} by which means it was seen, if it was */
  get seen() {
    return this.info ? this.sight.means(this.info.frames, this.redactions) : null;
  }

  /** Every frame has an area: without one in each, the core asks for a confirmation. */
  get covered() {
    return this.redactions.length > 0 && everyFrameHasOne(this.redactions, this.info?.frames ?? 1);
  }

  /** Nothing here looks into a video. Who played it, or saw it elsewhere, can say that nothing identifies. */
  get isVideo() {
    return this.info?.risks.includes("video") === true && !this.info.preview;
  }

  /** Nobody can say of an image that nothing identifies before it was on the screen. */
  get confirmable() {
    return this.atRisk && (this.seen !== null || this.isVideo);
  }

  /** For the report: how a person came to a decision. @returns {string[]} */
  get review() {
    const seen = this.seen ?? (this.confirmed ? "elsewhere" : null);
    return [...(seen ? [seen] : []), ...(this.redactions.length ? ["covered"] : [])];
  }

  get atRisk() {
    const { info, suspect } = this;
    if (info === null) return false;
    return (suspect && info.has_pixels) || info.status === "attention" || info.risks.length > 0;
  }

  /** The code that explains the status, if any does. */
  get code() {
    const failure = this.refusal ?? this.failure;
    if (this.uploaded) return null;
    if (this.result) return this.uploadCode;
    return failure?.code ?? (this.needsEyes ? "pixels-need-review" : null);
  }

  get tag() {
    return (this.refusal ?? this.failure)?.tag ?? null;
  }

  /** What the core is asked to do with the pixels, and the name of what it made by that. */
  get cleanRequest() {
    return {
      pixels: this.confirmed ? "confirmed" : "review",
      redactions: this.redactions,
      remove: this.remove,
      name: this.result?.name,
    };
  }

  /** Forget the outcome of cleaning, since what led to it has changed. */
  invalidate() {
    this.revision += 1;
    this.result = null;
    this.failure = null;
    this.uploaded = false;
    this.sending = false;
    this.uploadCode = null;
  }
}
