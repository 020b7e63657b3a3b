// The help is pages of their own, made by the build, without a script: one in each language.

import { onLanguage } from "../i18n.js";

export function connectHelp() {
  const draw = () => {
    for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (
      document.querySelectorAll("a[data-help]")
    ))
      link.href = `help/${document.documentElement.lang}.html`;
  };
  draw();
  onLanguage(draw);
}
