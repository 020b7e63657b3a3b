"""Comments and application data in codestreams: gone from every frame, without decoding any."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames

from builders import EXPLICIT
from dicomveil.errors import Refused
from dicomveil.pixels import scrub
from dicomveil.pixels.layout import pixel_layout
from dicomveil.pixels.scrub import Cut, Scrubber
from dicomveil.redacting import Redaction, redacted_pixels
from dicomveil.source import BytesSource, Range, iter_parts
from pixels.images import SYNTAXES, Kind, as_file, data_set, opened, pattern

SECRET = b"Zwicklhuber^Quirina"
GREY = Kind("MONOCHROME2", 8, 8)
FRAMES = [pattern(GREY, 40, 56, frame) for frame in range(4)]


LAYOUT = pixel_layout(opened(data_set("explicit", GREY, FRAMES[:1])))


def cuts(coding: str, stream: bytes) -> list[Cut]:
    """Return what is cut out of one frame."""
    return Scrubber(coding, LAYOUT).cuts(BytesSource(stream))


def scrubbed(coding: str, stream: bytes) -> bytes:
    """Return one frame without it."""
    return scrub.scrubbed(coding, stream, LAYOUT)


def segment(marker: int, body: bytes) -> bytes:
    """Return a marker segment of JPEG or JPEG 2000."""
    return struct.pack(">HH", marker, len(body) + 2) + body


def jpeg(frame: int = 0, **options: object) -> bytes:
    """Return a grey JPEG."""
    out = io.BytesIO()
    Image.fromarray(FRAMES[frame].astype(np.uint8)).save(out, "jpeg", quality=90, **options)
    return out.getvalue()


def picture(stream: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG by Pillow."""
    return np.asarray(Image.open(io.BytesIO(stream)))


def with_comments(stream: bytes) -> bytes:
    """Put comments, Exif, a JFIF thumbnail and a trailer into a JPEG, and a comment before its end."""
    thumbnail = b"JFIF\0\1\2\0\0\1\0\1\2\1" + SECRET[:6]
    head = segment(0xFFE0, thumbnail) + segment(0xFFE1, b"Exif\0\0" + SECRET) + segment(0xFFFE, SECRET)
    start = 4 + int.from_bytes(stream[4:6], "big")  # after the JFIF segment that is there
    return stream[:2] + head + stream[start:-2] + segment(0xFFFE, SECRET) + b"\xff\xd9" + SECRET


def instance_of(syntax: str, streams: list[bytes], *, table: bool = True) -> bytes:
    """Return an instance with these codestreams as its frames."""
    ds = dcmread(io.BytesIO(data_set("explicit", GREY, FRAMES[: len(streams)])))
    ds["PixelData"].value = encapsulate(streams, has_bot=table)
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    assert ds.file_meta.TransferSyntaxUID == EXPLICIT
    return as_file(ds, SYNTAXES[syntax])


def test_a_clean_stream_is_left_alone() -> None:
    """Where there is nothing but the image, nothing is cut."""
    assert cuts("jpeg", jpeg()) == []
    assert cuts("jpeg", jpeg(progressive=True)) == []
    raw = bytes(imagecodecs.jpegxl_encode(FRAMES[0].astype(np.uint8), lossless=True, usecontainer=False))
    assert cuts("jpeg-xl", raw) == []


@pytest.mark.parametrize("progressive", [False, True])
def test_comments_of_jpeg_go(progressive: bool) -> None:  # noqa: FBT001 - parametrized
    """COM, Exif, thumbnails and trailers go, also between and after scans; the picture is the same."""
    plain = jpeg(progressive=progressive)
    found = scrubbed("jpeg", with_comments(plain))
    assert SECRET not in found
    assert SECRET[:6] not in found
    assert np.array_equal(picture(found), picture(plain))


def test_comments_of_jpeg_2000_go() -> None:
    """COM goes from the main header and from a tile-part's, whose length is set right."""
    plain = bytes(
        imagecodecs.jpeg2k_encode(FRAMES[0].astype(np.uint8), codecformat="J2K", reversible=True, level=0)
    )
    tile = plain.index(b"\xff\x90\x00\x0a")
    comment = segment(0xFF64, b"\0\1" + SECRET)
    length = int.from_bytes(plain[tile + 6 : tile + 10], "big")
    changed = (
        plain[: tile + 6]
        + struct.pack(">L", length + len(comment) if length else 0)
        + plain[tile + 10 : tile + 12]
    )
    changed = changed[:tile] + comment + changed[tile:] + comment + plain[tile + 12 :]
    found = scrubbed("jpeg-2000", changed)
    assert SECRET not in found
    assert b"OpenJPEG" not in found
    assert np.array_equal(imagecodecs.jpeg2k_decode(found), FRAMES[0])


