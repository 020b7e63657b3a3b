// The receipt of what was sent: new UIDs, digests and the endpoint's answers. It holds no value and no name of an input.

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("./upload.js").Parcel} Parcel */
/** @typedef {import("../model/case.js").CaseDocument} CaseDocument */
/** @typedef {{host: string, parcel: Parcel, result: object}} Sent */

/** Attributes of the answer's items that say something of the instance (PS3.18 Table I.2-1, PS3.7 Table E.1-1). */
const SAID = /** @type {const} */ ({
  failure_reason: "00081197",
  warning_reason: "00081196",
  comment: "00000902",
  retrieve_url: "00081190",
});

export class Receipts {
  /** @type {Map<Item, Sent>} */
  #sent = new Map();
  /** Documents of the case, which are of a study. @type {Map<string, ReturnType<typeof facts> & {input: null}>} */
  #ofCase = new Map();

  /** @param {Item} item @param {string} host @param {Parcel} parcel */
  note(item, host, parcel) {
    if (item.result) this.#sent.set(item, { host, parcel, result: item.result });
  }

  /** @param {CaseDocument} made @param {string} host @param {Parcel} parcel */
  noteCase(made, host, parcel) {
    this.#ofCase.set(parcel.uid, { input: null, ...facts(made, host, parcel) });
  }

  /** What still holds: the file is open, and its result is the one that was sent. @param {Item[]} items */
  #of(items) {
    return items.flatMap((item) => {
      const sent = this.#sent.get(item);
      return sent && sent.result === item.result ? [{ item, ...sent }] : [];
    });
  }

  /** @param {Item[]} items */
  count(items) {
    return this.#of(items).length;
  }

  /** @param {Item[]} items @returns {Blob} JSON; `input` is the order of opening, as in the report, null for the case */
  file(items) {
    const files = this.#of(items).map(({ item, host, parcel }) => ({
      input: item.index + 1,
      ...facts(item.result, host, parcel),
    }));
    const studies = new Set(files.map(({ study_instance_uid }) => study_instance_uid));
    const ofCase = [...this.#ofCase.values()].filter((one) => studies.has(one.study_instance_uid));
    const content = { dicomveil_receipt: 1, made: new Date().toISOString(), files: [...files, ...ofCase] };
    const text = JSON.stringify(content, null, 1);
    return new Blob([`${text}\n`], { type: "application/json" });
  }
}

/**
 * @param {{sop_class: string, study_uid: string, series_uid: string}|null} what @param {string} host
 * @param {Parcel} parcel
 */
function facts(what, host, parcel) {
  return {
    endpoint: host,
    sop_class_uid: what?.sop_class ?? null,
    study_instance_uid: what?.study_uid ?? null,
    series_instance_uid: what?.series_uid ?? null,
    sop_instance_uid: parcel.uid,
    size: parcel.blob.size,
    sha256: parcel.digest,
    status: parcel.state === "known" ? "stored-before" : parcel.state,
    code: parcel.code,
    confirmed_by_digest: parcel.confirmed,
    answer: parcel.status === null ? null : { http_status: parcel.status, ...saidBy(parcel) },
  };
}

/** @param {Parcel} parcel */
function saidBy({ told }) {
  /** @type {Record<string, unknown>} */
  const said = {};
  for (const [name, tag] of Object.entries(SAID)) {
    const value = /** @type {any} */ (told?.item?.[tag])?.Value?.[0];
    if (value !== undefined) said[name] = value;
  }
  return said;
}
