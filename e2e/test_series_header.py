"""The header of a whole series: what is the same once, what differs with its values, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e.journey import (
    HOLD,
    WAIT,
    Server,
    choose,
    open_files,
    payload,
    press,
    row,
    state,
    tab_to,
    undisturbed,
    workers,
)
from e2e.test_trust import DIE_AT
from playwright.sync_api import FilePayload, Locator, Page, expect

import builders
import processes
import synthetic
from watching import Watch

ASKED = "() => asked.filter((op) => op === 'series').length"


def _series(count: int = 4) -> list[FilePayload]:
    """Return images of one series that differ in a kept text, in a removed one, and in one that some lack."""
    files = []
    for number in range(1, count + 1):
        ds = builders.ct(number=number)
        ds.ConvolutionKernel = "B70f" if number == 2 else "B30f"
        ds.ImageComments = f"comment {number}"
        if number == 3:
            ds.ContrastBolusAgent = "agent of one image"
        files.append(payload(ds, f"{number}.dcm"))
    return files


def _show_series(page: Page) -> Locator:
    page.get_by_test_id("tab-header").click()
    page.get_by_test_id("header-series").click()
    expect(page.get_by_test_id("header").locator("tbody").first).to_be_visible(timeout=WAIT)
    return page.get_by_test_id("header")


def _of(page: Page, tag: str) -> Locator:
    return page.get_by_test_id("header").locator("tbody").filter(has_text=tag)


def test_a_series_shows_what_is_the_same_once_and_what_differs(ready: Page) -> None:
    """Each value with what becomes of it and where it is; only differences; changed only; search."""
    open_files(ready, _series())
    _show_series(ready)
    expect(ready.get_by_test_id("series-said")).to_contain_text("4 images of this series")
    expect(ready.get_by_test_id("series-unread")).to_be_empty()
    expect(_of(ready, "(0010,0010)").locator("tr")).to_have_count(1)
    comments = _of(ready, "(0020,4000)")
    expect(comments.locator("th")).to_contain_text("4 different values")
    expect(comments.locator("tr")).to_have_count(3)
    expect(comments.locator("tr").nth(1)).to_contain_text("comment 2")
    expect(comments.locator("tr").nth(1)).to_contain_text("removed")
    expect(comments.locator("tr").nth(1)).to_contain_text("in 2.dcm")
    comments.get_by_role("button", name="4 different values").click()
    expect(comments.locator("tr")).to_have_count(4)
    expect(comments.locator("tr").nth(3)).to_contain_text("comment 4")
    expect(_of(ready, "(0018,1210)")).to_have_count(0)  # kept
    ready.get_by_test_id("changed-only").uncheck()
    kernel = _of(ready, "(0018,1210)")
    expect(kernel.locator("tr").nth(0)).to_contain_text("B30f")
    expect(kernel.locator("tr").nth(0)).to_contain_text("in 3 images, first 1.dcm")
    expect(kernel.locator("tr").nth(1)).to_contain_text("B70f")
    expect(kernel.locator("tr").nth(1)).to_contain_text("unchanged")
    expect(kernel.get_by_role("button")).to_have_count(0)
    expect(_of(ready, "(0018,0010)").locator("th")).to_contain_text("in 1 of 4 images")
    ready.get_by_test_id("differing-only").check()
    expect(_of(ready, "(0010,0010)")).to_have_count(0)
    expect(kernel).to_have_count(1)
    ready.get_by_test_id("header-search").fill("b70F")
    bodies = ready.get_by_test_id("header").locator("tbody")
    expect(bodies).to_have_count(1)
    expect(bodies.locator("tr")).to_have_count(1)  # the value that has it
    expect(bodies.locator("tr")).to_contain_text("in 2.dcm")
    ready.get_by_test_id("header-search").fill("comment 4")  # which is not among the first
    expect(bodies).to_contain_text("comment 4")
    ready.get_by_test_id("header-image").click()
    ready.get_by_test_id("header-search").fill("(0020,4000)")
    expect(bodies).to_have_count(1, timeout=WAIT)
    expect(bodies.locator("tr")).to_contain_text("comment 1")
    expect(ready.get_by_test_id("series-said")).to_be_empty()
    expect(ready.get_by_test_id("differing-only")).to_be_hidden()


def test_values_come_in_the_order_of_the_images(ready: Page) -> None:
    """By instance number, as in the list, however the files were opened."""
    files = _series(12)
    open_files(ready, [*files[6:], *reversed(files[:6])])
    _show_series(ready)
    comments = _of(ready, "(0020,4000)")
    comments.get_by_role("button").click()
    found = comments.locator(".before > span:first-child").all_text_contents()
    assert found == [f"comment {number}" for number in range(1, 13)]


def test_an_image_that_cannot_be_read_is_named(ready: Page, tmp_path: Path, complaints: list[str]) -> None:
    """A file that is gone is not passed over: the view says which, and why; back again, it is compared."""
    paths = [tmp_path / str(file["name"]) for file in _series()]
    for path, file in zip(paths, _series(), strict=True):
        path.write_bytes(file["buffer"])
    open_files(ready, paths)
    paths[1].rename(tmp_path / "away")
    _show_series(ready)
    unread = ready.get_by_test_id("series-unread")
    expect(unread).to_contain_text("1 image is missing here", timeout=WAIT)
    expect(unread).to_contain_text("2.dcm")
    expect(unread).to_contain_text("could not be read")
    expect(ready.get_by_test_id("series-said")).to_contain_text("3 images")
    expect(_of(ready, "(0020,4000)")).not_to_contain_text("comment 2")
    for path in (paths[0], paths[2], paths[3]):
        path.unlink()
    ready.get_by_test_id("header-series").click()
    expect(unread).to_contain_text("4 images are missing", timeout=WAIT)
    expect(ready.get_by_test_id("header").locator("tbody")).to_have_count(0)
    expect(ready.get_by_test_id("series-said")).to_be_empty()
    complaints.clear()  # the browser itself reports what it cannot read


def test_a_crash_costs_one_image_of_the_comparison(ready: Page) -> None:
    """The worker that dies at an image is replaced; that image is told, all others are there."""
    poison = builders.ct(number=9)
    poison.PixelData = bytes(7000)
    poison.Rows, poison.Columns = 50, 70
    bad = payload(poison, "bad.dcm")
    open_files(ready, [*_series(8), bad])
    for worker in undisturbed(ready):
        worker.evaluate(DIE_AT, len(bad["buffer"]))
    ready.get_by_test_id("tab-header").click()
    ready.get_by_test_id("header-series").click()
    unread = ready.get_by_test_id("series-unread")
    expect(unread).to_contain_text("1 image is missing here", timeout=WAIT)
    expect(unread).to_contain_text("bad.dcm")
    expect(ready.get_by_test_id("series-said")).to_contain_text("8 images")


def test_choosing_another_image_leaves_the_comparison(page: Page, server: Server) -> None:
    """What was begun is not gone on with; the chosen image is shown; an image alone has no series to show."""
    page.add_init_script(HOLD)
    page.goto(server.url)
    state(page, "empty")
    workers(page)  # each takes part in reading, and has its settings from then
    alone = builders.mr()
    alone.SeriesInstanceUID = "1.2.3.4.5"
    open_files(page, [*_series(60), payload(alone, "alone.dcm")])
    choose(page, "· 1.dcm")
    page.get_by_test_id("tab-header").click()
    page.evaluate("() => { holding = 'series'; }")
    page.get_by_test_id("header-series").click()
    expect(page.get_by_test_id("series-progress")).to_be_visible()
    expect(page.get_by_test_id("series-done")).to_have_text("0 of 60 images")
    begun = page.evaluate(ASKED)
    assert 0 < begun < 30
    choose(page, "· 3.dcm")
    expect(page.get_by_test_id("header-image")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("series-progress")).to_be_hidden()
    page.evaluate("() => letGo()")
    expect(_of(page, "(0020,4000)")).to_contain_text("comment 3", timeout=WAIT)
    page.wait_for_timeout(500)
    assert page.evaluate(ASKED) == begun
    expect(page.get_by_test_id("series-said")).to_be_empty()
    page.get_by_test_id("header-series").click()
    expect(page.get_by_test_id("series-said")).to_contain_text("60 images", timeout=WAIT)
    choose(page, "alone.dcm")
    expect(page.get_by_test_id("header-scope")).to_be_hidden()


def test_nothing_is_compared_that_nobody_looks_at(page: Page, server: Server) -> None:
    """Behind the image nothing is asked; files that come into the series, or decisions, are taken up."""
    page.add_init_script(HOLD)
    page.goto(server.url)
    state(page, "empty")
    open_files(page, _series(3))
    expect(row(page, "1.dcm")).to_have_attribute("aria-current", "true")
    page.wait_for_timeout(300)
    assert page.evaluate("() => asked.filter((op) => op === 'header' || op === 'series')") == []
    _show_series(page)
    expect(page.get_by_test_id("series-said")).to_contain_text("3 images", timeout=WAIT)
    first = page.evaluate(ASKED)
    page.get_by_test_id("tab-image").click()
    page.get_by_test_id("tab-header").click()
    assert page.evaluate(ASKED) == first  # it is there already
    open_files(page, _series(4)[3:])
    expect(page.get_by_test_id("series-said")).to_contain_text("4 images", timeout=WAIT)
    expect(_of(page, "(0020,4000)").locator("th")).to_contain_text("4 different values")
    page.get_by_test_id("tab-image").click()
    page.get_by_test_id("start-over").click()
    expect(page.get_by_test_id("header").locator("tbody")).to_have_count(0)  # nothing of it stays in the page


def test_the_series_by_keyboard_alone(ready: Page) -> None:
    """Tab and Enter reach the series, its values and the search; the focus stays where it was."""
    open_files(ready, _series())
    press(ready, "tab-header")
    press(ready, "header-series")
    expect(ready.get_by_test_id("series-said")).to_contain_text("4 images", timeout=WAIT)
    tab_to(ready, "differing-only")
    ready.keyboard.press("Space")
    comments = _of(ready, "(0020,4000)")
    values = comments.get_by_role("button")
    for _ in range(30):
        ready.keyboard.press("Tab")
        if values.evaluate("(button) => button === document.activeElement"):
            break
    expect(values).to_be_focused()
    expect(values).to_have_attribute("aria-expanded", "false")
    ready.keyboard.press("Enter")
    expect(values).to_be_focused()
    expect(values).to_have_attribute("aria-expanded", "true")
    expect(comments.locator("tr")).to_have_count(4)
    expect(comments.get_by_role("rowheader")).to_have_attribute("rowspan", "4")
    ready.keyboard.press("Enter")
    expect(comments.locator("tr")).to_have_count(3)
    tab_to(ready, "header-search")
    ready.keyboard.type("kernel")
    expect(ready.get_by_test_id("header").locator("tbody")).to_have_count(0)  # it is kept
    tab_to(ready, "changed-only")
    ready.keyboard.press("Space")
    expect(ready.get_by_test_id("header").locator("tbody tr")).to_have_count(2)


@pytest.mark.parametrize(
    ("language", "values"),
    [
        ("en", "4 different values"),
        ("de", "4 verschiedene Werte"),
        ("fr", "4 valeurs différentes"),
        ("es", "4 valores distintos"),
    ],
)
def test_the_series_in_each_language(page: Page, server: Server, language: str, values: str) -> None:
    """What is said of it follows the language."""
    page.goto(f"{server.url}?lang={language}")
    state(page, "empty")
    open_files(page, _series())
    _show_series(page)
    expect(_of(page, "(0020,4000)").locator("th")).to_contain_text(values, timeout=WAIT)
    expect(page.get_by_test_id("series-said")).not_to_be_empty()


def test_a_long_series_does_not_freeze_the_page(page: Page, server: Server, tmp_path: Path) -> None:
    """400 images are compared while the page answers; values beyond the first 30 are only counted."""
    watch = Watch(page)
    synthetic.write_ct_series(tmp_path / "in", 400)
    page.goto(server.url)
    state(page, "empty")
    page.get_by_test_id("open-folder").set_input_files(tmp_path / "in")
    state(page, "review")
    page.get_by_test_id("tab-header").click()
    page.get_by_test_id("changed-only").uncheck()
    watch.longest_task()
    waited = processes.waiting()
    page.get_by_test_id("header-series").click()
    expect(page.get_by_test_id("series-said")).to_contain_text("400 images", timeout=WAIT)
    uids = _of(page, "(0008,0018)")
    expect(uids.locator("th")).to_contain_text("400 different values")
    expect(uids.locator("th")).to_contain_text("only the first 30 are listed")
    uids.get_by_role("button").click()
    expect(uids.locator("tr")).to_have_count(30)
    expect(page.get_by_test_id("header-note")).not_to_contain_text("not searched")
    page.get_by_test_id("header-search").fill("nobody has this")
    expect(page.get_by_test_id("header").locator("tbody")).to_have_count(0)
    expect(page.get_by_test_id("header-note")).to_contain_text("only counted are not searched")
    assert watch.longest_task() < 100 * processes.waiting().stretch(waited)
