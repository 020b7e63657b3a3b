// Going through the frames of an image or the images of a series: one by one, as a film, or all at once.

import { byTestId } from "../dom.js";
import { onLanguage, t } from "../i18n.js";
import { Player } from "./player.js";

/** @typedef {import("./view.js").Mode} Mode */
/** @typedef {import("./view.js").View} View */

const MODES = /** @type {Mode[]} */ (["frames", "brightest", "darkest"]);

export class StackTools {
  #view;
  #slider = /** @type {HTMLInputElement} */ (byTestId("frame"));
  player;

  /** @param {View} view */
  constructor(view) {
    this.#view = view;
    this.player = new Player(view);
    this.#slider.addEventListener("input", () => {
      this.player.set(false);
      view.go(Number(this.#slider.value));
    });
    byTestId("play").addEventListener("click", () => this.player.toggle());
    byTestId("files").addEventListener("click", () => this.player.set(false)); // whoever chooses wants to look
    this.player.addEventListener("playing-changed", () => this.#draw());
    for (const mode of MODES) byTestId(`show-${mode}`).addEventListener("click", () => this.#show(mode));
    for (const event of ["loading", "loaded"]) view.addEventListener(event, () => this.#draw());
    onLanguage(() => this.#draw());
  }

  /** @param {Mode} mode */
  #show(mode) {
    this.player.set(false);
    this.#view.project(mode);
  }

  /** @param {number} by */
  step(by) {
    this.player.set(false);
    this.#view.go(this.#view.mode === "frames" ? this.#view.position.at + by : this.#view.position.at);
  }

  /** @param {"first"|"last"} end */
  jump(end) {
    this.step(end === "first" ? -this.#view.position.at : this.#view.position.of);
  }

  #draw() {
    const { position, frames, mode, progress, item } = this.#view;
    const { at, of } = position;
    byTestId("frames").hidden = of < 2 || !item?.info;
    this.#slider.max = String(of - 1);
    this.#slider.value = String(at);
    const text = t("viewer.frame", { number: at + 1, all: of });
    this.#slider.ariaValueText = text;
    byTestId("frame-number").textContent = progress
      ? t("viewer.progress", { done: progress.done, total: progress.total })
      : mode === "frames"
        ? text
        : t("viewer.all", { count: of });
    const play = byTestId("play");
    play.hidden = !this.player.possible;
    play.dataset.playing = String(this.player.playing);
    play.ariaLabel = t(this.player.playing ? "viewer.pause" : "viewer.play");
    /** @type {HTMLElement} */ (byTestId("show-frames").parentElement).hidden = item?.isVideo === true;
    for (const one of MODES) byTestId(`show-${one}`).ariaPressed = String(mode === one);
    byTestId("show-frames").textContent = t(frames > 1 ? "viewer.one-frame" : "viewer.one-image");
  }
}
