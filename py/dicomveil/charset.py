"""Character sets: text of a data set decoded by what it declares (PS3.3 C.12.1.1.2, PS3.5 6.1)."""

from __future__ import annotations

import warnings
from functools import lru_cache

from pydicom.charset import convert_encodings, decode_bytes

from dicomveil.encoding import DataSet

__all__ = ["declared_encodings", "decode_text"]

_SPECIFIC_CHARACTER_SET = 0x00080005
_DELIMITERS = {0x5C, 0x0A, 0x0C, 0x0D, 0x09}  # where ISO 2022 sets go back to the first one


@lru_cache(maxsize=256)
def _encodings(declared: str) -> tuple[str, ...]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tuple(convert_encodings(declared.split("\\")))
    except (LookupError, ValueError):  # a NUL in the name of a codec is a ValueError
        return ("iso8859",)


def declared_encodings(data_set: DataSet, outer: tuple[str, ...] = ("iso8859",)) -> tuple[str, ...]:
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
