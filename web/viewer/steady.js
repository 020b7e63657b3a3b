// What stands above the picture must not move it under a person's pointer.

/**
 * Let an element grow, but never shrink until it is told to start anew.
 * @param {HTMLElement} element
 * @returns {() => unknown}  start anew: what it shows is another image's
 */
export function keepHeight(element) {
  const anew = () => element.style.removeProperty("--kept");
  new ResizeObserver(() => {
    element.style.setProperty("--kept", `${element.getBoundingClientRect().height}px`);
  }).observe(element);
  addEventListener("resize", anew);
  return anew;
}
