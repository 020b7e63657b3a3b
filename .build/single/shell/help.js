// In the place of web/shell/help.js: the help is in this file, and opens as a sheet.

import { byTestId } from "../dom.js";
import { onLanguage } from "../i18n.js";

export function connectHelp() {
  const dialog = /** @type {HTMLDialogElement} */ (byTestId("help-dialog"));
  const draw = () => {
    for (const text of /** @type {NodeListOf<HTMLElement>} */ (dialog.querySelectorAll("article[lang]")))
      text.hidden = text.lang !== document.documentElement.lang;
  };
  draw();
  onLanguage(draw);
  for (const button of document.querySelectorAll("button[data-help]"))
    button.addEventListener("click", () => {
      dialog.showModal();
      dialog.scrollTop = 0;
    });
  byTestId("help-close").addEventListener("click", () => dialog.close());
}
