// The memory of a Python that has imported the core, as the build keeps it (`.build/remember.mjs` says in which form):
// only what differs from the memory of a Pyodide that has not started. Whoever starts from it imports nothing.

/** How such a file begins: another form is another mark. */
export const MARK = 0x314d5644;

/** What Pyodide is called in its memory. */
export const PROGRAM = "./this.program";

/** Before the table of runs. */
export const NUMBERS = 7;

/**
 * A sum over the beginning of a memory: differences laid over another Pyodide's show here.
 * @param {Uint8Array} memory
 * @param {number} reach  bytes
 */
export function sumOf(memory, reach) {
  const words = new Uint32Array(memory.buffer, memory.byteOffset, reach >> 2);
  let sum = 0;
  for (let at = 0; at < words.length; at++) sum = (Math.imul(sum, 31) + words[at]) | 0;
  return sum >>> 0;
}

/**
 * What `loadPyodide` needs to start from kept memory.
 * @param {ArrayBuffer} kept
 * @param {(settings: any) => Promise<any>} create  makes Pyodide's module
 * @throws {Error} it is no such file; later, from `create`: it belongs to another Pyodide
 */
export function rememberedBy(kept, create) {
  const [mark, size, reach, sum, headerLength, runs, length] = new Uint32Array(kept, 0, NUMBERS);
  if (mark !== MARK || length !== kept.byteLength) throw new Error("not a kept memory");
  const table = new Uint32Array(kept, NUMBERS * 4, runs * 2);
  const start = (NUMBERS + runs * 2) * 4;
  return {
    // Pyodide would copy a whole memory over its own; it gets the header, with nothing behind it.
    _loadSnapshot: Promise.resolve(new Uint8Array(kept.slice(start, start + headerLength))),
    createPyodideModule: async (/** @type {any} */ settings) => {
      settings.INITIAL_MEMORY = size;
      settings.thisProgram = PROGRAM;
      const module = await create(settings);
      const memory = module.HEAPU8;
      let from = start + headerLength;
      for (let at = 0; at < table.length; at += 2) {
        memory.set(new Uint8Array(kept, from, table[at + 1]), table[at]);
        from += table[at + 1];
      }
      if (memory.length !== size || sumOf(memory, reach) !== sum) throw new Error("kept by another Pyodide");
      return module;
    },
  };
}
