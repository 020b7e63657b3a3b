"""The headers of a ZIP whose files are not compressed (PKWARE APPNOTE 6.3.10).

The page puts them between the files. Every time stamp is 1980-01-01, and nothing tells of the machine: a ZIP
says no more than its files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

__all__ = ["zip_headers"]

_MAX16 = 0xFFFF
_MAX32 = 0xFFFFFFFF
_UTF8_NAMES = 0x0800
_DATE_1980 = 0x21
_ZIP64 = 1  #: the extra field with sizes of 64 bits (4.5.3)
_PLAIN, _LARGE = 20, 45  #: versions needed to extract (4.4.3)


def _common(version: int, crc: int, size: int, name: bytes, extra: bytes) -> bytes:
    """Return what both headers of an entry have: from the version on to the length of the extra field."""
    shown = size if version == _PLAIN else _MAX32
    fields = (version, _UTF8_NAMES, 0, 0, _DATE_1980, crc, shown, shown, len(name), len(extra))
    return struct.pack("<5H3I2H", *fields)


def _local_header(name: bytes, size: int, crc: int) -> bytes:
    large = size >= _MAX32
    extra = struct.pack("<2H2Q", _ZIP64, 16, size, size) if large else b""
    return b"PK\x03\x04" + _common(_LARGE if large else _PLAIN, crc, size, name, extra) + name + extra


def _central_header(name: bytes, size: int, crc: int, offset: int) -> bytes:
    large = size >= _MAX32 or offset >= _MAX32
    extra = struct.pack("<2H3Q", _ZIP64, 24, size, size, offset) if large else b""
    version = _LARGE if large else _PLAIN
    # No comment, the first disk, no attributes.
    rest = struct.pack("<3H2I", 0, 0, 0, 0, _MAX32 if large else offset)
    common = _common(version, crc, size, name, extra)
    return b"PK\x01\x02" + struct.pack("<H", version) + common + rest + name + extra


def _ending(count: int, size: int, offset: int) -> bytes:
    """Return what follows the central directory of so many entries and bytes, which begins at the offset."""
    large = count >= _MAX16 or size >= _MAX32 or offset >= _MAX32
    end = b""
    if large:
        fields = (44, _LARGE, _LARGE, 0, 0, count, count, size, offset)
        end = b"PK\x06\x06" + struct.pack("<Q2H2I4Q", *fields)
        end += b"PK\x06\x07" + struct.pack("<IQI", 0, offset + size, 1)
        count, size, offset = _MAX16, _MAX32, _MAX32
    return end + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, count, count, size, offset, 0)


def zip_headers(files: Iterable[tuple[str, int, int]]) -> list[bytes]:
    """Return what goes before each file, and, last, what goes behind all of them.

    A file is its path in the ZIP, its size in bytes and its CRC-32. ZIP64 is used only where it is needed.
    """
    headers, directory, offset = [], [], 0
    for path, size, crc in files:
        name = path.encode()
        directory.append(_central_header(name, size, crc, offset))
        headers.append(_local_header(name, size, crc))
        offset += len(headers[-1]) + size
    central = b"".join(directory)
    return [*headers, central + _ending(len(directory), len(central), offset)]
