"""What the standard says about each attribute: rules, names, VRs, Types per IOD, registered UIDs.

The facts are in ``data/``, written by ``py/generate_tables.py`` (``safe_text.json`` is reviewed by hand).
Rules are read at import; elements newer than pydicom, Types and UIDs when they are first asked for, and of
the Types only the sets of attributes that the asked IOD has.
"""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._uid_dict import UID_dictionary

__all__ = [
    "AUDIO_SOP_CLASSES",
    "DEFAULT_DATES",
    "METHOD_CODES",
    "PRIVATE",
    "REPEATING",
    "SAFE_TEXT",
    "SHARED_DATES",
    "TABLE_EDITION",
    "Row",
    "attribute_type",
    "concept_codes",
    "element_keyword",
    "element_name",
    "element_vrs",
    "iod_name",
    "is_standard_uid",
    "known_sop_class",
    "most_values",
    "names_one",
    "row_for",
    "rows",
    "safe_private",
    "uid_name",
]

#: Types of PS3.5 section 7.4, the strictest first.
_TYPES = {"1": "1", "A": "1C", "2": "2", "B": "2C", "3": "3"}
_STRICTNESS = tuple(_TYPES)

#: Registered by rule rather than one by one: context groups (PS3.16) and the standard's own coding schemes.
_STANDARD_UID = re.compile(r"1\.2\.840\.10008\.(?:6\.1\.[1-9]\d{0,3}|2\.16\.[1-9]\d?)", re.ASCII)


class Row(NamedTuple):
    """A row of PS3.15 Table E.1-1; ``basic`` and the values of ``options`` are codes as printed there."""

    name: str
    keyword: str
    vr: tuple[str, ...]
    basic: str
    options: Mapping[str, str]


def _data(name: str) -> bytes:
    content = pkgutil.get_data(__package__, f"data/{name}")
    if content is None:
        raise FileNotFoundError(name)
    return content


def _row(facts: list[Any]) -> Row:
    name, keyword, vr, basic, options = facts
    return Row(name, keyword, tuple(vr), basic, MappingProxyType(options))


_RULES = json.loads(_data("rules.json"))
_ROWS = {int(tag, 16): _row(facts) for tag, *facts in _RULES["rows"]}

#: Edition of PS3.15 Table E.1-1.
TABLE_EDITION: str = _RULES["edition"]

#: Rows of repeating groups: (group, mask, element or None for every element, row).
REPEATING: tuple[tuple[int, int, int | None, Row], ...] = tuple(
    (int(group, 16), int(mask, 16), None if element is None else int(element, 16), _row(facts))
    for group, mask, element, *facts in _RULES["repeating"]
)

#: The row of all attributes of odd groups.
PRIVATE: Row = _row(_RULES["private"])

#: "basic" or the name of an option -> code value and meaning of CID 7050 (coding scheme DCM).
METHOD_CODES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {option: (value, meaning) for option, (value, meaning) in _RULES["method_codes"].items()}
)

#: Text attributes outside Table E.1-1 that hold no person, place, date or identifier in ordinary use -> why.
SAFE_TEXT: Mapping[int, str] = MappingProxyType(
    {int(tag, 16): entry["reason"] for tag, entry in json.loads(_data("safe_text.json")).items()}
)

del _RULES


def rows() -> Mapping[int, Row]:
    """Return the rows of Table E.1-1 that name one tag, by tag."""
    return MappingProxyType(_ROWS)


def row_for(tag: int) -> Row | None:
    """Return the row of Table E.1-1 of a tag: its own, a repeating group's, or the private one."""
    row = _ROWS.get(tag)
    if row is not None:
        return row
    group = tag >> 16
    if group & 1:
        return PRIVATE
    for base, mask, element, repeating in REPEATING:
        if group & mask == base and element in (None, tag & 0xFFFF):
            return repeating
    return None


#: SOP classes whose waveforms are sound: Basic Voice Audio, General Audio (PS3.3 A.34.2, A.34.10) and the
#: retired Waveform Storage - Trial, which may be. A dictation names the patient; a voice is a person's own.
AUDIO_SOP_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.9.{number}" for number in ("1", "4.1", "4.2"))

#: Dates that are not one patient's. Versions of context groups and templates (DT) are printed in PS3.16:
#: moved like the patient's dates they would tell everybody by how many days these were moved. Those of a
#: device, a product, a template or a committee's approval many share: who knows of one would know of all.
SHARED_DATES = frozenset(
    {0x00080106, 0x00080107, 0x0040DB06, 0x0040DB07, 0x00120086, 0x00120087, 0x0014407E, 0x00181200}
    | {0x00181202, 0x00181203, 0x00181204, 0x00181205, 0x0018700C, 0x0044000B, 0x00686226, 0x00686270}
    | {0x0072000A}
)

