// An endpoint: its addresses, how the page says who it is, and what it asks beside storing. No byte of a file is here.

import { CodedError } from "../errors.js";

/** `token`: a bearer token (RFC 6750); with a colon in it, user and password (RFC 7617); or nothing.
 * @typedef {{endpoint: string, token: string}} Destination */

/** How long the browser may take to tell that the page's policy stopped a request. */
const POLICY_MS = 100;
/** UIDs in one question. */
const ASKED = 5000;

/** @param {string} endpoint @param {string} name @returns {URL} the address of a resource of the endpoint */
export function resource(endpoint, name) {
  const base = new URL(endpoint.endsWith("/") ? endpoint : `${endpoint}/`, document.baseURI);
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(base.hostname);
  if (base.protocol !== "https:" && !(base.protocol === "http:" && loopback))
    throw new CodedError("endpoint-not-https");
  return new URL(name, base);
}

/** @param {Destination} destination @returns {Record<string, string>} */
export function headersFor({ token }) {
  if (!token) return {};
  if (!token.includes(":")) return { Authorization: `Bearer ${token}` };
  return { Authorization: `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(token)))}` };
}

/**
 * A request that sends no cookie, no referrer, and follows nowhere else.
 * @param {AbortSignal} signal @param {URL} address @param {RequestInit} options
 * @throws {CodedError} `upload-unreachable`, or `upload-not-allowed` when the page's own policy forbids the address
 */
export async function answered(signal, address, options) {
  let forbidden = false;
  const note = () => {
    forbidden = true;
  };
  document.addEventListener("securitypolicyviolation", note);
  try {
    const safely = /** @type {const} */ ({
      credentials: "omit",
      referrerPolicy: "no-referrer",
      redirect: "error",
      cache: "no-store",
    });
    return await fetch(address, { ...options, ...safely, signal });
  } catch {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, POLICY_MS));
    throw new CodedError(forbidden ? "upload-not-allowed" : "upload-unreachable");
  } finally {
    document.removeEventListener("securitypolicyviolation", note);
  }
}

/**
 * Which instances an endpoint of ours has, with their SHA-256. Another DICOMweb server does not know the question: then,
 * and while nobody answers, none is known.
 * @param {AbortSignal} signal @param {Destination} destination @param {string[]} uids
 * @returns {Promise<Map<string, string>>}
 * @throws {CodedError} `upload-unauthorized`
 */
export async function storedDigests(signal, destination, uids) {
  /** @type {Map<string, string>} */
  const found = new Map();
  for (let at = 0; at < uids.length; at += ASKED) {
    try {
      const response = await answered(signal, resource(destination.endpoint, "digests"), {
        method: "POST",
        headers: { ...headersFor(destination), "Content-Type": "application/json" },
        body: JSON.stringify({ instances: uids.slice(at, at + ASKED) }),
      });
      if (response.status === 401) throw new CodedError("upload-unauthorized");
      if (!response.ok) break;
      const { digests } = await response.json();
      for (const [uid, digest] of Object.entries(digests)) found.set(uid, String(digest));
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof CodedError && error.code === "upload-unauthorized") throw error;
      break;
    }
  }
  return found;
}
