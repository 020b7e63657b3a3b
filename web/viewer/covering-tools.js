// Covering: new areas, changes to them, the images they go to, and a history to go back and forth in.

import { byTestId, el } from "../dom.js";
import { named, onLanguage, t } from "../i18n.js";
import { History } from "./history.js";
import { fitted, scopesFor, targetsOf } from "./scope.js";
import { isIn, SHAPES, same, shapeIn } from "./shapes.js";

/** @typedef {import("../contract.js").Redaction} Redaction */
/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("./scope.js").Scope} Scope */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./view.js").View} View */

const input = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byTestId(id));

export class CoveringTools {
  #session;
  #view;
  /** @type {Stage} */
  #stage = /** @type {any} */ (null);
  #history = new History();
  #shape = /** @type {HTMLSelectElement} */ (byTestId("shape"));
  #scope = /** @type {HTMLSelectElement} */ (byTestId("scope"));

  /** @param {Session} session @param {View} view */
  constructor(session, view) {
    this.#session = session;
    this.#view = view;
    const shapes = SHAPES.map((value) => el("option", { value, ...named(`shape.${value}`) }));
    this.#shape.replaceChildren(...shapes);
    this.#shape.addEventListener("change", () => {
      this.#stage.shape = /** @type {any} */ (this.#shape.value);
      this.#stage.drawing.cancel();
    });
    this.#scope.addEventListener("change", () => this.draw());
    byTestId("add-covering").addEventListener("click", () => this.addInMiddle());
    const remove = byTestId("remove-covering");
    remove.addEventListener("mousedown", (event) => event.preventDefault()); // the area keeps the focus
    remove.addEventListener("click", () => {
      const area = this.#stage.areas.focused;
      if (area) this.remove(area);
    });
    byTestId("apply-areas").addEventListener("click", () => this.#apply());
    byTestId("undo").addEventListener("click", () => this.undo());
    byTestId("redo").addEventListener("click", () => this.redo());
    session.addEventListener("items-cleared", () => this.#history.clear());
    session.addEventListener("items-changed", () => this.draw());
    onLanguage(() => this.draw());
    for (const event of ["loading", "loaded"]) view.addEventListener(event, () => this.draw());
  }

  /** @param {Stage} stage */
  connect(stage) {
    this.#stage = stage;
    for (const event of ["focusin", "focusout"])
      stage.areas.root.addEventListener(event, () => setTimeout(() => this.#drawRemove()));
  }

  get scope() {
    return /** @type {Scope} */ (this.#scope.value || "image");
  }

  /** The frames of a new area. @returns {[number, number]|null} */
  get #frames() {
    const { frame, frames } = this.#view;
    if (this.scope === "frame") return [frame, frame];
    if (this.scope !== "range") return null;
    const number = (/** @type {string} */ id) =>
      Math.min(Math.max(Math.floor(Number(input(id).value)) || 1, 1), frames) - 1;
    const [a, b] = [number("range-first"), number("range-last")];
    return [Math.min(a, b), Math.max(a, b)];
  }

  /** @param {Redaction} area */
  add(area) {
    const whole = { ...area, frames: this.#frames, keep_only: input("keep-only").checked };
    this.#change((list) => [...list, whole], whole);
  }

  addInMiddle() {
    if (!this.#stage.areas.editable) return;
    const { columns, rows } = this.#stage.areas.size;
    const [x, y] = [Math.floor(columns / 4), Math.floor(rows / 4)];
    const box = { x, y, width: Math.ceil(columns / 2), height: Math.ceil(rows / 4) };
    this.add(shapeIn(/** @type {any} */ (this.#shape.value), box));
  }

  /** What was proposed, or is in a template. @param {Redaction[]} areas */
  accept(areas) {
    const missing = (/** @type {Redaction[]} */ list) =>
      areas.filter((area) => !list.some((one) => same(one, area)));
    this.#change((list) => [...list, ...missing(list)], areas[0]);
  }

  /** @param {Redaction} from @param {Redaction} to */
  replace(from, to) {
    this.#change((list) => list.map((one) => (same(one, from) ? to : one)), to);
  }

  /** @param {Redaction} gone */
  remove(gone) {
    this.#change((list) => list.filter((one) => !same(one, gone)), null);
    byTestId("stage").focus({ preventScroll: true });
  }

  /** This image's areas to all others that the scope names. */
  #apply() {
    this.accept(this.#view.item?.redactions ?? []);
  }

  /** @param {(list: Redaction[]) => Redaction[]} change @param {Redaction|null} focus */
  #change(change, focus) {
    const { item } = this.#view;
    if (!item?.info) return;
    const after = new Map();
    for (const target of targetsOf(this.#session, item, this.scope)) {
      const frames = target.info?.frames ?? 1;
      const list = change(target.redactions).map((area) => fitted(area, frames));
      const kept = list.filter((area) => area !== null);
      const old = target.redactions;
      if (kept.length !== old.length || kept.some((area, at) => area !== old[at])) after.set(target, kept);
    }
    if (!after.size) return;
    this.#history.remember(after);
    this.#session.redact(after);
    this.draw(focus);
  }

  #drawRemove() {
    const { areas } = this.#stage;
    /** @type {HTMLButtonElement} */ (byTestId("remove-covering")).disabled =
      !areas.editable || !areas.focused;
  }

  undo() {
    const state = this.#history.undo();
    if (state) this.#session.redact(state);
    this.draw();
  }

  redo() {
    const state = this.#history.redo();
    if (state) this.#session.redact(state);
    this.draw();
  }

  /** @param {Redaction|null} [focus]  the area that takes the focus */
  draw(focus = null) {
    const { item, picture, settled, cleaned, frame, frames, mode } = this.#view;
    const editable = picture !== null && Boolean(item?.info?.redactable) && !item?.refusal && !cleaned;
    this.#stage.areas.editable = editable && settled; // else it would be drawn on the image before
    const disable = (/** @type {string} */ id, /** @type {boolean} */ off) => {
      /** @type {HTMLButtonElement} */ (byTestId(id)).disabled = off;
    };
    disable("tool-cover", !editable);
    disable("add-covering", !editable);
    this.#drawRemove();
    disable("undo", !this.#history.canUndo);
    disable("redo", !this.#history.canRedo);
    if (!item?.info) return;
    this.#drawScopes(item);
    const others = targetsOf(this.#session, item, this.scope).length - 1;
    byTestId("apply-areas").hidden = !others || !item.redactions.length;
    byTestId("apply-areas").textContent = t("viewer.apply", { count: others });
    byTestId("range").hidden = this.scope !== "range";
    for (const id of ["range-first", "range-last"]) input(id).max = String(frames);
    if (!settled || this.#stage.drawing.busy) return;
    const shown = item.redactions.filter((area) => mode !== "frames" || isIn(area, frame));
    this.#stage.areas.show(cleaned ? [] : shown, focus);
  }

  /** For what the scopes were drawn. @type {{item: Item, among: number}|null} */
  #drawnFor = null;
  /** @param {Item} item */
  #drawScopes(item) {
    const among = this.#session.items.length;
    if (this.#drawnFor?.item === item && this.#drawnFor.among === among) return;
    this.#drawnFor = { item, among };
    const scopes = scopesFor(this.#session, item);
    if (scopes.join() === [...this.#scope.options].map(({ value }) => value).join()) return;
    const old = this.scope;
    this.#scope.replaceChildren(
      ...scopes.map((value) => el("option", { value, ...named(`scope.${value}`) })),
    );
    this.#scope.value = scopes.includes(old) ? old : "image";
    if (old !== "range") input("range-last").value = String(this.#view.frames);
  }
}
