// The one file that page and worker share: what crosses between them, and nothing else.
//
// Page -> worker   {kind: "boot", wasm, memory}          once; the worker has no network of its own
//                  {kind: "library", stdlib, core}       once, when it is ready, before all calls: what Python imports and reads later
//                  {kind: "call", id, op, args}          one question; answered exactly once
// Worker -> page   {kind: "alive", lock}                 the worker holds this Web Lock for as long as it lives
//                  {kind: "ready", versions}             Python runs
//                  {kind: "broken", stage}               it could not start
//                  {kind: "answer", id, value}           value is a plain object or null
//                  {kind: "answer", id, error: {code, tag}}   fixed codes; never a text, since texts may hold values
//                  both with {full: true} when its memory, which never shrinks, has grown large

/**
 * What a worker can be asked to do.
 * @typedef {"configure"|"inspect"|"header"|"series"|"frame"|"video"|"propose"|"clean"|"case"|"media"|"crosswalk"|"example"|"zip"|"report"|"install"} Op
 */

/** Names of the parts that the page fetches for the workers, with their addresses below the page. */
export const ASSETS = Object.freeze({
  wasm: "pyodide/pyodide.asm.wasm",
  memory: "python/memory.bin",
  stdlib: "python/stdlib.zip",
  core: "python/core.zip",
  numpy: "python/numpy.zip",
  imagecodecs: "python/imagecodecs.zip",
});

/** The core's answer when it needs numpy and imagecodecs, which are loaded only then. */
export const PIXELS_NOT_LOADED = "pixels-not-loaded";

/**
 * @typedef {{code: string, tag?: number|null}} Failure
 * @typedef {{dicomveil_profile: 1, name: string, options: string[], salt: string}} Profile
 * @typedef {{version: string, table_edition: string, pydicom: string, python: string, options: string[],
 *   default_profile: Profile, codes: Record<string, string>}} Versions
 * @typedef {{kind: "boot", wasm: WebAssembly.Module, memory: ArrayBuffer}} BootMessage
 * @typedef {{kind: "library", stdlib: ArrayBuffer, core: ArrayBuffer}} LibraryMessage
 * @typedef {{kind: "call", id: number, op: Op, args: Record<string, unknown>}} CallMessage
 * @typedef {{kind: "alive", lock: string} | {kind: "ready", versions: Versions} | {kind: "broken", stage: string}
 *   | {kind: "answer", id: number, value?: unknown, error?: Failure, full?: boolean}} WorkerMessage
 */

/**
 * What the core says of an input. Values in it are for display only: never logged, stored or sent.
 * @typedef {object} Inspection
 * @property {"ready"|"attention"|"refused"} status
 * @property {string|null} code
 * @property {number|null} tag
 * @property {string[]} risks  codes; empty means no risk of burned-in text
 * @property {{key: string, name: string, id: string}} patient
 * @property {{uid: string, date: string, description: string}} study
 * @property {{uid: string, number: string, description: string, modality: string}} series
 * @property {{uid: string, number: string}} instance
 * @property {string} sop_class
 * @property {string} sop_class_name
 * @property {string} transfer_syntax
 * @property {string} transfer_syntax_name
 * @property {number} rows
 * @property {number} columns
 * @property {number} frames
 * @property {boolean} has_pixels
 * @property {boolean} preview
 * @property {boolean} redactable
 * @property {{manufacturer: string, model: string}} device
 * @property {number|null} frame_time  milliseconds from one frame to the next, where the file says so
 * @property {number} header_bytes
 * @property {number} file_bytes
 */

/**
 * A file in a ZIP, as `dicomveil.zip_reading.ZipEntry`. Of a ZIP the core's answer to `inspect` is `entries`; asked about an
 * entry, whose range of the ZIP is the file then, it has the `file` that is in it.
 * @typedef {[path: string, start: number, end: number, packed: number, size: number, deflated: boolean, crc: number,
 *   code: string|null]} ZipEntry
 */

/**
 * One row of the header before and after. Values are for display only.
 * @typedef {object} HeaderRow
 * @property {string[]} path  enclosing items, outermost first, such as "(0008,1140)[1]"
 * @property {number} tag
 * @property {string} name
 * @property {string} keyword
 * @property {string} vr
 * @property {string} action  K keep, X remove, Z empty, D replace, U remap, C clean, + added marker
 * @property {string} rule  where the action comes from, such as "PS3.15 E.1-1 X/Z"
 * @property {string|null} option  the option that changed it
 * @property {string} reason  a message id
 * @property {string} before
 * @property {string|null} after
 */

/**
 * An attribute in which the images of a series differ, in value or in what becomes of it.
 * @typedef {object} SeriesRow
 * @property {string[]} path
 * @property {number} tag
 * @property {string} name
 * @property {string} keyword
 * @property {number} images  that have it
 * @property {number} distinct  values
 * @property {boolean} more  there are more than that
 * @property {boolean} changed  one of them is
 * @property {SeriesValue[]} values  the first of them
 */

/**
 * One of the values, in how many images it is (null: not counted), and the first of these, from 0.
 * @typedef {HeaderRow & {images: number|null, first: number}} SeriesValue
 */

/**
 * What the images of a series have in common, and where they differ.
 * @typedef {{images: number, cut: boolean, rows: (HeaderRow|SeriesRow)[]}} SeriesHeader
 */

/**
 * One frame as it is stored, with what is needed to draw it (PS3.3 C.7.6.3, C.11.1, C.11.2).
 * @typedef {object} Frame
 * @property {number} rows
 * @property {number} columns
 * @property {number} samples
 * @property {number} bits_allocated
 * @property {number} bits_stored
 * @property {number} high_bit
 * @property {boolean} signed
 * @property {string} photometric
 * @property {number} planar
 * @property {boolean} big_endian
 * @property {number} slope
 * @property {number} intercept
 * @property {[number, number][]} windows  centre and width
 * @property {number|null} padding
 * @property {{first: number, rgb: string}|null} palette  8-bit RGB triplets in hexadecimal
 * @property {ArrayBuffer|Uint8Array} data  the stored bytes of the frame
 */

/**
 * An area in pixels of the image, origin at the top left; frames null means all, else first and last, from 0.
 * `points` are a polygon's, each a pixel, and the box is the one around them. `keep_only` turns it around: all that lies
 * outside of such areas is covered.
 * @typedef {{frames: [number, number]|null, shape: "rectangle"|"ellipse"|"polygon", x: number, y: number, width: number,
 *   height: number, keep_only: boolean, points?: [number, number][]}} Redaction
 */

/**
 * What a person may want to cover, and why; `reason` is a message id, `label` names a rule.
 * @typedef {{source: "regions"|"device"|"text"|"template", reason: string, label: string, areas: Redaction[]}} Proposal
 */

/**
 * A cleaned and verified file: its new name, and its bytes as a Blob of parts.
 * @typedef {object} Cleaned
 * @property {"clean"|"refused"|"attention"} status
 * @property {string|null} code
 * @property {number|null} tag
 * @property {string} name
 * @property {string} sop_class
 * @property {string} transfer_syntax
 * @property {Record<string, number>} actions
 * @property {string[]} warnings
 * @property {string} pixels
 * @property {string} sop_instance_uid
 * @property {string} study_uid
 * @property {string} series_uid
 * @property {Blob|null} blob
 */
