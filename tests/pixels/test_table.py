"""The table of syntax x photometric interpretation x bits: what is decoded, and what redaction leaves."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import ParametricMapStorage

from dicomveil.errors import Refused
from dicomveil.pixels.decode import FrameReader
from dicomveil.redacting import Redaction, redacted_pixels
from pixels.images import (
    KINDS,
    LOSSY_JPEG,
    SYNTAXES,
    Array,
    Kind,
    as_file,
    data_set,
    decoded,
    decoders,
    exists,
    jpeg_inside,
    native_frame,
    opened,
    pattern,
    with_pixels,
)
from pixels.test_scrub import instance_of, jpeg

TABLE = [
    pytest.param(syntax, kind, id=f"{syntax}-{kind.name}")
    for syntax in SYNTAXES
    for kind in KINDS
    if exists(syntax, kind)
]
ROWS, COLUMNS, FRAMES = 48, 64, 3
#: Transfer syntaxes that take the same pixels: the columns of the table in ``py/README.md``, by UIDs' ends.
GROUPS = {
    "native": ("implicit", "explicit", "big-endian", "deflated"),
    ".5": ("rle",),
    ".50": ("jpeg-baseline",),
    ".51": ("jpeg-extended",),
    ".57 .70 .80": ("jpeg-lossless", "jpeg-lossless-sv1", "jpeg-ls"),
    ".81 .110 .112": ("jpeg-ls-near", "jpeg-xl-lossless", "jpeg-xl"),
    ".90 .91 .201 .202 .203": ("jpeg-2000-lossless", "jpeg-2000", "htj2k-lossless", "htj2k-rpcl", "htj2k"),
    ".111": ("jpeg-xl-recompression",),
    ".8.1": ("deflated-frames",),
}
LOSSY = (*LOSSY_JPEG, "jpeg-ls-near", "jpeg-2000")
AREA = Redaction(x=9, y=10, width=21, height=13, frames=(1, 1))


def stored_values(array: Array, kind: Kind) -> Array:
    """Return what cells stand for: Bits Stored of them, sign extended."""
    if array.dtype.kind == "f":
        return array
    values = array.astype(np.int64) & ((1 << kind.stored) - 1)
    if kind.signed:
        sign = 1 << kind.stored - 1
        values = (values ^ sign) - sign
    return values


@pytest.fixture(scope="module")
def instances() -> dict[tuple[str, str], tuple[list[Array], bytes]]:
    """Keep what was built, for both tests of a row."""
    return {}


def built(
    cache: dict[tuple[str, str], tuple[list[Array], bytes]], syntax: str, kind: Kind
) -> tuple[list[Array], bytes]:
    """Return three frames, and the file that holds them."""
    key = (syntax, kind.name)
    if key not in cache:
        frames = [pattern(kind, ROWS, COLUMNS, frame) for frame in range(FRAMES)]
        cache[key] = frames, data_set(syntax, kind, frames)
    return cache[key]


@pytest.mark.parametrize(("syntax", "kind"), TABLE)
def test_a_frame_is_decoded(
    syntax: str, kind: Kind, instances: dict[tuple[str, str], tuple[list[Array], bytes]]
) -> None:
    """Every frame comes out as the values that went in; within a few levels where the coding is lossy."""
    frames, data = built(instances, syntax, kind)
    reader = FrameReader(opened(data))
    for index, frame in enumerate(frames):
        array, described = reader.array(index, rgb=False)
        if syntax == "jpeg-xl-recompression" and kind.photometric.startswith("YBR"):
            assert described.photometric == "RGB"
            continue
        difference = np.abs(stored_values(array, kind) - frame).max()
        allowed = (1 << kind.stored) // 8 if syntax in LOSSY else 0
        assert difference <= allowed
        assert described.bits_stored == kind.stored
        assert described.photometric in {kind.photometric, "YBR_FULL", "RGB"}
        assert array.shape == frame.shape


@pytest.mark.parametrize(("syntax", "kind"), TABLE)
def test_outside_stays_and_inside_is_black(
    syntax: str, kind: Kind, instances: dict[tuple[str, str], tuple[list[Array], bytes]]
) -> None:
    """After redaction every other decoder finds the pixels outside as they were, and black inside."""
    _, data = built(instances, syntax, kind)
    instance = opened(data)
    before = with_pixels(data, instance, redacted_pixels(instance, ()).parts)
    after = with_pixels(data, instance, redacted_pixels(instance, [AREA]).parts)
    redacted = as_file(after, SYNTAXES[syntax])
    inside = np.zeros((ROWS, COLUMNS), bool)
    inside[10:23, 9:30] = True
    outside = ~inside
    if (
        syntax in LOSSY_JPEG
    ):  # blocks of 8 with chrominance of 16, and the neighbours that it is smoothed into
        outside[:] = True
        outside[:41, :49] = False
    elif kind.photometric == "YBR_FULL_422":
        outside[10:23, 8:30] = False
    compared = 0
    plugins: list[str | None] = [*decoders(SYNTAXES[syntax])] or [None]
    for plugin in plugins:
        for index in range(FRAMES):
            old = decoded(before, plugin, index) if plugin is not None else alone(syntax, data, index)
            new = decoded(after, plugin, index) if plugin is not None else alone(syntax, redacted, index)
            if old is None or new is None:
                continue
            compared += 1
            if index != 1:
                assert np.array_equal(old, new)
                continue
            assert np.array_equal(old[outside], new[outside])
            assert_black(new[inside], kind, old, syntax)
    assert compared


def alone(syntax: str, data: bytes, index: int) -> Array:
    """Decode a frame of a transfer syntax that no decoder of pydicom knows."""
    if syntax == "jpeg-xl-recompression":
        return jpeg_inside(data, index)
    return FrameReader(opened(data)).array(index, rgb=False)[0]


def assert_black(values: Array, kind: Kind, frame: Array, syntax: str) -> None:
    """Assert that values are black in display terms."""
    stored = stored_values(values, kind)
    top = (1 << kind.stored) - 1
    if kind.samples == 3:
        half = 1 << kind.stored - 1
        ycc = kind.photometric in {"YBR_FULL", "YBR_FULL_422"}
        black = (0, half, half) if ycc else (0, 0, 0)
        near = 8 if syntax in LOSSY_JPEG else 0  # chrominance is smoothed into its neighbours
        assert np.abs(stored - black)[..., :1].max() == 0
        assert np.abs(stored - black).max() <= near
    elif kind.photometric == "PALETTE COLOR":
        assert set(np.unique(stored)) == {255}
    elif kind.photometric == "MONOCHROME1":
        assert stored.min() == top
    elif kind.signed:
        assert set(np.unique(stored)) == {stored_values(frame, kind).min()}
    else:
        assert stored.max() == 0


def test_floating_pixels_are_shown_and_never_redacted() -> None:
    """Float Pixel Data is scaled for the screen with a slope that gives it back, and refuses redaction."""
    from builders import encode, sc
    from dicomveil.pixels.decode import drawable

    ds = sc()
    values = np.linspace(-3.5, 900.25, 24, dtype="<f4")
    ds.SOPClassUID = ParametricMapStorage
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    ds.BitsAllocated = 32
    ds.add_new(0x7FE00008, "OF", values.tobytes())
    instance = opened(encode(ds))
    cells, described = drawable(*FrameReader(instance).array(0))
    assert described.note == "scaled"
    shown = cells.reshape(-1) * described.slope + described.intercept
    assert np.abs(shown - values).max() < 0.02
    with pytest.raises(Refused, match="cannot be redacted"):
        redacted_pixels(instance, [Redaction(0, 0, 2, 2)])


def test_the_table_in_the_readme_is_this_one() -> None:
    """The table of ``py/README.md``, row by row: a plus is what the tests above decode and redact."""
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(SYNTAXES)
    lines = [f"| | {' | '.join(GROUPS)} |", f"|---|{'---|' * len(GROUPS)}"]
    for kind in KINDS:
        bits = f"{kind.stored} of {kind.allocated}" if kind.stored < kind.allocated else f"{kind.stored}"
        name = f"{kind.photometric}, {bits}{', signed' * kind.signed}{', planar' * kind.planar}"
        cells = []
        for names in GROUPS.values():
            (there,) = {exists(syntax, kind) for syntax in names}
            cells.append("+" if there else " ")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    readme = (Path(__file__).parents[2] / "py" / "README.md").read_text("utf-8")
    assert "\n".join(lines) in readme, "\n".join(lines)


def literal_runs(data: bytes) -> bytes:
    """Return one segment of RLE without any run that repeats (PS3.5 G.3)."""
    runs = [data[at : at + 128] for at in range(0, len(data), 128)]
    segment = b"".join(bytes([len(run) - 1]) + run for run in runs)
    return struct.pack("<16L", 1, 64, *[0] * 14) + segment


@pytest.mark.parametrize(
    ("transfer_syntax", "kind"),
    [
        pytest.param(SYNTAXES["rle"], Kind("MONOCHROME2", 1, 1), id="RLE, single bits"),
        pytest.param("1.2.840.10008.1.2.1.98", Kind("MONOCHROME2", 8, 8), id="uncompressed, grey"),
        pytest.param("1.2.840.10008.1.2.1.98", Kind("MONOCHROME2", 16, 12), id="uncompressed, 12 bits"),
        pytest.param("1.2.840.10008.1.2.1.98", Kind("RGB", 8, 8), id="uncompressed, colour"),
    ],
)
def test_what_no_other_encoder_makes(transfer_syntax: str, kind: Kind) -> None:
    """Streams made by hand: every frame is decoded, and only the area of the second one becomes black."""
    frames = [pattern(kind, ROWS, COLUMNS, frame) for frame in range(FRAMES)]
    ds = dcmread(io.BytesIO(data_set("explicit", kind, frames)))
    native = [native_frame(kind, frame, little=True) for frame in frames]
    streams = [literal_runs(frame) for frame in native] if transfer_syntax == SYNTAXES["rle"] else native
    ds["PixelData"].value = encapsulate(streams)
    ds["PixelData"].is_undefined_length = True
    data = as_file(ds, transfer_syntax)
    instance = opened(data)
    after = as_file(with_pixels(data, instance, redacted_pixels(instance, [AREA]).parts), transfer_syntax)
    for index, frame in enumerate(frames):
        assert np.array_equal(stored_values(alone("", data, index), kind), frame)
        expected = frame.copy()
        if index == 1:
            expected[10:23, 9:30] = 0
        assert np.array_equal(stored_values(alone("", after, index), kind), expected)


@pytest.mark.parametrize("end", ["53", "55"])
def test_retired_progressive_jpeg_is_shown_and_not_redacted(end: str) -> None:
    """Its transfer syntax has no reversible form, and no sequential one: a code, and nothing leaves."""
    transfer_syntax = f"1.2.840.10008.1.2.4.{end}"
    ds = dcmread(
        io.BytesIO(instance_of("jpeg-baseline", [jpeg(0, progressive=True), jpeg(1, progressive=True)]))
    )
    instance = opened(as_file(ds, transfer_syntax))
    assert FrameReader(instance).array(1)[0].shape[0] == ds.Rows
    with pytest.raises(Refused) as caught:
        redacted_pixels(instance, [Redaction(0, 0, 9, 9)])
    assert caught.value.code == "redaction-unsupported"


def test_jpeg_xl_without_a_jpeg_inside_is_shown_and_not_redacted() -> None:
    """JPEG XL Recompression whose JPEG cannot be made of it has no frame to change."""
    stored = pattern(Kind("MONOCHROME2", 8, 8), ROWS, COLUMNS, 0)
    ds = dcmread(io.BytesIO(data_set("explicit", Kind("MONOCHROME2", 8, 8), [stored])))
    ds["PixelData"].value = encapsulate(
        [bytes(imagecodecs.jpegxl_encode(stored.astype("u1"), lossless=True))]
    )
    ds["PixelData"].is_undefined_length = True
    instance = opened(as_file(ds, SYNTAXES["jpeg-xl-recompression"]))
    assert np.array_equal(FrameReader(instance).array(0)[0], stored)
    with pytest.raises(Refused) as caught:
        redacted_pixels(instance, [Redaction(9, 10, 21, 13)])
    assert caught.value.code == "redaction-unsupported"
