"""The audit log: who sent what, when, with which result; append-only, each line chained to the one before.

A line is JSON with ``n`` (from 1), ``previous`` (the hash of the line before) and ``hash``: the SHA-256 of
the line without it. So no line can be changed, moved or taken away without all later ones being written
anew. How far the log goes is kept in a second file, so a cut at the end is found too. Whoever can write both
files can forge both: note the last hash elsewhere now and then (``receive audit verify`` prints it).

It holds token names, new UIDs, digests and codes: never content, and of what was refused no UID. What it says
of the stored instances is enough to make the index anew (``reindexing``).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from dicomveil_receiver.reception import Result
from dicomveil_receiver.together import Together

__all__ = [
    "START",
    "Audit",
    "AuditError",
    "AuditFile",
    "Head",
    "Ledger",
    "Line",
    "OpenAuditFile",
    "OpenLedger",
    "checked_line",
    "read_audit",
    "verify_audit",
]

#: The hash before the first line.
START = "0" * 64
_TAIL_BYTES = 1 << 16


class AuditError(Exception):
    """The log was tampered with, or damaged; ``line`` is the first that is wrong (from 1)."""

    def __init__(self, line: int) -> None:
        super().__init__(f"the audit log is not as it was written, from line {line} on")
        self.line = line


class Head(NamedTuple):
    """How far a log goes."""

    lines: int
    hash: str


class Line(NamedTuple):
    """A line of a log, and how far the log goes with it."""

    head: Head
    said: dict[str, Any]


class Ledger(Protocol):
    """Keeps the lines of a log, and beside them how far it goes."""

    def lines(self) -> Iterator[bytes]:
        """Yield the lines from the first, without line breaks."""

    def noted(self) -> Head | None:
        """Return how far the log goes, as it was noted beside it, if it was."""


class OpenLedger(Ledger, Protocol):
    """A ledger that is open for appending."""

    def extend(self, more: Callable[[Head], tuple[list[bytes], Head]]) -> Head:
        """Append, durably, the lines that ``more`` returns for the head of now; return the new head.

        All or none of them, and nobody else in between.
        """


class Audit:
    """A log, open for appending."""

    def __init__(self, ledger: OpenLedger) -> None:
        self._ledger = ledger
        self._together = Together(self._append_all)

    def upload(self, token: str, status: int, results: Sequence[Result]) -> None:
        """Append what a request stored and refused; it is durable when this returns."""
        kept = [result.kept for result in results if result.kept is not None]
        stored = [item.row for item in kept if item.new]
        # These too with all that is known: a crash may have come between their index and their line.
        known = [item.row for item in kept if not item.new]
        refused = [result.code for result in results if result.code is not None]
        self.append("upload", token=token, status=status, stored=stored, known=known, refused=refused)

    def append(self, event: str, **facts: object) -> Head:
        """Append one line, durably; return how far the log goes with it, or with those that came with it."""
        return self._together.do({"event": event, **facts})

    def _append_all(self, all_said: Sequence[dict[str, Any]]) -> list[Head]:
        """Append the lines of several requests, waiting once."""

        def more(head: Head) -> tuple[list[bytes], Head]:
            lines = []
            for said in all_said:
                line = {
                    "n": head.lines + 1,
                    "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                    **said,
                    "previous": head.hash,
                }
                head = Head(head.lines + 1, _hash(line))
                lines.append(_encode({**line, "hash": head.hash}))
            return lines, head

        return [self._ledger.extend(more)] * len(all_said)


class AuditFile:
    """The log of a storage folder: ``audit.log``, and ``audit.head`` beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lines(self) -> Iterator[bytes]:
        """Yield the lines."""
        try:
            with (self._folder / "audit.log").open("rb") as file:
                for line in file:
                    yield line.removesuffix(b"\n")
        except FileNotFoundError:
            return

    def noted(self) -> Head | None:
        """Read the second file."""
        try:
            lines, digest = (self._folder / "audit.head").read_text("ascii").split()
            return Head(int(lines), digest)
        except (FileNotFoundError, ValueError):  # none yet, or torn by a crash
            return None


