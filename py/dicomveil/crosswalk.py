"""The crosswalk: which new identifiers stand for which old ones. Who has it can tell who the patients are.

Its files are the tables of :mod:`dicomveil.mapping`. With a recipient or a passphrase there are only
``uid_mapping.csv.age`` and ``patid_mapping.csv.age``, in the format of age (https://age-encryption.org/v1):
``age --decrypt`` or rage opens them, and nothing is written in the clear.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dicomveil.errors import WrongUse
from dicomveil.mapping import PATIENTS, UIDS, mapping_table
from dicomveil.writing import write_whole

__all__ = ["Seal", "seal_for", "write_crosswalk"]

Seal = Callable[[bytes], bytes]
_MIN_PASSPHRASE = 8


def seal_for(recipients: Sequence[str], passphrase: str | None) -> Seal | None:
    """Return what encrypts to recipients (``age1...``) or by a passphrase; ``None`` if neither is given.

    Raises:
        WrongUse: ``crosswalk-key-invalid``; ``crosswalk-not-installed`` if pyrage is missing.
    """
    if not recipients and passphrase is None:
        return None
    try:
        import pyrage
    except ImportError:
        raise WrongUse("crosswalk-not-installed") from None
    if passphrase is not None:
        secret = unicodedata.normalize("NFC", passphrase)
        if recipients or len(secret) < _MIN_PASSPHRASE:
            raise WrongUse("crosswalk-key-invalid")
        return lambda data: bytes(pyrage.passphrase.encrypt(data, secret))
    try:
        keys = [pyrage.x25519.Recipient.from_str(recipient.strip()) for recipient in recipients]
    except pyrage.RecipientError:
        raise WrongUse("crosswalk-key-invalid") from None
    return lambda data: bytes(pyrage.encrypt(data, keys))


def write_crosswalk(
    folder: Path, uids: Iterable[tuple[str, str]], patients: Iterable[tuple[str, str]], seal: Seal | None
) -> None:
    """Write old and new UIDs and Patient IDs, for the owner's eyes only.

    Raises:
        OSError: a file could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, rows in ((UIDS, uids), (PATIENTS, patients)):
        data = mapping_table(rows)
        if seal is None:
            write_whole(folder / name, data, 0o600)
        else:
            write_whole(folder / f"{name}.age", seal(data), 0o600)
