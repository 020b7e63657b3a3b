"""The same de-identification by pydicom alone: what the pipeline must give, element by element.

Written from PS3.15 Annex E, DESIGN.md and the decisions that ``planning`` and ``rules`` document; it shares
the tables, the pseudonyms and the version with the package, and nothing else. It is slow and simple: pydicom
reads the data elements raw, and every element either keeps its bytes or gets new ones.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pydicom import dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_sequence
from pydicom.sequence import Sequence

import dicomveil
from dicomveil import tables
from dicomveil.pseudonyms import Pseudonyms

Tree = dict[int, tuple[str, "bytes | list[Tree]"]]

LONG_DATES, SHIFTED_DATES = "retain_longitudinal_full_dates", "retain_longitudinal_modified_dates"
DATES = {"DA", "TM", "DT"}
TEXT = {"SH", "LO", "ST", "LT", "UC", "UT"}
IDENTIFYING = {"AE", "AS", "PN", "UR"}
BULK = {"OB", "OD", "OF", "OL", "OV", "OW"}
UNIT = {"OW": 2, "US": 2, "SS": 2, "AT": 4, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4}
UNIT |= dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8)
MARKERS = {0x00120062, 0x00120063, 0x00120064, 0x00280303}
CODE_MACRO = {0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080119}
PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
DISTINCT_IDENTIFIERS = {0x00120040, 0x00120042, 0x00181000, 0x0018700A, 0x00400512, 0x00400551}

#: What a compound code becomes by the Type of the attribute (PS3.15 Table E.1-1a), and by any other.
RESOLUTION: dict[str, tuple[dict[str, str], str]] = {
    "X/Z": ({"1": "Z", "1C": "Z", "2": "Z", "2C": "Z"}, "X"),
    "X/D": ({"1": "D", "1C": "D", "2": "D", "2C": "D"}, "X"),
    "Z/D": ({"1": "D", "1C": "D"}, "Z"),
    "X/Z/D": ({"1": "D", "1C": "D", "2": "Z", "2C": "Z"}, "X"),
    "X/Z/U*": ({"1": "U", "1C": "U", "2": "Z", "2C": "Z"}, "X"),
}

REMOVED = b"REMOVED"
#: Stands for any UID that is new.
NEW_UID = b"2.25."
DUMMIES = {
    "AE": REMOVED, "AS": b"000Y", "CS": REMOVED, "DA": b"19000101", "DS": b"0", "DT": b"19000101000000",
    "IS": b"0", "TM": b"000000", "UR": b"urn:removed", "PN": REMOVED, "OB": bytes(2), "UN": bytes(2),
    **dict.fromkeys(TEXT, REMOVED), **{vr: bytes(size) for vr, size in UNIT.items()},
}  # fmt: skip


def code_item(value: bytes, scheme: bytes, meaning: bytes) -> Tree:
    """Return a code."""
    return {
        0x00080100: ("SH", even(value)),
        0x00080102: ("SH", even(scheme)),
        0x00080104: ("LO", even(meaning)),
    }


def even(value: bytes, padding: bytes = b" ") -> bytes:
    """Pad to even length."""
    return value + padding * (len(value) % 2)


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
        if vr == "SQ" or (vr == "UN" and vrs == ("SQ",)):
            implicit = elem.is_implicit_VR if vr == "SQ" else True
            items = read_sequence(io.BytesIO(value), implicit, elem.is_little_endian, len(value), "iso8859")
            tree[tag] = ("SQ", [tree_of(item) for item in items])
        else:
            tree[tag] = (vr, value)
    return tree


def as_bytes(elem: DataElement) -> bytes:
    """Return the bytes of an element that pydicom converted on reading (Specific Character Set)."""
    if isinstance(elem.value, bytes):
        return elem.value
    values: Any = [elem.value] if elem.VM < 2 else elem.value
    return even("\\".join("" if value is None else str(value) for value in values).encode("latin-1"))


class Reference:
    """Cleans one file. ``options`` are the profile's; ``claim`` is what is said about the pixels."""

    def __init__(
        self, file: File, pseudonyms: Pseudonyms, options: frozenset[str], *, clean_pixels: bool
    ) -> None:
        self.file = file
        self.options = options
        self.pseudonyms = pseudonyms
        self.clean_pixels = clean_pixels
        self.sop_class = self.text(0x00080016) or str(file.ds.file_meta.get("MediaStorageSOPClassUID", ""))
        self.identity = self.find_identity()
        self.days = pseudonyms.shift_days(self.identity)

    def text(self, tag: int, tree: Tree | None = None) -> str:
        """Return a value as stripped text."""
        _vr, value = (self.file.tree if tree is None else tree).get(tag, ("", b""))
        return value.decode("latin-1").strip(" \0") if isinstance(value, bytes) else ""

    def find_identity(self) -> str:
        """Return whose instance it is: by Patient ID, or name and birth date, or the study."""
        patient_id = self.text(0x00100020).casefold()
        if patient_id:
            return f"id\0{patient_id}"
        name = " ".join(self.text(0x00100010).rstrip("^= ").split()).casefold()
        if name:
            return f"name\0{name}\0{self.text(0x00100030)}"
        return f"study\0{self.text(0x0020000D)}"

    def expected(self) -> Tree:
        """Return the data set that has to come out."""
        tree = self.clean(self.file.tree, ())
        tree |= self.markers()
        for tag in (0x00080018, 0x0020000D, 0x0020000E):
            if not self.text(tag) and tables.attribute_type(self.sop_class, (tag,)):
                tree[tag] = ("UI", NEW_UID)
        if not self.text(0x00080016):
            tree[0x00080016] = ("UI", even(self.sop_class.encode(), b"\0"))
        return dict(sorted(tree.items()))

    def pixels(self, value: bytes) -> bytes:
        """Return native Pixel Data without what is behind the last frame (PS3.5 section 8.1.1)."""
        ds = self.file.ds
        if value.startswith(b"\xfe\xff\x00\xe0"):
            return value  # encapsulated: items (PS3.5 section A.4)
        numbers = [ds.get(keyword) for keyword in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")]
        if not all(numbers) or str(ds.get("PhotometricInterpretation", "")).startswith("YBR_PARTIAL_4"):
            return value
        frames = self.text(0x00280008)
        bits = math.prod(int(number or 0) for number in numbers) * (int(frames) if frames.isdigit() else 1)
        if ds.get("PhotometricInterpretation") == "YBR_FULL_422":
            bits = bits * 2 // 3
        return even(value[: (bits + 15) // 16 * 2], b"\0")

    def markers(self) -> Tree:
        """Return what PS3.15 E.1.1 asks to be written."""
        names = (
            ["basic", *self.options]
            if self.clean_pixels
            else ["basic", *(self.options - {"clean_pixel_data"})]
        )
        codes = sorted(tables.METHOD_CODES[name] for name in names)
        temporal = b"UNMODIFIED" if LONG_DATES in self.options else b"REMOVED"
        if SHIFTED_DATES in self.options:
            temporal = b"MODIFIED"
        tree: Tree = {
            0x00120062: ("CS", b"YES "),
            0x00120063: ("LO", even(f"dicomveil {dicomveil.__version__}".encode())),
            0x00120064: (
                "SQ",
                [code_item(code.encode(), b"DCM", meaning.encode()) for code, meaning in codes],
            ),
            0x00280303: ("CS", even(temporal)),
        }
        if self.clean_pixels:
            tree[0x00280301] = ("CS", b"NO")
        return tree

    def clean(self, tree: Tree, path: tuple[int, ...]) -> Tree:
        """Return what is left of a data set or an item."""
        out: Tree = {}
        local_code = (
            bool(path) and 0x00080104 in tree and not self.is_public_scheme(self.text(0x00080102, tree))
        )
        for tag, (encoded_vr, value) in tree.items():
            if tag in PIXELS:
                if not path:
                    out[tag] = (encoded_vr, self.pixels(value) if isinstance(value, bytes) else value)
                continue
            vr = self.proper_vr(tag, encoded_vr)
            action = self.action(tag, (*path, tag))
            if local_code and tag == 0x00080104:
                action = "D"
            if action == "X":
                continue
            if isinstance(value, list) or vr == "SQ":
                if not isinstance(value, list):
                    if action in "ZD":
                        out[tag] = ("SQ", self.dummy_items(tag) if action == "D" else [])
                    continue
                if vr == "SQ":
                    out[tag] = ("SQ", self.sequence(tag, action, value, (*path, tag)))
                continue
            if action in "KCU" and not self.can_stay(tag, vr, encoded_vr, value, action):
                action = self.fallback(tag, (*path, tag))
                if action == "X":
                    continue
            out[tag] = (vr, self.new_value(tag, vr, value, action))
        return out

    def sequence(self, tag: int, action: str, items: list[Tree], path: tuple[int, ...]) -> list[Tree]:
        """Return the items of a sequence that is not removed."""
        if action in "KCU":
            return [self.clean(item, path) for item in items]
        return self.dummy_items(tag) if action == "D" else []

    def is_public_scheme(self, scheme: str) -> bool:
        """Whether the meaning of a code is the public scheme's and not a site's."""
        from dicomveil.rules import STANDARD_SCHEMES  # a reviewed list, not code

        return scheme in STANDARD_SCHEMES

    @staticmethod
    def proper_vr(tag: int, vr: str) -> str:
        """Return the VR of PS3.6, or the encoded one where that is among several or unknown."""
        vrs = tables.element_vrs(tag)
        if not vrs or vr in vrs:
            return vr
        return "OW" if "OW" in vrs and len(vrs) > 1 and "US" not in vrs else vrs[0]

    def rule(self, tag: int) -> tuple[str, str]:
        """Return the code of an attribute under the options, and the one for when that cannot be done."""
        group = tag >> 16
        row = tables.row_for(tag)
        if group < 8 or group % 2 or not tag & 0xFFFF or tag in MARKERS or tag == 0x00080300:
            return "X", "X"
        if row is not None:
            if any(row.options.get(option) == "K" for option in self.options):
                return "K", row.basic
            shifted = SHIFTED_DATES in self.options and row.options.get(SHIFTED_DATES) == "C"
            if shifted and (row.vr[0] in DATES or tag == 0x00080201):
                return "C", row.basic
            return row.basic, row.basic
        vrs = tables.element_vrs(tag)
        if not vrs or 0x6000 <= group <= 0x60FF or vrs[0] == "UN":
            return "X", "X"
        return self.rule_of_vr(tag, vrs[0])

    def rule_of_vr(self, tag: int, vr: str) -> tuple[str, str]:
        """Return the rule of an attribute outside the table: its VR's (PS3.15 E.1.1 allows it)."""
        if vr == "UI":
            return ("K" if "retain_uids" in self.options else "U"), "X/Z/D"
        if vr in DATES:
            if LONG_DATES in self.options:
                return "K", "X/Z/D"
            return ("C" if SHIFTED_DATES in self.options else "X/Z/D"), "X/Z/D"
        if vr in TEXT:
            return ("safe" if tag in tables.SAFE_TEXT else "X/Z/D"), "X/Z/D"
        if vr in BULK:
            return "bulk", "X"
        return ("X/Z/D" if vr in IDENTIFYING else "K"), "X/Z/D"

    def action(self, tag: int, path: tuple[int, ...]) -> str:
        """Return one of K X Z D U C for an attribute at its place."""
        if self.clean_pixels and path == (0x00280301,):
            return "X"
        return self.resolve(self.rule(tag)[0], path)

    def fallback(self, tag: int, path: tuple[int, ...]) -> str:
        """Return the action for a value that could not be kept or changed."""
        code = self.rule(tag)[1]
        return self.resolve("X/Z/D" if code in {"K", "C", "U"} else code, path)

    def resolve(self, code: str, path: tuple[int, ...]) -> str:
        """Resolve a code by the Type of the attribute in this IOD."""
        type_ = tables.attribute_type(self.sop_class, path)
        if code == "X":
            vr = (tables.element_vrs(path[-1]) or ("",))[0]
            return "D" if type_ == "1" and vr in DATES else "X"
        if code == "bulk":
            return "K" if type_ else "X"
        iod_known = tables.iod_name(self.sop_class) is not None
        if code == "safe":
            return "X" if iod_known and type_ is None and path[-1] not in CODE_MACRO else "K"
        if code not in RESOLUTION:
            return code
        if not iod_known:
            type_ = "2"
        by_type, default = RESOLUTION[code]
        return by_type.get(type_ or "", default)

    def can_stay(self, tag: int, vr: str, encoded_vr: str, value: bytes, action: str) -> bool:
        """Whether a value is what its VR says, so that it may be kept or changed."""
        if action == "C":
            if vr == "DA" and shift_da(value, self.days) is None:
                return False
            if vr == "DT" and shift_dt(value, self.days) is None:
                return False
            if tag == 0x00080201 and value and not re.fullmatch(rb"[+-](0\d|1[0-4])[0-5]\d ?", value):
                return False
            if vr not in DATES and tag != 0x00080201:
                return False
        if not has_form(vr, value):
            return False
        if vr == encoded_vr:
            return True
        if vr in {"AT", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV"}:
            return len(value) <= 64
        return vr not in BULK | {"UN"} and len(value) < 0xFFFF

    def new_value(self, tag: int, vr: str, value: bytes, action: str) -> bytes:
        """Return the bytes of a value after its action."""
        if action == "K":
            return even(value, b"\0" if vr in {"UI", "OB", "UN"} else b" ")
        if action in "UC":
            if vr == "UI":
                return self.uids(value)
            if vr in {"DA", "DT"}:
                return (shift_da if vr == "DA" else shift_dt)(value, self.days) or b""
            return even(value)
        text = value.decode("latin-1").strip(" \0")
        if tag in {0x00100010, 0x00100020}:
            return even(self.pseudonyms.patient_id(self.identity).encode())
        if tag == 0x00080050 and text:
            return even(self.pseudonyms.accession_number(text).encode())
        if tag == 0x00200010 and text:
            return even(self.pseudonyms.study_id(text).encode())
        if action == "Z":
            return b""
        if tag in DISTINCT_IDENTIFIERS and text:
            return even(self.pseudonyms.identifier(tables.element_keyword(tag), text).encode())
        if vr == "UI":
            return self.uids(value) if text else b"2.25.0"
        return even(DUMMIES[vr], b"\0" if vr in {"OB", "UN"} else b" ")

    def uids(self, value: bytes) -> bytes:
        """Replace the UIDs that are not the standard's."""
        uids = [uid.strip("\0 ") for uid in value.decode("latin-1").split("\\")]
        new = (uid if not uid or tables.is_standard_uid(uid) else self.pseudonyms.uid(uid) for uid in uids)
        return even("\\".join(new).encode(), b"\0")

    def dummy_items(self, tag: int) -> list[Tree]:
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
        if tag in {0x00401101, 0x00080082}:
            return [code]
        if tag == 0x00081072:
            return [{0x00080082: ("SQ", [code]), 0x00401101: ("SQ", [code])}]
        if tag == 0x00700001:
            return [self.graphic_annotation()]
        return []

    def graphic_annotation(self) -> Tree:
        """Return a point in the first graphic layer."""
        layers = self.file.tree.get(0x00700060, ("SQ", []))[1]
        name = self.text(0x00700002, layers[0]) if isinstance(layers, list) and layers else ""
        order = "<" if self.file.little else ">"
        point: Tree = {
            0x00700005: ("CS", even(b"PIXEL")),
            0x00700020: ("US", struct.pack(order + "H", 2)),
            0x00700021: ("US", struct.pack(order + "H", 1)),
            0x00700022: ("FL", bytes(8)),
            0x00700023: ("CS", even(b"POINT")),
        }
        return {0x00700002: ("CS", even(name.encode("latin-1") or REMOVED)), 0x00700009: ("SQ", [point])}


def shift_da(value: bytes, days: int) -> bytes | None:
    """Shift the dates of a DA value; None if one is not a date."""
    parts = [part.strip() for part in value.rstrip(b" \0").split(b"\\")]
    moved = [b"" if not part else moved_day(part.replace(b".", b""), days) for part in parts]
    if any(part and not re.fullmatch(rb"\d{4}(\.?)\d\d\.?\d\d", part) for part in parts) or None in moved:
        return None
    return even(b"\\".join(part or b"" for part in moved))


def moved_day(day: bytes, days: int) -> bytes | None:
    """Shift YYYYMMDD."""
    try:
        moved = date(int(day[:4]), int(day[4:6]), int(day[6:8])) + timedelta(days)
    except (ValueError, OverflowError):
        return None
    return f"{moved.year:04}{moved.month:02}{moved.day:02}".encode()


def shift_dt(value: bytes, days: int) -> bytes | None:
    """Shift the dates of a DT value, keeping precision, time and offset; None if one is not one."""
    out = []
    for part in (part.strip() for part in value.rstrip(b" \0").split(b"\\")):
        if not part:
            out.append(b"")
            continue
        if not re.fullmatch(rb"\d{4}(\d\d){0,2}(\d{2,6}(\.\d{1,6})?)?([+-]\d{4})?", part):
            return None
        digits = len(re.match(rb"\d+", part)[0])  # type: ignore[index]
        known = min(digits, 8)
        moved = moved_day((part[:known] + b"0715"[known - 8 :])[:8] if known < 8 else part[:8], days)
        if moved is None:
            return None
        out.append(moved[:known] + part[known:])
    return even(b"\\".join(out))


FORMS: Mapping[str, str] = {
    "CS": r"[A-Z0-9_ /.+-]{0,16}",
    "IS": r"[ 0-9+-]{0,14}",
    "DS": r"[ 0-9+.eE-]{0,24}",
    "UI": r"(?![0-9.]{65})(\d+(\.\d+)*)?",
    "TM": r"[\d:]{2,8}(\.\d{1,6})? *",
    "DT": r"[\d.+-]{0,26} *",
}


def has_form(vr: str, value: bytes) -> bool:
    """Whether a value has the form of its VR (PS3.5 section 6.2), as far as hiding something in it goes."""
    if vr in UNIT:
        return len(value) % UNIT[vr] == 0
    text = value.decode("latin-1")
    if vr == "AS":
        return re.fullmatch(r"(\d{3}[DWMY] ?)?", text, re.ASCII) is not None
    if vr == "DA":
        return re.fullmatch(r"(\d{8}(\\\d{8})*)? *\0?", text, re.ASCII) is not None
    if vr not in FORMS:
        return True
    text = text.removesuffix("\0")
    if not text:
        return True
    if vr == "UI":
        text = text.removesuffix(" ")
    return all(re.fullmatch(FORMS[vr], part, re.ASCII) for part in text.split("\\"))


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
