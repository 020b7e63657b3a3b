"""An instance on its way in: a file of its own, so that it never has to fit in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple, Protocol

from dicomveil.source import FileSource, Source

__all__ = ["BINARY", "SEALED_SUFFIX", "Arrived", "NewSpool", "Spool", "hash_of", "open_for_owner"]

#: What the name of a sealed object ends with.
SEALED_SUFFIX = ".age"

#: What is longer is hashed while it arrives, so that nobody waits for it at the end.
_SHORT = 16 << 20
_READ_BYTES = 1 << 18
#: Names of spool files: their folder is this process' own, and empty when it starts.
_NUMBERS = count(1)
#: What opens a file on Windows without changing line ends.
BINARY = getattr(os, "O_BINARY", 0)


class Arrived(NamedTuple):
    """What another process has to know to read a spool file."""

    path: str
    size: int
    key: str = ""  #: in hexadecimal, of a file that is encrypted
    sha256: str = ""  #: if it is known already
    durably: bool = False  #: whether what passes has to be put on the disk for good
    seal_to: Sequence[str] = ()  #: recipients of age (``age1...``): what passes is encrypted to them

    @property
    def final(self) -> str:
        """The file that has the final form of what passed."""
        return f"{self.path}{SEALED_SUFFIX}" if self.seal_to else self.path


def open_for_owner(path: str | Path, flags: int) -> int:
    """Open a file as ``open`` wants it of an opener: nobody but the owner can read it."""
    return os.open(path, flags, 0o600)


def hash_of(source: Source) -> hashlib._Hash:
    """Return the SHA-256 of all bytes, to which more can be added."""
    found = hashlib.sha256()
    for offset in range(0, source.size, _READ_BYTES):
        # No more than there is: what is asked for is what memory is taken for.
        found.update(source.read(offset, min(_READ_BYTES, source.size - offset)))
    return found


def _write(file: int, pieces: Sequence[memoryview]) -> int:
    """Write some of the bytes at once; return how many."""
    return os.writev(file, pieces) if hasattr(os, "writev") else os.write(file, pieces[0])


class Spool:
    """An instance that is arriving; it vanishes unless the store moves what ``settle`` returns.

    ``durably`` says whether that file has to be on the disk for good.
    """

    suffix = ""

    def __init__(self, folder: Path, *, durably: bool = True) -> None:
        self.path = folder / f"{next(_NUMBERS)}.part"
        self.size = 0
        self._durably = durably
        self._hash: hashlib._Hash | None = None
        # A bare descriptor: each further call of the system lets another thread in first.
        self._file = open_for_owner(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY)
        self._given: Path | None = None

    def write(self, pieces: Sequence[memoryview]) -> None:
        """Append bytes, not many pieces of them."""
        length = sum(map(len, pieces))
        if self._hash is None and self.size + length > _SHORT:
            with self.source() as source:
                self._hash = hash_of(source)
        if self._hash is not None:
            for piece in pieces:
                self._hash.update(piece)
        self.size += length
        left = [self._encoded(piece) for piece in pieces if piece]
        while left:
            written = _write(self._file, left)
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]

    def source(self) -> FileSource:
        """Open what has arrived, for reading; close it after use."""
        return FileSource(self.path)

    def arrived(self) -> Arrived:
        """Return how another process reads what has arrived."""
        sha256 = self._hash.hexdigest() if self._hash is not None else ""
        return Arrived(str(self.path), self.size, sha256=sha256, durably=self._durably)

    def settle(self) -> Path:
        """Return the file that has the bytes in their final form, after they were examined (``examining``).

        From now on that file is the caller's to move or to remove.
        """
        self._given = self.path
        return self.path

    def end(self) -> None:
        """Close the file: all has arrived, or nothing more will."""
        if self._file >= 0:
            descriptor, self._file = self._file, -1
            os.close(descriptor)

    def discard(self) -> None:
        """Remove the file, unless it was given away."""
        self.end()
        if self._given != self.path:
            self.path.unlink(missing_ok=True)

    def _encoded(self, data: memoryview) -> memoryview:
        """Return the bytes as they are put on the disk."""
        return data


class NewSpool(Protocol):
    """Begins an instance, as ``Spool`` does."""

    def __call__(self, folder: Path, *, durably: bool) -> Spool:
        """Make the spool."""
