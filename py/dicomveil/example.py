"""A made-up study to try things with: three CT slices of a phantom, and ultrasound with text burned in.

Nothing is shipped: pixels and headers are drawn and written here. The same bytes come out each time.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence

from dicomveil import __version__
from dicomveil.tables import element_vrs

__all__ = ["example_files"]

Value = str | int | float | bytes | Sequence[Mapping[int, "Value"]]

_CT, _ULTRASOUND = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.6.1"
_EXPLICIT = "1.2.840.10008.1.2.1"
_UIDS = 0x5B1D3C0E7A944E6F8F20C4D9A1B30000  # a UUID: what is made up has UIDs below 2.25 (PS3.5 B.2)
_LONG = frozenset({"OB", "OW", "SQ", "UN"})
_NUMBERS = {"US": "<H", "UL": "<L", "FD": "<d"}
_CT_SIDE, _US_ROWS, _US_COLUMNS = 128, 240, 320
_SECTOR = (20, 56, 299, 227)  # what the region says: first column and row, last column and row
#: Five bits a row, seven rows.
_GLYPHS = {
    "E": "1f10101e10101f",
    "X": "11110a040a1111",
    "A": "0e11111f111111",
    "M": "111b1515111111",
    "L": "1010101010101f",
    "N": "11191513111111",
    "D": "1e11111111111e",
    "R": "1e11111e141211",
    "I": "0e04040404040e",
    "0": "0e11131519110e",
    "1": "040c040404040e",
    "2": "0e11010204081f",
    "7": "1f010204080808",
    "9": "0e11110f01020c",
    "-": "0000001f000000",
    " ": "00000000000000",
}


def example_files() -> list[tuple[str, bytes]]:
    """Return names and contents of the files (Part 10, Explicit VR Little Endian)."""
    slices = [(f"ct-{number}.dcm", _ct(number)) for number in (1, 2, 3)]
    return [*slices, ("ultrasound.dcm", _ultrasound())]


def _uid(number: int) -> str:
    return f"2.25.{_UIDS + number}"


def _common(modality: str, sop_class: str, number: int, series: int, instance: int) -> dict[int, Value]:
    return {
        0x00080016: sop_class,
        0x00080018: _uid(100 * series + instance),
        0x00080020: "20240517",
        0x00080023: "20240517",
        0x00080030: "091500",
        0x00080033: f"0916{number:02}",
        0x00080050: "EX-4711",
        0x00080060: modality,
        0x00080070: "Example Maker",
        0x00080080: "Example Hospital",
        0x00080090: "Referrer^Robin",
        0x00081030: "Example for a first try",
        0x00081090: "Example Scanner",
        0x00100010: "Mirandel^Alexandra",
        0x00100020: "MRN-0127-90",
        0x00100030: "19700102",
        0x00100040: "F",
        0x0020000D: _uid(1),
        0x0020000E: _uid(10 + series),
        0x00200010: "1",
        0x00200011: str(series),
        0x00200013: str(instance),
        0x00280002: 1,
        0x00280004: "MONOCHROME2",
    }


def _ct(number: int) -> bytes:
    """Draw a slice: a body with two lungs, a spine, and a nodule that is in the middle slice alone."""
    side, air = _CT_SIDE, 24
    pixels = bytearray(air.to_bytes(2, "little") * side * side)
    size = 4 - number
    for across, down, width, height, value in (
        (64, 66, 56, 42, 1064),
        (40, 62, 15 + size, 24 + size, 174),
        (88, 62, 15 + size, 24 + size, 174),
        (64, 90, 9, 9, 1424),
        (64, 90, 3, 3, 1034),
        (88, 54, 4, 4, 1104 if number == 2 else 174),
    ):
        _ellipse(pixels, side, value.to_bytes(2, "little"), across, down, width, height)
    return _file(
        {
            **_common("CT", _CT, number, 1, number),
            0x00080008: "ORIGINAL\\PRIMARY\\AXIAL",
            0x0008103E: "CHEST WITHOUT CONTRAST",
            0x00180015: "CHEST",
            0x00180050: "5",
            0x00180060: "120",
            0x00185100: "HFS",
            0x00200012: "1",
            0x00200032: f"-160\\-160\\{-5 * number}",
            0x00200037: "1\\0\\0\\0\\1\\0",
            0x00200052: _uid(20),
            0x00201040: "",
            0x00280010: side,
            0x00280011: side,
            0x00280030: "2.5\\2.5",
            0x00280100: 16,
            0x00280101: 12,
            0x00280102: 11,
            0x00280103: 0,
            0x00281050: "40",
            0x00281051: "400",
            0x00281052: "-1024",
            0x00281053: "1",
            0x7FE00010: bytes(pixels),
        }
    )


def _ultrasound() -> bytes:
    """Draw a sector of speckle with a cyst, and above it what a device writes into the picture."""
    columns, rows = _US_COLUMNS, _US_ROWS
    left, top, right, bottom = _SECTOR
    speckle = hashlib.shake_128(b"dicomveil").digest(columns * rows)
    speckle = speckle.translate(bytes(56 + (value >> 4) for value in range(256)))
    pixels = bytearray(columns * rows)
    for row in range(top, bottom + 1):
        half = min(16 + (row - top) * 0.75, (right - left) / 2)
        first, last = row * columns + int(160 - half), row * columns + int(160 + half)
        pixels[first:last] = speckle[first:last]
    _ellipse(pixels, columns, b"\x08", 176, 140, 26, 18)
    _write(pixels, "MIRANDEL ALEXANDRA", 8, 8)
    _write(pixels, "ID MRN-0127-90", 8, 28)
    region: dict[int, Value] = {
        0x00186012: 1,
        0x00186014: 1,
        0x00186016: 0,
        0x00186018: left,
        0x0018601A: top,
        0x0018601C: right,
        0x0018601E: bottom,
        0x00186024: 3,
        0x00186026: 3,
        0x0018602C: 0.05,
        0x0018602E: 0.05,
    }
    return _file(
        {
            **_common("US", _ULTRASOUND, 9, 2, 1),
            0x00080008: "ORIGINAL\\PRIMARY",
            0x0008103E: "ABDOMEN",
            0x00180015: "ABDOMEN",
            0x00186011: [region],
            0x00200020: "",
            0x00280010: rows,
            0x00280011: columns,
            0x00280100: 8,
            0x00280101: 8,
            0x00280102: 7,
            0x00280103: 0,
            0x00280301: "YES",
            0x00282110: "00",
            0x7FE00010: bytes(pixels),
        }
    )


def _ellipse(
    pixels: bytearray, columns: int, cell: bytes, across: int, down: int, width: int, height: int
) -> None:
    """Fill an ellipse, given by its middle and half axes, with one stored value."""
    for row in range(down - height, down + height + 1):
        half = int(width * math.sqrt(1 - ((row - down) / height) ** 2))
        start = (row * columns + across - half) * len(cell)
        pixels[start : start + (2 * half + 1) * len(cell)] = cell * (2 * half + 1)


def _write(pixels: bytearray, text: str, left: int, top: int) -> None:
    """Write white letters of 10 by 14 pixels."""
    for place, letter in enumerate(text):
        for line, bits in enumerate(bytes.fromhex(_GLYPHS[letter])):
            run = b"".join(b"\xff\xff" if bits >> bit & 1 else b"\0\0" for bit in range(4, -1, -1))
            for row in (top + 2 * line, top + 2 * line + 1):
                start = row * _US_COLUMNS + left + 12 * place
                pixels[start : start + len(run)] = run


def _file(elements: Mapping[int, Value]) -> bytes:
    meta = _data_set(
        {
            0x00020001: b"\0\1",
            0x00020002: elements[0x00080016],
            0x00020003: elements[0x00080018],
            0x00020010: _EXPLICIT,
            0x00020012: _uid(0),
            0x00020013: f"DICOMVEIL {__version__}"[:16],
        }
    )
    return bytes(128) + b"DICM" + _data_set({0x00020000: len(meta)}) + meta + _data_set(elements)


def _data_set(elements: Mapping[int, Value]) -> bytes:
    """Encode in Explicit VR Little Endian (PS3.5 7.1.2)."""
    out = []
    for tag, value in sorted(elements.items()):
        vr = _vr(tag)
        data = _encoded(vr, value)
        length = struct.pack("<2xL" if vr in _LONG else "<H", len(data))
        out.append(struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode()) + length + data)
    return b"".join(out)


def _vr(tag: int) -> str:
    if tag >> 16 == 2:  # File Meta Information (PS3.10 7.1)
        return {0: "UL", 1: "OB", 0x12: "UI", 0x13: "SH"}.get(tag & 0xFFFF, "UI")
    vrs = element_vrs(tag) or ("UN",)
    return "OW" if "OW" in vrs else vrs[0]


def _encoded(vr: str, value: Value) -> bytes:
    if isinstance(value, str):
        data = value.encode("ascii")
        return data + (b"\0" if vr == "UI" else b" ") * (len(data) & 1)
    if isinstance(value, bytes):
        return value
    if isinstance(value, (int, float)):
        return struct.pack(_NUMBERS[vr], value)
    items = [_data_set(item) for item in value]
    return b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<L", len(item)) + item for item in items)
