// Errors of the page: a stable code, and a tag where one is meant. Never a value, never a file name.

/** @typedef {import("./contract.js").Failure} Failure */

export class CodedError extends Error {
  /** @param {string} code @param {number|null} [tag] */
  constructor(code, tag = null) {
    super(code);
    this.name = "CodedError";
    this.code = code;
    this.tag = tag;
  }
}

/** @param {Failure} failure */
export const rewrap = ({ code, tag }) => new CodedError(code, tag ?? null);

/**
 * The code of anything that was thrown.
 * @param {unknown} error
 */
export function codeOf(error) {
  if (error instanceof CodedError) return error.code;
  if (error instanceof DOMException && error.name === "AbortError") return "cancelled";
  if (error instanceof DOMException && (error.name === "NotReadableError" || error.name === "NotFoundError"))
    return "unreadable";
  return "internal-error";
}
