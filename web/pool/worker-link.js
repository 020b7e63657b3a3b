// One worker as the page sees it: calls with ids, answers as promises, and the knowledge whether it still lives.

import { CodedError, rewrap } from "../errors.js";

/** @typedef {import("../contract.js").Op} Op */
/** @typedef {import("../contract.js").Versions} Versions */
/** @typedef {import("../contract.js").WorkerMessage} WorkerMessage */

/** A worker that does not start so soon after it got all it needs never will (without wasm rights it would hang for ever). */
const BOOT_LIMIT_MS = 25_000;

const ADDRESS = new URL("../worker/worker.js", import.meta.url).href;
/** @type {{createScriptURL(url: string): string}|undefined} */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("dicomveil", {
  createScriptURL(/** @type {string} */ url) {
    if (url !== ADDRESS) throw new TypeError("not a script of this page");
    return url;
  },
});

export class WorkerLink {
  #worker;
  #library;
  #next = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #limit;
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
  #waiting = new Map();
  #dead = false;
  #boot = /** @type {PromiseWithResolvers<Versions>} */ (Promise.withResolvers());
  #end = /** @type {PromiseWithResolvers<string>} */ (Promise.withResolvers());
  /** The settings that it works with, as the pool sent them. @type {object|null} */
  settings = null;
  /** Its memory has grown so large that another should go on. */
  full = false;
  /** numpy and imagecodecs are installed. */
  hasPixels = false;

  /**
   * @param {Promise<{wasm: WebAssembly.Module, memory: ArrayBuffer}>} assets
   * @param {Promise<{stdlib: ArrayBuffer, core: ArrayBuffer}>} library
   */
  constructor(assets, library) {
    this.#worker = new Worker(policy ? policy.createScriptURL(ADDRESS) : ADDRESS, { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault(); // its text could hold a value: not to the console
      this.end("worker-crashed");
    };
    this.#worker.onmessageerror = () => this.end("worker-crashed");
    this.#boot.promise.catch(() => {});
    const missing = () => this.end("assets-missing");
    assets.then((given) => {
      this.#worker.postMessage({ kind: "boot", ...given });
      this.#limit = setTimeout(() => this.end("boot-failed"), BOOT_LIMIT_MS);
    }, missing);
    this.#library = library;
  }

  /** Resolves when Python runs, rejects when it cannot start. */
  get ready() {
    return this.#boot.promise;
  }

  get alive() {
    return !this.#dead;
  }

  /** Resolves with the code when this worker has ended, whoever ended it. */
  get ended() {
    return this.#end.promise;
  }

  /**
   * Ask the worker for something. Rejects with a CodedError; with the end's code if the worker ends first.
   * @param {Op} op
   * @param {Record<string, unknown>} args
   * @returns {Promise<any>}
   */
  call(op, args) {
    if (this.#dead) return Promise.reject(new CodedError("worker-crashed"));
    const id = ++this.#next;
    const { promise, resolve, reject } = Promise.withResolvers();
    this.#waiting.set(id, { resolve, reject });
    this.#worker.postMessage({ kind: "call", id, op, args });
    return promise;
  }

  /** Stop the worker; everything it was asked fails with the code. @param {string} code */
  end(code) {
    if (this.#dead) return;
    this.#dead = true;
    clearTimeout(this.#limit);
    this.#worker.terminate();
    this.#end.resolve(code); // first: whoever waits for an answer asks then which job it was that ended the worker
    this.#boot.reject(new CodedError(code));
    for (const { reject } of this.#waiting.values()) reject(new CodedError(code));
    this.#waiting.clear();
  }

  /** Python runs: hand over what it imports and reads from now on, before the first call. @param {Versions} versions */
  async #stock(versions) {
    clearTimeout(this.#limit);
    try {
      this.#worker.postMessage({ kind: "library", ...(await this.#library) });
      this.#boot.resolve(versions);
    } catch {
      this.end("assets-missing");
    }
  }

  /** @param {WorkerMessage} message */
  #hear(message) {
    if (message.kind === "alive") {
      // Granted when the worker is gone: it holds this lock for life.
      navigator.locks.request(message.lock, () => this.end("worker-crashed"));
    } else if (message.kind === "ready") this.#stock(message.versions);
    else if (message.kind === "broken") this.end("boot-failed");
    else {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      this.full ||= message.full === true;
      if (message.error) waiting?.reject(rewrap(message.error));
      else waiting?.resolve(message.value);
    }
  }
}
