"""Import: profiles made of the rules of other tools, and a list of what they do otherwise.

What another tool does to an attribute becomes an override where it differs from what dicomveil does anyway:

* stricter than PS3.15: always taken over;
* weaker than PS3.15: left out and listed, or taken over and listed if that is accepted;
* impossible here (a name that is kept, a constant that is put in): the stricter of both rules, and listed.

The profile keeps no value of the imported file: no constant, no parameter, no name of a project.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dicomveil.errors import WrongUse
from dicomveil.overrides import Override, is_possible, is_weaker, may_be_overridden
from dicomveil.profile import Profile
from dicomveil.rules import DATE_VRS, Rules
from dicomveil.schema import loads_once
from dicomveil.tables import element_keyword, element_vrs

__all__ = ["Difference", "Imported", "imported"]

#: What functions of CTP and operations of Pacsbin do, as actions of Table E.1-1a. All others put in a
#: constant or a part of the value: removal is stricter.
_ACTIONS = {
    **dict.fromkeys(("keep", "require"), "K"),
    "remove": "X",
    "empty": "Z",
    "hashuid": "U",
    **dict.fromkeys(("incrementdate", "hashdate"), "C"),
    **dict.fromkeys(("hash", "hashptid", "hashname"), "D"),
}
_STRICTNESS = "XZDUCK"
#: Attributes whose D is a pseudonym, as a keyed hash is.
_PSEUDONYMS = frozenset(
    {0x00100010, 0x00100020, 0x00080050, 0x00200010, 0x00120040, 0x00120042, 0x00400512, 0x00400551}
    | {0x00181000, 0x0018700A}
)
_MARKERS = frozenset({0x00120062, 0x00120063, 0x00120064, 0x00280303})
_PATIENT_ID = 0x00100020
_MODIFIED_DATES = "retain_longitudinal_modified_dates"
_MAX_NAME = 64


class Difference(NamedTuple):
    """Where the profile does otherwise than the imported rules, or than PS3.15.

    ``kind``: ``weaker`` (than PS3.15), ``stricter`` or ``looser`` (than the imported rule), ``fixed`` (no
    profile changes it). ``wanted`` is the function or the part of the rules, ``taken`` an action, or empty
    where the rule of PS3.15 holds. Without a tag it is about the whole.
    """

    tag: int | None
    kind: str
    wanted: str
    taken: str = ""


class Imported(NamedTuple):
    """A profile, and its differences in the order of the imported rules."""

    profile: Profile
    differences: tuple[Difference, ...]


class _Wish(NamedTuple):
    """What is asked for an attribute: an action, by which function, and whether the action is just that."""

    action: str
    function: str
    exact: bool = True


@dataclass
class _Rules:
    """What a file of another tool asks for."""

    origin: str
    wishes: dict[int, _Wish] = field(default_factory=dict)
    notes: list[Difference] = field(default_factory=list)
    options: set[str] = field(default_factory=lambda: {"clean_pixel_data"})

    def ask(self, tag: int, wish: _Wish) -> None:
        """Note a wish; of two for one attribute the stricter counts."""
        self.wishes[tag] = _strictest([wish, *([self.wishes[tag]] if tag in self.wishes else [])])


def imported(
    text: str, *, name: str = "imported", accept_weaker: bool = False, without_quarantine: bool = False
) -> Imported:
    """Make a profile of an RSNA CTP anonymizer script (XML) or of Pacsbin's rules (JSON).

    ``accept_weaker`` is the explicit yes to all that is weaker than PS3.15; without it the profile meets the
    Basic Profile. ``without_quarantine`` is the yes to the loss of CTP's ``@quarantine``.

    Raises:
        WrongUse: ``import-invalid``, or ``import-unsupported`` for ``@quarantine`` without that yes.
    """
    text = text.lstrip("\ufeff \t\r\n")
    asked = _ctp(text) if text.startswith("<") else _pacsbin(text)
    if any(note.wanted == "quarantine" for note in asked.notes) and not without_quarantine:
        raise WrongUse("import-unsupported")
    if any(wish.action in "CK" and _is_date(tag) for tag, wish in asked.wishes.items()):
        asked.options.add(_MODIFIED_DATES)
    plain = Profile(name[:_MAX_NAME] or "imported", frozenset(asked.options))
    rules = Rules(plain)
    overrides: dict[int, Override] = {}
    differences = list(asked.notes)
    for tag, wish in sorted(asked.wishes.items()):
        difference, action = _settled(tag, wish, rules, accept_weaker=accept_weaker)
        if difference is not None:
            differences.append(difference)
        if action:
            weaker = is_weaker(rules.code_of(tag), action)
            overrides[tag] = Override(action, f"{asked.origin}: {wish.function}", accepted=weaker)
    profile = Profile(plain.name, plain.options, overrides=overrides)
    return Imported(profile, tuple(differences))


def _settled(tag: int, wish: _Wish, rules: Rules, *, accept_weaker: bool) -> tuple[Difference | None, str]:
    """Compare a wish with what holds without it: return the difference, if any, and the override's action."""
    code, action, options = rules.code_of(tag), wish.action, rules.profile.options
    letters = code.split("/")
    same = action in letters or (action == "D" and "Z" in letters) or (action == "U" and "U*" in letters)
    if action == "K" and element_keyword(tag).endswith("ClassUID"):
        same = True  # a UID of the standard stays
    if not may_be_overridden(tag):
        expected = tag in _MARKERS or (same and wish.exact) or action in "DU"
        expected = expected or (tag == _PATIENT_ID and action != "K")
        return (None if expected else Difference(tag, "fixed", wish.function)), ""
    if action == "K" and _is_date(tag) and _MODIFIED_DATES in options:
        # Never kept as they are: moved where PS3.15 has them moved; where it removes them, a yes is needed.
        wish = wish._replace(action="C", exact=False)
        return _settled(tag, wish, rules, accept_weaker=accept_weaker)
    if same or (not wish.exact and {*letters} <= {*"XZD"}):  # nothing of the value stays as it is
        return (None if wish.exact else Difference(tag, "stricter", wish.function)), ""
    if not is_possible(tag, action, options):
        return Difference(tag, "stricter", wish.function), ""
    if is_weaker(code, action):
        if accept_weaker:
            return Difference(tag, "weaker", wish.function, action), action
        return Difference(tag, "weaker", wish.function), ""
    return (None if wish.exact else Difference(tag, "stricter", wish.function, action)), action


