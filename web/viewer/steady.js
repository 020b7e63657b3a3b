// What stands above the picture must not move it under a person's pointer.

/**
 * Let an element grow, but never shrink until it is told to start anew.
 * @param {HTMLElement} element
 * @returns {() => void}  start anew: what it shows is another image's
 */
export function keepHeight(element) {
  const observer = new ResizeObserver(() => {
    element.style.setProperty("--kept", `${element.getBoundingClientRect().height}px`);
  });
  const anew = () => {
    element.style.removeProperty("--kept");
    observer.unobserve(element); // so that it tells the height even if that is the same
    observer.observe(element);
  };
  anew();
  addEventListener("resize", anew);
  return anew;
}
