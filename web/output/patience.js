// Waiting before something is tried again: longer each time, with jitter, at once when the network is back.

const FIRST_MS = 1000;
const LONGEST_MS = 30_000;
/** What a server asks for with Retry-After is believed up to here. */
const LONGEST_ASKED_MS = 300_000;

/**
 * How long to wait.
 * @param {number} attempt  from 0
 * @param {number|null} [asked]  Retry-After, in seconds
 * @returns {number} milliseconds
 */
export function backOff(attempt, asked = null) {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt);
  const jitter = longest * (0.5 + Math.random() / 2); // so that senders do not come in step
  return asked === null ? jitter : Math.min(asked * 1000, LONGEST_ASKED_MS) + jitter;
}

/** @param {AbortSignal} signal @param {number} ms */
export function wait(signal, ms) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      globalThis.removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve(undefined);
    };
    const timer = setTimeout(done, ms);
    globalThis.addEventListener("online", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
