// The settings sheet: where the key comes from, and which options of PS3.15 are on.

import { byTestId, el } from "../dom.js";
import { CodedError, codeOf } from "../errors.js";
import { explain, named, t } from "../i18n.js";
import { download } from "../output/save.js";
import {
  CUSTOM,
  keyFromFile,
  keyFromPassphrase,
  PRESETS,
  parseProfile,
  presetOf,
  randomKey,
  strengthOf,
} from "./settings.js";

/** @typedef {import("./settings.js").Mode} Mode */
/** @typedef {import("./settings.js").Profile} Profile */
/** @typedef {{profile: Profile, key: Uint8Array, mode: Mode}} Chosen */

const DATES = ["retain_longitudinal_full_dates", "retain_longitudinal_modified_dates"];

export class SettingsDialog {
  /** @type {HTMLDialogElement} */
  #dialog = byTestId("settings-dialog");
  /** @type {HTMLFormElement} */
  #form = byTestId("settings-form");
  #error = byTestId("settings-error");
  /** @type {HTMLSelectElement} */
  #preset = byTestId("profile-preset");
  /** What the core offers. @type {string[]} */
  #choices = [];
  #profile = /** @type {Profile} */ ({ dicomveil_profile: 1, name: "", options: [], salt: "" });
  #standard = this.#profile;
  /** The key of *anonymize*: made once, thrown away with the page. */
  #anonymous = randomKey();
  #apply;

  /** @param {(chosen: Chosen) => Promise<void>} apply  rejects with a CodedError when the core refuses */
  constructor(apply) {
    this.#apply = apply;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener("change", (event) =>
      this.#changed(/** @type {HTMLInputElement} */ (event.target)),
    );
    byTestId("passphrase").addEventListener("input", (event) =>
      showStrength(/** @type {HTMLInputElement} */ (event.target).value),
    );
    byTestId("settings-cancel").addEventListener("click", () => this.#dialog.close());
    byTestId("save-profile").addEventListener("click", () => this.#save());
    this.#showMode();
  }

  /** The core runs: these are its options, and its default. @param {import("../contract.js").Versions} versions */
  offer({ options, default_profile }) {
    this.#choices = options;
    this.#standard = default_profile;
    this.#profile = default_profile;
    byTestId("options").append(...options.map(optionRow));
    const names = [...Object.keys(PRESETS), CUSTOM];
    this.#preset.append(
      ...names.map((value) => el("option", { value, ...named(`profile-preset.${value}`) })),
    );
  }

  open() {
    this.#error.textContent = "";
    this.#showProfile();
    this.#dialog.showModal();
  }

  /** What holds before anybody opened the sheet. @returns {Chosen} */
  get initial() {
    return { profile: this.#profile, key: this.#anonymous, mode: "anonymize" };
  }

  /** Take a profile given from outside. @param {string} text */
  preload(text) {
    this.#profile = parseProfile(text, this.#standard);
    return this.initial;
  }

  get #mode() {
    return /** @type {Mode} */ (new FormData(this.#form).get("mode"));
  }

  /** @param {HTMLInputElement} input */
  async #changed(input) {
    if (input.name === "mode") {
      this.#showMode();
      this.#showPreset();
    }
    if (input.dataset.testid === "profile-preset") return this.#takePreset(input.value);
    if (DATES.includes(input.value) && input.checked)
      for (const other of DATES) if (other !== input.value) this.#option(other).checked = false;
    if (input.type === "checkbox") this.#showPreset();
    if (input.dataset.testid !== "load-profile" || !input.files?.[0]) return;
    try {
      this.#profile = parseProfile(await input.files[0].text(), this.#standard);
      this.#showProfile();
    } catch (error) {
      this.#error.textContent = explain("code", codeOf(error));
    }
    input.value = "";
  }

  /** @param {string} name */
  #takePreset(name) {
    if (PRESETS[name])
      for (const option of this.#choices) this.#option(option).checked = PRESETS[name].includes(option);
    if (name === "anonymous") {
      /** @type {HTMLInputElement} */ (byTestId("mode-anonymize")).checked = true;
      this.#showMode();
    }
    this.#showPreset();
  }

  #showPreset() {
    const name = presetOf(this.#shownProfile().options);
    // Who can link the pseudonyms again has not anonymized.
    this.#preset.value = name === "anonymous" && this.#mode !== "anonymize" ? CUSTOM : name;
    const hint = byTestId("preset-hint");
    hint.dataset.text = `profile-hint.${this.#preset.value}`;
    hint.textContent = explain("profile-hint", this.#preset.value);
  }

  #showMode() {
    for (const field of /** @type {NodeListOf<HTMLElement>} */ (this.#form.querySelectorAll("[data-for]")))
      field.hidden = field.dataset.for !== this.#mode;
  }

  /** @param {string} option @returns {HTMLInputElement} */
  #option(option) {
    return /** @type {HTMLInputElement} */ (this.#form.querySelector(`[value="${option}"]`));
  }

  #showProfile() {
    for (const option of this.#choices) this.#option(option).checked = this.#profile.options.includes(option);
    this.#showPreset();
  }

  /** The profile as the sheet shows it; options that it does not show are kept, for the core to judge. */
  #shownProfile() {
    const hidden = this.#profile.options.filter((option) => !this.#choices.includes(option));
    return {
      ...this.#profile,
      options: [...this.#choices.filter((option) => this.#option(option).checked), ...hidden],
    };
  }

  async #key() {
    if (this.#mode === "anonymize") return this.#anonymous;
    if (this.#mode === "passphrase") {
      const field = /** @type {HTMLInputElement} */ (byTestId("passphrase"));
      return keyFromPassphrase(field.value, this.#shownProfile().salt);
    }
    const file = /** @type {HTMLInputElement} */ (byTestId("key-file")).files?.[0];
    if (!file) throw new CodedError("key-invalid");
    return keyFromFile(file);
  }

  async #submit() {
    this.#error.textContent = "";
    this.#form.inert = true;
    try {
      const profile = this.#shownProfile();
      await this.#apply({ profile, key: await this.#key(), mode: this.#mode });
      this.#profile = profile;
      this.#dialog.close();
    } catch (error) {
      this.#error.textContent = explain("code", codeOf(error));
    } finally {
      this.#form.inert = false;
    }
  }

  #save() {
    const text = JSON.stringify(this.#shownProfile(), null, 1);
    download(new Blob([text], { type: "application/json" }), "dicomveil-profile.json");
  }
}

/** @param {string} passphrase */
function showStrength(passphrase) {
  const { bits, level } = strengthOf(passphrase);
  /** @type {HTMLMeterElement} */ (byTestId("strength")).value = bits;
  const said = byTestId("strength-said");
  const id = passphrase && `strength.${level}`;
  if (said.dataset.text === id) return; // so that it is read out only when the word is another
  said.dataset.text = id;
  said.textContent = t(id);
}

/** @param {string} option */
function optionRow(option) {
  return el(
    "label",
    { className: "choice" },
    el("input", { type: "checkbox", value: option, data: { testid: `option-${option}` } }),
    el(
      "span",
      {},
      el("b", named(`option.${option}`)),
      el("span", { className: "muted", ...named(`option-hint.${option}`) }),
    ),
  );
}
