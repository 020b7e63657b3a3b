"""Measures how the page grows with the number of files: time, memory, tasks of its main thread, cancelling.

A part of `python build.py bench`; alone, in .venv: `python .build/scaling.py 1000 10000`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page

import processes
import synthetic
from rows import MB, Row, show
from watching import PATIENCE, Watch

UNTIL_CANCELLED = 300  # ms
SETTLING = 2000  # ms until every worker has started


class Journey(NamedTuple):
    """One way through the page. Times in seconds, memory in bytes over that of the empty page."""

    opened: float
    cleaned: float
    saved: float
    cancelled: float
    longest: dict[str, float]  # of each phase: the longest task, in ms; below 50 counts as 0
    held: dict[str, int]  # at the end of each phase, by the page and its workers
    peak: int
    browser: int  # the browser's own process: it keeps what Blobs are made of
    spent: float  # processor time of page and workers
    stretch: float  # how much longer tasks took since other processes had the processor; 1: none had
    entries: int  # of the saved ZIP, the report among them

    @property
    def whole(self) -> float:
        """Opening, cleaning and saving."""
        return self.opened + self.cleaned + self.saved


def journey(
    browser: Browser, url: str, folder: Path, look: Callable[[Page], None] = lambda _: None
) -> Journey:
    """Open a folder, look at the page, begin to clean and cancel, clean all, and save a ZIP."""
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    watch = Watch(page)
    page.goto(url)
    watch.reached("empty")
    page.wait_for_timeout(SETTLING)
    processes.forget_peaks()
    empty, browser_before = processes.usage(), processes.usage("browser")
    waited = processes.waiting()
    longest: dict[str, float] = {}
    held: dict[str, int] = {}

    def ends(phase: str) -> None:
        longest[phase] = watch.longest_task()
        held[phase] = processes.usage().memory - empty.memory

    watch.longest_task()  # of the start
    page.get_by_test_id("open-folder").set_input_files(folder, timeout=PATIENCE)
    opened = watch.reached("review", "change")
    ends("opening")
    look(page)
    ends("looking")
    page.get_by_test_id("clean").click()
    page.wait_for_timeout(UNTIL_CANCELLED)
    cancelled = 0.0
    done, total = (
        int(page.get_by_test_id("status").get_attribute(f"data-{n}") or 0) for n in ("done", "total")
    )
    if done < total / 2:  # few files are done before they can be cancelled
        page.get_by_test_id("cancel").click()
        cancelled = watch.reached("review", "click")
        ends("cancelling")
        page.get_by_test_id("clean").click()
    cleaned = watch.reached("done", "click")
    ends("cleaning")
    started = time.monotonic()
    with page.expect_download(timeout=PATIENCE) as download:
        page.get_by_test_id("save").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        saved = time.monotonic() - started
        entries = len(archive.namelist())
    ends("saving")
    after, browser_after = processes.usage(), processes.usage("browser")
    stretch = processes.waiting().stretch(waited)
    context.close()
    return Journey(
        opened,
        cleaned,
        saved,
        cancelled,
        longest,
        held,
        after.peak - empty.memory,
        browser_after.peak - browser_before.memory,
        after.processor - empty.processor,
        stretch,
        entries,
    )


def grow(launch: Callable[[], Browser], url: str, counts: list[int]) -> dict[int, Journey]:
    """Measure archives of so many small images, each in a browser of its own."""
    found = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "archive"
            synthetic.write_archive(folder, count)
            browser = launch()
            found[count] = journey(browser, url, folder)
            browser.close()
    return found


def table(found: dict[int, Journey]) -> list[Row]:
    """Name what was measured for each number of images, what it was, and the budget."""
    rows: list[Row] = []
    for count, one in sorted(found.items()):
        longest = max((took, phase) for phase, took in one.longest.items())
        held = max(one.held.values()) / MB
        times = f"{one.opened:.1f} + {one.cleaned:.1f} + {one.saved:.1f} s"
        rows += [
            Row(f"{count} small files opened, cleaned, saved", f"{one.whole:.1f} s ({times})"),
            Row("  a file", f"{one.whole / count * 1000:.2f} ms"),
            Row("  processor time a file", f"{one.spent / count * 1000:.2f} ms"),
            Row("  memory over the empty page, after a phase", f"{held:.0f} MB", "250 MB"),
            Row("  the most meanwhile", f"{one.peak / MB:.0f} MB", "250 MB"),
            Row("  the browser's own process", f"{one.browser / MB:.0f} MB"),
            Row("  longest task of the main thread", f"{longest[0]:.0f} ms, {longest[1]}", "100 ms"),
            Row("  other processes stretched its tasks by", f"{one.stretch:.1f} x"),
            Row("  cancelled in", f"{one.cancelled * 1000:.0f} ms", "1000 ms"),
        ]
    counts = sorted(found)
    for less, more in pairwise(counts):
        wall = found[more].whole / more / (found[less].whole / less)
        spent = found[more].spent / more / (found[less].spent / less)
        what = f"{more} / {less} files, time a file"
        rows.append(Row(what, f"{wall:.2f} x, processor {spent:.2f} x", "1.1 x", spent))
    return rows


def main() -> int:
    """Measure archives of small images alone, by their numbers."""
    from playwright.sync_api import sync_playwright

    import browsers
    import visiting

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=[1000, 10_000])
    counts = parser.parse_args().counts
    with visiting.served() as url, sync_playwright() as playwright:
        options = browsers.launch_options(browsers.find())
        show(table(grow(lambda: playwright.chromium.launch(**options), url, counts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
