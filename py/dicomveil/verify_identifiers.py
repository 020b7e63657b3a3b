"""The identifiers of an input, and the search for them in an output.

What counts as an identifier (PS3.15 Section E.1.1 has the attributes that hold them):

* every Person Name at any depth, in all component groups, by its parts;
* Patient ID, Accession Number and other identifiers of people, orders, visits, specimens and devices;
* telephone numbers, addresses, institutions, departments and stations;
* all dates, and all UIDs that the standard does not define.

The VR tells what a value is, as it is encoded and as PS3.6 has it: converters write names as LO.

They are compared without case, diacritics and separators; ``verify_search`` has the rules.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache

from dicomveil import tables
from dicomveil.source import Source
from dicomveil.verify_forms import Compiled, forms_of
from dicomveil.verify_reading import Malformed, Reading, standard_vr

__all__ = [
    "BINARY_VRS",
    "NUMBER_VRS",
    "TEXT_VRS",
    "Identifiers",
    "collect_identifiers",
    "dates_in",
    "is_pseudonym",
    "moved",
    "shifted",
    "uids_in",
]

TEXT_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
#: Numbers too: the bytes of a US value of multiplicity n may spell a name.
BINARY_VRS = frozenset(
    ["OB", "OD", "OF", "OL", "OV", "OW", "UN", "AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"]
)
NUMBER_VRS = frozenset({"DS", "IS", "TM"})

#: Kinds of identifiers, by the tag that holds them. A kind that an option retains is not searched for.
_KINDS: dict[int, str] = {
    **dict.fromkeys(
        (
            *(0x00100020, 0x00101000, 0x00101050, 0x00101090, 0x00080050, 0x00200010, 0x00380010, 0x00380060),
            *(0x00401001, 0x00400009, 0x00400253, 0x00402016, 0x00402017, 0x00401006, 0x00401007, 0x00400440),
            *(0x00120040, 0x00120042, 0x0040050A, 0x00400551, 0x00400512, 0x00420011),
        ),
        "id",
    ),
    **dict.fromkeys((0x00181000, 0x0018700A, 0x00181004, 0x00181005, 0x00181007, 0x00181008), "device"),
    **dict.fromkeys((0x00102154, 0x00080094, 0x00401103, 0x0040A354, 0x00102155), "phone"),
    **dict.fromkeys((0x00101040, 0x00080092, 0x00401102, 0x0040A353), "address"),
    **dict.fromkeys((0x00080081,), "institution address"),
    **dict.fromkeys((0x00080080, 0x00081040, 0x00120031, 0x00120060, 0x00321033, 0x00100021), "institution"),
    **dict.fromkeys((0x00081010, 0x00400010, 0x00400242, 0x00400001, 0x00400241, 0x00080055), "station"),
}
_BIRTH_DATE = 0x00100030
#: VRs and tags that hold identifiers.
_HELD_IN = (frozenset({"AE", "UI", "DA", "DT", "PN"}), frozenset(_KINDS))
_RETAINED_BY = {
    "device": "retain_device_identity",
    "station": "retain_device_identity",
    "institution": "retain_institution_identity",
    "institution address": "retain_institution_identity",
}

#: Forms of our pseudonyms: Patient ID and Name, Accession Number, Study ID, other identifiers.
_PSEUDONYM = re.compile(rb"(?:DV-[B-Z2-9]{10}|[ASX][B-Z2-9]{12}) ?", re.ASCII)

_DIGITS8 = re.compile(rb"\d{8}")
_PARTIAL = re.compile(rb"(\d{4}(?:0[1-9]|1[0-2])?)(?:[+-]\d{4})?")


def is_pseudonym(value: bytes) -> bool:
    """Tell whether a value has the form of one of our pseudonyms."""
    return _PSEUDONYM.fullmatch(value) is not None


def uids_in(value: bytes) -> list[str]:
    """Return the UIDs of a UI value."""
    return [uid for uid in value.decode("latin-1").rstrip("\0 ").split("\\") if uid]


def dates_in(value: bytes) -> Iterator[str]:
    """Yield the whole dates of a DA or DT value as YYYYMMDD; ACR-NEMA's YYYY.MM.DD too."""
    for part in value.replace(b".", b"", 2 * (len(value) == 10)).split(b"\\"):
        for side in part.strip(b" \0").split(b"-") if len(part) > 8 else (part,):
            day = side.strip(b" \0")[:8]
            if _DIGITS8.fullmatch(day) and _is_date(day.decode()):
                yield day.decode()


