// Byte-compile packages with the interpreter that will run them: Pyodide, here under Node.
// usage: node compile.mjs <folder of npm's pyodide> <folder with source.zip> <compiled.zip> <settings as JSON>
import { readFileSync, writeFileSync } from "node:fs";
import { inPyodide } from "./pyodide.mjs";

await inPyodide({ env: { PYTHONHASHSEED: "0" } }, async (pyodide, inputs, compiled, settings) => {
  const script = new URL("compiling.py", import.meta.url);
  pyodide.FS.writeFile("/tmp/compiling.py", new Uint8Array(readFileSync(script)));
  pyodide.FS.writeFile("/tmp/source.zip", new Uint8Array(readFileSync(`${inputs}/source.zip`)));
  pyodide.runPython("import sys; sys.path.insert(0, '/tmp')");
  pyodide.pyimport("compiling").compile_archive("/tmp/source.zip", "/tmp/compiled.zip", settings);
  writeFileSync(compiled, pyodide.FS.readFile("/tmp/compiled.zip"));
});
