// The list of what keys do. Only "?" works wherever the focus is, and can be turned off (WCAG 2.2, 2.1.4): the viewer's
// keys work in the viewer alone.

import { byTestId, el } from "../dom.js";
import { named } from "../i18n.js";

/** Keys are texts where a keyboard has a word on them, and signs where it has one in every country. */
const WORDS = new Set(["shift", "ctrl", "delete", "insert", "enter", "escape", "space", "home", "end"]);
/** By place: the keys, in the order of pressing, and the message that says what they do. @type {[string, [string, string][]][]} */
const LIST = [
  [
    "page",
    [
      ["ctrl O", "open"],
      ["ctrl V", "paste"],
      ["?", "list"],
      ["↑ ↓", "files"],
      ["→ ←", "groups"],
    ],
  ],
  [
    "picture",
    [
      ["← → ↑ ↓", "step"],
      ["home end", "ends"],
      ["space", "play"],
      ["W", "window"],
      ["M", "move"],
      ["C", "cover"],
      ["shift ← → ↑ ↓", "drag"],
      ["I", "invert"],
      ["+ −", "zoom"],
      ["F", "fit"],
      ["1", "actual"],
    ],
  ],
  [
    "areas",
    [
      ["R", "add"],
      ["← → ↑ ↓", "move-area"],
      ["ctrl ← → ↑ ↓", "move-far"],
      ["shift ← → ↑ ↓", "resize"],
      ["insert", "corner"],
      ["delete", "remove"],
      ["enter", "close"],
      ["escape", "give-up"],
      ["ctrl Z", "undo"],
      ["ctrl Y", "redo"],
    ],
  ],
];

export function connectShortcuts() {
  const dialog = /** @type {HTMLDialogElement} */ (byTestId("shortcuts-dialog"));
  const sign = /** @type {HTMLInputElement} */ (byTestId("question-mark"));
  byTestId("shortcut-list").replaceChildren(...LIST.flatMap(([place, rows]) => section(place, rows)));
  byTestId("shortcuts").addEventListener("click", () => dialog.showModal());
  byTestId("shortcuts-close").addEventListener("click", () => dialog.close());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.ctrlKey || event.metaKey || !sign.checked) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (document.querySelector("dialog[open]") || target.closest("input, select, textarea")) return;
    event.preventDefault();
    dialog.showModal();
  });
}

/** @param {string} place @param {[string, string][]} rows */
function section(place, rows) {
  const list = el("dl", { className: "keys" });
  for (const [keys, id] of rows) {
    const words = keys
      .split(" ")
      .map((key) => el("kbd", WORDS.has(key) ? named(`key.${key}`) : { textContent: key }));
    list.append(el("dt", {}, ...words), el("dd", named(`shortcuts.${id}`)));
  }
  return [el("h3", named(`shortcuts.${place}`)), list];
}
