"""Help: pages without a script, in every language, that are there without a network and in the one file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from e2e.journey import Server
from playwright.sync_api import BrowserContext, Page, expect

from dicomveil import __version__, errors
from dicomveil.tables import TABLE_EDITION

ROOT = Path(__file__).parents[1]
LANGUAGES = ("en", "de", "fr", "es")
READY = '[data-testid="status"][data-state="empty"]'
WAIT = 60_000


class _Outline(HTMLParser):
    """Names the elements of a page in their order, the texts of code, and what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.codes: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.links += [found[name] or "" for name in ("href", "src") if name in found]
        self.ids += [found["id"] or ""] if "id" in found else []
        assert not any(name.startswith("on") or name == "style" for name in found)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["code"]:
            self.codes.append(data)


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    """A language of the page."""
    name: str = request.param
    return name


def _read(dist: Path, language: str) -> str:
    return (dist / f"help/{language}.html").read_text(encoding="utf-8")


def _page_codes() -> set[str]:
    texts = json.loads((ROOT / "web/locales/en.json").read_text("utf-8"))
    return {name.partition(".")[2] for name in texts if name.startswith("code.")}


def test_help_is_plain_html(dist: Path, language: str) -> None:
    """Well-formed, no script, no style of its own, nothing from elsewhere; one outline in all languages."""
    outline = _Outline(_read(dist, language))
    assert {"script", "iframe", "form", "style"}.isdisjoint(outline.tags)
    assert outline.tags == _Outline(_read(dist, "en")).tags
    for link in outline.links:
        if link.startswith("#"):
            assert link[1:] in outline.ids
        else:
            assert ":" not in link
            assert (dist / "help" / link).is_file()


def test_every_code_is_explained_and_no_other(dist: Path, language: str) -> None:
    """Core and page: each code once, by a cause and a remedy, of which English is that of errors.py."""
    text = _read(dist, language)
    rows = re.findall(
        r'<dt id="code-([\w-]+)"><code>([\w-]+)</code></dt>\n\s*<dd>(.+?) <b>(.+?)</b></dd>', text
    )
    assert [code for _, code, *_ in rows] == sorted(errors.CODES.keys() | _page_codes())
    assert all(name == code for name, code, *_ in rows)
    for _, code, cause, remedy in rows:
        assert cause[-1] in ".!?"
        assert remedy[-1] in ".!?"
        if language == "en" and code in errors.CODES:
            assert (cause, remedy) == errors.CODES[code]


def test_a_row_never_shows_a_code_without_a_next_step(language: str) -> None:
    """What a text of the page says of a code, in this language, is more than a cause."""
    texts = json.loads((ROOT / f"web/locales/{language}.json").read_text("utf-8"))
    codes = {name: text for name, text in texts.items() if name.startswith("code.")}
    assert len(codes) > 15
    assert [name for name, text in codes.items() if not re.search(r"[.!?]\s+\S.*[.!?]$", text)] == []
    assert all(cause[-1] == remedy[-1] == "." for cause, remedy in errors.CODES.values())


def test_the_walk_through_names_sources_that_exist(dist: Path, language: str) -> None:
    """Each step names a file of this tree, the same in each language; version and edition are those built."""
    text = _read(dist, language)
    steps = re.search(r"<ol>(.*?)</ol>", text, re.DOTALL)
    assert steps is not None
    items = steps[1].split("<li>")[1:]
    assert len(items) > 8
    for item in items:
        files = re.findall(r"<code>((?:web|py)/[^<]+)</code>", item)
        assert files != []
        assert [name for name in files if not (ROOT / name).is_file()] == []
    assert f"dicomveil {__version__}" in text
    assert TABLE_EDITION in text


@pytest.fixture
def complaints_of_help() -> Iterator[list[str]]:
    """What the console says of the page with the help."""
    found: list[str] = []
    yield found
    assert found == []


