// Resolve what the browser needs with micropip, in Pyodide under Node; write what it froze.
// usage: node resolve.mjs <folder of npm's pyodide> <folder of wheels> <index> <requirements as JSON> <output>
import { writeFileSync } from "node:fs";
import { inPyodide } from "./pyodide.mjs";

await inPyodide(
  { packageCacheDir: process.argv[3] },
  async (pyodide, _wheels, index, requirements, output) => {
    await pyodide.loadPackage("micropip", { messageCallback() {} });
    const micropip = pyodide.pyimport("micropip");
    await micropip.install.callKwargs(pyodide.toPy(JSON.parse(requirements)), { index_urls: index });
    const installed = [...micropip.list().keys()];
    writeFileSync(output, JSON.stringify({ installed, frozen: JSON.parse(micropip.freeze()) }));
  },
);
