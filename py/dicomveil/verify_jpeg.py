"""Verification of JPEG and JPEG-LS headers: segments that decoders need, as short as can be (T.81 B)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dicomveil.verify_streams import BLOCK, MAX_HEADER, Stream, Unclean

__all__ = ["JPEG_LS_MARKS", "JPEG_MARKS", "jpeg_marks", "jpeg_segments"]

#: Markers in entropy coded data, but for stuffing, fill bytes and RSTm; JPEG-LS stuffs a bit (T.87 C.1).
JPEG_MARKS, JPEG_LS_MARKS = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]"), re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


def jpeg_segments(stream: Stream, at: int) -> tuple[int, bool]:
    """Check the marker segments from ``at`` to the next scan; return where it begins; is it the only one?"""
    frame = b""
    defined: set[int] = set()
    first = at
    while True:
        mark, code = stream.read(at, 2)
        if mark != 0xFF or at - first > MAX_HEADER:
            raise Unclean
        if code == 0xFF:  # a fill byte; a header has few
            at += 1
            first -= MAX_HEADER >> 10
            continue
        length = int.from_bytes(stream.read(at + 2, 2), "big")
        body = stream.read(at + 4, length - 2)
        if length < 2 or len(body) != length - 2:
            raise Unclean
        if code in {0xC0, 0xC1, 0xC2, 0xC3, 0xF7}:
            frame = bytes([code]) + body
            clean = len(body) == 6 + 3 * body[5]
        elif code == 0xDA:
            if len(body) != 4 + 2 * body[0]:
                raise Unclean
            single = bool(frame) and frame[6] == body[0]
            if single and frame[0] != 0xC2 and defined - _referred_to(frame, body):
                raise Unclean
            return at + 2 + length, single
        else:
            clean = _segment_is_clean(code, body, defined)
        if not clean:
            raise Unclean
        at += 2 + length


def _referred_to(frame: bytes, scan: bytes) -> set[int]:
    """Return the tables that the only scan of a frame refers to, by 256 * marker + destination."""
    if frame[0] == 0xF7:
        return set()
    dc = {0xC400 | selector >> 4 for selector in scan[2:-3:2]}
    ac = {0xC410 | selector & 15 for selector in scan[2:-3:2]}
    return dc if frame[0] == 0xC3 else dc | ac | {0xDB00 | table for table in frame[9::3]}


def _segment_is_clean(code: int, body: bytes, defined: set[int]) -> bool:
    """Tell whether a segment is one that decoders need, and no longer than it has to be; note its tables."""
    if code == 0xDB:
        at = 0
        while at < len(body):
            defined.add(0xDB00 | body[at] & 15)
            at += 65 + 64 * (body[at] >> 4)
        return at == len(body)
    if code == 0xC4:
        at = 0
        while at < len(body):
            defined.add(0xC400 | body[at])
            symbols = body[at + 17 : at + 17 + sum(body[at + 1 : at + 17])]
            if len({*symbols}) != len(symbols):
                return False
            at += 17 + len(symbols)
        return at == len(body)
    if code == 0xDD:
        return 2 <= len(body) <= 4
    if code == 0xF8:
        return len(body) == 11 and body[0] == 1
    if code == 0xE0:
        return len(body) == 14 and body[:5] == b"JFIF\0" and body[12:] == b"\0\0"
    if code == 0xEE:
        return len(body) == 12 and body[:11] == b"Adobe\0\x64\0\0\0\0"
    return code == 0xE8 and len(body) == 5 and body[:4] == b"mrfx"


def jpeg_marks(stream: Stream, at: int, marks: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
    """Yield (offset, code) of the markers in entropy coded data, but for RSTm."""
    while at < stream.size - 1:
        data = stream.read(at, BLOCK)
        for found in marks.finditer(data):
            yield at + found.start(), data[found.start() + 1]
        at += max(len(data) - 1, 1)
