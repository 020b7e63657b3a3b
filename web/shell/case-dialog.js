// The sheet in which a person describes the case. Nothing typed here is taken before it was checked.

import { byTestId } from "../dom.js";
import { codeOf } from "../errors.js";
import { explain, onLanguage, t } from "../i18n.js";

/** @typedef {import("../model/case.js").TeachingCase} TeachingCase */
/** @typedef {import("../model/session.js").Session} Session */

const FIELDS = /** @type {const} */ (["title", "description", "tags", "notes"]);

/** @param {(typeof FIELDS)[number]} name @returns {HTMLInputElement|HTMLTextAreaElement} */
const field = (name) => byTestId(`case-${name}`);

/** @param {TeachingCase} teaching @param {Session} session @param {() => void} changed */
export function connectCase(teaching, session, changed) {
  /** @type {HTMLDialogElement} */
  const dialog = byTestId("case-dialog");
  const form = /** @type {HTMLFormElement} */ (byTestId("case-form"));
  const [error, progress] = [byTestId("case-error"), byTestId("case-progress")];
  const submit = /** @type {HTMLButtonElement} */ (byTestId("case-check"));
  let abort = new AbortController();
  /** What is said in the error line, for another language. */
  let say = () => "";

  /** @param {() => string} text @param {string[]} [wrong]  the fields that it is about */
  const complain = (text, wrong = []) => {
    say = text;
    error.textContent = say();
    for (const name of FIELDS) field(name).setAttribute("aria-invalid", String(wrong.includes(name)));
    const first = FIELDS.find((name) => wrong.includes(name));
    if (first) field(first).focus();
  };
  onLanguage(() => {
    error.textContent = say();
  });

  byTestId("case").addEventListener("click", () => {
    complain(() => "");
    progress.textContent = "";
    byTestId("case-leave-out").hidden = !teaching.content;
    const { content } = teaching;
    for (const name of FIELDS)
      if (content) field(name).value = name === "tags" ? content.tags.join(", ") : content[name];
    dialog.showModal();
  });
  dialog.addEventListener("close", () => abort.abort());
  byTestId("case-cancel").addEventListener("click", () => dialog.close());
  byTestId("case-leave-out").addEventListener("click", () => {
    teaching.leaveOut();
    form.reset();
    dialog.close();
    changed();
  });
  session.addEventListener("items-cleared", () => {
    form.reset();
    changed();
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    abort = new AbortController();
    const { signal } = abort;
    complain(() => "");
    submit.disabled = true;
    const tags = field("tags").value.split(/[,;\n]/);
    const said = {
      title: field("title").value,
      description: field("description").value,
      tags: [...new Set(tags.map((tag) => tag.trim()).filter(Boolean))],
      notes: field("notes").value,
    };
    try {
      const wrong = await teaching.take(signal, said, (done, total) => {
        progress.textContent = t("case.checking", { done, total });
      });
      if (wrong.length) {
        const names = () => wrong.map((name) => t(`case.${name}`)).join(", ");
        complain(() => t("case.identifies", { fields: names() }), wrong);
      } else dialog.close();
    } catch (failed) {
      const code = codeOf(failed);
      if (code !== "cancelled") complain(() => explain("code", code));
    }
    progress.textContent = "";
    submit.disabled = false;
    changed();
  });
}
