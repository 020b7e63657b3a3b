"""Removing objects that a kill left without a row: whole, verified, but never acknowledged to anybody.

An object is removed only if it is old, the index does not name it, and the audit log does not tell of it. If
the log does, the index is not whole: then nothing is removed. What has not the name of an instance stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from dicomveil_receiver.audit import AuditFile, Ledger, read_audit
from dicomveil_receiver.folder import CONTROL, object_in
from dicomveil_receiver.index import Index
from dicomveil_receiver.locking import FolderLock
from dicomveil_receiver.spool import SEALED_SUFFIX
from dicomveil_receiver.sqlite import SqliteDatabase
from dicomveil_receiver.store import is_uid

__all__ = ["IndexNotWholeError", "Swept", "check_log", "sweep_folder"]


class IndexNotWholeError(Exception):
    """The audit log tells of instances that the index does not have."""


class Swept(NamedTuple):
    """How many objects were removed; of a bucket also how many were set aside, or put back."""

    removed: int = 0
    set_aside: int = 0
    put_back: int = 0


def check_log(ledger: Ledger, unnamed: Mapping[str, Iterable[str]]) -> None:
    """Return when the log does not tell of the objects (SOP Instance UID -> SHA-256, none for any).

    Raises:
        AuditError: the log is not as it was written.
        IndexNotWholeError: it does.
    """
    if not unnamed:
        return
    for line in read_audit(ledger):
        for event in ("stored", "known"):
            for row in line.said.get(event, ()):
                uid, sha256 = row[0], row[5]
                if uid in unnamed and sha256 in (unnamed[uid] or [sha256]):
                    raise IndexNotWholeError


def sweep_folder(storage: Path, before: datetime) -> Swept:
    """Remove the files of a storage folder that no row names and that are older.

    Raises:
        AuditError: the audit log is not as it was written.
        BlockingIOError: an endpoint runs on the storage, and may be about to give such a file its row.
        IndexNotWholeError: the index has to be made anew first (``reindexing``).
    """
    control = storage / CONTROL
    lock = FolderLock(control / "lock")
    try:
        with closing(SqliteDatabase(control / "index.sqlite")) as database:
            index = Index(database)
            unnamed = [
                path
                for series in sorted(storage.glob("*/*"))
                if is_uid(series.name) and is_uid(series.parent.name) and series.is_dir()
                for path in _unnamed(storage, series, index)
                # When it got its name, whatever its owner made of the other times.
                if path.stat().st_ctime < before.timestamp()
            ]
        check_log(AuditFile(control), {_uid(path): () for path in unnamed})
        for path in unnamed:
            path.unlink()
            for folder in (path.parent, path.parent.parent):
                with suppress(OSError):  # something else is in it
                    folder.rmdir()
    finally:
        lock.release()
    return Swept(len(unnamed))


def _unnamed(storage: Path, series: Path, index: Index) -> list[Path]:
    paths = {path: _uid(path) for path in series.iterdir() if is_uid(_uid(path)) and path.is_file()}
    rows = index.find(set(paths.values()))
    named = {object_in(storage, row).with_suffix("") for row in rows.values()}
    return sorted(path for path, uid in paths.items() if series / uid not in named)


def _uid(path: Path) -> str:
    """Return the UID that a file is named by; of another file nothing."""
    name = path.name.removesuffix(SEALED_SUFFIX)
    return name.removesuffix(".dcm") if name.endswith(".dcm") else ""
