"""Canaries: unique strings put into every place of an instance where text can stand.

A canary looks like ``zqggabmxq``: a word that no vocabulary has, so whatever keeps it keeps anything. Dates,
times and UIDs have their own forms. Every canary remembers the place where it was put: its path, as the tags
of the enclosing sequences and its own, and its VR. ``canaries_in`` finds those that an output still holds.
"""

from __future__ import annotations

import re
import struct
from datetime import date, timedelta
from functools import cache

from pydicom._dicom_dict import DicomDictionary

import builders
from builders import RawElements
from dicomveil import tables

Place = tuple[tuple[int, ...], str]

TEXT_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
DATE_VRS = ("DA", "DT", "TM")
NUMBER_VRS = ("AS", "DS", "IS")
BULK_VRS = ("OB", "OW", "UN")
CHARSET, SOP_CLASS, PIXEL_DATA = 0x00080005, 0x00080016, 0x7FE00010
#: Attributes by which the rest is read, or that decide what is done: seeded by hand or not at all.
STRUCTURE = frozenset({CHARSET, SOP_CLASS, 0x00080060, 0x00420011, PIXEL_DATA, 0x7FE00008, 0x7FE00009})
STRUCTURE |= {0xFFFCFFFC, 0x00200032, 0x00200037}
PIXEL_GROUP = 0x0028
NESTED = 0x00082218  # Anatomic Region Sequence, kept in every IOD
SAFE_CREATOR, SAFE_TEXT_ELEMENT, SAFE_SEQUENCE = "CANARY SAFE LIST", 0x01, 0x02
SAFE_LIST = {SAFE_CREATOR: {"001101": "LO", "001102": "SQ", "001103": "SH"}}
_PATTERN = re.compile(rb"zq[a-p]{5}xq")
#: Digits as letters: verification compares words of letters, and no two canaries share one.
_LETTERS = bytes.maketrans(b"0123456789", b"ghijklmnop")
_FIRST_DAY = date(2101, 1, 1)

#: Specific Character Set -> the encoding and a text of its own letters around which a canary is written.
CHARACTER_SETS = {
    "ISO_IR 6": ("ascii", ""),
    "ISO_IR 100": ("latin-1", "Zwölf"),
    "ISO_IR 144": ("iso8859_5", "Люксембург"),
    "ISO_IR 192": ("utf-8", "Zoë王小東"),
    "GB18030": ("gb18030", "王小东"),
    "\\ISO 2022 IR 87": ("iso2022_jp", "山田太郎"),
    "\\ISO 2022 IR 149": ("euc_kr", "김희중"),
}
_ESCAPES = {"\\ISO 2022 IR 149": b"\x1b$)C"}


class Canaries:
    """Makes canaries and remembers where each was put."""

    def __init__(self, charset: str = "ISO_IR 100") -> None:
        self.charset = charset
        self.places: dict[bytes, Place] = {}
        self._count = 0

    def text(self, place: Place) -> bytes:
        """Return an ASCII canary of nine characters."""
        self._count += 1
        canary = (b"zq%05xxq" % self._count).translate(_LETTERS)
        self.places[canary] = place
        return canary

    def value(self, path: tuple[int, ...], vr: str) -> bytes:
        """Return a value of a VR that holds a canary, in the declared character set where VRs allow it."""
        place = path, vr
        if vr == "UI":
            self._count += 1
            uid = b"1.2.826.0.1.3680043.10.77.%d" % (10_000_000 + self._count)
            self.places[uid] = place
            return uid + b"\0" * (len(uid) % 2)
        if vr in {"DA", "DT"}:
            self._count += 1
            # Every other day: no date moved by an odd number of days is another one's original.
            day = (_FIRST_DAY + timedelta(2 * self._count)).strftime("%Y%m%d").encode()
            self.places[day] = place
            return day if vr == "DA" else day + b"101112.5+0100 "
        if vr == "TM":
            self._count += 1
            time = b"%02d%02d%02d.7%05d" % (
                self._count % 24,
                self._count % 60,
                self._count // 60 % 60,
                self._count,
            )
            self.places[time] = place
            return time + b" "
        canary = self.text(place)
        if vr in {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}:
            canary = self.localized(canary, vr)
        return canary + b" " * (len(canary) % 2)

    def localized(self, canary: bytes, vr: str) -> bytes:
        """Write a canary together with letters of the character set; the letters alone count, too."""
        encoding, letters = CHARACTER_SETS[self.charset]
        encoded = _ESCAPES.get(self.charset, b"") + letters.encode(encoding)
        if vr == "PN":
            return canary + b"^" + canary[::-1] + b"=" + encoded + b"^" + canary
        return canary + b" " + encoded + b" " + canary[::-1] if vr != "SH" else canary

    def found_in(self, output: bytes) -> dict[Place, bytes]:
        """Return the places whose canaries an output still holds, in any case or in UTF-16."""
        low = output.lower()
        narrow = low.replace(b"\0", b"")
        found = set(_PATTERN.findall(low)) | set(_PATTERN.findall(narrow))
        found |= {canary[::-1] for canary in re.findall(rb"qx[a-p]{5}qz", low)}
        others = set(re.findall(rb"1\.2\.826\.0\.1\.3680043\.10\.77\.\d{8}", low))
        others |= set(re.findall(rb"(?<!\d)(?<!2\.25\.)2[1-4]\d{6}", low)) | set(
            re.findall(rb"\d{6}\.7\d{5}", low)
        )
        return {self.places[canary]: canary for canary in found | (others & self.places.keys())}


