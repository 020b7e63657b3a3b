"""Plan: decide about every element of an instance, without changing anything.

Planning is pure: an instance, a profile and what is known about the pixels give a tree of steps. Cleaning
carries it out, the page shows it, tests compare it. Decisions that a newcomer would question:

* Elements are handled under the VR that PS3.6 gives for their tag. An element that is encoded with another VR
  (``UN`` above all) is kept only if its value has the form of PS3.6's VR, and is written with that one.
* Of duplicate tags the last one counts, as in every reader that keeps a dictionary; the others are removed.
* A code whose coding scheme is not a public one may say anything: a pseudonym takes its value's place, so
  that equal codes stay equal, and dummies take those of its scheme and its meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from dicomveil.charset import declared_encodings, decode_text, defined_terms, is_legal_text
from dicomveil.codes import meaning_of, public_code
from dicomveil.content import content_rule, value_tag
from dicomveil.descriptors import clean_description
from dicomveil.encoding import PIXEL_DATA, DataSet, Element, parse_items
from dicomveil.errors import Refused
from dicomveil.icc import neutral_profile
from dicomveil.private import PrivateBlocks, declared_safe
from dicomveil.reading import Instance
from dicomveil.rules import DATE_VRS, TEXT_VRS, TYPED_CODES, Decision, Rules
from dicomveil.tables import AUDIO_SOP_CLASSES, attribute_type, element_vrs, known_sop_class, most_values
from dicomveil.values import count_of, shift_date, shift_datetime, well_formed, well_formed_timezone

__all__ = ["PixelClaim", "Plan", "Step", "plan", "walk"]

_SAFE_CREATOR = Decision("K", "C", "private", "retain_safe_private")
_UNSAFE_VRS = frozenset({"AE", "AS", "PN", "TM", "UR"})
#: PS3.15 E.3.6 asks for care with great ages: HIPAA's safe harbour puts all from 90 in one class.
_OLD = 90
_DUPLICATE = Decision("X", "", "duplicate")
#: Code Value, Long Code Value, URN Code Value, Code Meaning, Coding Scheme Designator and its Version.
_LOCAL_CODE = {
    **dict.fromkeys(
        (0x00080100, 0x00080119, 0x00080120, 0x00080104, 0x00080102), Decision("D", "", "local-code")
    ),
    0x00080103: Decision("X", "", "local-code"),
}
_STALE = Decision("X", "", "stale-after-redaction")
_CLAIM = Decision("X", "", "marker")
_MISPLACED_PIXELS = Decision("X", "", "pixels-not-in-place")
_BY_OVERRIDE = frozenset({"override", "age-of-90-or-more"})
_CODE_MEANING = 0x00080104
_CHARACTER_SET = 0x00080005
_ICC_PROFILE = 0x00282000
_BURNED_IN_ANNOTATION = 0x00280301
_TIMEZONE_OFFSET = 0x00080201
_WAVEFORM_SEQUENCE = 0x54000100
_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
#: Statistics of the pixels and what else tells of them as they were, PS3.3 C.7.6.3, C.7.6.16.
_STALE_TAGS = frozenset(
    {
        0x00280106,
        0x00280107,
        0x00280108,
        0x00280109,
        0x00280110,
        0x00280111,
        0x00603000,
        0x7FE00001,
        0x7FE00002,
    }
)
#: Without these an image is shown wrongly, or in the wrong place: PS3.3 C.7.6.1 to C.7.6.3, C.11.1.
_IMAGE_TAGS = frozenset(
    {0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x00280101}
    | {0x00280102, 0x00280103, 0x00200032, 0x00200037, 0x00280030, 0x00281052, 0x00281053, 0x00080060}
)
_MAX_SHORT_VALUE = 0xFFFE


@dataclass(frozen=True, slots=True)
class PixelClaim:
    """What will be true of the pixels: ``redacted`` if any is overwritten, ``clean`` if text is ruled out."""

    redacted: bool = False
    clean: bool = False


class Step(NamedTuple):
    """One element's fate. ``vr`` is the VR to write; ``items`` are the steps of a sequence that is kept."""

    data_set: DataSet
    element: Element
    vr: str
    decision: Decision
    items: tuple[list[Step], ...] | None


