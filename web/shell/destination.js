// Where to send: what the server of this page says, or what a person enters.

import { byTestId } from "../dom.js";
import { codeOf } from "../errors.js";
import { explain } from "../i18n.js";
import { resource } from "../output/endpoint.js";

/** @typedef {import("../output/endpoint.js").Destination} Destination */

/** In the file that is carried along nothing is sent: `.build/single/` has another module in the place of this one. */
export const canSend = true;

/** Where the server of this page says to send, so that one click does; else null. @returns {Promise<Destination|null>} */
export async function ownDestination() {
  try {
    const response = await fetch("settings.json", { cache: "no-store" });
    if (!response.ok) return null;
    const { endpoint, token } = await response.json();
    return typeof endpoint === "string" ? { endpoint, token: String(token ?? "") } : null;
  } catch {
    return null;
  }
}

/** The sheet that asks for an endpoint and its token. @param {(destination: Destination) => void} chosen */
export function connectDestination(chosen) {
  const dialog = /** @type {HTMLDialogElement} */ (byTestId("upload-dialog"));
  const value = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byTestId(id)).value.trim();
  byTestId("upload-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const destination = { endpoint: value("endpoint"), token: value("token") };
    try {
      resource(destination.endpoint, "studies");
    } catch (error) {
      byTestId("upload-error").textContent = explain("code", codeOf(error));
      return;
    }
    dialog.close();
    chosen(destination);
  });
  byTestId("upload-cancel").addEventListener("click", () => dialog.close());
  return () => {
    byTestId("upload-error").textContent = "";
    dialog.showModal();
  };
}
