"""Hostile pixels in the page: broken streams are shown or have a code, and the page lives on."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from e2e.journey import WAIT, choose, clean, open_files, payload, row, rows, shown, state
from e2e.pictures import centre_of_canvas, cine, screen
from playwright.sync_api import Page, expect

import builders
import processes
from pixels.images import SYNTAXES, Kind, data_set, exists, pattern

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload

GREY, RGB = Kind("MONOCHROME2", 8, 8), Kind("RGB", 8, 8)
PIXEL_DATA = bytes.fromhex("e07f1000")
ENCAPSULATED = [name for name in SYNTAXES if name not in {"implicit", "explicit", "big-endian", "deflated"}]


def broken(syntax: str) -> list[bytes]:
    """Return files whose only stream is cut short, random, or has a few bytes of its header changed."""
    kind = GREY if exists(syntax, GREY) else RGB
    data = data_set(syntax, kind, [pattern(kind, 40, 48, 0)])
    table = data.index(PIXEL_DATA) + 12  # an item with the offsets of the frames
    start = table + 8 + int.from_bytes(data[table + 4 : table + 8], "little") + 8
    length = int.from_bytes(data[start - 4 : start], "little")
    stream = data[start : start + length]
    dice = random.Random(syntax)
    headed = bytearray(stream)
    for _ in range(12):
        headed[dice.randrange(min(60, length))] = dice.randrange(256)
    half = stream[: length // 2] + bytes(length - length // 2)
    return [
        data[:start] + new + data[start + length :] for new in (half, dice.randbytes(length), bytes(headed))
    ]


def test_broken_streams_do_not_stop_the_page(ready: Page) -> None:
    """One after the other is looked at, in bounded time of processors; afterwards a good image is shown."""
    files: list[FilePayload] = []
    for syntax in ENCAPSULATED:
        for number, data in enumerate(broken(syntax)):
            name = f"{syntax}-{number}.dcm"
            files.append({"name": name, "mimeType": "application/dicom", "buffer": data})
    assert len(files) >= 30
    open_files(ready, files)
    undecodable: list[str] = []
    spent = processes.usage().processor
    for file in files:
        ready.get_by_test_id("files").locator(".row").filter(has_text=file["name"]).evaluate(
            "(button) => button.click()"
        )
        expect(row(ready, file["name"])).to_have_attribute("aria-current", "true")
        expect(ready.locator(".stage-box")).to_have_attribute("data-loading", "false", timeout=WAIT)
        if ready.get_by_test_id("stage-note").is_visible():
            undecodable.append(file["name"])
            expect(ready.get_by_test_id("confirm-pixels")).to_be_disabled()
        else:
            ready.get_by_test_id("confirm-pixels").click()
    assert processes.usage().processor - spent < 120
    assert len(undecodable) >= len(files) // 2
    clean(ready)
    for found in rows(ready):
        assert found.status in {"clean", "attention", "refused"}
        assert found.status == "clean" or found.code
        if any(name in found.text for name in undecodable):
            assert found.status != "clean"
    ready.get_by_test_id("open-files").set_input_files([payload(screen(), "good.dcm")])
    state(ready, "review")
    choose(ready, "good.dcm")
    shown(ready)
    assert centre_of_canvas(ready)[3] == 255
    expect(ready.get_by_test_id("confirm-pixels")).to_be_enabled()


def test_a_file_that_claims_a_million_frames_ends_with_a_code(ready: Page) -> None:
    """What should lie behind its end is not looked for a million times, and is not seen."""
    ds = cine(2)
    ds.NumberOfFrames = "1000000"
    open_files(ready, [payload(ds), payload(builders.ct(), "good.dcm")])
    choose(ready, "image.dcm")
    shown(ready)
    spent = processes.usage().processor
    ready.get_by_test_id("show-brightest").click()
    expect(ready.get_by_test_id("stage-note")).to_be_visible(timeout=WAIT)
    expect(ready.get_by_test_id("confirm-pixels")).to_be_disabled()
    choose(ready, "good.dcm")
    shown(ready)
    assert processes.usage().processor - spent < 30


def test_a_truncated_cine_has_no_projection(ready: Page) -> None:
    """A frame that is missing was not seen by anybody: there is a reason, no picture, and no confirmation."""
    ds = cine(3)
    ds.PixelData = ds.PixelData[: 60 * 80 * 3 * 2 + 40]
    open_files(ready, [payload(ds)])
    shown(ready)
    for mode in ("brightest", "darkest"):
        ready.get_by_test_id(f"show-{mode}").click()
        expect(ready.get_by_test_id("stage-note")).to_be_visible(timeout=WAIT)
    expect(ready.get_by_test_id("confirm-pixels")).to_be_disabled()