def test_help_opens_beside_the_page_in_its_language(
    ready: Page, visitor: BrowserContext, complaints_of_help: list[str]
) -> None:
    """A click opens it in another tab, under the same policy; the page keeps what is open in it."""
    ready.get_by_test_id("language").select_option("fr")
    for open_it in (_from_the_top, _from_shortcuts):
        with visitor.expect_page() as opened:
            open_it(ready)
        page = opened.value
        page.on(
            "console", lambda said: complaints_of_help.append(said.text) if said.type == "error" else None
        )
        expect(page.locator("html")).to_have_attribute("lang", "fr")
        assert page.url.endswith("/help/fr.html")
        page.get_by_role("link", name="Codes, causes").click()
        expect(page.locator("#codes")).to_be_in_viewport()
        page.get_by_role("link", name="Español").click()
        expect(page.locator("h1")).to_have_text("Ayuda")
        expect(page.locator("a").first).to_have_css("color", "rgb(15, 93, 102)")  # its styles are allowed
        page.close()
    expect(ready.get_by_test_id("status")).to_have_attribute("data-state", "empty")


def _from_the_top(page: Page) -> None:
    page.get_by_test_id("help").click()


def _from_shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    page.get_by_test_id("shortcuts-dialog").get_by_role("link").click()


def test_help_has_the_policy_of_the_page(server: Server, page: Page) -> None:
    """The server sends it with the help, too."""
    answer = page.request.get(f"{server.url}help/en.html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_help_works_without_a_network(context: BrowserContext, page: Page, server: Server) -> None:
    """After the first visit it comes from what the service worker keeps, under a policy."""
    page.goto(server.url)
    page.locator(READY).wait_for(state="attached", timeout=WAIT)
    page.locator('[data-testid="offline"][data-ready="yes"]').wait_for(state="attached", timeout=WAIT)
    page.reload()
    page.locator(READY).wait_for(state="attached", timeout=WAIT)
    context.set_offline(True)
    with context.expect_page() as opened:
        page.get_by_test_id("help").click()
    help_page = opened.value
    expect(help_page.locator("#conformance")).to_be_attached(timeout=WAIT)
    answer = help_page.reload()
    assert answer is not None
    assert answer.from_service_worker
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    context.set_offline(False)


def test_the_one_file_can_be_taken_along(ready: Page, dist: Path) -> None:
    """A link on the first view downloads dicomveil.html, as it was built."""
    with ready.expect_download(timeout=WAIT) as download:
        ready.get_by_test_id("take-along").click()
    assert download.value.suggested_filename == "dicomveil.html"
    assert Path(download.value.path()).read_bytes() == (dist / "dicomveil.html").read_bytes()


def test_the_one_file_has_the_help_in_it(page: Page, dist: Path, tmp_path: Path) -> None:
    """Opened from disk: the same text as a sheet, in the language of the page, and no way to elsewhere."""
    copy = tmp_path / "dicomveil.html"
    copy.write_bytes((dist / "dicomveil.html").read_bytes())
    page.goto(copy.as_uri() + "?lang=de")
    page.locator(READY).wait_for(state="attached", timeout=WAIT)
    page.get_by_test_id("help").click()
    dialog = page.get_by_test_id("help-dialog")
    expect(dialog.locator("article:visible")).to_have_count(1)
    expect(dialog.locator("article:visible")).to_have_attribute("lang", "de")
    expect(dialog).to_contain_text("Datenschutz, Schritt für Schritt")
    assert dialog.evaluate("element => element.scrollTop") == 0
    explained = [code for code in _Outline(_read(dist, "de")).codes if "/" not in code and "'" not in code]
    shown = dialog.locator("article:visible dt code").all_text_contents()
    assert [code for code in explained if code != "SHA256SUMS"] == shown
    # It cannot send, and says so.
    steps = dialog.locator("article:visible ol")
    expect(steps).to_contain_text("Diese Datei hat keinen Teil, der senden könnte")
    expect(steps).not_to_contain_text("Sie senden")
    expect(steps.locator("li")).to_have_count(12)
    page.get_by_test_id("help-close").click()
    expect(dialog).to_be_hidden()
    assert page.locator("a[href], [data-testid=take-along]").count() == 0
    page.keyboard.press("?")
    page.get_by_test_id("shortcuts-dialog").locator("[data-help]").click()
    expect(dialog).to_be_visible()