@cache
def seeded_tags() -> list[tuple[int, str]]:
    """Return (tag, VR) of every attribute of the data set that PS3.6 gives a text, date, UID or bulk VR."""
    wanted = {*TEXT_VRS, *DATE_VRS, *NUMBER_VRS, *BULK_VRS, "UI"}
    found = []
    for tag in sorted(DicomDictionary):
        vrs = tables.element_vrs(tag)
        in_data_set = 0x0008 <= tag >> 16 < 0xFFFA and tag not in STRUCTURE and tag >> 16 != PIXEL_GROUP
        if in_data_set and vrs and vrs[0] in wanted:
            found.append((tag, vrs[0]))
    return found


def sequences() -> list[int]:
    """Return the tags of all sequences of PS3.6."""
    return [tag for tag in sorted(DicomDictionary) if tables.element_vrs(tag) == ("SQ",) and tag >> 16 > 4]


@cache
def _expected_in(sop_class: str, sequence: int) -> tuple[tuple[int, str], ...]:
    """Return those of :func:`seeded_tags` that an IOD has inside a sequence."""
    if tables.attribute_type(sop_class, (sequence,)) is None:
        return ()
    return tuple((tag, vr) for tag, vr in seeded_tags() if tables.attribute_type(sop_class, (sequence, tag)))


def private_block(canaries: Canaries, path: tuple[int, ...], group: int = 0x0011) -> RawElements:
    """Return private blocks: an unknown creator's and a listed one's, public and private elements below."""
    base = group << 16

    def at(tag: int, vr: str, *outer: int) -> tuple[int, str, bytes]:
        return tag, vr, canaries.value((*path, *outer, tag), vr)

    inner: RawElements = [
        at(0x00100010, "PN", base | 0x1102),
        at(0x0008103E, "LO", base | 0x1102),
        at(0x00081155, "UI", base | 0x1102),
        (base | 0x10, "LO", SAFE_CREATOR.encode()),
        at(base | 0x1003, "SH", base | 0x1102),
        at(base | 0x1004, "LO", base | 0x1102),
        (base | 0x10FF, "SQ", [[at(0x00100010, "PN", base | 0x1102, base | 0x10FF)]]),
    ]
    unknown: RawElements = [
        at(0x00100010, "PN", base | 0x1002),
        (base | 0x10, "LO", b"OTHER "),
        at(base | 0x1001, "UN", base | 0x1002),
    ]
    return [
        (base | 0x10, "LO", b"CANARY " + canaries.text(((*path, base | 0x10), "LO"))),
        (base | 0x11, "LO", SAFE_CREATOR.encode()),
        at(base | 0x1001, "LO"),
        (base | 0x1002, "SQ", [unknown]),
        *(at(base | 0x1003 + number, vr) for number, vr in enumerate(("OB", "UN", "UT", "PN", "DA"))),
        at(base | 0x1101, "LO"),
        (base | 0x1102, "SQ", [inner]),
        at(base | 0x1104, "LO"),
        at(base | 0x1203, "LO"),
    ]


def content_items(canaries: Canaries, path: tuple[int, ...], depth: int = 0) -> list[RawElements]:
    """Return content items of every value type, with listed and unlisted concept names, nested."""
    items: list[RawElements] = []
    concepts = [(b"121008", b"DCM "), (b"121071", b"DCM "), (b"T-04000 ", b"SRT "), (b"L-1 ", b"99LOCAL ")]
    types = [
        ("TEXT", 0x0040A160, "UT"),
        ("PNAME", 0x0040A123, "PN"),
        ("DATE", 0x0040A121, "DA"),
        ("TIME", 0x0040A122, "TM"),
        ("DATETIME", 0x0040A120, "DT"),
        ("UIDREF", 0x0040A124, "UI"),
    ]
    for value, scheme in concepts:
        for value_type, tag, vr in types:
            name: RawElements = [
                (0x00080100, "SH", value),
                (0x00080102, "SH", scheme),
                (0x00080104, "LO", b"Meaning " if scheme != b"99LOCAL " else
                 canaries.value((*path, 0x0040A043, 0x00080104), "LO")),
            ]  # fmt: skip
            items.append(
                [
                    (0x0040A010, "CS", b"CONTAINS"),
                    (0x0040A040, "CS", builders.even(value_type)),
                    (0x0040A043, "SQ", [name]),
                    (tag, vr, canaries.value((*path, tag), vr)),
                ]
            )
    if depth < 3:
        below = (*path, 0x0040A730)
        items.append(
            [
                (0x0040A010, "CS", b"CONTAINS"),
                (0x0040A040, "CS", b"CONTAINER "),
                (0x0040A043, "SQ", [[(0x00080100, "SH", b"121070"), (0x00080102, "SH", b"DCM ")]]),
                (0x0040A730, "SQ", content_items(canaries, below, depth + 1)),
            ]
        )
    return items


