// One pointer, from where it goes down until it is released or lost; and two fingers.

/** @typedef {{clientX: number, clientY: number}} Place */

/**
 * Follow a pointer. What it began is lost when another one comes down: two fingers mean something else.
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
  addEventListener("pointerdown", () => finish(false), { signal, capture: true });
}

/**
 * Two fingers: how much farther they are from each other than a moment ago, and from where to where their middle went.
 * @param {HTMLElement} element @param {(factor: number, from: Place, to: Place) => void} pinched
 */
export function pinches(element, pinched) {
  /** Where they are, by their number; a third one is not asked. @type {Map<number, Place>} */
  const fingers = new Map();
  const between = () => {
    const [{ clientX: x0, clientY: y0 }, { clientX: x1, clientY: y1 }] = fingers.values();
    const middle = { clientX: (x0 + x1) / 2, clientY: (y0 + y1) / 2 };
    return { middle, apart: Math.max(Math.hypot(x1 - x0, y1 - y0), 1) };
  };
  const on = (/** @type {string} */ type, /** @type {(event: PointerEvent) => void} */ act) =>
    element.addEventListener(type, (event) => act(/** @type {PointerEvent} */ (event)), { capture: true });
  on("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    if (event.isPrimary) fingers.clear();
    if (fingers.size) event.stopPropagation(); // no area begins with the second
    if (fingers.size < 2) fingers.set(event.pointerId, event);
  });
  on("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = fingers.size > 1 ? between() : null;
    fingers.set(event.pointerId, event);
    if (!before) return;
    const { middle, apart } = between();
    pinched(apart / before.apart, before.middle, middle);
  });
  for (const type of ["pointerup", "pointercancel"]) on(type, ({ pointerId }) => fingers.delete(pointerId));
}
