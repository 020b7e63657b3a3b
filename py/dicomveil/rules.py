"""The rule of each attribute: PS3.15 Table E.1-1 with the profile's options, and what holds outside it.

A rule is found once per tag and profile; a compound code (X/Z/D ...) is resolved once per tag, place and SOP
class by the attribute's Type in that IOD (PS3.15 E.1.1). Outside the table, which the standard calls a
minimum, the VR decides: numbers and codes stay, dates follow the date option, names, AE titles and URLs go,
free text stays only where it was reviewed as technical.
"""

from __future__ import annotations

from typing import NamedTuple

from dicomveil.errors import WrongUse
from dicomveil.overrides import Override, is_possible, is_weaker, named
from dicomveil.profile import Profile
from dicomveil.tables import (
    SAFE_TEXT,
    SHARED_DATES,
    Row,
    attribute_type,
    element_vrs,
    iod_name,
    known_sop_class,
    names_one,
    row_for,
)

__all__ = ["DATE_VRS", "TEXT_VRS", "TYPED_CODES", "Decision", "Rules"]

DATE_VRS = frozenset({"DA", "TM", "DT"})
TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_IDENTIFYING_VRS = frozenset({"AE", "AS", "PN", "UR"})
_BULK_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_CODE_TAGS = frozenset({0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080119})
#: Attributes that describe the data set itself and are written anew, or have no place in a data set.
_MARKER_TAGS = frozenset({0x00120062, 0x00120063, 0x00120064, 0x00280303})
_PRIVATE_CHARACTERISTICS = 0x00080300
_ENCRYPTED_ATTRIBUTES = 0x04000500
_TIMEZONE_OFFSET = 0x00080201

#: Codes (CS) that a person types: Content Label.
TYPED_CODES = frozenset({0x00700080})


class Decision(NamedTuple):
    """What happens to an attribute and why.

    ``action`` is one of ``K X Z D U C`` (PS3.15 Table E.1-1a), ``code`` the code as printed there (empty
    outside the table), ``reason`` a message id, ``option`` the option that gave the code.
    """

    action: str
    code: str
    reason: str
    option: str | None = None


class _Rule(NamedTuple):
    """A rule before the IOD is known: the code and, for when it cannot be carried out, the basic one."""

    code: str
    basic: str
    reason: str
    option: str | None = None


def _is_cleanable(option: str, tag: int, vr: str) -> bool:
    """Tell whether there is a way to clean (C) an attribute of this VR under an option."""
    if option == "retain_longitudinal_modified_dates":
        return (vr in DATE_VRS and tag not in SHARED_DATES) or tag == _TIMEZONE_OFFSET
    return vr == "SQ" or vr in TEXT_VRS or (vr == "AE" and option == "retain_device_identity")


def _is_required(attribute_type: str | None) -> bool:
    return attribute_type in {"1", "1C"}


