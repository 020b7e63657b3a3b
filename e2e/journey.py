"""The steps of a journey through the page, by its automation contract; and the files to take along."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import pydicom
import pytest
from playwright.sync_api import Error, FilePayload, Locator, Page, Worker, expect
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

import builders

#: Files that pydicom's own wheel brings along: nothing is downloaded for the tests.
PYDICOM_FILES = (
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "JPEG2000.dcm",
    "SC_rgb_small_odd.dcm",
    "examples_overlay.dcm",
    "examples_palette.dcm",
    "examples_rgb_color.dcm",
    "examples_ybr_color.dcm",
    "image_dfl.dcm",
    "liver_1frame.dcm",
    "rtdose_1frame.dcm",
    "rtplan.dcm",
    "test-SR.dcm",
    "waveform_ecg.dcm",
)
WAIT = 60_000  # ms: the machine may be busy
#: Before the page's scripts: notes what workers are asked to do, and keeps one kind back until it is let go,
#: but for the next `passing` of it. However long that takes, the page gives no worker up.
HOLD = """(() => { const post = Worker.prototype.postMessage, later = setTimeout;
  globalThis.held = []; globalThis.holding = ""; globalThis.passing = 0; globalThis.asked = [];
  globalThis.setTimeout = (act, ms, ...rest) => later(act, ms >= 30_000 ? 100 * ms : ms, ...rest);
  Worker.prototype.postMessage = function (message, ...rest) {
    if (message.kind === "call") asked.push(message.op);
    const passes = !holding || message.op !== holding || passing-- > 0;
    if (passes) post.call(this, message, ...rest);
    else held.push(() => post.call(this, message, ...rest));
  };
  globalThis.letGo = () => { holding = ""; for (const go of held.splice(0)) go(); }; })()"""
#: Before the page's scripts: notes which kinds of messages come from workers.
HEARD = """(() => { globalThis.heard = [];
  globalThis.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => heard.push(data.kind));
    }
  }; })()"""


class Server(Protocol):
    """What conftest starts: a receiver that serves the page."""

    @property
    def url(self) -> str:
        """Where the page is."""

    @property
    def storage(self) -> Path:
        """Where uploads are kept."""

    @property
    def token(self) -> str:
        """What lets a page send."""


class Plain(NamedTuple):
    """What conftest starts: a web server that knows nothing of policies. `url` ends in "/"."""

    url: str
    folder: Path  # a copy of dist/
    stop: Callable[[], None]


class Sink(Protocol):
    """What conftest starts: a place that nothing may ever connect to."""

    @property
    def url(self) -> str:
        """Where it listens."""

    @property
    def requests(self) -> int:
        """How many sent anything."""


class Row(NamedTuple):
    """A row of the page's list."""

    status: str
    code: str | None
    text: str


def pydicom_file(name: str) -> Path:
    """Return the path of a file inside pydicom's wheel."""
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str), name
    return Path(path)


def payload(ds: Dataset, name: str = "image.dcm", transfer_syntax: str = builders.EXPLICIT) -> FilePayload:
    """Return an instance as a file to open."""
    return {"name": name, "mimeType": "application/dicom", "buffer": builders.encode(ds, transfer_syntax)}


def state(page: Page, name: str) -> None:
    """Wait until the page is in a state."""
    expect(page.get_by_test_id("status")).to_have_attribute("data-state", name, timeout=WAIT)


def until(page: Page, true: Callable[[], object]) -> None:
    """Wait until something is true that the page itself does not show."""
    for _ in range(WAIT // 20):
        if true():
            return
        page.wait_for_timeout(20)
    pytest.fail("waited too long")


def open_files(page: Page, files: list[FilePayload] | list[Path]) -> None:
    """Give files to the page and wait until they can be reviewed."""
    page.get_by_test_id("open-files").set_input_files(files)
    state(page, "review")


def rows(page: Page) -> list[Row]:
    """Return what the list says of each file."""
    found = page.get_by_test_id("files").locator("[data-status]")
    told = found.evaluate_all(
        "rows => rows.map(r => [r.dataset.status, r.dataset.code ?? null, r.textContent])"
    )
    return [Row(*row) for row in told]


def row(page: Page, name: str) -> Locator:
    """Return the row of a file."""
    return page.get_by_test_id("files").locator("[data-status]").filter(has_text=re.compile(re.escape(name)))


def choose(page: Page, name: str) -> None:
    """Choose a file in the list."""
    page.evaluate(
        "() => document.querySelectorAll('.series-toggle[aria-expanded=false]').forEach(b => b.click())"
    )
    row(page, name).click()
    expect(row(page, name)).to_have_attribute("aria-current", "true")


def shown(page: Page) -> Locator:
    """Wait for the picture of the chosen file."""
    canvas = page.get_by_test_id("canvas")
    expect(canvas).to_be_visible(timeout=WAIT)
    expect(page.locator(".stage-box")).to_have_attribute("data-loading", "false", timeout=WAIT)
    return canvas


def _is_shut_in(worker: Worker) -> bool:
    try:
        return bool(worker.evaluate("() => !self.fetch"))
    except Error:  # it hung, and has just been ended
        return False


def workers(page: Page) -> list[Worker]:
    """Wait for the workers that the page starts with, and until they are shut in."""
    for _ in range(WAIT // 100):
        if len(page.workers) >= 2 and all(map(_is_shut_in, page.workers)):
            return page.workers
        page.wait_for_timeout(100)
    raise AssertionError("the workers did not start")


def undisturbed(page: Page) -> list[Worker]:
    """Wait until nobody asks for pictures any more; return the workers."""
    shown(page)
    # That of the series waits until the series is closed.
    expect(page.locator("[data-status] .thumbnail:not(:has(canvas))")).to_have_count(0, timeout=WAIT)
    return workers(page)


def tab_to(page: Page, name: str) -> None:
    """Go to an element by the tab key alone."""
    for _ in range(120):
        if page.evaluate("() => document.activeElement?.dataset?.testid") == name:
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{name} is not reached by the tab key")


def press(page: Page, name: str) -> None:
    """Press a button by keyboard alone."""
    tab_to(page, name)
    page.keyboard.press("Enter")


def clean(page: Page) -> None:
    """Clean what can be."""
    page.get_by_test_id("clean").click()
    state(page, "done")


def save(page: Page) -> dict[str, bytes]:
    """Save the ZIP and return its files by name."""
    with page.expect_download(timeout=WAIT) as download:
        page.get_by_test_id("save").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(set(names)) == len(names)
        return {name: archive.read(name) for name in names}


def instances(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the DICOM files of a ZIP."""
    return {name: content for name, content in files.items() if name.endswith(".dcm")}


def read(content: bytes) -> Dataset:
    """Read a saved file by pydicom."""
    return pydicom.dcmread(io.BytesIO(content))


def statuses(page: Page) -> list[str]:
    """Return the states of all files, sorted."""
    return sorted(found.status for found in rows(page))


def secrets_in(contents: Iterable[bytes]) -> list[str]:
    """Return the made-up patient's identifiers that are in any of some outputs."""
    joined = b"\n".join(contents)
    return [secret for secret in builders.PATIENT.secrets() if secret.encode() in joined]
