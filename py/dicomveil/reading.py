"""Open: read the encoded data elements of one instance, and find its Pixel Data without reading them.

Reading is tolerant where pydicom is (File Meta without preamble, a transfer syntax that lies about the VR
encoding, sequences hidden in ``UN``), and refuses what it cannot follow to the end. Sources: PS3.10 7 (file
format), PS3.5 6.2, 7.1, 7.5 and A.4 (encoding, sequences, encapsulation), A.5 (Deflated).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from dicomveil.encoding import (
    ITEM,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    DataSet,
    Element,
    NeedMoreError,
    Parser,
    vr_at,
)
from dicomveil.errors import Refused
from dicomveil.source import BytesSource, Part, Range, Source
from dicomveil.tables import is_standard_uid

__all__ = ["BIG_ENDIAN", "Encoding", "Instance", "PixelData", "read_instance"]

_FIRST_READ = 64 << 10
_MAX_HEADER = 256 << 20
_MAX_INFLATED = 1 << 30

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
_ENCAPSULATED = tuple(f"1.2.840.10008.1.2.{number}" for number in ("1.98", "4.", "5", "7.", "8."))
_NATIVE = frozenset({IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN})
#: JPIP: the pixels are somewhere else, behind a URL that has to go.
_UNSUPPORTED = frozenset({"1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95"})
_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True)
class Encoding:
    """What the transfer syntax says of the data set's encoding, PS3.5 A."""

    explicit: bool
    little: bool
    deflated: bool
    encapsulated: bool


@dataclass(slots=True)
class PixelData:
    """Top-level Pixel Data (or Float or Double Float): its place, never its bytes.

    ``part`` is the value as a part: a range of the input, or bytes where the data set was deflated.
    ``fragments`` are (offset, length) of the items of an encapsulated value, the Basic Offset Table first;
    offsets count from the start of the value.
    """

    tag: int
    vr: str
    part: Part
    encapsulated: bool
    fragments: list[tuple[int, int]] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Length of the value in bytes, with items and delimiters if encapsulated."""
        return self.part.length if isinstance(self.part, Range) else len(self.part)


@dataclass(slots=True)
class Instance:
    """One instance: File Meta Information, the data set around Pixel Data, and what was odd about it."""

    source: Source
    transfer_syntax: str
    encoding: Encoding
    file_meta: DataSet
    head: DataSet
    pixels: PixelData | None
    tail: DataSet
    warnings: list[str]

    @property
    def sop_class(self) -> str:
        """SOP Class UID of the data set, or that of File Meta Information where it is missing."""
        return self.head.text(0x00080016) or self.file_meta.text(0x00020002)


def encoding_of(transfer_syntax: str) -> Encoding:
    """Return the encoding of a transfer syntax (PS3.5 A, PS3.6 A); raise ``unsupported-transfer-syntax``."""
    if transfer_syntax in _NATIVE:
        explicit, little = transfer_syntax != IMPLICIT, transfer_syntax != BIG_ENDIAN
        return Encoding(explicit, little, transfer_syntax == DEFLATED, encapsulated=False)
    known = transfer_syntax.startswith(_ENCAPSULATED) and is_standard_uid(transfer_syntax)
    if not known or transfer_syntax in _UNSUPPORTED:
        raise Refused("unsupported-transfer-syntax")
    return Encoding(explicit=True, little=True, deflated=False, encapsulated=True)


def _read_file_meta(window: bytes, pos: int) -> tuple[DataSet, int]:
    """Parse group 0002, Explicit VR Little Endian (PS3.10 7.1); its group length is not trusted."""
    parser = Parser(window, little=True, complete=False)
    meta = DataSet(window, explicit=True, little=True)
    while True:
        parser.need(pos + 8)
        if window[pos : pos + 2] != b"\x02\x00":
            return meta, pos
        tag, vr, value, length = parser.header(pos, explicit=True)
        if length == UNDEFINED:
            raise Refused("undecodable", tag)
        parser.need(value + length)
        meta.elements.append(Element(tag, vr, pos, value, value + length))
        pos = value + length


def _start(window: bytes) -> int:
    """Return where File Meta Information or the data set begins; raise ``not-dicom``.

    Without the preamble a file is taken only if it begins with group 0002 or 0008 as a data set would.
    """
    if window[128:132] == b"DICM":
        return 132
    group = window[:2]
    plausible = group in {b"\x02\x00", b"\x08\x00"} and window[3] == 0
    if plausible and (vr_at(window, 4) or int.from_bytes(window[4:8], "little") < 1024):
        return 0
    if group == b"\x00\x08" and window[2] == 0 and vr_at(window, 4):
        return 0  # big endian
    raise Refused("not-dicom")


def _guess_transfer_syntax(window: bytes, pos: int) -> str:
    """Name the encoding of a data set whose File Meta does not: the element at ``pos`` shows it."""
    if vr_at(window, pos + 4):
        return EXPLICIT if window[pos + 1] == 0 else BIG_ENDIAN
    return IMPLICIT


def _windows(source: Source) -> Iterator[tuple[bytes, bool]]:
    """Yield growing beginnings of the source, and whether each is all of it."""
    length = _FIRST_READ
    while True:
        window = source.read(0, min(length, source.size))
        if len(window) < min(length, source.size):
            raise Refused("unreadable")
        yield window, len(window) == source.size
        if length >= source.size:
            raise Refused("truncated")
        if length >= _MAX_HEADER:
            raise Refused("header-too-large")
        length *= 4


def read_instance(source: Source) -> Instance:
    """Read one instance: everything but the value of Pixel Data.

    Raises:
        Refused: ``not-dicom``, ``dicomdir``, ``truncated``, ``undecodable``, ``unsupported-transfer-syntax``,
            ``header-too-large`` or ``unreadable``.
    """
    for window, complete in _windows(source):
        try:
            return _read(source, window, complete=complete)
        except (NeedMoreError, struct.error):
            if complete:
                raise Refused("truncated") from None
    raise AssertionError("windows end by raising")


def _read(source: Source, window: bytes, *, complete: bool) -> Instance:
    warnings: list[str] = []
    if len(window) < 16:
        raise Refused("not-dicom")
    start = _start(window)
    if start == 0:
        warnings.append("file-meta-missing")
    meta, pos = _read_file_meta(window, start)
    if meta.text(0x00020002) == _MEDIA_STORAGE_DIRECTORY:
        raise Refused("dicomdir")
    transfer_syntax = meta.text(0x00020010)
    if not transfer_syntax:
        transfer_syntax = _guess_transfer_syntax(window, pos)
        if "file-meta-missing" not in warnings:
            warnings.append("file-meta-missing")
    encoding = encoding_of(transfer_syntax)
    if encoding.deflated:
        return _read_deflated(source, meta, pos, encoding, warnings)
    explicit = vr_at(window, pos + 4)
    if explicit != encoding.explicit and pos + 8 <= len(window):
        warnings.append("transfer-syntax-mismatch")
    else:
        explicit = encoding.explicit
    parser = Parser(window, little=encoding.little, complete=complete)
    head, _, stopped = parser.data_set(pos, None, explicit=explicit)
    pixels, tail = None, DataSet(b"", explicit, encoding.little)
    if stopped is not None:
        pixels, end = _locate_pixels(source, encoding, stopped)
        if end < source.size:
            if source.size - end > _MAX_HEADER:
                raise Refused("header-too-large")
            rest = source.read(end, source.size - end)
            tail = _read_tail(rest, warnings, explicit=explicit, little=encoding.little)
    return Instance(source, transfer_syntax, encoding, meta, head, pixels, tail, warnings)


def _read_deflated(
    source: Source, meta: DataSet, pos: int, encoding: Encoding, warnings: list[str]
) -> Instance:
    """Inflate the data set (PS3.5 A.5) and read it from memory; its pixels become a part of bytes."""
    inflater = zlib.decompressobj(-15)
    try:
        data = inflater.decompress(source.read(pos, source.size - pos), _MAX_INFLATED)
    except zlib.error:
        raise Refused("undecodable") from None
    if not inflater.eof:
        raise Refused("header-too-large" if len(data) >= _MAX_INFLATED else "truncated")
    parser = Parser(data, little=True, complete=True)
    head, _, stopped = parser.data_set(0, None, explicit=True)
    pixels, tail = None, DataSet(b"", explicit=True, little=True)
    if stopped is not None:
        pixels, end = _locate_pixels(BytesSource(data), encoding, stopped)
        if isinstance(pixels.part, Range):
            pixels.part = data[pixels.part.offset : pixels.part.offset + pixels.part.length]
        tail = _read_tail(data[end:], warnings, explicit=True, little=True)
    return Instance(source, DEFLATED, encoding, meta, head, pixels, tail, warnings)


def _locate_pixels(
    source: Source, encoding: Encoding, header: tuple[int, str, int, int]
) -> tuple[PixelData, int]:
    """Return Pixel Data's place, and where the data after it begin."""
    tag, vr, value, length = header
    if length != UNDEFINED:
        if encoding.encapsulated:
            raise Refused("undecodable", tag)
        if value + length > source.size:
            raise Refused("truncated", tag)
        return PixelData(tag, vr, Range(value, length), encapsulated=False), value + length
    if not encoding.encapsulated:
        raise Refused("undecodable", tag)
    fragments, end = _walk_fragments(source, value)
    return PixelData(tag, vr, Range(value, end - value), encapsulated=True, fragments=fragments), end


