// Sends cleaned files by STOW-RS (PS3.18 10.5): the only module of the page that sends a byte of a file anywhere.

import { CodedError } from "../errors.js";
import { answered, headersFor, resource } from "./endpoint.js";

/** @typedef {import("./endpoint.js").Destination} Destination */
/** @typedef {{uid: string, blob: Blob}} Instance */
/** What an endpoint says of one instance: `reason` is its Failure Reason, null when it was stored.
 * @typedef {{reason: number|null, item: Record<string, unknown>}} Told */
/** @typedef {{status: number, retryAfter: number|null, told: Map<string, Told>}} Answer */

const FAILED_SOP_SEQUENCE = "00081198";
const REFERENCED_SOP_SEQUENCE = "00081199";
const REFERENCED_SOP_INSTANCE_UID = "00081155";
const FAILURE_REASON = "00081197";
/** Requests stay small enough that a failure costs little, and large enough that many files take few. */
const BATCH_BYTES = 16 << 20;
const BATCH_FILES = 10;

/** @template {Instance} T @param {T[]} instances @returns {T[][]} */
export function batches(instances) {
  /** @type {T[][]} */
  const all = [];
  let bytes = 0;
  for (const instance of instances) {
    const open = all.at(-1);
    if (!open || open.length === BATCH_FILES || bytes + instance.blob.size > BATCH_BYTES) {
      all.push([instance]);
      bytes = instance.blob.size;
    } else {
      open.push(instance);
      bytes += instance.blob.size;
    }
  }
  return all;
}

/**
 * Send one batch in one request. Only what the answer names counts, whatever its status.
 * @param {AbortSignal} signal
 * @param {Destination} destination
 * @param {Instance[]} batch
 * @returns {Promise<Answer>}
 * @throws {CodedError} `endpoint-not-https`, `upload-unreachable`, `upload-not-allowed`
 */
export async function store(signal, destination, batch) {
  const boundary = `dicomveil-${crypto.randomUUID()}`;
  const parts = batch.flatMap(({ blob }) => [
    `--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`,
    blob,
    "\r\n",
  ]);
  const response = await answered(signal, resource(destination.endpoint, "studies"), {
    method: "POST",
    headers: {
      ...headersFor(destination),
      "Content-Type": `multipart/related; type="application/dicom"; boundary=${boundary}`,
      Accept: "application/dicom+json",
    },
    body: new Blob([...parts, `--${boundary}--\r\n`]),
  });
  const { status } = response;
  const after = Number(response.headers.get("Retry-After") ?? Number.NaN); // seconds; a date is not understood
  /** @type {Map<string, Told>} */
  const told = new Map();
  /** @type {any} */
  let data = null;
  try {
    data = await response.json();
  } catch (error) {
    // No DICOM JSON names nothing. A connection that broke is another matter: the files may have arrived.
    if (!(error instanceof SyntaxError))
      throw new CodedError(signal.aborted ? "cancelled" : "upload-unreachable");
  }
  for (const item of items(data, FAILED_SOP_SEQUENCE))
    told.set(uidOf(item), { reason: reasonOf(item), item });
  for (const item of items(data, REFERENCED_SOP_SEQUENCE)) told.set(uidOf(item), { reason: null, item });
  return { status, retryAfter: Number.isFinite(after) && after >= 0 ? after : null, told };
}

/** @param {any} data @param {string} sequence @returns {any[]} */
function items(data, sequence) {
  const value = data?.[sequence]?.Value;
  return Array.isArray(value) ? value : [];
}

/** @param {any} item */
const uidOf = (item) => String(item?.[REFERENCED_SOP_INSTANCE_UID]?.Value?.[0] ?? "");

/** PS3.18 Table I.2-2. @param {any} item */
const reasonOf = (item) => Number(item?.[FAILURE_REASON]?.Value?.[0] ?? 0);
