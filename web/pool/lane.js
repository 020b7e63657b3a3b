// What one worker has to do: the job it is at, and the next ones already posted, so that it never waits for the page.

/** @typedef {import("./worker-link.js").WorkerLink} WorkerLink */
/** @typedef {import("../contract.js").Op} Op */
/** @typedef {{op: Op, args: Record<string, unknown>, limit: number, signal: AbortSignal,
 *   resolve: (value: any) => void, reject: (error: Error) => void}} Job */

const CANCEL_MS = 600;

/** Jobs that a worker holds at most: the one that it is at, and short ones behind it. */
const MOST = 3;

/** Work of some milliseconds: another such job can be posted behind it. @param {Job} job */
const isShort = ({ op, args }) => {
  const request = /** @type {{redactions?: unknown[]}|undefined} */ (args.request);
  return op === "inspect" || (op === "clean" && !request?.redactions?.length);
};

export class Lane {
  /** The first is the one that the worker is at. @type {Job[]} */
  #jobs = [];
  /** The job that was going on when the worker ended. @type {Job|undefined} */
  #blamed;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #stall;

  /** @param {WorkerLink} link */
  constructor(link) {
    this.link = link;
    this.ready = false;
    link.ended.then(() => {
      this.#blamed = this.#jobs[0];
      clearTimeout(this.#stall);
    });
  }

  /** How many jobs the worker holds. */
  get depth() {
    return this.#jobs.length;
  }

  /** Whether a job may be posted now. @param {Job} job */
  takes(job) {
    return !this.#jobs.length || (this.#jobs.length < MOST && [...this.#jobs, job].every(isShort));
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

  /** Time runs from when the worker begins a job. */
  #arm() {
    clearTimeout(this.#stall);
    const [job] = this.#jobs;
    if (job) this.#stall = setTimeout(() => this.link.end("worker-stalled"), job.limit);
  }
}