class Rules:
    """The rules under one profile, with everything that was looked up so far.

    ``weaker`` has the overrides (tag -> action) that leave more than PS3.15 does with the profile's options.

    Raises:
        WrongUse: ``override-impossible``, or ``override-not-accepted`` for a weaker one.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.weaker: dict[int, str] = {}
        for tag, override in profile.overrides.items():
            pointer = f"/overrides/{named(tag)}"
            if not is_possible(tag, override.action, profile.options):
                raise WrongUse("override-impossible", tag, pointer=pointer)
            if is_weaker(self.code_of(tag), override.action):
                if not override.accepted:
                    raise WrongUse("override-not-accepted", tag, pointer=pointer)
                self.weaker[tag] = override.action
        self._rules: dict[int, _Rule] = {}
        self._places: dict[tuple[str, tuple[int, ...]], dict[int, Decision]] = {}
        self._fallbacks: dict[tuple[str, tuple[int, ...]], Decision] = {}

    def decide(self, sop_class: str, path: tuple[int, ...]) -> Decision:
        """Decide about the attribute ``path[-1]`` inside the sequences ``path[:-1]``."""
        rule = self._rule(path[-1])
        action = self._resolve(rule.code, sop_class, path)
        foreign = (
            rule.reason == "safe-text"
            and iod_name(sop_class) is not None
            and (path[-1] not in _CODE_TAGS or len(path) == 1)
            and attribute_type(sop_class, path) is None
        )
        if foreign:
            return Decision("X", "", "foreign-text")
        return Decision(action, rule.code if rule.reason == "table" else "", rule.reason, rule.option)

    def decisions_at(self, sop_class: str, path: tuple[int, ...]) -> dict[int, Decision]:
        """Return what was decided so far inside ``path``, by tag: the planner fills it by :meth:`decide`."""
        return self._places.setdefault((sop_class, path), {})

    def fall_back(self, sop_class: str, path: tuple[int, ...], reason: str) -> Decision:
        """Decide about an attribute whose value cannot be kept or cleaned as :meth:`decide` said."""
        key = (sop_class, path)
        found = self._fallbacks.get(key)
        if found is None:
            rule = self._rule(path[-1])
            code = rule.basic if rule.basic not in {"K", "C", "U"} else "X/Z/D"
            action = self._resolve(code, sop_class, path)
            found = self._fallbacks[key] = Decision(action, rule.basic, reason)
        return found if found.reason == reason else found._replace(reason=reason)

    def _rule(self, tag: int) -> _Rule:
        rule = self._rules.get(tag)
        if rule is None:
            rule = self._rules[tag] = self._make_rule(tag)
        return rule

    def code_of(self, tag: int) -> str:
        """Return the code that holds for an attribute without overrides."""
        return self._standard_rule(tag).code

    def _make_rule(self, tag: int) -> _Rule:
        standard = self._standard_rule(tag)
        override = self.profile.overrides.get(tag)
        return standard if override is None else self._overridden(standard, override)

    @staticmethod
    def _overridden(standard: _Rule, override: Override) -> _Rule:
        """Put an override in a rule's place; X and Z give way where the IOD needs a value (PS3.15 E.1.1)."""
        code = {"X": "X/Z/D", "Z": "Z/D"}.get(override.action, override.action)
        if override.action == "X" and standard.basic == "X":
            code = "X"
        return _Rule(code, standard.basic, "override")

    def _standard_rule(self, tag: int) -> _Rule:
        group = tag >> 16
        if group < 8:
            return _Rule("X", "X", "group-not-allowed")  # command, File Meta and directory elements
        if not tag & 0xFFFF:
            return _Rule("X", "X", "group-length")
        if tag in _MARKER_TAGS:
            return _Rule("X", "X", "marker")
        if tag == _ENCRYPTED_ATTRIBUTES:
            return _Rule(
                "X", "X", "encrypted"
            )  # an earlier de-identification's originals: not ours to pass on
        if tag == _PRIVATE_CHARACTERISTICS:
            return _Rule("X", "X", "private")
        row = row_for(tag)
        if row is not None:
            return self._table_rule(tag, row)
        if names_one(tag):
            return _Rule("X", "X", "identifying-vr")
        if group & 0xFF00 == 0x6000:
            return _Rule("X", "X", "overlay")  # describes an overlay whose data the table removes
        vrs = element_vrs(tag)
        if not vrs:
            return _Rule("X", "X", "unknown")
        return self._vr_rule(tag, vrs[0])

    def _table_rule(self, tag: int, row: Row) -> _Rule:
        reason = "private" if tag >> 16 & 1 else "table"
        active = [(code, option) for option, code in row.options.items() if option in self.profile.options]
        kept = [entry for entry in active if entry[0] == "K"]
        if kept:
            return _Rule("K", row.basic, reason, kept[0][1])
        for code, option in active:
            if row.vr and _is_cleanable(option, tag, row.vr[0]):
                return _Rule(code, row.basic, reason, option)
        # What an option cannot clean (overlays, curves: PS3.15 E.3.3) has no part that is known to be clean.
        return _Rule(row.basic, row.basic, reason)

    def _vr_rule(self, tag: int, vr: str) -> _Rule:
        options = self.profile.options
        if vr == "UI":
            return _Rule("K" if "retain_uids" in options else "U", "U", "uid")
        if vr in DATE_VRS:
            if "retain_longitudinal_full_dates" in options:
                return _Rule("K", "X/Z/D", "date", "retain_longitudinal_full_dates")
            if "retain_longitudinal_modified_dates" in options:
                return _Rule("C", "X/Z/D", "date", "retain_longitudinal_modified_dates")
            return _Rule("X/Z/D", "X/Z/D", "date")
        if vr in _IDENTIFYING_VRS:
            return _Rule("X/Z/D", "X/Z/D", "identifying-vr")
        if tag in TYPED_CODES:  # always with a value: Types of CS are not stored
            if "clean_descriptors" in options:
                return _Rule("C", "D", "free-text", "clean_descriptors")
            return _Rule("D", "D", "free-text")
        if vr in TEXT_VRS:
            if tag in SAFE_TEXT:
                return _Rule("K", "X/Z/D", "safe-text")
            if "clean_descriptors" in options:
                return _Rule("C", "X/Z/D", "free-text", "clean_descriptors")
            return _Rule("X/Z/D", "X/Z/D", "free-text")
        if vr in _BULK_VRS:
            return _Rule("K/X", "X", "bulk")
        if vr == "UN":
            return _Rule("X", "X", "unknown")
        return _Rule("K", "X/Z/D", "sequence" if vr == "SQ" else "code-or-number")

    def _resolve(self, code: str, sop_class: str, path: tuple[int, ...]) -> str:
        """Resolve a compound code by the attribute's Type: D or U for 1 and 1C, Z for 2 and 2C, else X."""
        if code == "X":
            return "D" if self._date_of_type_1(sop_class, path) else "X"
        if len(code) == 1:
            return code
        known = iod_name(sop_class) is not None
        type_ = attribute_type(sop_class, path)
        if code == "K/X":  # bulk data: kept where the IOD has a place for it
            return "X" if type_ is None else "K"
        if not known and known_sop_class(sop_class):
            type_ = "2"  # an IOD whose Types are not known: leave the attribute, without its value
        required = _is_required(type_)
        if code == "X/Z/U*":
            # U for Type 2, too: a segmentation without its references is valid, and of no use to anyone.
            return "X" if type_ in {None, "3"} else "U"
        if code == "X/D":
            return "D" if type_ in {"1", "1C", "2", "2C"} else "X"
        if code == "Z/D":
            return "D" if required else "Z"
        if code == "X/Z":
            return "X" if type_ in {None, "3"} else "Z"
        return "D" if required else "Z" if type_ in {"2", "2C"} else "X"

    @staticmethod
    def _date_of_type_1(sop_class: str, path: tuple[int, ...]) -> bool:
        """X against a Type 1 date (Presentation Creation Date): the IOD's integrity first, PS3.15 E.1.1."""
        vrs = element_vrs(path[-1])
        is_date = bool(vrs and vrs[0] in DATE_VRS)
        return is_date and attribute_type(sop_class, path) == "1"
