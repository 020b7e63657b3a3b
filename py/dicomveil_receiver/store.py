"""What is stored: objects, and an index that says which of them count.

An instance arrives in a spool file, so it never has to fit in memory, and gets its row only when it is whole,
verified and durable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import NamedTuple

from dicomveil_receiver.examining import Examined
from dicomveil_receiver.index import Index, Row
from dicomveil_receiver.objects import Objects, Staged
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.spool import Spool
from dicomveil_receiver.together import Together
from dicomveil_receiver.trouble import storage_errors

__all__ = ["Kept", "Store", "is_uid"]

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*", re.ASCII)


def is_uid(text: str) -> bool:
    """Tell whether a text is a UID as PS3.5, Section 9.1 writes it: so it is a safe name of a file, too."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


class Kept(NamedTuple):
    """How an instance was kept: ``new`` is False when the same bytes were stored before."""

    row: Row
    new: bool


class Store:
    """Keeps instances."""

    def __init__(self, objects: Objects, index: Index, *, forward: bool = False) -> None:
        self.objects = objects
        self.index = index
        self._forward = forward
        self._together = Together(self._keep_all)

    def spool(self) -> Spool:
        """Begin an instance.

        Raises:
            ReceiverError: ``storage-full`` or ``storage-unavailable``.
        """
        with storage_errors():
            return self.objects.spool()

    def stage(self, spool: Spool, examined: Examined) -> Staged:
        """Make a verified instance durable, to be kept; ``keep`` has to follow.

        Raises:
            ReceiverError: ``uid-invalid``, ``storage-full``, ``storage-unavailable``.
        """
        verified, sha256, _ = examined
        uids = (verified.sop_instance_uid, verified.study_uid, verified.series_uid)
        kinds = (verified.sop_class, verified.transfer_syntax)
        if not all(map(is_uid, (*uids, *kinds))):
            raise ReceiverError("uid-invalid")
        received = datetime.now(UTC).isoformat(timespec="seconds")
        row = Row(*uids, *kinds, sha256, spool.size, received)
        with storage_errors():
            return self.objects.stage(spool, row)

    def keep(self, staged: Sequence[Staged]) -> list[Kept | ReceiverError]:
        """Keep staged instances: what is ``Kept`` when this returns is durable and in the index.

        The errors: ``instance-conflict``, ``storage-full``, ``storage-unavailable``. Nothing of their
        instances stays that anybody could mistake for a stored one.
        """
        results: list[Kept | ReceiverError] = []
        try:
            results += self._together.do(staged)
        finally:
            for one, result in zip_longest(staged, results):
                if isinstance(result, Kept) and result.new:
                    continue  # it is the object now
                refused = isinstance(result, ReceiverError) and result.code == "instance-conflict"
                self.objects.clear(one, refused=refused)
        return results

    def _keep_all(self, batches: Sequence[Sequence[Staged]]) -> list[list[Kept | ReceiverError]]:
        """Keep what several requests staged, waiting for disk and database once for all."""
        try:
            with storage_errors():
                stored = self.index.find({one.row.sop_instance_uid for batch in batches for one in batch})
        except ReceiverError as error:
            return [[error for _ in batch] for batch in batches]
        new: dict[str, Row] = {}
        failed: dict[int, ReceiverError] = {}  # by the identity of what failed

        def publish(one: Staged) -> None:
            uid = one.row.sop_instance_uid
            before = stored.get(uid) or new.get(uid)
            if before is not None and (not before.same(one.row) or self.objects.holds(one)):
                return
            self.objects.publish(one)
            new.setdefault(uid, one.row)

        for one in (one for batch in batches for one in batch):
            try:
                with storage_errors():
                    publish(one)
            except ReceiverError as error:
                failed[id(one)] = error
        try:
            with storage_errors():
                self.objects.synchronize()
                # Another replica may have been faster: what it stored counts.
                stored |= self.index.add(new.values(), forward=self._forward) if new else {}
        except ReceiverError as error:
            # Objects without rows are not stored: they are written again when they are sent again.
            failed |= {
                id(one): error for batch in batches for one in batch if one.row.sop_instance_uid in new
            }

        first = set(new) - set(stored)

        def result(one: Staged) -> Kept | ReceiverError:
            if id(one) in failed:
                return failed[id(one)]
            uid = one.row.sop_instance_uid
            winner = stored.get(uid) or new[uid]
            if not winner.same(one.row):
                return ReceiverError("instance-conflict")
            kept = Kept(winner, new=uid in first)
            first.discard(uid)
            return kept

        return [[result(one) for one in batch] for batch in batches]

    def check(self, min_free_bytes: int) -> None:
        """Return when an instance could be kept now.

        Raises:
            ReceiverError: ``storage-full`` or ``storage-unavailable``.
        """
        with storage_errors():
            self.objects.check(min_free_bytes)
            self.index.check()
