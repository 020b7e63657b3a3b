// Patients, studies, series and images as a tree, what needs a person first, with counts at every level. No DOM.

import { Counts } from "../model/counts.js";

/** @typedef {import("../model/item.js").Item} Item */
/** @typedef {"root"|"patient"|"study"|"series"|"left-out"|"image"} Kind */

/** Groups of more images start closed. */
const OPEN_UP_TO = 12;
/** Files that could not be read share one group at the end. */
const LEFT_OUT = "left-out";

/** A line of the list: a group, or an image. */
export class Node {
  /** @type {Node[]} */
  children = [];
  /** There are new children, or a reason for another order. */
  unsorted = false;
  /** Its place among its siblings, as of the last `Tree.lines`. */
  place = 0;
  /** What a person chose. @type {boolean|null} */
  #open = null;

  /** @param {Kind} kind @param {Node|null} parent @param {Item} item  the image; of a group, its first
   * @param {Counts|null} counts  of the files in a group */
  constructor(kind, parent, item, counts) {
    this.kind = kind;
    this.parent = parent;
    this.item = item;
    this.counts = counts;
    /** As what it is counted in the groups around it. */
    this.counted = 0;
  }

  /** From 1, as ARIA counts. @returns {number} */
  get level() {
    return this.parent ? this.parent.level + 1 : 0;
  }

  get open() {
    const ofImages = this.kind === "series" || this.kind === LEFT_OUT;
    return this.#open ?? (!ofImages || this.children.length <= OPEN_UP_TO);
  }

  set open(open) {
    this.#open = open;
  }

  /** The image in the middle stands for the others. */
  get middle() {
    return this.children[this.children.length >> 1]?.item ?? this.item;
  }

  /** Groups at risk come first, what was left out comes last. */
  get rank() {
    return this.kind === LEFT_OUT ? 2 : this.counts?.of("risk") ? 0 : 1;
  }

  /** By what groups of one rank are sorted: name, date or number. */
  get order() {
    const { kind } = this;
    const { patient, study, series } = this.item.info ?? {};
    return (kind === "patient" ? patient?.name : kind === "study" ? study?.date : series?.number) ?? "";
  }
}

export class Tree {
  counts = new Counts();
  #root = new Node("root", null, /** @type {any} */ (null), this.counts);
  /** @type {Map<string, Node>} */
  #groups = new Map();
  /** @type {Map<Item, Node>} */
  #images = new Map();

  /** @param {Item|null|undefined} item */
  of(item) {
    return item ? this.#images.get(item) : undefined;
  }

  /** How many images there are. */
  get size() {
    return this.#images.size;
  }

  /** Take in an item, or what changed of it. @param {Item} item */
  note(item) {
    let node = this.#images.get(item);
    if (!node) {
      node = this.#child(this.#series(item), new Node("image", this.#series(item), item, null));
      this.#images.set(item, node);
    }
    this.#count(node, item.counted);
  }

  /**
   * The nodes in their order, those in closed groups only if they are wanted.
   * @param {boolean} closed @returns {Node[]}
   */
  lines(closed) {
    /** @type {Node[]} */
    const lines = [];
    const add = (/** @type {Node} */ group) => {
      if (group.unsorted) group.children.sort(byPlace);
      group.unsorted = false;
      for (const [place, node] of group.children.entries()) {
        node.place = place;
        lines.push(node);
        if (closed || node.open) add(node);
      }
    };
    add(this.#root);
    return lines;
  }

  /** @param {Node} node @param {number} now */
  #count(node, now) {
    const { counted } = node;
    if (counted === now) return;
    node.counted = now;
    for (let group = node.parent; group; group = group.parent) {
      const before = group.rank;
      group.counts?.move(counted, now);
      if (group.parent && group.rank !== before) group.parent.unsorted = true;
    }
  }

  /** The group of images that an item belongs to. @param {Item} item */
  #series(item) {
    const { info } = item;
    if (!info) return this.#group(LEFT_OUT, LEFT_OUT, this.#root, item);
    const { patient, study, series } = info;
    const one = this.#group(`${patient.key}`, "patient", this.#root, item);
    const two = this.#group(`${patient.key}\n${study.uid}`, "study", one, item);
    return this.#group(`${patient.key}\n${study.uid}\n${series.uid}`, "series", two, item);
  }

  /** @param {string} key @param {Kind} kind @param {Node} parent @param {Item} item */
  #group(key, kind, parent, item) {
    const known = this.#groups.get(`${kind}\n${key}`);
    if (known) return known;
    const group = this.#child(parent, new Node(kind, parent, item, new Counts()));
    this.#groups.set(`${kind}\n${key}`, group);
    return group;
  }

  /** @param {Node} parent @param {Node} node */
  #child(parent, node) {
    parent.children.push(node);
    parent.unsorted = true;
    return node;
  }
}

const { compare } = new Intl.Collator(undefined, { numeric: true });

/** Siblings: images, or groups. @param {Node} a @param {Node} b */
function byPlace(a, b) {
  if (!a.counts) return byInstance(a.item, b.item);
  return a.rank - b.rank || compare(a.order, b.order) || a.item.index - b.item.index;
}

/** @param {Item} item @returns {number} */
const instanceNumber = ({ info }) =>
  info?.instance.number.trim() ? Number(info.instance.number) : Number.NaN;

/** By instance number; those without one last, in the order of opening. @param {Item} a @param {Item} b */
export function byInstance(a, b) {
  const [x, y] = [a, b].map(instanceNumber).map((n) => (Number.isFinite(n) ? n : Number.MAX_VALUE));
  return x - y || a.index - b.index;
}

/** "20240131" as the reader's own date; anything else as it is. @param {string} date @param {string} language */
export function readableDate(date, language) {
  const match = /^(\d{4})(\d{2})(\d{2})$/.exec(date);
  if (!match) return date;
  const day = new Date(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])));
  return day.toLocaleDateString(language, { dateStyle: "medium", timeZone: "UTC" });
}

/** A Person Name as people write it: family name, comma, the rest (PS3.5 6.2.1). @param {string} name */
export function readableName(name) {
  const [family, ...others] = name.split("=")[0].split("^");
  return [family, others.filter(Boolean).join(" ")].filter(Boolean).join(", ");
}
