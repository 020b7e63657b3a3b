// The pool: as many workers as the computer has processors and gigabytes of memory, from two to eight. A worker that
// crashes or stalls fails the one file it was at, is replaced, and gets the settings again; so is, between two files, one
// whose memory has grown large. Cancelling ends what does not soon answer by itself.

import { PIXELS_NOT_LOADED } from "../contract.js";
import { CodedError, codeOf } from "../errors.js";
import { bootAssets, libraryAssets, pixelArchives } from "./assets.js";
import { Lane } from "./lane.js";
import { WorkerLink } from "./worker-link.js";

/** @typedef {import("../contract.js").Op} Op */
/** @typedef {import("./lane.js").Job} Job */

const STALL_MS = 30_000;
/** Reading and writing pixels takes time that grows with them: this is plenty. */
const STALL_MS_PER_BYTE = 100 / 1e6;
/** Workers that fail to boot this often in a row are not tried again. */
const MAX_FAILED_BOOTS = 3;

/** Memory of the computer, where the browser tells; a worker needs about 0.1 of it. */
const gigabytes = () => /** @type {{deviceMemory?: number}} */ (navigator).deviceMemory ?? 4;

export class WorkerPool {
  #size = Math.max(2, Math.min(navigator.hardwareConcurrency || 2, gigabytes(), 8));
  /** @type {Set<Lane>} */
  #lanes = new Set();
  /** @type {Job[]} */
  #jobs = [];
  /** @type {{profile: string, key: Uint8Array}|null} */
  #settings = null;
  #failedBoots = 0;
  /** One number for each file, so that a worker knows a file again. @type {WeakMap<Blob, number>} */
  #handles = new WeakMap();
  #lastHandle = 0;
  /** Bytes of the files that were inspected; to ask a File itself for its size waits for the disk. @type {WeakMap<Blob, number>} */
  #sizes = new WeakMap();
  #first;
  #assets = bootAssets();
  #library = libraryAssets();

  constructor() {
    this.#first = this.#start();
  }

