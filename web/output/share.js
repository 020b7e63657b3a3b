// What may leave: the results that were cleaned and verified, as ZIP entries, as instances to send, as a report.

import { caseFile } from "../model/case.js";
import { resource } from "./endpoint.js";
import { outputNames } from "./names.js";
import { parcel, Upload } from "./upload.js";

/** @typedef {import("../model/case.js").CaseDocument} CaseDocument */
/** @typedef {import("../model/case.js").Said} Said */
/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("./endpoint.js").Destination} Destination */
/** @typedef {import("./receipt.js").Receipts} Receipts */
/** @typedef {import("./zip.js").Entry} Entry */
/** A new DICOMDIR, the new names of files by their old ones, and the names of those which it cannot list.
 * @typedef {Entry & {names: Record<string, string>, left_out: string[]}} Media */

/**
 * The report of every file, in the order of opening. It holds no value and no name of an input.
 * @param {WorkerPool} pool @param {AbortSignal} signal @param {Item[]} items @param {Map<Item, string|null>} names
 * @param {CaseDocument[]} documents @param {Media|null} media
 */
async function report(pool, signal, items, names, documents, media) {
  const unlisted = new Set(media?.left_out);
  const files = items.map((item) => {
    const { result } = item;
    const facts = { input: item.index + 1, code: item.code, tag: item.tag };
    if (!result) return { ...facts, status: "refused", code: item.code ?? "not-cleaned" };
    const { sop_class, transfer_syntax, actions, pixels } = result;
    const name = names.get(item) ?? result.name; // an equal file left under the same name
    const again = name !== result.name;
    const warnings = [...result.warnings];
    if (again) warnings.push("duplicate-instance");
    if (unlisted.has(name)) warnings.push("media-left-out");
    const told = { sop_class, transfer_syntax, actions, warnings, pixels, review: item.review };
    return { ...facts, ...told, status: "clean", code: null, tag: null, name: media?.names[name] ?? name };
  });
  const data = await reported(pool, signal, files);
  return documents.length ? { ...data, case: { documents: documents.map(({ name }) => name) } } : data;
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

/** @param {object} data */
export const reportFile = (data) =>
  new Blob([`${JSON.stringify(data, null, 1)}\n`], { type: "application/json" });

/**
 * What leaves, each under its name, and the report of it.
 * @param {WorkerPool} pool @param {AbortSignal} signal @param {Item[]} items @param {Said|null} said
 * @param {CaseDocument[]} documents
 * @param {((files: {file: Blob, request: object}[]) => Promise<Media>)|null} layOut  under names for a DICOMDIR
 */
export async function leaving(pool, signal, items, said, documents, layOut) {
  const names = await outputNames(items);
  /** @type {Entry[]} */
  const files = [];
  for (const [{ result }, name] of names)
    if (name !== null && result?.blob) files.push({ name, blob: result.blob });
  files.push(...documents);
  const media = layOut
    ? await layOut(files.map(({ name, blob }) => ({ file: blob, request: { name } })))
    : null;
  /** @template {Entry} T @param {T} entry @returns {T} */
  const placed = (entry) => ({ ...entry, name: media?.names[entry.name] ?? entry.name });
  const ofCase = documents.map(placed);
  const data = await report(pool, signal, items, names, ofCase, media);
  const entries = files.map(placed);
  if (media) entries.unshift(media);
  if (said) entries.push({ name: "case.json", blob: caseFile(said, ofCase) });
  entries.push({ name: "report.json", blob: reportFile(data) });
  return { data, entries, unlisted: media?.left_out.length };
}

/**
 * The upload of what has not been sent yet. Every file gets its own outcome; of two with one UID and other contents only
 * the first is sent, since an endpoint can store but one.
 * @param {Destination} destination
 * @param {Item[]} items
 * @param {Receipts} receipts
 * @param {CaseDocument[]} documents  sent after the instances that they refer to
 * @param {(items: Item[]) => void} changed  states of these changed, or how the upload goes
 */
export async function uploadOf(destination, items, receipts, documents, changed) {
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
  const ofCase = new Map(documents.map((made) => [parcel(made.sop_instance_uid, made.blob), made]));
  const upload = new Upload(destination, [...parcels, ...ofCase.keys()], (touched) => {
    /** @type {Item[]} */
    const told = [];
    for (const one of touched) {
      const made = ofCase.get(one);
      if (made && (isThere(one) || one.state === "failed")) receipts.noteCase(made, host, one);
      for (const item of byUid.get(one.uid) ?? []) {
        if (item.result !== results.get(item)) continue; // decided anew meanwhile: what was sent is not this result
        const stored = isThere(one);
        item.sending = one.state === "sending";
        item.uploaded = stored;
        item.uploadCode = one.code;
        if (stored || one.state === "failed") receipts.note(item, host, one);
        told.push(item);
      }
    }
    changed(told);
  });
  return { upload, ofCase: [...ofCase.keys()] };
}

/** @param {import("./upload.js").Parcel} parcel */
export const isThere = ({ state }) => state === "stored" || state === "known";
