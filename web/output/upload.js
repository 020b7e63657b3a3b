// One upload: a few requests at a time, each tried again when the network or the endpoint gave way, nothing sent twice
// that is known to be stored. No DOM: who looks on is told by `changed`.

import { CodedError, codeOf } from "../errors.js";
import { storedDigests } from "./endpoint.js";
import { backOff, wait } from "./patience.js";
import { sha256OfBlob } from "./sha256.js";
import { batches, store } from "./stow.js";

/** @typedef {import("./endpoint.js").Destination} Destination */
/** @typedef {import("./stow.js").Answer} Answer */
/** @typedef {import("./stow.js").Told} Told */
/**
 * One instance on its way. `stored`: the endpoint named it; `known`: it had the same bytes already; `confirmed`: it told
 * the same SHA-256 afterwards.
 * @typedef {{uid: string, blob: Blob, state: "waiting"|"sending"|"stored"|"known"|"failed", code: string|null,
 *   digest: string|null, confirmed: boolean, status: number|null, told: Told|null}} Parcel
 */

const LANES = 3;
const ATTEMPTS = 8;
/** As long as the endpoint has never answered, its address may just be wrong. */
const ATTEMPTS_AT_FIRST = 3;
/** Request Timeout, Too Many Requests, Bad Gateway, Service Unavailable, Gateway Timeout. */
const PASSING = new Set([408, 429, 502, 503, 504]);
const INSUFFICIENT_STORAGE = 507;

/** @param {string} uid @param {Blob} blob @returns {Parcel} */
export const parcel = (uid, blob) => ({
  uid,
  blob,
  state: "waiting",
  code: null,
  digest: null,
  confirmed: false,
  status: null,
  told: null,
});

export class Upload {
  paused = false;
  /** The endpoint is waited for: its requests did not get through, or it asked for time. */
  waiting = 0;
  #destination;
  #parcels;
  #changed;
  /** @type {Parcel[][]} */
  #queue = [];
  #answered = false;
  /** Why nothing more is sent. @type {string|null} */
  #stopped = null;
  #stop = new AbortController();
  #gate = Promise.withResolvers();

  /** @param {Destination} destination @param {Parcel[]} parcels @param {(parcels: Parcel[]) => void} changed */
  constructor(destination, parcels, changed) {
    this.#destination = destination;
    this.#parcels = parcels;
    this.#changed = changed;
    this.#gate.resolve(undefined);
  }

  /** Begin no further request; those under way end. */
  pause() {
    if (!this.paused) this.#gate = Promise.withResolvers();
    this.paused = true;
    this.#changed([]);
  }

  proceed() {
    this.paused = false;
    this.#gate.resolve(undefined);
    this.#changed([]);
  }

