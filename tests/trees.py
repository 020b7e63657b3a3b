"""Data sets as trees of raw values, the way pydicom reads them: what two readings are compared by."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom import dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_sequence
from pydicom.sequence import Sequence

from dicomveil import tables
from reference_values import even

Tree = dict[int, tuple[str, "bytes | list[Tree]"]]

#: Stands for any UID that is new.
NEW_UID = b"2.25."


@dataclass
class File:
    """What pydicom reads of a file: its transfer syntax and the raw tree of its data set."""

    ds: FileDataset
    tree: Tree
    explicit: bool
    little: bool


def read(data: bytes) -> File:
    """Read a file by pydicom without converting any value."""
    ds = dcmread(io.BytesIO(data), force=True)
    implicit, little = ds.original_encoding
    return File(ds, tree_of(ds), explicit=not implicit, little=bool(little))


def raw_elements(ds: Dataset) -> Iterator[RawDataElement | DataElement]:
    """Yield the elements as pydicom holds them before conversion."""
    for tag in sorted(ds.keys()):
        yield ds.get_item(tag)


def tree_of(ds: Dataset) -> Tree:
    """Return tag -> (VR, value bytes or items) at every depth; the VR is PS3.6's where none is encoded."""
    tree: Tree = {}
    for elem in raw_elements(ds):
        tag = int(elem.tag)
        vrs = tables.element_vrs(tag) or ("UN",)
        vr = elem.VR or vrs[0]
        if isinstance(elem, DataElement):
            if isinstance(elem.value, Sequence):
                tree[tag] = ("SQ", [tree_of(item) for item in elem.value])
            else:
                tree[tag] = (vr, as_bytes(elem))
            continue
        value = elem.value or b""
        if vr == "SQ" or (vr == "UN" and (vrs == ("SQ",) or listed_vr(ds, tag) == "SQ")):
            implicit = elem.is_implicit_VR if vr == "SQ" else True
            items = read_sequence(io.BytesIO(value), implicit, elem.is_little_endian, len(value), "iso8859")
            tree[tag] = ("SQ", [tree_of(item) for item in items])
        else:
            tree[tag] = (vr, value)
    return tree


def listed_vr(ds: Dataset, tag: int) -> str | None:
    """Return the VR that Table E.3.10-1 of PS3.15 gives for a private element, if it is there."""
    creator = tag & 0xFFFF0000 | tag >> 8 & 0xFF
    if not tag >> 16 & 1 or creator not in ds:
        return None
    elem = ds.get_item(creator)
    value = elem.value if isinstance(elem.value, bytes) else str(elem.value).encode()
    listed = tables.safe_private().get(value.decode("latin-1").strip(" \0"), {})
    return listed.get(f"{tag >> 16:04X}{tag & 0xFF:02X}")


def as_bytes(elem: DataElement) -> bytes:
    """Return the bytes of an element that pydicom converted on reading (Specific Character Set)."""
    if isinstance(elem.value, bytes):
        return elem.value
    values: Any = [elem.value] if elem.VM < 2 else elem.value
    return even("\\".join("" if value is None else str(value) for value in values).encode("latin-1"))


def differences(expected: Tree, found: Tree, *, explicit: bool, path: str = "") -> list[str]:
    """Return where two trees differ, without the values: they may be a patient's."""
    out = []
    for tag in sorted(expected.keys() | found.keys()):
        here = f"{path}({tag >> 16:04X},{tag & 0xFFFF:04X})"
        if tag not in found:
            out.append(f"{here} is missing")
        elif tag not in expected:
            out.append(f"{here} should not be there")
        else:
            (vr, value), (found_vr, found_value) = expected[tag], found[tag]
            if explicit and vr != found_vr and " or " not in vr + found_vr:
                out.append(f"{here} has VR {found_vr}, not {vr}")
            if isinstance(value, list) and isinstance(found_value, list):
                if len(value) != len(found_value):
                    out.append(f"{here} has {len(found_value)} items, not {len(value)}")
                for number, (item, found_item) in enumerate(zip(value, found_value, strict=False)):
                    out += differences(item, found_item, explicit=explicit, path=f"{here}[{number + 1}]")
            elif value == NEW_UID:
                if not isinstance(found_value, bytes) or not found_value.startswith(NEW_UID):
                    out.append(f"{here} is no new UID")
            elif value != found_value:
                out.append(f"{here} has another value")
    return out
