"""Measures what DESIGN.md has budgets for, on synthetic instances, and prints each beside its budget.

Runs in .venv: `python build.py bench`. Times depend on the machine and on what else it does: compare the
ratios to a floor, which is measured in the same run, before comparing seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

import browsers
import carrying
import environment
import peers
import serving
import synthetic
from places import DIST, HERE, ROOT, BuildError
from resolving import PYODIDE
from rows import MB, Row, show

if TYPE_CHECKING:
    from dicomveil.pipeline import Session

PATIENCE = 300_000  # ms
BOOTS = 5
VISITS = 3  # of a profile: cold, one while the browser fills its caches, warm
SETTLING = 2000  # ms after a visit: the second worker, and the browser's cache of compiled code

# Notes, in the page, when each state began; runs before the page's own scripts.
WATCH = """
window.began = {};
const note = () => {
  const status = document.querySelector('[data-testid="status"]');
  if (status) window.began[status.dataset.state] ??= performance.now();
};
new MutationObserver(note).observe(document, {subtree: true, childList: true, attributes: true});
"""

# Notes when a file input changed and when a button was clicked.
NOTE_EVENTS = """
() => {
  window.happened = {};
  for (const kind of ["change", "click"]) {
    document.addEventListener(kind, () => { window.happened[kind] = performance.now(); }, true);
  }
}
"""

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


def state(page: Page, name: str) -> float:
    """Wait for a state of the page; return when it began, in ms after navigation."""
    status = '[data-testid="status"]'
    page.locator(f'{status}[data-state="{name}"], {status}[data-state="failed"]').wait_for(
        state="attached", timeout=PATIENCE
    )
    if page.get_by_test_id("status").get_attribute("data-state") == "failed":
        raise BuildError(f"the page failed: {page.get_by_test_id('status').inner_text()}")
    began: float = page.evaluate("name => window.began[name]", name)
    return began


def watch(page: Page, url: str) -> None:
    """Open an address in a page that notes its states."""
    page.add_init_script(WATCH)
    page.goto(url)


def open_page(context: BrowserContext, url: str) -> Page:
    """Open a watched page."""
    page = context.new_page()
    watch(page, url)
    return page


class Usage(NamedTuple):
    """What the pages' processes and workers hold and have spent. Linux; 0 elsewhere."""

    memory: int  # bytes, resident
    processor: float  # seconds


def usage() -> Usage:
    """Add up all renderer processes below this one."""
    parents: dict[int, int] = {}
    renderers: dict[int, Usage] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(") ")[2].split()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(entry.name)] = int(fields[1])
        if b"--type=renderer" in command:
            ticks = int(fields[11]) + int(fields[12])
            memory = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
            renderers[int(entry.name)] = Usage(memory, ticks / os.sysconf("SC_CLK_TCK"))
    mine = []
    for pid, found in renderers.items():
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        mine += [found] if above == os.getpid() else []
    return Usage(sum(found.memory for found in mine), sum(found.processor for found in mine))


def boot(launch: Callable[..., BrowserContext], url: str) -> list[Row]:
    """Measure the time from navigation until the page is ready for files.

    In profiles on disk: a private window has no cache for compiled code, so none of its visits is a warm one.
    """
    times: list[list[float]] = []
    spent: list[float] = []
    for _ in range(BOOTS):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            context = launch(profile)
            visits = []
            for _ in range(VISITS):
                page = context.new_page()
                before = usage().processor
                watch(page, url)
                visits.append(state(page, "empty"))
                spent.append(usage().processor - before)
                page.wait_for_timeout(SETTLING)
                page.close()
            times.append(visits)
            context.close()
    cold = statistics.median(visits[0] for visits in times)
    warm = statistics.median(visits[-1] for visits in times)
    return [
        Row("page ready, cold profile", f"{cold / 1000:.2f} s", "1.5 s"),
        Row("page ready, warm", f"{warm / 1000:.2f} s", "0.9 s; first version 1.2 s"),
        Row("  processor time until then", f"{statistics.median(spent[VISITS - 1 :: VISITS]):.2f} s"),
    ]


def clean_folder(browser: Browser, url: str, folder: Path) -> dict[str, float]:
    """Open a folder and clean it; return times in ms, memory in bytes, and how many came out clean."""
    context = browser.new_context()
    page = open_page(context, url)
    state(page, "empty")
    page.wait_for_timeout(1500)  # until every worker has started
    before = usage()
    page.evaluate(NOTE_EVENTS)
    page.get_by_test_id("open-folder").set_input_files(folder)
    opened = state(page, "review") - page.evaluate("() => window.happened.change")
    page.get_by_test_id("clean").click()
    cleaned = state(page, "done") - page.evaluate("() => window.happened.click")
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
    page = open_page(context, url)
    state(page, "empty")
    page.evaluate("() => document.addEventListener('change', (e) => e.stopImmediatePropagation(), true)")
    page.get_by_test_id("open-folder").set_input_files(folder)
    floor: dict[str, float] = page.evaluate(FLOOR)
    context.close()
    return floor


