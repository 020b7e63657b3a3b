// All text of the page, by message id, in the reader's language. Which one it is, is kept for this page only.

/** One file in locales/ for each. */
export const LANGUAGES = ["en", "de", "fr", "es"];

/** @type {Record<string, string>} */
let messages = {};
/** What the core says of its own codes, in English. @type {Record<string, string>} */
let codes = {};
let plural = new Intl.PluralRules("en");
/** What draws texts that `translate` does not reach. @type {(() => void)[]} */
const draws = [];

/** The language of the page's address (`?lang=de`), else the first that the browser's user reads, else English. */
function preferred() {
  const wanted = [new URL(location.href).searchParams.get("lang") ?? "", ...navigator.languages];
  const known = wanted.map((tag) => tag.toLowerCase().split("-")[0]).find((tag) => LANGUAGES.includes(tag));
  return known ?? "en";
}

/** @param {string} language @returns {Promise<{language: string, texts: Record<string, string>}>} */
async function read(language) {
  const response = await fetch(`locales/${language}.json`);
  if (!response.ok) throw new Error("no such language");
  return { language, texts: await response.json() };
}

/** @param {{language: string, texts: Record<string, string>}} found */
function use({ language, texts }) {
  messages = texts;
  plural = new Intl.PluralRules(language);
  document.documentElement.lang = language;
}

// This module is a script of its own: its texts are under way before main.js is there, whatever the language.
const first = read(preferred());
first.catch(() => {});

/** The texts of the reader's language. @throws {Error}  they could not be loaded */
export const loadMessages = async () => use(await first);

/** Call this again whenever the language has changed. @param {() => void} draw */
export const onLanguage = (draw) => draws.push(draw);

/** Counts the changes that were asked for: the last one holds, whichever comes first. */
let wish = 0;

/** Change the language of all that is on the screen. @param {string} language @throws {Error}  it could not be loaded */
export async function changeLanguage(language) {
  wish += 1;
  const mine = wish;
  const found = await read(language);
  if (mine !== wish) return;
  use(found);
  translate(document);
  for (const draw of draws) draw();
}

/** What the core says of its own codes: where no message says it in the reader's language. @param {Record<string, string>} texts */
export function addCodes(texts) {
  codes = Object.fromEntries(Object.entries(texts).map(([code, text]) => [`code.${code}`, text]));
}

/** @param {string} id */
const has = (id) => Object.hasOwn(messages, id) || Object.hasOwn(codes, id);

/**
 * The text of a message. `{name}` is filled in; where `count` is given, `id.one`, `id.other`... are looked up first.
 * @param {string} id
 * @param {Record<string, string|number>} [values]
 */
export function t(id, values = {}) {
  const counted = typeof values.count === "number" ? `${id}.${plural.select(values.count)}` : id;
  const text = messages[counted] ?? messages[`${id}.other`] ?? messages[id] ?? codes[id] ?? id;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? value.toLocaleString(document.documentElement.lang) : value;
  });
}

/** Properties for `el`: a text that follows the language. @param {string} id */
export const named = (id) => ({ textContent: t(id), data: { text: id } });

/** The text for a code: of a refusal, a risk, a rule. @param {string} kind @param {string} code */
export const explain = (kind, code) => (has(`${kind}.${code}`) ? t(`${kind}.${code}`) : code);

/** Fill in every element below `root` that names its message in `data-text`, `data-label` or `data-hint`. */
export function translate(/** @type {ParentNode} */ root) {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-text]")))
    element.textContent = t(element.dataset.text ?? "");
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-label]")))
    element.ariaLabel = t(element.dataset.label ?? "");
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-hint]")))
    element.title = t(element.dataset.hint ?? "");
}