def _walk_fragments(source: Source, start: int) -> tuple[list[tuple[int, int]], int]:
    """Walk the items of encapsulated Pixel Data (PS3.5 A.4) by wide reads, to the end of its delimiter."""
    fragments: list[tuple[int, int]] = []
    pos, window, base = start, b"", start
    unpack = struct.Struct("<HHL").unpack_from
    while True:
        if pos + 8 > base + len(window):
            # small fragments share a read; between large ones only the next header is wanted
            wide = not fragments or fragments[-1][1] < _FIRST_READ // 4
            base, window = pos, source.read(pos, _FIRST_READ if wide else 512)
            if len(window) < 8:
                raise Refused("truncated")
        group, number, length = unpack(window, pos - base)
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            return fragments, pos + 8
        if tag != ITEM or length == UNDEFINED:
            raise Refused("undecodable")
        fragments.append((pos + 8 - start, length))
        pos += 8 + length
        if pos > source.size:
            raise Refused("truncated")


def _read_tail(data: bytes, warnings: list[str], *, explicit: bool, little: bool) -> DataSet:
    """Parse what follows Pixel Data; what cannot be read there is left out, with a warning.

    Pixels are whole by then, so an unreadable rest (padding, leftovers of a longer file) need not stop
    the image; it must only not be passed on.
    """
    parser = Parser(data, little=little, complete=True)
    tail = DataSet(data, explicit, little)
    pos = 0
    try:
        while pos < len(data):
            parser.need(pos + 8)
            tag, vr, value, length = parser.header(pos, explicit=explicit)
            if tag in PIXEL_DATA or tag >> 16 < 8 or tag >> 16 == 0xFFFE:
                warnings.append("trailing-data-removed")
                break
            element = parser.element(pos, tag, vr, value, length, explicit=explicit, depth=0)
            tail.elements.append(element)
            pos = element.end
    except Refused:
        warnings.append("trailing-data-removed")
    return tail
