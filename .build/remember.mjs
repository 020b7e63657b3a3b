// Start Python under Node, import the core, and keep its memory: a worker that starts from it imports nothing.
// usage: node remember.mjs <folder of npm's pyodide> <folder with stdlib.zip and core.zip> <memory.bin>
//
// What is kept is what differs from the memory of a Pyodide that has not started Python; `web/worker/memory.js` reads it:
//
//   7 x uint32   mark, size of the memory in bytes, how far Pyodide's own data reach into it, sum over these (see there),
//                bytes of Pyodide's own header, number of runs, bytes of the whole file
//   2 x uint32   for each run: where it begins in memory, its length
//   Pyodide's own header (API.makeSnapshot), then the bytes of each run
//
// The same input gives the same bytes: time and randomness stand still meanwhile. What Python draws at random later it
// asks of the browser, each time; the little that Pyodide's allocator drew before its start is the same for everybody.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { MARK, NUMBERS, PROGRAM, sumOf } from "../web/worker/memory.js";
import { inPyodide } from "./pyodide.mjs";

/** Equal stretches shorter than this are kept with what is around them: fewer runs, hardly more bytes. */
const GAP = 256;

process.env.TZ = "UTC";
/** Milliseconds; the allocator takes it as a seed. */
let time = 0;
Date.now = () => Date.UTC(2026, 0, 1) + time;
performance.now = () => time;
crypto.getRandomValues = (array) => {
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength).fill(0);
  return array;
};

/**
 * The runs in which a memory differs from how it began, or could have begun.
 * @param {Uint8Array} after @param {Uint8Array[]} before
 */
function runsOf(after, before) {
  /** @type {[number, number][]} begin and end */
  const runs = [];
  for (let at = 0; at < after.length; at++) {
    if (before.every((memory) => memory[at] === after[at])) continue;
    const last = runs.at(-1);
    if (last && at - last[1] < GAP) last[1] = at + 1;
    else runs.push([at, at + 1]);
  }
  return runs;
}

/** Where the first megabyte of zeros begins. @param {Uint8Array} memory */
function reachOf(memory) {
  let zeros = 0;
  for (let at = 0; at < memory.length; at++) {
    zeros = memory[at] ? 0 : zeros + 1;
    if (zeros === 1 << 20) return at + 1 - zeros;
  }
  return memory.length;
}

const [, , pyodideFolder, inputs] = process.argv;
const { default: create } = await import(pathToFileURL(`${pyodideFolder}/pyodide.asm.mjs`).href);
/** @type {Uint8Array[]} */
const before = [];
const options = {
  _makeSnapshot: true,
  stdLibURL: `${inputs}/stdlib.zip`,
  env: { HOME: "/home/pyodide", PYTHONHASHSEED: "0" },
  createPyodideModule: (/** @type {any} */ settings) => {
    settings.thisProgram = PROGRAM;
    settings.arguments = [];
    settings.onRuntimeInitialized = () => before.push(settings.HEAPU8.slice()); // before Python's main
    return create(settings);
  },
};

// Three times, to see which bytes are random.
for (time of [1000.25, 77777.5, 0]) await inPyodide(options, async () => {});
await inPyodide(options, async (pyodide, _, target) => {
  pyodide.FS.writeFile("/lib/core.zip", new Uint8Array(readFileSync(`${inputs}/core.zip`)));
  pyodide.runPython(`
import sys
sys.path.insert(0, "/lib/core.zip")
import gc, dicomveil.browser
dicomveil.browser.boot()
gc.collect()
`);
  const made = pyodide.makeMemorySnapshot();
  const headerLength = new Uint32Array(made.buffer, made.byteOffset, 2)[1];
  const after = made.subarray(headerLength);
  const runs = runsOf(after, before);
  const reach = reachOf(after);
  const data = runs.map(([begin, end]) => after.subarray(begin, end));
  const table = new Uint32Array(NUMBERS + 2 * runs.length);
  for (const [at, [begin, end]] of runs.entries()) table.set([begin, end - begin], NUMBERS + 2 * at);
  const parts = [new Uint8Array(table.buffer), made.subarray(0, headerLength), ...data];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  table.set([MARK, after.length, reach, sumOf(after, reach), headerLength, runs.length, length]);
  writeFileSync(target, Buffer.concat(parts));
});
