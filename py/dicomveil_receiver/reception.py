"""One Store transaction (PS3.18, Section 10.5): part by part spooled, verified, and kept or refused.

Plain and synchronous: it runs in a worker thread, which is fed with blocks of the body.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import NamedTuple

from dicomveil_receiver.examining import Examine, Examined
from dicomveil_receiver.objects import Staged
from dicomveil_receiver.parts import Parts, is_dicom_part
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.spool import Spool
from dicomveil_receiver.store import Kept, Store
from dicomveil_receiver.trouble import storage_errors

__all__ = ["Reception", "Result"]

#: So many instances wait at most for being examined, or kept.
_MOST_WAITING = 32
#: What is whole is judged after so many seconds at the latest, when more arrives.
_LONGEST = 1.0
#: So many pieces of a part are written at once.
_MOST_PIECES = 64


class Result(NamedTuple):
    """What became of one instance; UIDs are empty when they are not known or not valid."""

    sop_class: str
    sop_instance_uid: str
    study_uid: str
    kept: Kept | None
    code: str | None  #: None if and only if it was kept
    tags: tuple[int, ...]


class Reception:
    """Receives the parts of one request; every part ends as one result."""

    def __init__(
        self,
        store: Store,
        examine: Examine,
        *,
        boundary: bytes,
        study: str | None,
        max_parts: int,
        max_instance_bytes: int,
    ) -> None:
        self.results: list[Result] = []
        self._store = store
        self._examine = examine
        self._study = study
        self._max_bytes = max_instance_bytes
        self._parts = Parts(boundary, self, max_parts=max_parts)
        self._spool: Spool | None = None
        self._pieces: list[memoryview] = []
        self._size = 0
        self._failure: ReceiverError | None = None
        self._whole: list[tuple[int, Spool]] = []
        self._since = 0.0
        self._staged: list[tuple[int, Staged]] = []
        # A stop may close it while a thread still feeds it.
        self._lock = threading.Lock()
        self._closed = False

    def feed(self, chunks: Iterable[bytes]) -> None:
        """Take the next bytes of the body.

        Raises:
            ReceiverError: the request as a whole cannot go on; the results so far stand.
        """
        with self._lock:
            for chunk in chunks if not self._closed else ():
                self._parts.feed(chunk)
            self._write_out()
            if self._whole and time.monotonic() > self._since + _LONGEST:
                self._judge_all()

    def finish(self) -> None:
        """Take the end of the body.

        Raises:
            ReceiverError: ``malformed``, when it ended too early.
        """
        self._parts.finish()

    def close(self) -> None:
        """Keep what was whole, and forget a part that has not ended: nothing of it stays."""
        with self._lock:
            self._closed = True
            try:
                self._judge_all()
                self._keep()
            finally:
                self._forget()

    def _forget(self) -> None:
        self._pieces.clear()
        if self._spool is not None:
            spool, self._spool = self._spool, None
            _discard(spool)

    def begin(self, headers: dict[str, str]) -> None:
        """A part begins (called by the parser)."""
        self._size = 0
        self._failure = None if is_dicom_part(headers) else ReceiverError("part-media-type")
        if self._failure is None:
            try:
                self._spool = self._store.spool()
            except ReceiverError as error:
                self._failure = error

    def write(self, data: memoryview) -> None:
        """Bytes of the part; those of a part that has failed already go nowhere."""
        if self._spool is None:
            return
        self._size += len(data)
        if self._size > self._max_bytes:
            self._failure = ReceiverError("instance-too-large")
            self._forget()
            return
        self._pieces.append(data)
        if len(self._pieces) >= _MOST_PIECES:
            self._write_out()

    def _write_out(self) -> None:
        """Write what has arrived of the part, before the memory is used for something else."""
        pieces, self._pieces = self._pieces, []
        if self._spool is None or not pieces:
            return
        try:
            with storage_errors():
                self._spool.write(pieces)
        except ReceiverError as error:
            self._failure = error
            self._forget()

    def end(self) -> None:
        """The part is whole: it is to be examined, then kept or refused."""
        self._write_out()
        if self._spool is None:
            failure = self._failure or ReceiverError("malformed")
            self.results.append(Result("", "", "", None, failure.code, failure.tags))
            return
        with storage_errors():
            self._spool.end()
        if not self._whole:
            self._since = time.monotonic()
        self._whole.append((len(self.results), self._spool))
        self.results.append(Result("", "", "", None, "internal-error", ()))  # until it is judged
        self._spool = None
        if len(self._whole) >= _MOST_WAITING:
            self._judge_all()

    def _judge_all(self) -> None:
        """Examine what is whole, all at once, and make durable what passes."""
        whole, self._whole = self._whole, []
        if not whole:
            return
        with ExitStack() as spools:
            for _, spool in whole:
                spools.callback(_discard, spool)
            found = self._examine([spool.arrived() for _, spool in whole])
            for (place, spool), examined in zip(whole, found, strict=True):
                self.results[place] = self._judge(place, spool, examined)
        if len(self._staged) >= _MOST_WAITING:
            self._keep()

    def _keep(self) -> None:
        """Keep what passed; the disk is waited for once."""
        staged, self._staged = self._staged, []
        if not staged:
            return
        for (place, _), kept in zip(staged, self._store.keep([one for _, one in staged]), strict=True):
            result = self.results[place]
            if isinstance(kept, ReceiverError):
                self.results[place] = result._replace(code=kept.code, tags=kept.tags)
            else:
                self.results[place] = result._replace(kept=kept, code=None)

    def _judge(self, place: int, spool: Spool, examined: Examined) -> Result:
        # Of an instance that is refused, the UIDs are said back to its sender: the answer must hold them.
        verified = examined.verified
        uids = (verified.sop_class, verified.sop_instance_uid, verified.study_uid)
        try:
            self._check(examined)
            staged = self._store.stage(spool, examined)
        except ReceiverError as error:
            return Result(*uids, None, error.code, error.tags)
        self._staged.append((place, staged))
        return Result(*uids, None, "internal-error", ())  # until it is kept

    def _check(self, examined: Examined) -> None:
        verified = examined.verified
        if examined.code:
            raise ReceiverError(examined.code)
        if verified.problems:
            tags = tuple(dict.fromkeys(p.tag for p in verified.problems if p.tag is not None))
            raise ReceiverError(verified.problems[0].code, tags)
        if not examined.sha256:  # whoever examined it did not do all that was asked
            raise ReceiverError("internal-error")
        if self._study is not None and verified.study_uid != self._study:
            raise ReceiverError("study-mismatch")


def _discard(spool: Spool) -> None:
    with storage_errors():
        spool.discard()
