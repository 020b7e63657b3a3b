"""Every text of the page comes from locales/ by its id, and every code of the core has one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dicomveil import browser, errors, profile

WEB = Path(__file__).parents[1] / "web"
MESSAGES: dict[str, str] = json.loads((WEB / "locales/en.json").read_text(encoding="utf-8"))


def _there(name: str) -> bool:
    return name in MESSAGES or f"{name}.other" in MESSAGES


def test_every_id_in_the_markup_has_a_text() -> None:
    """data-text, data-label and data-hint name messages that exist."""
    names = re.findall(
        r'data-(?:text|label|hint)="([^"]+)"', (WEB / "index.html").read_text(encoding="utf-8")
    )
    assert len(names) > 50
    assert [name for name in names if not _there(name)] == []


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.js")), ids=lambda path: path.relative_to(WEB).as_posix())
def test_every_id_in_a_module_has_a_text(path: Path) -> None:
    """t("...") names a message that exists."""
    source = path.read_text(encoding="utf-8")
    assert [name for name in re.findall(r'\bt\("([^"]+)"', source) if not _there(name)] == []


def test_the_markup_has_no_text_of_its_own() -> None:
    """Between the tags of index.html there is nothing but the product's name."""
    markup = re.sub(r"<!--.*?-->", "", (WEB / "index.html").read_text(encoding="utf-8"), flags=re.DOTALL)
    texts = {text.strip() for text in re.findall(r">([^<]+)<", markup)} - {""}
    assert texts == {"dicomveil"}


def test_the_core_explains_its_own_codes() -> None:
    """What a code of the core means is said once: the page takes it from there, and names only its own."""
    assert [code for code in errors.CODES if f"code.{code}" in MESSAGES] == []
    assert json.loads(browser.boot())["codes"].keys() == errors.CODES.keys()


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


def test_plurals_are_complete() -> None:
    """A message with a form for one has a form for others."""
    ones = [name.removesuffix(".one") for name in MESSAGES if name.endswith(".one")]
    assert ones
    assert [name for name in ones if f"{name}.other" not in MESSAGES] == []
