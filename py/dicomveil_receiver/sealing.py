"""Sealed at rest: every object is encrypted, with its own random key, to the operator's age recipients.

The server holds public keys only, so what is stolen from it cannot be read. Nothing of an instance touches
the disk in the clear: on its way in it is under a key that exists in memory only, until it was verified.
The format is that of age (https://age-encryption.org/v1), so other tools open it too.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from functools import partial
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from pyrage import DecryptError, IdentityError, RecipientError, decrypt_io, encrypt_io
from pyrage.x25519 import Identity, Recipient

from dicomveil.source import FileSource, Source
from dicomveil_receiver.durable import move_durably
from dicomveil_receiver.spool import SEALED_SUFFIX, Arrived, NewSpool, Spool, open_for_owner

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = [
    "OpenedSource",
    "SealedSpool",
    "new_identity",
    "read_identities",
    "recipients_of",
    "seal",
    "spool_kind",
    "unseal",
]

_BLOCK = 16
_READ_BYTES = 1 << 20


def recipients_of(texts: Sequence[str]) -> list[Recipient]:
    """Return the recipients that texts (``age1...``) name.

    Raises:
        ValueError: a text is none.
    """
    try:
        return [Recipient.from_str(text) for text in texts]
    except RecipientError:
        raise ValueError("a recipient is not one of age") from None


def read_identities(path: Path) -> list[Identity]:
    """Read a file as age-keygen writes it: one ``AGE-SECRET-KEY-1...`` a line, and comments.

    Raises:
        ValueError: the file has no identity, or something else.
    """
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    try:
        identities = [Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except IdentityError:
        identities = []
    if not identities:
        raise ValueError("the file holds no identity of age")
    return identities


def new_identity(path: Path) -> str:
    """Write a new private key for the owner's eyes only, and return its recipient.

    Raises:
        FileExistsError: a key is never overwritten.
    """
    identity = Identity.generate()
    recipient = str(identity.to_public())
    with open(path, "x", encoding="ascii", opener=open_for_owner) as file:
        file.write(f"# public key: {recipient}\n{identity}\n")
    return recipient


def unseal(sealed: BinaryIO, target: Path, identities: Sequence[Identity]) -> None:
    """Decrypt one object into a new file, durably.

    Raises:
        ValueError: no identity fits, or the object was changed.
    """
    half = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with open(half, "xb", opener=open_for_owner) as writer:
            decrypt_io(sealed, writer, list(identities))
            writer.flush()
            os.fsync(writer.fileno())
        move_durably(half, target)
    except DecryptError:
        raise ValueError("the object cannot be opened with this identity, or was changed") from None
    finally:
        half.unlink(missing_ok=True)


class SealedSpool(Spool):
    """A spool whose file is encrypted, and whose final form is an age file."""

    suffix = SEALED_SUFFIX

    def __init__(self, folder: Path, seal_to: Sequence[str], *, durably: bool = True) -> None:
        super().__init__(folder, durably=durably)
        self._seal_to = tuple(seal_to)
        self._key = secrets.token_bytes(32)
        self._cipher = Cipher(AES256(self._key), CTR(bytes(_BLOCK))).encryptor()

    def source(self) -> OpenedSource:
        """Open what has arrived, decrypted as it is read."""
        return OpenedSource(self.path, self._key)

    def arrived(self) -> Arrived:
        """Return how another process reads what has arrived, and to whom it encrypts what passes."""
        return super().arrived()._replace(key=self._key.hex(), seal_to=self._seal_to)

    def settle(self) -> Path:
        """Return the file that has what passed, encrypted to the recipients."""
        self._given = Path(self.arrived().final)
        return self._given

    def discard(self) -> None:
        """Remove both files, and with the key all hope of reading the first one."""
        super().discard()
        if self._given is None:
            Path(self.arrived().final).unlink(missing_ok=True)
        self._key = b""

    def _encoded(self, data: memoryview) -> memoryview:
        return memoryview(self._cipher.update(data))


def spool_kind(seal_to: Sequence[str]) -> NewSpool:
    """Return what makes spools: sealed ones if there are recipients."""
    return partial(SealedSpool, seal_to=seal_to) if seal_to else Spool


class OpenedSource(FileSource):
    """Reads a spool file through its key. The counter of CTR starts at zero: the key is used once."""

    def __init__(self, path: str | Path, key: bytes) -> None:
        super().__init__(path)
        self._key = key

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes ``[offset, offset + length)`` that exist, in the clear."""
        block, skip = divmod(offset, _BLOCK)
        cipher = Cipher(AES256(self._key), CTR(block.to_bytes(_BLOCK, "big"))).decryptor()
        return cipher.update(super().read(offset - skip, length + skip))[skip:]

    def __enter__(self) -> Self:
        return self


def seal(source: Source, target: str, seal_to: Sequence[str]) -> None:
    """Encrypt a source to the recipients, into a file; it is not waited for the disk.

    Raises:
        ValueError: a recipient is not one of age.
        OSError: the source cannot be read, or the file not be written.
    """
    recipients = recipients_of(seal_to)
    # Buffered: the library reads little at a time, and a bare file may take but a part.
    # What is there already was left by an examination that was killed.
    reader = BufferedReader(_Raw(source), _READ_BYTES)
    with open(target, "wb", opener=open_for_owner) as writer:
        encrypt_io(reader, writer, recipients)


class _Raw(RawIOBase):
    """A source as a file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._offset = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer as far as there are bytes; return how many."""
        view = memoryview(buffer)
        data = self._source.read(self._offset, len(view))
        view[: len(data)] = data
        self._offset += len(data)
        return len(data)
