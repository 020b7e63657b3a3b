"""Every text of the page comes from locales/ by its id, in every language; so does every code of the core."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from e2e.journey import Server, clean, open_files, payload, row, shown
from e2e.pictures import screen
from playwright.sync_api import Browser, FilePayload, Page, expect

import bundling
from dicomveil import browser as core
from dicomveil import errors, profile

WEB = Path(__file__).parents[1] / "web"
LANGUAGES = ("en", "de", "fr", "es")
OTHERS = LANGUAGES[1:]
#: What Intl.PluralRules tells apart for whole numbers; compared to the browser's below.
CATEGORIES = {
    "en": {"one", "other"},
    "de": {"one", "other"},
    "fr": {"one", "many", "other"},
    "es": {"one", "many", "other"},
}
#: Where one form is also for 0, so that it cannot say "1".
ONE_IS_NOT_ONE = {"fr"}
READY = '[data-testid="status"][data-state="empty"]'
WAIT = 60_000


def _read(language: str) -> dict[str, str]:
    messages: dict[str, str] = json.loads((WEB / f"locales/{language}.json").read_text(encoding="utf-8"))
    return messages


MESSAGES = _read("en")


def _there(name: str) -> bool:
    return name in MESSAGES or f"{name}.other" in MESSAGES


def _base(name: str) -> str:
    """Return a message's id without its plural category."""
    return re.sub(r"\.(zero|one|two|few|many|other)$", "", name)


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def _forms(messages: dict[str, str]) -> dict[str, set[str]]:
    """Return the plural categories of each message that has any."""
    forms: dict[str, set[str]] = {}
    for name in messages:
        if _base(name) != name:
            forms.setdefault(_base(name), set()).add(name.rpartition(".")[2])
    return forms


def _shown_codes() -> set[str]:
    """Return the core's codes that its modules in the browser, or the page, can name."""
    modules = [path for path in bundling.browser_modules() if path.name != "errors.py"]
    source = "".join(path.read_text(encoding="utf-8") for path in (*modules, *WEB.rglob("*.js")))
    return {code for code in errors.CODES if f'"{code}"' in source}


def test_every_id_in_the_markup_has_a_text() -> None:
    """data-text, data-label and data-hint name messages that exist."""
    names = re.findall(
        r'data-(?:text|label|hint)="([^"]+)"', (WEB / "index.html").read_text(encoding="utf-8")
    )
    assert len(names) > 50
    assert [name for name in names if not _there(name)] == []


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.js")), ids=lambda path: path.relative_to(WEB).as_posix())
def test_every_id_in_a_module_has_a_text(path: Path) -> None:
    """t("...") and named("...") name a message that exists."""
    source = path.read_text(encoding="utf-8")
    assert [name for name in re.findall(r'\b(?:t|named)\("([^"]+)"', source) if not _there(name)] == []


def test_every_shortcut_that_is_listed_has_a_text() -> None:
    """Places, keys with words on them, and what keys do, have messages; and no message is left over."""
    source = (WEB / "shell/shortcuts.js").read_text(encoding="utf-8")
    words = re.findall(r'"(\w+)"', source.partition("new Set([")[2].partition("]")[0])
    rows = re.findall(r'\["([^"]+)", "([a-z-]+)"\]', source)
    places = re.findall(r'^ {4}"([a-z]+)",$', source, flags=re.MULTILINE)
    assert len(rows) > 20
    named = {f"key.{word}" for word in words} | {f"shortcuts.{name}" for name in places}
    named |= {f"shortcuts.{does}" for _, does in rows}
    assert [name for name in named if name not in MESSAGES] == []
    assert {key for keys, _ in rows for key in keys.split() if len(key) > 1} == set(words)
    fixed = {f"shortcuts.{name}" for name in ("sign", "title", "question-mark", "done")}
    assert {name for name in MESSAGES if name.startswith(("key.", "shortcuts."))} == named | fixed


def test_the_shortcuts_that_are_listed_are_those_that_work() -> None:
    """Each single key of the viewer is in the list, and no other letter is."""
    keys = (WEB / "viewer/keys.js").read_text(encoding="utf-8").partition("const PLAIN")[2].partition("};")[0]
    working = {key.upper() for key in re.findall(r'^ {2}"?(\w)"?:', keys, flags=re.MULTILINE)}
    listed = {
        key
        for keys, _ in re.findall(
            r'\["([^"]+)", "([a-z-]+)"\]', (WEB / "shell/shortcuts.js").read_text("utf-8")
        )
        for key in keys.split()
        if "ctrl" not in keys and re.fullmatch(r"\w", key)
    }
    assert len(working) > 5
    assert listed == working


