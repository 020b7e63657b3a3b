"""Values: which are well formed, how dates move, and what stands in for what was there.

VR definitions: PS3.5 6.2. All values here are encoded bytes as they stand in a data element, with padding.
"""

from __future__ import annotations

import re
import struct
from datetime import date, timedelta

from dicomveil.tables import DEFAULT_DATES

__all__ = ["DUMMY_TEXT", "count_of", "dummy", "fitted", "pad", "shift_date", "shift_datetime", "well_formed"]

DUMMY_TEXT = b"REMOVED"
_DUMMY_DATE = b"19000101"
_PARTS_OF_DEFAULTS = {day[:length] for day in DEFAULT_DATES for length in (4, 6)}

_CS = rb"[A-Z0-9_ /.+-]{0,16}"
#: Digits between dots (PS3.5 9.1): new names of files are made of kept UIDs, so none may be "..".
_UI = rb"(?![0-9.]{65})(?:\d+(?:\.\d+)*)?"
#: One number or time, and a little more than PS3.5 allows: not an ID with separators, not a date as a time.
_IS = rb" *[+-]?\d{0,14} *"
_DS = rb"(?![^\\]{25}) *[+-]?\d*\.?\d*(?:[eE][+-]?\d+)? *"
#: Times that there are, also without a leading zero: six other digits may be a day.
_TM = rb"(?:[01]?\d|2[0-3])(?:(?:[0-5]\d(?:[0-5]\d|60)?)?|(?::[0-5]?\d){1,2})(?:\.\d{1,6})? *"
#: Days and times that there are: eight other digits may be an ID.
_DA = rb"\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_CLOCK = rb"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?"
_OFFSET = rb"[+-](?:0\d|1[0-4])[0-5]\d"
_DT = rb"(?:\d{4}(?:0[1-9]|1[0-2])?|" + _DA + rb"(?:" + _CLOCK + rb")?)(?:" + _OFFSET + rb")?"
#: Text that shows whole on a screen: no control characters, nothing behind a NULL, no essay in a line.
_LINE = rb"[^\x00-\x1a\x1c-\x1f\x7f]{0,256}[ \0]*"
_LINES = rb"[^\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]*[ \0]*"
_PATTERNS = {
    **dict.fromkeys(("LO", "SH"), re.compile(_LINE)),
    **dict.fromkeys(("LT", "ST", "UC", "UT"), re.compile(_LINES)),
    "CS": re.compile(_CS + rb"(?:\\" + _CS + rb")*\0?"),
    "IS": re.compile(_IS + rb"(?:\\" + _IS + rb")*\0?"),
    "DS": re.compile(_DS + rb"(?:\\" + _DS + rb")*\0?"),
    "UI": re.compile(_UI + rb"(?:\\" + _UI + rb")*[ \0]?"),
    "AS": re.compile(rb"(?:\d{3}[DWMY] ?)?"),
    "DA": re.compile(rb"(?:" + _DA + rb"(?:\\" + _DA + rb")*)? *\0?"),
    "TM": re.compile(rb"(?:" + _TM + rb"(?:\\" + _TM + rb")*)?\0?"),
    "DT": re.compile(rb"(?:" + _DT + rb")? *(?:\\(?:" + _DT + rb")? *)*\0?"),
}
_UNITS = {
    "AT": 4, "FD": 8, "FL": 4, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2, "SL": 4, "SS": 2, "SV": 8,
    "UL": 4, "US": 2, "UV": 8,
}  # fmt: skip
_DATE = re.compile(rb"(\d{4})\.?(\d\d)\.?(\d\d)")
_DATETIME = re.compile(rb"(\d{4})(\d\d)?(\d\d)?(" + _CLOCK + rb")?(" + _OFFSET + rb")?")
_TIMEZONE = re.compile(_OFFSET + rb" ?")

_DUMMIES = {
    "AE": DUMMY_TEXT,
    "AS": b"000Y",
    "CS": DUMMY_TEXT,
    "DA": _DUMMY_DATE,
    "DS": b"0",
    "DT": _DUMMY_DATE + b"000000",
    "IS": b"0",
    "TM": b"000000",
    "UR": b"urn:removed",
    **dict.fromkeys(("LO", "LT", "PN", "SH", "ST", "UC", "UT"), DUMMY_TEXT),
    **{vr: bytes(size) for vr, size in _UNITS.items()},
    "OB": b"\0\0",
    "UN": b"\0\0",
}