@dataclass(slots=True)
class Plan:
    """The steps of the whole data set in tag order, before and after Pixel Data together."""

    steps: list[Step]
    claim: PixelClaim
    counts: dict[str, int] = field(default_factory=dict)
    #: Overrides that took effect and leave more than PS3.15 does: tag -> action.
    weaker: dict[int, str] = field(default_factory=dict)


def plan(
    instance: Instance, rules: Rules, claim: PixelClaim, *, remove: AbstractSet[int] = frozenset()
) -> Plan:
    """Plan the cleaning of one instance; ``remove`` holds tags that are not to be kept at any depth.

    Raises:
        Refused: ``no-sop-class``, ``dicomdir``, ``private-sop-class``, ``encapsulated-document``.
    """
    sop_class = instance.sop_class
    if not sop_class:
        raise Refused("no-sop-class", 0x00080016)
    if sop_class == _MEDIA_STORAGE_DIRECTORY:
        raise Refused("dicomdir", 0x00080016)  # File Meta Information said something else
    if not known_sop_class(sop_class):
        raise Refused("private-sop-class", 0x00080016)
    if sop_class in AUDIO_SOP_CLASSES:
        raise Refused("encapsulated-document", _WAVEFORM_SEQUENCE)
    planner = _Planner(rules, sop_class, claim, remove, instance.head)
    steps = planner.data_set(instance.head, ())
    if instance.tail.elements:
        steps = _last_of_each([*steps, *planner.data_set(instance.tail, ())])
    if any(step.element.tag == 0x00420011 for step in steps):
        raise Refused("encapsulated-document", 0x00420011)
    return Plan(steps, claim, planner.counts, planner.weaker)


def walk(steps: list[Step], path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Step]]:
    """Yield every step with the tags of its enclosing sequences and its own, parents first."""
    for step in steps:
        here = (*path, step.element.tag)
        yield here, step
        for item in step.items or ():
            yield from walk(item, here)


def _last_of_each(steps: list[Step]) -> list[Step]:
    """Sort by tag; of equal tags only the last stays planned, the others are removed."""
    ordered = sorted(steps, key=lambda step: step.element.tag)
    for i in range(len(ordered) - 1):
        if ordered[i].element.tag == ordered[i + 1].element.tag:
            ordered[i] = ordered[i]._replace(decision=_DUPLICATE, items=None)
    return ordered


