// The pool: at least two workers, at most four. A worker that crashes or stalls fails the one file it was at, is
// replaced, and gets the settings again. Cancelling ends what does not answer by itself within CANCEL_MS.

import { PIXELS_NOT_LOADED } from "../contract.js";
import { CodedError, codeOf } from "../errors.js";
import { bootAssets, pixelArchives } from "./assets.js";
import { WorkerLink } from "./worker-link.js";

/** @typedef {import("../contract.js").Op} Op */
/** @typedef {{op: Op, args: Record<string, unknown>, limit: number, signal: AbortSignal,
 *   resolve: (value: any) => void, reject: (error: Error) => void}} Job */

const CANCEL_MS = 600;
const STALL_MS = 30_000;
/** Reading and writing pixels takes time that grows with them: this much a megabyte is plenty. */
const STALL_MS_PER_MB = 100;
/** Workers that fail to boot this often in a row are not tried again. */
const MAX_FAILED_BOOTS = 3;

export class WorkerPool {
  #size = Math.max(2, Math.min(navigator.hardwareConcurrency || 2, 4));
  /** @type {Set<WorkerLink>} */
  #links = new Set();
  /** @type {WorkerLink[]} */
  #idle = [];
  /** @type {Job[]} */
  #jobs = [];
  /** @type {{profile: string, key: Uint8Array}|null} */
  #settings = null;
  #failedBoots = 0;
  /** One number for each file, so that a worker knows a file again. @type {WeakMap<Blob, number>} */
  #handles = new WeakMap();
  #lastHandle = 0;
  #first;
  #assets = bootAssets();

  constructor() {
    this.#first = this.#start();
  }

  /** Resolves with the versions when the first worker is ready; the others follow. */
  async ready() {
    const versions = await this.#first.ready;
    while (this.#links.size < this.#size) this.#start();
    return versions;
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
    const { promise, resolve, reject } = Promise.withResolvers();
    const { file } = args;
    const limit = STALL_MS + (file instanceof Blob ? (file.size / 1e6) * STALL_MS_PER_MB : 0);
    const given = file instanceof Blob ? { ...args, handle: this.#handle(file) } : args;
    const job = { op, args: given, limit, signal, resolve, reject };
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
    const link = new WorkerLink(this.#assets);
    this.#links.add(link);
    link.ready.then(
      () => {
        this.#failedBoots = 0;
        this.#idle.push(link);
        this.#next();
      },
      () => {
        this.#failedBoots += 1;
      },
    );
    link.ended.then((code) => {
      this.#links.delete(link);
      this.#idle = this.#idle.filter((other) => other !== link);
      if (this.#failedBoots < MAX_FAILED_BOOTS) this.#start();
      else if (!this.#links.size) for (const job of this.#jobs.splice(0)) job.reject(new CodedError(code));
    });
    return link;
  }

  #next() {
    while (this.#idle.length) {
      // Before there are settings nothing is read or cleaned: each worker would have a key of its own.
      const at = this.#settings ? 0 : this.#jobs.findIndex(({ op }) => op === "configure");
      const [job] = at < 0 ? [] : this.#jobs.splice(at, 1);
      if (!job) return;
      if (job.signal.aborted) continue;
      const link = /** @type {WorkerLink} */ (this.#idle.pop());
      this.#work(link, job);
    }
  }

  /** @param {WorkerLink} link @param {Job} job */
  async #work(link, job) {
    const stop = (/** @type {number} */ ms, /** @type {string} */ code) =>
      setTimeout(() => link.end(code), ms);
    const stall = stop(job.limit, "worker-stalled");
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    let cancel;
    const onAbort = () => {
      cancel = stop(CANCEL_MS, "cancelled");
    };
    job.signal.addEventListener("abort", onAbort, { once: true });
    try {
      await this.#prepare(link, job);
      job.resolve(await ask(link, job));
    } catch (error) {
      job.reject(/** @type {Error} */ (error));
    } finally {
      clearTimeout(stall);
      clearTimeout(cancel);
      job.signal.removeEventListener("abort", onAbort);
      if (link.alive) {
        this.#idle.push(link);
        this.#next();
      }
    }
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
