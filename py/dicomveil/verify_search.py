"""The search of an output for the identifiers of its input.

How they are compared: without case, diacritics and separators, in text of every text VR as its Specific
Character Set decodes it (if that is wrong also as UTF-8 and Latin-1), and in binary values as ASCII, UTF-8,
Latin-1 and UTF-16 of both byte orders.

Rules against false alarms:

* A name part counts from three letters (two in scripts that write no spaces), as a whole run of letters.
* A part that is a word of the DICOM vocabulary (words of attribute names, of defined terms, of makers' names:
  "HEAD", "STANDARD", "PHILIPS") counts only together with another part of the same name in the same element.
  So a patient called "Head" does not stop every CT, and "MEIER" in Image Type does.
* Two or three parts of a name count in one word, too ("ANNAMEIER", "OBRIEN"), unless all are vocabulary;
  so does a part with an initial ("AMEIER"), and a genitive ("Meiers"), unless that is a word of medicine.
* A name with signs that are no letters (GBK declared as Latin) counts as a whole.
* Prefix and suffix of a name ("Dr", "MD") do not count.
* Identifiers count from four characters. Those of four and five must stand alone, and if they are mere digits
  they do not count inside the model or version of a device. Identifiers, places and stations that consist of
  vocabulary ("RADIOLOGY", "UNKNOWN") or of one repeated character do not count.
* Of an institution's name the whole counts, and each word from five letters that is neither of the DICOM
  vocabulary nor one of medicine, nor one for an institution ("Klinikum", "county").
* A station, an AE title or an institution that is also the name of the device's maker or model does not
  count there: institutes write software.
* In IS and DS only a whole value that equals an identifier of at least six digits or a date counts, or one
  that begins with a date and has two more digits (a time, a counter), in TM one that is longer than a time.
* Ten and thirteen digits are also read as seconds and milliseconds since 1970 (Unix), of any time zone.
* Dates count in text in spellings with a four-digit year, a birth date also with two digits of it. Elements
  of VR DA and DT are compared as dates: minus the shift each must be one of the input's. That a shifted date
  coincides with another date of the input is no finding.
* In binary values, words of less than five letters count only inside at least eight printable characters.
* Our own pseudonyms never count.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from functools import lru_cache

from dicomveil.verify_forms import LETTERS, SEPARATORS, Compiled, Needle, decode, fold, is_vocabulary
from dicomveil.verify_identifiers import Identifiers
from dicomveil.verify_reading import Element

__all__ = ["find_in_binaries", "find_in_numbers", "find_in_text"]

#: Names of models and versions, where a short number says nothing.
_DEVICE_TEXT = frozenset(
    {
        0x00081090,
        0x00080070,
        0x00181020,
        0x00181016,
        0x00181018,
        0x00181019,
        0x00189525,
        0x0018702B,
        0x00080222,
    }
)

_LONGEST_TIME = 6  # digits of HHMMSS
_SHORTEST_ROOT = 20  # characters: UIDs of instances are longer, those of makers shorter
_UNIX = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - of no time zone, as what is compared
_CLOCK_DIGITS = (10, 13)
_CLOCK = re.compile(r"(?<![\d.])(?:\d{10}|\d{13})(?![\d.])", re.ASCII)
_DATE_AND_HOUR = 10  # digits of YYYYMMDDHH, and of a date with a counter

#: Beginnings of the months' names in the languages of the page and their neighbours, folded -> numbers.
_MONTH_NAMES = """
jan gen ene sty led | feb fev lut uno | mar mrz mrt maa bre | apr avr abr kwi dub | may mai maj mag mei kve
| jun jui giu cze cer | jul jui lug lip | aug aou ago sie srp | sep set wrz zar | oct okt ott out paz rij
| nov lis | dec dez dic des gru pro
"""
_MONTHS: dict[str, tuple[int, ...]] = {}
for _number, _names in enumerate(_MONTH_NAMES.split("|"), 1):
    for _name in _names.split():
        _MONTHS[_name] = (*_MONTHS.get(_name, ()), _number)

_SEP, _GAP, _NAME = r"[-/. _,]{1,2}", r"[-., /_]{0,2}", r"(?P<n>[a-z]{3})[a-z]*"
#: Spellings with a four-digit year. The same digits may be read in more than one way.
_SPELLED = tuple(
    re.compile(rf"(?<!\d){form}(?!\d)", re.ASCII)
    for form in (
        r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)\d*",  # as DT: a time, or a counter, may follow
        r"(?P<d>\d\d)(?P<m>\d\d)(?P<y>\d{4})",
        r"(?P<m>\d\d)(?P<d>\d\d)(?P<y>\d{4})",
        rf"(?P<y>\d{{4}}){_SEP}(?P<m>\d{{1,2}}){_SEP}(?P<d>\d{{1,2}})",
        rf"(?P<d>\d{{1,2}}){_SEP}(?P<m>\d{{1,2}}){_SEP}(?P<y>\d{{4}})",
        rf"(?P<m>\d{{1,2}}){_SEP}(?P<d>\d{{1,2}}){_SEP}(?P<y>\d{{4}})",
        r"(?P<y>\d{4})\s?[\u5e74\ub144]\s?(?P<m>\d{1,2})\s?[\u6708\uc6d4]\s?(?P<d>\d{1,2})",
        rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th|er)?{_GAP}(?:de |of )?{_NAME}{_GAP}(?:de )?(?P<y>\d{{4}})",
        rf"(?P<y>\d{{4}})[-. /_]?{_NAME}[-. /_]{{0,2}}(?P<d>\d{{1,2}})",
        rf"{_NAME}[-. ]{{1,2}}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[, ]{{1,2}}(?P<y>\d{{4}})",
    )
)


@lru_cache(maxsize=256)
def _short_birth_date(day: str) -> re.Pattern[str]:
    """Match a birth date with a year of two digits; without separators only where it stands alone."""
    year, month, number = day[2:4], day[4:6], day[6:]
    m, d, sep = (
        month.replace("0", "0?", month[0] == "0"),
        number.replace("0", "0?", number[0] == "0"),
        r"[-/. _]",
    )
    names = "|".join(name for name, numbers in _MONTHS.items() if int(month) in numbers)
    forms = (
        f"{d}{sep}{m}{sep}{year}", f"{m}{sep}{d}{sep}{year}", f"{year}{sep}{m}{sep}{d}",
        rf"{d}{sep}?(?:{names})[a-z]*{sep}{{0,2}}{year}",
        f"{year}{month}{number}", f"{number}{month}{year}", f"{month}{number}{year}",
    )  # fmt: skip
    return re.compile(rf"(?<![\d.])(?<!\d[-/_])(?:{'|'.join(forms)})(?![\d])(?![-/._]\d)", re.ASCII)


def find_in_text(identifiers: Identifiers, batch: list[Element]) -> list[tuple[int, ...]]:
    """Return the paths (tags of enclosing sequences and own) of the text elements that hold an identifier.

    All values are searched at once; only if something is there, one by one and with the rules.
    """
    compiled = identifiers.compiled
    blob = b"\0".join([element[2] or b"" for element in batch])
    if blob.isascii() and b"\x1b" not in blob:
        text = blob.decode("ascii").lower()
    else:
        text = fold("\0".join([decode(element.value or b"", element.charset) for element in batch]))
    squeezed = text.translate(SEPARATORS)
    suspicious = (
        not compiled.words.keys().isdisjoint(LETTERS.findall(text))
        or any(run in squeezed for run in compiled.runs)
        or _CLOCK.search(text) is not None
        or any(year in text for year in {day[:4] for day in identifiers.dates | identifiers.births})
        or any(_short_birth_date(day).search(text) for day in identifiers.births)
        or any(root in text for root in {uid[:9] for uid in identifiers.uids})
    )
    if not suspicious:
        return []
    return [
        (*element.parents, element.tag)
        for element in batch
        if _holds_identifier(identifiers, compiled, element)
    ]


def _holds_identifier(identifiers: Identifiers, compiled: Compiled, element: Element) -> bool:
    text = fold(decode(element.value or b"", element.charset))
    met = [word for word in set(LETTERS.findall(text)) if word in compiled.words]
    if any(not is_vocabulary(word) for word in met):
        return True
    for index, word in enumerate(met):
        if any(
            compiled.words[word] & compiled.words[other] for other in met[:index] if other[:3] != word[:3]
        ):
            return True
    squeezed = text.translate(SEPARATORS)
    for run, kind in compiled.runs.items():
        if run in squeezed and _counts(run, kind, element.tag, text, squeezed):
            return True
    days = identifiers.dates | identifiers.births
    if days and any(day in days for day in _spelled_dates(text)):
        return True
    clocks = _CLOCK.findall(text) if days else ()
    if any(day.decode() in days for clock in clocks for day in _days_of_clock(clock.encode())):
        return True
    if any(_short_birth_date(day).search(text) for day in identifiers.births):
        return True
    return any(
        uid in identifiers.uids
        for found in re.findall(r"(?<![\d.])\d+(?:\.\d+){3,}", text)
        for uid in _uid_and_roots(found)
    )


def _days_of_clock(digits: bytes) -> Iterator[bytes]:
    """Yield the days (YYYYMMDD) that a count of seconds or milliseconds since 1970 may be, by time zone."""
    if len(digits) in _CLOCK_DIGITS and digits.isdigit():
        day = _UNIX + dt.timedelta(seconds=int(digits[:10]))
        for difference in (-1, 0, 1):
            yield (day + dt.timedelta(days=difference)).strftime("%Y%m%d").encode()


def _uid_and_roots(found: str) -> Iterator[str]:
    """Yield what may be a UID in digits and dots: all, or what stands before numbers of a copy or frame."""
    yield found
    while len(found) > _SHORTEST_ROOT:
        found = found.rpartition(".")[0]
        yield found


def _counts(run: str, kind: str, tag: int, text: str, squeezed: str) -> bool:
    """Apply the rules of the module's description to an identifier that was found in a text."""
    if kind == "unspaced":
        return True
    if kind in {"institution", "place", "station"} and tag in _DEVICE_TEXT:
        return False
    if len(run) < 6:
        if run.isdigit() and tag in _DEVICE_TEXT:
            return run in squeezed.replace("\\", "\0").split("\0")
        pattern = _spaced(run)
        return re.search(rf"(?<![^\W_])(?<!\d\.){pattern}(?![^\W_])(?!\.\d)", text) is not None
    before = r"(?<!\d)(?<!\d\.)" if run[0].isdigit() else r"(?<![^\W\d_])"
    after = r"(?!\d)(?!\.\d)" if run[-1].isdigit() else r"(?![^\W\d_])"
    return re.search(before + _spaced(run) + after, text) is not None


