// Sends cleaned files by STOW-RS (PS3.18 10.5): the only module of the page that sends a byte of a file anywhere.

import { CodedError } from "../errors.js";

/** @typedef {{uid: string, blob: Blob}} Instance */
/** @typedef {{endpoint: string, token: string}} Destination */

const FAILED_SOP_SEQUENCE = "00081198";
const REFERENCED_SOP_SEQUENCE = "00081199";
const REFERENCED_SOP_INSTANCE_UID = "00081155";
const FAILURE_REASON = "00081197";
/** Requests stay small enough that a failure costs little, and large enough that many files take few. */
const BATCH_BYTES = 16 << 20;
const BATCH_FILES = 40;

/** @param {string} endpoint @returns {URL} the address of the studies resource */
export function studiesAddress(endpoint) {
  const base = new URL(endpoint.endsWith("/") ? endpoint : `${endpoint}/`, document.baseURI);
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(base.hostname);
  if (base.protocol !== "https:" && !(base.protocol === "http:" && loopback))
    throw new CodedError("endpoint-not-https");
  return new URL("studies", base);
}

/** @param {Instance[]} instances @returns {Instance[][]} */
export function batches(instances) {
  /** @type {Instance[][]} */
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
 * Send one batch. Returns the outcome of each instance: null when stored, else a code.
 * @param {AbortSignal} signal
 * @param {Destination} destination
 * @param {Instance[]} batch
 * @returns {Promise<Map<string, string|null>>}
 */
export async function store(signal, destination, batch) {
  const boundary = `dicomveil-${crypto.randomUUID()}`;
  const parts = batch.flatMap(({ blob }) => [
    `--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`,
    blob,
    "\r\n",
  ]);
  const answer = await post(signal, destination, new Blob([...parts, `--${boundary}--\r\n`]), boundary);
  const all = (/** @type {string|null} */ code) => new Map(batch.map(({ uid }) => [uid, code]));
  if (answer.status === 401 || answer.status === 403) return all("upload-unauthorized");
  if (answer.status === 413) return all("upload-too-large");
  let data;
  try {
    data = await answer.json();
  } catch {
    return all("upload-failed"); // also when it says 200: only named instances count as stored
  }
  const outcome = all("upload-failed");
  for (const item of data?.[REFERENCED_SOP_SEQUENCE]?.Value ?? []) outcome.set(uidOf(item), null);
  for (const item of data?.[FAILED_SOP_SEQUENCE]?.Value ?? []) outcome.set(uidOf(item), reasonOf(item));
  return outcome;
}

/** @param {AbortSignal} signal @param {Destination} destination @param {Blob} body @param {string} boundary */
async function post(signal, { endpoint, token }, body, boundary) {
  /** @type {Record<string, string>} */
  const headers = {
    "Content-Type": `multipart/related; type="application/dicom"; boundary=${boundary}`,
    Accept: "application/dicom+json",
  };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const options = {
      method: "POST",
      headers,
      body,
      signal,
      credentials: "omit",
      referrerPolicy: "no-referrer",
    };
    return await fetch(studiesAddress(endpoint), /** @type {RequestInit} */ (options));
  } catch (error) {
    if (signal.aborted || error instanceof CodedError) throw error;
    throw new CodedError("upload-unreachable"); // the network, or an address that the page's policy does not allow
  }
}

/** @param {any} item */
const uidOf = (item) => String(item?.[REFERENCED_SOP_INSTANCE_UID]?.Value?.[0] ?? "");

/** PS3.18 Table I.2-2. @param {any} item */
function reasonOf(item) {
  const reason = Number(item?.[FAILURE_REASON]?.Value?.[0] ?? 0);
  if (reason >= 0xa700 && reason <= 0xa7ff) return "upload-out-of-resources";
  return "upload-refused";
}
