"""Objects in S3-compatible storage, through obstore.

An object's name holds its SHA-256: ``<study>/<series>/<instance>.<sha256>.dcm``. So two replicas that receive
different instances under one SOP Instance UID never write over each other; the index decides which is stored.
An object without a row is not stored: a replica was killed before it got one. It is whole, and it is written
again under the same name when it is sent again.
"""

from __future__ import annotations

import errno
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from dicomveil_receiver.audit import Ledger
from dicomveil_receiver.folder import Scratch
from dicomveil_receiver.index import Index, Row
from dicomveil_receiver.objects import CHUNK_BYTES, Sealed, Staged
from dicomveil_receiver.spool import SEALED_SUFFIX, NewSpool, Spool
from dicomveil_receiver.sweeping import Swept, check_log

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Config

__all__ = ["BucketObjects", "open_bucket", "sealed_in", "sweep_bucket"]

_PROBE = ".dicomveil/probe"
_PROBE_SECONDS = 2.0
#: Two parts of a large object at once: so much memory, at most, for each upload.
_PART_BYTES, _PARTS = 8 << 20, 2
_LISTED = 500
#: Where objects wait that no row names, before they are removed.
_ASIDE = ".dicomveil/aside/"
_NAME = re.compile(r"[0-9.]{1,64}/[0-9.]{1,64}/[0-9.]{1,64}\.[0-9a-f]{64}\.dcm(\.age)?", re.ASCII)


