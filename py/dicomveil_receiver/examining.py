"""What is done with a whole instance before it may be stored: verification, and the SHA-256 of its bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from dicomveil.source import FileSource, Source
from dicomveil.verifying import Verified
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.spool import Arrived, hash_of

__all__ = ["Examine", "Examined", "Verify", "examine"]

Verify = Callable[[Source], Verified]


class Examined(NamedTuple):
    """What an instance is; ``sha256`` is empty if verification found something."""

    verified: Verified
    sha256: str


#: Returns for each of some instances what it is, or why that could not be found out.
Examine = Callable[[Sequence[Arrived]], Sequence[Examined | ReceiverError]]


def examine(verify: Verify, arrived: Arrived) -> Examined:
    """Verify and hash what has arrived.

    Raises:
        OSError: the file cannot be read.
    """
    with _opened(arrived) as source:
        verified = verify(source)
        if verified.problems:
            return Examined(verified, "")
        return Examined(verified, arrived.sha256 or hash_of(source).hexdigest())


def _opened(arrived: Arrived) -> FileSource:
    if not arrived.key:
        return FileSource(arrived.path)
    # Only who seals needs cryptography.
    from dicomveil_receiver.sealing import OpenedSource

    return OpenedSource(arrived.path, bytes.fromhex(arrived.key))