def slices(browser: Browser, url: str, folder: Path, count: int) -> list[Row]:
    """Measure a CT study of half-megabyte slices."""
    floor = floor_of(browser, url, folder)
    found = clean_folder(browser, url, folder)
    whole = found["opened"] + found["cleaned"]
    return [
        Row(
            f"{count} CT slices opened to cleaned",
            f"{whole / 1000:.2f} s ({found['opened'] / 1000:.2f} + {found['cleaned'] / 1000:.2f})",
            "5 s",
        ),
        Row("  a file", f"{whole / count:.2f} ms", "3.5 ms, header cleaning and verification, a worker"),
        Row("  processor time a file", f"{found['spent'] / count * 1000:.2f} ms"),
        Row("  / reading each header and handing back parts", f"{whole / floor['heads']:.1f} x"),
        Row("  / reading every byte", f"{whole / floor['whole']:.1f} x"),
        Row("  growth of the page's process", f"{found['growth'] / MB:.0f} MB", "200 MB"),
        Row("  finished", f"{found['done']} of {count}", f"{count}"),
    ]


def growth_with_size(browser: Browser, url: str, folder: Path) -> list[Row]:
    """Measure a small and a huge multi-frame: pixels that nobody redacts are never read."""
    found = {}
    for name, frames in (("small", 4), ("huge", 4096)):
        place = folder / name
        place.mkdir()
        synthetic.write_multiframe(place / "image", frames)
        found[name] = clean_folder(browser, url, place)
        shutil.rmtree(place)
    ratio = found["huge"]["cleaned"] / found["small"]["cleaned"]
    growth = (found["huge"]["growth"] - found["small"]["growth"]) / MB
    return [
        Row("2 GB multi-frame / 2 MB one, time to clean", f"{ratio:.2f} x", "1.2 x"),
        Row("  the same, growth of memory", f"{growth:.0f} MB", "32 MB"),
    ]


def cpython(folder: Path) -> list[Row]:
    """Measure the core on CPython, in one process: header, verification, no writing."""
    from dicomveil.pipeline import Session, clean_source
    from dicomveil.profile import Profile
    from dicomveil.pseudonyms import Key, Pseudonyms
    from dicomveil.source import FileSource

    session = Session(Profile.default(), Pseudonyms(Key.random()))
    paths = sorted(folder.iterdir())
    started = time.perf_counter()
    for path in paths:
        with FileSource(path) as source:
            source.read(0, 65536)
    floor = time.perf_counter() - started
    started = time.perf_counter()
    for path in paths:
        with FileSource(path) as source:
            clean_source(source, session)
    spent = time.perf_counter() - started
    return [
        Row("CPython, a CT slice", f"{spent / len(paths) * 1000:.2f} ms", "1.5 ms"),
        Row("  / reading its header", f"{spent / floor:.0f} x"),
        *stages(paths, session),
    ]


#: Stage of the pipeline -> the functions that do it, by their names there.
STAGES = {
    "reading and inspecting": ("read_instance", "inspect"),
    "planning": ("plan",),
    "cleaning": ("clean_header", "assembled", "redacted_pixels"),
    "verification": ("_verify",),
}


def stages(paths: list[Path], session: Session) -> list[Row]:
    """Measure where the time of the core goes: each function of the pipeline with a clock around it."""
    from dicomveil import pipeline
    from dicomveil.source import FileSource

    spent = dict.fromkeys(STAGES, 0.0)

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: object, **options: object) -> object:
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                spent[stage] += time.perf_counter() - started

        return run

    originals = {name: getattr(pipeline, name) for names in STAGES.values() for name in names}
    try:
        for stage, names in STAGES.items():
            for name in names:
                setattr(pipeline, name, timed(stage, originals[name]))
        started = time.perf_counter()
        for path in paths:
            with FileSource(path) as source:
                pipeline.clean_source(source, session)
        whole = time.perf_counter() - started
    finally:
        for name, function in originals.items():
            setattr(pipeline, name, function)
    spent["opening the file, names and UIDs"] = whole - sum(spent.values())
    return [
        Row(f"  {stage}", f"{took / len(paths) * 1000:.2f} ms, {took / whole:.0%}")
        for stage, took in spent.items()
    ]


