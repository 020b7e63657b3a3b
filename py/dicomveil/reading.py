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

from .errors import Refused
from .source import BytesSource, Part, Range, Source
from .tables import element_vrs

__all__ = ["DataSet", "Element", "Encoding", "Instance", "PixelData", "read_instance"]

PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
UNDEFINED = 0xFFFFFFFF
#: VRs with a 32-bit length in explicit encodings, PS3.5 7.1.2.
LONG_VRS = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
VRS = LONG_VRS | frozenset(["AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"])

_VR_NAMES = {vr.encode(): vr for vr in VRS}
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_FIRST_READ = 64 << 10
_MAX_HEADER = 256 << 20
_MAX_DEPTH = 64
_MAX_INFLATED = 1 << 30

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
_NATIVE = frozenset({IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN})
#: JPIP: the pixels are somewhere else, behind a URL that has to go.
_UNSUPPORTED = frozenset({"1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95"})
_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


class _NeedMoreError(Exception):
    """The window ends inside an element: read at least up to ``offset``."""

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset


class Element:
    """One encoded data element: where it lies in its data set's buffer.

    ``vr`` is the VR as encoded (explicit) or as PS3.6 has it (implicit; ``UN`` if unknown). The header is
    ``[start, value)``, the value ``[value, end)``. Sequences have ``items`` instead of a value to look at.
    """

    __slots__ = ("end", "items", "start", "tag", "value", "vr")

    def __init__(self, tag: int, vr: str, start: int, value: int, end: int) -> None:
        self.tag = tag
        self.vr = vr
        self.start = start
        self.value = value
        self.end = end
        self.items: list[DataSet] | None = None


