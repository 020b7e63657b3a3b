"""Where the bytes of instances are kept: what a store asks of a folder or of a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from dicomveil_receiver.index import Row
from dicomveil_receiver.spool import Spool

__all__ = ["CHUNK_BYTES", "Objects", "Sealed", "Staged"]

#: How much of an object is read at once.
CHUNK_BYTES = 1 << 20


class Staged(NamedTuple):
    """An instance that is durable, but is not stored yet: it has no row, and in a folder no name."""

    row: Row
    file: Path  #: where it came from
    name: str  #: of the object, from the storage's root


class Sealed(NamedTuple):
    """A sealed object: its name, and what opens it for reading."""

    name: str
    file: BinaryIO


class Objects(Protocol):
    """Safe to use from several threads. What goes wrong is an ``OSError``."""

    #: How many threads at once gain something here.
    at_once: int

    def spool(self) -> Spool:
        """Begin an instance."""

    def stage(self, spool: Spool, row: Row) -> Staged:
        """Make the bytes durable; ``clear`` has to follow."""

    def holds(self, staged: Staged) -> bool:
        """Tell whether an object of this name and size is kept already."""

    def publish(self, staged: Staged) -> None:
        """Give the bytes their name; it is durable when ``synchronize`` has returned."""

    def synchronize(self) -> None:
        """Make all names that were given durable."""

    def clear(self, staged: Staged, *, refused: bool) -> None:
        """Leave nothing behind but what is kept.

        ``refused`` says that another instance is stored under the SOP Instance UID, and always will be.
        """

    def size(self, row: Row) -> int:
        """Return the length of a stored object, not sealed, in bytes."""

    def read(self, row: Row) -> Iterator[bytes]:
        """Yield a stored object, not sealed, in chunks."""

    def check(self, min_free_bytes: int) -> None:
        """Raise what stands against keeping an instance now."""

    def close(self) -> None:
        """Let another process have it, where it is for one only."""
