// biome-ignore-all lint/correctness/noUnusedVariables: what follows in the same script uses them
// The page as one file: where its modules find what they would ask a server for. What they know as `fetch` looks among
// the blocks at the end of this file, and knows no other place.

const fetch = async (/** @type {unknown} */ path) => {
  const block = document.querySelector(`script[data-path="${CSS.escape(String(path))}"]`);
  if (block?.getAttribute("type") !== "application/gzip") return new Response(null, { status: 404 });
  const text = atob(block.textContent);
  const packed = new Uint8Array(text.length);
  for (let at = 0; at < packed.length; at++) packed[at] = text.charCodeAt(at);
  const type = String(path).endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream, { headers: { "content-type": type } });
};

const $worker = new Blob([await (await fetch("worker/worker.js")).arrayBuffer()], {
  type: "text/javascript",
});
const $address = URL.createObjectURL($worker);

/** Only of the worker a module asks the address: it has the policy of this page from its blob. */
const $addressOf = (/** @type {string} */ path) => {
  if (path !== "worker/worker.js") throw new TypeError("not a script of this page");
  return $address;
};

/** WebKit lets no worker read a Blob when the page is a file: it gets the bytes, too (see start-worker.js). */
const $bytesToo = async (/** @type {any} */ message) => {
  const bytes = await message.args.file.arrayBuffer().catch(() => null); // the worker says that it cannot be read
  return { ...message, args: { ...message.args, bytes } };
};

/** From disk there are no workers that are modules: this one is joined to a plain script. */
const Worker = class extends globalThis.Worker {
  /** What is still being read comes before what is asked later. */
  #before = Promise.resolve();

  constructor(/** @type {string} */ address) {
    super(address, { type: "classic" });
  }

  /** @param {any} message */
  postMessage(message) {
    if (!navigator.vendor.startsWith("Apple")) return super.postMessage(message);
    const ready = message.args?.file instanceof Blob ? $bytesToo(message) : message;
    this.#before = this.#before.then(async () => super.postMessage(await ready));
  }
};
