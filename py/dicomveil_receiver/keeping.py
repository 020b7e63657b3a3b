"""What an endpoint keeps, and where: all in one folder, or in a bucket and a database that replicas share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

from dicomveil_receiver.audit import Audit, AuditFile, Ledger, OpenAuditFile
from dicomveil_receiver.folder import CONTROL, FolderObjects, sealed_in
from dicomveil_receiver.index import Index
from dicomveil_receiver.objects import Sealed
from dicomveil_receiver.outbox import Outbox
from dicomveil_receiver.settings import Settings, SettingsError
from dicomveil_receiver.spool import NewSpool
from dicomveil_receiver.sqlite import SqliteDatabase
from dicomveil_receiver.store import Store
from dicomveil_receiver.sweeping import Swept, sweep_folder
from dicomveil_receiver.tokens import TokenFile, Tokens

__all__ = ["FolderKeeping", "Keeping", "keeping_of"]


class Keeping(Protocol):
    """Opens what is asked for, once; whatever cannot be opened is an ``OSError`` or an ``sqlite3.Error``."""

    #: What to tell an operator then.
    unusable: str

    def check(self) -> None:
        """Raise ``SettingsError`` when there has never been anything."""

    def store(self, new_spool: NewSpool, *, forward: bool) -> Store:
        """Open it for receiving.

        Raises:
            BlockingIOError: another process receives into it.
        """

    def audit(self) -> Audit:
        """Open the log for appending.

        Raises:
            AuditError: its end is not as it was written.
        """

    def tokens(self) -> Tokens:
        """Return the upload tokens."""

    def ledger(self) -> Ledger:
        """Return the log for verifying it."""

    def outbox(self) -> Outbox:
        """Return what waits for an archive."""

    def sealed(self) -> Iterator[Sealed]:
        """Yield all sealed objects."""

    def sweep(self, before: datetime) -> Swept:
        """Remove objects that no row names and that are older.

        Raises:
            AuditError, BlockingIOError, IndexNotWholeError: see ``sweeping``.
        """

    def close(self) -> None:
        """Close what was opened."""


class FolderKeeping:
    """All in one folder: objects, and in ``.dicomveil`` the index, the tokens and the audit log."""

    unusable = "storage cannot be opened or written"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._control = folder / CONTROL
        self._opened = ExitStack()

    def check(self) -> None:
        """Tell a folder that is not one of a receiver."""
        if not self._control.is_dir():
            raise SettingsError("storage: this folder is not one of a receiver")

    def store(self, new_spool: NewSpool, *, forward: bool) -> Store:
        """Open the folder, which is made if it is missing."""
        objects = FolderObjects(self._folder, new_spool)
        self._opened.callback(objects.close)
        return Store(objects, Index(self._database), forward=forward)

    def audit(self) -> Audit:
        """Open the log for appending."""
        ledger = OpenAuditFile(self._control)
        self._opened.callback(ledger.close)
        return Audit(ledger)

    def tokens(self) -> Tokens:
        """Return the upload tokens."""
        return Tokens(TokenFile(self._control / "tokens.json"))

    def ledger(self) -> Ledger:
        """Return the log for verifying it."""
        return AuditFile(self._control)

    def outbox(self) -> Outbox:
        """Return what waits for an archive."""
        return Outbox(self._database)

    def sealed(self) -> Iterator[Sealed]:
        """Yield all sealed objects."""
        return sealed_in(self._folder)

    def sweep(self, before: datetime) -> Swept:
        """Remove files that no row names and that are older."""
        return sweep_folder(self._folder, before)

    def close(self) -> None:
        """Close what was opened."""
        self._opened.close()

    @cached_property
    def _database(self) -> SqliteDatabase:
        database = SqliteDatabase(self._control / "index.sqlite")
        self._opened.callback(database.close)
        return database


def keeping_of(settings: Settings) -> Keeping:
    """Return what the settings name; nothing is opened yet.

    Raises:
        SettingsError: what it needs is not installed.
    """
    if settings.database is None:
        return FolderKeeping(settings.storage)
    try:  # only replicas need these libraries
        from dicomveil_receiver.cluster import ClusterKeeping
    except ImportError:
        raise SettingsError(
            "bucket and database need more libraries: pip install 'dicomveil[receiver-cluster]'"
        ) from None
    return ClusterKeeping(settings)
