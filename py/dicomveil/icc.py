"""ICC profiles (0028,2000) without what is beside their colours (ICC.1:2022; PS3.3 C.11.15).

A profile has texts (description, copyright, maker, model, screening, calibration date, private tags) and
header fields that name makers and days. It is written anew, of the tags that a colour transformation reads,
each as long as its type calls for, with a description and a copyright of ours, which are required.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

__all__ = ["neutral_profile", "srgb_profile"]

_HEADER, _ENTRY = 128, 12
_MAX_TAGS = 100
_D50 = bytes.fromhex("0000f6d6000100000000d32d")
_DAY = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
_CLASSES = frozenset({b"scnr", b"mntr", b"prtr", b"spac"})
_SPACES = frozenset({b"RGB ", b"GRAY", b"YCbr", b"Lab ", b"XYZ "})
_CURVES, _TABLES = frozenset({b"curv", b"para"}), frozenset({b"mft1", b"mft2", b"mAB ", b"mBA "})
#: Tag -> the types that it may have; others are left out (ICC.1 9.2).
_KEPT: Mapping[bytes, frozenset[bytes]] = MappingProxyType(
    {
        **dict.fromkeys((b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"bkpt", b"lumi"), frozenset({b"XYZ "})),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC", b"kTRC"), _CURVES),
        **dict.fromkeys((b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"gamt"), _TABLES),
        b"chad": frozenset({b"sf32"}),
    }
)
#: What makes a profile one that can be used: a matrix with curves, a grey curve, or a table.
_COMPLETE = ({b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"}, {b"kTRC"}, {b"A2B0"})
_PARAMETERS = (1, 3, 4, 5, 7)


@lru_cache(maxsize=8)  # planned with, then written; the same in every image of a series
def neutral_profile(value: bytes) -> bytes | None:
    """Return a profile of the same colours without texts, makers and days; ``None`` if it cannot be read."""
    try:
        tags = _tags(value)
    except (struct.error, IndexError):
        return None
    sizes = value[12:16] in _CLASSES and value[16:20] in _SPACES and value[20:24] in {b"XYZ ", b"Lab "}
    if not sizes or value[36:40] != b"acsp" or not any(needed <= tags.keys() for needed in _COMPLETE):
        return None
    return _written(value[8:10], value[12:24], value[67] & 3, tags)


def _tags(value: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">L", value, _HEADER)
    found: dict[bytes, bytes] = {}
    for i in range(min(count, _MAX_TAGS)):
        name, offset, size = struct.unpack_from(">4sLL", value, _HEADER + 4 + i * _ENTRY)
        kind = value[offset : offset + 4]
        if kind not in _KEPT.get(name, ()) or name in found:
            continue
        data = value[offset : offset + size]
        content = _pieces(data) if kind in {b"mAB ", b"mBA "} else data[8 : _length(kind, data)]
        if kind in {b"mAB ", b"mBA "} or _length(kind, data) <= len(data):
            found[name] = kind + bytes(4) + content
    return found


def _pieces(data: bytes) -> bytes:
    """Return lutAToBType or lutBToAType after its signature: its curves, matrix and table, joined again."""
    inputs, outputs = data[8:10]
    b_side, matrix, m_side, table, a_side = struct.unpack_from(">5L", data, 12)
    first, last = (inputs, outputs) if data[:4] == b"mAB " else (outputs, inputs)
    size = 0
    if table:
        nodes = 1
        for steps in data[table : table + inputs]:
            nodes *= steps
        size = nodes * outputs * data[table + 16]
        data = (
            data[: table + inputs]
            + bytes(16 - inputs)
            + data[table + 16 : table + 17]
            + bytes(3)
            + data[table + 20 :]
        )
    lengths = (
        _curves(data, b_side, last),
        48 if matrix else 0,
        _curves(data, m_side, 3),
        20 + size if table else 0,
        _curves(data, a_side, first),
    )
    out, places = b"", []
    for at, length in zip((b_side, matrix, m_side, table, a_side), lengths, strict=True):
        if at + length > len(data):
            raise IndexError
        places.append(32 + len(out) if length else 0)
        out += data[at : at + length] + bytes(-length % 4)
    return bytes((inputs, outputs, 0, 0)) + struct.pack(">5L", *places) + out


def _curves(data: bytes, at: int, count: int) -> int:
    """Return how long so many curves are, each padded to four bytes."""
    start = at
    for _ in range(count if at else 0):
        if data[at : at + 4] not in _CURVES or any(data[at + 4 : at + 8]):
            raise IndexError
        length = _length(data[at : at + 4], data[at:])
        if any(data[at + length : at + length + -length % 4]):
            raise IndexError
        at += length + -length % 4
    return at - start


def _length(kind: bytes, value: bytes) -> int:
    """Return how long a tag's data are by their own fields (ICC.1 10)."""
    if kind == b"XYZ ":
        return 20
    if kind == b"sf32":
        return 8 + 4 * 9
    if kind == b"curv":
        return 12 + 2 * int.from_bytes(value[8:12], "big")
    if kind == b"para":
        return 12 + 4 * _PARAMETERS[int.from_bytes(value[8:10], "big")]
    inputs, outputs, grid = value[8:11]
    nodes: int = grid**inputs * outputs
    if kind == b"mft1":
        return 48 + 256 * inputs + nodes + 256 * outputs
    first, last = struct.unpack_from(">2H", value, 48)
    return 52 + 2 * (int(first) * inputs + nodes + int(last) * outputs)


