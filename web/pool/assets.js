// Fetches what the workers are made of. All downloads start when this module is evaluated; WebAssembly is compiled
// while it arrives, once for all workers. Workers have no network: they get these bytes by message.

import { ASSETS } from "../contract.js";
import { CodedError } from "../errors.js";

/** @param {string} path */
async function download(path) {
  try {
    const response = await fetch(path);
    if (response.ok) return await response.arrayBuffer();
  } catch {
    // falls through: the text of the error says nothing more
  }
  throw new CodedError("assets-missing");
}

const wasm = WebAssembly.compileStreaming(fetch(ASSETS.wasm));
const memory = download(ASSETS.memory);
/** After what Python starts from, so that a slow line brings that first. */
const archives = memory.then(() => Promise.all([download(ASSETS.stdlib), download(ASSETS.core)]));
for (const started of [wasm, memory, archives]) started.catch(() => {}); // whoever awaits it hears of it

/** What every worker boots from. */
export async function bootAssets() {
  return { wasm: await wasm, memory: await memory };
}

/** What Python may import later. */
export async function libraryAssets() {
  const [stdlib, core] = await archives;
  return { stdlib, core };
}

/** @type {Promise<ArrayBuffer[]>|null} */
let pixels = null;

/** What decodes pixels: fetched when it is needed for the first time. */
export function pixelArchives() {
  pixels ??= Promise.all([download(ASSETS.numpy), download(ASSETS.imagecodecs)]).catch((error) => {
    pixels = null; // it may be there the next time
    throw error;
  });
  return pixels;
}
