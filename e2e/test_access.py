"""For everyone: no violation that axe-core finds in any state, and the whole journey by keyboard alone."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator

import pytest
from e2e.journey import (
    HOLD,
    WAIT,
    Server,
    clean,
    open_files,
    payload,
    press,
    row,
    shown,
    state,
    tab_to,
    until,
)
from e2e.pictures import cine, screen, video
from playwright.sync_api import FilePayload, Page, Route, expect

import builders
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
def page(tab: Page) -> Page:
    """A page of the profile that these tests share."""
    return tab


@pytest.fixture(scope="module")
def asking(serve: Callable[..., Server]) -> Server:
    """A receiver whose page is not told where to send, so that it asks."""
    return serve(asks=True)


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
            self.glance(f"{name}-{scheme}-{size['width']}")
        self.page.set_viewport_size(WIDE)  # type: ignore[arg-type]

    def glance(self, name: str) -> None:
        """Look at the page as it is now."""
        if not self.page.evaluate("() => typeof axe === 'object'"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        result = self.page.evaluate(RUN, list(TAGS))
        if result["found"]:  # while something was still being drawn, perhaps: what counts is the page at rest
            self.page.wait_for_timeout(1500)
            result = self.page.evaluate(RUN, list(TAGS))
        assert result["passed"] > 10, name
        self.page.screenshot(path=STATES / f"{name}.png")
        self.found += [f"{name}: {line}" for line in result["found"]]


@pytest.fixture
def axe(page: Page) -> Iterator[Axe]:
    """Nothing may have been found in the end."""
    axe = Axe(page)
    yield axe
    assert axe.found == []


def _opened(page: Page, address: str) -> None:
    page.goto(address)
    page.locator(READY).wait_for(state="attached", timeout=WAIT)


def test_axe_sees_what_is_wrong(ready: Page) -> None:
    """A button without a name, a grey on grey and targets below 24 pixels are found: the check can fail."""
    ready.evaluate(
        """() => { const button = document.createElement("button");
          document.querySelector("main").append(button);
          document.querySelector(".lead").style.color = "#ccc";
          for (const name of ["a", "b"]) {
            const small = document.createElement("button");
            small.ariaLabel = name;
            small.style.cssText = "all: unset; inline-size: 9px; block-size: 9px; display: inline-block";
            document.querySelector("main").append(small);
          } }"""
    )
    axe = Axe(ready)
    axe.glance("spoilt")
    assert any("button-name" in line for line in axe.found)
    assert any("color-contrast" in line for line in axe.found)
    assert any("target-size" in line for line in axe.found)


def test_axe_finds_nothing_from_opening_to_sharing(
    page: Page, asking: Server, axe: Axe, complaints: list[str]
) -> None:
    """Empty, with its sheets; review of images and header; a refused file; cleaned; about to send."""
    _opened(page, asking.url)
    axe.look("empty")
    for name in ("settings", "shortcuts"):
        page.get_by_test_id(name).click()
        axe.look(name)
        if name == "settings":
            page.get_by_test_id("mode-passphrase").check()
            page.get_by_test_id("passphrase").fill("blaue Möwe 17")
            axe.look("passphrase")
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


def test_axe_finds_nothing_in_case_report_and_help(
    page: Page, asking: Server, axe: Axe, complaints: list[str]
) -> None:
    """The sheets of case and crosswalk, refused and accepted; the report to print; the help, four times."""
    _opened(page, asking.url)
    nothing: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"none"}
    open_files(page, [payload(screen(1), "1.dcm"), payload(builders.mr(), "2.dcm"), nothing])
    row(page, "1.dcm").click()
    shown(page)
    page.get_by_test_id("confirm-pixels").click()
    clean(page)
    page.get_by_test_id("case").click()
    axe.look("case")
    page.get_by_test_id("case-title").fill("Nodule of Quirina")
    page.get_by_test_id("case-check").click()
    expect(page.get_by_test_id("case-error")).not_to_be_empty(timeout=WAIT)
    axe.look("case-identifies")
    page.get_by_test_id("case-title").fill("Nodule of the lung")
    page.get_by_test_id("case-check").click()
    expect(page.get_by_test_id("case-dialog")).to_be_hidden(timeout=WAIT)
    axe.look("case-described")
    page.get_by_test_id("report-page").click()
    expect(page.get_by_test_id("report-view")).to_be_visible(timeout=WAIT)
    axe.look("report")
    page.get_by_test_id("crosswalk").click()
    axe.look("crosswalk")
    page.get_by_test_id("crosswalk-understood").check()
    axe.look("crosswalk-understood")
    for language in ("en", "de", "fr", "es"):
        page.goto(f"{asking.url}help/{language}.html")
        axe.look(f"help-{language}")
    complaints[:] = [line for line in complaints if "404" not in line]


def test_axe_finds_nothing_while_the_page_works(page: Page, server: Server, axe: Axe) -> None:
    """Reading, comparing a series, cleaning, the crosswalk, sending, sent: each is kept waiting."""
    page.add_init_script(HOLD)
    _opened(page, server.url)
    files = [payload(builders.ct(number=number), f"{number}.dcm") for number in (1, 2, 3, 4)]
    page.evaluate("() => { holding = 'inspect'; }")
    page.get_by_test_id("open-files").set_input_files(files)
    state(page, "reading")
    axe.look("reading")
    page.evaluate("() => letGo()")
    state(page, "review")
    page.evaluate("() => { holding = 'series'; }")
    page.get_by_test_id("tab-header").click()
    page.get_by_test_id("header-series").click()
    expect(page.get_by_test_id("series-progress")).to_be_visible()
    axe.look("comparing")
    page.evaluate("() => letGo()")
    values = page.get_by_test_id("header").get_by_role("button")
    expect(values).not_to_have_count(0, timeout=WAIT)
    values.first.click()
    axe.look("series")
    page.get_by_test_id("tab-image").click()
    page.evaluate("() => { holding = 'clean'; }")
    page.get_by_test_id("clean").click()
    state(page, "cleaning")
    axe.look("cleaning")
    page.evaluate("() => letGo()")
    state(page, "done")
    page.evaluate("() => { holding = 'crosswalk'; }")
    page.get_by_test_id("report-page").click()
    page.get_by_test_id("crosswalk").click()
    page.get_by_test_id("crosswalk-understood").check()
    page.get_by_test_id("crosswalk-save").click()
    expect(page.get_by_test_id("cancel")).to_be_visible()
    axe.look("crosswalk-working")
    with page.expect_download(timeout=WAIT):
        page.evaluate("() => letGo()")
    page.get_by_test_id("report-close").click()
    waiting: list[Route] = []
    page.route("**/studies", lambda route: waiting.append(route))  # noqa: PLW0108 - asked for its names
    page.get_by_test_id("upload").click()
    expect(page.get_by_test_id("privacy")).to_have_attribute("data-phase", "sending", timeout=WAIT)
    until(page, lambda: waiting)
    axe.look("sending")
    for route in waiting:
        route.continue_()
    page.unroute("**/studies")
    expect(page.get_by_test_id("privacy")).to_have_attribute("data-phase", "sent", timeout=WAIT)
    expect(page.get_by_test_id("receipt")).to_be_visible()
    axe.look("sent")


#: What can be pressed, but cannot be brought into sight by scrolling up and down, or lies under something.
UNREACHED = """() => {
  const root = document.querySelector("dialog[open]") ?? document;
  const lost = [...root.querySelectorAll("button:enabled, select, summary, label")].filter((e) => {
    if (!e.checkVisibility({ visibilityProperty: true })) return false;
    e.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
    const box = e.getBoundingClientRect();
    if (box.left < -1 || box.right > innerWidth + 1) return true;
    const top = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
    return !e.contains(top) && !top?.closest("label")?.contains(e);
  });
  for (const name of [".stage", "file-list", ".table-scroll"]) {
    const part = root.querySelector(name);
    if (part?.checkVisibility() && part.clientHeight < Math.min(150, innerHeight / 2)) lost.push(part);
  }
  scrollTo(0, 0);
  return lost.map((e) => e.dataset.testid ?? e.className ?? e.textContent)
    .concat(document.scrollingElement.scrollWidth > innerWidth ? ["the page"] : []); }"""
#: 1280 by 1024 at 400 % (WCAG 2.2, 1.4.10), and 1280 by 800 at 200 % (1.4.4).
ZOOMED = ({"width": 320, "height": 256}, {"width": 640, "height": 400})


def _fits(page: Page, name: str) -> None:
    for size in ZOOMED:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.screenshot(path=STATES / f"{name}-{size['width']}.png")
        assert page.evaluate(UNREACHED) == [], (name, size)
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_every_language_is_accessible_and_fits_when_magnified(
    page: Page, asking: Server, axe: Axe, language: str, complaints: list[str]
) -> None:
    """No violation in any language; magnified, all is reached without scrolling sideways."""
    _opened(page, f"{asking.url}?lang={language}")
    axe.glance(f"empty-{language}")
    _fits(page, f"empty-{language}")
    for name in ("settings", "shortcuts"):
        page.get_by_test_id(name).click()
        axe.glance(f"{name}-{language}")
        _fits(page, f"{name}-{language}")
        page.keyboard.press("Escape")
    slices = [payload(builders.ct(number=number), f"slice-{number}.dcm") for number in (8, 9)]
    open_files(page, [payload(screen(1), "1.dcm"), payload(cine(3), "film.dcm"), *slices])
    row(page, "1.dcm").click()
    shown(page)
    axe.glance(f"review-{language}")
    _fits(page, f"review-{language}")
    page.get_by_test_id("tab-header").click()
    expect(page.get_by_test_id("header").locator("tbody tr").first).to_be_visible(timeout=WAIT)
    _fits(page, f"header-{language}")
    row(page, "slice-8.dcm").click()
    page.get_by_test_id("header-series").click()
    expect(page.get_by_test_id("series-said")).not_to_be_empty(timeout=WAIT)
    axe.glance(f"series-{language}")
    _fits(page, f"series-{language}")
    row(page, "1.dcm").click()
    page.get_by_test_id("tab-image").click()
    shown(page)
    page.get_by_test_id("confirm-pixels").click()
    clean(page)
    axe.glance(f"done-{language}")
    assert page.locator(".bottom").evaluate("bar => bar.offsetHeight") < 62  # all buttons in one row
    _fits(page, f"done-{language}")
    page.get_by_test_id("report-page").click()
    expect(page.get_by_test_id("report-view")).to_be_visible(timeout=WAIT)
    _fits(page, f"report-{language}")
    page.get_by_test_id("crosswalk").click()
    axe.glance(f"crosswalk-{language}")
    _fits(page, f"crosswalk-{language}")
    page.keyboard.press("Escape")
    page.get_by_test_id("report-close").click()
    page.get_by_test_id("upload").click()
    expect(page.get_by_test_id("upload-dialog")).to_be_visible()
    axe.glance(f"upload-{language}")
    _fits(page, f"upload-{language}")
    complaints[:] = [line for line in complaints if "404" not in line]


#: What moves by itself, or changes slowly.
MOVING = """() => [...document.querySelectorAll("*")].filter((e) => {
  const style = getComputedStyle(e);
  const lasts = (list) => list.split(",").some((time) => parseFloat(time) > 0);
  return (lasts(style.transitionDuration) && style.transitionProperty !== "none") ||
    (lasts(style.animationDuration) && style.animationName !== "none");
}).length"""
FOCUS = """() => { const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2; }"""


def test_forced_colours_and_reduced_motion(ready: Page) -> None:
    """With colours of the system focus is seen, and axe finds nothing; nothing moves if unwished."""
    axe = Axe(ready)
    ready.emulate_media(forced_colors="active", reduced_motion="reduce")
    axe.glance("forced-empty")
    open_files(ready, [payload(screen(1), "1.dcm")])
    shown(ready)
    axe.glance("forced-review")
    for name in ("settings", "tab-header", "add-files"):
        tab_to(ready, name)
        assert ready.evaluate(FOCUS), name
    loading = "() => { document.querySelector('.stage-box').dataset.loading = 'true'; }"
    ready.evaluate(loading)
    assert ready.evaluate(MOVING) == 0
    ready.emulate_media(forced_colors="none", reduced_motion="no-preference")
    ready.evaluate(loading)
    assert ready.evaluate(MOVING) > 0  # the check can fail
    for name in ("settings", "tab-header", "add-files"):
        tab_to(ready, name)
        assert ready.evaluate(FOCUS), name
    assert axe.found == []


def test_axe_finds_nothing_when_the_page_cannot_start(
    page: Page, asking: Server, axe: Axe, complaints: list[str]
) -> None:
    """A profile that is none: the page says so, and that is accessible as well."""
    page.goto(asking.url + "?profile=icon.svg")
    state(page, "failed")
    axe.look("failed")
    complaints.clear()


def test_the_whole_journey_by_keyboard_alone(page: Page, asking: Server, complaints: list[str]) -> None:
    """Language, settings, open, header, confirm, clean, save, send; the viewer's own are in test_viewer."""
    page.on("filechooser", lambda _: None)  # Playwright begins to catch it now, not while the key is pressed
    _opened(page, asking.url)
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
    keys.type(asking.url)
    tab_to(page, "token")
    keys.type(asking.token)
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