def test_the_markup_has_no_text_of_its_own() -> None:
    """Between the tags of index.html there is nothing but the product's name."""
    markup = re.sub(r"<!--.*?-->", "", (WEB / "index.html").read_text(encoding="utf-8"), flags=re.DOTALL)
    texts = {text.strip() for text in re.findall(r">([^<]+)<", markup)} - {""}
    assert texts == {"dicomveil"}
    assert re.findall(r'\s(?:title|placeholder|aria-label|alt)="([^"]+)"', markup) == []


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.js")), ids=lambda path: path.relative_to(WEB).as_posix())
def test_no_module_has_a_text_of_its_own(path: Path) -> None:
    """What a module shows or names for screen readers is never a word in quotes."""
    source = path.read_text(encoding="utf-8")
    shown = r"(?:textContent|innerText|title|placeholder|alt|ariaLabel|ariaDescription|ariaValueText|label)"
    words = re.findall(rf"\b{shown}\s*[:=]\s*[\"'`]([^\"'`$]*[A-Za-z]{{2}}[^\"'`]*)", source)
    assert [text for text in words if not _there(text)] == []
    assert re.findall(r"\b(?:alert|confirm|prompt)\s*\(\s*[\"'`]", source) == []


def test_the_core_explains_its_own_codes() -> None:
    """What a code of the core means in English is said once: the page takes it from there."""
    assert [code for code in errors.CODES if f"code.{code}" in MESSAGES] == []
    assert json.loads(core.boot())["codes"].keys() == errors.CODES.keys()


def test_every_option_is_explained() -> None:
    """Each option of PS3.15 has a name and a sentence on what it keeps."""
    for option in profile.OPTIONS:
        assert f"option.{option}" in MESSAGES
        assert f"option-hint.{option}" in MESSAGES


def test_every_code_that_the_page_makes_is_explained() -> None:
    """New CodedError("...") and the codes of an upload have a text."""
    codes = set()
    for path in WEB.rglob("*.js"):
        source = path.read_text(encoding="utf-8")
        codes |= set(re.findall(r'CodedError\("([a-z-]+)"', source))
        codes |= set(re.findall(r'"((?:upload|worker|boot|assets|endpoint)-[a-z-]+)"', source))
    codes -= {"upload-dialog", "upload-form", "upload-cancel", "upload-error", "upload-send"}
    assert len(codes) > 10
    codes -= errors.CODES.keys()  # which the core explains
    assert [code for code in sorted(codes) if f"code.{code}" not in MESSAGES] == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_id_is_missing_or_superfluous(language: str) -> None:
    """A language has the messages of English, and a text for each code of the core that the page can show."""
    mine = {_base(name) for name in _read(language)}
    wanted = {_base(name) for name in MESSAGES}
    codes = {f"code.{code}" for code in _shown_codes()}
    assert len(codes) > 30
    assert sorted((wanted | codes) - mine) == []
    assert sorted(mine - wanted - {f"code.{code}" for code in errors.CODES}) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_plurals_are_complete(language: str) -> None:
    """A message with one plural form has all that the language needs, and none without a category."""
    messages = _read(language)
    forms = _forms(messages)
    assert len(forms) > 5
    assert {name for name in forms if name in messages} == set()
    assert {name: found for name, found in forms.items() if found != CATEGORIES[language]} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_those_of_english(language: str) -> None:
    """Each text fills in what the English one does; only a form for exactly one may lack {count}."""
    messages = _read(language)
    wrong = []
    for name, text in messages.items():
        base = _base(name)
        english = MESSAGES.get(base, MESSAGES.get(f"{base}.other", ""))
        wanted = _placeholders(english)
        allowed = [wanted]
        if name.endswith(".one") and language not in ONE_IS_NOT_ONE:
            allowed.append(wanted - {"count"})
        if name.endswith(".one") and base.startswith("proposal."):  # never shown with 0
            allowed.append(wanted - {"count"})
        if _placeholders(text) not in allowed:
            wrong.append(name)
    assert wrong == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_is_not_english(language: str) -> None:
    """No sentence was left untranslated: what is the same is a name, a sign, or one word."""
    same = {
        name
        for name, text in _read(language).items()
        if text == MESSAGES.get(name) and len(re.findall(r"[^\W\d_]{2,}", re.sub(r"\{\w+\}", "", text))) > 1
    }
    assert same == set()


