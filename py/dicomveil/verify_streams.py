"""Verification of frames: their fragments as one run of bytes, read in few pieces."""

from __future__ import annotations

from collections.abc import Sequence

from dicomveil.source import Source

__all__ = ["BLOCK", "MAX_HEADER", "ReadAhead", "Stream", "Unclean"]

#: Bytes that are read at once of what lies between headers, and that a header may have.
BLOCK, MAX_HEADER = 1 << 20, 4 << 20
_WINDOW = 2048


class Unclean(Exception):
    """Something is in a frame that no decoder needs."""


class ReadAhead:
    """A source that keeps the block read last: the end of one frame and the beginning of the next are one."""

    def __init__(self, output: Source) -> None:
        self._output = output
        self._start, self._data = 0, b""
        self.size = output.size

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes ``[offset, offset + length)`` that exist."""
        low = offset - self._start
        if low < 0 or low + length > len(self._data):
            if length > _WINDOW:
                return self._output.read(offset, length)
            self._start, self._data, low = offset, self._output.read(offset, 2 * _WINDOW), 0
        return self._data[low : low + length]


class Stream:
    """The fragments of a frame as one run of bytes; what was read last is kept."""

    def __init__(self, output: Source, fragments: Sequence[tuple[int, int]]) -> None:
        self._output = output
        self._fragments = fragments
        self.size = sum(length for _, length in fragments)
        self._start, self._data = 0, b""

    def _load(self, at: int, length: int) -> bytes:
        out = []
        for offset, size in self._fragments:
            if at < size and length > 0:
                out.append(self._output.read(offset + max(at, 0), min(length, size - max(at, 0))))
                length -= len(out[-1])
                at = 0
            else:
                at -= size
        return b"".join(out)

    def read(self, at: int, length: int) -> bytes:
        """Return the bytes ``[at, at + length)`` of the frame that exist."""
        low = at - self._start
        if low < 0 or low + length > len(self._data):
            self._start, self._data, low = at, self._load(at, max(length, _WINDOW)), 0
        return self._data[low : low + length]

    def begins_with(self, head: bytes) -> bool:
        """Tell whether the frame begins with bytes that were seen before."""
        return len(head) > 0 and self.read(0, len(head)) == head
