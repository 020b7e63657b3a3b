"""Palette Color Lookup Tables, also segmented ones (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6, C.7.9.2)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from dicomveil.encoding import DataSet

__all__ = ["Palette", "read_palette"]

_DESCRIPTOR = 0x00281101
_MAX_ENTRIES = 1 << 16


class Palette(NamedTuple):
    """The colour of every entry: the first stands for pixel value ``first``, ``bits`` is 8 or 16."""

    first: int
    bits: int
    red: list[int]
    green: list[int]
    blue: list[int]


def read_palette(head: DataSet) -> Palette | None:
    """Return the palette of a data set; ``None`` where it is missing or cannot be read."""
    descriptor = head.numbers(_DESCRIPTOR)
    if len(descriptor) != 3:
        return None
    entries, first, bits = descriptor[0] or _MAX_ENTRIES, descriptor[1], descriptor[2]
    columns = []
    for colour in range(1, 4):
        column = _entries(head, 0x00281200 | colour, entries, bits)
        if column is None:
            column = _segmented(head, 0x00281220 | colour, entries)
        if column is None:
            return None
        columns.append(column)
    red, green, blue = columns
    wide = bits == 16 or any(max(column) > 255 for column in columns)
    return Palette(first, 16 if wide else 8, red, green, blue)


def _numbers(head: DataSet, tag: int, kind: str) -> list[int]:
    element = head.find(tag)
    raw = b"" if element is None else head.value(element)
    size = struct.calcsize(kind)
    return list(
        struct.unpack(
            f"{'<' if head.little else '>'}{len(raw) // size}{kind}", raw[: len(raw) // size * size]
        )
    )


def _entries(head: DataSet, tag: int, entries: int, bits: int) -> list[int] | None:
    values = _numbers(head, tag, "H")
    if len(values) >= entries:  # also for 8 bits: then each stands in the low byte of a word
        return values[:entries]
    values = _numbers(head, tag, "B")
    return values[:entries] if bits == 8 and len(values) >= entries else None


def _segmented(head: DataSet, tag: int, entries: int) -> list[int] | None:
    """Expand discrete, linear and indirect segments (PS3.3 C.7.9.2)."""
    data = _numbers(head, tag, "H")
    out: list[int] = []
    starts: list[int] = []
    queue = list(_segments(data, 0, len(data)))
    for at, kind, length in queue:
        starts.append(at)
        if kind == 2:  # repeat ``length`` segments from an offset in bytes; they must not repeat others
            if at + 3 >= len(data):
                return None
            offset = (data[at + 2] | data[at + 3] << 16) // 2
            segments = [segment for segment in _segments(data, offset, len(data)) if segment[1] != 2][:length]
        else:
            segments = [(at, kind, length)]
        for begin, inner, count in segments:
            if inner == 0:
                out += data[begin + 2 : begin + 2 + count]
            elif inner == 1 and out and begin + 2 < len(data):
                low, high = out[-1], data[begin + 2]
                out += [low + (high - low) * (n + 1) // count for n in range(count)]
            else:
                return None
            if len(out) > _MAX_ENTRIES:
                return None
    return out[:entries] if len(out) >= entries else None


def _segments(data: list[int], at: int, end: int) -> list[tuple[int, int, int]]:
    """Return (offset, kind, length) of the segments from ``at``."""
    found = []
    while at + 2 < end:
        kind, length = data[at], data[at + 1]
        found.append((at, kind, length))
        at += {0: 2 + length, 1: 3, 2: 4}.get(kind, end)
    return found