@contextmanager
def _errors() -> Iterator[None]:
    """Turn what the library raises into an ``OSError`` without its text, which names objects."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "not in the bucket") from None
    except BaseError as error:
        full = "507 Insufficient Storage" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, "the bucket cannot be used") from None
    except ValueError:
        raise OSError(errno.EIO, "the bucket cannot be used") from None


def open_bucket(
    url: str, endpoint: str | None, region: str, *, retries: int = 3, seconds: int = 60
) -> S3Store:
    """Return the bucket ``s3://name/prefix``; the keys come from the environment, or are the machine's.

    A request is ``retries`` times tried again, and takes at most so many seconds each time.
    """
    parts = urlsplit(url)
    plain = endpoint is not None and endpoint.startswith("http:")
    config: S3Config = {"region": region}
    if endpoint is not None:
        config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    with _errors():
        return S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={"connect_timeout": "5s", "timeout": f"{seconds}s", "allow_http": plain},
            # Who uploads tries again by himself, later.
            retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=20)},
            config=config,
        )


def _name(row: Row, suffix: str = "") -> str:
    return f"{row.study_uid}/{row.series_uid}/{row.sop_instance_uid}.{row.sha256}.dcm{suffix}"


class BucketObjects(Scratch):
    """Objects of a bucket; ``probe`` is the same one, asked without patience, ``folder`` for what arrives."""

    #: They wait for the network most of the time.
    at_once = 64
    durably = False

    def __init__(
        self,
        bucket: S3Store,
        probe: S3Store,
        index: Index,
        folder: Path,
        new_spool: NewSpool = Spool,
    ) -> None:
        super().__init__(folder, new_spool)
        self._bucket = bucket
        self._probe = probe
        self._index = index
        self._lock_probe = threading.Lock()
        self._probed = time.monotonic()
        self._answered = True
        try:
            with _errors():
                obstore.put(bucket, _PROBE, b"This bucket can be written.\n")
        except BaseException:
            super().close()
            raise

    def stage(self, spool: Spool, row: Row) -> Staged:
        """Put the object into the bucket, where nobody counts it yet; not if one is stored already."""
        staged = Staged(row, spool.settle(), _name(row, spool.suffix))
        try:
            stored = self._index.find([row.sop_instance_uid]).get(row.sop_instance_uid)
            if stored is not None and (not stored.same(row) or self._is_there(row)):
                return staged
            with _errors():
                obstore.put(
                    self._bucket, staged.name, staged.file, chunk_size=_PART_BYTES, max_concurrency=_PARTS
                )
        finally:
            staged.file.unlink(missing_ok=True)
        return staged

    def _is_there(self, row: Row) -> bool:
        # Sealed or not, as the settings were then.
        for suffix in ("", SEALED_SUFFIX):
            with suppress(FileNotFoundError), _errors():
                obstore.head(self._bucket, _name(row, suffix))
                return True
        return False

    def holds(self, staged: Staged) -> bool:  # noqa: ARG002 - staging made it so
        """The object is there: it was put there when it was staged."""
        return True

    def publish(self, staged: Staged) -> None:
        """It has its name."""

    def synchronize(self) -> None:
        """It is durable since the bucket said so."""

    def clear(self, staged: Staged, *, refused: bool) -> None:
        """Remove an object that is not the one that counts, and never will be."""
        if not refused:
            return
        with suppress(OSError), _errors():
            uid = staged.row.sop_instance_uid
            winner = self._index.find([uid]).get(uid)
            # Asked again, and for the bytes: what is stored is never removed, whatever else was said of it.
            if winner is not None and winner.sha256 != staged.row.sha256:
                obstore.delete(self._bucket, staged.name)

    def size(self, row: Row) -> int:
        """Return the length of an object."""
        with _errors():
            return obstore.head(self._bucket, _name(row))["size"]

    def read(self, row: Row) -> Iterator[bytes]:
        """Yield an object in chunks."""
        with _errors():
            for chunk in obstore.get(self._bucket, _name(row)).stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    def check(self, min_free_bytes: int) -> None:
        """Look for room for what arrives, and, not more often than every two seconds, for the bucket."""
        super().check(min_free_bytes)
        with self._lock_probe:
            if time.monotonic() - self._probed >= _PROBE_SECONDS:
                self._answered = self._answers()
                self._probed = time.monotonic()
        if not self._answered:
            raise OSError(errno.EIO, "the bucket cannot be used")

    def _answers(self) -> bool:
        try:
            with _errors():
                obstore.head(self._probe, _PROBE)
        except OSError:
            return False
        return True


def sealed_in(bucket: S3Store, index: Index) -> Iterator[Sealed]:
    """Yield the sealed objects that count, by the name they have in a folder."""
    with _errors():
        for listed in obstore.list(bucket, chunk_size=_LISTED):
            names = [one["path"] for one in listed if one["path"].endswith(f".dcm{SEALED_SUFFIX}")]
            rows = {_name(row, SEALED_SUFFIX): row for row in index.find(map(_uid, names)).values()}
            for name in names:
                row = rows.get(name)
                if row is not None:
                    plain = f"{row.study_uid}/{row.series_uid}/{row.sop_instance_uid}.dcm{SEALED_SUFFIX}"
                    yield Sealed(plain, cast("BinaryIO", _Reader(bucket, name)))


def sweep_bucket(bucket: S3Store, index: Index, ledger: Ledger, before: datetime) -> Swept:
    """Set aside objects that no row names and that are older; remove those that were, for as long.

    Replicas may be running, and no bucket can be asked to delete only what did not change. So what was sent
    again while it was set aside is found the next time at the latest, and put back: nothing is lost.

    Raises:
        AuditError, IndexNotWholeError: see ``sweeping``.
    """
    removed = set_aside = put_back = 0
    for one in _listed(bucket, _ASIDE):
        name = one["path"].removeprefix(_ASIDE)
        if _is_named(index, [name])[name]:
            put_back += _put_back(bucket, name)
        elif one["last_modified"] < before:
            with _errors():
                obstore.delete(bucket, one["path"])
            removed += 1
    old = [
        one["path"]
        for one in _listed(bucket)
        if one["last_modified"] < before and _NAME.fullmatch(one["path"]) is not None
    ]
    unnamed: dict[str, list[str]] = {}
    for start in range(0, len(old), _LISTED):
        for name, named in _is_named(index, old[start : start + _LISTED]).items():
            if not named:
                unnamed.setdefault(_uid(name), []).append(name)
    check_log(ledger, {uid: list(map(_sha256, names)) for uid, names in unnamed.items()})
    for name in chain.from_iterable(unnamed.values()):
        with _errors():
            obstore.rename(bucket, name, _ASIDE + name)
        if _is_named(index, [name])[name]:
            put_back += _put_back(bucket, name)
        else:
            set_aside += 1
    return Swept(removed, set_aside, put_back)


def _listed(bucket: S3Store, prefix: str | None = None) -> Iterator[ObjectMeta]:
    with _errors():
        for some in obstore.list(bucket, prefix, chunk_size=_LISTED):
            yield from some


def _is_named(index: Index, names: Sequence[str]) -> dict[str, bool]:
    rows = index.find(map(_uid, names))
    named = {_name(row, suffix) for row in rows.values() for suffix in ("", SEALED_SUFFIX)}
    return {name: name in named for name in names}


def _put_back(bucket: S3Store, name: str) -> bool:
    """Give what was set aside its name again; if another object of the same bytes has it, remove this one."""
    with _errors():
        try:
            obstore.head(bucket, name)
        except FileNotFoundError:
            obstore.rename(bucket, _ASIDE + name, name)
            return True
        obstore.delete(bucket, _ASIDE + name)
    return False


def _uid(name: str) -> str:
    return _stem(name).rpartition(".")[0]


def _sha256(name: str) -> str:
    return _stem(name).rpartition(".")[2]


def _stem(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(SEALED_SUFFIX).removesuffix(".dcm")


class _Reader:
    """What decrypting reads from."""

    def __init__(self, bucket: S3Store, name: str) -> None:
        self._file = obstore.open_reader(bucket, name)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most ``size``; none at the end."""
        with _errors():
            return bytes(self._file.read(size if size >= 0 else CHUNK_BYTES))
