// What may leave: the results that were cleaned and verified, as ZIP entries, as instances to send, as a report.

import { resource } from "./endpoint.js";
import { outputNames } from "./names.js";
import { parcel, Upload } from "./upload.js";

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("./endpoint.js").Destination} Destination */
/** @typedef {import("./receipt.js").Receipts} Receipts */

/**
 * The report of every file, in the order of opening. It holds no value and no name of an input.
 * @param {WorkerPool} pool @param {AbortSignal} signal @param {Item[]} items
 */
export async function report(pool, signal, items) {
  const names = await outputNames(items);
  const files = items.map((item) => {
    const { result } = item;
    const facts = { input: item.index + 1, code: item.code, tag: item.tag };
    if (!result) return { ...facts, status: "refused", code: item.code ?? "not-cleaned" };
    const { sop_class, transfer_syntax, actions, pixels } = result;
    const name = names.get(item) ?? result.name; // an equal file left under the same name
    const again = name !== result.name;
    const warnings = again ? [...result.warnings, "duplicate-instance"] : result.warnings;
    return {
      ...facts,
      status: "clean",
      code: null,
      tag: null,
      name,
      sop_class,
      transfer_syntax,
      actions,
      warnings,
      pixels,
      review: item.review,
    };
  });
  const data = await reported(pool, signal, files);
  return new Blob([`${JSON.stringify(data, null, 1)}\n`], { type: "application/json" });
}

/** Files that the core is asked about at once: ten thousand would keep the page waiting. */
const SLICE = 500;

/** @param {WorkerPool} pool @param {AbortSignal} signal @param {object[]} files */
async function reported(pool, signal, files) {
  /** @param {number} at */
  const ask = (at) => pool.run(signal, "report", { files: files.slice(at, at + SLICE) }, { urgent: true });
  const data = await ask(0);
  for (let at = SLICE; at < files.length; at += SLICE)
    for (const entry of (await ask(at)).files) data.files.push({ ...entry, input: data.files.length + 1 });
  return data;
}

/** @param {Item[]} items @param {Blob} reportFile @returns {Promise<import("./zip.js").Entry[]>} */
export async function zipEntries(items, reportFile) {
  /** @type {import("./zip.js").Entry[]} */
  const entries = [];
  for (const [{ result }, name] of await outputNames(items))
    if (name !== null && result?.blob) entries.push({ name, blob: result.blob });
  return [...entries, { name: "report.json", blob: reportFile }];
}

/**
 * The upload of what has not been sent yet. Every file gets its own outcome; of two with one UID and other contents only
 * the first is sent, since an endpoint can store but one.
 * @param {Destination} destination
 * @param {Item[]} items
 * @param {Receipts} receipts
 * @param {(items: Item[]) => void} changed  states of these changed, or how the upload goes
 */
export async function uploadOf(destination, items, receipts, changed) {
  const names = await outputNames(items);
  const numbered = items.filter((item) => (names.get(item) ?? item.result?.name) !== item.result?.name);
  for (const item of numbered) item.uploadCode = "duplicate-instance";
  changed(numbered);
  const twice = new Set(numbered);
  const waiting = items.filter((item) => item.result?.blob && !item.uploaded && !twice.has(item));
  /** @type {Map<string, Item[]>} */
  const byUid = Map.groupBy(waiting, (item) => /** @type {any} */ (item.result).sop_instance_uid);
  const results = new Map(waiting.map((item) => [item, item.result]));
  const parcels = Array.from(byUid, ([uid, [first]]) =>
    parcel(uid, /** @type {Blob} */ (first.result?.blob)),
  );
  const { host } = resource(destination.endpoint, "studies");
  return new Upload(destination, parcels, (touched) => {
    /** @type {Item[]} */
    const told = [];
    for (const one of touched)
      for (const item of byUid.get(one.uid) ?? []) {
        if (item.result !== results.get(item)) continue; // decided anew meanwhile: what was sent is not this result
        const stored = one.state === "stored" || one.state === "known";
        item.sending = one.state === "sending";
        item.uploaded = stored;
        item.uploadCode = one.code;
        if (stored || one.state === "failed") receipts.note(item, host, one);
        told.push(item);
      }
    changed(told);
  });
}
