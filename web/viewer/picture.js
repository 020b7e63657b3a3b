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
  #values;
  /** @type {Uint8ClampedArray<ArrayBuffer>|null} */
  #rgba = null;
  #frame;
  /** Where the window starts: the file's first one, or the range of the values. @type {Window} */
  initial = { centre: 128, width: 256 };

  /** @param {Frame} frame */
  constructor(frame) {
    this.#frame = frame;
    this.width = frame.columns;
    this.height = frame.rows;
    this.#values = storedValues(frame);
    this.grey = frame.samples === 1 && !frame.palette;
    if (frame.palette) this.#rgba = palette(frame, this.#values);
    else if (!this.grey) this.#rgba = colour(frame, this.#values);
    else this.initial = this.#initialWindow();
  }

  /** @returns {Window} */
  #initialWindow() {
    const { windows, slope, intercept, padding, bits_stored: bits } = this.#frame;
    if (windows.length && windows[0][1] >= 1) return { centre: windows[0][0], width: windows[0][1] };
    if (bits === 1) return { centre: 1, width: 2 };
    const [a, b] = extent(this.#values, padding).map((value) => value * slope + intercept);
    return { centre: (a + b + 1) / 2, width: Math.max(Math.abs(b - a) + 1, 1) };
  }

  /**
   * The frame as RGBA under a window.
   * @param {Window} window
   * @returns {ImageData}
   */
  draw(window) {
    const image = new ImageData(this.width, this.height);
    if (this.#rgba) image.data.set(this.#rgba);
    else this.#drawGrey(window, new Uint32Array(image.data.buffer));
    return image;
  }

  /** @param {Window} window @param {Uint32Array} out  one pixel each, alpha in the high byte */
  #drawGrey(window, out) {
    const { slope, intercept, photometric, bits_allocated: bits } = this.#frame;
    const invert = photometric === "MONOCHROME1" ? 255 : 0;
    const pixel = (/** @type {number} */ stored) => {
      const grey = windowed(stored * slope + intercept, window) ^ invert;
      return (0xff000000 | (grey * 0x010101)) >>> 0;
    };
    const values = this.#values;
    if (bits > 16) for (let i = 0; i < out.length; i++) out[i] = pixel(values[i]);
    else {
      // One table for all stored values of 16 bits; negative ones are at their two's complement.
      const signed = values instanceof Int16Array;
      const size = bits <= 8 ? 256 : 65536;
      const table = new Uint32Array(size);
      for (let i = 0; i < size; i++) table[i] = pixel(signed && i >= size / 2 ? i - size : i);
      for (let i = 0; i < out.length; i++) out[i] = table[values[i] & (size - 1)];
    }
  }
}
