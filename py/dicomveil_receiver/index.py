"""The index of what is stored: one row per instance.

An object is durable before its row, and a row before the sender is told: so a row always has its object. An
object without a row was never acknowledged: it is written again when it is sent again. The primary key
decides which of two instances with the same SOP Instance UID is stored, also between replicas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from dicomveil_receiver.database import Database, Transaction, numbered

__all__ = ["Index", "Row"]

_AT_ONCE = 500  # rows a statement

Item = TypeVar("Item")


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

    def same(self, other: Row) -> bool:
        """Tell whether both are the same instance, whenever it was received."""
        return self[:-1] == other[:-1]


_COLUMNS = ", ".join(Row._fields)


class Index:
    """The rows of a storage; safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self) -> None:
        """Raise what the database does when it cannot be asked."""
        with self._database.reading() as transaction:
            transaction.run("SELECT 1")

    def find(self, sop_instance_uids: Iterable[str]) -> dict[str, Row]:
        """Return SOP Instance UID -> row of those that are stored."""
        found: dict[str, Row] = {}
        with self._database.reading() as transaction:
            for some in _slices(sop_instance_uids):
                found.update(_find(transaction, some))
        return found

    def add(self, rows: Iterable[Row], *, forward: bool = False) -> dict[str, Row]:
        """Add rows and put them into the outbox: all on the disk when this returns, or none.

        Return the rows that were there before, of these SOP Instance UIDs: they stay as they are.
        """
        rows = list(rows)
        before: dict[str, Row] = {}
        with self._database.transaction() as transaction:
            # In one order, so that replicas never wait for each other in a circle.
            for some in _slices(sorted(rows)):
                before.update(_add(transaction, some))
            added = [row for row in rows if row.sop_instance_uid not in before]
            for some in _slices(added if forward else ()):
                texts, values = numbered([row[:2] for row in some])
                transaction.run(
                    f"INSERT INTO outbox (sop_instance_uid, study_uid) VALUES {texts}"  # noqa: S608 - names only
                    " ON CONFLICT (sop_instance_uid) DO NOTHING",
                    **values,
                )
        return before

    def digests(self, sop_instance_uids: Iterable[str]) -> dict[str, str]:
        """Return SOP Instance UID -> SHA-256 of those that are stored."""
        return {uid: row.sha256 for uid, row in self.find(sop_instance_uids).items()}

    def count(self) -> int:
        """Return the number of stored instances."""
        with self._database.reading() as transaction:
            return int(transaction.run("SELECT count(*) FROM instance")[0][0])


def _slices(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def _find(transaction: Transaction, sop_instance_uids: Sequence[str]) -> dict[str, Row]:
    if not sop_instance_uids:
        return {}
    texts, values = numbered([sop_instance_uids])
    rows = transaction.run(
        f"SELECT {_COLUMNS} FROM instance WHERE sop_instance_uid IN {texts}",  # noqa: S608 - names only
        **values,
    )
    return {row[0]: Row(*row) for row in rows}


def _add(transaction: Transaction, rows: Sequence[Row]) -> dict[str, Row]:
    """Add the rows that are not there; return those that are."""
    texts, values = numbered(rows)
    added = transaction.run(
        f"INSERT INTO instance ({_COLUMNS}) VALUES {texts}"  # noqa: S608 - names only
        " ON CONFLICT (sop_instance_uid) DO NOTHING RETURNING sop_instance_uid",
        **values,
    )
    uids = {row.sop_instance_uid for row in rows} - {uid for (uid,) in added}
    return _find(transaction, sorted(uids))
