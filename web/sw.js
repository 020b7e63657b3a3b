// The service worker: keeps this build of the page on the computer, so that it opens without a network, and gives every
// response of it the policies that a plain web server does not send. It answers for the files of assets.json alone;
// it never sees a file that somebody opens, and what is uploaded goes past it.
//
// Registered as sw.js?build=HASH, with the SHA-256 of assets.json: another build is another service worker.

const scope = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const HERE = new URL("./", location.href).href;
const BUILD = new URL(location.href).searchParams.get("build") ?? "";
const PREFIX = "dicomveil-";
const CACHE = PREFIX + BUILD;
const LISTING = "assets.json";
const PAGE = "index.html";
/** The server may have another policy for its page by now, but it may also be slow, or gone. */
const PATIENCE_MS = 1500;
/** Nobody needs these to work. */
const NOT_KEPT = /^licences\//;

// Sent by dicomveil's own server, too, with its endpoints: a page's policy that forbids by default stays as it is.
const POLICY =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; " +
  "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; " +
  "font-src 'self'; manifest-src 'self'; require-trusted-types-for 'script'; " +
  "trusted-types default dicomveil dicomveil-offline; connect-src ";
const OF_WORKERS = /^worker\/|^pyodide\/.*js$/;

/** @param {ArrayBuffer} bytes */
async function digest(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A response with the policies. @param {string} path @param {Response} response @param {BodyInit} body */
function guarded(path, response, body) {
  const headers = new Headers(response.headers);
  for (const name of ["set-cookie", "content-encoding", "content-length"]) headers.delete(name);
  const theirs = headers.get("content-security-policy") ?? "";
  if (OF_WORKERS.test(path)) headers.set("content-security-policy", `${POLICY}'none'`);
  else if (!theirs.includes("default-src 'none'")) headers.set("content-security-policy", `${POLICY}'self'`);
  headers.set("x-content-type-options", "nosniff");
  headers.set("referrer-policy", "no-referrer");
  return new Response(body, { headers });
}

/** The page is asked for, and kept, as the folder that it is in. @param {string} path */
const addressOf = (path) => HERE + (path === PAGE ? "" : path);

/**
 * Fetch a file of this build.
 * @param {string} path @param {string} sha256
 * @throws {Error}  it is not there, or not that of this build
 */
async function fetched(path, sha256) {
  const response = await fetch(addressOf(path), { cache: "no-cache" });
  const body = await response.arrayBuffer();
  if (!response.ok || (await digest(body)) !== sha256) throw new Error("another build");
  return guarded(path, response, body);
}

/** Keep every file of this build, or none. Files that an older build has as well are not fetched again. */
async function install() {
  const answer = await fetched(LISTING, BUILD);
  /** @type {Record<string, {sha256: string}>} */
  const listing = await answer.clone().json();
  const cache = await caches.open(CACHE);
  const kept = await olderFiles();
  for (const [path, { sha256 }] of Object.entries(listing)) {
    if (NOT_KEPT.test(path)) continue;
    await cache.put(addressOf(path), (await kept(path, sha256)) ?? (await fetched(path, sha256)));
  }
  await cache.put(HERE + LISTING, answer); // last: a cache with a listing is whole
}

/** Finds the same file in what older builds left. */
async function olderFiles() {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  const older = await Promise.all(
    names.map(async (name) => {
      const cache = await caches.open(name);
      return { cache, listing: await (await cache.match(HERE + LISTING))?.json() };
    }),
  );
  return (/** @type {string} */ path, /** @type {string} */ sha256) => {
    if (path === PAGE) return undefined; // its policy is the server's of today
    return older.find(({ listing }) => listing?.[path]?.sha256 === sha256)?.cache.match(addressOf(path));
  };
}

/** The page itself: as the server sends it today, if that is of this build and comes soon. */
async function page() {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(HERE, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE_MS) });
    const body = await response.arrayBuffer();
    const listing = await (await cache.match(HERE + LISTING))?.json();
    if (response.ok && listing?.[PAGE]?.sha256 === (await digest(body))) {
      await cache.put(HERE, guarded(PAGE, response, body));
    }
  } catch {
    // no network
  }
  return (await cache.match(HERE)) ?? Response.error();
}

/** @param {string} address  without what follows "?" */
async function file(address) {
  const cache = await caches.open(CACHE);
  return cache.match(address);
}

/** Folders of the build: the browser may take what lies in them from the cache without starting this script. */
const FOLDERS =
  "help locales model open output pool pyodide python review settings shell viewer worker".split(" ");

/** @param {any} event  of the kind "install"; not every browser has routes */
async function addRoutes(event) {
  const at = new URL(HERE).pathname;
  const condition = (/** @type {string} */ folder) => ({
    requestMethod: "GET",
    urlPattern: { pathname: `${at}${folder}/*`, baseURL: HERE },
  });
  const source = { cacheName: CACHE };
  await event.addRoutes?.(FOLDERS.map((folder) => ({ condition: condition(folder), source })));
}

scope.addEventListener("install", (event) => {
  event.waitUntil(addRoutes(event).catch(() => {})); // without routes this script answers
  event.waitUntil(install());
});

scope.addEventListener("activate", (event) =>
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys())
        if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
      await scope.clients.claim();
    })(),
  ),
);

scope.addEventListener("message", ({ data }) => {
  if (data === "take-over") scope.skipWaiting(); // said by a page without open files
});

scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = request.url.replace(/[?#].*$/, "");
  if (request.method !== "GET" || !address.startsWith(HERE)) return;
  if (request.mode === "navigate") {
    if (address === HERE || address === `${HERE}index.html`) event.respondWith(page());
    else if (address.startsWith(`${HERE}help/`))
      event.respondWith(file(address).then((found) => found ?? fetch(request)));
    return;
  }
  // What the page asks to learn of a newer build goes to the server.
  if (address === HERE + LISTING || request.cache === "no-store") return;
  event.respondWith(file(address).then((found) => found ?? fetch(request)));
});
