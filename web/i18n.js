// All text of the page, by message id. `en.json` is complete; other languages may follow beside it.

/** @type {Record<string, string>} */
let messages = {};
let plural = new Intl.PluralRules("en");

/** @param {string} language */
export async function loadMessages(language = "en") {
  const response = await fetch(`locales/${language}.json`);
  messages = await response.json();
  plural = new Intl.PluralRules(language);
  document.documentElement.lang = language;
}

/** What the core says of its own codes: where no message says it in the reader's language. @param {Record<string, string>} texts */
export function addCodes(texts) {
  for (const [code, text] of Object.entries(texts)) messages[`code.${code}`] ??= text;
}

/** @param {string} id */
export const has = (id) => Object.hasOwn(messages, id);

/**
 * The text of a message. `{name}` is filled in; where `count` is given, `id.one`, `id.other`... are looked up first.
 * @param {string} id
 * @param {Record<string, string|number>} [values]
 */
export function t(id, values = {}) {
  const counted = typeof values.count === "number" ? `${id}.${plural.select(values.count)}` : id;
  const text = messages[counted] ?? messages[`${id}.other`] ?? messages[id] ?? id;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? value.toLocaleString(document.documentElement.lang) : value;
  });
}

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
