// Takes every way to the network, to other realms and to storage away from this worker.
//
// The Content Security Policy of the worker's own response (connect-src 'none') is the wall; this is the second one, so
// that a mistake in the first does not matter. What stays: postMessage, MessageChannel (Python's scheduler), locks.

const GLOBALS = [
  "fetch",
  "fetchLater",
  "XMLHttpRequest",
  "XMLHttpRequestUpload",
  "WebSocket",
  "WebSocketStream",
  "WebSocketError",
  "WebTransport",
  "EventSource",
  "RTCPeerConnection",
  "RTCDataChannel",
  "RTCRtpScriptTransformer",
  "importScripts",
  "Worker",
  "SharedWorker",
  "ServiceWorker",
  "BroadcastChannel",
  "FontFace",
  "FontFaceSet",
  "fonts",
  "Notification",
  "PushManager",
  "BackgroundFetchManager",
  "Request",
  "Cache",
  "CacheStorage",
  "caches",
  "IDBFactory",
  "indexedDB",
  "cookieStore",
  "CookieStore",
  "StorageManager",
  "webkitRequestFileSystem",
  "webkitRequestFileSystemSync",
  "webkitResolveLocalFileSystemURL",
  "webkitResolveLocalFileSystemSyncURL",
];

const NAVIGATOR = [
  "sendBeacon",
  "storage",
  "storageBuckets",
  "serviceWorker",
  "connection",
  "usb",
  "serial",
  "hid",
];

/**
 * Remove a property from an object and from everything it inherits from, and keep it from coming back.
 * @param {object} target
 * @param {string} name
 */
function forget(target, name) {
  for (let object = target; object && object !== Object.prototype; object = Object.getPrototypeOf(object)) {
    if (Object.hasOwn(object, name)) Reflect.deleteProperty(object, name);
  }
  try {
    Object.defineProperty(target, name, { value: undefined, writable: false, configurable: false });
  } catch {
    // It could not be deleted: the check below says so.
  }
}

/**
 * Close all ways out of this realm; throws if one is still open, so that a worker never runs unsealed.
 * @throws {Error}
 */
export function seal() {
  const realm = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (globalThis));
  const browser = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (navigator));
  for (const name of GLOBALS) forget(realm, name);
  for (const name of NAVIGATOR) forget(browser, name);
  const streaming = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (WebAssembly));
  for (const name of ["compileStreaming", "instantiateStreaming"]) forget(streaming, name);
  if (
    GLOBALS.some((name) => realm[name] !== undefined) ||
    NAVIGATOR.some((name) => browser[name] !== undefined)
  )
    throw new Error("not sealed");
}
