// The worker: Python without a network. It answers the calls of contract.js, one at a time.

// First: it runs before Pyodide's.
import { isGuarded } from "../guarded.js";
import { startPython } from "./boot.js";
import { read, readAhead, withFile } from "./files.js";
import { jpegWalker } from "./jpeg-walker.js";
import { seal } from "./seal.js";
import { unzip } from "./unzip.js";

/** @typedef {import("../contract.js").CallMessage} CallMessage */
/** @typedef {import("../contract.js").WorkerMessage} WorkerMessage */

/** A memory of so many bytes is not kept for the next files. */
const FULL = 2 ** 30;

/** @type {Record<string, any>} */
let core;
/** @type {(archives: ArrayBuffer[]) => void} */
let install;
/** @type {(library: import("../contract.js").LibraryMessage) => void} */
let stock;
/** @type {() => number} */
let heap;

/** @param {WorkerMessage} message @param {Transferable[]} [transfer] */
const tell = (message, transfer = []) => self.postMessage(message, { transfer });

/** Bytes that belong to the last answer of the core. */
function taken() {
  const proxy = core.taken();
  const bytes = proxy.toJs();
  proxy.destroy();
  return /** @type {Uint8Array<ArrayBuffer>} */ (bytes);
}

/**
 * Ask the core in JSON about a file, or about none; what it made is a Blob of the name that it gives.
 * @param {string} op
 */
const asked =
  (op) =>
  (/** @type {any} */ { handle = 0, file = new Blob(), request }, /** @type {Uint8Array|null} */ head) =>
    withFile(handle, file, head, (_, size) => {
      const answer = JSON.parse(core[op](handle, size, JSON.stringify(request)));
      return answer.name ? { ...answer, blob: new Blob([taken()], { type: "application/dicom" }) } : answer;
    });

/** @type {Record<string, (args: any, head: Uint8Array|null) => unknown>} */
const ops = {
  configure: ({ profile, key }) => JSON.parse(core.configure(profile, key)),
  inspect: async (args, head) => {
    const { handle, entry } = args;
    const given = entry ? await unzip(core, args, head) : { code: null, file: args.file, head };
    if (given.code) return { status: "refused", code: given.code, tag: null };
    return withFile(handle, given.file, given.head, (_, size) => ({
      ...JSON.parse(core.inspect(handle, size, Boolean(entry))),
      file_bytes: size,
      file: entry && given.file,
    }));
  },
  header: asked("header"),
  series: asked("series"),
  frame: ({ handle, file, index }, head) =>
    withFile(handle, file, head, (_, size) => {
      const frame = JSON.parse(core.frame(handle, size, index));
      if (frame.code) return frame;
      frame.data =
        frame.where === "file" ? read(handle, frame.offset, frame.length) : taken().subarray(0, frame.length);
      return frame;
    }),
  video: ({ handle, file }, head) =>
    withFile(handle, file, head, (_, size) => {
      const { code, type, parts } = JSON.parse(core.video(handle, size));
      const cut = (/** @type {[number, number]} */ [start, end]) => file.slice(start, end);
      return code ? { code } : { blob: new Blob(parts.map(cut), { type }) };
    }),
  propose: asked("propose"),
  clean: ({ handle, file, request }, head) =>
    withFile(handle, file, head, (_, size) => {
      const cleaned = JSON.parse(core.clean(handle, size, JSON.stringify(request)));
      if (cleaned.status !== "clean") return { ...cleaned, blob: null };
      const bytes = taken();
      const parts = cleaned.parts.map((/** @type {[string, number, number]} */ [from, start, end]) =>
        from === "b" ? bytes.subarray(start, end) : file.slice(start, end),
      );
      delete cleaned.parts;
      return { ...cleaned, blob: new Blob(parts, { type: "application/dicom" }) };
    }),
  case: asked("case"),
  media: asked("media"),
  crosswalk: asked("crosswalk"),
  install: ({ archives }) => {
    install(archives);
    return {};
  },
  example: () => {
    const { files } = JSON.parse(core.example());
    const bytes = taken();
    return files.map(
      (/** @type {[string, number, number]} */ [name, start, end]) =>
        new File([bytes.subarray(start, end)], name),
    );
  },
  zip: ({ files }) => ({ ...JSON.parse(core.zip_headers(JSON.stringify(files))), bytes: taken() }),
  report: ({ files }) => JSON.parse(core.report(JSON.stringify(files))),
};

/** @param {CallMessage} message @param {Promise<Uint8Array|null>|null} ahead */
async function answer({ id, op, args }, ahead) {
  /** @param {{value: unknown}|{error: import("../contract.js").Failure}} said @param {Transferable[]} [transfer] */
  const reply = (said, transfer) => tell({ kind: "answer", id, ...said, full: heap() > FULL }, transfer);
  try {
    const value = await ops[op](args, await ahead);
    const { code, tag = null } = /** @type {{code?: string|null, tag?: number|null}} */ (value);
    // That a file is refused is what these two answer; from the others a code is an error.
    if (code && op !== "inspect" && op !== "clean") reply({ error: { code, tag } });
    else reply({ value }, op === "frame" ? [/** @type {any} */ (value).data.buffer] : []);
  } catch (error) {
    // The text of an error may hold patient data: only its kind decides what the page hears.
    reply({ error: { code: error instanceof DOMException ? "unreadable" : "internal-error" } });
  }
}

/** Hold a Web Lock for life: the browser releases it when this worker dies, and the page notices at once. */
function showLife() {
  const lock = `dicomveil-worker-${crypto.randomUUID()}`;
  navigator.locks.request(lock, () => {
    tell({ kind: "alive", lock });
    return new Promise(() => {});
  });
}

/** One call after the other, in the order of their arrival. */
let turn = Promise.resolve();

/** @param {CallMessage} message */
function enqueue(message) {
  const { file } = message.args;
  const ahead = file instanceof Blob ? readAhead(file) : null;
  turn = turn.then(() => answer(message, ahead));
}

self.onmessage = async ({ data }) => {
  if (data.kind === "call") return enqueue(data);
  if (data.kind === "library") return stock(data);
  try {
    ({ core, install, stock, heap } = await startPython(data));
  } catch {
    return tell({ kind: "broken", stage: "python" });
  }
  try {
    if (!isGuarded()) throw new Error("no policy");
    seal();
    core.connect(read, jpegWalker);
    tell({ kind: "ready", versions: JSON.parse(core.boot()) });
  } catch {
    tell({ kind: "broken", stage: "core" });
  }
};
showLife();
