"""A second, compact reading of DICOM files, for verification alone.

It shares no code with ``reading``: what one overlooks the other may see. Pixel Data is never read: a native
value is skipped by its length, an encapsulated one by walking its item headers (PS3.5 Section A.4).

Two manners. *Strict* is for a finished output, where everything must be as PS3.5 and PS3.10 want it; the
first fault ends the reading. *Tolerant* is for an input, out of which identifiers are collected: it accepts
what other readers accept (no preamble, group lengths, odd lengths, unordered tags, public sequences inside
``UN``, an encoding that differs from the declared one) and gives up only where the structure itself cannot be
followed.

Bounded for hostile files: in depth, in the number of elements, in the length of a value held in memory and in
the bytes that a deflated file inflates to.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from dicomveil import tables
from dicomveil.source import BytesSource, Source
from dicomveil.verify_inflating import WINDOW, Inflated, Malformed

__all__ = ["PIXEL_TAGS", "Element", "Malformed", "Reading", "standard_vr"]

IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
_EXPLICIT = "1.2.840.10008.1.2.1"
_NATIVE = frozenset({IMPLICIT, _EXPLICIT, BIG_ENDIAN, "1.2.840.10008.1.2.1.99"})
#: Transfer syntaxes whose whole data set is deflated (PS3.5 Section A.5, PS3.5 Sections A.6 to A.8 for JPIP).
_DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})

#: Float Pixel Data, Double Float Pixel Data, Pixel Data.
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_VR_NAMES = (
    "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV"
)
#: The VRs of PS3.5 Table 6.2-1, as encoded.
VRS = {name.encode(): name for name in _VR_NAMES.split()}
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_CHARSET = 0x00080005

_MAX_DEPTH = 64
_MAX_ELEMENTS = 5_000_000
_MAX_VALUE = 1 << 28


class Element(NamedTuple):
    """One data element that is not a delimiter.

    ``value`` is ``None`` for Pixel Data and for a sequence that is not empty. ``parents`` are the tags of the
    enclosing sequences, outermost first; ``charset`` is the raw Specific Character Set in force.
    """

    tag: int
    vr: str
    value: bytes | None
    parents: tuple[int, ...]
    charset: bytes


Only = tuple[frozenset[str], frozenset[int]]


class _Frame(NamedTuple):
    """What to go back to when an item or a sequence ends."""

    sequence: int
    end: int | None
    last: int
    parents: tuple[int, ...]
    charset: bytes
    explicit: bool


class Reading:
    """One reading of one file. Iterate over :meth:`elements` once; ``meta`` is there from the start.

    ``bare`` is for a data set without File Meta Information, implicit VR, little endian; ``only`` leaves out
    elements that are neither sequences nor of these VRs, as encoded or as PS3.6 has them, or tags.

    Raises:
        Malformed: from the constructor and while iterating.
    """

    def __init__(self, source: Source, *, strict: bool, bare: bool = False, only: Only | None = None) -> None:
        self._source: Source | Inflated = source
        self._strict = strict
        #: File Meta Information, tag -> raw value, without its group length.
        self.meta: dict[int, bytes] = {}
        #: Tags of sequences that have at least one item, at any depth.
        self.filled: set[int] = set()
        #: (offset, length) of the values of the items of encapsulated Pixel Data, and a native one's length.
        self.items: list[tuple[int, int]] = []
        self.pixel_bytes = 0
        self._data = source.read(0, 1 << 14)
        self._base = self._start = 0
        self._bare = bare
        self._only = only
        if bare:
            self.transfer_syntax, self.little, self.explicit = IMPLICIT, True, False
            return
        start = self._read_meta()
        uid = self.meta.get(0x00020010, b"").rstrip(b"\0 ").decode("ascii", "replace")
        if strict and not tables.is_standard_uid(uid):
            raise Malformed("unsupported-transfer-syntax", 0x00020010)
        self.transfer_syntax = uid
        self.little = uid != BIG_ENDIAN
        self.explicit = uid != IMPLICIT
        if uid in _DEFLATED:
            self._source = Inflated(source, start)
            self._data, self._base, start = b"", 0, 0
        self._start = start

    def elements(self) -> Iterator[Element]:
        """Yield every data element in the order of the file; a sequence comes before its contents."""
        if not (self._strict or self._bare):
            self._look_at_encoding()
        yield from self._walk(self._start, None, explicit=self.explicit)
        if self._strict and isinstance(self._source, Inflated) and self._source.rest():
            raise Malformed("output-malformed")

    def _fail(self, tag: int | None = None) -> Malformed:
        return Malformed("output-malformed" if self._strict else "input-unchecked", tag)

    def _load(self, position: int, need: int, window: int = WINDOW) -> int:
        """Have ``need`` bytes of the file at ``position`` in the window; return how many are there."""
        low = position - self._base
        if low >= 0 and low + need <= len(self._data):
            return len(self._data) - low
        have = self._data[low:] if 0 <= low <= len(self._data) else b""
        more = self._source.read(position + len(have), max(need - len(have), window))
        self._data, self._base = have + more, position
        return len(self._data)

    def _read_meta(self) -> int:
        """Read the File Meta Information (PS3.10 Section 7.1) and return where the data set begins."""
        data = self._data
        position = 132
        if data[128:132] != b"DICM":
            if self._strict:
                raise Malformed("not-dicom")
            position = 0
        elif self._strict and data[:128] != bytes(128):
            raise self._fail()
        end: int | None = None
        last = 0
        while (left := self._load(position, 12)) >= 8:
            low = position - self._base
            group, element, vr, length = struct.unpack_from("<HH2sH", self._data, low)
            tag = group << 16 | element
            if group != 0x0002 or position == end:
                break
            if tag <= last and self._strict:
                raise self._fail(tag)
            last = tag
            position += 8
            if vr in _LONG:
                if left < 12:
                    break
                (length,) = struct.unpack_from("<L", self._data, low + 8)
                position += 4
            if length > WINDOW or self._load(position, length) < length:
                raise Malformed("truncated", tag)
            low = position - self._base
            value = self._data[low : low + length]
            position += length
            if tag != 0x00020000:
                self.meta[tag] = value
            elif length == 4:
                end = position + int.from_bytes(value, "little")
            if self._strict and length % 2:
                raise self._fail(tag)
        if self._strict and (end is None or position != end):
            raise self._fail(0x00020000)
        return position

    def _look_at_encoding(self) -> None:
        """Follow the data rather than the declaration, as other readers do."""
        if self._load(self._start, 8) < 8:
            return
        low = self._start - self._base
        head = self._data[low : low + 8]
        if not self.transfer_syntax:
            self.little = head[1] == 0 or head[0] != 0
        self.explicit = head[4:6] in VRS

    def _walk(self, p: int, end: int | None, *, explicit: bool) -> Iterator[Element]:
        """Walk a data set from position ``p``; ``end`` is ``None`` at the end of the file."""
        strict = self._strict
        order = "<" if self.little else ">"
        head = struct.Struct(order + "HH2sH").unpack_from
        long_length = struct.Struct(order + "L").unpack_from
        frames: list[_Frame] = []
        parents: tuple[int, ...] = ()
        charset = b""
        last = -1
        sequence = 0  # the tag of the sequence between whose items we are; 0 inside a data set
        known = _dictionary
        only = self._only
        count = 0
        data, base = self._data, self._base
        while True:
            if p == end:
                if not frames:
                    return
                sequence, end, last, parents, charset, explicit = frames.pop()
                continue
            i = p - base
            if i + 12 > len(data) or i < 0:
                left = self._load(p, 12)
                data, base = self._data, self._base
                i = p - base
                if left < 8:
                    if frames or (strict and left):
                        raise Malformed("truncated", parents[-1] if parents else None)
                    return
            group, element, vr_raw, length = head(data, i)
            tag = group << 16 | element
            if group == 0xFFFE:
                (length,) = long_length(data, i + 4)
                p += 8
                if sequence and tag == _ITEM:
                    self.filled.add(sequence)
                    frames.append(_Frame(sequence, end, last, parents, charset, explicit))
                    if len(frames) > _MAX_DEPTH * 2:
                        raise Malformed("undecodable", sequence)
                    if length == _UNDEFINED:
                        inner = None
                    else:
                        inner = p + length
                        if end is not None and inner > end:
                            raise self._fail(sequence)
                    parents, end, sequence, last = (*parents, sequence), inner, 0, -1
                    if not strict and length and self._load(p, 8) >= 8:
                        data, base = self._data, self._base
                        explicit = _seems_explicit(data[p - base : p - base + 8], explicit=explicit)
                    continue
                ends = _SEQUENCE_END if sequence else _ITEM_END
                if tag == ends and end is None and frames and not (strict and length):
                    sequence, end, last, parents, charset, explicit = frames.pop()
                    continue
                raise self._fail(sequence or (parents[-1] if parents else tag))
            if sequence:
                raise self._fail(sequence)
            count += 1
            if count > _MAX_ELEMENTS:
                raise Malformed("header-too-large")
            if explicit:
                if vr_raw in _LONG:
                    if i + 12 > len(data):
                        raise Malformed("truncated", tag)
                    (length,) = long_length(data, i + 8)
                    p += 12
                else:
                    p += 8
                vr = VRS.get(vr_raw, "")
                if not vr:
                    if strict or not group:
                        if not group and not strict and not any(data[i : i + 8]):
                            return  # zeros behind the last element
                        raise self._fail(tag)
                    vr = "UN"
            else:
                (length,) = long_length(data, i + 4)
                p += 8
                if not strict and not tag and not length:
                    return
                vr = known.get(tag) or _look_up(tag)
            if strict and tag <= last:
                raise self._fail(tag)
            last = tag
            if vr == "SQ" or (length == _UNDEFINED and (parents or tag not in PIXEL_TAGS)):
                if vr != "SQ":
                    if strict:
                        raise self._fail(tag)
                    if vr in {"OB", "OW"}:
                        p = self._skip_fragments(p, tag)
                        data, base = self._data, self._base
                        continue
                if not length:
                    yield Element(tag, "SQ", b"", parents, charset)
                    continue
                yield Element(tag, "SQ", None, parents, charset)
                frames.append(_Frame(0, end, last, parents, charset, explicit))
                inner = None if length == _UNDEFINED else p + length
                if inner is not None and end is not None and inner > end:
                    raise self._fail(tag)
                explicit = explicit and vr == "SQ"  # PS3.5 Section 6.2.2: UN of undefined length is implicit
                end, sequence = inner, tag
                continue
            if tag in PIXEL_TAGS and not parents:
                yield Element(tag, vr, None, parents, charset)
                if length == _UNDEFINED:
                    if strict and (self.transfer_syntax in _NATIVE or tag != 0x7FE00010):
                        raise self._fail(tag)
                    p = self._skip_fragments(p, tag)
                    data, base = self._data, self._base
                    continue
                p += length
                self.pixel_bytes = length
                if strict and length % 2:
                    raise self._fail(tag)
                if not self._exists(p):
                    raise Malformed("truncated", tag)
                data, base = self._data, self._base
                continue
            if end is not None and p + length > end:
                raise self._fail(tag)
            i = p - base
            if i + length > len(data) or i < 0:
                if length > _MAX_VALUE:
                    raise Malformed("header-too-large" if self._exists(p + length) else "truncated", tag)
                if self._load(p, length) < length:
                    raise Malformed("truncated", tag)
                data, base = self._data, self._base
                i = p - base
            value = data[i : i + length]
            p += length
            if length & 1 and strict:
                raise self._fail(tag)
            if vr == "UN" and not strict and length:
                actual = known.get(tag) or _look_up(tag)
                if actual == "SQ":
                    yield Element(tag, "SQ", None, parents, charset)
                    yield from self._nested(tag, value, parents, charset)
                    continue
                vr = actual
            if tag == _CHARSET:
                charset = value
            if (
                only is not None
                and vr not in only[0]
                and tag not in only[1]
                and (known.get(tag) or _look_up(tag)) not in only[0]
            ):
                continue
            yield Element(tag, vr, value, parents, charset)

    def _nested(self, tag: int, value: bytes, parents: tuple[int, ...], charset: bytes) -> Iterator[Element]:
        """Read a public sequence that hides inside a ``UN`` value: implicit, little endian (PS3.5 6.2.2)."""
        head = struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value))
        inner = Reading(BytesSource(head + value), strict=False, bare=True, only=self._only)
        for element in inner.elements():
            if element.parents:
                own = element.charset or charset
                yield Element(element.tag, element.vr, element.value, parents + element.parents, own)

    def _exists(self, position: int) -> bool:
        """Tell whether the file reaches to ``position``."""
        if isinstance(self._source, Inflated):
            while self._base + len(self._data) < position:
                reach = self._base + len(self._data)
                if self._load(reach, min(WINDOW, position - reach)) == 0:
                    return False
            return True
        return position <= self._source.size

    def _skip_fragments(self, p: int, tag: int) -> int:
        """Walk the items of encapsulated Pixel Data (PS3.5 Section A.4); return where they end."""
        unpack = struct.Struct("<HHL" if self.little else ">HHL").unpack_from
        length = 0
        while True:
            i = p - self._base
            if i < 0 or i + 8 > len(self._data):
                # Small fragments are read through, large ones jumped over.
                window = WINDOW if length < WINDOW >> 1 else 64
                left = self._load(p, 8, window) if self._exists(p) else -1
                if 0 <= left < 8 and not self._strict:
                    return p  # the delimiter is missing, as some writers leave it
                if left < 8:
                    raise Malformed("truncated", tag)
                i = p - self._base
            group, element, length = unpack(self._data, i)
            p += 8
            if group != 0xFFFE:
                raise self._fail(tag)
            if element == 0xE0DD:
                if self._strict and length:
                    raise self._fail(tag)
                return p
            if element != 0xE000 or length == _UNDEFINED or (self._strict and length % 2):
                raise self._fail(tag)
            if self._strict:
                self.items.append((p, length))
            p += length


def _seems_explicit(head: bytes, *, explicit: bool) -> bool:
    """Tell how an item's first element is encoded; delimiters and rests say nothing."""
    if len(head) < 8 or head[:2] in {b"\xfe\xff", b"\xff\xfe"}:
        return explicit
    return head[4:6] in VRS


#: tag -> VR, filled as tags are met. Ambiguous VRs of PS3.6 are numbers: read as OW if they may be.
_dictionary: dict[int, str] = {}


def standard_vr(tag: int) -> str:
    """Return the VR that PS3.6 gives a tag; of private ones those of creators are known, else ``UN``."""
    return _dictionary.get(tag) or _look_up(tag)


def _look_up(tag: int) -> str:
    vrs = tables.element_vrs(tag)
    if vrs is not None:
        vr = "OW" if "OW" in vrs else vrs[0]
    elif tag & 0xFFFF == 0:
        vr = "UL"
    elif tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
        vr = "LO"
    else:
        vr = "UN"
    if len(_dictionary) < 20_000:
        _dictionary[tag] = vr
    return vr
