// One file that the user opened, and everything the page knows of it. Lives in memory only.

/** @typedef {import("../contract.js").Inspection} Inspection */
/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("../contract.js").Cleaned} Cleaned */
/** @typedef {import("../contract.js").Failure} Failure */
/** @typedef {"reading"|"ready"|"attention"|"refused"|"clean"|"uploaded"} Status */

export class Item {
  /** @type {Inspection|null} */
  info = null;
  /** Refused when opened: stays. @type {Failure|null} */
  refusal = null;
  /** Refused when cleaned: gone when something changes. @type {Failure|null} */
  failure = null;
  /** Another image of its series was covered before this one was opened: what was there may be here, too. */
  suspect = false;
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
  /** Why the last upload failed. @type {string|null} */
  uploadCode = null;

  /** @param {number} index  order of opening, from 0 @param {File} file @param {string} path  for display only */
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

  /** At risk of burned-in text, and nobody has confirmed or covered it. */
  get needsEyes() {
    return this.atRisk && !this.confirmed && this.redactions.length === 0;
  }

  get atRisk() {
    return (
      this.info !== null && (this.suspect || this.info.status === "attention" || this.info.risks.length > 0)
    );
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

  /** What the core is asked to do with the pixels. */
  get cleanRequest() {
    return {
      pixels: this.confirmed ? "confirmed" : "review",
      redactions: this.redactions,
      remove: this.remove,
    };
  }

  /** Forget the outcome of cleaning, since what led to it has changed. */
  invalidate() {
    this.revision += 1;
    this.result = null;
    this.failure = null;
    this.uploaded = false;
    this.uploadCode = null;
  }
}
