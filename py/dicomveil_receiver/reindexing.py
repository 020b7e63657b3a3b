"""Making the index anew from the audit log: after a back-up that was copied while the endpoint ran.

A copy of a database that is being written may be broken. A copy of the audit log is not: it only ever grows,
so a copy is its beginning, and it is enough. An object is never changed, so a copy of it is whole.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from dicomveil_receiver.audit import AuditFile, OpenAuditFile, read_audit
from dicomveil_receiver.folder import CONTROL, object_in
from dicomveil_receiver.index import Index, Row
from dicomveil_receiver.locking import FolderLock
from dicomveil_receiver.spool import SEALED_SUFFIX
from dicomveil_receiver.sqlite import SqliteDatabase
from dicomveil_receiver.store import is_uid

__all__ = ["Reindexed", "reindex"]


class Reindexed(NamedTuple):
    """How many instances the log tells of are there, and how many are not."""

    found: int
    missing: int


def reindex(storage: Path) -> Reindexed:
    """Replace the index of a storage by what its audit log says and its folders have.

    Raises:
        AuditError: the audit log is not as it was written.
        BlockingIOError: an endpoint runs on the storage.
    """
    control = storage / CONTROL
    lock = FolderLock(control / "lock")
    try:
        # Takes a torn line away. The file of the log's end may have been copied later than the log.
        OpenAuditFile(control, use_head=False).close()
        rows: dict[str, Row] = {}
        for line in read_audit(AuditFile(control), use_head=False):
            for event in ("stored", "known"):
                rows.update((stored[0], Row(*stored)) for stored in line.said.get(event, ()))
        there = [row for row in rows.values() if _object(storage, row).is_file()]
        for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
            (control / name).unlink(missing_ok=True)
        with closing(SqliteDatabase(control / "index.sqlite")) as database:
            Index(database).add(there)
    finally:
        lock.release()
    return Reindexed(len(there), len(rows) - len(there))


def _object(storage: Path, row: Row) -> Path:
    if not all(map(is_uid, (row.study_uid, row.series_uid, row.sop_instance_uid))):
        return storage / CONTROL / "none"
    plain = object_in(storage, row)
    return plain if plain.is_file() else plain.with_name(plain.name + SEALED_SUFFIX)