def pad(value: bytes, vr: str) -> bytes:
    """Make the length even: with NULL for UI and binary VRs, with a space for text (PS3.5 6.2)."""
    if len(value) & 1:
        return value + (b"\0" if vr in {"UI", "OB", "UN"} else b" ")
    return value


def dummy(vr: str) -> bytes:
    """Return the fixed stand-in of a VR: not empty, legal, the same for everyone."""
    return pad(_DUMMIES[vr], vr)


def well_formed(vr: str, value: bytes) -> bool:
    """Tell whether a value that is to be kept has the form of its VR: what has not may be anything."""
    pattern = _PATTERNS.get(vr)
    if pattern is not None:
        return pattern.fullmatch(value) is not None
    unit = _UNITS.get(vr)
    return unit is None or len(value) % unit == 0


def count_of(vr: str, value: bytes) -> int:
    """Return how many numbers a value of a binary VR holds; 0 of any other, and of bulk data (PS3.5 6.4)."""
    return len(value) // _UNITS[vr] if vr in _UNITS and vr[0] != "O" else 0


def well_formed_timezone(value: bytes) -> bool:
    """Tell whether a value is a Timezone Offset From UTC, ``&ZZXX`` (PS3.3 C.12.1.1.8)."""
    return not value or _TIMEZONE.fullmatch(value) is not None


_MAX_LENGTHS = {"LO": 64, "SH": 16, "ST": 1024, "LT": 10240}  # characters, PS3.5 6.2


def fitted(vr: str, text: str) -> bytes:
    """Encode an ASCII text that fits its VR: cut between words at the VR's greatest length."""
    limit = _MAX_LENGTHS.get(vr)
    if limit is not None and len(text) > limit:
        text = text[: limit + 1].rpartition(" ")[0] or text[:limit]
    return text.encode("ascii")


def _shifted(days: int, year: bytes, month: bytes, day: bytes) -> bytes | None:
    """Return a date moved by whole days; ``None`` beyond the calendar, and for one that stands for no date.

    Who sees a default date moved knows by how many days all others of the patient were.
    """
    if (year + month + day).decode() in DEFAULT_DATES:
        return None
    try:
        moved = date(int(year), int(month), int(day)) + timedelta(days)
    except (ValueError, OverflowError):
        return None
    return b"%04d%02d%02d" % (moved.year, moved.month, moved.day)


def shift_date(value: bytes, days: int) -> bytes | None:
    """Shift a DA value (every one of a multi-valued one) by whole days; ``None`` if it is not a date.

    The form before DICOM, ``YYYY.MM.DD``, is read, and written anew as DA.
    """
    shifted = []
    for part in value.rstrip(b" \0").split(b"\\"):
        text = part.strip()
        match = _DATE.fullmatch(text)
        moved = b"" if not text else _shifted(days, *match.groups()) if match else None
        if moved is None:
            return None
        shifted.append(moved)
    return pad(b"\\".join(shifted), "DA")


def shift_datetime(value: bytes, days: int) -> bytes | None:
    """Shift a DT value by whole days: time, fraction and offset stay; ``None`` if it is not a date and time.

    A year or a month alone is shifted from its middle, and stays a year or a month.
    """
    shifted = []
    for part in value.rstrip(b" \0").split(b"\\"):
        text = part.strip()
        match = _DATETIME.fullmatch(text)
        if not text:
            shifted.append(b"")
            continue
        if match is None:
            return None
        year, month, day, time, offset = match.groups()
        if not day and (year + (month or b"")).decode() in _PARTS_OF_DEFAULTS:
            return None
        moved = _shifted(days, year, month or b"07", day or b"15")
        if moved is None or (time and not day):
            return None
        kept = 8 if day else 6 if month else 4
        shifted.append(moved[:kept] + (time or b"") + (offset or b""))
    return pad(b"\\".join(shifted), "DT")


def swapped(vr: str, value: bytes) -> bytes:
    """Change the byte order of a binary value (PS3.5 7.3)."""
    unit = 2 if vr == "AT" else _UNITS.get(vr, 1)
    if unit == 1:
        return value
    kind = {2: "H", 4: "I", 8: "Q"}[unit]
    count = len(value) // unit
    return struct.pack(f">{count}{kind}", *struct.unpack(f"<{count}{kind}", value))
