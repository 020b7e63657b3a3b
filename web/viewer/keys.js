// What a key does in the viewer. Areas and their corners take their own keys first.

/** @typedef {import("./covering-tools.js").CoveringTools} CoveringTools */
/** @typedef {import("./stack-tools.js").StackTools} StackTools */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./stage.js").Tool} Tool */
/** @typedef {import("./window-tools.js").WindowTools} WindowTools */
/** @typedef {{stage: Stage, covering: CoveringTools, stack: StackTools, windows: WindowTools,
 *   use(tool: Tool): void}} Tools */

/** What an arrow key drags, in pixels of the screen. */
const DRAG = 10;

/** @type {Record<string, (tools: Tools) => void>} */
const PLAIN = {
  ArrowDown: ({ stack }) => stack.step(1),
  ArrowRight: ({ stack }) => stack.step(1),
  PageDown: ({ stack }) => stack.step(1),
  ArrowUp: ({ stack }) => stack.step(-1),
  ArrowLeft: ({ stack }) => stack.step(-1),
  PageUp: ({ stack }) => stack.step(-1),
  Home: ({ stack }) => stack.jump("first"),
  End: ({ stack }) => stack.jump("last"),
  " ": ({ stack }) => stack.player.toggle(),
  w: ({ use }) => use("window"),
  m: ({ use }) => use("move"),
  c: ({ use, stage }) => stage.areas.editable && use("cover"),
  r: ({ covering }) => covering.addInMiddle(),
  i: ({ windows }) => windows.invert(),
  f: ({ stage }) => stage.camera.fit(),
  1: ({ stage }) => stage.camera.actual(),
  "+": ({ stage }) => stage.camera.zoom(1),
  "-": ({ stage }) => stage.camera.zoom(-1),
};
/** @type {Record<string, [number, number]>} */
const SHIFTED = {
  ArrowLeft: [-DRAG, 0],
  ArrowRight: [DRAG, 0],
  ArrowUp: [0, -DRAG],
  ArrowDown: [0, DRAG],
};

/** @param {KeyboardEvent} event @param {Tools} tools @returns {(() => void)|null} */
export function keyAction(event, tools) {
  const target = /** @type {HTMLElement} */ (event.target);
  const { key, shiftKey: shift, altKey: alt } = event;
  const command = event.ctrlKey || event.metaKey;
  if (target.closest("input, select, textarea, video")) return null;
  if (command && !alt) {
    const letter = key.toLowerCase();
    if (letter === "y" || (letter === "z" && shift)) return () => tools.covering.redo();
    return letter === "z" ? () => tools.covering.undo() : null;
  }
  if (alt || command) return null;
  if (tools.stage.drawing.busy && key === "Escape") return () => tools.stage.drawing.cancel();
  if (tools.stage.drawing.busy && key === "Enter") return () => tools.stage.drawing.finish();
  if (shift && SHIFTED[key]) return () => tools.stage.drag(...SHIFTED[key]);
  if (key === " " && target.closest("button, summary")) return null; // it presses these
  const act = PLAIN[key];
  return act ? () => act(tools) : null;
}