#: Dates that software writes where it has none: the zeros of .NET, Windows, SQL Server, the Modified Julian
#: Date, OLE, Macintosh, Unix (also west of Greenwich) and FAT, and what people type. They are public, too.
DEFAULT_DATES = frozenset(
    {"00010101", "11111111", "16010101", "17530101", "18000101", "18581117", "18991230", "18991231"}
    | {"19000101", "19010101", "19040101", "19691231", "19700101", "19800101", "99991231"}
)

#: Retired codes and numbers (CS, IS, AT) that name a study, an image or a report and that Table E.1-1 does
#: not list: Report Number, Other Study Numbers, Modified Image ID, Original Image Identification.
_NUMBERS_OF_ONE = frozenset({0x002000AA, 0x00201070, 0x00203402, 0x00205000})


def names_one(tag: int) -> bool:
    """Tell whether a retired code or number outside Table E.1-1 names one study, image or report.

    The standard calls its table a minimum (PS3.15 E.1.1). Source Image IDs (0020,31xx) are of them, too.
    """
    return tag in _NUMBERS_OF_ONE or tag & 0xFFFFFF00 == 0x00203100


@cache
def _newer_elements() -> dict[int, tuple[str, str, tuple[str, ...]]]:
    elements = json.loads(_data("elements.json"))["elements"]
    return {int(tag, 16): (name, keyword, tuple(vrs)) for tag, (name, keyword, vrs) in elements.items()}


@cache
def _repeaters() -> tuple[tuple[int, int, tuple[str, ...]], ...]:
    """Return the repeating groups: base and mask of "60xx0010" are 0x60000010 and 0xFF00FFFF."""
    return tuple(
        (int(text.replace("x", "0"), 16), int("".join("0" if c == "x" else "F" for c in text), 16), row)
        for text, row in RepeatersDictionary.items()
    )


@lru_cache(maxsize=1 << 14)
def _element(tag: int) -> tuple[str, str, tuple[str, ...]] | None:
    """Return name, keyword and VRs of a data element of PS3.6, None for an unknown or a private one."""
    entry: tuple[str, ...] | None = DicomDictionary.get(tag)
    if entry is None and not tag & 0x10000:
        newer = _newer_elements().get(tag)
        if newer is not None:
            return newer
        if not tag & 0xFFFF:
            return ("Group Length", "GroupLength", ("UL",))  # PS3.5 section 7.2
        entry = next((row for base, mask, row in _repeaters() if tag & mask == base), None)
    if entry is None:
        return None
    vrs, _vm, name, _retired, keyword = entry
    return name, keyword, tuple(vrs.split(" or "))


def element_vrs(tag: int) -> tuple[str, ...] | None:
    """Return the VRs that PS3.6 allows for a tag, None if it is unknown or private.

    Items and delimiters (FFFE,xxxx) have none: an empty tuple.
    """
    element = _element(tag)
    if element is None:
        return None
    return () if tag >> 16 == 0xFFFE else element[2]


@lru_cache(maxsize=1 << 12)
def most_values(tag: int) -> int | None:
    """Return how many values an attribute has at most by PS3.6; None without a limit, or if it is not known.

    Those of repeating groups and those newer than pydicom are not known.
    """
    entry = DicomDictionary.get(tag)
    most = "" if entry is None else entry[1].rpartition("-")[2]
    return int(most) if most.isdigit() else None


def element_name(tag: int) -> str:
    """Return the name of PS3.6; "Private Attribute" or "Unknown Attribute" where it has none."""
    element = _element(tag)
    if element is not None:
        return element[0]
    return "Private Attribute" if tag & 0x10000 else "Unknown Attribute"


def element_keyword(tag: int) -> str:
    """Return the keyword of PS3.6, empty where it has none."""
    element = _element(tag)
    return "" if element is None else element[1]