  /** Send everything; ends when each parcel is stored, known or failed, or the signal aborts. @param {AbortSignal} signal */
  async run(signal) {
    signal.addEventListener("abort", () => this.proceed(), { once: true });
    try {
      const left = await this.#withoutStored(signal, this.#parcels);
      this.#queue = batches(left);
      await Promise.all(Array.from({ length: LANES }, () => this.#lane(signal)));
      if (!signal.aborted) await this.#confirm(signal);
    } catch (error) {
      this.#stopped ??= codeOf(error);
    }
    const left = this.#parcels.filter(({ state }) => state === "waiting" || state === "sending");
    this.#fail(left, signal.aborted ? "cancelled" : (this.#stopped ?? "upload-failed"));
  }

  /** @param {AbortSignal} signal */
  async #lane(signal) {
    for (;;) {
      await this.#gate.promise;
      if (signal.aborted || this.#stopped) return;
      const batch = this.#queue.shift();
      if (!batch) return;
      try {
        await this.#deliver(signal, batch);
      } catch (error) {
        this.#stopped ??= codeOf(error); // the other lanes end what they are at
        this.#stop.abort();
      }
    }
  }

  /** @param {AbortSignal} signal @param {Parcel[]} batch */
  async #deliver(signal, batch) {
    let left = batch;
    for (let attempt = 0; left.length; attempt++) {
      this.#set(left, "sending");
      left = await this.#read(signal, left);
      if (!left.length) return;
      let answer = null;
      let code = "upload-busy";
      try {
        answer = await store(signal, this.#destination, left);
        this.#answered = true;
        left = this.#settle(left, answer);
        if (!left.length) return;
      } catch (error) {
        signal.throwIfAborted();
        code = codeOf(error);
        if (code !== "upload-unreachable") throw error; // no use in trying again
      }
      if (attempt + 1 >= (this.#answered ? ATTEMPTS : ATTEMPTS_AT_FIRST)) throw new CodedError(code);
      this.#set(left, "waiting");
      this.waiting += 1;
      this.#changed([]);
      await wait(AbortSignal.any([signal, this.#stop.signal]), backOff(attempt, answer?.retryAfter));
      this.waiting -= 1;
      await this.#gate.promise;
      if (this.#stopped) return;
      signal.throwIfAborted();
      if (!answer) left = await this.#withoutStored(signal, left); // they may have arrived before the connection broke
    }
  }

  /** Take over what the answer says of each; return those to be sent again. @param {Parcel[]} batch @param {Answer} answer */
  #settle(batch, { status, told }) {
    const passing = PASSING.has(status);
    /** @type {Parcel[]} */
    const again = [];
    /** @type {Parcel[]} */
    const unnamed = [];
    for (const one of batch) {
      one.status = status;
      one.told = told.get(one.uid) ?? null;
      if (one.told?.reason === null) one.state = "stored";
      else if (one.told === null) unnamed.push(one);
      else if (passing && codeOfReason(one.told.reason) === "upload-out-of-resources") again.push(one);
      else this.#fail([one], codeOfReason(one.told.reason));
    }
    this.#changed(batch);
    if (passing) return [...again, ...unnamed];
    if (unnamed.length && (status === 401 || status === 403)) throw new CodedError("upload-unauthorized");
    if (unnamed.length > 1) {
      // Too large together, or one of them is what the endpoint chokes on: smaller requests tell.
      const half = Math.ceil(unnamed.length / 2);
      this.#queue.unshift(unnamed.slice(0, half), unnamed.slice(half));
      this.#set(unnamed, "waiting");
    } else if (status === 413) this.#fail(unnamed, "upload-too-large");
    else if (status === INSUFFICIENT_STORAGE) this.#fail(unnamed, "upload-out-of-resources");
    else this.#fail(unnamed, "upload-failed"); // also when it says 200
    return again;
  }

  /** Ask which are stored, mark them, and return the others. @param {AbortSignal} signal @param {Parcel[]} parcels */
  async #withoutStored(signal, parcels) {
    const uids = parcels.map(({ uid }) => uid);
    const digests = await storedDigests(signal, this.#destination, uids);
    const there = parcels.filter(({ uid }) => digests.has(uid));
    for (const one of await this.#read(signal, there))
      if (one.digest === digests.get(one.uid)) one.state = "known"; // else the endpoint will tell of the conflict
    this.#changed(parcels);
    return parcels.filter(({ state }) => state !== "known" && state !== "failed");
  }

  /** Digest what was not yet; return what could be read. @param {AbortSignal} signal @param {Parcel[]} parcels */
  async #read(signal, parcels) {
    for (const one of parcels) {
      try {
        one.digest ??= await sha256OfBlob(signal, one.blob);
      } catch (error) {
        signal.throwIfAborted();
        this.#fail([one], codeOf(error)); // the input was changed or taken away meanwhile
      }
    }
    return parcels.filter(({ state }) => state !== "failed");
  }

  /** Compare what is stored with what was sent, where the endpoint can tell. @param {AbortSignal} signal */
  async #confirm(signal) {
    const there = this.#parcels.filter(({ state }) => state === "stored" || state === "known");
    const uids = there.map(({ uid }) => uid);
    const digests = await storedDigests(signal, this.#destination, uids);
    for (const one of there) {
      one.confirmed = digests.get(one.uid) === one.digest;
      if (digests.has(one.uid) && !one.confirmed) this.#fail([one], "upload-differs");
    }
    this.#changed(there);
  }

  /** @param {Parcel[]} parcels @param {Parcel["state"]} state */
  #set(parcels, state) {
    for (const one of parcels) one.state = state;
    this.#changed(parcels);
  }

  /** @param {Parcel[]} parcels @param {string} code */
  #fail(parcels, code) {
    for (const one of parcels) one.code = code;
    this.#set(parcels, "failed");
  }
}

/** PS3.18 Table I.2-2, PS3.7 Annex C. @param {number} reason */
function codeOfReason(reason) {
  if (reason >= 0xa700 && reason <= 0xa7ff) return "upload-out-of-resources";
  return reason === 0x0111 ? "upload-conflict" : "upload-refused";
}
