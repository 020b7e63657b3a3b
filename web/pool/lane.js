// What one worker has to do: the job it is at, and the next ones already posted, so that it never waits for the page.

/** @typedef {import("./worker-link.js").WorkerLink} WorkerLink */
/** @typedef {import("../contract.js").Op} Op */
/** @typedef {{op: Op, args: Record<string, unknown>, limit: number, signal: AbortSignal,
 *   resolve: (value: any) => void, reject: (error: Error) => void, urgent: boolean, settled?: boolean,
 *   left?: Lane}} Job  left: the worker in which it waits behind a slow one */

const CANCEL_MS = 600;
/** A job that takes longer than this does not hold up those behind it: others may take them. */
const SLOW_MS = 1500;

/** Jobs that a worker holds at most: the one that it is at, and short ones behind it. */
const MOST = 3;

const SHORT = new Set(["inspect", "case", "series", "media", "crosswalk"]);

/** Work of some milliseconds: another such job can be posted behind it. @param {Job} job */
const isShort = ({ op, args }) => {
  const request = /** @type {{redactions?: unknown[]}|undefined} */ (args.request);
  return SHORT.has(op) || (op === "clean" && !request?.redactions?.length);
};

export class Lane {
  /** The first is the one that the worker is at. @type {Job[]} */
  #jobs = [];
  /** The job that was going on when the worker ended. @type {Job|undefined} */
  #blamed;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #stall;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #slow;
  #isSlow = false;
  #held;

  /** @param {WorkerLink} link @param {(jobs: Job[]) => void} held  told of jobs that wait behind a slow one */
  constructor(link, held) {
    this.link = link;
    this.ready = false;
    this.#held = held;
    link.ended.then(() => {
      this.#blamed = this.#jobs[0];
      this.#disarm();
    });
  }

  /** How many jobs the worker holds. */
  get depth() {
    return this.#jobs.length;
  }

  /** Whether a job may be posted now. @param {Job} job */
  takes(job) {
    if (this.link.full) return false;
    if (!this.#jobs.length) return true;
    return !this.#isSlow && this.#jobs.length < MOST && [...this.#jobs, job].every(isShort);
  }

  /** The worker ended at another job: this one was not begun. @param {Job} job */
  neverBegan(job) {
    return !this.link.alive && this.#blamed !== job;
  }

  /**
   * Do a job; the worker is ended if the job takes longer than it may, or goes on after it was cancelled.
   * @template T
   * @param {Job} job @param {() => Promise<T>} work
   */
  async watch(job, work) {
    this.#jobs.push(job);
    if (this.#jobs.length === 1) this.#arm();
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    let cancel;
    const onAbort = () => {
      cancel = setTimeout(() => this.link.end("cancelled"), CANCEL_MS);
    };
    job.signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await work();
    } finally {
      clearTimeout(cancel);
      job.signal.removeEventListener("abort", onAbort);
      this.#jobs = this.#jobs.filter((other) => other !== job);
      this.#arm();
    }
  }

  #disarm() {
    clearTimeout(this.#stall);
    clearTimeout(this.#slow);
    this.#isSlow = false;
  }

  /** Time runs from when the worker begins a job. */
  #arm() {
    this.#disarm();
    const [job] = this.#jobs;
    if (!job) return;
    this.#stall = setTimeout(() => this.link.end("worker-stalled"), job.limit);
    this.#slow = setTimeout(() => {
      this.#isSlow = true;
      this.#held(this.#jobs.slice(1));
    }, SLOW_MS);
  }
}
