"""Images for the tests of the viewer, and what its tests do again and again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from e2e.journey import WAIT, read, shown
from numpy.typing import NDArray
from playwright.sync_api import FilePayload, Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import MPEG4HP41F

import builders
from film import FILM

Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two are outside
HALVES = [FILM[:1200], FILM[1200:]]
Point = tuple[float, float]  # fractions of the picture's width and height


def screen(number: int = 1, *, rows: int = 96, columns: int = 128) -> Dataset:
    """Return a secondary capture without the fill value in it."""
    ds = builders.sc(number=number)
    ds.SeriesInstanceUID = builders.PATIENT.uid(20)
    builders.pixels(ds, rows=rows, columns=columns, bits=8)
    ds.PixelData = bytes(100 + (7 * n + number) % 91 for n in range(rows * columns))
    return ds


def cine(frames: int = 3, *, rows: int = 60, columns: int = 80) -> Dataset:
    """Return an ultrasound cine without the fill value in it, each frame of another grey."""
    ds = builders.us()
    builders.pixels(ds, rows=rows, columns=columns, bits=8, samples=3, frames=frames)
    ds.NumberOfFrames = str(frames)
    stack = [np.full((rows, columns, 3), 60 + 10 * frame, np.uint8) for frame in range(frames)]
    ds.PixelData = np.stack(stack).tobytes()
    return ds


def video(
    fragments: list[bytes] | None = None, transfer_syntax: str = MPEG4HP41F, *, number: int = 1
) -> FilePayload:
    """Return a video of 20 frames of 64 by 48 to open: the film, in two fragments, or another stream."""
    ds = builders.us(number=number)
    ds.Rows, ds.Columns, ds.NumberOfFrames = 48, 64, "20"
    ds.PhotometricInterpretation = "YBR_PARTIAL_420"
    data = builders.encode(ds, transfer_syntax, fragments=fragments or HALVES)
    return {"name": f"video-{number}.dcm", "mimeType": "application/dicom", "buffer": data}


def array(content: bytes) -> NDArray[np.uint8]:
    """Return the pixels of a saved file."""
    pixels: NDArray[np.uint8] = read(content).pixel_array
    return pixels


def original(ds: Dataset) -> NDArray[np.uint8]:
    """Return the pixels of a file that was opened."""
    return array(builders.encode(ds))


def changed_box(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Box:
    """Return the smallest box around all pixels that changed; all inside must be black."""
    ys, xs = np.nonzero(before != after)
    box = int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1
    left, top, right, bottom = box
    assert (after[top:bottom, left:right] == 0).all()
    return box


def place(page: Page, at: Point) -> tuple[float, float]:
    """Return where a point of the picture is on the screen."""
    area = shown(page).bounding_box()
    assert area is not None
    return area["x"] + at[0] * area["width"], area["y"] + at[1] * area["height"]


def drag(page: Page, start: Point, end: Point) -> None:
    """Drag over the picture."""
    x0, y0 = place(page, start)
    x1, y1 = place(page, end)
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
    page.mouse.move(x1, y1)
    page.mouse.up()


def colour_at(page: Page, x: int, y: int) -> list[int]:
    """Return the colour of a pixel of what is shown."""
    colour: list[int] = shown(page).evaluate(
        "(c, [x, y]) => [...c.getContext('2d').getImageData(x, y, 1, 1).data]", [x, y]
    )
    return colour


def centre_of_canvas(page: Page) -> list[int]:
    """Return the colour in the middle of what is shown."""
    width, height = shown(page).evaluate("(c) => [c.width, c.height]")
    return colour_at(page, width >> 1, height >> 1)


def looked_at(page: Page) -> None:
    """Wait for the picture, and two frames of the browser, by which the page counts it as seen."""
    shown(page)
    page.evaluate("""() => new Promise((seen) => requestAnimationFrame(() =>
      requestAnimationFrame(() => setTimeout(seen))))""")


def show(page: Page, mode: Literal["frames", "brightest", "darkest"]) -> None:
    """Show one frame, or one picture of all, and wait for it."""
    page.get_by_test_id(f"show-{mode}").click()
    number = re.compile(r"^All" if mode != "frames" else r"^\d+ /")
    expect(page.get_by_test_id("frame-number")).to_have_text(number, timeout=WAIT)
    shown(page)


def show_all_at_once(page: Page) -> None:
    """Look at both pictures over all frames, or over the series."""
    seen = page.get_by_test_id("seen").get_attribute("data-seen") or "0"
    for mode in ("brightest", "darkest"):
        show(page, mode)
        looked_at(page)
    expect(page.get_by_test_id("seen")).not_to_have_attribute("data-seen", seen)
    show(page, "frames")


def seen(page: Page, count: int, total: int) -> None:
    """Wait until so many of the images that need a look had one."""
    expect(page.get_by_test_id("seen")).to_have_attribute("data-seen", str(count))
    expect(page.get_by_test_id("seen")).to_have_attribute("data-total", str(total))


def report(page: Page) -> list[dict[str, Any]]:
    """Return the entries of the report."""
    with page.expect_download(timeout=WAIT) as download:
        page.get_by_test_id("report").click()
    entries: list[dict[str, Any]] = json.loads(Path(download.value.path()).read_text("utf-8"))["files"]
    return entries
