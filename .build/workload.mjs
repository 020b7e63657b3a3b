// Runs workload.py on what dist/ gives to a worker, under Node, and prints its measurements as JSON.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , pyodideFolder, dist, workload] = process.argv;
const { loadPyodide } = await import(pathToFileURL(`${pyodideFolder}/pyodide.mjs`).href);
const { jpegWalker } = await import(pathToFileURL(`${dist}/worker/jpeg-walker.js`).href);
const read = (/** @type {string} */ name) => new Uint8Array(readFileSync(`${dist}/python/${name}.zip`));

const python = await loadPyodide({ indexURL: `${pyodideFolder}/`, stdLibURL: `${dist}/python/stdlib.zip` });
python.FS.writeFile("/lib/core.zip", read("core"));
python.runPython('import sys; sys.path.insert(0, "/lib/core.zip")');
for (const name of ["numpy", "imagecodecs"]) python.unpackArchive(read(name), "zip");
python.runPython("import importlib; importlib.invalidate_caches()");
python.pyimport("dicomveil.browser").connect(() => new Uint8Array(0), jpegWalker);
python.FS.writeFile("/lib/workload.py", readFileSync(workload));
python.runPython('sys.path.insert(0, "/lib")');
console.log(python.runPython("import json, workload; json.dumps(workload.measure())"));
