// In the place of web/shell/offline.js: this file is on the computer already, and nothing keeps it anywhere else.

import { byTestId } from "../dom.js";
import { onLanguage, t } from "../i18n.js";
import { sha256OfBlob } from "../output/sha256.js";

export const protectedByServiceWorker = async () => false;

/** Name the build that this file was made with, as its page on a server does. */
export async function connectOffline() {
  const listing = await (await fetch("assets.json")).blob();
  const build = await sha256OfBlob(new AbortController().signal, listing);
  const draw = () => {
    byTestId("build").textContent = t("offline.build", { build: build.slice(0, 12) });
  };
  draw();
  onLanguage(draw);
}
