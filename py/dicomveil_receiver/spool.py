"""An instance on its way in: a file of its own, so that it never has to fit in memory."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from dicomveil.source import FileSource

__all__ = ["SEALED_SUFFIX", "Spool", "open_for_owner"]

#: What the name of a sealed object ends with.
SEALED_SUFFIX = ".age"


def open_for_owner(path: str | Path, flags: int) -> int:
    """Open a file as ``open`` wants it of an opener: nobody but the owner can read it."""
    return os.open(path, flags, 0o600)


class Spool:
    """An instance that is arriving; it vanishes unless the store moves what ``settle`` returns."""

    suffix = ""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{secrets.token_hex(16)}.part"
        self.size = 0
        self._hash = hashlib.sha256()
        self._file = open(self.path, "xb", buffering=0, opener=open_for_owner)  # noqa: SIM115 - see discard
        self._given: Path | None = None

    def write(self, data: memoryview) -> None:
        """Append bytes."""
        self._hash.update(data)
        self.size += len(data)
        left = self._encoded(data)
        while left:
            left = left[self._file.write(left) :]

    def source(self) -> FileSource:
        """Open what has arrived, for reading; close it after use."""
        return FileSource(self.path)

    def settle(self, *, durably: bool) -> Path:
        """Return the file that has the bytes in their final form; ``durably`` puts them on the disk for good.

        From now on that file is the caller's to move or to remove.
        """
        if durably:
            os.fsync(self._file.fileno())
        self._given = self.path
        return self.path

    @property
    def sha256(self) -> str:
        """The digest of what has arrived, in hexadecimal."""
        return self._hash.hexdigest()

    def discard(self) -> None:
        """Close the file and remove it, unless it was given away."""
        self._file.close()
        if self._given != self.path:
            self.path.unlink(missing_ok=True)

    def _encoded(self, data: memoryview) -> memoryview:
        """Return the bytes as they are put on the disk."""
        return data
