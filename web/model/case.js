// What a person says of the case, for those who receive it. It stays in memory, and leaves only after the core has
// looked through it for what identifies the patients of every open file. What was not checked does not leave.

import { CodedError, codeOf } from "../errors.js";
import { each } from "./each.js";

/** @typedef {import("./item.js").Item} Item */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("../pool/worker-pool.js").WorkerPool} WorkerPool */
/** @typedef {{title: string, description: string, tags: string[], notes: string}} Said */
/** @typedef {{name: string, blob: Blob, study_uid: string, series_uid: string, sop_class: string,
 *   sop_instance_uid: string}} CaseDocument  a Key Object Selection document, for archives */

export class TeachingCase {
  /** As the core tidied it; null where there is none. @type {Said|null} */
  content = null;
  /** An endpoint has all of its documents. */
  sent = false;
  #session;
  #pool;
  /** Files for which the content passed, under the settings of now. @type {WeakSet<Item>} */
  #passed = new WeakSet();

  /** @param {Session} session @param {WorkerPool} pool */
  constructor(session, pool) {
    this.#session = session;
    this.#pool = pool;
    session.addEventListener("settings-changed", () => {
      this.#passed = new WeakSet(); // what may stay is another question now
    });
    session.addEventListener("items-cleared", () => this.leaveOut());
  }

  /** There is a case, and it was not sent yet. */
  get waits() {
    return this.content !== null && !this.sent;
  }

  leaveOut() {
    this.content = null;
    this.sent = false;
    this.#passed = new WeakSet();
  }

  /**
   * Take it if nothing in it identifies; else say which fields do, and keep what was taken before.
   * @param {AbortSignal} signal @param {Said} said @param {(done: number, total: number) => void} progress
   * @returns {Promise<string[]>}
   * @throws {CodedError}  it could not be checked, and was not taken
   */
  async take(signal, said, progress) {
    const rules = this.#passed;
    /** @type {WeakSet<Item>} */
    const passed = new WeakSet();
    const { fields, content } = await this.#search(signal, { dicomveil_case: 1, ...said }, passed, progress);
    if (fields.length) return fields;
    if (rules !== this.#passed) throw new CodedError("decision-changed");
    this.leaveOut();
    this.content = content;
    this.#passed = passed;
    return [];
  }

  /** Look through it for each file that it was not checked against yet.
   * @param {AbortSignal} signal @param {object} said @param {WeakSet<Item>} passed
   * @param {(done: number, total: number) => void} [progress] */
  async #search(signal, said, passed, progress = () => {}) {
    const request = { case: JSON.stringify(said) };
    const items = this.#session.items.filter((item) => !passed.has(item));
    /** @type {Set<string>} */
    const fields = new Set();
    /** @type {Said|null} */
    let content = null;
    /** @type {unknown} */
    let failure = null;
    let done = 0;
    await each(signal, items, async (item) => {
      try {
        const answer = await this.#pool.run(signal, "case", { file: item.file, request });
        for (const field of answer.fields) fields.add(field);
        // Of a file that could not be opened, what can be read counts.
        if (answer.unread && item.info) throw new CodedError("case-unchecked");
        if (!answer.fields.length) passed.add(item);
        content = answer.case;
      } catch (error) {
        if (item.info || codeOf(error) === "case-invalid") failure ??= error;
      }
      done += 1;
      progress(done, items.length);
    });
    signal.throwIfAborted();
    if (failure) throw failure;
    if (items.length && !content) throw new CodedError("case-unchecked");
    return { fields: [...fields], content };
  }

  /**
   * One document for each study of what leaves; none where there is no case.
   * @param {AbortSignal} signal @returns {Promise<CaseDocument[]>}
   * @throws {CodedError}  something identifies, or could not be checked: nothing may leave with it
   */
  async documents(signal) {
    const { content } = this;
    if (!content) return [];
    const passed = this.#passed;
    const { fields } = await this.#search(signal, content, passed);
    if (fields.length) throw new CodedError("case-identifies");
    if (passed !== this.#passed) throw new CodedError("decision-changed");
    const leaving = this.#session.items.filter((item) => item.result?.blob);
    const studies = Map.groupBy(leaving, (item) => item.result?.name.split("/", 2).join("/"));
    return Promise.all(
      Array.from(studies.values(), (items) => {
        const request = {
          case: JSON.stringify(content),
          references: referencesTo(items),
          remove: items[0].remove,
        };
        return this.#pool.run(signal, "case", { file: items[0].file, request }, { urgent: true });
      }),
    );
  }
}

/** @param {Item[]} items */
function referencesTo(items) {
  const results = items.flatMap(({ result }) => result ?? []);
  const byUid = new Map(results.map((result) => [result.sop_instance_uid, result]));
  return Array.from(byUid, ([uid, { sop_class, series_uid, pixels }]) => [
    sop_class,
    uid,
    series_uid,
    pixels !== "none",
  ]);
}

/** The file of the case, beside its documents. @param {Said} content @param {CaseDocument[]} documents */
export function caseFile(content, documents) {
  const places = documents.map(({ study_uid, sop_instance_uid, name }) => ({
    study_instance_uid: study_uid,
    sop_instance_uid,
    file: name,
  }));
  const text = JSON.stringify({ ...content, documents: places }, null, 1);
  return new Blob([`${text}\n`], { type: "application/json" });
}
