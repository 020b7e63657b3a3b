"""For everyone: no violation that axe-core finds in any state, and the whole journey by keyboard alone."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

import pytest
from e2e.journey import WAIT, Server, clean, open_files, payload, press, row, shown, state, tab_to
from e2e.pictures import cine, screen, video
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

import places

AXE = places.NODE_MODULES / "axe-core/axe.min.js"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
RUN = """(tags) => axe.run(document, {runOnly: {type: "tag", values: tags}, resultTypes: ["violations"]})
  .then(({violations, passes}) => ({passed: passes.length, found: violations.flatMap(({id, nodes}) =>
    nodes.map(({target, failureSummary}) => `${id} ${target.join(" ")}: ${failureSummary}`))}))"""
WIDE = {"width": 1280, "height": 800}
STATES = places.CACHE / "screenshots/states"
NARROW = {"width": 390, "height": 844}
READY = '[data-testid="status"][data-state="empty"]'


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile without a service worker, so that a test can answer for the server."""
    context = browser.new_context(
        accept_downloads=True,
        locale="en-US",
        viewport={"width": 1280, "height": 800},
        service_workers="block",
    )
    yield context
    context.close()


class Axe:
    """Looks at the page as it is, in both colour schemes; keeps what it finds, to be told at once.

    For people to look at, too, each state is kept as a picture in .cache/screenshots/states.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.found: list[str] = []
        page.emulate_media(reduced_motion="reduce")  # colours are those at rest

    def look(self, name: str) -> None:
        """Look at a state, light and dark, wide; and narrow."""
        for scheme, size in (("light", WIDE), ("dark", WIDE), ("light", NARROW)):
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self.page.set_viewport_size(size)  # type: ignore[arg-type]
            if not self.page.evaluate("() => typeof axe === 'object'"):
                self.page.evaluate(AXE.read_text(encoding="utf-8"))
            result = self.page.evaluate(RUN, list(TAGS))
            if result[
                "found"
            ]:  # while something was still being drawn, perhaps: what counts is the page at rest
                self.page.wait_for_timeout(1500)
                result = self.page.evaluate(RUN, list(TAGS))
            assert result["passed"] > 10, name
            self.page.screenshot(path=STATES / f"{name}-{scheme}-{size['width']}.png")
            self.found += [f"{name}, {scheme}, {size['width']}: {line}" for line in result["found"]]
        self.page.set_viewport_size(WIDE)  # type: ignore[arg-type]


@pytest.fixture
def axe(page: Page) -> Iterator[Axe]:
    """Nothing may have been found in the end."""
    axe = Axe(page)
    yield axe
    assert axe.found == []


def _opened(page: Page, server: Server) -> None:
    """Open the page without an endpoint of its own, so that it asks where to send."""
    page.route("**/settings.json", lambda route: route.fulfill(status=404))
    page.goto(server.url)
    page.locator(READY).wait_for(state="attached", timeout=WAIT)


def test_axe_sees_what_is_wrong(ready: Page) -> None:
    """A button without a name and a grey on grey are found: the check can fail."""
    ready.evaluate(
        """() => { const button = document.createElement("button");
          document.querySelector("main").append(button);
          document.querySelector(".lead").style.color = "#ccc"; }"""
    )
    axe = Axe(ready)
    axe.look("spoilt")
    assert any("button-name" in line for line in axe.found)
    assert any("color-contrast" in line for line in axe.found)


def test_axe_finds_nothing_from_opening_to_sharing(
    page: Page, server: Server, axe: Axe, complaints: list[str]
) -> None:
    """Empty, with its sheets; review of images and header; a refused file; cleaned; about to send."""
    _opened(page, server)
    axe.look("empty")
    for name in ("settings", "shortcuts"):
        page.get_by_test_id(name).click()
        axe.look(name)
        page.keyboard.press("Escape")
    nothing: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"none"}
    videos = [video(number=7), video([b"\0\0\1\xb3" + bytes(90)], number=8)]
    open_files(page, [payload(screen(1), "1.dcm"), payload(cine(3), "film.dcm"), *videos, nothing])
    axe.look("list")  # on a narrow screen, the list or the chosen file
    row(page, "1.dcm").click()
    shown(page)
    axe.look("review")
    page.get_by_test_id("tool-cover").click()
    page.get_by_test_id("add-covering").click()
    axe.look("covered")
    page.get_by_test_id("undo").click()
    row(page, "film.dcm").click()
    shown(page)
    axe.look("film")
    for name in ("video-7.dcm", "video-8.dcm"):  # one that most browsers play, and one that none does
        row(page, name).click()
        expect(page.locator(".stage > :is(video, .stage-note):not([hidden])")).to_be_visible(timeout=WAIT)
        axe.look(name)
    row(page, "film.dcm").click()
    shown(page)
    page.get_by_test_id("tab-header").click()
    expect(page.get_by_test_id("header").locator("tbody tr").first).to_be_visible(timeout=WAIT)
    axe.look("header")
    page.get_by_test_id("tab-image").click()
    row(page, "notes.txt").click()
    axe.look("refused")
    row(page, "1.dcm").click()
    shown(page)
    page.get_by_test_id("confirm-pixels").click()
    clean(page)
    axe.look("done")
    page.get_by_test_id("upload").click()
    expect(page.get_by_test_id("upload-dialog")).to_be_visible()
    axe.look("upload")
    complaints[:] = [line for line in complaints if "404" not in line]  # of settings.json, which is not there


def test_axe_finds_nothing_when_the_page_cannot_start(
    page: Page, server: Server, axe: Axe, complaints: list[str]
) -> None:
    """A profile that is none: the page says so, and that is accessible as well."""
    page.goto(server.url + "?profile=icon.svg")
    state(page, "failed")
    axe.look("failed")
    complaints.clear()


def test_the_whole_journey_by_keyboard_alone(page: Page, server: Server, complaints: list[str]) -> None:
    """Language, settings, open, header, confirm, clean, save, send; the viewer's own are in test_viewer."""
    page.on("filechooser", lambda _: None)  # Playwright begins to catch it now, not while the key is pressed
    _opened(page, server)
    keys = page.keyboard
    tab_to(page, "language")
    keys.press("ArrowDown")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    keys.press("ArrowUp")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    press(page, "settings")
    expect(page.get_by_test_id("settings-dialog")).to_be_visible()
    tab_to(page, "mode-anonymize")
    keys.press("ArrowDown")
    tab_to(page, "passphrase")
    keys.type("one passphrase for all")
    keys.press("Enter")
    expect(page.get_by_test_id("settings-dialog")).to_be_hidden()
    expect(page.get_by_test_id("settings")).to_be_focused()  # where it was
    with page.expect_file_chooser() as chooser:
        keys.press("Control+o")
    chooser.value.set_files([payload(screen(1), "1.dcm")])
    state(page, "review")
    press(page, "tab-header")
    expect(page.get_by_test_id("header").locator("tbody tr").first).to_be_visible(timeout=WAIT)
    tab_to(page, "header-search")
    keys.type("Patient's Name")
    expect(page.get_by_test_id("header").locator("tbody tr")).to_have_count(1)
    press(page, "tab-image")
    expect(page.get_by_test_id("confirm-pixels")).to_be_enabled(timeout=WAIT)
    press(page, "confirm-pixels")
    expect(row(page, "1.dcm")).to_have_attribute("data-status", "ready")
    press(page, "clean")
    state(page, "done")
    tab_to(page, "save")
    with page.expect_download(timeout=WAIT) as download:
        keys.press("Enter")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert [name for name in archive.namelist() if name.endswith(".dcm")] != []
    press(page, "upload")
    expect(page.get_by_test_id("upload-dialog")).to_be_visible()
    tab_to(page, "endpoint")
    keys.type(server.url)
    tab_to(page, "token")
    keys.type(server.token)
    keys.press("Enter")
    expect(row(page, "1.dcm")).to_have_attribute("data-status", "uploaded", timeout=WAIT)
    expect(page.get_by_test_id("privacy")).to_have_attribute("data-phase", "sent")
    complaints[:] = [line for line in complaints if "404" not in line]


def test_question_mark_lists_the_shortcuts(ready: Page) -> None:
    """? opens the list, Escape closes it; not while somebody types, and not once it is turned off."""
    dialog = ready.get_by_test_id("shortcuts-dialog")
    ready.keyboard.press("?")
    expect(dialog).to_be_visible()
    expect(dialog.locator("dt")).not_to_have_count(0)
    assert dialog.evaluate("element => element.scrollTop") == 0
    ready.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    ready.get_by_test_id("settings").click()
    ready.get_by_test_id("mode-passphrase").check()
    ready.get_by_test_id("passphrase").press("?")
    expect(ready.get_by_test_id("passphrase")).to_have_value("?")
    expect(dialog).to_be_hidden()
    ready.keyboard.press("Escape")
    ready.keyboard.press("?")
    tab_to(ready, "question-mark")
    ready.keyboard.press(" ")
    press(ready, "shortcuts-close")
    ready.keyboard.press("?")
    expect(dialog).to_be_hidden()
    press(ready, "shortcuts")
    expect(dialog).to_be_visible()
