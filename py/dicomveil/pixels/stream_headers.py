"""Read the header of a codestream, and hold it against the data set before anything is decoded.

A decoder allocates what the codestream's own header says. A hostile stream could claim gigabytes, so its
sizes have to be those of the data set, which are bounded (``layout.MAX_FRAME_BYTES``). Sources: ITU-T T.81
B.2.2 (JPEG), T.87 C.2 (JPEG-LS), T.800 A.5.1 (JPEG 2000), ISO/IEC 18181-1 and -2 (JPEG XL).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from dicomveil.errors import Refused
from dicomveil.pixels.layout import PixelLayout

__all__ = ["Segment", "StreamHeader", "checked_header", "jpeg_segments", "read_header"]

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RSTm, SOI: markers without a length
_NOT_SOF = frozenset({0xC4, 0xC8, 0xCC})
_SOS, _EOI, _SIZ, _COD, _SOT = 0xDA, 0xD9, 0xFF51, 0xFF52, 0xFF90
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class Segment(NamedTuple):
    """A marker segment of a JPEG or JPEG-LS stream: ``[start, end)``, its payload ``[payload, end)``."""

    marker: int
    start: int
    payload: int
    end: int


class StreamHeader(NamedTuple):
    """What a codestream says of itself.

    ``process`` is the SOF marker's low byte (``0xF7``: JPEG-LS), and 0 for others. ``precision`` and
    ``samples`` are 0 where they are not read (JPEG XL). ``ybr`` tells whether three JPEG components are
    luminance and chrominance, ``None`` where the stream does not say; ``transform`` whether JPEG 2000 has
    a multiple component transformation.
    """

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool = False
    process: int = 0
    ybr: bool | None = None
    transform: bool = False


def jpeg_segments(data: bytes) -> Iterator[Segment]:
    """Yield the marker segments of a JPEG or JPEG-LS stream up to and with the first SOS, or EOI.

    Raises:
        Refused: ``pixels-undecodable`` if the stream does not begin as one, or ends before SOS.
    """
    if data[:2] != b"\xff\xd8":
        raise Refused("pixels-undecodable")
    at, size = 2, len(data)
    while at + 4 <= size:
        if data[at] != 0xFF:
            raise Refused("pixels-undecodable")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte, T.81 B.1.1.2
            at += 1
            continue
        if marker in _STANDALONE or marker == _EOI:
            yield Segment(marker, at, at + 2, at + 2)
            if marker == _EOI:
                return
            at += 2
            continue
        length = data[at + 2] << 8 | data[at + 3]
        if length < 2 or at + 2 + length > size:
            raise Refused("pixels-undecodable")
        yield Segment(marker, at, at + 4, at + 2 + length)
        at += 2 + length
        if marker == _SOS:
            return
    raise Refused("pixels-undecodable")


def _jpeg(data: bytes) -> StreamHeader:
    adobe, jfif = None, False
    frame: tuple[int, bytes] | None = None
    for marker, _, payload, end in jpeg_segments(data):
        body = data[payload:end]
        if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        jfif = jfif or (marker == 0xE0 and body[:5] == b"JFIF\0")
        if (0xC0 <= marker <= 0xCF and marker not in _NOT_SOF) or marker == 0xF7:
            if frame is not None:
                raise Refused("pixels-undecodable")
            frame = marker, body
    if frame is None:
        raise Refused("pixels-undecodable")
    marker, body = frame
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise Refused("pixels-undecodable")
    precision, rows, columns, samples = struct.unpack_from(">BHHB", body)
    ids = body[6::3]
    factors = body[7::3]
    if any(not (1 <= f >> 4 <= 4 and 1 <= f & 15 <= 4) for f in factors):
        raise Refused("pixels-undecodable")
    ybr = None
    if samples == 3 and marker not in {0xC3, 0xF7}:
        if adobe is not None:
            ybr = adobe != 0
        elif ids == b"RGB":
            ybr = False
        elif jfif or len(set(factors)) > 1:
            ybr = True  # subsampled chrominance cannot be a colour
    return StreamHeader(rows, columns, samples, precision, process=marker & 0xFF, ybr=ybr)


def _jpeg_2000(data: bytes) -> StreamHeader:
    """Read SIZ and COD of a codestream, or of one in a JP2 file (against PS3.5 A.4.4, but met)."""
    if data[4:8] == b"jP  ":
        at = data.find(b"\xff\x4f\xff\x51")
        data = data[at:] if at >= 0 else b""
    if data[:4] != b"\xff\x4f\xff\x51" or len(data) < 42:
        raise Refused("pixels-undecodable")
    width, height, left, top = struct.unpack_from(">4L", data, 8)
    samples = data[40] << 8 | data[41]
    components = data[42 : 42 + 3 * samples]
    tile_width, tile_height = struct.unpack_from(">2L", data, 24)
    if len(components) < 3 * samples or not samples or not tile_width or not tile_height:
        raise Refused("pixels-undecodable")
    if any(step != 1 for step in components[1::3] + components[2::3]) or len(set(components[::3])) != 1:
        raise Refused("pixels-undecodable")  # subsampled or unequal components
    transform = False
    at = 4 + (data[4] << 8 | data[5])
    while at + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == _COD and at + 9 <= len(data):
            transform = data[at + 8] != 0
        if marker in {_COD, _SOT} or length < 2:
            break
        at += 2 + length
    depth = components[0]
    return StreamHeader(
        height - top, width - left, samples, (depth & 0x7F) + 1, signed=depth > 0x7F, transform=transform
    )


def jxl_codestream(data: bytes) -> bytes:
    """Return the beginning of the codestream of a JPEG XL stream: naked, or in the first box that has one."""
    if data[:2] == b"\xff\x0a":
        return data
    if data[:12] != b"\0\0\0\x0cJXL \r\n\x87\n":
        raise Refused("pixels-undecodable")
    at = 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, at)
        header = 8
        if length == 1 and at + 16 <= len(data):
            length, header = struct.unpack_from(">Q", data, at + 8)[0], 16
        if kind in {b"jxlc", b"jxlp"}:
            return data[at + header + 4 * (kind == b"jxlp") :]
        if length == 0 or length < header:
            break
        at += length
    raise Refused("pixels-undecodable")


def _jpeg_xl(data: bytes) -> StreamHeader:
    """Read SizeHeader, ISO/IEC 18181-1 D.2: the least significant bit comes first."""
    stream = jxl_codestream(data)
    if stream[:2] != b"\xff\x0a" or len(stream) < 12:
        raise Refused("pixels-undecodable")
    bits = int.from_bytes(stream[2:16], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    rows = side()
    ratio = take(3)
    columns = rows * _JXL_RATIOS[ratio - 1][0] // _JXL_RATIOS[ratio - 1][1] if ratio else side()
    return StreamHeader(rows, columns, 0, 0)


def read_header(coding: str, data: bytes) -> StreamHeader | None:
    """Return a codestream's header for a coding of ``syntaxes.CODINGS``; ``None`` where it has none.

    Raises:
        Refused: ``pixels-undecodable``.
    """
    try:
        if coding in {"jpeg", "jpeg-lossless", "jpeg-ls"}:
            return _jpeg(data)
        if coding in {"jpeg-2000", "htj2k"}:
            return _jpeg_2000(data)
        if coding == "jpeg-xl":
            return _jpeg_xl(data)
    except (IndexError, struct.error):
        raise Refused("pixels-undecodable") from None
    return None


def checked_header(coding: str, data: bytes, layout: PixelLayout) -> StreamHeader | None:
    """Return a codestream's header if it agrees with the data set, which must be plausible itself.

    Raises:
        Refused: ``pixels-undecodable``.
    """
    if not layout.is_plausible:
        raise Refused("pixels-undecodable")
    header = read_header(coding, data)
    if header is None:
        return None
    if (header.rows, header.columns) != (layout.rows, layout.columns):
        raise Refused("pixels-undecodable")
    if header.samples not in {0, layout.samples}:
        raise Refused("pixels-undecodable")
    if header.precision > max(layout.allocated, 8):
        raise Refused("pixels-undecodable")
    return header