def test_boxes_of_jpeg_xl_go() -> None:
    """Exif, XML and unknown boxes of a JPEG XL container go."""
    plain = bytes(imagecodecs.jpegxl_encode(FRAMES[0].astype(np.uint8), lossless=True, usecontainer=True))
    box = struct.pack(">L4s", 8 + len(SECRET), b"xml ") + SECRET
    found = scrubbed("jpeg-xl", plain[:32] + box + plain[32:])
    assert SECRET not in found
    assert np.array_equal(imagecodecs.jpegxl_decode(found), FRAMES[0])


def test_colour_markers_stay() -> None:
    """Adobe's marker decides about colours, so it stays, but not what is hidden behind its fields."""
    rgb = np.stack([FRAMES[0], FRAMES[1], FRAMES[2]], axis=-1).astype(np.uint8)
    plain = bytes(imagecodecs.jpeg8_encode(rgb, level=95, colorspace="RGB", outcolorspace="RGB"))
    at = plain.index(b"\xff\xee")
    longer = plain[:at] + segment(0xFFEE, plain[at + 4 : at + 16] + SECRET) + plain[at + 16 :]
    assert scrubbed("jpeg", longer) == plain


@pytest.mark.parametrize("table", [True, False])
def test_untouched_frames_are_ranges_of_the_input(table: bool) -> None:  # noqa: FBT001 - parametrized
    """Frames with comments are copied around them, the others as they are; the offset table is true."""
    streams = [jpeg(0), with_comments(jpeg(1)), jpeg(2), with_comments(jpeg(3))]
    data = instance_of("jpeg-baseline", streams, table=table)
    instance = opened(data)
    written = redacted_pixels(instance, ())
    assert written.changed
    assert written.warnings == ["codestream-comments-removed"]
    assert sum(len(part) for part in written.parts if not isinstance(part, Range)) < 200
    value = b"".join(iter_parts(instance.source, written.parts))
    assert SECRET not in value
    assert value[4:8] == struct.pack("<L", 16 if table else 0)
    frames = list(generate_frames(value, number_of_frames=4))
    assert [frame.rstrip(b"\0") for frame in frames] == [
        scrubbed("jpeg", stream).rstrip(b"\0") for stream in streams
    ]


def test_nothing_to_remove_is_the_input_itself() -> None:
    """A value without comments is one range, whatever its size."""
    instance = opened(instance_of("jpeg-baseline", [jpeg(n) for n in range(4)]))
    written = redacted_pixels(instance, ())
    assert not written.changed
    assert instance.pixels is not None
    assert written.parts == [instance.pixels.part]


def test_frames_that_are_too_many_go() -> None:
    """Codestreams after the last frame are shown by no viewer, and are not passed on."""
    ds = dcmread(io.BytesIO(instance_of("jpeg-baseline", [jpeg(n) for n in range(4)])))
    ds.NumberOfFrames = "2"
    instance = opened(as_file(ds, SYNTAXES["jpeg-baseline"]))
    written = redacted_pixels(instance, ())
    assert written.warnings == ["pixel-padding-removed"]
    assert (
        len(list(generate_frames(b"".join(iter_parts(instance.source, written.parts)), number_of_frames=2)))
        == 2
    )


def test_new_streams_carry_no_comment_of_their_encoder() -> None:
    """An encoder signs its work; what is encoded anew is scrubbed like the rest."""
    data = data_set("jpeg-2000-lossless", GREY, FRAMES)
    instance = opened(data)
    value = b"".join(iter_parts(instance.source, redacted_pixels(instance, [Redaction(1, 1, 9, 9)]).parts))
    assert b"OpenJPEG" not in value


def test_a_stream_that_is_none_is_refused() -> None:
    """A frame whose header cannot be followed may hide anything."""
    instance = opened(instance_of("jpeg-baseline", [SECRET * 9]))
    with pytest.raises(Refused, match="decoded"):
        redacted_pixels(instance, ())