class _Planner:
    def __init__(
        self,
        rules: Rules,
        sop_class: str,
        claim: PixelClaim,
        remove: AbstractSet[int],
        head: DataSet,
    ) -> None:
        self.rules = rules
        self.sop_class = sop_class
        self.remove = remove
        self.safe_private = "retain_safe_private" in rules.profile.options
        self.encodings = declared_encodings(head)
        self.declared = declared_safe(head) if self.safe_private else {}
        self.counts: dict[str, int] = {}
        self.weaker: dict[int, str] = {}
        self.root_overrides: dict[int, Decision] = {}
        if claim.redacted:
            self.root_overrides |= dict.fromkeys(_STALE_TAGS, _STALE)
        if claim.clean:
            self.root_overrides[_BURNED_IN_ANNOTATION] = _CLAIM

    def data_set(self, data_set: DataSet, path: tuple[int, ...]) -> list[Step]:
        steps = []
        counts = self.counts
        weaker = self.rules.weaker
        last, ordered = -1, True
        overrides = self.item_overrides(data_set) if path else self.root_overrides
        private = None
        if self.safe_private:
            private = PrivateBlocks(data_set, self.rules.profile.safe_private, self.declared)
        decisions = self.rules.decisions_at(self.sop_class, path)
        for element in data_set.elements:
            tag = element.tag
            decision = overrides.get(tag) or decisions.get(tag)
            if decision is None:
                decision = decisions[tag] = self.rules.decide(self.sop_class, (*path, tag))
            if private is not None and tag & 0x10000:
                step = self.private_element(data_set, element, (*path, tag), private)
            elif decision.action == "X":
                step = Step(data_set, element, element.vr, decision, None)
            else:
                step = self.element(data_set, element, (*path, tag), decision)
            ordered = ordered and tag > last
            last = tag
            action = step.decision.action
            if tag in weaker and step.decision.reason in _BY_OVERRIDE:
                self.weaker[tag] = action
            counts[action] = counts.get(action, 0) + 1
            steps.append(step)
        if private is not None and private.kept:
            steps = [
                step._replace(decision=_SAFE_CREATOR) if step.element.tag in private.kept else step
                for step in steps
            ]
        if path:
            self.keep_value(data_set, steps)
        return steps if ordered else _last_of_each(steps)

    def keep_value(self, item: DataSet, steps: list[Step]) -> None:
        """Let a dummy stand where nothing may stay of a content item's value: without one it is invalid."""
        needed = value_tag(item)
        for index, step in enumerate(steps if needed is not None else ()):
            action = step.decision.action
            if step.element.tag == needed and action in "XZ":
                self.counts[action] -= 1
                self.counts["D"] = self.counts.get("D", 0) + 1
                decision = step.decision._replace(action="D")
                steps[index] = step._replace(vr=_vr_to_write(needed, step.vr), decision=decision)

    def item_overrides(self, item: DataSet) -> dict[int, Decision]:
        """Return the decisions that an item's own content makes: local codes, and content items' values."""
        if any(item.find(tag) is not None for tag in _LOCAL_CODE):
            return self.meaning_override(item) if public_code(item) else _LOCAL_CODE
        rule = content_rule(item, self.rules.profile.options)
        if rule is None or rule.tag is None or rule.action == "X":
            return {}
        own = self.rules.profile.overrides.get(rule.tag)
        if own is not None and own.action in "XZD":
            return {}  # the profile is stricter than the concept
        return {rule.tag: Decision(rule.action, rule.code, "concept", rule.option)}

    def meaning_override(self, item: DataSet) -> dict[int, Decision]:
        """Return the decision about the meaning of a public code, if it is not as the scheme has it."""
        if _CODE_MEANING in self.rules.profile.overrides:
            return {}
        text, left = meaning_of(item, self.encodings)
        if left == text:
            return {}
        return {_CODE_MEANING: Decision("C" if left else "D", "", "code-meaning")}

    def items(self, element: Element, path: tuple[int, ...]) -> tuple[list[Step], ...]:
        """Plan the items that stay: a content item whose concept is removed goes whole (PS3.15 E.3.4)."""
        planned = []
        for item in element.items or ():
            rule = content_rule(item, self.rules.profile.options)
            if rule is not None and rule.action == "X":
                self.counts["X"] = self.counts.get("X", 0) + 1
            else:
                planned.append(self.data_set(item, path))
        return tuple(planned)

    def private_element(
        self, data_set: DataSet, element: Element, path: tuple[int, ...], blocks: PrivateBlocks
    ) -> Step:
        """Keep a private element that is known to be safe; its items are under the same rules."""
        vr = blocks.safe_vr(element.tag, element.vr)
        decision = self.rules.decide(self.sop_class, path)
        if vr is None:
            return Step(data_set, element, element.vr, decision._replace(action="X"), None)
        if vr == "SQ":
            if element.items is None:
                element.items = parse_items(data_set, element)
            blocks.keep_creator_of(element.tag)
            return Step(data_set, element, vr, decision._replace(action="C"), self.items(element, path))
        if element.items is not None or not well_formed(vr, data_set.value(element)) or vr in _UNSAFE_VRS:
            return Step(data_set, element, element.vr, decision._replace(action="X"), None)
        action = "K"
        if vr in {"DA", "DT"} and "retain_longitudinal_full_dates" not in self.rules.profile.options:
            return Step(data_set, element, element.vr, decision._replace(action="X"), None)
        if vr == "UI" and "retain_uids" not in self.rules.profile.options:
            action = "U"
        blocks.keep_creator_of(element.tag)
        return Step(data_set, element, vr, decision._replace(action=action), None)

    def element(self, data_set: DataSet, element: Element, path: tuple[int, ...], decision: Decision) -> Step:
        """Look at the value of an element that ``decision`` leaves in the data set: it may not allow that."""
        tag = element.tag
        if tag in self.remove and decision.action in "KCU":
            decision = self.rules.fall_back(self.sop_class, path, "asked-to-remove")
        elif tag in PIXEL_DATA:
            decision = _MISPLACED_PIXELS  # in an item, or a second time: nothing there was looked at
        if decision.action == "X":
            return Step(data_set, element, element.vr, decision, None)
        vr = _vr_to_write(tag, element.vr)
        if element.items is not None or vr == "SQ":
            if decision.action in "KCU" and vr == "SQ" and element.items is not None:
                return Step(data_set, element, vr, decision, self.items(element, path))
            if decision.action in "KCU":
                decision = Decision("X", decision.code, "vr-mismatch")
            return Step(data_set, element, vr, decision, None)
        if decision.action in "KCU":
            decision = self.checked(data_set, element, vr, path, decision)
        return Step(data_set, element, vr, decision, None)

    def checked(
        self, data_set: DataSet, element: Element, vr: str, path: tuple[int, ...], decision: Decision
    ) -> Decision:
        """Let a value stay or be changed only if it has the form that its VR says."""
        value = data_set.value(element)
        if decision.reason == "code-meaning":
            return decision
        if path[-1] == _CHARACTER_SET and decision.action == "K":
            terms = defined_terms(value)
            if terms is None:
                return self.rules.fall_back(self.sop_class, path, "invalid-value")
            return decision if terms == value.rstrip(b" \0") else decision._replace(action="C")
        if path[-1] == _ICC_PROFILE and decision.action == "K":
            profile = neutral_profile(value)
            if profile is None:
                needed = attribute_type(self.sop_class, path) in {"1", "1C"}
                return decision._replace(action="D" if needed else "X", reason="invalid-value")
            return decision if profile == value else decision._replace(action="C")
        if (
            decision.action == "C"
            and (vr in TEXT_VRS or path[-1] in TYPED_CODES)
            and path[-1] != _TIMEZONE_OFFSET
        ):
            text = decode_text(value, declared_encodings(data_set, self.encodings))
            if not clean_description(text):
                return self.rules.fall_back(self.sop_class, path, "nothing-kept")
            return decision
        if decision.action == "C" and vr != "AE" and not _is_shiftable(path[-1], vr, value):
            return self.rules.fall_back(self.sop_class, path, "not-a-date")
        if vr == "AS" and value[3:4] == b"Y" and value[:3].isdigit() and int(value[:3]) >= _OLD:
            return decision._replace(action="C", reason="age-of-90-or-more")
        if vr in TEXT_VRS and not is_legal_text(value, declared_encodings(data_set, self.encodings)):
            return self.rules.fall_back(self.sop_class, path, "invalid-value")
        fits = well_formed(vr, value) and (vr == element.vr or _is_plausible(vr, value))
        # More numbers than the attribute has may be letters: nothing else tells them from numbers.
        fits = fits and count_of(vr, value) <= (most_values(path[-1]) or len(value))
        if not fits:
            if path[0] in _IMAGE_TAGS and len(path) == 1:
                raise Refused("attribute-invalid", path[0])
            return self.rules.fall_back(self.sop_class, path, "invalid-value")
        return decision


def _vr_to_write(tag: int, vr: str) -> str:
    """Return the VR of PS3.6 for a tag; where it allows several, the encoded one if it is among them."""
    vrs = element_vrs(tag)
    if not vrs or vr in vrs:
        return vr
    return "OW" if "OW" in vrs and len(vrs) > 1 and "US" not in vrs else vrs[0]


def _is_plausible(vr: str, value: bytes) -> bool:
    """Tell whether a value that was encoded with another VR may be written with this one."""
    if vr in {"AT", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV"}:
        return len(value) <= 64  # numbers of a text VR would be letters: a long one is not numbers
    return vr not in {"OB", "OW", "OD", "OF", "OL", "OV", "UN"} and len(value) <= _MAX_SHORT_VALUE


def _is_shiftable(tag: int, vr: str, value: bytes) -> bool:
    if vr == "DA":
        return shift_date(value, -1) is not None
    if vr == "DT":
        return shift_datetime(value, -1) is not None
    if tag == _TIMEZONE_OFFSET:
        return well_formed_timezone(value)
    return vr in DATE_VRS
