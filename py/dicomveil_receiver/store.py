"""A folder that keeps instances as ``<study>/<series>/<instance>.dcm``, named by their (new) UIDs.

An instance arrives in a spool file, so it never has to fit in memory, and gets its final name only when it is
whole, verified and on the disk. What else the folder holds is in ``.dicomveil``: spool files, index, tokens,
audit log. A sealed instance's name ends with ``.dcm.age``.
"""

from __future__ import annotations

import errno
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from dicomveil.verifying import Verified
from dicomveil_receiver.durable import make_folders, sync_folder
from dicomveil_receiver.index import Index, Row
from dicomveil_receiver.locking import FolderLock
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.spool import SEALED_SUFFIX, Spool
from dicomveil_receiver.together import Together

__all__ = ["CONTROL", "Kept", "Staged", "Store", "is_uid", "storage_errors"]

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*", re.ASCII)
#: The folder, in a storage, of what is not an instance.
CONTROL = ".dicomveil"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_uid(text: str) -> bool:
    """Tell whether a text is a UID as PS3.5, Section 9.1 writes it: so it is a safe name of a file, too."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what a disk or the index can do to us into an answer; nothing acknowledged is lost by it."""
    try:
        yield
    except OSError as error:
        raise ReceiverError("storage-full" if error.errno in _FULL else "storage-unavailable") from None
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise ReceiverError("storage-full" if full else "storage-unavailable") from None


class Kept(NamedTuple):
    """How an instance was kept: ``new`` is False when the same bytes were stored before."""

    row: Row
    new: bool


class Staged(NamedTuple):
    """An instance that is on the disk, but has neither its name nor a row yet."""

    row: Row
    file: Path
    target: Path


def _is_there(target: Path, size: int) -> bool:
    # Sealed or not, as the settings were then; what is sealed is longer than what it holds.
    plain = target.with_name(target.name.removesuffix(SEALED_SUFFIX))
    sealed = plain.with_name(plain.name + SEALED_SUFFIX)
    return (plain.is_file() and plain.stat().st_size == size) or (
        sealed.is_file() and sealed.stat().st_size > size
    )


class Store:
    """The storage folder of one server process; a second process is refused (``BlockingIOError``)."""

    def __init__(
        self, folder: Path, new_spool: Callable[[Path], Spool] = Spool, *, forward: bool = False
    ) -> None:
        self.folder = folder
        self._new_spool = new_spool
        self._forward = forward
        self.control = folder / CONTROL
        self._incoming = self.control / "incoming"
        make_folders(self._incoming)
        self._lock = FolderLock(self.control / "lock")
        for left in self._incoming.iterdir():  # of a process that was killed
            left.unlink()
        self.index = Index(self.control / "index.sqlite")
        self._together = Together(self._keep_all)

    def spool(self) -> Spool:
        """Begin an instance.

        Raises:
            ReceiverError: ``storage-full`` or ``storage-unavailable``.
        """
        with storage_errors():
            return self._new_spool(self._incoming)

    def stage(self, spool: Spool, verified: Verified) -> Staged:
        """Put a verified instance on the disk, to be kept; ``keep`` has to follow.

        Raises:
            ReceiverError: ``uid-invalid``, ``storage-full``, ``storage-unavailable``.
        """
        uids = (verified.study_uid, verified.series_uid, verified.sop_instance_uid)
        if not all(map(is_uid, (*uids, verified.sop_class, verified.transfer_syntax))):
            raise ReceiverError("uid-invalid")
        study, series, instance = uids
        row = Row(
            instance,
            study,
            series,
            verified.sop_class,
            verified.transfer_syntax,
            spool.sha256,
            spool.size,
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        target = self.folder / study / series / f"{instance}.dcm{spool.suffix}"
        with storage_errors():
            return Staged(row, spool.settle(), target)

    def keep(self, staged: Sequence[Staged]) -> list[Kept | ReceiverError]:
        """Keep staged instances: what is ``Kept`` when this returns is on the disk and in the index.

        The errors: ``instance-conflict``, ``storage-full``, ``storage-unavailable``. Nothing of their
        instances stays.
        """
        try:
            return self._together.do(staged)
        finally:
            for one in staged:
                with suppress(OSError):  # it is emptied at the next start, too
                    one.file.unlink(missing_ok=True)

    def _keep_all(self, batches: Sequence[Sequence[Staged]]) -> list[list[Kept | ReceiverError]]:
        """Keep what several requests staged, waiting for the disk once for all."""
        new: dict[str, Row] = {}
        folders: set[Path] = set()

        def keep(one: Staged) -> Kept | ReceiverError:
            uid = one.row.sop_instance_uid
            try:
                with storage_errors():
                    stored = new.get(uid) or self.index.find(uid)
                    if stored is not None and stored[:-1] != one.row[:-1]:
                        return ReceiverError("instance-conflict")
                    if stored is not None and _is_there(one.target, one.row.size):
                        return Kept(stored, new=False)
                    make_folders(one.target.parent)
                    one.file.replace(one.target)
            except ReceiverError as error:
                return error
            folders.add(one.target.parent)
            new[uid] = one.row
            return Kept(one.row, new=True)

        results = [[keep(one) for one in batch] for batch in batches]
        try:
            with storage_errors():
                for folder in folders:
                    sync_folder(folder)
                if new:
                    self.index.add(list(new.values()), forward=self._forward)
        except ReceiverError as error:
            # Objects without rows are not stored: they are written again when they are sent again.
            return [
                [error if isinstance(r, Kept) and r.row.sop_instance_uid in new else r for r in batch]
                for batch in results
            ]
        return results

    def ready(self, min_free_bytes: int) -> bool:
        """Tell whether an instance could be kept now: the index answers, and there is room."""
        try:
            with storage_errors():
                self.index.find("")
                return shutil.disk_usage(self.folder).free >= min_free_bytes
        except ReceiverError:
            return False

    def close(self) -> None:
        """Release the folder."""
        self.index.close()
        self._lock.release()
