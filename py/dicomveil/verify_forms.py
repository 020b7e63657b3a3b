"""The forms in which the identifiers of an input are searched for: of names, of numbers and places.

What the forms are, and what counts when one is found, says ``verify_search``.
"""

from __future__ import annotations

import contextlib
import pkgutil
import re
import unicodedata
import warnings
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import permutations
from typing import NamedTuple

from pydicom._dicom_dict import DicomDictionary
from pydicom.charset import convert_encodings, decode_bytes

from dicomveil import tables

__all__ = ["LETTERS", "SEPARATORS", "Compiled", "Needle", "decode", "fold", "forms_of", "is_vocabulary"]

LETTERS = re.compile(r"[^\W\d_]+")
SEPARATORS = str.maketrans("", "", " -_/()+#^'\t\r\n")
_SPECIAL_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "\u0131": "i"}
)
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u3099\u309a]+")
#: How letters with a mark are written where there is none: in German, and in the Nordic languages.
_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
#: Of longer names (a sentence in a PN) no more parts are joined.
_MOST_PARTS = 6
#: Katakana as Hiragana: the phonetic group of a name may be in either.
_KANA = {katakana: katakana - 0x60 for katakana in range(0x30A1, 0x30F7)}
#: Escape sequences of ISO 2022 (PS3.5 6.1.2.5.2) that a codec left in the text: their last letter is none.
_ESCAPES = re.compile(r"\x1b[$()*+,./-]{1,2}[0-~]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7ff\uf900-\ufaff]")
_SHORTEST_PLACE = 5


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


@lru_cache(maxsize=64)
def forms_of(raw: frozenset[tuple[str, bytes, bytes]]) -> Compiled:
    """Return the forms of identifiers: (kind, raw value, Specific Character Set) each."""
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
            if _is_garbled(group):
                run = fold(group).translate(SEPARATORS)
                if len(run) >= 3:
                    self.runs[run] = "unspaced"
            for joined in _joined(group):
                self.runs[joined] = "id"
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
    """Return a folded part, letters with marks written as two in place of one and the other way, genitives.

    A genitive has an "s" without an apostrophe in most Germanic languages; "bones" is none of a J. Bone.
    """
    two = fold(part.translate(_TWO_LETTERS))
    one = word.replace("ae", "a").replace("oe", "o").replace("ue", "u")
    genitive = f"{word}s"
    if len(word) < 4 or is_vocabulary(word) or genitive in _medical_words() or is_vocabulary(genitive):
        genitive = word
    return {word, two, one, one.replace("aa", "a"), genitive}


def _is_garbled(text: str) -> bool:
    """Tell whether a name has signs that are no letters: one in GBK or Shift JIS, read as what it declares.

    Its letters are too few to be found by; the whole is the same wherever the same bytes stand.
    """
    return any(
        sign > "\x7f" and not sign.isalpha() and not unicodedata.category(sign).startswith("M")
        for sign in text
    )


def _joined(group: str) -> Iterator[str]:
    """Yield what becomes one word of a name where no separators may stand, as in codes and user names.

    The parts of one component ("O'Brien" as "OBRIEN", "van der Berg"), two or three parts in any order, and
    a part with the initial of another. A word of DICOM or of medicine ("SPINE" of S. Pine) is none.
    """
    components = [LETTERS.findall(fold(component)) for component in group.split("^")[:3]]
    words = [word for parts in components for word in parts][:_MOST_PARTS]
    whole = [word for word in words if len(word) >= 3]
    runs = [*components, *permutations(whole, 2), *permutations(whole, 3)]
    found = ["".join(parts) for parts in runs if len(parts) > 1 and not all(map(is_vocabulary, parts))]
    for part, other in permutations(words, 2):
        if len(part) >= 4 and not is_vocabulary(part):
            found += [other[0] + part, part + other[0]]
    for joined in found:
        if len(joined) >= 4 and not (is_vocabulary(joined) or joined in _medical_words()):
            yield joined


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
