"""The index of what is stored: one row per instance, in SQLite with a write-ahead log.

An object is written before its row, and a row before the sender is told: so a row always has its object. An
object without a row was never acknowledged: it is written again when it is sent again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

__all__ = ["Index", "Row"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS instance (
    sop_instance_uid TEXT PRIMARY KEY,
    study_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL,
    sop_class TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    received TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS instance_study ON instance (study_uid);
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sop_instance_uid TEXT NOT NULL UNIQUE,
    study_uid TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    reason INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_study ON outbox (study_uid);
"""

_LOCK_SECONDS = 10


class Row(NamedTuple):
    """A stored instance; ``sha256`` and ``size`` are of the bytes that were received."""

    sop_instance_uid: str
    study_uid: str
    series_uid: str
    sop_class: str
    transfer_syntax: str
    sha256: str
    size: int
    received: str


class Index:
    """The rows of a storage folder; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its other files the same mode
        self._connection = sqlite3.connect(
            path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def find(self, sop_instance_uid: str) -> Row | None:
        """Return the row of an instance, or None."""
        with self._lock:
            row = self._connection.execute(
                "SELECT * FROM instance WHERE sop_instance_uid = ?", (sop_instance_uid,)
            ).fetchone()
        return Row(*row) if row is not None else None

    def add(self, rows: Sequence[Row], *, forward: bool = False) -> None:
        """Add or replace rows, and put them into the outbox: all on the disk when this returns, or none."""
        with self.transaction() as cursor:
            cursor.executemany("INSERT OR REPLACE INTO instance VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            if forward:
                cursor.executemany(
                    "INSERT OR REPLACE INTO outbox (sop_instance_uid, study_uid) VALUES (?, ?)",
                    [row[:2] for row in rows],
                )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """All or nothing, and nobody else at the same time."""
        with self._lock, closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise

    def digests(self, sop_instance_uids: Iterable[str]) -> dict[str, str]:
        """Return SOP Instance UID -> SHA-256 of those that are stored."""
        found = {}
        with self._lock, closing(self._connection.cursor()) as cursor:
            for uid in sop_instance_uids:
                row = cursor.execute(
                    "SELECT sha256 FROM instance WHERE sop_instance_uid = ?", (uid,)
                ).fetchone()
                if row is not None:
                    found[uid] = row[0]
        return found

    def count(self) -> int:
        """Return the number of stored instances."""
        with self._lock:
            return int(self._connection.execute("SELECT count(*) FROM instance").fetchone()[0])

    def close(self) -> None:
        """Write everything back into the one file and close it."""
        with self._lock:
            self._connection.close()
