// <file-list>: patients, studies, series and images as a tree with one tab stop. Each image is a row with `data-status`
// and `data-code`. Of many files only what is in sight, and the line with the focus, is in the document.

import { el } from "../dom.js";
import { onLanguage } from "../i18n.js";
import { drawLine, makeLine, nameOf, tellCounts } from "./lines.js";
import { Thumbnails } from "./thumbnails.js";
import { Node, Tree } from "./tree.js";

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */

/** Up to so many files every row is in the document, those of closed groups hidden. */
const ALL_ROWS = 500;
/** Pixels above and below what is in sight that are drawn, too. */
const MARGIN = 400;
/** Pixels of a line of which none was measured yet. */
const HEIGHT = 44;
/** Keys that follow one another within this time are one beginning of a name. */
const TYPING_MS = 700;
const PAGE = 10;

export class FileList extends HTMLElement {
  #tree = new Tree();
  /** Those that can be in sight, in order. @type {Node[]} */
  #lines = [];
  /** @type {Map<Node, HTMLElement>} */
  #elements = new Map();
  /** @type {WeakMap<Element, Node>} */
  #nodes = new WeakMap();
  /** Pixels of lines that were drawn once, and of the last one of each kind. @type {Map<Node|string, number>} */
  #heights = new Map();
  /** Drawn anew, and not measured since. @type {Set<Node>} */
  #drawn = new Set();
  /** In the place of lines that are not in the document. @type {HTMLElement[]} */
  #spaces = [];
  /** The line that takes the focus. @type {Node|undefined} */
  #active;
  #typed = { text: "", at: 0 };
  /** @type {Session|null} */
  #session = null;
  /** @type {Thumbnails|null} */
  #thumbnails = null;

