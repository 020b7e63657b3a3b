"""What is still to be forwarded to an archive: durable, in the same database as the index.

An instance gets into the outbox in the transaction that makes it stored, so none is forgotten. Studies wait
on their own: one that the archive cannot take now does not hold up the others. After a failure its instances
go one by one, so one that the archive chokes on is found.
"""

from __future__ import annotations

import random
import time
from typing import NamedTuple

from dicomveil_receiver.index import Index

__all__ = ["Outbox", "Waiting"]

_FIRST_SECONDS, _LAST_SECONDS = 2.0, 3600.0


class Waiting(NamedTuple):
    """An instance to be forwarded."""

    sop_instance_uid: str
    study_uid: str
    series_uid: str


class Outbox:
    """The outbox of a storage folder."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def next_batch(self, most: int) -> list[Waiting]:
        """Return the instances to send now: of one study, in the order in which they came."""
        with self._index.transaction() as cursor:
            study = cursor.execute(
                "SELECT study_uid, max(attempts) FROM outbox WHERE reason IS NULL GROUP BY study_uid"
                " HAVING max(not_before) <= ? ORDER BY min(number) LIMIT 1",
                (time.time(),),
            ).fetchone()
            if study is None:
                return []
            rows = cursor.execute(
                "SELECT i.sop_instance_uid, i.study_uid, i.series_uid FROM outbox o"
                " JOIN instance i USING (sop_instance_uid)"
                " WHERE o.study_uid = ? AND o.reason IS NULL ORDER BY o.number LIMIT ?",
                (study[0], 1 if study[1] else most),
            ).fetchall()
        return [Waiting(*row) for row in rows]

    def sent(self, waiting: Waiting) -> None:
        """The archive has it."""
        with self._index.transaction() as cursor:
            cursor.execute("DELETE FROM outbox WHERE sop_instance_uid = ?", waiting[:1])
            cursor.execute("UPDATE outbox SET attempts = 0, not_before = 0 WHERE study_uid = ?", waiting[1:2])

    def refused(self, waiting: Waiting, reason: int) -> None:
        """The archive does not want it: keep its Failure Reason, and do not ask again unless told so."""
        with self._index.transaction() as cursor:
            cursor.execute(
                "UPDATE outbox SET reason = ? WHERE sop_instance_uid = ?", (reason, waiting.sop_instance_uid)
            )

    def postpone(self, study_uid: str) -> float:
        """The archive cannot take the study now: wait longer each time. Return the seconds."""
        with self._index.transaction() as cursor:
            row = cursor.execute(
                "SELECT max(attempts) FROM outbox WHERE study_uid = ? AND reason IS NULL", (study_uid,)
            ).fetchone()
            attempts = int(row[0] or 0)
            longest = min(_LAST_SECONDS, _FIRST_SECONDS * 2.0 ** min(attempts, 20))
            seconds = longest * random.uniform(0.5, 1.0)  # noqa: S311 - so that servers do not come in step
            cursor.execute(
                "UPDATE outbox SET attempts = ?, not_before = ? WHERE study_uid = ? AND reason IS NULL",
                (attempts + 1, time.time() + seconds, study_uid),
            )
        return seconds

    def retry(self) -> int:
        """Try everything again, now: what was refused too. Return how many instances that are."""
        with self._index.transaction() as cursor:
            cursor.execute("UPDATE outbox SET reason = NULL, attempts = 0, not_before = 0")
            return int(cursor.rowcount)

    def waiting(self) -> int:
        """Return how many instances wait."""
        with self._index.transaction() as cursor:
            return int(cursor.execute("SELECT count(*) FROM outbox WHERE reason IS NULL").fetchone()[0])

    def refusals(self) -> list[tuple[str, int]]:
        """Return SOP Instance UID and Failure Reason of each instance that the archive refused."""
        with self._index.transaction() as cursor:
            rows = cursor.execute(
                "SELECT sop_instance_uid, reason FROM outbox WHERE reason IS NOT NULL ORDER BY number"
            ).fetchall()
        return [(uid, reason) for uid, reason in rows]