def moved(part: bytes, days: int) -> str | None:
    """Return a DT value of a year, or of year and month, moved from its middle; ``None`` for any other."""
    match = _PARTIAL.fullmatch(part.strip(b" \0"))
    if match is None:
        return None
    known = match[1].decode()
    day = shifted((known + "0715"[len(known) - 8 :])[:8], days)
    return day and day[: len(known)]


@lru_cache(maxsize=4096)
def _is_date(day: str) -> bool:
    try:
        dt.date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def shifted(day: str, days: int) -> str | None:
    """Return a date moved by whole days, ``None`` beyond the calendar."""
    try:
        moved = dt.date(int(day[:4]), int(day[4:6]), int(day[6:])) + dt.timedelta(days)
    except (ValueError, OverflowError):
        return None
    return f"{moved.year:04}{moved.month:02}{moved.day:02}"


class Identifiers:
    """What an input says about who and where: see the module's description. Holds patient data."""

    def __init__(self) -> None:
        #: (kind, raw value, Specific Character Set)
        self.raw: set[tuple[str, bytes, bytes]] = set()
        self.dates: set[str] = set()
        #: Those of birth, and DT values that are no whole dates.
        self.births: set[str] = set()
        self.partial: set[bytes] = set()
        self.uids: set[str] = set()
        #: Codes of what could not be read, with tags.
        self.unread: list[tuple[str, int | None]] = []

    def __repr__(self) -> str:
        return "Identifiers(...)"

    def without(self, options: frozenset[str]) -> Identifiers:
        """Return these identifiers without those that the options retain."""
        dropped = {kind for kind, option in _RETAINED_BY.items() if option in options}
        kept = Identifiers()
        kept.raw = {item for item in self.raw if item[0] not in dropped} if dropped else self.raw
        kept.dates = set() if "retain_longitudinal_full_dates" in options else self.dates
        kept.births, kept.partial = self.births, self.partial
        kept.uids = set() if "retain_uids" in options else self.uids
        kept.unread = self.unread
        return kept

    @cached_property
    def compiled(self) -> Compiled:
        """The forms to search for; the same for all instances of a series, so kept for the next one."""
        return forms_of(frozenset(self.raw))


def collect_identifiers(input: Source) -> Identifiers:  # noqa: A002 - the contract's word
    """Read the identifiers of an input: its header and what follows Pixel Data. Never raises.

    What cannot be read is noted in ``unread``: an output of that input must not pass.
    """
    found = Identifiers()
    raw, dates, uids = found.raw, found.dates, found.uids
    kinds = _KINDS
    try:
        for tag, vr, value, _parents, charset in Reading(input, strict=False, only=_HELD_IN).elements():
            if not value:
                continue
            # A VR that is not the attribute's own (a name as LO, a number as PN) hides nothing: both count.
            vrs = {vr, standard_vr(tag)}
            if "UI" in vrs:
                uids.update(uids_in(value))
            if vrs & {"DA", "DT"}:
                dates.update(dates_in(value))
                if tag == _BIRTH_DATE:
                    found.births.update(dates_in(value))
                elif "DT" in vrs:
                    found.partial.update(part for part in value.split(b"\\") if moved(part, 0))
            if "PN" in vrs:
                raw.add(("name", value, charset))
            if tag in kinds or "AE" in vrs:
                raw.add((kinds.get(tag, "station"), value, charset))
    except Malformed as error:
        found.unread.append((error.code, error.tag))
    found.uids = {uid for uid in uids if uid != "2.25.0" and not tables.is_standard_uid(uid)}
    return found
