"""View: what a person sees of an instance before and after cleaning. For the screen only.

Everything here holds values of the input: it goes to the page that shows it and nowhere else, never to a log,
a message, storage or the report.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dicomveil.charset import declared_encodings, decode_text
from dicomveil.cleaning import Cleaner
from dicomveil.encoding import DataSet, Element
from dicomveil.errors import Refused, format_tag
from dicomveil.inspecting import Inspection
from dicomveil.pixels.decode import Description, FrameReader, drawable
from dicomveil.pixels.palette import read_palette
from dicomveil.planning import Plan, Step
from dicomveil.reading import Instance
from dicomveil.redacting import is_redactable, is_viewable
from dicomveil.source import Part
from dicomveil.tables import element_keyword, element_name, uid_name

__all__ = ["MAX_ROWS", "Shown", "frame_view", "header_rows", "summary"]

_ENCODED_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_TEXT_VRS = _ENCODED_VRS | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"}
_NUMBERS = {
    "FD": "d",
    "FL": "f",
    "SL": "i",
    "SS": "h",
    "SV": "q",
    "UL": "I",
    "US": "H",
    "UV": "Q",
}
#: Bytes of what is turned around where a value is big endian (PS3.5 6.2, 7.3).
_CELLS = {"FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8} | {
    "AT": 2,
    "OD": 8,
    "OF": 4,
    "OL": 4,
    "OV": 8,
    "OW": 2,
}
_MAX_TEXT = 256
MAX_ROWS = 5000  #: of an image, or of all images of a series together
_MAX_FRAME_TIME = 60_000.0  # ms


def _shown(vr: str, value: bytes, encodings: tuple[str, ...], *, little: bool) -> str:
    """Return a value as text of at most 256 characters; numbers are listed, bulk data only measured."""
    if vr in _ENCODED_VRS:
        text = decode_text(value[: 4 * _MAX_TEXT], encodings)
        return text.strip(" \0")[:_MAX_TEXT]
    if vr in _TEXT_VRS:
        return value[:_MAX_TEXT].decode("latin-1").strip(" \0")
    kind = _NUMBERS.get(vr)
    if kind is not None and len(value) % struct.calcsize(kind) == 0:
        count = min(len(value) // struct.calcsize(kind), 32)
        return "\\".join(
            f"{number:g}" for number in struct.unpack_from(f"{'<>'[not little]}{count}{kind}", value)
        )
    if vr == "AT":
        pairs = struct.unpack_from(f"{'<>'[not little]}{len(value) // 4 * 2}H", value)
        return "\\".join(format_tag(a << 16 | b) for a, b in zip(pairs[::2], pairs[1::2], strict=True))[
            :_MAX_TEXT
        ]
    return f"[{len(value)}]"


def _row(step: Step, path: list[str], before: str, after: str | None) -> dict[str, Any]:
    tag = step.element.tag
    code = step.decision.code
    return {
        "path": path,
        "tag": tag,
        "name": element_name(tag),
        "keyword": element_keyword(tag),
        "vr": step.vr,
        "action": step.decision.action,
        "rule": f"PS3.15 E.1-1 {code}" if code else "",
        "option": step.decision.option,
        "reason": step.decision.reason,
        "before": before,
        "after": after,
    }


class Shown(NamedTuple):
    """An element as the screen shows it.

    ``place`` lists tag and number of the item (from 1) for each sequence around it, then its own tag and 0:
    places sort as the data set does. ``value`` tells all of its value, of which ``row`` may show the
    beginning only, whatever its encoding; it is empty for a sequence whose items follow.
    """

    place: tuple[int, ...]
    row: dict[str, Any]
    value: bytes


def _plain(vr: str, value: bytes, *, little: bool) -> bytes:
    if vr in _TEXT_VRS:
        return value.strip(b" \0")
    cell = 1 if little else _CELLS.get(vr, 1)
    if cell == 1:
        return value
    return b"".join(value[at : at + cell][::-1] for at in range(0, len(value), cell))


def _content(data_set: DataSet, element: Element, vr: str) -> bytes:
    """Return what an element holds: the same whatever the byte order, padding and lengths of its encoding."""
    if element.items is None:
        return _plain(vr, data_set.value(element), little=data_set.little)
    found = bytearray()
    for item in element.items:
        found += struct.pack(">Q", len(item.elements))
        for one in item.elements:
            content = _content(item, one, one.vr)
            found += struct.pack(">IQ", one.tag, len(content)) + content
    return bytes(found)


def header_rows(instance: Instance, plan: Plan, cleaner: Cleaner) -> Iterator[Shown]:
    """Yield every element, parents before the elements of their items.

    ``path`` of a row lists the enclosing items as ``(gggg,eeee)[n]``, n from 1; ``after`` is ``None`` where
    the element is removed.
    """

    def visit(
        steps: list[Step], place: tuple[int, ...], path: list[str], encodings: tuple[str, ...]
    ) -> Iterator[Shown]:
        for step in steps:
            data_set, element = step.data_set, step.element
            here = (*place, element.tag)
            removed = step.decision.action == "X"
            if element.items is not None or step.vr == "SQ":
                count = len(element.items or ())
                kept = len(step.items) if step.items is not None else int(step.decision.action == "D")
                row = _row(step, path, f"[{count}]", None if removed else f"[{kept}]")
                yield Shown((*here, 0), row, b"" if step.items else _content(data_set, element, step.vr))
                for number, item in enumerate(step.items or (), 1):
                    nested = declared_encodings(item[0].data_set, encodings) if item else encodings
                    inside = [*path, f"{format_tag(element.tag)}[{number}]"]
                    yield from visit(item, (*here, number), inside, nested)
                continue
            value, little = data_set.value(element), data_set.little
            before = _shown(step.vr, value, encodings, little=little)
            after = None
            if not removed:
                after = _shown(step.vr, cleaner.new_value(step), encodings, little=little)
            row = _row(step, path, before, after)
            yield Shown((*here, 0), row, _content(data_set, element, step.vr))

    return visit(plan.steps, (), [], declared_encodings(instance.head))


def summary(instance: Instance, inspection: Inspection) -> dict[str, Any]:
    """Return what the page's list shows of an instance."""
    head = instance.head
    encodings = declared_encodings(head)

    def text(tag: int) -> str:
        element = head.find(tag)
        return "" if element is None else _shown("LO", head.value(element), encodings, little=True)

    return {
        "patient": {"key": inspection.patient, "name": text(0x00100010), "id": text(0x00100020)},
        "study": {"uid": inspection.study_uid, "date": text(0x00080020), "description": text(0x00081030)},
        "series": {
            "uid": inspection.series_uid,
            "number": text(0x00200011),
            "description": text(0x0008103E),
            "modality": inspection.modality,
        },
        "instance": {"uid": inspection.instance_uid, "number": text(0x00200013)},
        "device": {"manufacturer": text(0x00080070), "model": text(0x00081090)},
        "sop_class": inspection.sop_class,
        "sop_class_name": uid_name(inspection.sop_class),
        "transfer_syntax": inspection.transfer_syntax,
        "transfer_syntax_name": uid_name(inspection.transfer_syntax),
        "rows": inspection.rows,
        "columns": inspection.columns,
        "frames": inspection.frames,
        "frame_time": _frame_time(head),
        "risks": list(inspection.risks),
        "preview": is_viewable(instance),
        "redactable": is_redactable(instance),
        "has_pixels": inspection.has_pixels,
        "header_bytes": len(head.buffer),
    }


