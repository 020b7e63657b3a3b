"""What an MP4 holds beside its media data: titles, places, whatever no player shows (ISO/IEC 14496-12 4.2).

An own walk over the boxes of the file. What is inside of ``mdat`` (pictures, sound, subtitles) is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dicomveil.source import Source
from dicomveil.verify_streams import BLOCK, Stream

__all__ = ["beginnings", "beside_media"]

#: Read twice where one piece ends and the next begins: longer than an identifier in any encoding.
_OVERLAP = 1 << 12
_MAX_BOXES = 1 << 14
#: Boxes that an MP4 begins with, or its forerunner QuickTime.
_FIRST = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid"})
#: A box, of 16 MiB at most, and how its content begins.
_BOX = re.compile(rb"\0(?=...[\x20-\x7e\xa9][\x20-\x7e]{3}(.{1,128}))", re.DOTALL)
#: Bytes between the type of a box and its text: none; length and language (QuickTime); flags and language.
_BEFORE_TEXT = (0, 4, 6)


def beside_media(output: Source, items: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    """Yield what is not in ``mdat`` of an MP4, in overlapping pieces of bounded size; else nothing.

    ``items`` has (offset, length) of every item's value, the Basic Offset Table first. What is not made of
    boxes counts as beside them.
    """
    stream = Stream(output, items[1:])
    if stream.read(4, 4) not in _FIRST:
        return
    for start, end in _ranges(stream):
        for at in range(start, end, BLOCK):
            yield stream.read(at, min(BLOCK + _OVERLAP, end - at))


def beginnings(piece: bytes) -> Iterator[bytes]:
    """Yield how boxes inside of a piece begin: the letters of a type are none of a word."""
    for match in _BOX.finditer(piece):
        for skipped in _BEFORE_TEXT:
            yield match.group(1)[skipped:]


def _ranges(stream: Stream) -> Iterator[tuple[int, int]]:
    """Yield where what is beside the media data starts and ends; neighbours are one."""
    start = at = 0
    for _ in range(_MAX_BOXES):
        header = stream.read(at, 16)
        length, kind, least = int.from_bytes(header[:4], "big"), header[4:8], 8
        if length == 1:  # a longer one follows
            length, least = int.from_bytes(header[8:16], "big"), 16
        if length == 0:  # to the end of the file
            length = stream.size - at
        if length < least or at + least > stream.size:
            break
        if kind == b"mdat":
            yield start, at + least
            start = at + length
        at += length
    yield start, stream.size