def pixels(node: Path) -> list[Row]:
    """Measure decoding and redaction on CPython and, under Node, in the Pyodide of dist/."""
    import workload

    native = workload.measure()
    command = [node, HERE / "workload.mjs", PYODIDE, DIST, HERE / "workload.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"the pixels cannot be measured in Pyodide: {done.stderr.strip()[-300:]}")
    browser: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    budgets = dict.fromkeys([name for name in native if "a banner" in name and "60" in name], "1500 ms")
    return [
        Row(name, f"{browser[name]:.0f} ms, {browser[name] / spent:.1f} x CPython", budgets.get(name, ""))
        for name, spent in native.items()
    ]


def found_text() -> list[Row]:
    """Measure how much drawn text is found over the real ultrasound of the corpus, and how much else."""
    sys.path.insert(0, str(ROOT / "tests"))
    from pixels.drawn import recall
    from pixels.test_proposing import backgrounds

    frames = backgrounds()
    if not frames:
        return [Row("text over ultrasound", "no corpus here")]
    found = recall(frames)
    kinds = ", ".join(f"{kind} {hit}/{drawn}" for kind, (hit, drawn) in found.kinds.items())
    return [
        Row("strings over ultrasound that are covered", f"{found.share:.1%}", "98 %"),
        Row(f"  {kinds}", ""),
        Row("  area proposed, mean and median", f"{found.mean:.1%}, {found.median:.1%}", "15 %"),
    ]


def descriptions() -> list[Row]:
    """Measure what clean_descriptors takes out of descriptions, and what it leaves of the corpus'."""
    sys.path.insert(0, str(ROOT / "tests"))
    import identifying

    found = {kind: identifying.recall(kind) for kind in identifying.seeds()}
    gone, total = (sum(column) for column in zip(*found.values(), strict=True))
    kinds = ", ".join(f"{kind} {hit}/{seeded}" for kind, (hit, seeded) in found.items())
    rows = [
        Row("identifiers taken out of descriptions", f"{gone / total:.1%}", "100 %"),
        Row(f"  {kinds}", ""),
    ]
    kept = identifying.kept_of_corpus()
    if not kept.texts:
        return [*rows, Row("  descriptions of real files", "no corpus here")]
    return [
        *rows,
        Row(f"  words left of {kept.texts} real descriptions", f"{kept.kept / kept.words:.1%}", "70 %"),
        Row("  of these, a name or an ID of the file", f"{kept.identifying / kept.kept:.1%}", "1 %"),
    ]


def receiving(seconds: float) -> list[Row]:
    """Measure the endpoint with many uploads at once, beside the same server that drops what it reads."""
    import uploads

    kept, dropped = uploads.compare(seconds)
    return [
        Row(f"{uploads.AT_ONCE} uploads at once, kept / dropped", f"{kept.share(dropped):.2f} x", "0.5 x"),
        Row("  kept, verified and on the disk", f"{kept.bytes_a_second / 1e6:.0f} MB/s"),
        Row("  processor time an instance", f"{kept.processor * 1000:.1f} ms"),
        Row("  errors", f"{kept.errors + dropped.errors}", "0"),
        Row("  memory of the endpoint", f"{kept.memory / MB:.0f} MB"),
    ]


def download() -> list[Row]:
    """Measure what a first visit loads, as brotli packs it."""
    late = ("python/numpy.zip", "python/imagecodecs.zip")
    after = ("python/stdlib.zip", "python/core.zip")
    about = ("licences/", "NOTICE", "LICENSE", "SHA256SUMS")
    names = [path.relative_to(DIST).as_posix() for path in DIST.rglob("*") if path.is_file()]
    loaded = [name for name in names if not name.startswith(about) and name != carrying.NAME]
    script = """
        import { brotliCompressSync, constants } from "node:zlib";
        import { readFileSync } from "node:fs";
        const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 24 };
        const size = (name) => brotliCompressSync(readFileSync(name), { params }).length;
        console.log(JSON.stringify(process.argv.slice(1).map(size)));
    """
    node, _ = environment.set_up_node()
    command = [str(node), "--input-type=module", "--eval", script, *loaded]
    answer = subprocess.run(command, cwd=DIST, capture_output=True, check=True).stdout
    sizes: dict[str, int] = dict(zip(loaded, json.loads(answer), strict=True))
    first = sum(size for name, size in sizes.items() if name not in late)
    ready = first - sum(sizes[name] for name in after)
    return [
        Row("first load, brotli, without pixels' part", f"{first / 1e6:.1f} MB", "6 MB"),
        Row("  until Python starts", f"{ready / 1e6:.1f} MB"),
        Row("  with pixels' part", f"{sum(sizes.values()) / 1e6:.1f} MB", "11 MB"),
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="build.py bench --", description=main.__doc__)
    parser.add_argument("--slices", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60, help="of uploads at once")
    arguments = parser.parse_args()
    count = arguments.slices
    show([Row("what", "measured", "budget"), *download()])
    with tempfile.TemporaryDirectory() as name, served() as url, sync_playwright() as playwright:
        folder = Path(name) / "slices"
        synthetic.write_ct_series(folder, count)
        show(cpython(folder))
        show(peers.rows(peers.compare(folder, Path(name))))
        options = browsers.launch_options(browsers.find())
        show(boot(lambda profile: playwright.chromium.launch_persistent_context(profile, **options), url))
        browser = playwright.chromium.launch(**options)
        show(slices(browser, url, folder, count))
        show(growth_with_size(browser, url, Path(name)))
        browser.close()
    show(receiving(arguments.seconds))
    show(pixels(environment.set_up_node()[0]))
    show(found_text())
    show(descriptions())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0
    print(f"\n{os.cpu_count()} processors, load {load:.1f}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BuildError as error:
        sys.exit(f"build.py: {error}")
