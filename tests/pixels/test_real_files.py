"""Redaction of real files: pydicom's own, and the shared corpus where it is there."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from builders import corpus_bytes, corpus_files
from dicomveil.errors import Refused
from dicomveil.pixels.decode import FrameReader
from dicomveil.pixels.shapes import spans
from dicomveil.reading import Instance
from dicomveil.redacting import Redaction, is_redactable, redacted_pixels
from pixels.images import decoded, decoders, opened, with_pixels

PYDICOM_FILES = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))
#: Codes that a real file may be refused with; a crash or another code is a fault.
CODES = {"pixels-undecodable", "redaction-unsupported", "pixels-not-in-iod"}
_BLOCK = 17


def areas(rows: int, columns: int, frame: int) -> list[Redaction]:
    """Return an ellipse and a rectangle in one frame."""
    wide, high = max(columns // 4, 1), max(rows // 5, 1)
    return [
        Redaction(columns // 8, rows // 8, wide, high, (frame, frame), "ellipse"),
        Redaction(columns // 2, rows // 2, wide, high, (frame, frame)),
    ]


def assert_redacted(data: bytes, instance: Instance) -> int:
    """Redact the last frame; assert what other decoders see of it and of the first; count comparisons."""
    reader = FrameReader(instance)
    rows, columns, last = reader.layout.rows, reader.layout.columns, reader.layout.frames - 1
    shapes = areas(rows, columns, last)
    before = with_pixels(data, instance, redacted_pixels(instance, ()).parts)
    after = with_pixels(data, instance, redacted_pixels(instance, shapes).parts)
    inside = np.zeros((rows, columns), bool)
    for y, a, b in spans(shapes, rows, columns):
        inside[y, a:b] = True
    by_blocks = reader.coding in {"jpeg", "jpeg-lossless"}  # also if it lies
    around = _BLOCK if by_blocks else 1 if "422" in reader.layout.photometric else 0
    outside = ~_grown(inside, around)
    return sum(_compared(before, after, plugin, last, inside, outside) for plugin in _plugins(before))


def _plugins(ds: Dataset) -> list[str]:
    # pillow shifts signed JPEG 2000 by half its range before and after alike: it compares well all the same
    return decoders(str(ds.file_meta.TransferSyntaxUID))


def _compared(
    before: Dataset, after: Dataset, plugin: str, last: int, inside: np.ndarray, outside: np.ndarray
) -> int:
    old, new = decoded(before, plugin, last), decoded(after, plugin, last)
    if old is None:
        return 0
    assert new is not None
    assert np.array_equal(old[outside], new[outside])
    covered = new[inside].reshape(-1, *new.shape[2:])
    if before.PhotometricInterpretation.startswith("MONO"):
        assert len(np.unique(covered, axis=0)) == 1
    if last:
        first = decoded(before, plugin, 0), decoded(after, plugin, 0)
        assert first[0] is None or first[1] is None or np.array_equal(first[0], first[1])
    return 1


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """Return the mask with ``by`` pixels around it."""
    if not by:
        return mask
    out = np.zeros_like(mask)
    ys, xs = np.nonzero(mask)
    for y0, y1, x0, x1 in ((ys.min(), ys.max(), xs.min(), xs.max()),):
        out[max(y0 - by, 0) : y1 + by + 1, max(x0 - by, 0) : x1 + by + 1] = True
    return out


def outcome(path: Path) -> str:
    """Redact one file as a test; return what it came to."""
    data = corpus_bytes(path)
    try:
        instance = opened(data)
    except Refused:
        return "no image"
    if instance.pixels is None or instance.pixels.tag != 0x7FE00010:
        return "no image"
    if not is_redactable(instance):
        return "not redactable"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compared = assert_redacted(data, instance)
    except Refused as refused:
        assert refused.code in CODES  # noqa: PT017 - all other outcomes are asserted as well
        return refused.code
    return "compared" if compared else "no other decoder"


@pytest.mark.parametrize("path", PYDICOM_FILES, ids=lambda path: path.stem)
def test_a_file_of_pydicom_is_redacted(path: Path) -> None:
    """Outside the areas every other decoder finds the same pixels, inside one value; or there is a code."""
    assert outcome(path)


@pytest.mark.timeout(600)
def test_the_corpus_is_redacted() -> None:
    """The same over the corpus; nearly all images can be redacted and compared."""
    files = corpus_files()
    if not files:
        pytest.skip("the shared corpus is not there")
    logging.disable(logging.CRITICAL)  # what pydicom says of decoders that cannot
    try:
        counts = Counter(outcome(path) for path in files)
    finally:
        logging.disable(logging.NOTSET)
    images = counts.total() - counts["no image"]
    assert counts["compared"] > 0.9 * images, counts