  /** @param {Session} session @param {WorkerPool} pool */
  connect(session, pool) {
    this.#session = session;
    this.#thumbnails = new Thumbnails(session, pool, this);
    session.addEventListener("items-changed", (event) => {
      for (const item of /** @type {CustomEvent} */ (event).detail.items)
        if (item.status !== "reading") this.#tree.note(item); // else it is not known yet where it belongs
      this.#draw();
    });
    session.addEventListener("items-cleared", () => {
      this.#tree = new Tree();
      this.#heights.clear();
      this.#active = undefined;
      this.#draw();
    });
    session.addEventListener("selection-changed", () => {
      const node = this.#tree.of(session.selected);
      if (node) this.#reveal(node);
      else this.#draw();
    });
    this.addEventListener("click", (event) => this.#click(this.#nodeOf(event.target)));
    this.addEventListener("focusin", (event) => this.#activate(this.#nodeOf(event.target)));
    this.addEventListener("keydown", (event) => this.#key(event));
    const drawSome = () => this.#windowed && this.#draw();
    this.addEventListener("scroll", () => requestAnimationFrame(drawSome));
    new ResizeObserver(() => {
      for (const node of this.#elements.keys()) this.#drawn.add(node); // lines may break elsewhere
      drawSome();
    }).observe(this);
    onLanguage(() => this.#draw());
  }

  get #windowed() {
    return this.#tree.size > ALL_ROWS;
  }

  #draw() {
    this.#lines = this.#tree.lines(!this.#windowed);
    while (this.#active && !isVisible(this.#active)) this.#active = this.#active.parent ?? undefined; // its group is closed
    this.#active ??= this.#lines[0];
    tellCounts(this, this.#tree.counts);
    this.#place();
    if (this.#windowed && this.#measured()) this.#place();
  }

  /** The next image after the chosen one that needs a look, in the order of the list. @returns {Item|undefined} */
  get nextToLookAt() {
    const images = this.#images;
    const at = images.indexOf(/** @type {Item} */ (this.#session?.selected));
    return [...images.slice(at + 1), ...images.slice(0, at + 1)].find(({ status }) => status === "attention");
  }

  /** @returns {Item|undefined} */
  get first() {
    return this.#images[0];
  }

  get #images() {
    return this.#tree.lines(true).flatMap(({ counts, item }) => (counts ? [] : item));
  }

  /** Put into the document what belongs there now. */
  #place() {
    const lines = this.#lines;
    const offsets = this.#windowed ? this.#offsets() : null;
    const [top, bottom] = [this.scrollTop - MARGIN, this.scrollTop + this.clientHeight + MARGIN];
    /** @type {HTMLElement[]} */
    const wanted = [];
    /** @type {Set<Node>} */
    const kept = new Set();
    let [gap, gaps] = [0, 0];
    const leave = () => {
      if (gap) wanted.push(this.#space(gaps++, gap));
      gap = 0;
    };
    for (const [at, node] of lines.entries()) {
      if (offsets && node !== this.#active && (offsets[at + 1] < top || offsets[at] > bottom)) {
        gap += offsets[at + 1] - offsets[at];
        continue;
      }
      leave();
      kept.add(node);
      wanted.push(this.#element(node));
    }
    leave();
    for (const space of this.#spaces.slice(gaps)) space.remove();
    for (const [node, element] of this.#elements) if (!kept.has(node)) this.#forget(node, element);
    this.#arrange(wanted);
  }

  /** @param {Node} node */
  #element(node) {
    let element = this.#elements.get(node);
    if (!element) {
      element = makeLine(node);
      this.#elements.set(node, element);
      this.#nodes.set(element, node);
    }
    if (drawLine(node, element)) this.#drawn.add(node);
    const picture = element.querySelector(".thumbnail");
    if (picture) this.#thumbnails?.watch(picture, node.counts ? node.middle : node.item);
    element.hidden = !isVisible(node);
    element.tabIndex = node === this.#active ? 0 : -1;
    if (!node.counts && node.item === this.#session?.selected) element.setAttribute("aria-current", "true");
    else element.removeAttribute("aria-current");
    return element;
  }

  /** @param {Node} node @param {HTMLElement} element */
  #forget(node, element) {
    const picture = element.querySelector(".thumbnail");
    if (picture) this.#thumbnails?.forget(picture);
    this.#elements.delete(node);
    element.remove();
  }

  /** Make these the children, and move no more of them than must. @param {HTMLElement[]} wanted */
  #arrange(wanted) {
    const focused = /** @type {HTMLElement|null} */ (document.activeElement);
    let at = this.firstElementChild;
    for (const element of wanted) {
      if (element === at) at = at.nextElementSibling;
      else this.insertBefore(element, at);
    }
    if (focused !== document.activeElement && this.contains(focused)) focused?.focus({ preventScroll: true });
  }

  /** Where each line begins, in pixels, and where the last one ends. */
  #offsets() {
    const offsets = new Float64Array(this.#lines.length + 1);
    for (const [at, node] of this.#lines.entries())
      offsets[at + 1] = offsets[at] + (this.#heights.get(node) ?? this.#heights.get(node.kind) ?? HEIGHT);
    return offsets;
  }

  /** The place of lines that are not drawn. @param {number} which @param {number} height */
  #space(which, height) {
    this.#spaces[which] ??= el("div", { className: "space" });
    const wanted = `${height}px`;
    const { style } = this.#spaces[which];
    if (style.blockSize !== wanted) style.blockSize = wanted;
    return this.#spaces[which];
  }

  /** Measure what was drawn; whether that is news. */
  #measured() {
    let news = false;
    for (const node of this.#drawn) {
      const height = this.#elements.get(node)?.offsetHeight;
      if (!height) continue; // gone, or the list is not on the screen
      news ||= (this.#heights.get(node) ?? this.#heights.get(node.kind) ?? HEIGHT) !== height;
      this.#heights.set(node, height);
      this.#heights.set(node.kind, height);
    }
    this.#drawn.clear();
    return news;
  }

  /** @param {EventTarget|null} target */
  #nodeOf(target) {
    const line = /** @type {Element|null} */ (target)?.closest("[role=treeitem]");
    return line ? this.#nodes.get(line) : undefined;
  }

  /** @param {Node|undefined} node */
  #activate(node) {
    if (!node || node === this.#active) return;
    const before = this.#active && this.#elements.get(this.#active);
    if (before) before.tabIndex = -1;
    this.#active = node;
    const now = this.#elements.get(node);
    if (now) now.tabIndex = 0;
  }

  /** Bring a line into the document and into sight, and open what is around it. @param {Node} node */
  #reveal(node) {
    for (let group = node.parent; group; group = group.parent) group.open = true;
    this.#active = node;
    this.#draw();
    this.#elements.get(node)?.scrollIntoView({ block: "nearest" });
    if (this.#windowed) this.#draw(); // what is around it now
  }

  /** @param {Node|undefined} node */
  #click(node) {
    if (!node) return;
    this.#active = node;
    if (!node.counts) {
      this.#session?.select(node.item);
      return;
    }
    this.#toggle(node, !node.open);
    if (node.open && node.kind === "series") this.#session?.select(node.children[0].item);
    this.#activate(node); // the focus stays on it
  }

  /** @param {Node} group @param {boolean} open */
  #toggle(group, open) {
    group.open = open;
    this.#draw();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const node = this.#active;
    if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    const lines = this.#lines.filter(isVisible);
    const at = lines.indexOf(node);
    const last = lines.length - 1;
    const isGroup = node.counts !== null;
    /** @type {Record<string, () => unknown>} */
    const keys = {
      ArrowDown: () => lines[at + 1],
      ArrowUp: () => lines[at - 1],
      PageDown: () => lines[Math.min(at + PAGE, last)],
      PageUp: () => lines[Math.max(at - PAGE, 0)],
      Home: () => lines[0],
      End: () => lines[last],
      ArrowRight: () => (isGroup && !node.open ? this.#toggle(node, true) : node.children[0]),
      ArrowLeft: () => (isGroup && node.open ? this.#toggle(node, false) : node.parent),
      Enter: () => this.#elements.get(node)?.click(),
      " ": () => this.#elements.get(node)?.click(),
    };
    const typed = key.length === 1 && key !== " " && key !== "?";
    if (!typed && !keys[key]) return;
    event.preventDefault();
    const next = typed ? this.#find(key, lines, at) : keys[key]();
    if (!(next instanceof Node) || !next.parent) return;
    this.#reveal(next);
    this.#elements.get(next)?.focus({ preventScroll: true });
    if (!next.counts) this.#session?.select(next.item);
  }

  /** The next line whose name begins with what was typed. @param {string} key @param {Node[]} lines @param {number} at */
  #find(key, lines, at) {
    const now = performance.now();
    const text = now - this.#typed.at < TYPING_MS ? this.#typed.text + key : key;
    this.#typed = { text, at: now };
    const from = at + (text.length === 1 ? 1 : 0);
    const begin = text.toLocaleLowerCase();
    return [...lines.slice(from), ...lines.slice(0, from)].find((node) =>
      nameOf(node).toLocaleLowerCase().startsWith(begin),
    );
  }
}

/** All groups around it are open. @param {Node} node */
function isVisible(node) {
  for (let group = node.parent; group; group = group.parent) if (!group.open) return false;
  return true;
}

customElements.define("file-list", FileList);
