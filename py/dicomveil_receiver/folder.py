"""A folder that keeps instances as ``<study>/<series>/<instance>.dcm``, named by their (new) UIDs.

What else the folder holds is in ``.dicomveil``: spool files, index, tokens, audit log. A sealed instance's
name ends with ``.dcm.age``.
"""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dicomveil_receiver.durable import make_folders, sync_folder
from dicomveil_receiver.index import Row
from dicomveil_receiver.locking import FolderLock
from dicomveil_receiver.objects import CHUNK_BYTES, Sealed, Staged
from dicomveil_receiver.spool import SEALED_SUFFIX, NewSpool, Spool

__all__ = ["CONTROL", "FolderObjects", "Scratch", "object_in", "sealed_in"]

#: The folder, in a storage, of what is not an instance.
CONTROL = ".dicomveil"


def object_in(folder: Path, row: Row) -> Path:
    """Name the file of an instance that is not sealed."""
    return folder / row.study_uid / row.series_uid / f"{row.sop_instance_uid}.dcm"


class Scratch:
    """Where instances arrive, for one process; a second one is refused (``BlockingIOError``)."""

    #: Whether what passes stays on this disk.
    durably = True

    def __init__(self, folder: Path, new_spool: NewSpool = Spool) -> None:
        self.folder = folder
        self.control = folder / CONTROL
        self._incoming = self.control / "incoming"
        self._new_spool = new_spool
        make_folders(self._incoming)
        self._lock = FolderLock(self.control / "lock")
        for left in self._incoming.iterdir():  # of a process that was killed
            left.unlink()

    def spool(self) -> Spool:
        """Begin an instance."""
        return self._new_spool(self._incoming, durably=self.durably)

    def check(self, min_free_bytes: int) -> None:
        """Raise ``ENOSPC`` when there is less room than that."""
        if shutil.disk_usage(self.folder).free < min_free_bytes:
            raise OSError(errno.ENOSPC, "no room")

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock.release()


class FolderObjects(Scratch):
    """Objects as files; what arrives is on the same disk, so it gets its name in one step."""

    #: More only wait for each other: for the interpreter lock, and for the disk.
    at_once = 24

    def __init__(self, folder: Path, new_spool: NewSpool = Spool) -> None:
        super().__init__(folder, new_spool)
        self._adding = threading.Lock()
        self._named: set[Path] = set()

    def stage(self, spool: Spool, row: Row) -> Staged:
        """Put the bytes on the disk: when they were examined, they have been."""
        name = f"{row.study_uid}/{row.series_uid}/{row.sop_instance_uid}.dcm{spool.suffix}"
        return Staged(row, spool.settle(), name)

    def holds(self, staged: Staged) -> bool:
        """Tell whether the file is there: sealed or not, as the settings were then."""
        plain = object_in(self.folder, staged.row)
        sealed = plain.with_name(plain.name + SEALED_SUFFIX)
        size = staged.row.size  # what is sealed is longer than what it holds
        return (plain.is_file() and plain.stat().st_size == size) or (
            sealed.is_file() and sealed.stat().st_size > size
        )

    def publish(self, staged: Staged) -> None:
        """Rename the file."""
        target = self.folder / staged.name
        try:
            staged.file.replace(target)
        except FileNotFoundError:  # the first of its series
            make_folders(target.parent)
            staged.file.replace(target)
        with self._adding:
            self._named.add(target.parent)

    def synchronize(self) -> None:
        """Wait for the folders in which files were named."""
        with self._adding:
            folders, self._named = self._named, set()
        for folder in folders:
            sync_folder(folder)

    def clear(self, staged: Staged, *, refused: bool) -> None:  # noqa: ARG002 - what was refused got no name
        """Remove what arrived, if it was not renamed."""
        with suppress(OSError):  # it is emptied at the next start, too
            staged.file.unlink(missing_ok=True)

    def size(self, row: Row) -> int:
        """Return the length of a file."""
        return object_in(self.folder, row).stat().st_size

    def read(self, row: Row) -> Iterator[bytes]:
        """Yield a file in chunks."""
        with object_in(self.folder, row).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def sealed_in(folder: Path) -> Iterator[Sealed]:
    """Yield the sealed files of a storage folder, which may be in use."""
    for path in sorted(folder.glob(f"*/*/*.dcm{SEALED_SUFFIX}")):
        with path.open("rb") as file:
            yield Sealed(path.relative_to(folder).as_posix(), file)
