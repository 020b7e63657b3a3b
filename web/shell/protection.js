// What the page does before anything else: make sure that the policy of its server is in force, and close the one way
// out that a policy does not speak of.

import { CodedError } from "../errors.js";

// connect-src does not cover WebRTC.
Reflect.deleteProperty(globalThis, "RTCPeerConnection");
Reflect.deleteProperty(globalThis, "webkitRTCPeerConnection");

/**
 * Fail where scripts may be made of text: then there is no Content Security Policy, and nothing else of it holds either.
 * @throws {CodedError}  `not-protected`
 */
export function assertProtected() {
  try {
    // biome-ignore lint/security/noGlobalEval: it has to fail
    globalThis.eval("0");
  } catch {
    return;
  }
  throw new CodedError("not-protected");
}
