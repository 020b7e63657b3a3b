"""Clean descriptors: keep the words of a text that are medical or technical, and drop all others.

PS3.15 E.3.5 asks that a description keeps what is useful and loses what identifies. What identifies cannot be
listed, so the useful is: the words of ``data/vocabulary.txt`` (from PS3.16's concept names and from imaging
protocols), numbers with units, and small numbers. Names, dates, places, telephone numbers and whatever else
is not in the list go. The result is ASCII, legal under every declared character set.
"""

from __future__ import annotations

import pkgutil
import re
import unicodedata
from functools import cache, lru_cache

__all__ = ["clean_description"]

_ADDRESS = re.compile(r"\S+@\S+|(?<![^\W_])(?:(?:https?|ftp)://|www\.)\S+", re.IGNORECASE)
_MONTH = (
    r"(?:jan|feb|f[eé]v|m[aä]r|mrz|maart|apr|avr|abr|ma[iy]|mag|jun|juin|giu|jul|juil|lug|aug|ao[uû]t|ago|sep|set"
    r"|o[ck]t|ott|nov|de[czs]|dic|gen|ene)"
)
_DATE = re.compile(
    r"\b(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|(?:19|20)\d{6}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\W{{0,2}}{_MONTH}[^\W\d_]{{0,7}}\W{{0,2}}(?:19|20)\d\d"  # 19 March 1947
    rf"|\d{{1,2}}\W{{0,2}}{_MONTH}\W{{0,2}}\d\d"  # 19-MAR-47
    rf"|{_MONTH}[^\W\d_]{{0,7}}\W{{0,2}}\d{{1,2}}(?:st|nd|rd|th)?\W{{1,2}}(?:19|20)\d\d)\b",  # March 19, 1947
    re.IGNORECASE,
)
#: "Without" with a slash: half of "w/o contrast" would say the contrary. In Spanish "s/contraste" is "sin".
_WITHOUT = re.compile(r"\bw/(o(?:ut)?|wo)\b", re.IGNORECASE)
_WITHOUT_WORDS = {"o": "wo", "out": "without", "wo": "w wo"}
_SIN = re.compile(r"(?<![/\w])s/(?=c(?:te|on|ontraste)?\b)", re.IGNORECASE)
#: Colours are names, too, unless tissue or blood has them.
_COLOUR = re.compile(
    r"(?<![^\W_])(?:black|white|gr[ae]y)(?![^\W_])(?![\W_]+(?:blood|matter|scales?)(?![^\W_]))", re.IGNORECASE
)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)?[A-Za-z*]*(?![A-Za-z0-9])|[^\W_]+\*?")
_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d{1,3})?")
#: Words that say that a name follows, in the languages of the page.
_TITLES = frozenset(
    {"dr", "dra", "doc", "doctor", "docteur", "prof", "professor", "mrs", "ms", "miss", "herr", "frau"}
    | {"mme", "mlle", "monsieur", "madame", "sra", "srta", "señor", "señora", "pat", "patient", "name"}
)
_TECHNICAL = re.compile(
    r"""
      t[12]w?\*? | r[12]\*? | [23]d | b\d{1,4}                      # weightings, b values
    | [clts]\d{1,2}                                                 # vertebrae
    | \d{1,4}(?:[.,]\d{1,3})?                                       # numbers with units
      (?:mm|cm|ms|s|sec|min|kv|kvp|kev|mas|ma|mgy|ml|mg|cc|hz|khz|mhz|t|tesla|deg|x|fps|fr|bpm|bits?)
    | \d{1,3}(?:d|y|yrs?|ch|dir|slc|sl|vw|views?) | dir\d{1,3}       # directions, ages, channels, slices
    | fa\d{1,2} | t[eir]\d{2,4} | a[2-5]c                          # flip angle, times, apical views
    | ep2d | p\d | [bdhtuq]r?\d{2}[a-z]?\d?                          # echo planar, acceleration, kernels
    | x\d{1,3} | \d{1,2}(?:st|nd|rd|th)                             # repeats, ordinals
    """,
    re.VERBOSE,
)
_MAX_DIGITS_IN_A_ROW = 5
_SINGLE_LETTERS = frozenset("lrwc")  # left, right, with, contrast: others are initials


@cache
def _vocabulary() -> frozenset[str]:
    words = pkgutil.get_data(__package__, "data/vocabulary.txt")
    return frozenset((words or b"").decode().split())


def _ascii(word: str) -> str:
    """Write a word without diacritics: what is kept must be legal in every character set."""
    for letter, plain in (
        ("ß", "ss"),
        ("ä", "ae"),
        ("ö", "oe"),
        ("ü", "ue"),
        ("Ä", "Ae"),
        ("Ö", "Oe"),
        ("Ü", "Ue"),
    ):
        word = word.replace(letter, plain)
    return unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode()


@cache
def _plain_accented() -> frozenset[str]:
    """The words that a cleaned description has without their diacritics: cleaning twice changes nothing."""
    return frozenset(_ascii(word).casefold() for word in _vocabulary() if not word.isascii())


def _is_known(token: str) -> bool:
    word = token.casefold()
    if len(word) == 1:
        return word in _SINGLE_LETTERS
    return word in _vocabulary() or word in _plain_accented() or _TECHNICAL.fullmatch(word) is not None


def _is_title(token: str) -> bool:
    return token.casefold() in _TITLES or token in {"Mr", "mr", "Sr"}  # but MR and SR are modalities


@lru_cache(maxsize=4096)
def clean_description(text: str) -> str:
    """Return the words of a text that may stay, in their order, separated by spaces; empty if none may.

    >>> clean_description("CT CHEST W CONTRAST Dr Meier 4711")
    'CT CHEST W CONTRAST'
    """
    text = _ADDRESS.sub(" ", unicodedata.normalize("NFC", text)).replace("_", " ")
    text = _DATE.sub(" ", text)
    text = _WITHOUT.sub(lambda found: _WITHOUT_WORDS[found[1].lower()], _SIN.sub("sin ", text))
    text = _COLOUR.sub(" ", text)
    kept: list[str] = []
    numbers: list[str] = []
    after_title = False

    def flush() -> None:
        # several numbers in a row, whatever was between them, are a telephone number or an ID in groups
        if sum(character.isdigit() for number in numbers for character in number) <= _MAX_DIGITS_IN_A_ROW:
            kept.extend(numbers)
        numbers.clear()

    for token in _TOKEN.findall(text):
        if _NUMBER.fullmatch(token):
            numbers.append(token)
        elif token.isdigit():
            numbers.append(token * 2)  # too long to stay, and its neighbours go with it
        elif _is_title(token):
            after_title = True
        else:
            known = _is_known(token)
            if known and not after_title:
                flush()
                kept.append(_ascii(token))
            # a title takes the names after it along: unknown words, and the first known one
            after_title = after_title and not known
    flush()
    return " ".join(kept) if any(character.isalpha() for word in kept for character in word) else ""
