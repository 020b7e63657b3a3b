"""What a disk, a bucket or a database can do to us, as the answer to a sender."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from dicomveil_receiver.reasons import ReceiverError

__all__ = ["storage_errors"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn an error of a disk, a bucket or a database into an answer; nothing acknowledged is lost."""
    try:
        yield
    except OSError as error:
        raise ReceiverError("storage-full" if error.errno in _FULL else "storage-unavailable") from None
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise ReceiverError("storage-full" if full else "storage-unavailable") from None
