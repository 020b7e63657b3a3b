"""What lies in a ZIP that a person opened, as archives hand out studies (PKWARE APPNOTE 6.3.10).

Nothing is inflated here, and only the central directory and the entries' own headers are read: an entry is a
range of the ZIP, and the browser inflates it. What an entry is called is for the screen only.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from dicomveil.errors import Refused
from dicomveil.source import Range, Source, SourceFile

__all__ = [
    "MAX_ENTRIES",
    "MAX_ENTRY_INFLATED",
    "MAX_INFLATED",
    "ZipEntry",
    "entry_data",
    "is_zip",
    "zip_entries",
]

#: Entries, directories included.
MAX_ENTRIES = 100_000
#: Bytes that all deflated entries of a ZIP may become: what is inflated is kept by the browser.
MAX_INFLATED = 8 << 30
#: Bytes that one of them may become: a browser holds it in memory while it is inflated.
MAX_ENTRY_INFLATED = 1 << 30
_MAX_DIRECTORY = 64 << 20

_ENTRY = b"PK\x01\x02"
_LOCAL_HEADER = struct.Struct("<4s22xHH")  #: signature, lengths of name and extra field (4.3.7)
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13  #: general purpose bits (4.4.4): itself, strongly, its headers
_PATCH = 1 << 5
#: What a ZIP is a part of, by what has to be in it: a program (JAR), an office document, an e-book.
_OTHER_KINDS = {"META-INF/MANIFEST.MF", "[Content_Types].xml", "mimetype"}


class ZipEntry(NamedTuple):
    """A file in a ZIP.

    Attributes:
        path: as the ZIP names it, for the screen only.
        start: of its local header, in bytes from the beginning of the ZIP.
        end: of the bytes that can be its own: the next header begins there.
        packed: length of its data in the ZIP, in bytes.
        size: length of its content, in bytes.
        deflated: else its data are its content.
        crc: CRC-32 of its content.
        code: why it cannot be read, if so.
    """

    path: str
    start: int
    end: int
    packed: int
    size: int
    deflated: bool
    crc: int
    code: str | None


def is_zip(source: Source) -> bool:
    """Tell whether a file that is not DICOM begins as a ZIP does, be it an empty one."""
    return source.read(0, 4) in {b"PK\x03\x04", b"PK\x05\x06"}


class _Reading(SourceFile):
    """A source in the form that ``zipfile`` reads; it will not read more than a sane directory."""

    def read(self, length: int = -1) -> bytes:
        left = max(self._source.size - self._at, 0)
        length = left if length < 0 else min(length, left)
        if length > _MAX_DIRECTORY:
            raise Refused("zip-too-large")
        data = self._source.read(self._at, length)
        self._at += len(data)
        if data.count(_ENTRY) > MAX_ENTRIES:
            raise Refused("zip-too-large")
        return data


def zip_entries(source: Source) -> list[ZipEntry]:
    """List the files of a ZIP in the order of its directory; what a Mac adds (``__MACOSX/``) is left out.

    Raises:
        Refused: ``zip-damaged`` where directory or headers are broken or entries overlap, ``zip-too-large``
            beyond :data:`MAX_ENTRIES` or :data:`MAX_INFLATED`, ``zip-empty`` without files, ``not-dicom`` for
            a program or a document that is stored as a ZIP, ``unreadable``.
    """
    import zipfile  # late: few open one

    try:
        with zipfile.ZipFile(_Reading(source)) as archive:
            found, directory = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError, OSError, struct.error):
        raise Refused("zip-damaged") from None
    if not _OTHER_KINDS.isdisjoint(info.filename for info in found):
        raise Refused("not-dicom")
    if sum(info.file_size for info in found if info.compress_type != _STORED) > MAX_INFLATED:
        raise Refused("zip-too-large")
    ends = _ends([(info.header_offset, info.compress_size) for info in found], directory)
    paths = [info.filename.replace("\\", "/") for info in found]  # some that run on Windows
    entries = [
        ZipEntry(
            path,
            info.header_offset,
            ends[info.header_offset],
            info.compress_size,
            info.file_size,
            info.compress_type == _DEFLATED,
            info.CRC,
            _why_not(info.flag_bits, info.compress_type, info.compress_size, info.file_size),
        )
        for path, info in zip(paths, found, strict=True)
        if not path.endswith("/") and not path.startswith("__MACOSX/")
    ]
    if not entries:
        raise Refused("zip-empty")
    return entries


def _ends(headers: list[tuple[int, int]], directory: int) -> dict[int, int]:
    """Return for each local header (its offset, and the length of its data) where what it has must end."""
    ends = {}
    end = directory
    for start, packed in sorted(headers, reverse=True):
        if start < 0 or start in ends or start + _LOCAL_HEADER.size + packed > end:
            raise Refused("zip-damaged")
        ends[start] = end
        end = start
    return ends


def _why_not(flags: int, method: int, packed: int, size: int) -> str | None:
    if flags & _ENCRYPTED:
        return "zip-encrypted"
    if flags & _PATCH or method not in {_STORED, _DEFLATED}:
        return "zip-unsupported"
    if method == _STORED:
        return None if packed == size else "zip-damaged"
    return "zip-too-large" if size > MAX_ENTRY_INFLATED else None


def entry_data(source: Source, packed: int) -> Range:
    """Return where the data of an entry lie in the range of the ZIP that begins with its local header.

    Raises:
        Refused: ``zip-damaged`` if there is no such header, or the data reach beyond the range.
    """
    header = source.read(0, _LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size:
        raise Refused("zip-damaged")
    signature, name, extra = _LOCAL_HEADER.unpack(header)
    data = Range(_LOCAL_HEADER.size + name + extra, packed)
    if signature != b"PK\x03\x04" or data.offset + packed > source.size:
        raise Refused("zip-damaged")
    return data
