// <image-viewer>: the chosen file's picture, and the tools around it. What is shown is decided in view.js.

import { byTestId } from "../dom.js";
import { onLanguage, t } from "../i18n.js";
import { CoveringTools } from "./covering-tools.js";
import { keyAction } from "./keys.js";
import { inFront, Looking, watchFront } from "./looking.js";
import { Proposals } from "./proposals.js";
import { ReviewPanel } from "./review-panel.js";
import { StackTools } from "./stack-tools.js";
import { Stage } from "./stage.js";
import { keepHeight } from "./steady.js";
import { Templates } from "./templates.js";
import { Video } from "./video.js";
import { View } from "./view.js";
import { WindowTools } from "./window-tools.js";

/** @typedef {import("../model/session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {import("./stage.js").Tool} Tool */

const TOOLS = /** @type {Tool[]} */ (["window", "move", "cover"]);
/** While the contrast is dragged, no more pixels than this are drawn. */
const QUICK_PIXELS = 1_500_000;

export class ImageViewer extends HTMLElement {
  /** @type {View} */
  #view = /** @type {any} */ (null);
  /** @type {Stage} */
  #stage = /** @type {any} */ (null);
  /** The picture is drawn coarsely. */
  #coarse = false;

  /** @param {Session} session @param {WorkerPool} pool */
  connect(session, pool) {
    const view = new View(session, pool);
    const covering = new CoveringTools(session, view);
    const stack = new StackTools(view);
    const stage = new Stage(byTestId("stage"), {
      added: (area) => covering.add(area),
      changed: (from, to) => covering.replace(from, to),
      removed: (area) => covering.remove(area),
      windowed: (dx, dy) => {
        if (view.mode === "frames") windows.drag(dx, dy);
      },
      released: () => this.#coarse && this.#paint(),
      stepped: (by) => stack.step(by),
    });
    this.#view = view;
    this.#stage = stage;
    covering.connect(stage);
    const windows = new WindowTools(view, stage.canvas);
    const review = new ReviewPanel(session, new Looking(session, view, stage.canvas));
    new Video(session, view);
    watchFront(() => document.hidden || inFront() || stack.player.set(false)); // a film waits by itself in a hidden page
    const templates = new Templates(view);
    new Proposals(session, pool, templates, (areas) => covering.accept(areas));
    session.addEventListener("selection-changed", keepHeight(byTestId("advice")));

    view.addEventListener("loading", () => this.#show());
    view.addEventListener("loaded", () => {
      this.#show(); // first: the picture is as large as its place
      this.#paint();
      review.draw();
    });
    let dragging = 0;
    view.addEventListener("windowed", () => {
      this.#paint(true);
      clearTimeout(dragging);
      dragging = setTimeout(() => this.#coarse && this.#paint(), 200);
    });
    const on = (/** @type {string} */ id, /** @type {() => void} */ act) =>
      byTestId(id).addEventListener("click", act);
    for (const tool of TOOLS) on(`tool-${tool}`, () => this.#use(tool));
    on("zoom-in", () => stage.camera.zoom(1));
    on("zoom-out", () => stage.camera.zoom(-1));
    on("fit", () => stage.camera.fit());
    on("actual", () => stage.camera.actual());
    on("show-original", () => view.compare(false));
    on("show-cleaned", () => view.compare(true));
    const tools = { stage, covering, stack, windows, use: (/** @type {Tool} */ tool) => this.#use(tool) };
    this.addEventListener("keydown", (event) => {
      const act = keyAction(event, tools);
      act?.();
      if (act) event.preventDefault();
    });
    session.addEventListener("items-changed", () => this.#show());
    onLanguage(() => {
      this.#show();
      review.draw();
    });
    this.#use("window");
    view.load();
  }

  /** Everything but the pixels. */
  #show() {
    const { item, picture, video, problem, settled, cleaned } = this.#view;
    const says = settled && problem !== null;
    this.#stage.root.hidden = !picture;
    byTestId("stage-note").hidden = !says;
    byTestId("stage-note").textContent = says && problem ? t(problem) : "";
    byTestId("stage-note").dataset.problem = says ? problem : "";
    byTestId("viewer-tools").hidden = says || video !== null;
    this.#stage.root.dataset.loading = String(!settled); // what is still shown is of the one before
    const compare = byTestId("compare");
    compare.hidden = !item?.info?.preview;
    byTestId("stack-tools").hidden = compare.hidden && byTestId("frames").hidden;
    byTestId("show-original").ariaPressed = String(!cleaned);
    const show = /** @type {HTMLButtonElement} */ (byTestId("show-cleaned"));
    show.ariaPressed = String(cleaned);
    show.disabled = !item?.result && !item?.redactions.length;
  }

  /** @param {boolean} [quick]  coarsely, where the picture is large */
  #paint(quick = false) {
    const { picture, window } = this.#view;
    if (!picture) return;
    const { width, height } = picture;
    const step = quick ? Math.ceil(Math.sqrt((width * height) / QUICK_PIXELS)) : 1;
    this.#coarse = step > 1;
    this.#stage.show(picture.draw(window, step), width, height);
  }

  /** @param {Tool} tool */
  #use(tool) {
    this.#stage.use(tool);
    for (const one of TOOLS) byTestId(`tool-${one}`).ariaPressed = String(one === tool);
    for (const panel of /** @type {NodeListOf<HTMLElement>} */ (this.querySelectorAll("[data-tool-panel]")))
      panel.hidden = panel.dataset.toolPanel !== tool;
  }
}

customElements.define("image-viewer", ImageViewer);