@lru_cache(maxsize=256)
def _spaced(run: str) -> str:
    return r"[ \-_/()+#^'\t\r\n]*".join(map(re.escape, run))


def _spelled_dates(text: str) -> Iterator[str]:
    """Yield the dates in a folded text as YYYYMMDD, ambiguous ones in every reading."""
    for form in _SPELLED:
        for match in form.finditer(text):
            parts = match.groupdict()
            months = _MONTHS.get(parts["n"], ()) if "n" in parts else (int(parts["m"]),)
            for month in months:
                yield f"{parts['y']}{month:02}{parts['d']:0>2}"


def find_in_numbers(identifiers: Identifiers, batch: list[Element]) -> list[tuple[int, ...]]:
    """Return the paths of the IS, DS and TM elements of which one value equals an identifier or a date."""
    days = frozenset(day.encode() for day in identifiers.dates | identifiers.births)
    numbers = identifiers.compiled.numbers | days
    if not numbers:
        return []
    return [
        (*parents, tag)
        for tag, vr, value, parents, _charset in batch
        if value
        and len(value) > 5
        and any(_counts_as(numbers, days, part, vr) for part in value.split(b"\\"))
    ]


def _counts_as(numbers: frozenset[bytes], days: frozenset[bytes], part: bytes, vr: str) -> bool:
    digits = part.strip(b" \0+").replace(b"-", b"").replace(b" ", b"")
    digits, _, fraction = digits.partition(b".")
    if len(digits) >= _DATE_AND_HOUR and not days.isdisjoint((digits[:8], *_days_of_clock(digits))):
        return True
    if fraction.strip(b"0") or (len(digits) <= _LONGEST_TIME and vr == "TM"):
        return False
    return digits in numbers or digits.lstrip(b"0") in numbers


