// biome-ignore-all lint/correctness/noUnusedVariables: what follows in the same script uses them
// The worker as one script: addresses are names, which Pyodide asks for and `worker/boot.js` answers.

const $addressOf = (/** @type {string} */ path) => `dicomveil:/${path}`;

/** What is read of a Blob here, where the page gave the bytes along. @type {WeakMap<Blob, () => ArrayBuffer>} */
const $given = new WeakMap();
globalThis.addEventListener("message", ({ data }) => {
  if (data.args?.bytes) $given.set(data.args.file, () => data.args.bytes);
});
const { slice: $slice, arrayBuffer: $read, stream: $stream } = Blob.prototype;
Blob.prototype.slice = function (start, end, type) {
  const part = $slice.call(this, start, end, type);
  const whole = $given.get(this);
  if (whole) $given.set(part, () => whole().slice(start ?? 0, end));
  return part;
};
Blob.prototype.arrayBuffer = async function () {
  return $given.get(this)?.() ?? $read.call(this);
};
Blob.prototype.stream = function () {
  const whole = $given.get(this);
  return whole ? /** @type {any} */ (new globalThis.Response(whole()).body) : $stream.call(this);
};
const FileReaderSync = class extends globalThis.FileReaderSync {
  readAsArrayBuffer(/** @type {Blob} */ blob) {
    return $given.get(blob)?.() ?? super.readAsArrayBuffer(blob);
  }
};
