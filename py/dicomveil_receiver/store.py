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
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from dicomveil.verifying import Verified
from dicomveil_receiver.durable import make_folders, move_durably
from dicomveil_receiver.index import Index, Row
from dicomveil_receiver.locking import FolderLock
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.spool import SEALED_SUFFIX, Spool

__all__ = ["CONTROL", "Kept", "Store", "is_uid", "storage_errors"]

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*", re.ASCII)
#: The folder, in a storage, of what is not an instance.
CONTROL = ".dicomveil"
_LOCKS = 64
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
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def spool(self) -> Spool:
        """Begin an instance.

        Raises:
            ReceiverError: ``storage-full`` or ``storage-unavailable``.
        """
        with storage_errors():
            return self._new_spool(self._incoming)

    def keep(self, spool: Spool, verified: Verified) -> Kept:
        """Keep a verified instance: when this returns, it is on the disk and in the index.

        Raises:
            ReceiverError: ``uid-invalid``, ``instance-conflict``, ``storage-full``, ``storage-unavailable``.
        """
        uids = (verified.study_uid, verified.series_uid, verified.sop_instance_uid)
        if not all(map(is_uid, (*uids, verified.sop_class, verified.transfer_syntax))):
            raise ReceiverError("uid-invalid")
        study, series, instance = uids
        target = self.folder / study / series / f"{instance}.dcm{spool.suffix}"
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
        with storage_errors(), self._locks[hash(instance) % _LOCKS]:
            stored = self.index.find(instance)
            if stored is not None and stored[:-1] != row[:-1]:
                raise ReceiverError("instance-conflict")
            if stored is not None and _is_there(target, spool.size):
                return Kept(stored, new=False)
            make_folders(target.parent)
            move_durably(spool.settle(), target)
            self.index.add(row, forward=self._forward)
        return Kept(row, new=True)

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