@dataclass(slots=True)
class DataSet:
    """Elements that lie in one buffer and share one encoding (nested items may differ from their parent)."""

    buffer: bytes
    explicit: bool
    little: bool
    elements: list[Element] = field(default_factory=list)

    def value(self, element: Element) -> bytes:
        """Return the value bytes of one of the elements."""
        return self.buffer[element.value : element.end]

    def find(self, tag: int) -> Element | None:
        """Return the last element with ``tag``, as a reader that keeps a dictionary would."""
        found = None
        for element in self.elements:
            if element.tag == tag:
                found = element
        return found

    def text(self, tag: int) -> str:
        """Return an element's value as Latin-1 text without padding; empty if there is none."""
        element = self.find(tag)
        return "" if element is None else self.value(element).decode("latin-1").strip(" \0")

    def numbers(self, tag: int) -> list[int]:
        """Return a US, SS, UL or IS element's values; empty if there are none that can be read."""
        element = self.find(tag)
        if element is None:
            return []
        raw = self.value(element)
        vr = element.vr if element.vr != "UN" else (element_vrs(tag) or ("UN",))[0]
        order = "<" if self.little else ">"
        try:
            if vr == "IS":
                return [int(part) for part in raw.decode("ascii").strip(" \0").split("\\") if part.strip()]
            kind = {"US": "H", "SS": "h", "UL": "I", "SL": "i"}.get(vr)
            if kind is None:
                return []
            return list(struct.unpack(f"{order}{len(raw) // struct.calcsize(kind)}{kind}", raw))
        except (ValueError, struct.error):
            return []

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first of :meth:`numbers`."""
        values = self.numbers(tag)
        return values[0] if values else default


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
    known = transfer_syntax.startswith(
        ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.7.", "1.2.840.10008.1.2.8.")
    ) or transfer_syntax in {"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.98"}
    if not known or transfer_syntax in _UNSUPPORTED:
        raise Refused("unsupported-transfer-syntax")
    return Encoding(explicit=True, little=True, deflated=False, encapsulated=True)


def _vr_at(buffer: bytes, at: int) -> bool:
    """Tell whether two upper-case letters, and so perhaps a VR, stand at ``at``."""
    return len(buffer) >= at + 2 and 65 <= buffer[at] <= 90 and 65 <= buffer[at + 1] <= 90


class _Parser:
    """Parses one window of bytes; ``complete`` says that the window ends where the data end."""

    def __init__(self, buffer: bytes, *, little: bool, complete: bool) -> None:
        order = "<" if little else ">"
        self.buffer = buffer
        self.size = len(buffer)
        self.little = little
        self.complete = complete
        self.short = struct.Struct(order + "HH2sH").unpack_from
        self.implicit = struct.Struct(order + "HHL").unpack_from
        self.long = struct.Struct(order + "L").unpack_from

    def need(self, offset: int) -> None:
        if offset > self.size:
            if self.complete:
                raise Refused("truncated")
            raise _NeedMoreError(offset)

    def data_set(
        self, pos: int, end: int | None, *, explicit: bool, depth: int = 0
    ) -> tuple[DataSet, int, tuple[int, str, int, int] | None]:
        """Parse elements from ``pos`` to ``end`` (``None``: to the item delimiter, or at depth 0 the data's end).

        Returns the data set, the position after it, and at depth 0 the header (tag, vr, value offset, length)
        of Pixel Data where parsing stopped there.
        """
        if depth > _MAX_DEPTH:
            raise Refused("undecodable")
        data_set = DataSet(self.buffer, explicit, self.little)
        append = data_set.elements.append
        while True:
            if end is not None and pos >= end:
                if pos > end:
                    raise Refused("undecodable")
                return data_set, pos, None
            if depth == 0 and self.complete and pos == self.size:
                return data_set, pos, None
            self.need(pos + 8)
            tag, vr, value, length = self.header(pos, explicit=explicit)
            if tag >> 16 == 0xFFFE:
                if tag == _ITEM_END and end is None and depth:
                    return data_set, pos + 8, None
                raise Refused("undecodable")
            if depth == 0 and tag in PIXEL_DATA:
                return data_set, pos, (tag, vr, value, length)
            element = self.element(pos, tag, vr, value, length, explicit=explicit, depth=depth)
            append(element)
            pos = element.end

    def element(
        self, pos: int, tag: int, vr: str, value: int, length: int, *, explicit: bool, depth: int
    ) -> Element:
        """Delimit one element whose header was read, with its items if it is a sequence."""
        element = Element(tag, vr, pos, value, value + length)
        undefined = length == UNDEFINED
        sequence = vr == "SQ" or (vr == "UN" and (undefined or element_vrs(tag) == ("SQ",)))
        if sequence and (undefined or not tag >> 16 & 1):
            # PS3.5 6.2.2: a sequence in UN is Implicit VR Little Endian, whatever is around it.
            explicit = explicit and vr == "SQ"
            stop = None if undefined else element.end
            element.items, element.end = self.items(value, stop, explicit=explicit, depth=depth)
        elif undefined:
            element.end = self.skip_fragments(value)
        else:
            self.need(element.end)
        return element

    def header(self, pos: int, *, explicit: bool) -> tuple[int, str, int, int]:
        """Return tag, VR, offset of the value and its length for the element at ``pos``."""
        if not explicit:
            group, number, length = self.implicit(self.buffer, pos)
            tag = group << 16 | number
            vrs = element_vrs(tag)
            return tag, (vrs[0] if vrs else "UN"), pos + 8, length
        group, number, raw, length = self.short(self.buffer, pos)
        tag = group << 16 | number
        if group == 0xFFFE:
            return tag, "", pos + 8, self.long(self.buffer, pos + 4)[0]
        vr = _VR_NAMES.get(raw)
        if vr is None:
            if not _vr_at(self.buffer, pos + 4):
                raise Refused("undecodable", tag)
            return tag, "UN", pos + 8, length  # an unknown VR: short form, as pydicom reads it
        if vr in LONG_VRS:
            self.need(pos + 12)
            return tag, vr, pos + 12, self.long(self.buffer, pos + 8)[0]
        return tag, vr, pos + 8, length

    def items(self, pos: int, end: int | None, *, explicit: bool, depth: int) -> tuple[list[DataSet], int]:
        """Parse the items of a sequence, PS3.5 7.5."""
        items: list[DataSet] = []
        while end is None or pos < end:
            self.need(pos + 8)
            group, number, length = self.implicit(self.buffer, pos)
            tag = group << 16 | number
            pos += 8
            if tag == _SEQUENCE_END:
                # also seen, against PS3.5, before the defined end of a sequence
                return items, pos if end is None else end
            if tag != _ITEM:
                raise Refused("undecodable")
            # Items are met that are implicit inside an explicit data set: look at the first element.
            first = pos + 8 <= self.size and length >= 8
            nested_explicit = _vr_at(self.buffer, pos + 4) if explicit and first else explicit
            stop = None if length == UNDEFINED else pos + length
            if first and stop is None and self.implicit(self.buffer, pos)[0] == 0xFFFE:
                nested_explicit = explicit
            item, pos, _ = self.data_set(pos, stop, explicit=nested_explicit, depth=depth + 1)
            items.append(item)
        if pos != end:
            raise Refused("undecodable")
        return items, pos

    def skip_fragments(self, pos: int) -> int:
        """Return the end of a nested encapsulated value (an icon's pixels, say)."""
        while True:
            self.need(pos + 8)
            group, number, length = self.implicit(self.buffer, pos)
            pos += 8
            if group << 16 | number == _SEQUENCE_END:
                return pos
            if group << 16 | number != _ITEM or length == UNDEFINED:
                raise Refused("undecodable")
            pos += length
            self.need(pos)


def _read_file_meta(window: bytes, pos: int) -> tuple[DataSet, int]:
    """Parse group 0002, Explicit VR Little Endian (PS3.10 7.1); its group length is not trusted."""
    parser = _Parser(window, little=True, complete=False)
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
    if plausible and (_vr_at(window, 4) or int.from_bytes(window[4:8], "little") < 1024):
        return 0
    if group == b"\x00\x08" and window[2] == 0 and _vr_at(window, 4):
        return 0  # big endian
    raise Refused("not-dicom")


def _guess_transfer_syntax(window: bytes, pos: int) -> str:
    """Name the encoding of a data set whose File Meta does not: the element at ``pos`` shows it."""
    if _vr_at(window, pos + 4):
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
        except (_NeedMoreError, struct.error):
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
    explicit = _vr_at(window, pos + 4)
    if explicit != encoding.explicit and pos + 8 <= len(window):
        warnings.append("transfer-syntax-mismatch")
    else:
        explicit = encoding.explicit
    parser = _Parser(window, little=encoding.little, complete=complete)
    head, _, stopped = parser.data_set(pos, None, explicit=explicit)
    pixels, tail = None, DataSet(b"", explicit, encoding.little)
    if stopped is not None:
        pixels, end = _locate_pixels(source, encoding, stopped)
        if end < source.size:
            if source.size - end > _MAX_HEADER:
                raise Refused("header-too-large")
            tail = _read_tail(source.read(end, source.size - end), explicit, encoding.little, warnings)
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
    parser = _Parser(data, little=True, complete=True)
    head, _, stopped = parser.data_set(0, None, explicit=True)
    pixels, tail = None, DataSet(b"", explicit=True, little=True)
    if stopped is not None:
        pixels, end = _locate_pixels(BytesSource(data), encoding, stopped)
        if isinstance(pixels.part, Range):
            pixels.part = data[pixels.part.offset : pixels.part.offset + pixels.part.length]
        tail = _read_tail(data[end:], True, True, warnings)
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
        if tag == _SEQUENCE_END:
            return fragments, pos + 8
        if tag != _ITEM or length == UNDEFINED:
            raise Refused("undecodable")
        fragments.append((pos + 8 - start, length))
        pos += 8 + length
        if pos > source.size:
            raise Refused("truncated")


def _read_tail(data: bytes, explicit: bool, little: bool, warnings: list[str]) -> DataSet:  # noqa: FBT001
    """Parse what follows Pixel Data; what cannot be read there is left out, with a warning.

    Pixels are whole by then, so an unreadable rest (padding, leftovers of a longer file) need not stop
    the image; it must only not be passed on.
    """
    parser = _Parser(data, little=little, complete=True)
    tail = DataSet(data, explicit, little)
    pos = 0
    try:
        while pos < len(data):
            parser.need(pos + 8)
            tag, vr, value, length = parser.header(pos, explicit=explicit)
            if tag in PIXEL_DATA or tag >> 16 < 8 or tag >> 16 == 0xFFFE:
                raise Refused("undecodable", tag)
            element = parser.element(pos, tag, vr, value, length, explicit=explicit, depth=0)
            tail.elements.append(element)
            pos = element.end
    except Refused:
        warnings.append("trailing-data-removed")
    return tail
