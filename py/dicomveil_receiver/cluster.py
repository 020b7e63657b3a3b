"""What replicas share: objects in a bucket; index, outbox, tokens and audit log in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from functools import cached_property

from obstore.store import S3Store

from dicomveil_receiver.audit import Audit, Ledger
from dicomveil_receiver.bucket import BucketObjects, open_bucket, sealed_in, sweep_bucket
from dicomveil_receiver.index import Index
from dicomveil_receiver.objects import Sealed
from dicomveil_receiver.outbox import Outbox
from dicomveil_receiver.postgres import PostgresDatabase
from dicomveil_receiver.settings import Settings
from dicomveil_receiver.spool import NewSpool
from dicomveil_receiver.store import Store
from dicomveil_receiver.sweeping import Swept
from dicomveil_receiver.tables import AuditTable, TokenTable
from dicomveil_receiver.tokens import Tokens

__all__ = ["ClusterKeeping"]


class ClusterKeeping:
    """A replica keeps nothing itself: its folder holds what is arriving."""

    unusable = "storage, bucket or database cannot be opened or written: look at addresses, keys, rights"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened = ExitStack()

    def check(self) -> None:
        """What is missing is made, or cannot be opened."""

    def store(self, new_spool: NewSpool, *, forward: bool) -> Store:
        """Open bucket and database."""
        index = Index(self._database)
        probe = self._bucket(retries=0, seconds=5)
        objects = BucketObjects(self._bucket(), probe, index, self._settings.storage, new_spool)
        self._opened.callback(objects.close)
        return Store(objects, index, forward=forward)

    def audit(self) -> Audit:
        """Open the log for appending."""
        table = AuditTable(self._database)
        table.check()
        return Audit(table)

    def tokens(self) -> Tokens:
        """Return the upload tokens."""
        return Tokens(TokenTable(self._database))

    def ledger(self) -> Ledger:
        """Return the log for verifying it."""
        return AuditTable(self._database)

    def outbox(self) -> Outbox:
        """Return what waits for an archive."""
        return Outbox(self._database)

    def sealed(self) -> Iterator[Sealed]:
        """Yield all sealed objects."""
        return sealed_in(self._bucket(), Index(self._database))

    def sweep(self, before: datetime) -> Swept:
        """Set aside objects that no row names and that are older; remove those that were, for as long."""
        return sweep_bucket(self._bucket(), Index(self._database), self.ledger(), before)

    def close(self) -> None:
        """Close what was opened."""
        self._opened.close()

    def _bucket(self, **patience: int) -> S3Store:
        settings = self._settings
        return open_bucket(
            settings.bucket or "", settings.bucket_endpoint, settings.bucket_region, **patience
        )

    @cached_property
    def _database(self) -> PostgresDatabase:
        secret = self._settings.database_password
        database = PostgresDatabase.opened(
            self._settings.database or "",
            password=secret.read_text("utf-8").strip() if secret is not None else None,
            authorities=self._settings.database_ca,
        )
        self._opened.callback(database.close)
        return database