def _strictest(wishes: Iterable[_Wish]) -> _Wish:
    """Return the strictest wish; it is not exact if another differs."""
    ordered = sorted(wishes, key=lambda wish: _STRICTNESS.index(wish.action))
    first = ordered[0]
    return first._replace(exact=first.exact and all(wish.action == first.action for wish in ordered))


def _wish(function: str, tag: int, *, alone: bool = True) -> _Wish:
    """Return what a function asks for an attribute; ``alone``: nothing stands beside it."""
    action = _ACTIONS.get(function)
    vr = (element_vrs(tag) or ("",))[0]
    if (
        action is None
        or not alone
        or (action == "C" and vr not in DATE_VRS)
        or (action == "U" and vr != "UI")
    ):
        return _Wish("X", function, exact=False)
    if action == "D":
        return _Wish("U" if vr == "UI" else "D", function, exact=tag in _PSEUDONYMS)
    return _Wish(action, function)


def _is_date(tag: int) -> bool:
    return (element_vrs(tag) or ("",))[0] in DATE_VRS


# ---------------------------------------------------------------------------------------- Pacsbin


def _pacsbin(text: str) -> _Rules:
    """Read ``{"rules": [{"tag", "enabled", "operation", "parameters"}], "options": {...}}``.

    A rule that is not enabled leaves its attribute as it is, unless ``removeDisabled``; sequences follow
    ``sequenceAction``.
    """
    found = _Rules("Pacsbin")
    try:
        data = loads_once(text)
        options: dict[str, Any] = dict(data.get("options", {}))
        for rule in data["rules"]:
            tag, enabled, operation = int(rule["tag"], 16), rule["enabled"], str(rule["operation"])
            if len(rule["tag"]) != 8 or not re.fullmatch(r"[a-z]{1,24}", operation):
                raise WrongUse("import-invalid")
            found.ask(tag, _pacsbin_wish(tag, operation, options, enabled=bool(enabled)))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WrongUse("import-invalid") from None
    if options.get("sequenceAction") == "remove":
        found.notes.append(Difference(None, "looser", "sequenceAction"))
    if options.get("removeDisabled"):
        found.notes.append(Difference(None, "looser", "removeDisabled"))
    for name in ("removePrivateGroups", "removeOverlays", "removeCurves"):
        if not options.get(name, True):
            found.notes.append(Difference(None, "stricter", name))
    return found


