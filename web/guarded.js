// Whether the policy of the server is in force here: in the page, and in each worker.

const refuse = () => {
  throw new TypeError("not a script of this page");
};

// What is forbidden anyway fails without a violation: a browser would tell of two at every start, of the check below and
// of Pyodide's, which asks what kind of worker it is in.
try {
  /** @type {any} */ (globalThis).trustedTypes?.createPolicy("default", {
    createScript: refuse,
    createScriptURL: refuse,
  });
} catch {
  // A server has a policy of its own: the check tells what it is worth.
}

/** Whether scripts can not be made of text: where they can, there is no Content Security Policy, and nothing else of it holds. */
export function isGuarded() {
  try {
    // biome-ignore lint/security/noGlobalEval: it has to fail
    globalThis.eval("0");
    return false;
  } catch {
    return true;
  }
}
