"""The identifiers of an input, and the search for them in an output.

What counts as an identifier (PS3.15 Section E.1.1 has the attributes that hold them):

* every Person Name at any depth, in all component groups, by its parts;
* Patient ID, Accession Number and other identifiers of people, orders, visits, specimens and devices;
* telephone numbers, addresses, institutions, departments and stations;
* all dates, and all UIDs that the standard does not define.

They are compared without case, diacritics and separators; ``verify_search`` has the rules.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import pkgutil
import re
import unicodedata
import warnings
from collections.abc import Iterator
from functools import cache, cached_property, lru_cache
from itertools import permutations
from typing import NamedTuple

from pydicom._dicom_dict import DicomDictionary
from pydicom.charset import convert_encodings, decode_bytes

from dicomveil import tables
from dicomveil.source import Source
from dicomveil.verify_reading import Malformed, Reading

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
_SHORTEST_PLACE = 5
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

LETTERS = re.compile(r"[^\W\d_]+")
SEPARATORS = str.maketrans("", "", " -_/()+#^'\t\r\n")
_SPECIAL_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "\u0131": "i"}
)
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u3099\u309a]+")
#: Katakana as Hiragana: the phonetic group of a name may be in either.
_KANA = {katakana: katakana - 0x60 for katakana in range(0x30A1, 0x30F7)}
_DIGITS8 = re.compile(rb"\d{8}")
#: Escape sequences of ISO 2022 (PS3.5 6.1.2.5.2) that a codec left in the text: their last letter is none.
_ESCAPES = re.compile(r"\x1b[$()*+,./-]{1,2}[0-~]")
_PARTIAL = re.compile(rb"(\d{4}(?:0[1-9]|1[0-2])?)(?:[+-]\d{4})?")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7ff\uf900-\ufaff]")


def fold(text: str) -> str:
    """Return the text without case, diacritics and compatibility forms."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text.casefold().translate(_SPECIAL_LETTERS))
    return unicodedata.normalize("NFC", _MARKS.sub("", text)).translate(_KANA)


