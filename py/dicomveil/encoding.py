"""The encoding of data elements: where each lies in a window of bytes, nested items included (PS3.5 7)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from dicomveil.errors import Refused
from dicomveil.tables import element_vrs

__all__ = [
    "LONG_VRS",
    "PIXEL_DATA",
    "UNDEFINED",
    "DataSet",
    "Element",
    "NeedMoreError",
    "Parser",
    "parse_items",
    "vr_at",
]

PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
#: VRs with a 32-bit length in explicit encodings, PS3.5 7.1.2.
LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_SHORT_VRS = ("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS")
VRS = LONG_VRS | {*_SHORT_VRS, "ST", "TM", "UI", "UL", "US"}

_VR_NAMES = {vr.encode(): vr for vr in VRS}
_MAX_DEPTH = 64


class NeedMoreError(Exception):
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
    _index: dict[int, Element] | None = field(default=None, repr=False)

    def value(self, element: Element) -> bytes:
        """Return the value bytes of one of the elements."""
        return self.buffer[element.value : element.end]

    def find(self, tag: int) -> Element | None:
        """Return the last element with ``tag``, as a reader that keeps a dictionary would."""
        if self._index is None:
            self._index = {element.tag: element for element in self.elements}
        return self._index.get(tag)

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


def vr_at(buffer: bytes, at: int) -> bool:
    """Tell whether two upper-case letters, and so perhaps a VR, stand at ``at``."""
    return len(buffer) >= at + 2 and 65 <= buffer[at] <= 90 and 65 <= buffer[at + 1] <= 90


def parse_items(data_set: DataSet, element: Element) -> list[DataSet]:
    """Parse the items of a sequence of defined length that was passed over: a private one, or in ``UN``."""
    parser = Parser(data_set.buffer, little=data_set.little, complete=True)
    explicit = data_set.explicit and element.vr == "SQ"
    return parser.items(element.value, element.end, explicit=explicit, depth=1)[0]


class Parser:
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
        """Raise if the window ends before ``offset``: for good (``truncated``) or for a wider window."""
        if offset > self.size:
            if self.complete:
                raise Refused("truncated")
            raise NeedMoreError(offset)

    def data_set(
        self, pos: int, end: int | None, *, explicit: bool, depth: int = 0
    ) -> tuple[DataSet, int, tuple[int, str, int, int] | None]:
        """Parse elements from ``pos`` to ``end`` (``None``: the item delimiter; at depth 0 the data's end).

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
                if tag == ITEM_END and end is None and depth:
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
            if not vr_at(self.buffer, pos + 4):
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
            if tag == SEQUENCE_END:
                # also seen, against PS3.5, before the defined end of a sequence
                return items, pos if end is None else end
            if tag != ITEM:
                raise Refused("undecodable")
            # Items are met that are implicit inside an explicit data set: look at the first element.
            first = pos + 8 <= self.size and length >= 8
            nested_explicit = vr_at(self.buffer, pos + 4) if explicit and first else explicit
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
            if group << 16 | number == SEQUENCE_END:
                return pos
            if group << 16 | number != ITEM or length == UNDEFINED:
                raise Refused("undecodable")
            pos += length
            self.need(pos)