def _frame_time(head: DataSet) -> float | None:
    """Return milliseconds from one frame to the next (PS3.3 C.7.6.5), if the data set tells them."""
    times = _decimals(head, 0x00181063) or [time for time in _decimals(head, 0x00181065) if time > 0]
    # Recommended Display Frame Rate or Cine Rate, in frames a second
    rates = _decimals(head, 0x00082144) or _decimals(head, 0x00180040)
    found = times[0] if times else 1000 / rates[0] if rates and rates[0] > 0 else 0.0
    return found if 0 < found < _MAX_FRAME_TIME else None


def _decimals(data_set: DataSet | None, tag: int) -> list[float]:
    try:
        return [float(part) for part in (data_set.text(tag) if data_set else "").split("\\") if part.strip()]
    except ValueError:
        return []


def _macro(instance: Instance, frame: int, sequence: int) -> DataSet | None:
    """Return a functional group macro's item for a frame (PS3.3 C.7.6.16), or else the data set itself."""
    for groups, index in ((0x52009230, frame), (0x52009229, 0)):
        element = instance.head.find(groups)
        items = element.items if element else None
        if items and index < len(items):
            macro = items[index].find(sequence)
            if macro is not None and macro.items:
                return macro.items[0]
    return instance.head


def _palette(instance: Instance) -> Mapping[str, Any] | None:
    """Return the palette as 8-bit RGB triplets in hexadecimal (PS3.3 C.7.6.3.1.5), if it can be read."""
    palette = read_palette(instance.head)
    if palette is None:
        return None
    down = palette.bits - 8
    entries = zip(palette.red, palette.green, palette.blue, strict=True)
    return {"first": palette.first, "rgb": bytes(value >> down for entry in entries for value in entry).hex()}


