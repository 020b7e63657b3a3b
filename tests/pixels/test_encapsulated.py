"""Encapsulated Pixel Data written anew: frames, overlays in high bits, JPEG without a reversible form."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.encoders.base import RLELosslessEncoder

from dicomveil.errors import Refused
from dicomveil.pipeline import Session, clean_source
from dicomveil.pixels.decode import FrameReader
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.redacting import Redaction, redacted_pixels
from dicomveil.source import BytesSource, Range, iter_parts
from pixels.images import SYNTAXES, Kind, as_file, data_set, opened, pattern
from pixels.test_scrub import instance_of, jpeg

DEEP = Kind("MONOCHROME2", 16, 12)
GREY = Kind("MONOCHROME2", 8, 8)


@pytest.mark.parametrize("syntax", ["rle", "jpeg-2000-lossless"])
def test_untouched_frames_are_byte_identical(syntax: str) -> None:
    """Of 200 frames, the 197 that no area touches are ranges of the input."""
    streams = [pattern(DEEP, 16, 20, n) for n in range(200)]
    data = data_set(syntax, DEEP, streams)
    ds = dcmread(io.BytesIO(data))
    instance = opened(data)
    before = list(generate_frames(ds.PixelData, number_of_frames=200))
    written = redacted_pixels(instance, [Redaction(2, 2, 5, 5, (7, 9))])
    value = b"".join(iter_parts(instance.source, written.parts))
    after = list(generate_frames(value, number_of_frames=200))
    changed = [n for n in range(200) if before[n] != after[n]]
    if syntax == "rle":  # the encoder of the other one signs its frames, which are scrubbed
        assert changed == [7, 8, 9]
        assert sum(part.length for part in written.parts if isinstance(part, Range)) > 0.9 * len(ds.PixelData)
    for n in set(range(200)) - {7, 8, 9}:
        assert np.array_equal(_decoded(data, n), _decoded(_with(data, value), n))


def _with(data: bytes, value: bytes) -> bytes:
    ds = dcmread(io.BytesIO(data))
    ds["PixelData"].value = value
    return as_file(ds, ds.file_meta.TransferSyntaxUID)


def _decoded(data: bytes, index: int) -> np.ndarray:
    return FrameReader(opened(data)).array(index)[0]


def overlaid(syntax: str) -> tuple[bytes, list[np.ndarray]]:
    """Return frames of 12 bits with an overlay in bit 14 of each cell, and what they are without it."""
    frames = [pattern(DEEP, 24, 32, n).astype("<u2") for n in range(2)]
    burned = []
    for frame in frames:
        cells = frame.copy()
        cells[4:9, 4:20] |= 1 << 14
        burned.append(cells)
    ds = dcmread(io.BytesIO(data_set("explicit", DEEP, [frame.astype(np.int64) for frame in frames])))
    group = 0x60000000
    for element, vr, number in (
        (0x0010, "US", 24),
        (0x0011, "US", 32),
        (0x0100, "US", 16),
        (0x0102, "US", 14),
    ):
        ds.add_new(group | element, vr, number)
    ds.add_new(group | 0x0040, "CS", "G")
    ds.add_new(group | 0x0050, "SS", [1, 1])
    ds["PixelData"].value = encapsulate([_encoded(syntax, cells) for cells in burned])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    return as_file(ds, SYNTAXES[syntax]), frames


def _encoded(syntax: str, cells: np.ndarray) -> bytes:
    if syntax == "jpeg-lossless-sv1":
        return bytes(imagecodecs.jpeg8_encode(cells, lossless=True, predictor=1, bitspersample=16))
    return RLELosslessEncoder.encode(
        cells.tobytes(),
        encoding_plugin="pydicom",
        validate=False,
        rows=24,
        columns=32,
        samples_per_pixel=1,
        number_of_frames=1,
        bits_allocated=16,
        bits_stored=16,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
    )


@pytest.mark.parametrize("syntax", ["rle", "jpeg-lossless-sv1"])
def test_an_overlay_inside_of_compressed_cells_goes(syntax: str) -> None:
    """Overlays in bits that a codestream has are cleared in all frames; the image is as it was."""
    data, frames = overlaid(syntax)
    source = BytesSource(data)
    session = Session(Profile.default(), Pseudonyms(Key(bytes(32))))
    cleaned = clean_source(source, session, pixels="confirmed")
    assert "embedded-overlay-removed" in cleaned.warnings
    ds = dcmread(io.BytesIO(b"".join(iter_parts(source, cleaned.parts))))
    assert 0x60000102 not in ds
    found = ds.pixel_array
    assert np.array_equal(found, np.stack(frames))


def test_an_extended_offset_table_does_not_outlive_its_frames() -> None:
    """Where frames become shorter or longer, the Extended Offset Table and the total length go."""
    streams = [jpeg(n) for n in range(3)]
    ds = dcmread(io.BytesIO(instance_of("jpeg-baseline", streams, table=False)))
    sizes = [len(stream) + len(stream) % 2 for stream in streams]
    offsets = np.cumsum([0, *[size + 8 for size in sizes[:-1]]]).astype("<u8")
    ds.ExtendedOffsetTable = offsets.tobytes()
    ds.ExtendedOffsetTableLengths = np.array(sizes, "<u8").tobytes()
    data = as_file(ds, SYNTAXES["jpeg-baseline"])
    session = Session(Profile.default(), Pseudonyms(Key(bytes(32))))
    kept, gone = (
        dcmread(io.BytesIO(b"".join(iter_parts(BytesSource(data), clean.parts))))
        for clean in (
            clean_source(BytesSource(data), session, pixels="confirmed"),
            clean_source(BytesSource(data), session, redactions=[Redaction(0, 0, 8, 8)]),
        )
    )
    assert "ExtendedOffsetTable" in kept
    assert "ExtendedOffsetTable" not in gone
    assert len(list(generate_frames(gone.PixelData, number_of_frames=3))) == 3


def test_progressive_jpeg_is_encoded_again_and_said() -> None:
    """A progressive frame has no reversible form: it is encoded at the highest quality, with a warning."""
    streams = [jpeg(0, progressive=True), jpeg(1)]
    data = instance_of("jpeg-baseline", streams)
    instance = opened(data)
    written = redacted_pixels(instance, [Redaction(8, 8, 16, 8)])
    assert written.warnings == ["pixels-recompressed"]
    value = b"".join(iter_parts(instance.source, written.parts))
    new = FrameReader(opened(_with(data, value))).array(0)[0].astype(int)
    old = FrameReader(instance).array(0)[0].astype(int)
    inside = np.zeros(new.shape, bool)
    inside[8:16, 8:24] = True
    assert new[inside].max() <= 2
    outside = np.ones(new.shape, bool)
    outside[8:16, 8:24] = False
    assert np.abs(new - old)[outside].max() <= 3


def test_frames_of_several_fragments() -> None:
    """Fragments belong to the frame that the offset table says, or to the codestream that they continue."""
    whole = [jpeg(0), jpeg(1)]
    for table in (True, False):
        ds = dcmread(io.BytesIO(instance_of("jpeg-baseline", whole)))
        pieces = [whole[0][:300], whole[0][300:], whole[1][:102], whole[1][102:]]
        value = encapsulate(pieces, has_bot=False)
        if table:
            second = 16 + 300 + len(pieces[1]) + len(pieces[1]) % 2
            value = b"\xfe\xff\x00\xe0\x08\0\0\0" + bytes(4) + second.to_bytes(4, "little") + value[8:]
        ds["PixelData"].value = value
        instance = opened(as_file(ds, SYNTAXES["jpeg-baseline"]))
        reader = FrameReader(instance)
        assert [reader.stream(n).rstrip(b"\0") for n in range(2)] == [
            stream.rstrip(b"\0") for stream in whole
        ]
        redacted_pixels(instance, [Redaction(0, 0, 9, 9, (1, 1))])


def test_fragments_that_nobody_can_tell_apart_are_refused() -> None:
    """Three fragments for two frames, none of which begins a codestream, are no frames."""
    ds = dcmread(io.BytesIO(instance_of("jpeg-baseline", [jpeg(0), jpeg(1)])))
    ds["PixelData"].value = encapsulate([b"\0\1" * 9] * 3, has_bot=False)
    with pytest.raises(Refused):
        redacted_pixels(opened(as_file(ds, SYNTAXES["jpeg-baseline"])), ())
