"""What is done with a whole instance before it may be stored: verified, hashed, put on the disk for good."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from dicomveil.source import FileSource, Source
from dicomveil.verifying import Verified
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.spool import BINARY, Arrived, hash_of
from dicomveil_receiver.trouble import storage_errors

__all__ = ["THREADS", "Examine", "Examined", "Verify", "examine", "examine_all", "not_examined"]

#: So many threads wait for the disk at once.
THREADS = 4

Verify = Callable[[Source], Verified]


class Examined(NamedTuple):
    """What an instance is; ``sha256`` is empty if verification found something, or could not be done."""

    verified: Verified
    sha256: str
    code: str = ""  #: why it could not be examined, or put on the disk


#: Examines some instances.
Examine = Callable[[Sequence[Arrived]], Sequence[Examined]]


def examine_all(verify: Verify, arrived: Sequence[Arrived], waiting: Executor) -> list[Examined]:
    """Verify and hash what has arrived; what passes is on the disk, if it has to be, when this returns.

    ``waiting`` waits for the disk in several threads at once.
    """
    found = [_examined(verify, one) for one in arrived]
    passed = [place for place, one in enumerate(arrived) if one.durably and found[place].sha256]
    # Each thread has several to wait for: to begin costs more than one.
    shares = [passed[start::THREADS] for start in range(min(THREADS, len(passed)))]

    def synchronize(places: Sequence[int]) -> None:
        for place in places:
            try:
                with storage_errors():
                    _synchronize(arrived[place].final)
            except ReceiverError as error:
                found[place] = found[place]._replace(code=error.code)

    for done in [waiting.submit(synchronize, share) for share in shares]:
        done.result()
    return found


def _examined(verify: Verify, arrived: Arrived) -> Examined:
    try:
        with storage_errors():
            return examine(verify, arrived)
    except ReceiverError as error:
        return not_examined(error.code)


def not_examined(code: str) -> Examined:
    """Return what is known of an instance when it could not be examined: nothing."""
    return Examined(Verified("", "", "", "", "", ()), "", code)


def examine(verify: Verify, arrived: Arrived) -> Examined:
    """Verify and hash what has arrived; seal what passes, if it has to be.

    Raises:
        OSError: a file cannot be read or written.
    """
    with _opened(arrived) as source:
        verified = verify(source)
        if verified.problems:
            return Examined(verified, "")
        if arrived.seal_to:
            from dicomveil_receiver.sealing import seal

            seal(source, arrived.final, arrived.seal_to)
        return Examined(verified, arrived.sha256 or hash_of(source).hexdigest())


def _synchronize(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR | BINARY)  # Windows wants to write what it synchronizes
    try:
        os.fsync(descriptor)
        if hasattr(os, "posix_fadvise"):
            # Nobody reads it soon: so its memory is there for the next one, and others keep theirs.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _opened(arrived: Arrived) -> FileSource:
    if not arrived.key:
        return FileSource(arrived.path)
    # Only who seals needs cryptography.
    from dicomveil_receiver.sealing import OpenedSource

    return OpenedSource(arrived.path, bytes.fromhex(arrived.key))
