// A ZIP of files that are not compressed (PKWARE APPNOTE 6.3.10), as a Blob of Blobs: the bytes of the images are never
// copied into memory, only read once for their checksums. Every time stamp is 1980-01-01: it says nothing.

import { crc32OfEach } from "./crc32.js";

/** @typedef {{name: string, blob: Blob}} Entry */

const MAX32 = 0xffffffff;
const MAX16 = 0xffff;
const UTF8_NAMES = 0x0800;
const DOS_DATE_1980 = 0x21;
/** Parts that are put into one Blob: to put together those of ten thousand files at once would keep the page waiting. */
const TOGETHER = 256;

/** Little-endian fields one after the other. */
class Fields {
  /** @type {number[]} */
  #bytes = [];
  /** @param {number} value */
  u16(value) {
    this.#bytes.push(value & 255, value >>> 8);
    return this;
  }
  /** @param {number} value */
  u32(value) {
    return this.u16(value & MAX16).u16(Math.floor(value / 0x10000) & MAX16);
  }
  /** @param {number} value */
  u64(value) {
    return this.u32(value % 0x100000000).u32(Math.floor(value / 0x100000000));
  }
  done() {
    return Uint8Array.from(this.#bytes);
  }
}

/** Version, flags, method, time, date, CRC and sizes, as both headers of an entry have them. */
const common = (/** @type {Fields} */ f, /** @type {number} */ version, /** @type {number} */ crc) =>
  f.u16(version).u16(UTF8_NAMES).u16(0).u16(0).u16(DOS_DATE_1980).u32(crc);

/** @param {Uint8Array<ArrayBuffer>} name @param {number} size @param {number} crc */
function localHeader(name, size, crc) {
  const large = size >= MAX32;
  const extra = large ? new Fields().u16(1).u16(16).u64(size).u64(size).done() : new Uint8Array();
  const shown = large ? MAX32 : size;
  const header = common(new Fields().u32(0x04034b50), large ? 45 : 20, crc);
  return [header.u32(shown).u32(shown).u16(name.length).u16(extra.length).done(), name, extra];
}

/** @param {Uint8Array<ArrayBuffer>} name @param {number} size @param {number} crc @param {number} offset */
function centralHeader(name, size, crc, offset) {
  const large = size >= MAX32 || offset >= MAX32;
  const extra = large ? new Fields().u16(1).u16(24).u64(size).u64(size).u64(offset).done() : new Uint8Array();
  const shown = large ? MAX32 : size;
  const version = large ? 45 : 20;
  const header = common(new Fields().u32(0x02014b50).u16(version), version, crc).u32(shown).u32(shown);
  header.u16(name.length).u16(extra.length).u16(0).u16(0).u16(0).u32(0);
  return [header.u32(large ? MAX32 : offset).done(), name, extra];
}

/** @param {number} count @param {number} size  of the central directory @param {number} offset  of it */
function ending(count, size, offset) {
  const large = count >= MAX16 || size >= MAX32 || offset >= MAX32;
  const end = new Fields();
  if (large) {
    end.u32(0x06064b50).u64(44).u16(45).u16(45).u32(0).u32(0).u64(count).u64(count).u64(size).u64(offset);
    end
      .u32(0x07064b50)
      .u32(0)
      .u64(offset + size)
      .u32(1);
  }
  const entries = large ? MAX16 : count;
  end.u32(0x06054b50).u16(0).u16(0).u16(entries).u16(entries);
  return end
    .u32(large ? MAX32 : size)
    .u32(large ? MAX32 : offset)
    .u16(0)
    .done();
}

/** What comes one after the other, as few Blobs. */
class Parts {
  size = 0;
  /** @type {Blob[]} */
  #blobs = [];
  /** @type {(Uint8Array<ArrayBuffer>|Blob)[]} */
  #open = [];

  /** @param {(Uint8Array<ArrayBuffer>|Blob)[]} parts */
  add(parts) {
    for (const part of parts) this.size += part instanceof Blob ? part.size : part.length;
    this.#open.push(...parts);
    if (this.#open.length >= TOGETHER) this.#close();
  }

  #close() {
    this.#blobs.push(new Blob(this.#open));
    this.#open = [];
  }

  done() {
    this.#close();
    return this.#blobs;
  }
}

/**
 * @param {AbortSignal} signal
 * @param {Entry[]} entries  names are unique
 * @param {(done: number) => void} progress
 * @returns {Promise<Blob>}
 */
export async function zip(signal, entries, progress = () => {}) {
  const [body, directory] = [new Parts(), new Parts()];
  const encoder = new TextEncoder();
  let done = 0;
  for await (const crc of crc32OfEach(
    signal,
    entries.map(({ blob }) => blob),
  )) {
    const { name, blob } = entries[done];
    const path = encoder.encode(name);
    directory.add(centralHeader(path, blob.size, crc, body.size));
    body.add([...localHeader(path, blob.size, crc), blob]);
    done += 1;
    progress(done);
  }
  const end = ending(entries.length, directory.size, body.size);
  return new Blob([...body.done(), ...directory.done(), end], { type: "application/zip" });
}
