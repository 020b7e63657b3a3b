"""A text in every place of a frame that is no pixel: it never leaves, and the pixels decode as before.

Each place either is cut out ("gone") or stops the file ("refused"). What left is read by another decoder than
ours, and verification by itself finds what would have been left.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames

from dicomveil.errors import Refused
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.source import BytesSource, iter_parts
from dicomveil.verifying import verify_instance
from pixels.images import SYNTAXES, Kind, as_file, data_set, decoded, decoders, pattern, stream

SECRET = b"Zwicklhuber^Quirina 19470813 Hausarzt Dr.Oberpfalzer"
GREY = Kind("MONOCHROME2", 8, 8)
FRAMES = [pattern(GREY, 40, 56, n) for n in range(2)]
SESSION = Session(Profile.default(), Pseudonyms(Key(bytes(range(32)))))
Place = Callable[[bytes], bytes]


def segment(marker: int, body: bytes) -> bytes:
    """Return a marker segment of JPEG or JPEG 2000."""
    return struct.pack(">HH", marker, len(body) + 2) + body


def find(data: bytes, marker: int, start: int = 2) -> int:
    """Return where a marker segment of a JPEG or JPEG 2000 header begins."""
    at = start
    while data[at : at + 2] != marker.to_bytes(2, "big"):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def before(marker: int, piece: bytes) -> Place:
    """Put bytes before a marker segment."""
    return lambda data: data[: find(data, marker)] + piece + data[find(data, marker) :]


def longer(marker: int, more: bytes = SECRET) -> Place:
    """Make a marker segment longer than its content."""

    def place(data: bytes) -> bytes:
        at = find(data, marker)
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        return data[:at] + segment(marker, data[at + 4 : end] + more) + data[end:]

    return place


def before_end(piece: bytes) -> Place:
    """Put bytes before the last marker, which ends the image."""

    def place(data: bytes) -> bytes:
        end = data.rindex(b"\xff\xd9")
        return data[:end] + piece + data[end:]

    return place


def table_of(text: bytes) -> bytes:
    """Return a text that fills a quantization table of 8 bits."""
    return text.ljust(64, b"x")[:64]


def _huffman(destination: int) -> bytes:
    symbols = bytes(dict.fromkeys(SECRET))  # no letter twice, as in a true table
    return segment(0xFFC4, bytes([destination, *[0] * 7, len(symbols), *[0] * 8]) + symbols)


ANY_JPEG: dict[str, tuple[str, Place]] = {
    "comment": ("gone", before(0xFFDA, segment(0xFFFE, SECRET))),
    "Exif": ("gone", before(0xFFDA, segment(0xFFE1, b"Exif\0\0" + SECRET))),
    "maker's data": ("gone", before(0xFFDA, segment(0xFFED, b"Photoshop 3.0\0" + SECRET))),
    "ICC profile": ("gone", before(0xFFDA, segment(0xFFE2, b"ICC_PROFILE\0\1\1" + SECRET))),
    "thumbnail": ("gone", before(0xFFDA, segment(0xFFE0, b"JFIF\0\1\1\0\0\1\0\1\6\3" + SECRET))),
    "JFIF's fields": ("gone", before(0xFFDA, segment(0xFFE0, b"JFIF\0Zwicklhub"))),
    "behind Adobe's fields": (
        "gone",
        before(0xFFDA, segment(0xFFEE, b"Adobe\0\x64\0\0\0\0\0" + SECRET)),
    ),
    "Adobe's fields": ("gone", before(0xFFDA, segment(0xFFEE, b"Adobe" + b"Zwickl" + b"\0"))),
    "JPG extension": ("gone", before(0xFFDA, segment(0xFFF0, SECRET))),
    "arithmetic conditioning": ("gone", before(0xFFDA, segment(0xFFCC, SECRET))),
    "long restart interval": ("gone", before(0xFFDA, segment(0xFFDD, b"\0\0" + SECRET))),
    "quantization table 3": ("gone", before(0xFFDA, segment(0xFFDB, b"\3" + table_of(SECRET)))),
    "part of a quantization table": ("gone", before(0xFFDA, segment(0xFFDB, b"\2" + SECRET))),
    "Huffman table 3": ("gone", before(0xFFDA, _huffman(0x13))),
    "text as a Huffman table": (
        "refused",
        before(0xFFDA, segment(0xFFC4, bytes([0x13, *[0] * 7, len(SECRET), *[0] * 8]) + SECRET)),
    ),
    "part of a Huffman table": ("gone", before(0xFFDA, segment(0xFFC4, SECRET[:16]))),
    "reserved marker": ("refused", before(0xFFDA, segment(0xFF05, SECRET))),
    "number of lines": ("refused", before(0xFFDA, segment(0xFFDC, b"\0\x28" + SECRET))),
    "hierarchical": ("refused", before(0xFFDA, segment(0xFFDE, SECRET))),
    "between segments": ("refused", before(0xFFDA, SECRET)),
    "long scan header": ("refused", longer(0xFFDA)),
    "comment after the scan": ("gone", before_end(segment(0xFFFE, SECRET))),
    "unused table after the scan": ("gone", before_end(segment(0xFFDB, b"\0" + table_of(SECRET)))),
    "after the scan": ("refused", before_end(SECRET)),
    "another scan": ("refused", before_end(segment(0xFFDA, b"\1\1\0\0\x3f\0") + SECRET)),
    "after the end": ("gone", lambda data: data + SECRET),
    "another image": ("gone", lambda data: data + data[:2] + segment(0xFFE1, SECRET) + data[2:] + data[2:]),
    "far after the end": ("gone", lambda data: data + SECRET + bytes(2000) + b"\xff\xd9"),
    "without an end": ("refused", lambda data: data[: data.rindex(b"\xff\xd9")] + SECRET),
}
JPEG = {
    **ANY_JPEG,
    "long frame header": ("refused", lambda data: longer(0xFFC0 | _process(data))(data)),
    "overwritten table": (
        "gone",
        before(0xFFDB, segment(0xFFDB, b"\0" + table_of(SECRET))),
    ),
}
JPEG_LS = {
    **ANY_JPEG,
    "long frame header": ("refused", longer(0xFFF7)),
    "mapping table": ("refused", before(0xFFDA, segment(0xFFF8, b"\2\1\1" + SECRET))),
    "preset parameters": ("refused", before(0xFFDA, segment(0xFFF8, b"\1" + SECRET[:10]))),
    "long preset parameters": ("refused", before(0xFFDA, segment(0xFFF8, b"\1" + bytes(10) + SECRET))),
    "Huffman table 0": ("gone", before(0xFFDA, _huffman(0x10))),
}
LOSSLESS = {**ANY_JPEG, "long frame header": ("refused", longer(0xFFC3))}


def _process(data: bytes) -> int:
    return next(code for code in (0, 1, 2) if bytes([0xFF, 0xC0 | code]) in data[:700])


def _tile_header(piece: bytes) -> Place:
    """Put a marker segment into the header of the first tile-part, and set the length of that right."""

    def place(data: bytes) -> bytes:
        at = find(data, 0xFF90)
        length = int.from_bytes(data[at + 6 : at + 10], "big")
        head = (
            data[at : at + 6]
            + struct.pack(">L", length + len(piece) if length else 0)
            + data[at + 10 : at + 12]
        )
        return data[:at] + head + piece + data[at + 12 :]

    return place


def _last_part(data: bytes) -> bytes:
    at = find(data, 0xFF90)
    length = int.from_bytes(data[at + 6 : at + 10], "big")
    end = data.rindex(b"\xff\xd9")
    changed = data[: at + 6] + struct.pack(">L", length + len(SECRET)) + data[at + 10 : end]
    return changed + SECRET + data[end:]


def _jp2(data: bytes) -> bytes:
    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">L4s", 8 + len(body), kind) + body

    head = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"uuid", SECRET)
    return head + box(b"jp2c", data) + box(b"xml ", SECRET)


JPEG_2000: dict[str, tuple[str, Place]] = {
    "comment": ("gone", before(0xFF90, segment(0xFF64, b"\0\1" + SECRET))),
    "comment in a tile-part": ("gone", _tile_header(segment(0xFF64, b"\0\1" + SECRET))),
    "component registration": ("gone", before(0xFF90, segment(0xFF63, SECRET))),
    "packet lengths": ("gone", _tile_header(segment(0xFF58, b"\0" + SECRET))),
    "packet lengths of all": ("gone", before(0xFF90, segment(0xFF57, b"\0" + SECRET))),
    "profile": ("gone", before(0xFF90, segment(0xFF56, SECRET))),
    "corresponding profile": ("gone", before(0xFF90, segment(0xFF59, SECRET))),
    "tile-part lengths": ("gone", before(0xFF90, segment(0xFF55, b"\0\x60" + SECRET))),
    "packed headers": ("refused", before(0xFF90, segment(0xFF60, b"\0" + SECRET))),
    "packed headers of a tile-part": ("refused", _tile_header(segment(0xFF61, b"\0" + SECRET))),
    "part 2": ("refused", before(0xFF90, segment(0xFF74, SECRET))),
    "long coding style": ("refused", longer(0xFF52)),
    "long quantization": ("refused", longer(0xFF5C)),
    "long size": ("refused", longer(0xFF51)),
    "second coding style": ("refused", before(0xFF90, segment(0xFF52, b"\0" * 10))),
    "quantization of no component": ("refused", before(0xFF90, segment(0xFF5D, b"\x07" + SECRET))),
    "progression order": ("refused", before(0xFF90, segment(0xFF5F, SECRET[:49]))),
    "region of interest": ("refused", before(0xFF90, segment(0xFF5E, b"\0" + SECRET))),
    "boxes": ("gone", _jp2),
    "after the packets": ("refused", _last_part),
    "between tile-parts": ("refused", before_end(SECRET)),
    "after the end": ("gone", lambda data: data + SECRET),
    "far after the end": ("gone", lambda data: data + SECRET + bytes(2000) + b"\xff\xd9"),
    "without an end": ("refused", lambda data: data[: data.rindex(b"\xff\xd9")] + SECRET),
}


def _boxed(*boxes: bytes, last: bool = False) -> Place:
    def place(data: bytes) -> bytes:
        if data[:2] == b"\xff\x0a":
            data = bytes.fromhex("0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c20") + (
                struct.pack(">L4s", 8 + len(data), b"jxlc") + data
            )
        extra = b"".join(struct.pack(">L4s", 8 + len(SECRET), box) + SECRET for box in boxes)
        return data + extra if last else data[:32] + extra + data[32:]

    return place


JPEG_XL: dict[str, tuple[str, Place]] = {
    "Exif, XML and unknown boxes": ("gone", _boxed(b"Exif", b"xml ", b"jumb", b"uuid", b"abcd")),
    "compressed boxes": ("gone", _boxed(b"brob")),
    "boxes after the image": ("gone", _boxed(b"Exif", b"jxlc", last=True)),
    "frame index": ("gone", _boxed(b"jxli")),
    "after the image": ("gone", lambda data: data + SECRET),
}


def _with_offsets(data: bytes, offsets: list[int]) -> bytes:
    return struct.pack("<16L", *offsets) + data[64:]


def _rle_gap(data: bytes) -> bytes:
    """Put a text between the first and the second segment of two."""
    count, first, second, *rest = struct.unpack_from("<16L", data)
    head = struct.pack("<16L", count, first, second + len(SECRET), *rest)
    return head + data[64:second] + SECRET + data[second:]


def _rle_run(data: bytes) -> bytes:
    """Let a literal run at the end of the last segment decode to more than the frame has."""
    _, *offsets = struct.unpack_from("<16L", data)
    at = last = offsets[1]
    done = 0
    while done < 40 * 56:
        last = at
        done += data[at] + 1 if data[at] < 128 else 257 - data[at]
        at += data[at] + 2 if data[at] < 128 else 2
    equal = data[last] >= 128  # a run of equal bytes becomes a literal one
    run = data[last + 1 : last + 2] * (257 - data[last]) if equal else data[last + 1 : at]
    return data[:last] + bytes([len(run) + len(SECRET) - 1]) + run + SECRET


RLE: dict[str, tuple[str, Place]] = {
    "unused offsets": ("gone", lambda data: data[:12] + SECRET + data[64:]),
    "before the first segment": (
        "gone",
        lambda data: (
            struct.pack("<3L", 2, *(n + len(SECRET) for n in struct.unpack_from("<2L", data, 4)))
            + data[12:64]
            + SECRET
            + data[64:]
        ),
    ),
    "between segments": ("gone", _rle_gap),
    "after the last segment": ("gone", lambda data: data + SECRET),
    "in a run beyond the frame": ("gone", _rle_run),
}
DEFLATED: dict[str, tuple[str, Place]] = {
    "after the data": ("gone", lambda data: data + SECRET),
    "in data beyond the frame": (
        "refused",
        lambda _: zlib.compress(bytes(40 * 56) + SECRET, wbits=-15),
    ),
}
DEEP = Kind("MONOCHROME2", 16, 12)
CASES = [
    (syntax, kind, name, outcome, place)
    for syntax, kind, places in (
        ("jpeg-baseline", GREY, JPEG),
        ("jpeg-extended", GREY, JPEG),
        ("jpeg-lossless", GREY, LOSSLESS),
        ("jpeg-lossless-sv1", DEEP, LOSSLESS),
        ("jpeg-ls", GREY, JPEG_LS),
        ("jpeg-ls-near", GREY, JPEG_LS),
        ("jpeg-2000-lossless", GREY, JPEG_2000),
        ("jpeg-2000", GREY, JPEG_2000),
        ("htj2k-lossless", GREY, JPEG_2000),
        ("htj2k-rpcl", GREY, JPEG_2000),
        ("htj2k", GREY, JPEG_2000),
        ("jpeg-xl-lossless", GREY, JPEG_XL),
        ("jpeg-xl", GREY, JPEG_XL),
        ("rle", DEEP, RLE),
        ("deflated-frames", GREY, DEFLATED),
    )
    for name, (outcome, place) in places.items()
]
#: Places that verification by itself does not see.
UNSEEN = {"overwritten table"}


def file_of(syntax: str, kind: Kind, streams: list[bytes]) -> bytes:
    """Return an instance with these codestreams."""
    frames = [pattern(kind, 40, 56, n) for n in range(len(streams))]
    ds = dcmread(io.BytesIO(data_set("explicit", kind, frames)))
    ds["PixelData"].value = encapsulate(streams)
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    return as_file(ds, SYNTAXES[syntax])


def cleaned(data: bytes) -> bytes:
    """Clean under the default profile, as if somebody had looked."""
    source = BytesSource(data)
    return b"".join(iter_parts(source, clean_source(source, SESSION, pixels="confirmed").parts))


def pictures(data: bytes, syntax: str) -> list[NDArray[np.int64]]:
    """Decode both frames by every decoder that is there and is not ours."""
    if syntax in {"jpeg-xl-lossless", "jpeg-xl", "deflated-frames"}:  # no other: imagecodecs itself
        streams = list(generate_frames(dcmread(io.BytesIO(data)).PixelData, number_of_frames=2))
        if syntax == "deflated-frames":
            return [np.frombuffer(zlib.decompress(s, wbits=-15), np.uint8) for s in streams]
        return [np.asarray(imagecodecs.jpegxl_decode(s)) for s in streams]
    ds = dcmread(io.BytesIO(data))
    found = [decoded(ds, plugin, n) for plugin in decoders(SYNTAXES[syntax]) for n in range(2)]
    known = [array for array in found if array is not None]
    assert known
    return known


@pytest.mark.parametrize(
    ("syntax", "kind", "outcome", "place"),
    [pytest.param(s, k, o, p, id=f"{s}: {n}") for s, k, n, o, p in CASES],
)
def test_a_text_in_a_frame_never_leaves(syntax: str, kind: Kind, outcome: str, place: Place) -> None:
    """What a frame holds beside its image is cut out, and the image decodes as before; or nothing leaves."""
    streams = [stream(syntax, kind, pattern(kind, 40, 56, n)) for n in range(2)]
    dirty = place(streams[1])
    assert dirty != streams[1]
    data = file_of(syntax, kind, [streams[0], dirty])
    if outcome == "refused":
        with pytest.raises(Refused) as refused:
            cleaned(data)
        assert refused.value.code in {"pixel-stream-unclean", "pixels-undecodable"}
        return
    found = cleaned(data)
    assert SECRET[:9] not in found
    plain = pictures(file_of(syntax, kind, streams), syntax)
    for before_, after in zip(plain, pictures(found, syntax), strict=True):
        assert np.array_equal(before_, after)


@pytest.mark.parametrize(
    ("syntax", "kind", "name", "place"),
    [pytest.param(s, k, n, p, id=f"{s}: {n}") for s, k, n, o, p in CASES if o == "gone"],
)
def test_verification_finds_it_too(syntax: str, kind: Kind, name: str, place: Place) -> None:
    """The receiver's reading, which shares no code with cleaning, tells of what would have been left."""
    streams = [stream(syntax, kind, pattern(kind, 40, 56, n)) for n in range(2)]
    good = cleaned(file_of(syntax, kind, streams))
    assert not verify_instance(BytesSource(good)).problems
    clean = list(generate_frames(dcmread(io.BytesIO(good)).PixelData, number_of_frames=2))
    last = clean[1][:-1] if clean[1].endswith(b"\xff\xd9\0") else clean[1]
    at = good.index(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff") + 12
    bad = good[:at] + encapsulate([clean[0], place(last)]) + b"\xfe\xff\xdd\xe0\0\0\0\0"
    unseen = UNSEEN | ({"after the image"} if syntax.startswith("jpeg-xl") else set())
    codes = {problem.code for problem in verify_instance(BytesSource(bad)).problems}
    assert codes == (set() if name in unseen else {"pixel-stream-remains"})
