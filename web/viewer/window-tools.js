// The window of grey images (PS3.3 C.11.2.1.2): by drag, by preset, inverted.

import { byTestId, el } from "../dom.js";
import { onLanguage, t } from "../i18n.js";

/** @typedef {import("./picture.js").Window} Window */
/** @typedef {import("./view.js").View} View */

/** A drag over this many pixels of the screen changes the window by its whole width. */
const DRAG = 300;
/** Usual windows of CT, in Hounsfield units. @type {[string, Window][]} */
const CT = [
  ["soft-tissue", { centre: 40, width: 400 }],
  ["lung", { centre: -600, width: 1500 }],
  ["bone", { centre: 500, width: 2000 }],
  ["brain", { centre: 40, width: 80 }],
];

export class WindowTools {
  #view;
  #root;
  #list = /** @type {HTMLSelectElement} */ (byTestId("preset"));
  /** @type {Window[]} */
  #presets = [];
  /** What the list shows now. */
  #listed = "";
  #moving = false;

  /** @param {View} view @param {HTMLElement} root  what is inverted */
  constructor(view, root) {
    this.#view = view;
    this.#root = root;
    this.#list.addEventListener("change", () => {
      const chosen = this.#presets[Number(this.#list.value)];
      if (chosen) view.setWindow(chosen);
    });
    byTestId("invert").addEventListener("click", () => this.invert());
    view.addEventListener("loaded", () => this.#draw());
    view.addEventListener("windowed", () => this.#draw());
    onLanguage(() => this.#draw());
  }

  get inverted() {
    return this.#root.dataset.inverted === "true";
  }

  invert() {
    this.#root.dataset.inverted = String(!this.inverted);
    byTestId("invert").ariaPressed = String(this.inverted);
  }

  /** @param {number} dx  wider @param {number} dy  darker; in pixels of the screen */
  drag(dx, dy) {
    const { picture, window } = this.#view;
    if (!picture?.grey) return;
    const base = Math.max(picture.initial.width, 2);
    this.#view.window = {
      width: Math.max(1, window.width + (dx / DRAG) * base),
      centre: window.centre + (dy / DRAG) * base,
    };
    if (this.#moving) return;
    this.#moving = true;
    requestAnimationFrame(() => {
      this.#moving = false;
      this.#view.setWindow(this.#view.window);
    });
  }

  #draw() {
    const { picture, window, item } = this.#view;
    const grey = picture?.grey === true;
    this.#list.hidden = !grey;
    byTestId("window-values").textContent = grey
      ? t("viewer.window", { centre: Math.round(window.centre), width: Math.round(window.width) })
      : "";
    if (!picture || !grey) return;
    const presets = /** @type {[string, Window][]} */ ([
      ...(picture.windows.length ? picture.windows : [picture.whole]).map((own) => ["file", own]),
      ...(item?.info?.series.modality === "CT" ? CT : []),
      ["whole", picture.whole],
    ]);
    this.#presets = presets.map(([, preset]) => preset);
    const texts = presets.map(([name], at) => t(`preset.${name}`, { number: at + 1 }));
    const listed = texts.join("\n");
    if (this.#listed !== listed) {
      this.#listed = listed;
      const own = el("option", { value: "-1", textContent: t("preset.own"), hidden: true });
      const options = texts.map((textContent, at) => el("option", { value: String(at), textContent }));
      this.#list.replaceChildren(own, ...options);
    }
    const at = this.#presets.findIndex(
      ({ centre, width }) => centre === window.centre && width === window.width,
    );
    this.#list.value = String(at);
  }
}
