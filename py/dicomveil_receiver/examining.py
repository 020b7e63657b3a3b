"""What is done with a whole instance before it may be stored: verified, hashed, put on the disk for good."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dicomveil.source import FileSource, Source
from dicomveil.verifying import Verified
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.spool import BINARY, Arrived, hash_of

__all__ = ["Examine", "Examined", "Verify", "examine"]

Verify = Callable[[Source], Verified]


class Examined(NamedTuple):
    """What an instance is; ``sha256`` is empty if verification found something."""

    verified: Verified
    sha256: str


#: Returns for each of some instances what it is, or why that could not be found out.
Examine = Callable[[Sequence[Arrived]], Sequence[Examined | ReceiverError]]


def examine(verify: Verify, arrived: Arrived) -> Examined:
    """Verify and hash what has arrived; what passes is on the disk, if it has to be, when this returns.

    Raises:
        OSError: the file cannot be read, or the disk is in trouble.
    """
    with _opened(arrived) as source:
        verified = verify(source)
        if verified.problems:
            return Examined(verified, "")
        sha256 = arrived.sha256 or hash_of(source).hexdigest()
    if arrived.durably:
        _synchronize(arrived.path)
    return Examined(verified, sha256)


def _synchronize(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR | BINARY)  # Windows wants to write what it synchronizes
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _opened(arrived: Arrived) -> FileSource:
    if not arrived.key:
        return FileSource(arrived.path)
    # Only who seals needs cryptography.
    from dicomveil_receiver.sealing import OpenedSource

    return OpenedSource(arrived.path, bytes.fromhex(arrived.key))
