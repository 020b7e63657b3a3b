// What the user chose: the profile and where the key comes from. Lives in memory; nothing is stored by the browser.

import { CodedError } from "../errors.js";

/** @typedef {"anonymize"|"passphrase"|"key-file"} Mode */
/** @typedef {import("../contract.js").Profile} Profile */

export const PBKDF2_ROUNDS = 600_000;
export const KEY_BYTES = 32;
export const MIN_PASSPHRASE = 8;

const INTERVALS = ["clean_pixel_data", "retain_longitudinal_modified_dates"];

/** Options of profiles that have names in words; "custom" is any other. @type {Readonly<Record<string, string[]>>} */
export const PRESETS = Object.freeze({
  teaching: INTERVALS,
  research: [...INTERVALS, "clean_structured_content", "clean_descriptors", "retain_patient_characteristics"],
  anonymous: ["clean_pixel_data"],
});
export const CUSTOM = "custom";

/** @param {string[]} options */
export function presetOf(options) {
  const same = (/** @type {string[]} */ other) =>
    other.length === options.length && other.every((option) => options.includes(option));
  return Object.keys(PRESETS).find((name) => same(PRESETS[name])) ?? CUSTOM;
}

/**
 * Only the form: the core judges the content, and refuses what it does not know.
 * @param {string} text @param {Profile} standard  gives the salt where the profile has none @returns {Profile}
 */
export function parseProfile(text, standard) {
  try {
    const profile = JSON.parse(text);
    if (profile?.dicomveil_profile === 1 && Array.isArray(profile.options))
      return { name: "", salt: standard.salt, ...profile };
  } catch {
    // falls through: not JSON
  }
  throw new CodedError("profile-invalid");
}

/** Kinds of characters, with the one before: a letter that goes on a word, another one, a digit, all else. */
const KINDS = [/\p{L}\p{L}$/u, /\p{L}$/u, /\p{Nd}$/u, /$/];
/** What a character of each kind adds to a passphrase, in bits. */
const BITS = [2, 4.7, 3.3, 4];
/** What a passphrase is called, by each 15 bits that it has. */
const LEVELS = ["weak", "weak", "fair", "good", "strong"];

/**
 * How hard a passphrase is to guess: an estimate that knows no dictionary (see README). What repeats the character before,
 * or follows it in the alphabet, adds nothing; what was there already adds half, then a third.
 * @param {string} passphrase
 */
export function strengthOf(passphrase) {
  /** @type {Map<string, number>} */
  const times = new Map();
  const chars = [...passphrase.normalize("NFC")];
  let bits = 0;
  for (const [at, char] of chars.entries()) {
    const before = chars[at - 1] ?? "";
    times.set(char, (times.get(char) ?? 0) + 1);
    if (Math.abs((char.codePointAt(0) ?? 0) - (before.codePointAt(0) ?? 0)) < 2) continue;
    bits += BITS[KINDS.findIndex((kind) => kind.test(before + char))] / (times.get(char) ?? 1);
  }
  const level = LEVELS[Math.min(Math.floor(bits / 15), 4)];
  return { bits, level: chars.length < MIN_PASSPHRASE ? "short" : level };
}

/** 32 random bytes, for the life of this page. */
export const randomKey = () => crypto.getRandomValues(new Uint8Array(KEY_BYTES));

/**
 * PBKDF2-HMAC-SHA256 over the NFC form in UTF-8, as `dicomveil.pseudonyms.Key.from_passphrase`.
 * @param {string} passphrase
 * @param {string} salt  hex
 */
export async function keyFromPassphrase(passphrase, salt) {
  const text = passphrase.normalize("NFC");
  if ([...text].length < MIN_PASSPHRASE) throw new CodedError("key-invalid");
  const pairs = salt.match(/../g) ?? [];
  const saltBytes = Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
  const secret = await crypto.subtle.importKey("raw", new TextEncoder().encode(text), "PBKDF2", false, [
    "deriveBits",
  ]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt: saltBytes, iterations: PBKDF2_ROUNDS };
  return new Uint8Array(await crypto.subtle.deriveBits(how, secret, KEY_BYTES * 8));
}

/** A key file holds 64 hex digits, or 32 bytes. @param {Blob} file */
export async function keyFromFile(file) {
  if (file.size > 1024) throw new CodedError("key-invalid");
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes.length === KEY_BYTES) return bytes;
  const text = new TextDecoder().decode(bytes).trim();
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new CodedError("key-invalid");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
