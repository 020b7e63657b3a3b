"""Content items: what PS3.15 Table E.3.4-1 says of them by their concept names (Clean Structured Content).

Content items stand in SR trees, acquisition contexts, specimen preparation steps and protocol contexts (PS3.3
C.17.3, C.7.6.14, C.7.6.22). An item whose concept is removed goes with all items below it; of one whose value
is replaced or cleaned the concept stays. A concept outside the table follows the rules of its value's
attribute; its text is free text.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from dicomveil.encoding import DataSet
from dicomveil.tables import concept_codes

__all__ = ["ContentRule", "content_rule", "value_tag"]

_CONCEPT_NAME, _VALUE_TYPE = 0x0040A043, 0x0040A040
_CODE_VALUE, _LONG_CODE_VALUE, _CODING_SCHEME = 0x00080100, 0x00080119, 0x00080102
#: Value type -> the attribute that holds its value. References and UIDs are always replaced (U) as such.
_VALUE_TAGS = {
    "TEXT": 0x0040A160,
    "PNAME": 0x0040A123,
    "DATE": 0x0040A121,
    "TIME": 0x0040A122,
    "DATETIME": 0x0040A120,
    "CODE": 0x0040A168,
    "NUM": 0x0040A300,
}
_DATE_OPTION = "retain_longitudinal_modified_dates"


class ContentRule(NamedTuple):
    """What happens to a content item: ``X`` removes it, else the action for the attribute ``tag``."""

    action: str
    code: str
    option: str | None
    tag: int | None


def value_tag(item: DataSet) -> int | None:
    """Return the attribute that holds the value of a content item; None for any other data set.

    The attribute is Type 1C by the value type (PS3.3 Section 10.2, Table C.17.3-2): where that stays, it must
    stay as well. Measured Value Sequence (NUM) may be empty.
    """
    tag = _VALUE_TAGS.get(item.text(_VALUE_TYPE))
    return tag if tag is not None and item.find(_CONCEPT_NAME) is not None else None


def content_rule(item: DataSet, options: AbstractSet[str]) -> ContentRule | None:
    """Return the rule for a data set if it is a content item whose concept name is in the table."""
    names = item.find(_CONCEPT_NAME)
    value_type = item.text(_VALUE_TYPE)
    if names is None or not names.items or not value_type:
        return None
    name = names.items[0]
    value = name.text(_CODE_VALUE) or name.text(_LONG_CODE_VALUE)
    codes = concept_codes(name.text(_CODING_SCHEME), value, value_type)
    if codes is None:
        return None
    basic, by_option = codes
    tag = _VALUE_TAGS.get(value_type)
    active = sorted((code, option) for option, code in by_option.items() if option in options)
    for code, option in reversed(active):  # K before C
        if code == "K" or option == _DATE_OPTION or value_type == "TEXT":
            return ContentRule(code, code, option, tag)
    # X/D: whether the template needs the item is not known, so it stays with a dummy.
    return ContentRule("X" if basic == "X" else "D", basic, None, tag)
