"""Keyed pseudonyms: everything that stands for an identifier derives from one key by HMAC-SHA256.

The same key gives the same pseudonyms in every session and on every machine; without the key nothing leads
back, not even by trying all possible identifiers (PS3.15 E.1.1 discourages unkeyed hashes for that reason).
Each purpose has a label of its own, so that values of different kinds never show that they are equal.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
import uuid
from dataclasses import dataclass, field

from dicomveil.errors import WrongUse

__all__ = ["PBKDF2_ROUNDS", "Key", "Pseudonyms"]

KEY_BYTES = 32
PBKDF2_ROUNDS = 600_000
_MIN_PASSPHRASE = 8
#: No vowels, so that no word appears, and nothing that is misread (0 O, 1 I L).
_ALPHABET = "BCDFGHJKMNPQRSTVWXZ23456789"
#: Dates move into the past by one day to ten years: never zero, never into the future.
_MAX_SHIFT_DAYS = 3652


class Key:
    """32 secret bytes. ``bytes(key)`` is for handing it to another worker, not for showing."""

    def __init__(self, data: bytes) -> None:
        if len(data) != KEY_BYTES:
            raise WrongUse("key-invalid")
        self._data = bytes(data)

    def __bytes__(self) -> bytes:
        return self._data

    def __repr__(self) -> str:
        return "Key(...)"

    @classmethod
    def random(cls) -> Key:
        """Make a key to throw away: *anonymize*."""
        return cls(os.urandom(KEY_BYTES))

    @classmethod
    def from_passphrase(cls, passphrase: str, salt: bytes) -> Key:
        """Derive a key by PBKDF2-HMAC-SHA256, 600,000 rounds, over the NFC form in UTF-8: *de-identify*.

        Raises:
            WrongUse: ``key-invalid`` for less than 8 characters.
        """
        text = unicodedata.normalize("NFC", passphrase)
        if len(text) < _MIN_PASSPHRASE:
            raise WrongUse("key-invalid")
        return cls(hashlib.pbkdf2_hmac("sha256", text.encode(), salt, PBKDF2_ROUNDS, KEY_BYTES))


def uid_of(digest: bytes) -> str:
    """Return ``2.25.`` and a UUID (RFC 9562 version 8) as a decimal, PS3.5 B.2; at most 44 characters.

    ``digest`` has 16 bytes.
    """
    raw = bytearray(digest)
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return f"2.25.{uuid.UUID(bytes=bytes(raw)).int}"


@dataclass
class Pseudonyms:
    """The pseudonyms under one key. ``uids`` and ``patients`` remember old -> new, for a crosswalk."""

    key: Key
    uids: dict[str, str] = field(default_factory=dict, repr=False)
    patients: dict[str, str] = field(default_factory=dict, repr=False)

    def _digest(self, purpose: str, value: str) -> bytes:
        return hmac.digest(bytes(self.key), f"dicomveil/1/{purpose}\0{value}".encode(), "sha256")

    def _label(self, purpose: str, value: str, length: int) -> str:
        number = int.from_bytes(self._digest(purpose, value), "big")
        letters = []
        for _ in range(length):
            number, index = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[index])
        return "".join(letters)

    def uid(self, uid: str) -> str:
        """Return the UID that :func:`uid_of` makes of a digest under the key."""
        new = self.uids.get(uid)
        if new is None:
            new = self.uids[uid] = uid_of(self._digest("uid", uid)[:16])
        return new

    def patient_id(self, patient: str) -> str:
        """Return ``DV-`` and 10 letters and digits for a patient's identity; also used as Patient's Name."""
        new = self.patients.get(patient)
        if new is None:
            new = self.patients[patient] = "DV-" + self._label("patient", patient, 10)
        return new

    def accession_number(self, value: str) -> str:
        """Return ``A`` and 12 letters and digits (SH)."""
        return "A" + self._label("accession-number", value, 12)

    def study_id(self, value: str) -> str:
        """Return ``S`` and 12 letters and digits (SH)."""
        return "S" + self._label("study-id", value, 12)

    def ae_title(self, value: str) -> str:
        """Return ``AE`` and 10 letters and digits (AE)."""
        return "AE" + self._label("ae-title", value, 10)

    def identifier(self, keyword: str, value: str) -> str:
        """Return ``X`` and 12 letters and digits for another identifier that has to stay distinct."""
        return "X" + self._label(f"identifier/{keyword}", value, 12)

    def shift_days(self, patient: str) -> int:
        """Return the whole-day shift of a patient's dates: -1 to -3652, the same for all instances."""
        number = int.from_bytes(self._digest("date-shift", patient)[:8], "big")
        return -1 - number % _MAX_SHIFT_DAYS
