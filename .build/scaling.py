"""Measures how the page grows with the number of files: time, memory, the longest task of its main thread, cancelling.

`python build.py bench` shows it as a part of its table; `python .build/scaling.py` in .venv measures it alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page

import processes
import synthetic

MB = 1 << 20
PATIENCE = 900_000  # ms
SETTLING = 2000  # ms until every worker has started

# Notes, in the page: when each state began; long tasks (50 ms and more), which the browser tells of afterwards.
WATCH = """
window.watched = {states: [], tasks: []};
const note = () => {
  const state = document.querySelector('[data-testid="status"]')?.dataset.state;
  if (state && state !== window.watched.states.at(-1)?.[0]) window.watched.states.push([state, performance.now()]);
};
new MutationObserver(note).observe(document, {subtree: true, childList: true, attributeFilter: ["data-state"]});
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.watched.tasks.push([task.startTime, task.duration]);
}).observe({type: "longtask", buffered: true});
for (const kind of ["change", "click"]) {
  document.addEventListener(kind, () => { window.watched[kind] = performance.now(); }, true);
}
"""

SINCE = "kind => window.watched.states.at(-1)[1] - (window.watched[kind] ?? 0)"


class Journey(NamedTuple):
    """One way through the page. Times in seconds, memory in bytes over that of the empty page."""

    opened: float
    cleaned: float
    saved: float
    cancelled: float
    longest: dict[str, float]  # of each phase: the longest task of the main thread, in ms; below 50 counts as 0
    held: dict[str, int]  # at the end of each phase, by the page and its workers
    peak: int
    browser: int  # the browser's own process: it keeps what Blobs are made of
    spent: float  # processor time of page and workers
    entries: int  # of the saved ZIP, the report among them

    @property
    def whole(self) -> float:
        """Opening, cleaning and saving."""
        return self.opened + self.cleaned + self.saved


class _Watch:
    """What is asked of a watched page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._from = 0.0
        self.longest: dict[str, float] = {}

    def reached(self, state: str, since: str) -> float:
        """Wait for a state; return the seconds since the last event of a kind."""
        status = f'[data-testid="status"][data-state="{state}"]'
        self._page.locator(status).wait_for(state="attached", timeout=PATIENCE)
        found: float = self._page.evaluate(SINCE, since)
        return found / 1000

    def ends(self, phase: str) -> None:
        """Note the longest task since the phase before."""
        self._page.wait_for_timeout(300)  # long tasks are told afterwards
        tasks: list[tuple[float, float]] = self._page.evaluate("() => window.watched.tasks")
        self.longest[phase] = max((took for at, took in tasks if at >= self._from), default=0.0)
        self._from = self._page.evaluate("() => performance.now()")


def journey(browser: Browser, url: str, folder: Path) -> Journey:
    """Open a folder, begin to clean and cancel, clean all, and save a ZIP."""
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(url)
    watch = _Watch(page)
    watch.reached("empty", "none")
    page.wait_for_timeout(SETTLING)
    processes.forget_peaks()
    empty, browser_before = processes.usage(), processes.usage("browser")
    held: dict[str, int] = {}

    def ends(phase: str) -> None:
        watch.ends(phase)
        held[phase] = processes.usage().memory - empty.memory

    watch.ends("boot")
    page.get_by_test_id("open-folder").set_input_files(folder, timeout=PATIENCE)
    opened = watch.reached("review", "change")
    ends("opening")
    page.get_by_test_id("clean").click()
    page.wait_for_timeout(500)
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
    context.close()
    return Journey(
        opened,
        cleaned,
        saved,
        cancelled,
        watch.longest,
        held,
        after.peak - empty.memory,
        browser_after.peak - browser_before.memory,
        after.processor - empty.processor,
        entries,
    )


def main() -> int:
    """Measure for some numbers of files, and print all that was found."""
    import bench
    import browsers
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=[1000, 10_000])
    with tempfile.TemporaryDirectory() as name, bench.served() as url, sync_playwright() as playwright:
        for count in parser.parse_args().counts:
            folder = Path(name) / str(count)
            synthetic.write_archive(folder, count)
            browser = playwright.chromium.launch(**browsers.launch_options(browsers.find()))
            found = journey(browser, url, folder)
            browser.close()
            print(f"{count} images, load {os.getloadavg()[0]:.1f}")
            print(
                f"  opened {found.opened:.2f} s, cleaned {found.cleaned:.2f} s, saved {found.saved:.2f} s, "
                f"{found.whole / count * 1000:.2f} ms a file; processor {found.spent / count * 1000:.2f} ms a file"
            )
            print(f"  cancelled in {found.cancelled * 1000:.0f} ms; {found.entries} entries saved")
            print("  longest task:", {phase: f"{took:.0f} ms" for phase, took in found.longest.items()})
            print("  held:", {phase: f"{much / MB:.0f} MB" for phase, much in found.held.items()})
            print(f"  peak {found.peak / MB:.0f} MB; browser process {found.browser / MB:.0f} MB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
