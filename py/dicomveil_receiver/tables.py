"""Upload tokens and audit log in the database that replicas share: one list of tokens, one chain of lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dicomveil_receiver.audit import START, AuditError, Head, checked_line
from dicomveil_receiver.database import Database, Transaction, numbered
from dicomveil_receiver.tokens import Token

__all__ = ["AuditTable", "TokenTable"]

_TOKEN_LOCK = 0x746F6B65
_PAGE = 1000
_COLUMNS = ", ".join(Token._fields)


class TokenTable:
    """The tokens of all replicas: what one of them revokes, none takes any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> tuple[Token, ...]:
        """Return the tokens as they are now."""
        with self._database.reading() as transaction:
            return _tokens(transaction)

    def change(self, change: Callable[[tuple[Token, ...]], tuple[Token, ...]]) -> None:
        """Change the table; replicas do so one after the other."""
        with self._database.transaction() as transaction:
            transaction.run("SELECT pg_advisory_xact_lock(:lock)", lock=_TOKEN_LOCK)
            before = _tokens(transaction)
            for token in change(before):
                if token not in before:
                    texts, values = numbered([token])
                    transaction.run(
                        f"INSERT INTO token ({_COLUMNS}) VALUES {texts}"  # noqa: S608 - names only
                        " ON CONFLICT (name) DO UPDATE SET revoked = EXCLUDED.revoked",
                        **values,
                    )


def _tokens(transaction: Transaction) -> tuple[Token, ...]:
    rows = transaction.run(f"SELECT {_COLUMNS} FROM token ORDER BY number")  # noqa: S608 - names only
    return tuple(Token(*row) for row in rows)


class AuditTable:
    """The log of all replicas. Its end stands in a row of its own, which who appends has to himself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self) -> None:
        """Raise :class:`AuditError` when the last line is not as it was written, or lines are missing."""
        with self._database.reading() as transaction:
            rows = transaction.run("SELECT line FROM audit ORDER BY number DESC LIMIT 1")
        last = checked_line(rows[0][0].encode()) if rows else Head(0, START)
        noted = self.noted()
        if noted is not None and noted.lines > last.lines:
            # Lines may have come since the last one was read, but then they are there.
            with self._database.reading() as transaction:
                there = transaction.run("SELECT 1 FROM audit WHERE number = :number", number=noted.lines)
            if not there:
                raise AuditError(last.lines + 1)

    def extend(self, more: Callable[[Head], tuple[list[bytes], Head]]) -> Head:
        """Append in one transaction."""
        with self._database.transaction() as transaction:
            transaction.run("INSERT INTO audit_head VALUES (0, :start) ON CONFLICT DO NOTHING", start=START)
            ((number, digest),) = transaction.run("SELECT number, hash FROM audit_head FOR UPDATE")
            lines, head = more(Head(number, digest))
            texts, values = numbered([(number + n, line.decode()) for n, line in enumerate(lines, 1)])
            transaction.run(f"INSERT INTO audit (number, line) VALUES {texts}", **values)  # noqa: S608 - names only
            transaction.run(
                "UPDATE audit_head SET number = :number, hash = :hash", number=head.lines, hash=head.hash
            )
        return head

    def lines(self) -> Iterator[bytes]:
        """Yield the lines."""
        last = -(1 << 63)  # whatever number a line was given that is not ours
        while True:
            with self._database.reading() as transaction:
                rows = transaction.run(
                    "SELECT number, line FROM audit WHERE number > :last ORDER BY number LIMIT :most",
                    last=last,
                    most=_PAGE,
                )
            if not rows:
                return
            for number, line in rows:
                last = number
                yield line.encode()

    def noted(self) -> Head | None:
        """Return the row of the end."""
        with self._database.reading() as transaction:
            rows = transaction.run("SELECT number, hash FROM audit_head")
        return Head(*rows[0]) if rows else None
