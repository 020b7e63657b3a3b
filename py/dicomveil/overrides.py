"""Overrides: a profile's own action for single attributes, and how it compares with PS3.15.

A stricter action is always free. A weaker one needs ``"accepted": true``, and costs the claim of the Basic
Profile in every instance where it had an effect. Some are refused whatever is accepted, since what they leave
could never pass verification or would make the markers untrue: see :func:`is_possible`.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any, NamedTuple

from dicomveil.errors import WrongUse
from dicomveil.tables import element_keyword, element_vrs, rows

__all__ = ["Override", "is_possible", "is_weaker", "may_be_overridden", "named", "overrides_of", "tag_named"]

_FULL_DATES, _MODIFIED_DATES = "retain_longitudinal_full_dates", "retain_longitudinal_modified_dates"
_DATE_VRS = frozenset({"DA", "DT", "TM"})
_TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_TIMEZONE_OFFSET = 0x00080201
#: What dicomveil writes anew, and without which the rest cannot be read: character set, identity of the
#: instance, description of the pixels (PS3.3 C.12.1, C.7.6.3) and the pixels.
_NEEDED = frozenset(
    {
        *(0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00100020),
        *(0x00120062, 0x00120063, 0x00120064, 0x00280303),
        *(0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011),
        *(0x00280100, 0x00280101, 0x00280102, 0x00280103),
        *(0x7FE00001, 0x7FE00002, 0x7FE00003, 0x7FE00008, 0x7FE00009, 0x7FE00010),
    }
)
#: How much is left: nothing, no value or one that says nothing, something else, everything.
_LEFT = {"X": 0, "Z": 1, "D": 1, "C": 2, "U": 2, "U*": 2, "K": 3}


class Override(NamedTuple):
    """An action of PS3.15 Table E.1-1a, the reason for it, and whether it may be weaker than PS3.15."""

    action: str
    reason: str
    accepted: bool = False


@cache
def _keywords() -> dict[str, int]:
    """Map keywords to tags; the table's too, which has elements newer than pydicom."""
    from pydicom.datadict import keyword_dict  # late: loading it takes a fifth of the core's start

    return {row.keyword: tag for tag, row in rows().items() if row.keyword} | keyword_dict


def tag_named(name: str) -> int | None:
    """Return the tag that eight hexadecimal digits or a keyword of PS3.6 name."""
    tag = _keywords().get(name)
    if tag is None and len(name) == 8:
        try:
            tag = int(name, 16)
        except ValueError:
            return None
    return tag


def may_be_overridden(tag: int) -> bool:
    """Tell whether an override may name an attribute: of PS3.6, not private, not needed to read the rest."""
    group = tag >> 16
    return group >= 8 and not group & 1 and bool(tag & 0xFFFF and element_vrs(tag)) and tag not in _NEEDED


def overrides_of(data: Mapping[str, Mapping[str, Any]]) -> dict[int, Override]:
    """Read the member ``overrides`` of a profile, which has the form of the schema.

    Raises:
        WrongUse: ``override-invalid``.
    """
    found: dict[int, Override] = {}
    for name, members in data.items():
        tag = tag_named(name)
        if tag is None or tag in found or not may_be_overridden(tag):
            raise WrongUse("override-invalid", tag, pointer=f"/overrides/{name}")
        found[tag] = Override(members["action"], members["reason"], members.get("accepted", False))
    return found


def named(tag: int) -> str:
    """Return the name under which a profile lists an attribute."""
    return element_keyword(tag) or f"{tag:08X}"


def is_weaker(code: str, action: str) -> bool:
    """Tell whether an action leaves more than a code of Table E.1-1 allows.

    A compound code allows its weakest letter. Z allows a dummy value too (Table E.1-1a). ``K/X``, for bulk
    data that stay only where the IOD has a place for them, allows nothing else to stay.
    """
    if code == "K/X":
        return action != "X"
    return _LEFT[action] > max(_LEFT[letter] for letter in code.split("/"))


def is_possible(tag: int, action: str, options: AbstractSet[str]) -> bool:
    """Tell whether an action can be carried out on an attribute, and truthfully told.

    Dates are kept or moved only by the option that (0028,0303) will name. UIDs stay only under Retain UIDs,
    names and AE titles never: verification would find them. C needs a way to clean: of text, sequences, dates
    and AE titles.
    """
    vr = (element_vrs(tag) or ("",))[0]
    if action == "U":
        return vr == "UI"
    if vr in _DATE_VRS or tag == _TIMEZONE_OFFSET:
        return action in "XZD" or {"K": _FULL_DATES, "C": _MODIFIED_DATES}[action] in options
    if action == "C":
        return vr in _TEXT_VRS or vr in {"SQ", "AE"}
    if action == "K":
        return vr != "PN" and (vr != "UI" or "retain_uids" in options)
    return True
