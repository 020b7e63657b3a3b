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
from pathlib import Path
from typing import BinaryIO, Self

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from pyrage import DecryptError, IdentityError, RecipientError, decrypt_io, encrypt_io
from pyrage.x25519 import Identity, Recipient

from dicomveil.source import FileSource
from dicomveil_receiver.durable import move_durably
from dicomveil_receiver.spool import SEALED_SUFFIX, Arrived, NewSpool, Spool, open_for_owner

__all__ = [
    "OpenedSource",
    "SealedSpool",
    "new_identity",
    "read_identities",
    "recipients_of",
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

    def __init__(self, folder: Path, recipients: Sequence[Recipient], *, durably: bool = True) -> None:
        super().__init__(folder, durably=durably)
        self._recipients = list(recipients)
        self._key = secrets.token_bytes(32)
        self._cipher = Cipher(AES256(self._key), CTR(bytes(_BLOCK))).encryptor()
        self._sealed = self.path.with_suffix(SEALED_SUFFIX)

    def source(self) -> OpenedSource:
        """Open what has arrived, decrypted as it is read."""
        return OpenedSource(self.path, self._key)

    def arrived(self) -> Arrived:
        """Return how another process reads what has arrived."""
        return super().arrived()._replace(key=self._key.hex(), durably=False)

    def settle(self) -> Path:
        """Encrypt to the recipients."""
        with (
            self.source() as source,
            open(self._sealed, "xb", opener=open_for_owner) as writer,
        ):
            encrypt_io(_Reader(source), writer, self._recipients)
            writer.flush()
            if self._durably:
                os.fsync(writer.fileno())
        self._given = self._sealed
        return self._sealed

    def discard(self) -> None:
        """Remove both files, and with the key all hope of reading the first one."""
        super().discard()
        if self._given != self._sealed:
            self._sealed.unlink(missing_ok=True)
        self._key = b""

    def _encoded(self, data: memoryview) -> memoryview:
        return memoryview(self._cipher.update(data))


def spool_kind(seal_to: Sequence[str]) -> NewSpool:
    """Return what makes spools: sealed ones if there are recipients."""
    recipients = recipients_of(seal_to)
    return partial(SealedSpool, recipients=recipients) if recipients else Spool


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


class _Reader:
    """What ``encrypt_io`` reads from."""

    def __init__(self, source: OpenedSource) -> None:
        self._source = source
        self._offset = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most ``size``; none at the end."""
        data = self._source.read(self._offset, min(size, _READ_BYTES) if size >= 0 else _READ_BYTES)
        self._offset += len(data)
        return data
