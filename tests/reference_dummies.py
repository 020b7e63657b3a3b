"""What stands in a sequence of Type 1 that is replaced, as the reference has it."""

from __future__ import annotations

import struct

from reference_values import REMOVED, even
from trees import File, Tree


def code_item(value: bytes, scheme: bytes, meaning: bytes) -> Tree:
    """Return a code."""
    return {
        0x00080100: ("SH", even(value)),
        0x00080102: ("SH", even(scheme)),
        0x00080104: ("LO", even(meaning)),
    }


def text(tree: Tree, tag: int) -> str:
    """Return a value as stripped text."""
    _vr, value = tree.get(tag, ("", b""))
    return value.decode("latin-1").strip(" \0") if isinstance(value, bytes) else ""


def dummy_items(tag: int, file: File) -> list[Tree]:
    """Return what stands in a sequence of Type 1 that is replaced."""
    code = code_item(REMOVED, b"99DICOMVEIL", REMOVED)
    if tag == 0x0040A730:
        concept = code_item(b"121106", b"DCM", b"Comment")
        text: Tree = {
            0x0040A010: ("CS", b"CONTAINS"),
            0x0040A040: ("CS", b"TEXT"),
            0x0040A043: ("SQ", [concept]),
            0x0040A160: ("UT", even(REMOVED)),
        }
        return [text]
    if tag == 0x0040A073:
        observer: Tree = {
            0x0040A027: ("LO", even(REMOVED)),
            0x0040A030: ("DT", b"19000101000000"),
            0x0040A075: ("PN", even(REMOVED)),
            0x0040A088: ("SQ", []),
        }
        return [observer]
    if tag in {0x00401101, 0x00080082, 0x0040A168}:
        return [code]
    if tag == 0x00081111:
        procedure_step = b"1.2.840.10008.3.1.2.3.3\0"
        return [{0x00081150: ("UI", procedure_step), 0x00081155: ("UI", b"2.25.0")}]
    if tag == 0x0040B020:
        order = "<" if file.little else ">"
        channels = struct.pack(order + "HH", 1, 0)
        return [{0x0040A0B0: ("US", channels), 0x00700006: ("ST", even(REMOVED))}]
    if tag == 0x00081072:
        return [{0x00080082: ("SQ", [code]), 0x00401101: ("SQ", [code])}]
    if tag == 0x00700001:
        return [graphic_annotation(file)]
    return []


def graphic_annotation(file: File) -> Tree:
    """Return a point in the first graphic layer."""
    layers = file.tree.get(0x00700060, ("SQ", []))[1]
    name = text(layers[0], 0x00700002) if isinstance(layers, list) and layers else ""
    order = "<" if file.little else ">"
    point: Tree = {
        0x00700005: ("CS", even(b"PIXEL")),
        0x00700020: ("US", struct.pack(order + "H", 2)),
        0x00700021: ("US", struct.pack(order + "H", 1)),
        0x00700022: ("FL", bytes(8)),
        0x00700023: ("CS", even(b"POINT")),
    }
    return {0x00700002: ("CS", even(name.encode("latin-1") or REMOVED)), 0x00700009: ("SQ", [point])}
