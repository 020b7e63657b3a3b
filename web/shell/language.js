// The switch of the language. The choice holds for this page: the browser stores nothing.

import { byTestId, el } from "../dom.js";
import { changeLanguage, LANGUAGES } from "../i18n.js";
import { connectHelp } from "./help.js";
import { notify } from "./status.js";

/** A language by its own name, as a list shows it. @param {string} language */
function ownName(language) {
  const name = new Intl.DisplayNames([language], { type: "language" }).of(language) ?? language;
  return name.charAt(0).toLocaleUpperCase(language) + name.slice(1);
}

export function connectLanguage() {
  const list = /** @type {HTMLSelectElement} */ (byTestId("language"));
  list.replaceChildren(
    ...LANGUAGES.map((lang) => el("option", { value: lang, lang, textContent: ownName(lang) })),
  );
  list.value = document.documentElement.lang;
  connectHelp();
  list.addEventListener("change", async () => {
    try {
      await changeLanguage(list.value);
    } catch {
      list.value = document.documentElement.lang;
      notify("assets-missing");
    }
  });
}
