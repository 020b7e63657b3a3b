// biome-ignore-all lint/correctness/noUnusedVariables: what follows in the same script uses them
// The worker as one script: addresses are names, which Pyodide asks for and `worker/boot.js` answers.

const $addressOf = (/** @type {string} */ path) => `dicomveil:/${path}`;
