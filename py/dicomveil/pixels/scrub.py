"""Remove comments and application data from codestreams without decoding them.

A codestream may carry text beside the image: COM and APPn segments of JPEG and JPEG-LS (JFIF thumbnails,
Exif, makers' notes), COM of JPEG 2000, Exif, XML and reconstruction boxes of JPEG XL, and anything after
its end. What a decoder needs stays: JFIF and Adobe markers (they tell the colour space) in their shortest
form, the colour transformation of JPEG-LS. Only headers and the last bytes are read where the stream allows
it, not the entropy coded data. Sources: ITU-T T.81 B.1, B.2, T.87 C.1, T.800 A.4 to A.9, ISO/IEC 18181-2.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from dicomveil.errors import Refused
from dicomveil.pixels.stream_headers import Segment, jpeg_segments
from dicomveil.source import BytesSource, Source

__all__ = ["Cut", "cuts", "scrubbed"]

_FIRST_READ = 2048
_TAIL = 512
_MAX_HEADER = 4 << 20
_CHUNK = 1 << 20
_SOS, _EOI = 0xDA, 0xD9
_KEPT_MARKERS = frozenset({*range(0xC0, 0xC8), *range(0xC9, 0xE0), 0xF7, 0xF8})
_JFIF = bytes.fromhex("ffe000104a46494600010100000100010000")
_JXL_BOXES = frozenset({b"JXL ", b"ftyp", b"jxll", b"jxli", b"jxlc", b"jxlp"})
_SOC_SIZ, _SOT, _SOD, _EOC, _COM, _TLM = b"\xff\x4f\xff\x51", 0xFF90, 0xFF93, 0xFFD9, 0xFF64, 0xFF55


class Cut(NamedTuple):
    """Bytes ``[start, end)`` of a codestream that give way to ``replacement``."""

    start: int
    end: int
    replacement: bytes = b""


def cuts(coding: str, stream: Source) -> list[Cut]:
    """Return what to cut out of a codestream, ascending; empty where it holds nothing but the image.

    Raises:
        Refused: ``pixels-undecodable`` if the codestream's header cannot be followed.
    """
    try:
        if coding in {"jpeg", "jpeg-lossless", "jpeg-ls"}:
            return _jpeg_cuts(stream, last_stuffed=0x7F if coding == "jpeg-ls" else 0)
        if coding in {"jpeg-2000", "htj2k"}:
            return _jpeg_2000_cuts(stream)
        if coding == "jpeg-xl":
            return _jpeg_xl_cuts(stream)
    except (IndexError, struct.error):
        raise Refused("pixels-undecodable") from None
    return []


def scrubbed(coding: str, data: bytes) -> bytes:
    """Return a codestream without what :func:`cuts` names."""
    out, at = [], 0
    for cut in cuts(coding, BytesSource(data)):
        out += [data[at : cut.start], cut.replacement]
        at = cut.end
    return b"".join([*out, data[at:]])


def _jpeg_cut(segment: Segment, body: bytes) -> Cut | None:
    """Return the cut for one marker segment, if it is not to stay as it is."""
    marker, start, _, end = segment
    if marker in _KEPT_MARKERS or marker in {0x01, 0xD8, _EOI}:
        return None
    if marker == 0xE0 and body[:5] == b"JFIF\0" and len(body) >= 14:
        short = _JFIF[:9] + body[5:12] + b"\0\0"  # without its thumbnail
        return None if len(body) == 14 and body[12:14] == b"\0\0" else Cut(start, end, short)
    if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
        return None if len(body) == 12 else Cut(start, end, b"\xff\xee\0\x0e" + body[:12])
    if marker == 0xE8 and body[:4] == b"mrfx" and len(body) == 5:
        return None
    return Cut(start, end)


def _jpeg_cuts(stream: Source, last_stuffed: int) -> list[Cut]:
    length = _FIRST_READ
    segments: list[Segment] = []
    head = b""
    while not segments:
        head = stream.read(0, min(length, stream.size))
        try:
            segments = list(jpeg_segments(head))
        except Refused:
            if length >= min(stream.size, _MAX_HEADER):
                raise
            length *= 4
    found = [cut for s in segments if (cut := _jpeg_cut(s, head[s.payload : s.end])) is not None]
    sos = segments[-1]
    if sos.marker != _SOS:
        raise Refused("pixels-undecodable")
    frame = next((s for s in segments if s.marker in {0xC0, 0xC1, 0xC3, 0xF7}), None)
    if frame is not None and head[frame.payload + 5] == head[sos.payload]:  # one scan has all components
        start = max(sos.end, stream.size - _TAIL)
        tail = stream.read(start, stream.size - start)
        markers = _markers(tail, last_stuffed)
        if [marker for _, marker in markers] == [_EOI]:
            end = start + markers[0][0] + 2
            return found + _after(stream, end)
    return found + _scan_cuts(stream, sos.end, last_stuffed)


def _after(stream: Source, end: int) -> list[Cut]:
    """Return the cut of what follows the end of an image, but for the byte that makes it even."""
    rest = stream.read(end, stream.size - end)
    return [] if rest in {b"", b"\0"} else [Cut(end, stream.size)]


def _markers(data: bytes, last_stuffed: int) -> list[tuple[int, int]]:
    """Return (offset, marker) of the markers in entropy coded data; RSTm are part of it."""
    found: list[tuple[int, int]] = []
    at = data.find(b"\xff")
    while 0 <= at < len(data) - 1:
        marker = data[at + 1]
        if marker > last_stuffed and not 0xD0 <= marker <= 0xD7 and marker != 0xFF:
            found.append((at, marker))
        at = data.find(b"\xff", at + 1)
    return found


def _scan_cuts(stream: Source, at: int, last_stuffed: int) -> list[Cut]:
    """Walk all scans of a stream that has several, or odd data between: the whole of it is read."""
    found: list[Cut] = []
    while True:
        at = _next_marker(stream, at, last_stuffed)
        if at < 0:
            return found  # no EOI: a decoder reports it, there is nothing beside the image
        marker, length = struct.unpack(">xBH", (stream.read(at, 4) + b"\0\0")[:4])
        if marker == _EOI:
            return found + _after(stream, at + 2)
        if length < 2 or at + 2 + length > stream.size:
            return [*found, Cut(at, stream.size, b"\xff\xd9")]
        segment = Segment(marker, at, at + 4, at + 2 + length)
        cut = _jpeg_cut(segment, stream.read(at + 4, length - 2))
        found += [cut] if cut else []
        at += 2 + length


def _next_marker(stream: Source, at: int, last_stuffed: int) -> int:
    while at < stream.size - 1:
        data = stream.read(at, _CHUNK)
        markers = _markers(data, last_stuffed)
        if markers:
            return at + markers[0][0]
        at += max(len(data) - 1, 1)
    return -1


def _jpeg_2000_cuts(stream: Source) -> list[Cut]:
    found: list[Cut] = []
    start = 0
    if stream.read(4, 4) == b"jP  ":  # a JP2 file around the codestream: only that stays
        head = stream.read(0, min(stream.size, _MAX_HEADER))
        start = head.find(_SOC_SIZ)
        found.append(Cut(0, start))
    if start < 0 or stream.read(start, 4) != _SOC_SIZ:
        raise Refused("pixels-undecodable")
    lengths: list[Cut] = []
    at = start + 2
    while True:
        marker, length = struct.unpack(">HH", stream.read(at, 4))
        if marker == _SOT:
            break
        if length < 2 or marker < 0xFF4F:
            raise Refused("pixels-undecodable")
        if marker == _COM:
            found.append(Cut(at, at + 2 + length))
        elif marker == _TLM:
            lengths.append(Cut(at, at + 2 + length))
        at += 2 + length
    tiles, end = _tile_part_cuts(stream, at)
    if tiles:
        found += lengths  # lengths of tile-parts that are no longer true; the marker is optional
    found += tiles
    return sorted(found) + (_after(stream, end) if end else [])


def _tile_part_cuts(stream: Source, at: int) -> tuple[list[Cut], int]:
    """Walk the tile-parts' headers; return their cuts, and where the codestream ends (0: not known)."""
    found: list[Cut] = []
    while at + 12 <= stream.size:
        marker, _, _, length = struct.unpack(">HHHL", stream.read(at, 10))
        if marker != _SOT:
            break
        comments = []
        inner = at + 12
        while inner + 4 <= stream.size:
            marker, size = struct.unpack(">HH", stream.read(inner, 4))
            if marker == _SOD or size < 2:
                break
            if marker == _COM:
                comments.append(Cut(inner, inner + 2 + size))
            inner += 2 + size
        if comments and length:
            left = length - sum(cut.end - cut.start for cut in comments)
            found.append(Cut(at + 6, at + 10, left.to_bytes(4, "big")))
        found += comments
        if not length:  # the last tile-part goes to the end of the codestream
            tail = stream.read(max(stream.size - _TAIL, at), _TAIL)
            eoc = tail.rfind(b"\xff\xd9")
            return found, max(stream.size - _TAIL, at) + eoc + 2 if eoc >= 0 else 0
        at += length
    if stream.read(at, 2) == b"\xff\xd9":
        return found, at + 2
    return found, 0


def _jpeg_xl_cuts(stream: Source) -> list[Cut]:
    if stream.read(0, 2) == b"\xff\x0a":
        return []
    if stream.read(0, 12) != b"\0\0\0\x0cJXL \r\n\x87\n":
        raise Refused("pixels-undecodable")
    found, at = [], 0
    while at + 8 <= stream.size:
        length, kind = struct.unpack(">L4s", stream.read(at, 8))
        if length == 1:
            length = struct.unpack(">Q", stream.read(at + 8, 8))[0]
        end = min(at + length, stream.size) if length else stream.size
        if end < at + 8:
            raise Refused("pixels-undecodable")
        if kind not in _JXL_BOXES:
            found.append(Cut(at, end))
        at = end
    return found + ([Cut(at, stream.size)] if stream.size - at > 1 else [])
