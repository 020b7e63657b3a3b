"""Measures what DESIGN.md has budgets for, on synthetic instances, and prints each beside its budget.

Runs in .venv: `python build.py bench`. Times depend on the machine and on what else it does: compare the
ratios to a floor, which is measured in the same run, before comparing seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

import browsers
import carrying
import environment
import peers
import plotting
import rows
import scaling
import synthetic
import visiting
from places import CACHE, DIST, HERE, ROOT, BuildError
from resolving import PYODIDE
from rows import MB, Row, show

if TYPE_CHECKING:
    from dicomveil.pipeline import Session

PLOT = CACHE / "benchmark" / "growth.svg"
#: Ratios of a whole run on a quiet machine; `--keep` writes them, `--check` compares.
BASELINE = HERE / "baseline.json"


def cpython(folder: Path) -> tuple[float, list[Row]]:
    """Measure the core on CPython, in one process: header, verification, no writing. First: ms a slice."""
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
    core = spent / len(paths) * 1000
    return core, [
        Row("CPython, a CT slice", f"{core:.2f} ms", "1.5 ms"),
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

    found = uploads.compare(seconds)
    kept, dropped = found.kept, found.dropped
    speed = statistics.median(one.bytes_a_second for one in kept)
    sealed = statistics.median(one.bytes_a_second for one in found.sealed)
    processor = [uploads.an_instance(some, "processor") * 1000 for some in (kept, dropped)]
    sending = [uploads.an_instance(some, "sending") * 1000 for some in (kept, dropped)]
    return [
        Row(f"{uploads.AT_ONCE} uploads at once, kept / dropped", f"{found.share:.2f} x", "0.5 x"),
        Row(f"  in {len(kept)} rounds each", f"{found.shares[0]:.2f} to {found.shares[-1]:.2f} x"),
        Row("  kept, verified and on the disk", f"{speed / 1e6:.0f} MB/s"),
        Row("  processor time an instance, kept / dropped", f"{processor[0]:.2f} / {processor[1]:.2f} ms"),
        Row("  the same of who sends", f"{sending[0]:.2f} / {sending[1]:.2f} ms"),
        Row("  sealed, and on the disk", f"{sealed / 1e6:.0f} MB/s"),
        Row("  errors", f"{sum(one.errors for one in kept + dropped + found.sealed)}", "0"),
        Row("  memory of the endpoint's processes", f"{found.memory / MB:.0f} MB"),
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


def plot(counts: dict[int, scaling.Journey], sizes: dict[int, visiting.Size], target: Path) -> None:
    """Draw how time and memory grow with the number of files and with the size of one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    journeys, large = sorted(counts.items()), sorted(sizes.items())
    panels = [
        plotting.Panel(
            "Small files, opened, cleaned and saved",
            "files",
            "s",
            {"time": [(count, one.whole) for count, one in journeys]},
            ideal=True,
        ),
        plotting.Panel(
            "Small files, the most memory over the empty page",
            "files",
            "MB",
            {"page and workers": [(count, max(one.peak / MB, 1)) for count, one in journeys]},
        ),
        plotting.Panel(
            "One file, cleaned",
            "MB",
            "",
            {
                "time, ms": [(size, one.cleaned) for size, one in large],
                "growth of memory, MB": [(size, max(one.growth / MB, 1)) for size, one in large],
            },
        ),
    ]
    target.write_text(plotting.draw(panels), encoding="utf-8")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="build.py bench --", description=main.__doc__)
    parser.add_argument("--slices", type=int, default=500)
    parser.add_argument("--files", type=int, nargs="*", default=[100, 1000, 10_000], help="of archives")
    parser.add_argument("--sizes", type=int, nargs="*", default=[5, 50, 500, 4000], help="of one file, MB")
    parser.add_argument("--seconds", type=float, default=60, help="of uploads at once")
    guard = parser.add_mutually_exclusive_group()
    guard.add_argument("--keep", action="store_true", help="the ratios as the baseline")
    guard.add_argument("--check", action="store_true", help="fail where ratios are worse than the baseline")
    arguments = parser.parse_args()
    count = arguments.slices
    shown = show([Row("what", "measured", "budget"), *download()])
    # First: where many files were just deleted, as below, ext4 passes over their places for minutes.
    shown += show(receiving(arguments.seconds))
    with tempfile.TemporaryDirectory() as name, visiting.served() as url, sync_playwright() as playwright:
        folder = Path(name) / "slices"
        synthetic.write_ct_series(folder, count)
        core, native = cpython(folder)
        shown += show(native)
        shown += show(peers.rows(peers.compare(folder, Path(name))))
        options = browsers.launch_options(browsers.find())

        def launch() -> Browser:
            return playwright.chromium.launch(**options)

        def with_profile(profile: str) -> BrowserContext:
            return playwright.chromium.launch_persistent_context(profile, **options)

        shown += show(visiting.boot(with_profile, url))
        browser = launch()
        shown += show(visiting.slices(browser, url, folder, count, core))
        sizes = visiting.sizes(browser, url, Path(name), arguments.sizes)
        shown += show(visiting.size_rows(sizes))
        browser.close()
        counts = scaling.grow(launch, url, arguments.files)
        shown += show(scaling.table(counts))
    plot(counts, sizes, PLOT)
    shown += show(pixels(environment.set_up_node()[0]))
    shown += show(found_text())
    shown += show(descriptions())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0
    print(f"\n{os.cpu_count()} processors, load {load:.1f}; drawn in {PLOT.relative_to(ROOT)}")
    if arguments.keep:
        rows.keep(shown, BASELINE)
    worse = rows.worse(shown, BASELINE) if arguments.check else []
    print("\n".join(["", "Worse than the baseline:", *worse]) if worse else "", end="")
    return 1 if worse else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BuildError as error:
        sys.exit(f"build.py: {error}")
