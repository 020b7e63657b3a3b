// Compress files by the zlib of Pyodide, here under Node: a machine's own zlib may give other bytes than the next one's.
// usage: node pack.mjs <folder of npm's pyodide> <folder with source.zip> <target.zip>
import { readFileSync, writeFileSync } from "node:fs";
import { inPyodide } from "./pyodide.mjs";

await inPyodide({}, async (pyodide, inputs, target) => {
  pyodide.FS.writeFile("/tmp/source.zip", new Uint8Array(readFileSync(`${inputs}/source.zip`)));
  pyodide.runPython(`
import zipfile, zlib
with zipfile.ZipFile("/tmp/source.zip") as source, zipfile.ZipFile("/tmp/target.zip", "w") as target:
    for name in source.namelist():
        target.writestr(zipfile.ZipInfo(name), zlib.compress(source.read(name), 9, wbits=31))  # 31: gzip, no date
`);
  writeFileSync(target, pyodide.FS.readFile("/tmp/target.zip"));
});