def frame_view(frames: FrameReader, index: int) -> tuple[dict[str, Any], Part]:
    """Return what is needed to draw one frame (from 0), and where its bytes are.

    Native frames of 8 and 16 bits are shown from where they lie. All others are decoded: to interleaved cells
    in little endian, JPEG's and JPEG 2000's YBR to RGB, single bits to a byte each; ``note`` is ``scaled``
    where floating values became 16 bits (``slope`` and ``intercept`` give them back), else ``None``.

    Raises:
        Refused: ``pixels-undecodable``, also for a frame that there is not; ``pixels-not-loaded``.
    """
    instance, layout = frames.instance, frames.layout
    if not is_viewable(instance) or not 0 <= index < layout.frames:
        raise Refused("pixels-undecodable")
    words = not layout.little and instance.pixels is not None and instance.pixels.vr == "OW"
    as_stored = is_redactable(instance) and frames.coding == "native"
    as_stored = as_stored and layout.allocated in ({16} if words else {8, 16})
    described = Description(layout.photometric, layout.stored, layout.high, layout.signed)
    if as_stored:
        part = frames.native_part(index)
        cells, planar, big_endian = layout.allocated, int(layout.planar), not layout.little
    else:
        array, described = drawable(*frames.array(index))
        part, cells, planar, big_endian = array.tobytes(), 8 * array.dtype.itemsize, 0, False
    transformation = _macro(instance, index, 0x00289145)
    voi = _macro(instance, index, 0x00289132)
    slope, intercept = _decimals(transformation, 0x00281053), _decimals(transformation, 0x00281052)
    factor, offset = slope[0] if slope else 1.0, intercept[0] if intercept else 0.0
    centers, widths = _decimals(voi, 0x00281050), _decimals(voi, 0x00281051)
    padding = instance.head.numbers(0x00280120)
    view = {
        "rows": layout.rows,
        "columns": layout.columns,
        "frames": layout.frames,
        "samples": layout.samples,
        "bits_allocated": cells,
        "bits_stored": described.bits_stored,
        "high_bit": described.high_bit,
        "signed": described.signed,
        "photometric": described.photometric,
        "planar": planar,
        "big_endian": big_endian,
        "slope": factor * described.slope,
        "intercept": factor * described.intercept + offset,
        "windows": [list(pair) for pair in zip(centers, widths, strict=False)],
        "padding": padding[0] if padding and not described.note else None,
        "palette": _palette(instance) if layout.photometric == "PALETTE COLOR" else None,
        "note": described.note,
    }
    return view, part
