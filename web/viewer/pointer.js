// One pointer, from where it goes down until it is released or lost.

/**
 * @param {Element} element  takes the pointer
 * @param {PointerEvent} start
 * @param {(event: PointerEvent) => void} moved @param {(done: boolean) => void} ended  done: released, not lost
 */
export function follow(element, start, moved, ended) {
  const stop = new AbortController();
  const { signal } = stop;
  element.setPointerCapture(start.pointerId);
  const finish = (/** @type {boolean} */ done) => {
    stop.abort();
    ended(done);
  };
  const on = (/** @type {string} */ type, /** @type {(event: PointerEvent) => void} */ act) =>
    element.addEventListener(
      type,
      (event) => {
        const pointer = /** @type {PointerEvent} */ (event);
        if (pointer.pointerId === start.pointerId) act(pointer);
      },
      { signal },
    );
  on("pointermove", moved);
  on("pointerup", () => finish(true));
  on("pointercancel", () => finish(false));
}
