"""What is still to be forwarded to an archive: durable, in the same database as the index.

An instance gets into the outbox in the transaction that makes it stored, so none is forgotten. Studies wait
on their own: one that the archive cannot take now does not hold up the others. After a failure its instances
go one by one, so one that the archive chokes on is found. A study is claimed while it is being sent: of
several replicas one sends it, and when that one ends, however it ends, another goes on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dicomveil_receiver.database import Database, Transaction, Transactions
from dicomveil_receiver.index import Row

__all__ = ["Claim", "Outbox"]

_FIRST_SECONDS, _LAST_SECONDS = 2.0, 3600.0
_CANDIDATES = 50


class Claim:
    """Instances of one study to send now, in the order in which they came, and what becomes of them."""

    def __init__(self, batch: Sequence[Row], transactions: Transactions) -> None:
        self.batch = batch
        self._transactions = transactions

    def sent(self, row: Row) -> None:
        """The archive has it."""
        with self._transactions() as transaction:
            transaction.run("DELETE FROM outbox WHERE sop_instance_uid = :uid", uid=row.sop_instance_uid)
            transaction.run(
                "UPDATE outbox SET attempts = 0, not_before = 0 WHERE study_uid = :study", study=row.study_uid
            )

    def refused(self, row: Row, reason: int) -> None:
        """The archive does not want it: keep its Failure Reason, and do not ask again unless told so."""
        with self._transactions() as transaction:
            transaction.run(
                "UPDATE outbox SET reason = :reason WHERE sop_instance_uid = :uid",
                reason=reason,
                uid=row.sop_instance_uid,
            )

    def postpone(self) -> float:
        """The archive cannot take the study now: wait longer each time. Return the seconds."""
        study = self.batch[0].study_uid
        with self._transactions() as transaction:
            ((before,),) = transaction.run(
                "SELECT max(attempts) FROM outbox WHERE study_uid = :study AND reason IS NULL", study=study
            )
            attempts = int(before or 0)
            longest = min(_LAST_SECONDS, _FIRST_SECONDS * 2.0 ** min(attempts, 20))
            seconds = longest * random.uniform(0.5, 1.0)  # noqa: S311 - so that servers do not come in step
            transaction.run(
                "UPDATE outbox SET attempts = :attempts, not_before = :moment"
                " WHERE study_uid = :study AND reason IS NULL",
                attempts=attempts + 1,
                moment=time.time() + seconds,
                study=study,
            )
        return seconds


class Outbox:
    """The outbox of a storage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def claim(self, most: int) -> Iterator[Claim | None]:
        """Have the next batch to oneself while the block runs; None when there is nothing to send now."""
        with self._database.claiming() as transactions:
            with transactions() as transaction:
                batch = self._next(transaction, most)
            yield Claim(batch, transactions) if batch else None

    def _next(self, transaction: Transaction, most: int) -> list[Row]:
        studies = transaction.run(
            "SELECT study_uid, max(attempts), min(number) FROM outbox WHERE reason IS NULL"
            " GROUP BY study_uid HAVING max(not_before) <= :now ORDER BY min(number) LIMIT :most",
            now=time.time(),
            most=_CANDIDATES,
        )
        for study, attempts, first in studies:
            # Who has a study's first row has the study: it stays until it was sent, or refused.
            if not transaction.run(
                f"SELECT number FROM outbox WHERE number = :first{self._database.skip_locked}",  # noqa: S608 - our text
                first=first,
            ):
                continue
            rows = transaction.run(
                f"SELECT {_COLUMNS} FROM outbox o JOIN instance i ON i.sop_instance_uid = o.sop_instance_uid"  # noqa: S608 - our text
                " WHERE o.study_uid = :study AND o.reason IS NULL ORDER BY o.number LIMIT :most",
                study=study,
                most=1 if attempts else most,
            )
            return [Row(*row) for row in rows]
        return []

    def retry(self) -> int:
        """Try everything again, now: what was refused too. Return how many instances that are."""
        with self._database.transaction() as transaction:
            return len(
                transaction.run(
                    "UPDATE outbox SET reason = NULL, attempts = 0, not_before = 0 RETURNING number"
                )
            )

    def waiting(self) -> int:
        """Return how many instances wait."""
        with self._database.reading() as transaction:
            return int(transaction.run("SELECT count(*) FROM outbox WHERE reason IS NULL")[0][0])

    def refusals(self) -> list[tuple[str, int]]:
        """Return SOP Instance UID and Failure Reason of each instance that the archive refused."""
        with self._database.reading() as transaction:
            rows = transaction.run(
                "SELECT sop_instance_uid, reason FROM outbox WHERE reason IS NOT NULL ORDER BY number"
            )
        return [(uid, reason) for uid, reason in rows]


_COLUMNS = ", ".join(f"i.{name}" for name in Row._fields)