def instance(
    canaries: Canaries,
    sop_class: str,
    modality: str,
    *,
    explicit: bool = True,
    pixels: bool = True,
    everywhere: bool = True,
    sound: bool = False,
) -> bytes:
    """Return a file of a SOP class with a canary in each place; sequences are all, or those of its IOD.

    Behind the last element is a rest that is none, unless the file is to be ``sound``.
    """
    elements: RawElements = [
        (CHARSET, "CS", builders.even(canaries.charset)),
        (SOP_CLASS, "UI", builders.even(sop_class, "\0")),
        (0x00080060, "CS", builders.even(modality)),
    ]
    tags = seeded_tags()
    elements += [(tag, vr, canaries.value((tag,), vr)) for tag, vr in tags]
    # Each sequence has an item with what its IOD expects there, with some others and with nested items.
    step = len(tags) // 8
    for number, sequence in enumerate(sequences()):
        if not everywhere and tables.attribute_type(sop_class, (sequence,)) is None:
            continue
        path = (sequence,)
        known = _expected_in(sop_class, sequence)
        some = dict(sorted({**dict(tags[number % step :: step]), **dict(known)}.items()))
        item: RawElements = [(tag, vr, canaries.value((*path, tag), vr)) for tag, vr in some.items()]
        deep = [
            (tag, vr, canaries.value((*path, NESTED, tag), vr)) for tag, vr in tags[number % step :: step]
        ]
        item.append((NESTED, "SQ", [sorted(deep)]))
        if number % 20 == 0:
            item += private_block(canaries, path)
        if sequence in {0x0040A730, 0x00400555}:
            elements.append((sequence, "SQ", content_items(canaries, path)))
        else:
            elements.append((sequence, "SQ", [sorted(item, key=lambda entry: entry[0])]))
    for group in (0x5000, 0x6002):
        elements.append((group << 16 | 0x0022, "LO", canaries.value((group << 16 | 0x0022,), "LO")))
        elements.append((group << 16 | 0x3000, "OW", canaries.value((group << 16 | 0x3000,), "OW")))
    elements += private_block(canaries, ())
    elements.append((0x00091010, "LO", canaries.value((0x00091010,), "LO")))  # no creator
    elements.append((0x0008AAAA, "LO", canaries.value((0x0008AAAA,), "LO")))  # not in PS3.6
    if pixels:
        elements += [(0x00280010, "US", b"\2\0"), (0x00280011, "US", b"\2\0"), (0x00280100, "US", b"\x08\0")]
        elements += [(0x00280002, "US", b"\1\0"), (0x00280101, "US", b"\x08\0"), (0x00280102, "US", b"\7\0")]
        elements += [(0x00280103, "US", b"\0\0"), (0x00280004, "CS", b"MONOCHROME2 ")]
        elements.append((PIXEL_DATA, "OB", b"\1\2\3\4"))
    elements.sort(key=lambda entry: entry[0])
    unique = {entry[0]: entry for entry in elements}
    end: RawElements = [(0xFFFCFFFC, "OB", canaries.value((0xFFFCFFFC,), "OB"))]
    if pixels:
        end.insert(0, (0x7FE10010, "LO", canaries.value((0x7FE10010,), "LO")))
        end.insert(1, (0x88880010, "LO", canaries.value((0x88880010,), "LO")))
    body = builders.raw_data_set([*unique.values(), *end], explicit=explicit)
    if pixels and not sound:
        body += canaries.text(((), "rest"))
    return _preamble_and_meta(canaries, sop_class, explicit=explicit) + body


def _preamble_and_meta(canaries: Canaries, sop_class: str, *, explicit: bool) -> bytes:
    preamble = b"".join(canaries.text(((), "preamble")) for _ in range(14))
    syntax = builders.EXPLICIT if explicit else builders.IMPLICIT
    meta: RawElements = [
        (0x00020002, "UI", builders.even(sop_class, "\0")),
        (0x00020003, "UI", canaries.value((0x00020003,), "UI")),
        (0x00020010, "UI", builders.even(syntax, "\0")),
        (0x00020012, "UI", canaries.value((0x00020012,), "UI")),
        *(
            (tag, vr, canaries.value((tag,), vr))
            for tag, vr in (
                (0x00020013, "AE"), (0x00020016, "AE"), (0x00020017, "AE"), (0x00020018, "AE"),
                (0x00020026, "UR"), (0x00020100, "UI"), (0x00020102, "OB"),
            )
        ),
    ]  # fmt: skip
    encoded = builders.raw_data_set(meta)
    length = builders.raw_data_set([(0x00020000, "UL", struct.pack("<L", len(encoded)))])
    return preamble.ljust(128, b" ")[:128] + b"DICM" + length + encoded