def find_in_binaries(identifiers: Identifiers, batch: list[Element]) -> list[tuple[int, ...]]:
    """Return the paths of the binary elements that hold an identifier; all are searched at once first."""
    together = bytes(4).join([element.value or b"" for element in batch])
    if not _find_in_binary(identifiers, together):
        return []
    return [
        (*element.parents, element.tag)
        for element in batch
        if _find_in_binary(identifiers, element.value or b"")
    ]


def _find_in_binary(identifiers: Identifiers, value: bytes) -> bool:
    """Tell whether a binary value holds an identifier, in any of the encodings above."""
    if len(value) < 3:
        return False
    lower = value.lower()
    for needle in identifiers.compiled.needles:
        at = lower.find(needle.data)
        while at >= 0:
            if _stands(lower, at, needle):
                return True
            at = lower.find(needle.data, at + 1)
    return any(
        form.encode(encoding) in value
        for day in identifiers.dates | identifiers.births
        for form in (day, f"{day[:4]}-{day[4:6]}-{day[6:]}")
        for encoding in ("ascii", "utf-16-le", "utf-16-be")
    ) or any(uid.encode() in value for uid in identifiers.uids if len(uid) > 10)


def _stands(value: bytes, at: int, needle: Needle) -> bool:
    """Tell whether what was found in a binary value stands as a word of its own."""
    width, end = needle.width, at + len(needle.data)
    if needle.word and is_vocabulary(needle.word):
        return False
    before = value[max(0, at - width) : at].strip(b"\0")
    after = value[end : end + width].strip(b"\0")
    if (before.isalpha() or after.isalpha()) if needle.word else (before.isdigit() or after.isdigit()):
        return False
    if len(needle.data) >= 5 * width:
        return True
    around = value[max(0, at - 8 * width) : end + 8 * width]
    printable = re.escape(needle.data)
    one = rb"[\x20-\x7e]" + b"\\0" * (width - 1)
    run = re.search(rb"(?:" + one + rb")*" + printable + rb"(?:" + one + rb")*", around, re.DOTALL)
    return run is not None and len(run.group()) >= 8 * width