@lru_cache(maxsize=128)
def _encodings(charset: bytes) -> list[str]:
    terms = [term.strip() for term in charset.decode("ascii", "replace").rstrip("\0 ").split("\\")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # pydicom does not know Latin alphabet No. 9 yet, but takes Python's name for it.
            return list(convert_encodings(["iso8859_15" if term == "ISO_IR 203" else term for term in terms]))
        except (LookupError, ValueError):
            return ["iso8859"]


def decode(value: bytes, charset: bytes) -> str:
    """Decode text; what is not ASCII in every reading that it may have, one after the other."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    readings = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(LookupError, ValueError):
            readings.append(decode_bytes(value, _encodings(charset), {*b"\\^=\r\n\t\f"}))
    for encoding in ("utf-8", "latin-1"):
        try:
            text = value.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text not in readings:
            readings.append(text)
        if encoding == "utf-8":
            break
    return _ESCAPES.sub("", "\0".join(readings))


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


class Needle(NamedTuple):
    """Something to find in binary values: lower-cased bytes, bytes a character, the word of a name."""

    data: bytes
    width: int
    word: str


class Compiled(NamedTuple):
    """Identifiers in the forms that the search compares."""

    #: Part of a name, folded -> the names (by number) that have it.
    words: dict[str, frozenset[int]]
    #: Folded identifiers without separators -> kind.
    runs: dict[str, str]
    #: Identifiers of digits only, at least six.
    numbers: frozenset[bytes]
    needles: tuple[Needle, ...]


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
        return _compile(frozenset(self.raw))


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
            if vr == "UI":
                uids.update(uids_in(value))
            elif vr in {"DA", "DT"}:
                dates.update(dates_in(value))
                if tag == _BIRTH_DATE:
                    found.births.update(dates_in(value))
                elif vr == "DT":
                    found.partial.update(part for part in value.split(b"\\") if moved(part, 0))
            elif vr == "PN":
                raw.add(("name", value, charset))
            elif tag in kinds or vr == "AE":
                raw.add((kinds.get(tag, "station"), value, charset))
    except Malformed as error:
        found.unread.append((error.code, error.tag))
    found.uids = {uid for uid in uids if uid != "2.25.0" and not tables.is_standard_uid(uid)}
    return found


@lru_cache(maxsize=64)
def _compile(raw: frozenset[tuple[str, bytes, bytes]]) -> Compiled:
    forms = _Forms()
    for kind, value, charset in sorted(raw):
        for text in decode(value, charset).split("\0"):
            for part in filter(None, re.split(r"\\" if kind == "name" else r"[\\\r\n]+", text)):
                if kind == "name":
                    forms.add_name(part)
                else:
                    forms.add_run(part, kind)
    numbers = (run for run in forms.runs if len(run) >= 6 and run.isdigit() and run.isascii())
    return Compiled(
        {word: frozenset(names) for word, names in forms.words.items()},
        forms.runs,
        frozenset(map(str.encode, numbers)),
        forms.needles(),
    )


class _Forms:
    """Collects the forms of identifiers: see :class:`Compiled`."""

    def __init__(self) -> None:
        self.words: dict[str, set[int]] = {}
        self.runs: dict[str, str] = {}
        #: Text as it was written, in lower case -> the word that it is, if it is a name's.
        self.spelled: dict[str, str] = {}
        self._names = 0

    def add_name(self, name: str) -> None:
        """Add the parts of a Person Name (PS3.5 Section 6.2.1): family, given, middle names of each group."""
        self._names += 1
        for group in name.split("="):
            parts = [
                part for component in group.split("^")[:3] for part in LETTERS.findall(component.casefold())
            ]
            folded = [fold(part) for part in parts]
            whole = "".join(folded)
            if _UNSPACED.search(whole):
                for run in {*folded, whole}:
                    if len(run) > 1:
                        self.runs[run] = "unspaced"
            elif not any(len(part) >= 3 for part in folded) and len(whole) >= 4:
                self.runs[whole] = "id"
            for one, other in permutations([word for word in folded if len(word) >= 3], 2):
                if not (is_vocabulary(one) and is_vocabulary(other)):
                    self.runs[one + other] = "id"
            for part, word in zip(parts, folded, strict=True):
                if len(word) >= 3 and not _UNSPACED.search(word):
                    self.spelled[part] = word
                    for variant in _variants(part, word):
                        self.words.setdefault(variant, set()).add(self._names)

    def add_run(self, text: str, kind: str) -> None:
        """Add an identifier that is compared as a whole."""
        for piece in [text, *text.split(",")] if "address" in kind else [text]:
            run = fold(piece).translate(SEPARATORS).strip(". ,;\0")
            if kind == "phone":
                run = "".join(re.findall(r"\d", run))
            if len(run) < (6 if kind == "phone" else 4) or len(set(run)) == 1:
                continue
            letters = LETTERS.findall(fold(piece))
            if not re.search(r"\d", run) and all(len(word) < 3 or is_vocabulary(word) for word in letters):
                continue
            self.runs[run] = kind
            if kind == "institution":
                self._add_place(letters)
            self.spelled[piece.casefold().strip(" \0")] = ""
            bare = run.lstrip("0")
            if run.isdigit() and len(bare) >= 5:
                self.runs.setdefault(bare, kind)

    def _add_place(self, letters: list[str]) -> None:
        """Add the words of an institution's name that are no words of medicine: a town, a founder."""
        for word in letters:
            if len(word) >= _SHORTEST_PLACE and not (is_vocabulary(word) or word in _medical_words()):
                self.runs.setdefault(word, "place")

    def needles(self) -> tuple[Needle, ...]:
        """Encode everything as it may stand in a binary value."""
        texts = {**dict.fromkeys(self.runs, ""), **{word: word for word in self.words}, **self.spelled}
        found = {}
        for text, word in texts.items():
            for encoding, width in (("utf-8", 1), ("latin-1", 1), ("utf-16-le", 2), ("utf-16-be", 2)):
                for form in {text, text.upper(), text.title()} if not text.isascii() else {text}:
                    with contextlib.suppress(UnicodeEncodeError):
                        data = form.encode(encoding).lower()
                        if len(data) > 2:
                            found[data] = Needle(data, width, word)
        return tuple(found.values())


def _variants(part: str, word: str) -> set[str]:
    """Return a folded part, and German umlauts written as two letters in place of one and the other way."""
    two = fold(part.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue"))
    return {word, two, word.replace("ae", "a").replace("oe", "o").replace("ue", "u")}


@cache
def _vocabulary() -> frozenset[str]:
    listed = (pkgutil.get_data(__package__, "data/verify_words.txt") or b"").decode().partition("\n")[2]
    names = " ".join(entry[2] for entry in DicomDictionary.values())
    meanings = " ".join(meaning for _code, meaning in tables.METHOD_CODES.values())
    words = LETTERS.findall(fold(f"{names} {meanings} {listed}"))
    return frozenset(word for word in words if len(word) > 2)


@cache
def _medical_words() -> frozenset[str]:
    """Return the words that descriptions may keep, and what institutions are: they name no place."""
    listed = [pkgutil.get_data(__package__, f"data/{name}.txt") for name in ("vocabulary", "place_words")]
    return frozenset(fold(b" ".join(filter(None, listed)).decode()).split())


def is_vocabulary(word: str) -> bool:
    """Tell whether a folded word belongs to the vocabulary of DICOM rather than to a person."""
    return word in _vocabulary()
