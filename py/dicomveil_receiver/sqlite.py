"""The embedded database: SQLite with a write-ahead log, for one process."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from dicomveil_receiver.database import Transactions, Value

__all__ = ["SqliteDatabase"]

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


class _Cursor:
    """Runs statements."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def run(self, sql: str, **values: Value) -> list[tuple[Any, ...]]:
        """Run one statement; return its rows."""
        return self._cursor.execute(sql, values).fetchall()


class SqliteDatabase:
    """The database of a storage folder; one connection, which threads use in turn."""

    skip_locked = ""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its other files the same mode
        self._connection = sqlite3.connect(
            path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def reading(self) -> Iterator[_Cursor]:
        """Only look."""
        with self._lock, closing(self._connection.cursor()) as cursor:
            yield _Cursor(cursor)

    @contextmanager
    def transaction(self) -> Iterator[_Cursor]:
        """All or nothing, and nobody else at the same time."""
        with self._lock, closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield _Cursor(cursor)
                cursor.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise

    @contextmanager
    def claiming(self) -> Iterator[Transactions]:
        """One process has the database to itself: nothing need be locked between its transactions."""
        yield self.transaction

    def close(self) -> None:
        """Write everything back into the one file and close it."""
        with self._lock:
            self._connection.close()