class _Iods:
    """The Types of ``iod_types.txt``: sets of attributes are split when they are first walked."""

    def __init__(self, text: str) -> None:
        _head, sop_classes, iods, sets = text.split("\n\n", 3)
        self.of_sop_class = dict(line.split(" ") for line in sop_classes.splitlines())
        self._modules = dict(line.split(" ", 1) for line in iods.splitlines())
        self._sets: list[str | dict[int, str]] = [*sets.splitlines()]

    def within(self, sop_class_uid: str, parents: tuple[int, ...]) -> list[dict[int, str]]:
        """Return the sets of attributes that an IOD has on top level, or in the sequence of a path.

        A value is the letter of the Type and, of a sequence, the number of the set in its items.
        """
        iod = self.of_sop_class.get(sop_class_uid)
        if iod is None:
            return []
        sets = {int(module[1:]) for module in self._modules[iod].split()}
        for tag in parents:
            found = {self._attributes(number).get(tag, "")[1:] for number in sets}
            sets = {int(number) for number in found if number}
        return [self._attributes(number) for number in sets]

    def _attributes(self, number: int) -> dict[int, str]:
        attributes = self._sets[number]
        if isinstance(attributes, str):
            attributes = {int(token[:8], 16): token[8:] for token in attributes.split()}
            self._sets[number] = attributes
        return attributes


@cache
def _iods() -> _Iods:
    return _Iods(_data("iod_types.txt").decode())


@lru_cache(maxsize=1 << 10)
def _within(sop_class_uid: str, parents: tuple[int, ...]) -> list[dict[int, str]]:
    """Keep what the attributes of one place all ask for."""
    return _iods().within(sop_class_uid, parents)


@lru_cache(maxsize=1 << 14)
def attribute_type(sop_class_uid: str, path: tuple[int, ...]) -> str | None:
    """Return the strictest Type of an attribute over the modules of its IOD: "1", "1C", "2", "2C" or "3".

    ``path`` holds the tags of the enclosing sequences and the attribute's own. Modules of every usage count:
    a Type 1 of an optional module is needed by the instance that has this module. None means that the IOD
    does not have the attribute, or that the IOD is unknown. For numbers and codes (CS DS IS FD FL SL SS UL US
    AT ...) outside Table E.1-1 the Types are not stored: None says nothing about these.
    """
    if not path:
        return None
    found = {entry[0] for one in _within(sop_class_uid, path[:-1]) if (entry := one.get(path[-1]))}
    return next((_TYPES[letter] for letter in _STRICTNESS if letter in found), None)


def iod_name(sop_class_uid: str) -> str | None:
    """Return the name of the IOD whose Types are known, such as "ct-image"."""
    return _iods().of_sop_class.get(sop_class_uid)


@cache
def _concepts() -> dict[str, list[Any]]:
    concepts: dict[str, list[Any]] = json.loads(_data("concepts.json"))["concepts"]
    return concepts


def concept_codes(scheme: str, value: str, value_type: str) -> tuple[str, Mapping[str, str]] | None:
    """Return the basic code and those of the options for a content item (PS3.15 Table E.3.4-1).

    ``scheme`` and ``value`` are its concept name's; ``value_type`` such as "TEXT" matters for few concepts.
    """
    concepts = _concepts()
    found = concepts.get(f"{scheme} {value} {value_type}") or concepts.get(f"{scheme} {value}")
    return None if found is None else (found[0], found[1])


@cache
def safe_private() -> Mapping[str, Mapping[str, str]]:
    """Return Table E.3.10-1: private creator -> "ggggee" (element without its block) -> VR."""
    creators: dict[str, dict[str, str]] = json.loads(_data("safe_private.json"))["creators"]
    return creators


@cache
def _newer_uids() -> dict[str, dict[str, str]]:
    parts: dict[str, dict[str, str]] = json.loads(_data("uids.json"))
    return parts


def known_sop_class(sop_class_uid: str) -> bool:
    """Whether PS3.6 registers the UID as a SOP class (a private one is not defined for de-identification)."""
    entry = UID_dictionary.get(sop_class_uid)
    return sop_class_uid in _iods().of_sop_class or (entry is not None and entry[1] == "SOP Class")


def is_standard_uid(uid: str) -> bool:
    """Whether a UID is one of the standard (PS3.6 Annex A, PS3.16) or of a public coding scheme.

    Such a UID says what a thing is, never which: it is not replaced (PS3.15 section E.1.1).
    """
    if uid in UID_dictionary or _STANDARD_UID.fullmatch(uid):
        return True
    newer = _newer_uids()
    return uid in newer["registered"] or uid in newer["coding_schemes"]


def uid_name(uid: str) -> str:
    """Return the registered name of a UID of the standard, empty for any other."""
    entry = UID_dictionary.get(uid)
    if entry is not None:
        return entry[0]
    newer = _newer_uids()
    return newer["registered"].get(uid) or newer["coding_schemes"].get(uid, "")
