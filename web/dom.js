// What every component needs of the DOM.

/**
 * An element with properties and children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [properties]  `data` and `aria` are maps; the rest are properties
 * @param {...(Node|string|null)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, { data = {}, aria = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, String(value));
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Found once: there may be many thousand elements to search. @type {Map<string, HTMLElement>} */
const found = new Map();

/**
 * The element with a test id, which the page's contract promises.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byTestId(id) {
  const known = found.get(id);
  if (known?.isConnected) return /** @type {T} */ (known);
  const element = /** @type {T|null} */ (document.querySelector(`[data-testid="${id}"]`));
  if (!element) throw new Error(`no element ${id}`);
  found.set(id, element);
  return element;
}

/** The browser paints no more often. */
const FRAME_MS = 16;

/** Draw at once, and then once for all that comes within a frame; by timer, since a hidden page has no frames. @param {() => void} draw */
export function paced(draw) {
  let [waits, again] = [false, false];
  const run = () => {
    again = waits;
    if (waits) return;
    waits = true;
    setTimeout(() => {
      waits = false;
      if (again) run();
    }, FRAME_MS);
    draw();
  };
  return run;
}
