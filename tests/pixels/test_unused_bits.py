"""Bits of a cell that no stored value has: shown by no viewer, so they do not leave where a look counts."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate

import builders
from dicomveil.pipeline import clean_source
from dicomveil.pixels.layout import PixelLayout
from dicomveil.pixels.unused_bits import cleared_array, cleared_part, unused_bits
from dicomveil.source import BytesSource, Range, iter_parts
from pixels.images import SYNTAXES, Array, Kind, as_file, data_set, decoded, decoders, pattern, stream
from pixels.test_canaries import SESSION

DEEP = Kind("MONOCHROME2", 16, 12)
SIGNED = Kind("MONOCHROME2", 16, 12, signed=True)
SECRET = b"Zwicklhuber^Quirina 19470813 "


def hidden(kind: Kind, frame: int) -> tuple[Array, Array]:
    """Return stored values, and cells whose four high bits spell a text."""
    stored = pattern(kind, 24, 32, frame)
    nibbles = np.frombuffer((SECRET * 60)[: 24 * 32 // 2], np.uint8)
    text = np.stack([nibbles >> 4, nibbles & 15], axis=-1).reshape(24, 32).astype(np.uint16)
    return stored, (stored.astype(np.uint16) & 0x0FFF) | text << 12


def instance_of(syntax: str, kind: Kind, cells: list[Array]) -> bytes:
    """Return a secondary capture, which a person has to look at, of these cells."""
    ds = dcmread(io.BytesIO(data_set("explicit", kind, [pattern(kind, 24, 32, 0)] * len(cells))))
    if syntax in {"explicit", "implicit", "big-endian"}:
        order = ">u2" if syntax == "big-endian" else "<u2"
        ds["PixelData"].value = b"".join(cell.astype(order).tobytes() for cell in cells)
    else:
        whole = Kind("MONOCHROME2", 16, 16)
        ds["PixelData"].value = encapsulate([stream(syntax, whole, cell.astype(np.int64)) for cell in cells])
        ds["PixelData"].is_undefined_length = True
        ds["PixelData"].VR = "OB"
    return as_file(ds, SYNTAXES[syntax])


def cleaned(data: bytes, pixels: str = "confirmed") -> bytes:
    """Clean under the default profile."""
    source = BytesSource(data)
    return b"".join(iter_parts(source, clean_source(source, SESSION, pixels=pixels).parts))


def cells_of(data: bytes, index: int) -> Array:
    """Return a frame's whole cells, by a decoder that is not ours."""
    ds = dcmread(io.BytesIO(data))
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 15, 0
    syntax = ds.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        cells: Array = np.frombuffer(ds.PixelData, "<u2" if syntax.is_little_endian else ">u2")
        whole: Array = cells.reshape(-1, 24, 32)[index].astype(np.uint16)
        return whole
    found = [decoded(ds, plugin, index) for plugin in decoders(syntax)]
    first: Array = next(array for array in found if array is not None)
    return np.asarray(first.astype(np.uint16))


@pytest.mark.parametrize(
    "syntax", ["explicit", "implicit", "big-endian", "rle", "jpeg-2000-lossless", "jpeg-ls", "jpeg-lossless"]
)
@pytest.mark.parametrize("kind", [DEEP, SIGNED], ids=["unsigned", "signed"])
def test_what_nobody_could_see_does_not_leave(syntax: str, kind: Kind) -> None:
    """A text in the bits above High Bit goes from an image that a person confirmed; the image is the same."""
    made = [hidden(kind, n) for n in range(2)]
    data = instance_of(syntax, kind, [cells for _, cells in made])
    found = cleaned(data)
    for n, (stored, cells) in enumerate(made):
        assert np.array_equal(cells_of(data, n), cells)
        assert np.array_equal(cells_of(found, n), stored.astype(np.uint16))
    assert np.array_equal(cells_of(cleaned(data, "unclaimed"), 0), made[0][1])


@pytest.mark.parametrize("syntax", ["explicit", "jpeg-2000-lossless", "rle"])
@pytest.mark.parametrize("zeros", [True, False], ids=["zeros", "sign"])
def test_a_sign_is_no_text(syntax: str, zeros: bool) -> None:  # noqa: FBT001 - parametrized
    """Signed values whose unused bits repeat the sign or are zero stay ranges of the input."""
    stored = [pattern(SIGNED, 24, 32, n).astype(np.uint16) for n in range(2)]
    cells = [frame & 0x0FFF if zeros else frame for frame in stored]
    data = instance_of(syntax, SIGNED, cells)
    result = clean_source(BytesSource(data), SESSION, pixels="confirmed")
    kept = sum(part.length for part in result.parts if isinstance(part, Range))
    assert kept > 0.8 * len(dcmread(io.BytesIO(data)).PixelData)
    found = b"".join(iter_parts(BytesSource(data), result.parts))
    assert all(np.array_equal(cells_of(found, n), cells[n]) for n in range(2))


def test_pixels_at_no_risk_are_not_read() -> None:
    """A slice that needs no look is passed on unread, whatever is confirmed."""
    ds = builders.ct()
    ds.Rows = ds.Columns = 1024
    ds.BitsStored, ds.HighBit = 12, 11
    ds.PixelData = b"\x00\xf0" * (1024 * 1024)
    source = builders.WatchedSource(builders.encode(ds))
    clean_source(source, SESSION, pixels="confirmed")
    assert sum(source.reads) < 400_000


@pytest.mark.parametrize("allocated", [8, 16, 32])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("shift", [0, 2])
def test_both_ways_of_clearing_agree(allocated: int, signed: bool, shift: int) -> None:  # noqa: FBT001
    """Bytes of native pixels and arrays of decoded ones lose the same bits, in both byte orders."""
    noise = np.random.default_rng(allocated).integers(0, 1 << allocated, (6, 8), dtype=np.uint64)
    for order in "<>":
        described = PixelLayout(
            6, 8, 1, 1, allocated, allocated - 3, signed, planar=False, photometric="MONOCHROME2",
            little=order == "<", high=allocated - 4 + shift,
        )  # fmt: skip
        bits = unused_bits(described)
        assert bits.bit_count() == 3
        cells = noise.astype(f"u{allocated // 8}")
        data = cells.astype(f"{order}u{allocated // 8}").tobytes()
        part = cleared_part(BytesSource(b""), data, described, bits)
        assert isinstance(part, bytes)
        array = cells.copy()
        assert cleared_array(array, described, bits)
        assert part == array.astype(f"{order}u{allocated // 8}").tobytes()
        assert cleared_part(BytesSource(part), Range(0, len(part)), described, bits) == Range(0, len(part))
        assert not cleared_array(array, described, bits)
