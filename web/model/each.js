// Work on many files with a few under way at a time, so that ten thousand of them do not queue up in memory.

/**
 * Call `work` for every input, at most `limit` at a time; stops taking inputs when the signal aborts.
 * @template T
 * @param {AbortSignal} signal
 * @param {Iterable<T>|AsyncIterable<T>} inputs
 * @param {(input: T) => Promise<void>} work  where it rejects, no more inputs are taken, and this rejects, too
 * @param {number} limit
 */
export async function each(signal, inputs, work, limit = 12) {
  /** @type {Set<Promise<void>>} */
  const running = new Set();
  for await (const input of inputs) {
    if (signal.aborted) break;
    const task = work(input).finally(() => running.delete(task));
    running.add(task);
    if (running.size >= limit) await Promise.race(running);
  }
  await Promise.all(running);
}
