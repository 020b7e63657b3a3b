"""Real images of every kind of pixels: shown and covered in the page, and judged by decoders other than ours.

Of pydicom's files and of the shared corpus (where it is there) the smallest of each kind: transfer syntax,
photometric interpretation, bits, sign, planes, one frame or several.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from e2e.journey import WAIT, clean, open_files, save, state
from e2e.pictures import report, show
from playwright.sync_api import FilePayload, Page, expect
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from builders import corpus_bytes, corpus_files
from pixels.images import decoded, decoders

OWN = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))
_MOST_BYTES = 4_000_000
_MCU = 32  # what is smoothed around a touched block of JPEG at most


def kind(data: bytes) -> tuple[object, ...] | None:
    """Return what makes pixels of a kind; ``None`` for what pydicom cannot read, or what has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = dcmread(io.BytesIO(data))
            if "PixelData" not in ds or not ds.get("SOPClassUID"):
                return None
            return (
                ds.file_meta.TransferSyntaxUID,
                ds.PhotometricInterpretation,
                (ds.BitsAllocated, ds.BitsStored, ds.PixelRepresentation, ds.get("PlanarConfiguration")),
                int(ds.get("NumberOfFrames") or 1) > 1,
            )
        except (InvalidDicomError, AttributeError, TypeError, ValueError, EOFError):
            return None


def kinds() -> list[bytes]:
    """Return the smallest file of each kind."""
    found: dict[object, bytes] = {}
    for path in [*OWN, *corpus_files()]:
        data = corpus_bytes(path)
        key = kind(data) if len(data) <= _MOST_BYTES else None
        if key is not None and (key not in found or len(data) < len(found[key])):
            found[key] = data
    return list(found.values())


def cover(page: Page, name: str) -> bool:
    """Choose a file; if it is shown, add an area to all its frames and look at what needs a look."""
    page.get_by_test_id("files").locator(".row").filter(has_text=name).evaluate("(b) => b.click()")
    chosen = page.get_by_test_id("files").locator("[aria-current=true]")
    expect(chosen).to_contain_text(name)
    stage_box = page.locator(".stage-box")
    expect(stage_box).to_have_attribute("data-loading", "false", timeout=WAIT)
    if page.get_by_test_id("stage-note").is_visible() or not page.get_by_test_id("add-covering").is_enabled():
        return False
    page.get_by_test_id("stage").press("r")
    expect(page.get_by_test_id("covering")).to_have_count(1)
    if chosen.get_attribute("data-status") == "attention" and page.get_by_test_id("frames").is_visible():
        show(page, "brightest")
        show(page, "darkest")
        show(page, "frames")
    expect(chosen).not_to_have_attribute("data-status", "attention", timeout=WAIT)
    return True


def values(ds: Dataset, plugin: str, index: int) -> np.ndarray | None:
    """Return what the cells of a frame stand for: Bits Stored of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells = decoded(ds, plugin, index)
    if cells is None or cells.dtype.kind == "f":
        return cells
    stored: np.ndarray = cells.astype(np.int64) >> (ds.HighBit + 1 - ds.BitsStored) & (
        (1 << ds.BitsStored) - 1
    )
    return stored


def compare(before: Dataset, after: Dataset, *, again: bool) -> int:
    """Assert that the area is of one colour and that all else is as it was; count what decoders said so."""
    rows, columns = before.Rows, before.Columns
    top, left = rows // 4, columns // 4
    bottom, right = top - (-rows // 4), left - (-columns // 2)
    lossy = before.file_meta.TransferSyntaxUID in {
        f"1.2.840.10008.1.2.4.{end}" for end in ("50", "51", "57", "70")
    }
    around = _MCU if lossy else "422" in before.PhotometricInterpretation
    outside = np.ones((rows, columns), bool)
    outside[max(top - around, 0) : bottom + around, max(left - around, 0) : right + around] = False
    compared = 0
    for plugin in decoders(str(before.file_meta.TransferSyntaxUID)):
        for index in {0, int(before.get("NumberOfFrames") or 1) - 1}:
            old, new = values(before, plugin, index), values(after, plugin, index)
            if old is None:
                continue
            assert new is not None
            compared += 1
            assert again or np.array_equal(old[outside], new[outside])
            colours = new[top:bottom, left:right].reshape((bottom - top) * (right - left), -1)
            assert np.ptp(colours[:, 0]) <= 2 * again
    return compared


@pytest.mark.timeout(580)
@pytest.mark.filterwarnings("ignore")  # what pydicom says of real files
def test_real_images_of_every_kind_are_shown_and_covered(ready: Page) -> None:
    """What other decoders read of the output is the input but for the area; the rest has a code."""
    inputs = kinds()
    files: list[FilePayload] = [
        {"name": f"image-{number:03}.dcm", "mimeType": "application/dicom", "buffer": data}
        for number, data in enumerate(inputs)
    ]
    open_files(ready, files)
    ready.evaluate(
        "() => document.querySelectorAll('.series-toggle[aria-expanded=false]').forEach(b => b.click())"
    )
    covered = [cover(ready, file["name"]) for file in files]
    clean(ready)
    entries = report(ready)
    outputs = save(ready)
    judged = 0
    for data, was_covered, entry in zip(inputs, covered, entries, strict=True):
        assert (entry["status"] == "clean") or entry["code"]
        if not was_covered or entry["status"] != "clean":
            continue
        assert entry["pixels"] == "redacted"
        before, after = dcmread(io.BytesIO(data)), dcmread(io.BytesIO(outputs[entry["output"]]))
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
        judged += compare(before, after, again="pixels-recompressed" in entry["warnings"]) > 0
    assert sum(covered) >= 0.95 * len(inputs)
    assert judged >= 0.85 * len(inputs)
    state(ready, "done")
