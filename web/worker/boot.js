// Starts Python from what the page handed over: a memory in which the core is imported already. Nothing here reaches the
// network: Pyodide asks for two files by `fetch`, and is answered here. Its scripts are static imports of the worker.

// @ts-expect-error: in dist/ only, beside this folder
import createPyodideModule from "../pyodide/pyodide.asm.mjs";
// @ts-expect-error: in dist/ only, beside this folder
import { loadPyodide } from "../pyodide/pyodide.mjs";
import { rememberedBy } from "./memory.js";

/** @typedef {import("../contract.js").BootMessage} BootMessage */
/** @typedef {import("../contract.js").LibraryMessage} LibraryMessage */

const HERE = new URL("../", import.meta.url).href;

/** No package index: everything that Python may import is in archives that the page hands over. */
const NO_PACKAGES = {
  info: {
    abi_version: "2026_0",
    arch: "wasm32",
    platform: "emscripten_5_0_3",
    python: "3.14.0",
    version: "314.0.4",
  },
  packages: {},
};

/**
 * Start Python, with the core imported. What it imports or reads later needs the library.
 * @param {BootMessage} given
 * @returns {Promise<{core: Record<string, any>, stock: (library: LibraryMessage) => void,
 *   install: (archives: ArrayBuffer[]) => void, heap: () => number}>} core is `dicomveil.browser`, heap in bytes
 */
export async function startPython(given) {
  const stdlib = `${HERE}python/stdlib.zip`;
  answerRequests(given, stdlib);
  const python = await loadPyodide({
    indexURL: `${HERE}pyodide/`,
    stdLibURL: stdlib,
    packageBaseUrl: `${HERE}pyodide/`,
    lockFileContents: NO_PACKAGES,
    ...rememberedBy(given.memory, createPyodideModule),
    // Warnings and tracebacks of Python hold attribute values: they go nowhere.
    stdout: () => {},
    stderr: () => {},
  });
  return {
    core: python.pyimport("dicomveil.browser"),
    stock: ({ stdlib, core }) => {
      // Where the memory expects its archives.
      python.FS.writeFile("/lib/python314.zip", new Uint8Array(stdlib), { canOwn: true });
      python.FS.writeFile("/lib/core.zip", new Uint8Array(core), { canOwn: true });
    },
    install: (archives) => installInto(python, archives),
    heap: () => python._module.HEAPU8.length,
  };
}

/**
 * Add packages with compiled extensions.
 * @param {Record<string, any>} python
 * @param {ArrayBuffer[]} archives  ZIP files
 */
function installInto(python, archives) {
  for (const archive of archives) python.unpackArchive(archive, "zip");
  python.runPython("import importlib; importlib.invalidate_caches()");
}

/**
 * Replace the two calls by which Pyodide would load its files. Of the standard library it needs none to start.
 * @param {BootMessage} given
 * @param {string} stdlib
 */
function answerRequests(given, stdlib) {
  globalThis.fetch = async (request) => {
    const address = String(request);
    if (address === stdlib) return new Response();
    if (address.endsWith(".wasm")) return new Response(null); // not read: the compiled module is below
    return new Response(null, { status: 404 });
  };
  WebAssembly.instantiateStreaming = async (_source, imports) => ({
    instance: await WebAssembly.instantiate(given.wasm, imports),
    module: given.wasm,
  });
}