@pytest.mark.parametrize("language", OTHERS)
def test_no_text_is_empty_that_english_has(language: str) -> None:
    """Only what is empty in English is empty, and no text begins or ends with a space."""
    for name, text in _read(language).items():
        base = _base(name)
        english = MESSAGES.get(name, MESSAGES.get(f"{base}.other", "code of the core"))
        assert bool(text) == bool(english), name
        assert text == text.strip(), name


def _labels(page: Page) -> list[str]:
    """Return the texts of what is named by message id, and is on the screen."""
    texts: list[str] = page.evaluate(
        "() => [...document.querySelectorAll('[data-text]')].filter(e => e.checkVisibility())"
        ".map(e => e.textContent)"
    )
    return texts


def test_the_language_is_the_readers_and_changes_at_once(
    browser: Browser, server: Server, complaints: list[str]
) -> None:
    """German by the browser's language; then French with files open: labels change, and nothing else."""
    context = browser.new_context(locale="de-AT", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    warnings: list[str] = []
    page.on("console", lambda message: warnings.append(message.text) if "preload" in message.text else None)
    page.goto(server.url)
    page.locator(READY).wait_for(state="attached", timeout=WAIT)
    assert page.evaluate("() => document.documentElement.lang") == "de"
    expect(page.get_by_test_id("privacy")).to_have_text(_read("de")["privacy.nothing"])
    categories = page.evaluate(
        """(languages) => Object.fromEntries(languages.map((language) =>
             [language, new Intl.PluralRules(language).resolvedOptions().pluralCategories]))""",
        list(LANGUAGES),
    )
    assert {language: set(found) for language, found in categories.items()} == CATEGORIES
    names = page.get_by_test_id("language").locator("option").all_text_contents()
    assert names == ["English", "Deutsch", "Français", "Español"]

    text: FilePayload = {"name": "b.txt", "mimeType": "text/plain", "buffer": b"none"}
    open_files(page, [payload(screen(1), "1.dcm"), text])
    shown(page)
    page.get_by_test_id("confirm-pixels").click()
    expect(row(page, "1.dcm")).to_contain_text(_read("de")["state.confirmed"])
    expect(row(page, "b.txt")).to_contain_text(_read("de")["code.not-dicom"])
    clean(page)
    before = page.evaluate("() => [...document.querySelectorAll('[data-status]')].map(e => e.dataset.status)")
    german = _labels(page)
    page.get_by_test_id("language").select_option("fr")
    expect(page.get_by_test_id("privacy")).to_have_text(_read("fr")["privacy.nothing"])
    french = _labels(page)
    assert len(french) == len(german) > 15
    assert set(german) <= set(_read("de").values())
    assert set(french) <= set(_read("fr").values())
    expect(row(page, "1.dcm")).to_contain_text(_read("fr")["state.clean"])
    expect(row(page, "b.txt")).to_contain_text(_read("fr")["code.not-dicom"])
    expect(page.get_by_test_id("risk-title")).to_have_text(_read("fr")["risk.confirmed"])
    expect(page.get_by_test_id("status")).to_have_text("1 nettoyé · 1 écarté")
    expect(page.get_by_test_id("status")).to_have_attribute("data-state", "done")
    options = page.get_by_test_id("shape").locator("option").all_text_contents()
    assert options == [_read("fr")[f"shape.{shape}"] for shape in ("rectangle", "ellipse", "polygon")]
    assert page.evaluate("() => document.documentElement.lang") == "fr"
    after = page.evaluate("() => [...document.querySelectorAll('[data-status]')].map(e => e.dataset.status)")
    assert after == before
    # Nothing of the German is left, whatever drew it.
    left = page.evaluate("() => document.body.innerText")
    words = {text for text in _read("de").values() if len(text) > 12 and "{" not in text}
    assert [text for text in words if text in left] == []
    assert page.evaluate("() => [document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
    assert warnings == []
    context.close()
    assert complaints == []


def test_the_address_can_name_the_language(page: Page, server: Server) -> None:
    """?lang=es, for links; what is no language of the page is passed over."""
    page.goto(server.url + "?lang=es")
    expect(page.get_by_test_id("privacy")).to_have_text(_read("es")["privacy.nothing"], timeout=WAIT)
    page.goto(server.url + "?lang=../x")
    expect(page.get_by_test_id("privacy")).to_have_text(MESSAGES["privacy.nothing"], timeout=WAIT)
