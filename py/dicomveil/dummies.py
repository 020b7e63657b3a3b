"""Dummy items for sequences that Table E.1-1 replaces (D): valid in their IODs, and the same for everyone."""

from __future__ import annotations

from dicomveil.encoding import DataSet
from dicomveil.values import DUMMY_TEXT, well_formed

__all__ = ["Item", "dummy_items"]

Item = list[tuple[int, str, object]]

_CODE: Item = [
    (0x00080100, "SH", DUMMY_TEXT),
    (0x00080102, "SH", b"99DICOMVEIL"),
    (0x00080104, "LO", DUMMY_TEXT),
]
#: (121106, DCM, "Comment") with a text: PS3.3 C.17.3, a content item that stands for a removed tree.
_CONTENT_ITEM: Item = [
    (0x0040A010, "CS", b"CONTAINS"),
    (0x0040A040, "CS", b"TEXT"),
    (
        0x0040A043,
        "SQ",
        [[(0x00080100, "SH", b"121106"), (0x00080102, "SH", b"DCM"), (0x00080104, "LO", b"Comment")]],
    ),
    (0x0040A160, "UT", DUMMY_TEXT),
]
_OBSERVER: Item = [
    (0x0040A027, "LO", DUMMY_TEXT),
    (0x0040A030, "DT", b"19000101000000"),
    (0x0040A075, "PN", DUMMY_TEXT),
    (0x0040A088, "SQ", []),
]
_OPERATOR: Item = [(0x00401101, "SQ", [_CODE]), (0x00080082, "SQ", [_CODE])]
#: Modality Performed Procedure Step, PS3.4 F.7; the UID stands for none.
_PROCEDURE_STEP: Item = [(0x00081150, "UI", b"1.2.840.10008.3.1.2.3.3"), (0x00081155, "UI", b"2.25.0")]
_WAVEFORM_ANNOTATION: Item = [(0x0040A0B0, "US", b"\x01\x00\x00\x00"), (0x00700006, "ST", DUMMY_TEXT)]
_GRAPHIC_LAYER, _GRAPHIC_LAYER_SEQUENCE = 0x00700002, 0x00700060


def _graphic_annotation(top: DataSet) -> Item:
    """A single point in the first layer that the presentation state has, PS3.3 C.10.5."""
    layers = top.find(_GRAPHIC_LAYER_SEQUENCE)
    layer = next((item.text(_GRAPHIC_LAYER) for item in (layers.items or [] if layers else [])), "")
    point: Item = [
        (0x00700005, "CS", b"PIXEL"),
        (0x00700020, "US", b"\x02\x00"),
        (0x00700021, "US", b"\x01\x00"),
        (0x00700022, "FL", bytes(8)),
        (0x00700023, "CS", b"POINT"),
    ]
    name = layer.encode("latin-1")
    name = name if name and well_formed("CS", name) else DUMMY_TEXT
    return [(_GRAPHIC_LAYER, "CS", name), (0x00700009, "SQ", [point])]


def dummy_items(tag: int, top: DataSet) -> list[Item]:
    """Return the items that replace those of a sequence; ``top`` is the instance's data set.

    A sequence without a known dummy becomes empty: nothing of it is passed on.
    """
    if tag == 0x0040A730:  # Content Sequence
        return [_CONTENT_ITEM]
    if tag == 0x0040A073:  # Verifying Observer Sequence
        return [_OBSERVER]
    if tag in {0x00401101, 0x00080082, 0x0040A168}:  # codes of persons, institutions, content items
        return [_CODE]
    if tag == 0x00081111:  # Referenced Performed Procedure Step Sequence
        return [_PROCEDURE_STEP]
    if tag == 0x0040B020:  # Waveform Annotation Sequence
        return [_WAVEFORM_ANNOTATION]
    if tag == 0x00081072:  # Operator Identification Sequence
        return [_OPERATOR]
    if tag == 0x00700001:  # Graphic Annotation Sequence
        return [_graphic_annotation(top)]
    return []
