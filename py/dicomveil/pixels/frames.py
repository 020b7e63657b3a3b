"""Find the frames of encapsulated Pixel Data: which fragments belong to each (PS3.5 A.4).

In order: the Basic Offset Table, the Extended Offset Table (PS3.3 C.7.6.3.1.8), one fragment a frame, one
frame for all fragments, and at last the fragments' first bytes, which tell where a codestream begins.
Nothing but a table or those bytes is read.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from itertools import pairwise
from typing import NamedTuple

from dicomveil.errors import Refused
from dicomveil.pixels.syntaxes import coding_of
from dicomveil.reading import Instance, PixelData
from dicomveil.source import Range

__all__ = ["Frame", "locate_frames", "read_frame"]

_EXTENDED_OFFSETS = 0x7FE00001
_BEGINNINGS = {
    "jpeg": (b"\xff\xd8\xff",),
    "jpeg-lossless": (b"\xff\xd8\xff",),
    "jpeg-ls": (b"\xff\xd8\xff",),
    "jpeg-2000": (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "),
    "htj2k": (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "),
    "jpeg-xl": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
}


class Frame(NamedTuple):
    """The fragments of one frame: (offset, length) in the file, in order, without their item headers."""

    fragments: tuple[tuple[int, int], ...]

    @property
    def length(self) -> int:
        """Bytes of all fragments together."""
        return sum(length for _, length in self.fragments)


def _absolute(pixels: PixelData) -> list[tuple[int, int]]:
    if not pixels.encapsulated or not isinstance(pixels.part, Range) or not pixels.fragments:
        raise Refused("pixels-undecodable")
    start = pixels.part.offset
    return [(start + offset, length) for offset, length in pixels.fragments]


def _by_offsets(
    fragments: list[tuple[int, int]], offsets: tuple[int, ...], frames: int
) -> list[Frame] | None:
    """Group fragments by the offsets of frames' first items, if all of these are fragments' beginnings."""
    base = fragments[0][0]
    starts = [offset - base for offset, _ in fragments]
    if len(offsets) < frames or offsets[0] != 0 or list(offsets) != sorted(set(offsets)):
        return None
    cuts = [bisect_left(starts, offset) for offset in offsets]
    if any(cut == len(starts) or starts[cut] != offset for cut, offset in zip(cuts, offsets, strict=True)):
        return None
    cuts.append(len(starts))
    return [Frame(tuple(fragments[a:b])) for a, b in pairwise(cuts)]


def locate_frames(instance: Instance, frames: int) -> list[Frame]:
    """Return the first ``frames`` frames of an instance's encapsulated Pixel Data; what follows is no frame.

    Raises:
        Refused: ``pixels-undecodable`` where there are fewer, or where it is unclear which fragments are
        whose.
    """
    if instance.pixels is None:
        raise Refused("pixels-undecodable")
    table, *fragments = _absolute(instance.pixels)
    if not fragments:
        raise Refused("pixels-undecodable")
    found: list[Frame] | None = None
    if table[1] >= 4 and table[1] % 4 == 0:
        raw = instance.source.read(table[0], table[1])
        found = _by_offsets(fragments, struct.unpack(f"<{len(raw) // 4}L", raw), frames)
    extended = instance.head.find(_EXTENDED_OFFSETS)
    if found is None and extended is not None:
        raw = instance.head.value(extended)
        if raw and len(raw) % 8 == 0:
            found = _by_offsets(fragments, struct.unpack(f"<{len(raw) // 8}Q", raw), frames)
    if found is None and len(fragments) == frames:
        found = [Frame((fragment,)) for fragment in fragments]
    if found is None and frames == 1 and not _beginnings(instance, fragments[1:]):
        found = [Frame(tuple(fragments))]
    if found is None:
        cuts = [0, *(1 + i for i in _beginnings(instance, fragments[1:])), len(fragments)]
        found = [Frame(tuple(fragments[a:b])) for a, b in pairwise(cuts)]
    if len(found) < frames:
        raise Refused("pixels-undecodable")
    return found[:frames]


def _beginnings(instance: Instance, fragments: list[tuple[int, int]]) -> list[int]:
    """Return which fragments begin with a codestream's first bytes."""
    beginnings = _BEGINNINGS.get(coding_of(instance.transfer_syntax), ())
    if not beginnings:
        return []
    return [
        i
        for i, (offset, length) in enumerate(fragments)
        if instance.source.read(offset, min(length, 8)).startswith(beginnings)
    ]


def read_frame(instance: Instance, frame: Frame) -> bytes:
    """Return the codestream of one frame, its fragments joined."""
    return b"".join(instance.source.read(offset, length) for offset, length in frame.fragments)
