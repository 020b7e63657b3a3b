// What may leave: the results that were cleaned and verified, as ZIP entries, as instances to send, as a report.

import { CodedError, codeOf } from "../errors.js";
import { each } from "../model/each.js";
import { outputNames } from "./names.js";
import { batches, store } from "./stow.js";

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("./stow.js").Destination} Destination */

const REQUESTS_UNDER_WAY = 3;

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
  const data = await pool.run(signal, "report", { files }, { urgent: true });
  return new Blob([`${JSON.stringify(data, null, 1)}\n`], { type: "application/json" });
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
 * Send what has not been sent yet. Every file gets its own outcome; of two with one UID and other contents only the
 * first is sent, since an endpoint can store but one.
 * @param {AbortSignal} signal
 * @param {Destination} destination
 * @param {Item[]} items
 * @param {(items: Item[]) => void} sent  after every request
 */
export async function upload(signal, destination, items, sent) {
  const names = await outputNames(items);
  const numbered = items.filter((item) => (names.get(item) ?? item.result?.name) !== item.result?.name);
  for (const item of numbered) item.uploadCode = "duplicate-instance";
  sent(numbered);
  const waiting = items.filter((item) => item.result?.blob && !item.uploaded && !numbered.includes(item));
  /** @type {Map<string, Item[]>} */
  const byUid = Map.groupBy(waiting, (item) => /** @type {any} */ (item.result).sop_instance_uid);
  const instances = Array.from(byUid, ([uid, [first]]) => ({
    uid,
    blob: /** @type {Blob} */ (first.result?.blob),
  }));
  await each(signal, batches(instances), REQUESTS_UNDER_WAY, async (batch) => {
    /** @type {Map<string, string|null>} */
    let outcome = new Map();
    let code = "upload-failed";
    try {
      outcome = await store(signal, destination, batch);
    } catch (error) {
      code = signal.aborted ? "cancelled" : error instanceof CodedError ? error.code : codeOf(error);
    }
    const touched = batch.flatMap(({ uid }) => byUid.get(uid) ?? []);
    for (const item of touched) {
      const result = outcome.get(item.result?.sop_instance_uid ?? "");
      item.uploaded = result === null;
      item.uploadCode = result === null ? null : (result ?? code);
    }
    sent(touched);
  });
}