def _written(version: bytes, kinds: bytes, intent: int, tags: dict[bytes, bytes]) -> bytes:
    old = version[0] < 4
    texts = {b"desc": _old_description() if old else _text_of("ICC profile")}
    texts[b"cprt"] = b"text" + bytes(4) + b"None\0" if old else _text_of("None")
    places: dict[bytes, int] = {}
    table, data = [], b""
    start = _HEADER + 4 + _ENTRY * (len(tags) + 2)
    for name, content in {**texts, **tags}.items():
        if content not in places:
            places[content] = start + len(data)
            data += content + bytes(-len(content) % 4)
        table.append(struct.pack(">4sLL", name, places[content], len(content)))
    header = struct.pack(">L4x2s2x", start + len(data), version) + kinds + _DAY + b"acsp"
    header += bytes(27) + bytes([intent]) + _D50
    return header.ljust(_HEADER, b"\0") + struct.pack(">L", len(table)) + b"".join(table) + data


def _text_of(text: str) -> bytes:
    """Return a multiLocalizedUnicodeType of one record (ICC.1 10.15)."""
    encoded = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xLL2s2sLL", 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _old_description() -> bytes:
    """Return a textDescriptionType, which profiles before version 4 have (ICC.1:2001 6.5.17)."""
    text = b"ICC profile\0"
    return b"desc" + bytes(4) + struct.pack(">L", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)


def _fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">l", round(number * 65536)) for number in numbers)


def srgb_profile() -> bytes:
    """Return sRGB (IEC 61966-2-1), for where a profile is required and the one that was cannot be read."""
    curve = b"para" + bytes(4) + struct.pack(">H2x", 3)
    curve += _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    colours = {
        b"rXYZ": (0.43607, 0.22249, 0.01392),
        b"gXYZ": (0.38515, 0.71687, 0.09708),
        b"bXYZ": (0.14307, 0.06061, 0.71410),
        b"wtpt": (0.9642, 1.0, 0.8249),
    }
    tags = {name: b"XYZ " + bytes(4) + _fixed(*xyz) for name, xyz in colours.items()}
    adaptation = (1.04788, 0.02292, -0.05022, 0.02959, 0.99048, -0.01707, -0.00925, 0.01508, 0.75168)
    tags[b"chad"] = b"sf32" + bytes(4) + _fixed(*adaptation)
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _written(b"\4\0", b"mntrRGB XYZ ", 0, tags)
