// A frame ready to draw: decoded once, windowed as often as the user drags. No DOM.

import { colour, extent, palette, storedValues } from "./samples.js";

/** @typedef {import("../contract.js").Frame} Frame */
/** @typedef {{centre: number, width: number}} Window */

/**
 * The linear function of PS3.3 C.11.2.1.2.1, as a grey value from 0 to 255.
 * @param {number} value @param {Window} window
 */
export function windowed(value, { centre, width }) {
  if (width <= 1) return value <= centre - 0.5 ? 0 : 255;
  const grey = ((value - (centre - 0.5)) / (width - 1) + 0.5) * 255;
  return grey <= 0 ? 0 : grey >= 255 ? 255 : Math.round(grey);
}

export class Picture {
  /** @type {ArrayLike<number>} */
  #values = [];
  /** Colour: a pixel each. @type {Uint32Array|null} */
  #rgba = null;
  /** @type {Frame|null} */
  #frame = null;
  #whole = /** @type {Window|null} */ (null);
  width = 0;
  height = 0;
  grey = false;
  /** What it holds in memory. */
  bytes = 0;
  /** The file's own windows. @type {Window[]} */
  windows = [];
  /** Where the window starts: the file's first one, or the range of the values. @type {Window} */
  initial = { centre: 128, width: 256 };

  /** @param {Frame} [frame] */
  constructor(frame) {
    if (!frame) return;
    this.width = frame.columns;
    this.height = frame.rows;
    const values = storedValues(frame);
    this.grey = frame.samples === 1 && !frame.palette;
    if (!this.grey) this.#take((frame.palette ? palette : colour)(frame, values));
    else {
      this.#values = values;
      this.#frame = frame;
      this.bytes = values.byteLength;
      const given = frame.windows.filter(([, width]) => width >= 1);
      this.windows = given.map(([centre, width]) => ({ centre, width }));
      this.initial = this.windows.find((window) => this.#shows(window)) ?? this.whole;
    }
  }

  /** @param {ImageData} image */
  static of({ data, width, height }) {
    const picture = new Picture();
    Object.assign(picture, { width, height });
    picture.#take(data);
    return picture;
  }

  /** @param {Uint8ClampedArray} data */
  #take(data) {
    this.#rgba = new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
    this.bytes = data.byteLength;
  }

  /** Whether a window leaves any difference: one far from all values would hide what is in the picture.
   * @param {Window} window */
  #shows({ centre, width }) {
    const { centre: middle, width: range } = this.whole;
    return range <= 1 || Math.abs(centre - middle) < (width + range) / 2;
  }

  /** The window over all values that there are. @returns {Window} */
  get whole() {
    if (this.#whole || !this.#frame) return this.#whole ?? this.initial;
    const { slope, intercept, padding, bits_stored: bits } = this.#frame;
    const [a, b] = extent(this.#values, padding).map((value) => value * slope + intercept);
    const range = { centre: (a + b + 1) / 2, width: Math.max(Math.abs(b - a) + 1, 1) };
    this.#whole = bits === 1 ? { centre: 1, width: 2 } : range;
    return this.#whole;
  }

  /**
   * The frame as RGBA under a window; with a step only every so many pixels and rows.
   * @param {Window} window @param {number} [step]
   * @returns {ImageData}
   */
  draw(window, step = 1) {
    const image = new ImageData(Math.ceil(this.width / step), Math.ceil(this.height / step));
    const out = new Uint32Array(image.data.buffer);
    const { table, pixel } = this.#mapping(window);
    const source = this.#rgba ?? this.#values;
    const mask = table.length - 1;
    if (step === 1 && this.#rgba) out.set(this.#rgba);
    else if (step === 1 && mask > 0) for (let i = 0; i < out.length; i++) out[i] = table[source[i] & mask];
    else
      for (let y = 0, o = 0; y < this.height; y += step)
        for (let x = 0, i = y * this.width; x < this.width; x += step, i += step) out[o++] = pixel(source[i]);
    return image;
  }

  /**
   * From a stored value to a pixel, alpha in the high byte: a function, and one table for all stored values of up to 16
   * bits, where negative ones are at their two's complement.
   * @param {Window} window
   * @returns {{table: Uint32Array, pixel: (stored: number) => number}}
   */
  #mapping(window) {
    if (!this.#frame) return { table: new Uint32Array(0), pixel: (colour) => colour };
    const { slope, intercept, photometric, bits_allocated: bits } = this.#frame;
    const invert = photometric === "MONOCHROME1" ? 255 : 0;
    const pixel = (/** @type {number} */ stored) => {
      const grey = windowed(stored * slope + intercept, window) ^ invert;
      return (0xff000000 | (grey * 0x010101)) >>> 0;
    };
    const signed = this.#values instanceof Int16Array;
    const size = bits > 16 ? 0 : bits <= 8 ? 256 : 65536;
    const table = new Uint32Array(size);
    for (let i = 0; i < size; i++) table[i] = pixel(signed && i >= size / 2 ? i - size : i);
    return { table, pixel: size ? (stored) => table[stored & (size - 1)] : pixel };
  }
}
