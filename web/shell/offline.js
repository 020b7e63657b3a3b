// Keeps the page on this computer by a service worker: it opens without a network, and on any plain web server it has
// the policies that it needs. Nothing that somebody opens is ever kept.

import { byTestId } from "../dom.js";
import { onLanguage, t } from "../i18n.js";
import { sha256OfBlob } from "../output/sha256.js";

/** @typedef {import("../model/session.js").Session} Session */

const LISTING = "assets.json";

const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("dicomveil-offline", {
  createScriptURL(/** @type {string} */ url) {
    if (!/^sw\.js\?build=[0-9a-f]{64}$/.test(url)) throw new TypeError("not a script of this page");
    return url;
  },
});

/** Register the service worker of the build that the server has now. */
async function register() {
  const response = await fetch(LISTING, { cache: "no-store" });
  if (!response.ok) throw new Error("no build");
  const build = await sha256OfBlob(new AbortController().signal, await response.blob());
  const url = `sw.js?build=${build}`;
  const registration = await navigator.serviceWorker.register(policy ? policy.createScriptURL(url) : url, {
    updateViaCache: "none",
  });
  return { registration, build };
}

/** @param {ServiceWorker} worker @param {ServiceWorkerState} state */
function reached(worker, state) {
  return new Promise((resolve) => {
    const check = () => worker.state === state && resolve(undefined);
    worker.addEventListener("statechange", check);
    check();
  });
}

/**
 * On a server that sends no policy: get it from the service worker, which means to load the page again, once.
 * @returns {Promise<boolean>}  whether the page is about to be loaded again
 */
export async function protectedByServiceWorker() {
  if (!navigator.serviceWorker || navigator.serviceWorker.controller) return false;
  try {
    const { registration } = await register();
    const worker = registration.installing ?? registration.waiting ?? registration.active;
    if (!worker) return false;
    await Promise.race([
      navigator.serviceWorker.ready, // and not its state: WebKit does not always tell of a change of it
      reached(worker, "redundant").then(() => Promise.reject(new Error("not installed"))),
    ]);
    location.reload();
    return true;
  } catch {
    return false;
  }
}

/** Say whether the page works offline, and offer a newer build while no file is open. @param {Session} session */
export async function connectOffline(session) {
  if (!navigator.serviceWorker) return;
  try {
    const { registration, build } = await register();
    const drawBuild = () => {
      byTestId("build").textContent = t("offline.build", { build: build.slice(0, 12) });
    };
    drawBuild();
    onLanguage(drawBuild);
    navigator.serviceWorker.ready.then(() => {
      const line = byTestId("offline");
      line.dataset.ready = "yes";
      line.dataset.text = "offline.ready";
      line.textContent = t("offline.ready");
    });
    const offer = () => {
      const newer = registration.waiting;
      if (newer && navigator.serviceWorker.controller) offerUpdate(session, newer);
    };
    offer();
    registration.addEventListener("updatefound", () => {
      const worker = registration.installing;
      if (worker) reached(worker, "installed").then(offer);
    });
  } catch {
    // no network, or no storage: the page works all the same
  }
}

/** @param {Session} session @param {ServiceWorker} newer */
function offerUpdate(session, newer) {
  const button = /** @type {HTMLButtonElement} */ (byTestId("update"));
  const draw = () => {
    button.hidden = session.items.length > 0; // files that are open would be lost
  };
  session.addEventListener("state-changed", draw);
  draw();
  button.addEventListener("click", () => {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload());
    newer.postMessage("take-over");
  });
}
