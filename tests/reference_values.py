"""Values as the reference makes them: forms of the VRs (PS3.5 section 6.2), dummies, dates that move."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

from pydicom.charset import convert_encodings, decode_bytes, python_encoding

from dicomveil.tables import DEFAULT_DATES

DATES = {"DA", "TM", "DT"}
TEXT = {"SH", "LO", "ST", "LT", "UC", "UT"}
IDENTIFYING = {"AE", "AS", "PN", "UR"}
BULK = {"OB", "OD", "OF", "OL", "OV", "OW"}
UNIT = {"OW": 2, "US": 2, "SS": 2, "AT": 4, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4}
UNIT |= dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8)

REMOVED = b"REMOVED"
DUMMIES = {
    "AE": REMOVED, "AS": b"000Y", "CS": REMOVED, "DA": b"19000101", "DS": b"0", "DT": b"19000101000000",
    "IS": b"0", "TM": b"000000", "UR": b"urn:removed", "PN": REMOVED, "OB": bytes(2), "UN": bytes(2),
    **dict.fromkeys(TEXT, REMOVED), **{vr: bytes(size) for vr, size in UNIT.items()},
}  # fmt: skip


def even(value: bytes, padding: bytes = b" ") -> bytes:
    """Pad to even length."""
    return value + padding * (len(value) % 2)


def shift_da(value: bytes, days: int) -> bytes | None:
    """Shift the dates of a DA value; None if one is not a date."""
    parts = [part.strip() for part in value.rstrip(b" \0").split(b"\\")]
    moved = [b"" if not part else moved_day(part.replace(b".", b""), days) for part in parts]
    if any(part and not re.fullmatch(rb"\d{4}(\.?)\d\d\.?\d\d", part) for part in parts) or None in moved:
        return None
    return even(b"\\".join(part or b"" for part in moved))


def moved_day(day: bytes, days: int) -> bytes | None:
    """Shift YYYYMMDD, unless it is a date that stands for none."""
    if day.decode("latin-1") in DEFAULT_DATES:
        return None
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
        if not re.fullmatch(rf"\d{{4}}(\d\d(\d\d({CLOCK})?)?)?({OFFSET})?", part.decode("latin-1"), re.ASCII):
            return None
        digits = len(re.match(rb"\d+", part)[0])  # type: ignore[index]
        known = min(digits, 8)
        if known < 8 and any(day.startswith(part[:known].decode()) for day in DEFAULT_DATES):
            return None
        moved = moved_day((part[:known] + b"0715"[known - 8 :])[:8] if known < 8 else part[:8], days)
        if moved is None:
            return None
        out.append(moved[:known] + part[known:])
    return even(b"\\".join(out))


DAY = r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
CLOCK = r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?"
OFFSET = r"[+-](0\d|1[0-4])[0-5]\d"
FORMS: Mapping[str, str] = {
    "CS": r"[A-Z0-9_ /.+-]{0,16}",
    "IS": r" *[+-]?\d{0,14} *",
    "DS": r"(?!.{25}) *[+-]?\d*\.?\d*([eE][+-]?\d+)? *",
    "UI": r"(?![0-9.]{65})(\d+(\.\d+)*)?",
    "TM": r"([01]?\d|2[0-3])(([0-5]\d([0-5]\d|60)?)?|(:[0-5]?\d){1,2})(\.\d{1,6})? *",
    "DT": rf"((\d{{4}}(0[1-9]|1[0-2])?|{DAY}({CLOCK})?)({OFFSET})?)? *",
}


#: All but ESC, which ISO 2022 needs.
CONTROLS = {*range(32), 127} - {27}


def has_form(vr: str, value: bytes) -> bool:
    """Whether a value has the form of its VR (PS3.5 section 6.2), as far as hiding something in it goes."""
    if vr in UNIT:
        return len(value) % UNIT[vr] == 0
    text = value.decode("latin-1")
    if vr == "AS":
        return re.fullmatch(r"(\d{3}[DWMY] ?)?", text, re.ASCII) is not None
    if vr == "DA":
        return re.fullmatch(rf"({DAY}(\\{DAY})*)? *\0?", text, re.ASCII) is not None
    if vr in {"LO", "SH"}:
        text = text.rstrip(" \0")
        return len(text) <= 256 and not any(ord(letter) in CONTROLS for letter in text)
    if vr in {"LT", "ST", "UC", "UT"}:
        return not any(ord(letter) in CONTROLS - {9, 10, 12, 13} for letter in text.rstrip(" \0"))
    if vr not in FORMS:
        return True
    text = text.removesuffix("\0")
    if not text:
        return True
    if vr == "UI":
        text = text.removesuffix(" ")
    return all(re.fullmatch(FORMS[vr], part, re.ASCII) for part in text.split("\\"))


def is_legal_text(value: bytes, encodings: list[str]) -> bool:
    """Whether a text has only what its declared character set has."""
    if value.isascii() and b"\x1b" not in value:
        return True
    return encodings != ["iso8859"] and "\ufffd" not in decode_bytes(value, encodings, set(b"\\\n\f\r\t"))


def fitted(vr: str, text: str) -> bytes:
    """Cut a text between words where it is too long for its VR."""
    limit = {"SH": 16, "LO": 64, "ST": 1024, "LT": 10240}.get(vr, len(text))
    if len(text) > limit:
        text = text[:limit] if " " not in text[: limit + 1] else text[: limit + 1].rsplit(" ", 1)[0]
    return even(text.encode("ascii"))


def proper_terms(declared: str) -> str | None:
    """Return the Defined Terms for what pydicom understands of a Specific Character Set."""
    others = {"utf-8": "ISO_IR 192", "latin_1": "ISO_IR 100", "iso8859-1": "ISO_IR 100", "gb18030": "GB18030"}
    terms = []
    for term in (part.strip() for part in declared.rstrip(" \0").split("\\")):
        try:
            known = convert_encodings(["ISO_IR 6", term])[1] if term else "iso8859"
        except (LookupError, IndexError, ValueError):
            known = ""
        dashed = re.sub(r"^ISO.IR", "ISO_IR", re.sub(r"^ISO.2022.IR.", "ISO 2022 IR ", term))
        if term in python_encoding:
            terms.append(term)
        elif dashed in python_encoding:
            terms.append(dashed)
        elif known.lower() in others and known != "iso8859":
            terms.append(others[known.lower()])
        else:
            return None
    return "\\".join(terms)
