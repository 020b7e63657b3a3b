"""What the index and the outbox ask of a database: the SQL that SQLite and PostgreSQL have in common.

Values are named (``:uid``). An error of a database is an ``OSError`` or an ``sqlite3.Error`` to its callers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

__all__ = ["Database", "Transaction", "Transactions", "Value", "numbered"]

Value = str | int | float | None


class Transaction(Protocol):
    """Statements that are done together or not at all."""

    def run(self, sql: str, **values: Value) -> list[tuple[Any, ...]]:
        """Run one statement; return its rows."""


Transactions = Callable[[], AbstractContextManager[Transaction]]


class Database(Protocol):
    """Safe to use from several threads."""

    #: What a SELECT ends with that locks its rows, and leaves out those that others have locked.
    skip_locked: str

    def reading(self) -> AbstractContextManager[Transaction]:
        """Only look; a writer does not stop it."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """All or nothing, and durable when the block has ended."""

    def claiming(self) -> AbstractContextManager[Transactions]:
        """Keep what is locked in the block locked until its end, or until this process ends.

        What it yields makes the transactions of the block; they may be one.
        """

    def close(self) -> None:
        """Close all connections."""


def numbered(rows: Sequence[Sequence[Value]]) -> tuple[str, dict[str, Value]]:
    """Return rows as text for VALUES or IN, ``(:v0, :v1), (:v2, :v3)``, and the values with their names."""
    values: dict[str, Value] = {}
    texts = []
    for row in rows:
        names = [f"v{len(values) + place}" for place in range(len(row))]
        values.update(zip(names, row, strict=True))
        texts.append("(" + ", ".join(f":{name}" for name in names) + ")")
    return ", ".join(texts), values
