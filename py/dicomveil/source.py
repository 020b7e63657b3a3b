"""Inputs that are read in pieces, and outputs made of pieces.

An input is never loaded whole: Pixel Data stays a byte range of it. An output is a list of parts, each either
bytes or a range of the input, so that writing one copies the pixels without looking at them.
"""

from __future__ import annotations

import io
import os
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from dicomveil.errors import Refused

__all__ = [
    "BytesSource",
    "FileSource",
    "Part",
    "PartsSource",
    "Range",
    "Source",
    "SourceFile",
    "iter_parts",
    "opened",
    "part_length",
]

_COPY_BYTES = 1 << 20
_GZIP = b"\x1f\x8b\x08"
_MAX_INFLATED = 1 << 30


class Source(Protocol):
    """A seekable input. ``read`` returns exactly ``length`` bytes, and fewer only at the end."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes ``[offset, offset + length)`` that exist."""


class SourceFile(io.RawIOBase):
    """A source as a file, for libraries that read those."""

    name = ""  #: pydicom asks for one

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        """Tell that it is."""
        return True

    def seekable(self) -> bool:
        """Tell that it is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, and return it.

        Raises:
            OSError: it is before the beginning.
        """
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        if at < 0:
            raise OSError
        self._at = at
        return at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever can be written to
        """Read as much as there is room for, and return how much that was."""
        data = self._source.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class Range(NamedTuple):
    """A byte range of the input."""

    offset: int
    length: int


Part = bytes | Range


class BytesSource:
    """A source in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes ``[offset, offset + length)`` that exist."""
        return self._data[offset : offset + length]


class FileSource:
    """A file on disk, read by position; use it as a context manager."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by __exit__
        self.size = os.fstat(self._file.fileno()).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes ``[offset, offset + length)`` that exist."""
        chunks = []
        while length > 0:
            self._file.seek(offset)
            chunk = self._file.read(length)
            if not chunk:
                break
            chunks.append(chunk)
            offset += len(chunk)
            length -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Source]:
    """Open an input file; one that was compressed with gzip (``.dcm.gz``) is read as what is in it.

    Raises:
        Refused: ``undecodable`` for a broken gzip file, ``header-too-large`` beyond 1 GiB of content.
        OSError: the file cannot be read.
    """
    with FileSource(path) as source:
        yield _inflated(source) if source.read(0, 3) == _GZIP else source


def _inflated(source: Source) -> BytesSource:
    inflater = zlib.decompressobj(wbits=31)
    try:
        data = inflater.decompress(source.read(0, source.size), _MAX_INFLATED)
    except zlib.error:
        raise Refused("undecodable") from None
    if not inflater.eof:
        raise Refused("header-too-large" if len(data) >= _MAX_INFLATED else "truncated")
    return BytesSource(data)


def part_length(part: Part) -> int:
    """Length of a part in bytes."""
    return part.length if isinstance(part, Range) else len(part)


def iter_parts(source: Source, parts: Sequence[Part]) -> Iterator[bytes]:
    """Yield the finished output in chunks of at most 1 MiB (bytes parts whole)."""
    for part in parts:
        if isinstance(part, Range):
            for start in range(0, part.length, _COPY_BYTES):
                yield source.read(part.offset + start, min(_COPY_BYTES, part.length - start))
        else:
            yield part


class PartsSource:
    """The finished output as a source, without copying the ranges that it shares with the input."""

    def __init__(self, source: Source, parts: Sequence[Part]) -> None:
        self._source = source
        self._parts = list(parts)
        self._starts = [0, *accumulate(map(part_length, self._parts))]
        self.size = self._starts[-1]

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes ``[offset, offset + length)`` that exist."""
        chunks = []
        end = min(offset + length, self.size)
        index = max(bisect_right(self._starts, offset) - 1, 0)
        while offset < end:
            part, start = self._parts[index], self._starts[index]
            index += 1
            low, high = offset - start, min(end, self._starts[index]) - start
            if low < high:
                chunks.append(
                    self._source.read(part.offset + low, high - low)
                    if isinstance(part, Range)
                    else part[low:high]
                )
            offset = start + high
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
