"""The database that replicas share: PostgreSQL, through pg8000."""

from __future__ import annotations

import errno
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pg8000.exceptions import DatabaseError, Error
from pg8000.native import Connection

from dicomveil_receiver.database import Transactions, Value
from dicomveil_receiver.settings import is_loopback

__all__ = ["PostgresDatabase", "connection_arguments"]

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS instance (
    sop_instance_uid TEXT PRIMARY KEY,
    study_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL,
    sop_class TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    received TEXT NOT NULL
)""",
    "CREATE INDEX IF NOT EXISTS instance_study ON instance (study_uid)",
    """CREATE TABLE IF NOT EXISTS outbox (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sop_instance_uid TEXT NOT NULL UNIQUE,
    study_uid TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before DOUBLE PRECISION NOT NULL DEFAULT 0,
    reason INTEGER
)""",
    "CREATE INDEX IF NOT EXISTS outbox_study ON outbox (study_uid)",
    """CREATE TABLE IF NOT EXISTS token (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    created TEXT NOT NULL,
    expires TEXT,
    revoked TEXT
)""",
    "CREATE TABLE IF NOT EXISTS audit (number BIGINT PRIMARY KEY, line TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS audit_head (number BIGINT NOT NULL, hash TEXT NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS audit_head_one ON audit_head ((true))",
)
#: One schema is made at a time.
_SCHEMA_LOCK = 0x6469636F
_MOST = 8
_SECONDS = 15
_SESSION = {
    "lock_timeout": "10s",
    # A replica whose machine vanished holds no claim for hours.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
#: Acknowledged means on the disk, whatever the server's default is.
_DURABLY = """SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'"""
#: SQLSTATE: the connection is gone, or the server is about to be.
_GONE = ("08", "57P")
_DISK_FULL, _OUT_OF_MEMORY = "53100", "53200"


class _Broken(Exception):
    """The connection is of no more use."""


@contextmanager
def _errors() -> Iterator[None]:
    """Turn what the driver raises into an ``OSError`` without its text, which may hold values."""
    try:
        yield
    except DatabaseError as error:
        state = _state(error)
        if state.startswith(_GONE):
            raise _Broken from None
        raise OSError(errno.ENOSPC if state in {_DISK_FULL, _OUT_OF_MEMORY} else errno.EIO, state) from None
    except (Error, OSError, EOFError):
        raise _Broken from None


def _state(error: DatabaseError) -> str:
    told = error.args[0] if error.args else None
    return str(told.get("C", "")) if isinstance(told, dict) else ""


class _Session:
    """One connection, which is made anew when it broke between two uses."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments
        self._connection: Connection | None = None

    def run(self, sql: str, **values: Value) -> list[tuple[Any, ...]]:
        """Run a statement on the connection as it is."""
        with _errors():
            if self._connection is None:
                self._connection = Connection(**self._arguments)
                self._connection.run(_DURABLY)
            return [tuple(row) for row in self._connection.run(sql, **values) or ()]

    def run_first(self, sql: str, **values: Value) -> list[tuple[Any, ...]]:
        """Run a statement that may be run twice, on a connection that works."""
        fresh = self._connection is None
        try:
            return self.run(sql, **values)
        except _Broken:
            self.close()
            if fresh:
                raise
        return self.run(sql, **values)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Error, OSError):
                connection.close()


class _Reader:
    """Statements that only look, each for itself."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    def run(self, sql: str, **values: Value) -> list[tuple[Any, ...]]:
        """Run one statement; return its rows."""
        return self._session.run_first(sql, **values)


class PostgresDatabase:
    """Connections to one database; at most eight are used at once, and one by each claim."""

    skip_locked = " FOR UPDATE SKIP LOCKED"

    def __init__(self, url: str, *, password: str | None = None, authorities: Path | None = None) -> None:
        self._arguments = connection_arguments(url, password, authorities)
        self._places = threading.BoundedSemaphore(_MOST)
        self._lock = threading.Lock()
        self._idle: list[_Session] = []

    @classmethod
    def opened(cls, url: str, *, password: str | None = None, authorities: Path | None = None) -> Self:
        """Connect, and make what tables are missing."""
        database = cls(url, password=password, authorities=authorities)
        with database.transaction() as transaction:
            transaction.run("SELECT pg_advisory_xact_lock(:lock)", lock=_SCHEMA_LOCK)
            for statement in _SCHEMA:
                transaction.run(statement)
        return database

    @contextmanager
    def reading(self) -> Iterator[_Reader]:
        """Only look."""
        with self._place(), self._session() as session:
            yield _Reader(session)

    @contextmanager
    def transaction(self) -> Iterator[_Session]:
        """All or nothing; durable when the block has ended."""
        with self._place(), self._session() as session, _transaction(session):
            yield session

    @contextmanager
    def claiming(self) -> Iterator[Transactions]:
        """One transaction for the whole block: what it locks ends with it, or with its process."""
        with self._session() as session, _transaction(session):

            @contextmanager
            def same() -> Iterator[_Session]:
                yield session

            yield same

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            sessions, self._idle = self._idle, []
        for session in sessions:
            session.close()

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=_SECONDS):
            raise OSError(errno.EBUSY, "too many wait for the database")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        with self._lock:
            session = self._idle.pop() if self._idle else _Session(self._arguments)
        try:
            yield session
        except _Broken:
            session.close()
            raise OSError(errno.EIO, "the database cannot be reached") from None
        except BaseException:
            session.close()  # in which state it is, nobody knows
            raise
        with self._lock:
            self._idle.append(session)


@contextmanager
def _transaction(session: _Session) -> Iterator[None]:
    session.run_first("BEGIN")
    try:
        yield
    except BaseException:
        with suppress(_Broken, OSError):
            session.run("ROLLBACK")
        raise
    session.run("COMMIT")


def connection_arguments(url: str, password: str | None, authorities: Path | None) -> dict[str, Any]:
    """Return what pg8000 is told for a URL that ``Settings.check`` let pass."""
    parts = urlsplit(url)
    socket = parse_qs(parts.query).get("host", [""])[0]
    arguments: dict[str, Any] = {
        "user": unquote(parts.username or ""),
        "database": unquote(parts.path.removeprefix("/")),
        "password": password,
        "timeout": _SECONDS,
        "application_name": "dicomveil",
        "startup_params": _SESSION,
    }
    if socket:
        return {**arguments, "unix_sock": f"{socket}/.s.PGSQL.{parts.port or 5432}"}
    arguments |= {"host": parts.hostname or "", "port": parts.port or 5432}
    if authorities is not None or not is_loopback(parts.hostname or ""):
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if authorities is not None:
            context.load_verify_locations(authorities)
        arguments["ssl_context"] = context
    return arguments