class OpenAuditFile(AuditFile):
    """The log of a storage folder, open for appending; a line that a crash tore is taken away.

    ``use_head`` says whether the second file is believed, or written anew.

    Raises:
        AuditError: the last line is not as it was written, or lines are missing at the end.
    """

    def __init__(self, folder: Path, *, use_head: bool = True) -> None:
        super().__init__(folder)
        with ExitStack() as files:
            self._file = files.enter_context(_open(folder / "audit.log", os.O_APPEND))
            self._head_file = files.enter_context(_open(folder / "audit.head"))
            self._head = self._last_line()
            noted = self.noted()
            if use_head and noted is not None and noted.lines > self._head.lines:
                raise AuditError(self._head.lines + 1)
            if not use_head:
                self._note_head()
            self._close = files.pop_all().close

    def extend(self, more: Callable[[Head], tuple[list[bytes], Head]]) -> Head:
        """Append, and wait for the disk once."""
        lines, head = more(self._head)
        self._write(b"".join(line + b"\n" for line in lines))
        self._head = head
        self._note_head()
        return head

    def close(self) -> None:
        """Close both files."""
        self._close()

    def _note_head(self) -> None:
        # This file may lag behind after a crash; it is never ahead.
        self._head_file.seek(0)
        self._head_file.write(f"{self._head.lines:020} {self._head.hash}\n".encode())

    def _write(self, line: bytes) -> None:
        end = os.fstat(self._file.fileno()).st_size
        try:
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        except OSError:
            os.ftruncate(self._file.fileno(), end)  # no half line for the next one to be glued to
            raise

    def _last_line(self) -> Head:
        """Cut what stands behind the last line break, and return where the log ends."""
        size = os.fstat(self._file.fileno()).st_size
        length, tail = min(size, _TAIL_BYTES), b""
        while True:
            self._file.seek(size - length)
            tail = self._file.read(length)
            if length == size or tail.count(b"\n") >= 2:
                break
            length = min(size, 2 * length)
        whole, _, torn = tail.rpartition(b"\n")
        if torn:
            os.ftruncate(self._file.fileno(), size - len(torn))
        line = whole.rpartition(b"\n")[2]
        return checked_line(line) if line else Head(0, START)


def _open(path: Path, flags: int = 0) -> FileIO:
    return FileIO(path, "r+b", opener=lambda name, _: os.open(name, os.O_RDWR | os.O_CREAT | flags, 0o600))


def checked_line(line: bytes) -> Head:
    """Return number and hash of a line whose hash is right."""
    number = 1
    try:
        written = json.loads(line)
        number = int(written["n"])
        digest = str(written.pop("hash"))
        genuine = _encode({**written, "hash": digest}) == line and digest == _hash(written)
    except (ValueError, KeyError, AttributeError, TypeError):
        raise AuditError(number) from None
    if not genuine:
        raise AuditError(number)
    return Head(number, digest)


def verify_audit(ledger: Ledger) -> Head:
    """Check a whole log; return how far it goes.

    Raises:
        AuditError: a line was changed, added, moved or taken away.
    """
    head = Head(0, START)
    for line in read_audit(ledger):
        head = line.head
    return head


def read_audit(ledger: Ledger, *, use_head: bool = True) -> Iterator[Line]:
    """Yield the lines of a log, and check them on the way; ``use_head`` says whether its end is known, too.

    Raises:
        AuditError: a line was changed, added, moved or taken away.
    """
    head = Head(0, START)
    noted = ledger.noted() if use_head else None
    for line in ledger.lines():
        number = head.lines + 1
        try:
            found = checked_line(line)
        except AuditError:
            raise AuditError(number) from None
        said: dict[str, Any] = json.loads(line)
        linked = found.lines == number and said["previous"] == head.hash
        forked = noted is not None and noted.lines == number and noted.hash != found.hash
        if not linked or forked:
            raise AuditError(number)
        head = found
        yield Line(head, said)
    if noted is not None and noted.lines > head.lines:
        raise AuditError(head.lines + 1)


def _encode(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode()


def _hash(line: dict[str, Any]) -> str:
    return hashlib.sha256(_encode(line)).hexdigest()