  /** Resolves with the versions when the first worker is ready; the others follow. */
  async ready() {
    for (;;) {
      const first = this.#first;
      try {
        const versions = await first.ready;
        while (this.#lanes.size < this.#size) this.#start();
        return versions;
      } catch (error) {
        await first.ended; // and another has taken its place, or none will
        if (this.#first === first) throw error;
      }
    }
  }

  /**
   * Settings for all workers, now and later. Each worker gets them before its next job.
   * @param {string} profile  JSON
   * @param {Uint8Array} key  32 bytes
   */
  async configure(profile, key) {
    const settings = { profile, key };
    await this.run(AbortSignal.timeout(STALL_MS), "configure", settings, { urgent: true });
    this.#settings = settings;
    this.#next();
  }

  /**
   * Ask the next free worker.
   * @param {AbortSignal} signal
   * @param {Op} op
   * @param {Record<string, unknown>} args  `file` is a Blob
   * @param {{urgent?: boolean}} [how]  urgent: a person waits for it
   * @returns {Promise<any>}
   */
  run(signal, op, args, { urgent = false } = {}) {
    if (signal.aborted) return Promise.reject(new CodedError("cancelled"));
    if (!this.#lanes.size) return Promise.reject(new CodedError("boot-failed")); // nobody is left, or will come
    const { promise, resolve, reject } = Promise.withResolvers();
    const { file, entry } = args;
    const inflated = /** @type {import("../contract.js").ZipEntry|undefined} */ (entry)?.[4] ?? 0;
    const size = this.#sizes.get(/** @type {Blob} */ (file)) ?? inflated;
    const limit = STALL_MS + size * STALL_MS_PER_BYTE;
    const given = file instanceof Blob ? { ...args, handle: this.#handle(file) } : args;
    /** @type {Job} */
    const job = { op, args: given, limit, signal, resolve, reject, urgent };
    if (urgent) this.#jobs.unshift(job);
    else this.#jobs.push(job);
    const onAbort = () => reject(new CodedError("cancelled"));
    signal.addEventListener("abort", onAbort, { once: true });
    this.#next();
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  /** @param {Blob} file */
  #handle(file) {
    const known = this.#handles.get(file);
    if (known) return known;
    this.#lastHandle += 1;
    this.#handles.set(file, this.#lastHandle);
    return this.#lastHandle;
  }

  #start() {
    const link = new WorkerLink(this.#assets, this.#library);
    const lane = new Lane(link, (jobs) => this.#release(lane, jobs));
    this.#lanes.add(lane);
    link.ready.then(
      () => {
        this.#failedBoots = 0;
        lane.ready = true;
        this.#next();
      },
      () => {
        this.#failedBoots += 1;
      },
    );
    link.ended.then((code) => {
      this.#lanes.delete(lane);
      if (this.#failedBoots < MAX_FAILED_BOOTS) this.#first = this.#start();
      else if (!this.#lanes.size) for (const job of this.#jobs.splice(0)) job.reject(new CodedError(code));
    });
    return link;
  }

  /** These wait behind a slow job: who comes first does them. @param {Lane} lane @param {Job[]} jobs */
  #release(lane, jobs) {
    const waiting = jobs.filter((job) => !job.left);
    for (const job of waiting) job.left = lane;
    const first = this.#jobs.findIndex(({ urgent }) => !urgent);
    this.#jobs.splice(first < 0 ? this.#jobs.length : first, 0, ...waiting);
    this.#next();
  }

  #next() {
    for (let at = 0; at < this.#jobs.length; ) {
      const job = this.#jobs[at];
      const done = job.signal.aborted || job.settled;
      // Before there are settings nothing is read or cleaned: each worker would have a key of its own.
      const lane = done || (!this.#settings && job.op !== "configure") ? undefined : this.#laneFor(job);
      if (done || lane) this.#jobs.splice(at, 1);
      else if (job.left || !this.#settings) at += 1;
      else return; // those behind it wait for it: else short ones would keep a long one waiting
      if (lane) this.#work(lane, job);
    }
  }

  /** The worker with the least to do, of those that take the job. @param {Job} job */
  #laneFor(job) {
    const taking = [...this.#lanes].filter((lane) => lane.ready && lane !== job.left && lane.takes(job));
    return taking.sort((one, other) => one.depth - other.depth)[0];
  }

  /** @param {Lane} lane @param {Job} job */
  async #work(lane, job) {
    try {
      const answer = await lane.watch(job, async () => {
        await this.#prepare(lane.link, job);
        return ask(lane.link, job);
      });
      if (job.op === "inspect") this.#sizes.set(answer.file ?? job.args.file, answer.file_bytes);
      job.settled = true;
      job.resolve(answer);
    } catch (error) {
      if (lane.neverBegan(job) && !job.signal.aborted && this.#lanes.size) {
        if (job.left !== lane) this.#jobs.unshift(job); // else it has another place already
      } else {
        job.settled = true;
        job.reject(/** @type {Error} */ (error));
      }
    }
    if (lane.link.full && !lane.depth) lane.link.end("worker-crashed"); // no file hears of this
    this.#next();
  }

  /** Bring a worker up to date. @param {WorkerLink} link @param {Job} job */
  async #prepare(link, job) {
    const settings = this.#settings;
    if (job.op === "configure") {
      link.settings = null; // it has others from now on, whether its answer comes in time or not
    } else if (settings && link.settings !== settings) {
      await link.call("configure", settings);
      link.settings = settings;
    }
  }
}

/**
 * Ask; where the core lacks what decodes pixels, bring it and ask again.
 * @param {WorkerLink} link @param {Job} job
 * @returns {Promise<any>}
 */
async function ask(link, { op, args }) {
  const call = () => link.call(op, args);
  if (!link.hasPixels) {
    try {
      const answer = await call();
      if (answer?.code !== PIXELS_NOT_LOADED) return answer;
    } catch (error) {
      if (codeOf(error) !== PIXELS_NOT_LOADED) throw error;
    }
    await link.call("install", { archives: await pixelArchives() });
    link.hasPixels = true;
  }
  return call();
}
