"""Codes of public coding schemes: which values they may have, and which meanings are believed (PS3.3 8).

The scheme of a code says who gave it its meaning, but anybody may have written the value and the meaning. So
a value has to have the form of its scheme's, else the code counts as a local one. A meaning stays if it is
the scheme's own (``data/code_meanings.txt``), or if it consists of words that a description may keep; of any
other only these words stay.
"""

from __future__ import annotations

import pkgutil
import re
from functools import cache, lru_cache

from dicomveil.charset import declared_encodings, decode_text
from dicomveil.descriptors import clean_description
from dicomveil.encoding import DataSet

__all__ = ["STANDARD_SCHEMES", "code_meaning", "is_plain", "is_public_code", "meaning_of", "public_code"]

_VALUE, _LONG_VALUE, _SCHEME, _MEANING = 0x00080100, 0x00080119, 0x00080102, 0x00080104

_SNOMED = r"[A-Z][A-Z0-9]?-[0-9A-Z]{3,6}"
_ICD = r"[A-Z]?\d{1,3}[A-Z]?(?:\.\w{1,4})?"
_OTHER = r"[A-Za-z0-9][A-Za-z0-9.:/_+-]{0,15}"
_OTHERS = """
RFC5646 RFC3066 ISO3166_1 ISO639_1 ISO639_2 ICDO3 MGI MP MA NYUMCCG ITIS_TSN UBERON PATHLEX PUBCHEM_CID UNII
HPC TCIA NEU BI BARI SCPECG PHENX MAYOASRG CADSR NICIP IBSI MSH UMDNS GMDN DOI ACR BRLX NDC RXNORM
"""
#: Coding schemes of PS3.16 Table 8-1 that a site cannot fill with meanings of its own -> the form of a code.
_FORMS = {
    **dict.fromkeys(_OTHERS.split(), _OTHER),
    **dict.fromkeys(["SRT", "SNM3", "99SDM", "SNM"], _SNOMED),
    **dict.fromkeys(["I9C", "I9CP", "ICD9", "I10", "I10P", "I11"], _ICD),
    **dict.fromkeys(["CPT4", "C4"], r"\d{4}[0-9A-Z]"),
    **dict.fromkeys(["NCIt", "NCI"], r"C\d{3,7}"),
    "DCM": r"\d{5,6}",
    "SCT": r"[1-9]\d{5,17}",
    "RADLEX": r"RID\d{1,6}",
    "LN": r"\d{1,7}-\d",
    "FMA": r"(?:FMA)?\d{1,6}",
    "UMLS": r"C\d{7}",
    "MDC": r"\d{1,3}:\d{1,6}|\d{1,8}",
    "UCUM": r"[!-z|~]*(?:\{[^{}]*\}[!-z|~]*)*",
}
STANDARD_SCHEMES = frozenset(_FORMS)
_MOST_DIGITS = 4
_ANNOTATION = re.compile(r"\{([^{}]*)\}")


@cache
def _meanings() -> str:
    return (pkgutil.get_data(__package__, "data/code_meanings.txt") or b"").decode()


@lru_cache(maxsize=4096)
def is_public_code(scheme: str, value: str) -> bool:
    """Tell whether a code may be one of its scheme: the scheme is public, and the value has its form."""
    form = _FORMS.get(scheme)
    if form is None:
        return False
    if not value or re.fullmatch(form, value, re.ASCII):
        # What UCUM has in braces is text that means nothing to it.
        return scheme != "UCUM" or all(map(is_plain, _ANNOTATION.findall(value)))
    return scheme == "DCM" and f"\nDCM {value}\t" in _meanings()


def is_plain(text: str) -> bool:
    """Tell whether a description may keep every word of a text."""
    words = re.findall(r"[^\W_]+", text)
    if re.findall(r"[^\W_]+", clean_description(text)) == words:
        return True
    # Units and letters of a classification; but short words of other scripts, and many digits, may be names,
    # dates and telephone numbers.
    short = text.isascii() and all(len(word) < 3 for word in words)
    return short and sum(map(str.isdigit, text)) <= _MOST_DIGITS


@lru_cache(maxsize=4096)
def code_meaning(scheme: str, value: str, meaning: str) -> str:
    """Return what of the meaning of a public code may stay: the text, or some of its words, or nothing."""
    if is_plain(meaning) or f"\n{scheme} {value}\t{meaning.casefold()}\n" in _meanings():
        return meaning
    return clean_description(meaning)


def public_code(item: DataSet) -> bool:
    """Tell whether an item is a code of a public coding scheme: each of its values (PS3.3 8.1) has to be."""
    values = list(filter(None, (item.text(_VALUE), item.text(_LONG_VALUE)))) or [""]
    return all(is_public_code(item.text(_SCHEME), value) for value in values)


def meaning_of(item: DataSet, encodings: tuple[str, ...]) -> tuple[str, str]:
    """Return the meaning of a public code as it is written, and what of it may stay."""
    element = item.find(_MEANING)
    if element is None:
        return "", ""
    text = decode_text(item.value(element), declared_encodings(item, encodings)).strip(" \0")
    value = item.text(_VALUE) or item.text(_LONG_VALUE)
    return text, code_meaning(item.text(_SCHEME), value, text)
