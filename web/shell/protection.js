// What the page does before anything else: make sure that the policy of its server is in force, and close the one way
// out that a policy does not speak of.

import { CodedError } from "../errors.js";
import { isGuarded } from "../guarded.js";

// connect-src does not cover WebRTC.
Reflect.deleteProperty(globalThis, "RTCPeerConnection");
Reflect.deleteProperty(globalThis, "webkitRTCPeerConnection");

/**
 * Fail where the policy is not in force.
 * @throws {CodedError}  `not-protected`
 */
export function assertProtected() {
  if (!isGuarded()) throw new CodedError("not-protected");
}