def _pacsbin_wish(tag: int, operation: str, options: dict[str, Any], *, enabled: bool) -> _Wish:
    if options.get("sequenceAction") == "remove" and element_vrs(tag) == ("SQ",):
        return _Wish("X", "sequenceAction")
    if enabled:
        return _wish(operation, tag)
    if options.get("removeDisabled") and not options.get(f"keepGroup{tag >> 16:04x}"):
        return _Wish("X", "removeDisabled")
    return _Wish("K", "disabled")


# -------------------------------------------------------------------------------------------- CTP


def _ctp(text: str) -> _Rules:
    """Read ``<script>`` with ``<p>`` parameters, ``<e>`` elements, ``<k>`` and ``<r>`` groups.

    An element that is not enabled stays as it is, unless unspecified elements are removed.
    """
    import xml.etree.ElementTree as ET  # the page has no need of it

    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise WrongUse("import-invalid")  # no script has entities of its own
    try:
        script = ET.fromstring(text)  # noqa: S314 - without entities there is nothing to expand
    except (ET.ParseError, ValueError):
        raise WrongUse("import-invalid") from None
    found = _Rules("CTP")
    if script.tag != "script":
        raise WrongUse("import-invalid")
    removed = {part.get("t", "") for part in script.iter("r") if part.get("en") == "T"}
    kept = {part.get("t", "").lower().zfill(4) for part in script.iter("k") if part.get("en") == "T"}
    if "safeprivateelements" in kept:
        found.options.add("retain_safe_private")
    for element in script.iter("e"):
        tag = _ctp_tag(element.get("t", ""))
        if tag is None:  # an element of a private block, or of no standard
            found.notes.append(Difference(None, "fixed", "private"))
        elif element.get("en") == "T":
            wish = _Script(tag, found).wish(element.text or "")
            found.ask(tag, wish)
        elif "unspecifiedelements" in removed and f"{tag >> 16:04x}" not in kept:
            found.ask(tag, _Wish("X", "unspecifiedelements"))
        else:
            found.ask(tag, _Wish("K", "disabled"))
    if "unspecifiedelements" in removed:
        found.notes.append(Difference(None, "looser", "unspecifiedelements"))
    for name in ("privategroups", "overlays", "curves"):
        if name not in removed and not (name == "privategroups" and "safeprivateelements" in kept):
            found.notes.append(Difference(None, "stricter", name))
    found.notes = list(dict.fromkeys(found.notes))
    return found


def _ctp_tag(text: str) -> int | None:
    digits = re.sub(r"[()\[\], ]", "", text)
    return int(digits, 16) if re.fullmatch(r"[0-9A-Fa-f]{8}", digits) and "[" not in text[1:] else None


_CALL = re.compile(r"\s*@(\w+)\s*")
_QUOTED = re.compile(r'"[^"]*"')


class _Script:
    """Reads the script of one element: ``@name(arguments){clause}{clause}rest``."""

    def __init__(self, tag: int, found: _Rules) -> None:
        self.tag = tag
        self.found = found

    def wish(self, text: str) -> _Wish:
        """Return the strictest that a script may come to; what stands outside functions is a constant."""
        call = _CALL.match(text)
        if call is None:
            return _Wish("Z", "empty") if not text.strip() else _Wish("X", "constant", exact=False)
        name, rest = call.group(1).lower(), text[call.end() :]
        _, rest = self._enclosed(rest, "()")
        clauses = []
        while rest.lstrip().startswith("{"):
            clause, rest = self._enclosed(rest.lstrip(), "{}")
            clauses.append(clause)
        if name == "always":
            return self.wish(rest)
        if name in {"quarantine", "skip"}:
            self.found.notes.append(Difference(None, "looser", "quarantine"))
            return _Wish("X", name, exact=False)
        if name in {"if", "select"}:
            # Without a second clause the element is left as it is.
            results = [self.wish(clause) for clause in clauses[:2]]
            results += [_Wish("K", name)] * (2 - len(results))
            return _strictest(results)
        return _wish(name, self.tag, alone=not rest.strip())

    @staticmethod
    def _enclosed(text: str, brackets: str) -> tuple[str, str]:
        """Split what a pair of brackets encloses from what follows; quoted brackets do not count.

        Raises:
            WrongUse: ``import-invalid``: the brackets do not close.
        """
        if not text.startswith(brackets[0]):
            return "", text
        plain = _QUOTED.sub(lambda quoted: "_" * len(quoted.group()), text)
        depth = 0
        for at, letter in enumerate(plain):
            depth += (letter == brackets[0]) - (letter == brackets[1])
            if not depth:
                return text[1:at], text[at + 1 :]
        raise WrongUse("import-invalid")
