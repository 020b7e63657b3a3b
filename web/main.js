// The page: starts the workers, then connects the session to what is seen. No Python, and no bytes of files, here.

import { byTestId } from "./dom.js";
import { codeOf } from "./errors.js";
import { addCodes, loadMessages, onLanguage, t, translate } from "./i18n.js";
import { Session } from "./model/session.js";
import { pool } from "./pool/pool.js";
import { assertProtected } from "./shell/protection.js";
import "./review/file-list.js";
import "./review/header-view.js";
import { SettingsDialog } from "./settings/settings-dialog.js";
import { connectActions } from "./shell/actions.js";
import { connectDetail } from "./shell/detail.js";
import { connectLanguage } from "./shell/language.js";
import { connectOffline, protectedByServiceWorker } from "./shell/offline.js";
import { connectExample, connectOpening } from "./shell/opening.js";
import { Sharing } from "./shell/sharing.js";
import { connectShortcuts } from "./shell/shortcuts.js";
import { connectStatus, notify } from "./shell/status.js";
import "./viewer/image-viewer.js";

/** @typedef {import("./review/file-list.js").FileList} FileList */
/** @typedef {import("./review/header-view.js").HeaderView} HeaderView */
/** @typedef {import("./viewer/image-viewer.js").ImageViewer} ImageViewer */

const session = new Session(pool);
connectExample(session, pool);
connectOpening(session); // before anything else: files may be dropped while Python starts

await loadMessages();
connectShortcuts();
translate(document);
connectLanguage();

const sharing = new Sharing(session, pool);
connectStatus(session, sharing);
const list = /** @type {FileList} */ (byTestId("files"));
list.connect(session, pool);
/** @type {ImageViewer} */ (byTestId("viewer")).connect(session, pool);
/** @type {HeaderView} */ (document.querySelector("header-view")).connect(session, pool);
connectDetail(session, list);
connectActions(session, sharing, list);
// What leaves is what was decided last: a decision taken meanwhile stops whatever is being saved or sent.
session.addEventListener("results-voided", () => {
  if (sharing.busy) notify("decision-changed");
  sharing.cancel();
});

const settings = new SettingsDialog(async ({ profile, key, mode }) => {
  await pool.configure(JSON.stringify(profile), key);
  sharing.profile = { ...profile, mode };
  session.settingsChanged();
});
byTestId("settings").addEventListener("click", () => settings.open());

/** The text of a profile of this origin, named in the page's address; null when there is none. */
async function namedProfile() {
  const address = new URL(location.href).searchParams.get("profile");
  if (!address) return null;
  const url = new URL(address, document.baseURI);
  if (url.origin !== location.origin) throw new DOMException("", "SecurityError");
  return (await fetch(url)).text();
}

try {
  assertProtected();
  const named = namedProfile();
  named.catch(() => {});
  const versions = await pool.ready();
  settings.offer(versions);
  addCodes(versions.codes);
  const { version, table_edition } = versions;
  const drawVersion = () => {
    byTestId("version").textContent = t("version", { version, table_edition });
  };
  drawVersion();
  onLanguage(drawVersion);
  const text = await named;
  const { profile, key } = text === null ? settings.initial : settings.preload(text);
  await pool.configure(JSON.stringify(profile), key);
  session.booted();
  connectOffline(session);
} catch (error) {
  const code = codeOf(error);
  if (code === "not-protected" && (await protectedByServiceWorker())) await new Promise(() => {}); // the page goes
  session.failed(code === "internal-error" ? "profile-invalid" : code);
  notify(session.failure ?? code);
}
