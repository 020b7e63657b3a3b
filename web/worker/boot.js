// Starts Python from what the page handed over. Nothing here reaches the network: Pyodide asks for two files by
// `fetch`, and is answered from memory. Its two scripts are static imports: the browser fetches them with the worker.

// @ts-expect-error: in dist/ only, beside this folder
import createPyodideModule from "../pyodide/pyodide.asm.mjs";
// @ts-expect-error: in dist/ only, beside this folder
import { loadPyodide } from "../pyodide/pyodide.mjs";

/** @typedef {import("../contract.js").BootMessage} BootMessage */

const HERE = new URL("../", import.meta.url).href;

/** No package index: everything that Python may import is in the two archives. */
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
 * Start Python and import the core.
 * @param {BootMessage} given
 * @returns {Promise<{core: Record<string, any>, install: (archives: ArrayBuffer[]) => void}>} core is `dicomveil.browser`
 */
export async function startPython(given) {
  const stdlib = `${HERE}python/stdlib.zip`;
  answerFromMemory(given, stdlib);
  const python = await loadPyodide({
    indexURL: `${HERE}pyodide/`,
    stdLibURL: stdlib,
    packageBaseUrl: `${HERE}pyodide/`,
    lockFileContents: NO_PACKAGES,
    createPyodideModule,
    // Warnings and tracebacks of Python hold attribute values: they go nowhere.
    stdout: () => {},
    stderr: () => {},
  });
  python.FS.writeFile("/lib/core.zip", new Uint8Array(given.core), { canOwn: true });
  python.runPython('import sys; sys.path.insert(0, "/lib/core.zip")');
  return { core: python.pyimport("dicomveil.browser"), install: (archives) => installInto(python, archives) };
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
 * Replace the two calls by which Pyodide would load its files.
 * @param {BootMessage} given
 * @param {string} stdlib
 */
function answerFromMemory(given, stdlib) {
  globalThis.fetch = async (request) => {
    const address = String(request);
    if (address === stdlib) return new Response(given.stdlib);
    if (address.endsWith(".wasm")) return new Response(null); // not read: the compiled module is below
    return new Response(null, { status: 404 });
  };
  WebAssembly.instantiateStreaming = async (_source, imports) => ({
    instance: await WebAssembly.instantiate(given.wasm, imports),
    module: given.wasm,
  });
}
