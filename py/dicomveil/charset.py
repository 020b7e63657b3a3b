"""Character sets: text of a data set decoded by what it declares (PS3.3 C.12.1.1.2, PS3.5 6.1)."""

from __future__ import annotations

import codecs
import warnings
from functools import lru_cache

from pydicom.charset import convert_encodings, decode_bytes, python_encoding

from dicomveil.encoding import DataSet

__all__ = ["declared_encodings", "decode_text", "defined_terms", "is_legal_text"]

_SPECIFIC_CHARACTER_SET = 0x00080005
#: Without a declaration text is ASCII (PS3.5 6.1.2.1); pydicom reads more, and calls it by this name.
_DEFAULT = ("iso8859",)
#: A Defined Term that pydicom does not know yet, by Python's name.
_NEWER = {"ISO_IR 203": "iso8859_15"}
#: Python's names of encodings -> Defined Terms (PS3.3 C.12.1.1.2).
_LATIN = {15: 203, 1: 100, 2: 101, 3: 109, 4: 110, 5: 144, 6: 127, 7: 126, 8: 138, 9: 148}
_TERMS = {f"iso8859-{part}": f"ISO_IR {number}" for part, number in _LATIN.items()}
_TERMS |= {"utf-8": "ISO_IR 192", "tis-620": "ISO_IR 166", "gb18030": "GB18030", "gbk": "GBK"}
_DELIMITERS = {0x5C, 0x0A, 0x0C, 0x0D, 0x09}  # where ISO 2022 sets go back to the first one


@lru_cache(maxsize=256)
def _encodings(declared: str) -> tuple[str, ...]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            terms = [_NEWER.get(term.strip(), term) for term in declared.split("\\")]
            return tuple(convert_encodings(terms))
    except (LookupError, ValueError):  # a NUL in the name of a codec is a ValueError
        return _DEFAULT


def declared_encodings(data_set: DataSet, outer: tuple[str, ...] = _DEFAULT) -> tuple[str, ...]:
    """Return the Python encodings of a data set: its own Specific Character Set, or the enclosing one's."""
    if data_set.find(_SPECIFIC_CHARACTER_SET) is None:
        return outer
    return _encodings(data_set.text(_SPECIFIC_CHARACTER_SET))


def decode_text(value: bytes, encodings: tuple[str, ...]) -> str:
    """Decode a text value; bytes that are not of the declared sets are replaced, never an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return decode_bytes(value, list(encodings), _DELIMITERS)
        except (LookupError, ValueError):
            return value.decode("latin-1")


@lru_cache(maxsize=256)
def defined_terms(value: bytes) -> bytes | None:
    """Return the Defined Terms of a Specific Character Set; None if it names an encoding that has none.

    Understood is what pydicom does: the terms, "ISO-IR 100" and the like, and Python's names such as "utf-8".
    """
    terms = []
    for declared in value.rstrip(b" \0").decode("latin-1").split("\\"):
        term = declared.strip()
        if term not in python_encoding and term not in _NEWER:
            if term[:3] == "ISO" and term[4:6] == "IR" and f"ISO_IR{term[6:]}" in python_encoding:
                term = f"ISO_IR{term[6:]}"
            elif term[:3] == "ISO" and f"ISO 2022 IR {term[12:]}" in python_encoding and term[9:11] == "IR":
                term = f"ISO 2022 IR {term[12:]}"
            else:
                term = _TERMS.get(_codec(term), "")
                if not term:
                    return None
        terms.append(term)
    return "\\".join(terms).encode("ascii")


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""


def is_legal_text(value: bytes, encodings: tuple[str, ...]) -> bool:
    """Tell whether a text has only what its declared character sets have (PS3.5 6.1)."""
    if value.isascii() and b"\x1b" not in value:
        return True
    return encodings != _DEFAULT and "\ufffd" not in decode_text(value, encodings)
