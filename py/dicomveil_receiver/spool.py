"""An instance on its way in: a file of its own, so that it never has to fit in memory."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import NamedTuple

from dicomveil.source import FileSource, Source

__all__ = ["SEALED_SUFFIX", "Arrived", "Spool", "hash_of", "open_for_owner"]

#: What the name of a sealed object ends with.
SEALED_SUFFIX = ".age"

#: What is longer is hashed while it arrives, so that nobody waits for it at the end.
_SHORT = 16 << 20
_READ_BYTES = 1 << 20


class Arrived(NamedTuple):
    """What another process has to know to read a spool file."""

    path: str
    size: int
    key: str = ""  #: in hexadecimal, of a file that is encrypted
    sha256: str = ""  #: if it is known already


def open_for_owner(path: str | Path, flags: int) -> int:
    """Open a file as ``open`` wants it of an opener: nobody but the owner can read it."""
    return os.open(path, flags, 0o600)


def hash_of(source: Source) -> hashlib._Hash:
    """Return the SHA-256 of all bytes, to which more can be added."""
    found = hashlib.sha256()
    for offset in range(0, source.size, _READ_BYTES):
        found.update(source.read(offset, _READ_BYTES))
    return found


class Spool:
    """An instance that is arriving; it vanishes unless the store moves what ``settle`` returns."""

    suffix = ""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{secrets.token_hex(16)}.part"
        self.size = 0
        self._hash: hashlib._Hash | None = None
        self._file = open(self.path, "xb", buffering=0, opener=open_for_owner)  # noqa: SIM115 - see discard
        self._given: Path | None = None

    def write(self, data: memoryview) -> None:
        """Append bytes."""
        if self._hash is None and self.size + len(data) > _SHORT:
            with self.source() as source:
                self._hash = hash_of(source)
        if self._hash is not None:
            self._hash.update(data)
        self.size += len(data)
        left = self._encoded(data)
        while left:
            left = left[self._file.write(left) :]

    def source(self) -> FileSource:
        """Open what has arrived, for reading; close it after use."""
        return FileSource(self.path)

    def arrived(self) -> Arrived:
        """Return how another process reads what has arrived."""
        sha256 = self._hash.hexdigest() if self._hash is not None else ""
        return Arrived(str(self.path), self.size, sha256=sha256)

    def settle(self, *, durably: bool) -> Path:
        """Return the file that has the bytes in their final form; ``durably`` puts them on the disk for good.

        From now on that file is the caller's to move or to remove.
        """
        if durably:
            os.fsync(self._file.fileno())
        self._given = self.path
        return self.path

    def discard(self) -> None:
        """Close the file and remove it, unless it was given away."""
        self._file.close()
        if self._given != self.path:
            self.path.unlink(missing_ok=True)

    def _encoded(self, data: memoryview) -> memoryview:
        """Return the bytes as they are put on the disk."""
        return data
