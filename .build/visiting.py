"""Measures the page in a real browser: how soon it is ready, a study of many slices, and large files."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, BrowserContext, Page, Route

import serving
import synthetic
from places import DIST, BuildError
from processes import usage
from rows import MB, Row
from watching import Watch

BOOTS = 5
VISITS = 3  # of a profile: cold, one while the browser fills its caches, warm
SETTLING = 2000  # ms after a visit: the second worker, and the browser's cache of compiled code

# The least that any page must do to these files: read each header, hand back parts; and to read them whole.
FLOOR = """
async () => {
  const files = [...document.querySelector('[data-testid="open-folder"]').files];
  const heads = async () => {
    for (const file of files) {
      const head = await file.slice(0, 65536).arrayBuffer();
      new Blob([head, file.slice(65536)]);
    }
  };
  const whole = async () => { for (const file of files) await file.arrayBuffer(); };
  const timed = async (work) => { const t = performance.now(); await work(); return performance.now() - t; };
  return {heads: await timed(heads), whole: await timed(whole)};
}
"""


@contextmanager
def served() -> Iterator[str]:
    """Serve dist/; yield its address."""
    with tempfile.TemporaryDirectory() as storage:
        command = serving.receive_command(DIST, Path(storage), 0)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            try:
                lines = process.stdout or ()
                yield next(line.strip() for line in lines if line.startswith("http"))
            finally:
                process.terminate()


def open_page(page: Page, url: str) -> Watch:
    """Open an address in a new page, watched, and wait until it is ready for files."""
    watch = Watch(page)
    page.goto(url)
    watch.reached("empty")
    return watch


# When a page's script had come, when the first worker was asked for, when what it starts from had come: ms.
STAGES = """
() => {
  const of = (end) => performance.getEntriesByType("resource").find(({ name }) => name.endsWith(end));
  return {
    "the script that starts workers is here": of("/pool/pool.js")?.responseEnd,
    "the first worker is asked for": of("/worker/worker.js")?.startTime,
    "WebAssembly is here": of("/pyodide.asm.wasm")?.responseEnd,
    "Python's memory is here": of("/memory.bin")?.responseEnd,
  };
}
"""


def boot(launch: Callable[..., BrowserContext], url: str) -> list[Row]:
    """Measure the time from navigation until the page is ready for files.

    In profiles on disk: a private window has no cache for compiled code, so none of its visits is a warm one.
    """
    times: list[list[float]] = []
    spent: list[float] = []
    stages: list[dict[str, float]] = []
    for _ in range(BOOTS):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            context = launch(profile)
            visits = []
            for _ in range(VISITS):
                page = context.new_page()
                before = usage().processor
                visits.append(open_page(page, url).reached("empty"))
                spent.append(usage().processor - before)
                stages.append(page.evaluate(STAGES))
                page.wait_for_timeout(SETTLING)
                page.close()
            times.append(visits)
            context.close()
    cold = statistics.median(visits[0] for visits in times)
    warm = statistics.median(visits[-1] for visits in times)
    warm_stages = stages[VISITS - 1 :: VISITS]
    return [
        Row("page ready, cold profile", f"{cold:.2f} s", "1.5 s"),
        Row("page ready, warm", f"{warm:.2f} s", "0.9 s; first version 1.2 s"),
        Row("  processor time until then", f"{statistics.median(spent[VISITS - 1 :: VISITS]):.2f} s"),
        *(
            Row(f"  {stage}", f"{statistics.median(one.get(stage) or 0 for one in warm_stages):.0f} ms")
            for stage in warm_stages[0]
        ),
    ]


def _with_one_worker(route: Route) -> None:
    """Let the page start one worker alone: as it is, it never has less than two."""
    answer = route.fetch()
    script, least = answer.text(), "Math.max(2, "
    if script.count(least) != 1:
        raise BuildError("web/pool/worker-pool.js is not what this measures.")
    route.fulfill(response=answer, body=script.replace(least, "Math.min(1, "))


def clean_folder(browser: Browser, url: str, folder: Path, *, alone: bool = False) -> dict[str, float]:
    """Open a folder and clean it; return times in ms, memory in bytes, and how many came out clean.

    `alone`: one worker does it.
    """
    context = browser.new_context()
    if alone:
        context.route("**/pool/worker-pool.js", _with_one_worker)
    page = context.new_page()
    watch = open_page(page, url)
    page.wait_for_timeout(1500)  # until every worker has started
    before = usage()
    page.get_by_test_id("open-folder").set_input_files(folder)
    opened = watch.reached("review", "change") * 1000
    page.get_by_test_id("clean").click()
    cleaned = watch.reached("done", "click") * 1000
    after = usage()
    clean = page.locator('[data-testid="files"] [data-status="clean"]').count()
    done = page.get_by_test_id("status").get_attribute("data-done")
    context.close()
    return {
        "opened": opened,
        "cleaned": cleaned,
        "growth": after.memory - before.memory,
        "spent": after.processor - before.processor,
        "clean": clean,
        "done": int(done or 0),
    }


def floor_of(browser: Browser, url: str, folder: Path) -> dict[str, float]:
    """Measure the least that any page must do to the files of a folder, in a page that does nothing else."""
    context = browser.new_context()
    page = context.new_page()
    open_page(page, url)
    page.evaluate("() => document.addEventListener('change', (e) => e.stopImmediatePropagation(), true)")
    page.get_by_test_id("open-folder").set_input_files(folder)
    floor: dict[str, float] = page.evaluate(FLOOR)
    context.close()
    return floor


def slices(browser: Browser, url: str, folder: Path, count: int, core: float) -> list[Row]:
    """Measure a CT study of half-megabyte slices; `core` is what one takes on CPython, in ms."""
    floor = floor_of(browser, url, folder)
    found, one = (clean_folder(browser, url, folder, alone=alone) for alone in (False, True))
    whole, alone = (each["opened"] + each["cleaned"] for each in (found, one))
    moved, read = whole / floor["heads"], whole / floor["whole"]
    native = alone / count / core
    return [
        Row(
            f"{count} CT slices opened to cleaned",
            f"{whole / 1000:.2f} s ({found['opened'] / 1000:.2f} + {found['cleaned'] / 1000:.2f})",
            "5 s",
        ),
        Row("  / reading every byte in the same page", f"{read:.2f} x", "1.15 x", read),
        Row("  / reading each header and handing back parts", f"{moved:.1f} x", "", moved),
        Row("  processor time a file", f"{found['spent'] / count * 1000:.2f} ms"),
        Row("  one worker alone, a file, all included", f"{alone / count:.2f} ms", "3.5 ms"),
        Row("  one worker alone / the core on CPython", f"{native:.1f} x", "2.0 x", native),
        Row("  growth of the page's process", f"{found['growth'] / MB:.0f} MB", "200 MB"),
        Row("  finished", f"{found['done']} of {count}", f"{count}"),
    ]


class Size(NamedTuple):
    """What a multi-frame took: `cleaned` in ms, `growth` of memory in bytes."""

    cleaned: float
    growth: float


def sizes(browser: Browser, url: str, folder: Path, megabytes: list[int]) -> dict[int, Size]:
    """Measure multi-frames of half a megabyte a frame: pixels that nobody redacts are never read."""
    found = {}
    for size in megabytes:
        rounds = []
        for _ in range(3):
            place = folder / "size"
            place.mkdir()
            synthetic.write_multiframe(place / "image", 2 * size)
            one = clean_folder(browser, url, place)
            rounds.append(Size(one["cleaned"], one["growth"]))
            shutil.rmtree(place)
        found[size] = Size(*(statistics.median(column) for column in zip(*rounds, strict=True)))
    return found


def size_rows(found: dict[int, Size]) -> list[Row]:
    """Compare the largest with the smallest."""
    small, large = min(found), max(found)
    ratio = found[large].cleaned / found[small].cleaned
    growth = (found[large].growth - found[small].growth) / MB
    times = ", ".join(f"{size} MB {one.cleaned:.0f} ms" for size, one in sorted(found.items()))
    return [
        Row(f"{large} MB multi-frame / {small} MB one, time to clean", f"{ratio:.2f} x", "1.2 x", ratio),
        Row(f"  {times}", ""),
        Row("  the same, growth of memory", f"{growth:.0f} MB", "32 MB"),
    ]
