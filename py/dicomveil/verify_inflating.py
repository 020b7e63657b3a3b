"""Deflated data sets, inflated forwards and within a limit, for verification alone."""

from __future__ import annotations

import zlib

from dicomveil.source import Source

__all__ = ["WINDOW", "Inflated", "Malformed"]

#: Bytes that are read at once.
WINDOW = 1 << 16
MAX_INFLATED = 1 << 31


class Malformed(Exception):
    """The reading cannot go on; ``code`` is a key of ``errors.CODES``."""

    def __init__(self, code: str, tag: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.tag = tag


class Inflated:
    """The inflated bytes of a deflated data set, forwards only: what lies before a read is forgotten."""

    def __init__(self, source: Source, offset: int) -> None:
        self._source = source
        self._next = offset
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._buffer = b""
        self._start = 0
        self.size = MAX_INFLATED

    def read(self, offset: int, length: int) -> bytes:
        """Return the inflated bytes ``[offset, offset + length)`` that exist; offsets must not go back."""
        while self._start + len(self._buffer) < offset + length and self._more():
            excess = min(offset - self._start, len(self._buffer))
            if excess > 0:
                self._buffer = self._buffer[excess:]
                self._start += excess
        low = offset - self._start
        return self._buffer[low : low + length] if low >= 0 else b""

    def _more(self) -> bool:
        if self._inflater.eof:
            return False
        packed = self._inflater.unconsumed_tail
        if not packed:
            packed = self._source.read(self._next, WINDOW)
            self._next += len(packed)
        if not packed:
            raise Malformed("truncated")
        try:
            self._buffer += self._inflater.decompress(packed, 1 << 20)
        except zlib.error:
            raise Malformed("undecodable") from None
        if self._start + len(self._buffer) > MAX_INFLATED:
            raise Malformed("header-too-large")
        return True

    def rest(self) -> int:
        """Count the bytes of the file behind the deflated data; one zero byte of padding is not counted."""
        unused = self._inflater.unused_data
        count = len(unused) + max(0, self._source.size - self._next)
        return 0 if count == 1 and unused == b"\0" else count
