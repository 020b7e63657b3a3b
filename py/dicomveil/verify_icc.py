"""Verification of ICC profiles (0028,2000): colours, and texts that say nothing (ICC.1:2022)."""

from __future__ import annotations

import struct

__all__ = ["icc_profile_says_nothing"]

_COLOURS = frozenset(
    (b"rXYZ gXYZ bXYZ wtpt bkpt lumi rTRC gTRC bTRC kTRC chad A2B0 A2B1 A2B2 B2A0 B2A1 B2A2 gamt").split()
)
_TYPES = frozenset({b"XYZ ", b"curv", b"para", b"sf32", b"mft1", b"mft2", b"mAB ", b"mBA "})
_WORDS = frozenset({"ICC profile", "None", "enUSNone", "enUSICC profile"})


def icc_profile_says_nothing(value: bytes) -> bool:
    """Tell whether a profile has no maker, no day, no text but ours, and no bytes outside of its tags."""
    if len(value) < 132 or value[36:40] != b"acsp" or value[24:36] != b"\x07\xd0\0\1\0\1" + bytes(6):
        return False
    if any(value[4:8] + value[10:12] + value[40:64] + value[80:128]):
        return False
    (count,) = struct.unpack_from(">L", value, 128)
    end = 132 + 12 * count
    if end > len(value):
        return False
    pieces = set()
    for at in range(132, end, 12):
        name, offset, size = struct.unpack_from(">4sLL", value, at)
        data = value[offset : offset + size]
        pieces.add((offset, offset + size))
        if name in {b"desc", b"cprt"}:
            text = data[4:].translate(None, bytes(range(32))).decode("latin-1")
            if data[:4] not in {b"desc", b"text", b"mluc"} or text not in _WORDS:
                return False
        elif name not in _COLOURS or data[:4] not in _TYPES or any(data[4:8]):
            return False
    for start, stop in sorted(pieces):
        if start < end or start - end > 3 or any(value[end:start]):
            return False
        end = stop
    return end <= len(value) <= end + 4 and not any(value[end:])
