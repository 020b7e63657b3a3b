"""Verification: a second, independent look at the finished output, without which nothing is released.

It shares no code with reading, planning and cleaning. Of Pixel Data it reads what is beside the pixels.
From the output alone (:func:`verify_instance`; also for ``dicomveil verify`` and for the receiver, so hostile
files are expected):

1. *Structure.* An empty preamble, exactly our File Meta Information, elements in order, even lengths that add
   up, known VRs and tags, nothing private, no group 0000, 0002, 0004, nothing behind the end.
2. *Markers.* What PS3.15 E.1.1 and E.3 want written, in agreement with each other.
3. *Rules.* What Table E.1-1 removes or empties under the claimed options is absent or empty at every depth;
   text outside the table is only there where it was reviewed; dates only where an option keeps them; UIDs are
   the standard's or ours.
4. *Frames.* Pixel Data are as long as their frames, and these hold images alone, see ``verify_frames``.

Against the input (:func:`verify`): none of its identifiers is left, see ``verify_identifiers``; nor
in what an MP4 holds beside its media data, see ``verify_video``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from dicomveil import tables
from dicomveil.risk import pixel_risks
from dicomveil.source import Source
from dicomveil.verify_frames import VIDEO, FrameSizes, frames_are_clean
from dicomveil.verify_icc import icc_profile_says_nothing
from dicomveil.verify_identifiers import (
    BINARY_VRS,
    NUMBER_VRS,
    TEXT_VRS,
    Identifiers,
    collect_identifiers,
    dates_in,
    is_pseudonym,
    moved,
    shifted,
    uids_in,
)
from dicomveil.verify_reading import PIXEL_TAGS, Element, Malformed, Reading
from dicomveil.verify_search import find_in_binaries, find_in_numbers, find_in_text
from dicomveil.verify_video import beginnings, beside_media

__all__ = [
    "Identifiers",
    "Problem",
    "Verified",
    "collect_identifiers",
    "verify",
    "verify_instance",
]

#: What our File Meta Information says about its writer (PS3.10 Section 7.1); the version follows the name.
_IMPLEMENTATION_CLASS_UID = "2.25.315895117922885441831106518275809658133"
_IMPLEMENTATION_VERSION = re.compile(rb"DICOMVEIL_[\w.+]{1,6} ?", re.ASCII)
_META = frozenset({0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012, 0x00020013})

_FULL_DATES, _MODIFIED_DATES = "retain_longitudinal_full_dates", "retain_longitudinal_modified_dates"
_TEMPORAL = {_FULL_DATES: "UNMODIFIED", _MODIFIED_DATES: "MODIFIED"}
_OPTION_OF_CODE = {code: option for option, (code, _meaning) in tables.METHOD_CODES.items()}

#: Values that cleaning puts where a value has to be (D); none of them says anything.
_DUMMIES = frozenset(b" REMOVED 19000101 000000 19000101000000 000Y 0 urn:removed 99DICOMVEIL".split(b" "))
_OUR_TEXT = {
    0x00120063: re.compile(
        rb"dicomveil [\w.+]+(?:\\Basic Profile except \([0-9A-F]{4},[0-9A-F]{4}\) [XZDKCU])*", re.ASCII
    ),
    0x00082111: re.compile(rb"Areas of the pixels were blackened"),
}
_FREE_TEXT_VRS = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_DATE_VRS = frozenset({"DA", "DT", "TM"})

#: Attributes of the top level that the checks look at.
_LOOKED_AT = frozenset(
    {
        *(0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x00080060, 0x00080064, 0x0020000D, 0x0020000E),
        *(0x00120062, 0x00120063, 0x00280004, 0x00280301, 0x00280303, 0x00480010),
        *(0x00280002, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x7FE00001, 0x7FE00002),
    }
)
_METHOD_CODES = 0x00120064
_ICC_PROFILE = 0x00282000
#: Removed by the table, but Type 1 in an IOD: Radiopharmaceutical Start DateTime, Presentation Creation Date
#: and Time. They hold our dummy.
_NEEDED_DATES = frozenset({0x00181078, 0x00700082, 0x00700083})
#: Problems that an attribute has only with a value that says something.
_ABOUT_VALUES = frozenset({"attribute-not-replaced", "text-not-reviewed"})
_EXCEPTED = frozenset({"attribute-not-removed", "attribute-not-replaced", "text-not-reviewed"})
_EXCEPTION = re.compile(rb"Basic Profile except \(([0-9A-F]{4}),([0-9A-F]{4})\)", re.ASCII)
_NOTHING: Mapping[int, str] = MappingProxyType({})
_BATCH = 4096
#: Nothing counts in a shorter binary value: five letters, and a byte that makes them even.
_SHORTEST_BINARY = 6
_MAX_PROBLEMS = 100

_TEXT, _BINARY, _NUMBER, _DATE, _UID = range(1, 6)
_KINDS = {
    **dict.fromkeys(TEXT_VRS, _TEXT),
    **dict.fromkeys(BINARY_VRS, _BINARY),
    **dict.fromkeys(NUMBER_VRS, _NUMBER),
    **dict.fromkeys(("DA", "DT"), _DATE),
    "UI": _UID,
}


class Problem(NamedTuple):
    """A finding: a key of ``errors.CODES`` and the data element, if one is meant.

    ``path``, where it is known, holds the tags of the enclosing sequences and the element's own.
    """

    code: str
    tag: int | None
    path: tuple[int, ...] = ()


class Verified(NamedTuple):
    """What an output is, and what is wrong with it; ``options`` are those that its codes claim."""

    sop_class: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    transfer_syntax: str
    problems: tuple[Problem, ...]
    options: frozenset[str] = frozenset()


def verify_instance(output: Source, *, accepted: Mapping[int, str] = _NOTHING) -> Verified:
    """Return what can be known from an output alone. Never raises; time and memory are bounded.

    ``pixels-unclaimed`` among the problems means that text may be burned in, that nobody claims the contrary,
    and that nothing else follows from it: callers may tolerate it. ``accepted`` has the attributes (tag ->
    action) of which a profile leaves more than PS3.15 does. They may be there if the output says so and does
    not claim the Basic Profile; what identifies the patient may be in none of them.
    """
    return _Verification(output, None, None, None, accepted).run()


def verify(
    output: Source,
    identifiers: Identifiers,
    *,
    shift_days: int | None,
    options: frozenset[str],
    accepted: Mapping[int, str] = _NOTHING,
) -> Verified:
    """Do what :func:`verify_instance` does, and look for the input's identifiers, in one reading.

    ``options`` are the profile's: what they retain is no finding, and the output must not claim others.
    ``shift_days`` is the days that were added to dates, ``None`` if dates were not moved.
    """
    return _Verification(output, identifiers, shift_days, options, accepted).run()


class _Verification:
    """One run over one output."""

    def __init__(
        self,
        output: Source,
        identifiers: Identifiers | None,
        shift_days: int | None,
        wanted: frozenset[str] | None,
        accepted: Mapping[int, str],
    ) -> None:
        self.output = output
        self.identifiers = identifiers and identifiers.without(wanted or frozenset())
        self.shift_days = shift_days
        self.wanted = wanted
        self.accepted = accepted
        #: Attributes whose presence or value only an accepted override explains.
        self.excepted: set[int] = set()
        self.problems: dict[Problem, None] = {}
        self.top: dict[int, bytes] = {}
        #: (tag, VR) that occur, and tags with a value other than our dummies and pseudonyms.
        self.seen: set[tuple[int, str]] = set()
        self.valued: set[int] = set()
        self.texts: list[Element] = []
        self.numbers: list[Element] = []
        self.binaries: list[Element] = []
        self.days: set[tuple[int, bytes]] = set()
        self.uids: set[tuple[int, bytes]] = set()
        self.codes: set[bytes] = set()
        self.options: frozenset[str] = frozenset()
        self.hits: set[tuple[int, ...]] = set()

    def problem(self, code: str, tag: int | None = None, path: tuple[int, ...] = ()) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems[Problem(code, tag, path)] = None

    def run(self) -> Verified:
        reading = None
        try:
            reading = Reading(self.output, strict=True)
            self._read(reading)
        except Malformed as error:
            self.problem(error.code, error.tag)
        except Exception:  # noqa: BLE001 - whatever a hostile file brings about: it must not pass nor stop others
            self.problem("internal-error")
        else:
            try:
                self._check(reading)
            except Exception:  # noqa: BLE001 - the same
                self.problem("internal-error")
        top = {tag: value.rstrip(b"\0 ").decode("latin-1") for tag, value in self.top.items()}
        return Verified(
            top.get(0x00080016, ""),
            top.get(0x00080018, ""),
            top.get(0x0020000D, ""),
            top.get(0x0020000E, ""),
            reading.transfer_syntax if reading else "",
            tuple(self.problems),
            self.options,
        )

    def _read(self, reading: Reading) -> None:
        """Sort the elements by what has to be looked at; search as soon as there is much of it."""
        seen, valued, top, kinds, looked_at = self.seen, self.valued, self.top, _KINDS, _LOOKED_AT
        texts, numbers = self.texts, self.numbers
        size = 0
        for element in reading.elements():
            tag, vr, value, parents, _charset = element
            seen.add((tag, vr))
            if not value:
                continue
            kind = kinds.get(vr, 0)
            if tag == _ICC_PROFILE and not icc_profile_says_nothing(value):
                self.problem("attribute-not-replaced", tag)
            if not parents and tag in looked_at:
                top[tag] = value
            if value.rstrip(b" \0") in _DUMMIES:
                continue
            if kind == _UID:
                self.uids.add((tag, value))
            elif kind == _DATE:
                self.days.add((tag, value))
            elif kind == _TEXT:
                if tag == 0x00080100 and parents == (_METHOD_CODES,):
                    self.codes.add(value.rstrip(b" \0"))
                if _says_nothing(tag, value):
                    continue
                texts.append(element)
                size += len(value)
            elif kind == _NUMBER:
                numbers.append(element)
            elif kind == _BINARY and len(value) >= _SHORTEST_BINARY:
                self.binaries.append(element)
                size += len(value)
            valued.add(tag)
            if len(texts) + len(numbers) + len(self.binaries) > _BATCH or size > 1 << 22:
                self._search()
                size = 0
        valued |= reading.filled
        self._check_meta(reading)

    def _claims(self) -> frozenset[str]:
        names = [code.decode("latin-1") for code in self.codes]
        return frozenset(_OPTION_OF_CODE[name] for name in names if name in _OPTION_OF_CODE)

    def _search(self) -> None:
        """Search the collected values for identifiers, and forget them."""
        if self.identifiers is not None:
            self.hits.update(find_in_text(self.identifiers, self.texts))
            self.hits.update(find_in_numbers(self.identifiers, self.numbers))
            self.hits.update(find_in_binaries(self.identifiers, self.binaries))
        self.texts.clear()
        self.numbers.clear()
        self.binaries.clear()

    def _check_meta(self, reading: Reading) -> None:
        """PS3.10 Section 7.1: File Meta Information is ours and agrees with the data set."""
        meta = reading.meta
        if meta.keys() != _META:
            self.problem("output-malformed", min(meta.keys() ^ _META))
            return
        if meta[0x00020001] != b"\0\1":
            self.problem("output-malformed", 0x00020001)
        for tag, same in ((0x00020002, 0x00080016), (0x00020003, 0x00080018)):
            if meta[tag].rstrip(b"\0") != self.top.get(same, b"").rstrip(b"\0") or not meta[tag]:
                self.problem("output-malformed", tag)
        if meta[0x00020012].rstrip(b"\0") != _IMPLEMENTATION_CLASS_UID.encode():
            self.problem("not-from-dicomveil", 0x00020012)
        if not _IMPLEMENTATION_VERSION.fullmatch(meta[0x00020013]):
            self.problem("not-from-dicomveil", 0x00020013)

    def _check(self, reading: Reading) -> None:
        self.options = self._claims()
        self._search()
        self._check_rules()
        self._check_markers()
        self._check_dates()
        self._check_uids()
        self._check_pixels(reading)
        self._check_frames(reading)
        if self.identifiers is not None:
            self._search_video(self.identifiers, reading)
            for code, tag in self.identifiers.unread:
                self.problem("input-unchecked" if code != "truncated" else code, tag)
        for path in sorted(self.hits):
            self.problem("identifier-remains", path[-1], path)

    def _search_video(self, identifiers: Identifiers, reading: Reading) -> None:
        """A video leaves unchanged: none of the input's identifiers stands beside its media data."""
        if reading.transfer_syntax in VIDEO and reading.items:
            for piece in beside_media(self.output, reading.items):
                parts = [Element(0x7FE00010, "OB", part, (), b"") for part in (piece, *beginnings(piece))]
                self.hits.update(find_in_binaries(identifiers, parts))

    def _text(self, tag: int) -> str:
        return self.top.get(tag, b"").rstrip(b"\0 ").decode("latin-1")

    def _check_markers(self) -> None:
        """PS3.15 Section E.1.1 and the options of Section E.3: markers are there and agree."""
        if self._text(0x00120062) != "YES":
            self.problem("marker-missing", 0x00120062)
        if not self._text(0x00120063):
            self.problem("marker-missing", 0x00120063)
        exceptions = _EXCEPTION.findall(self.top.get(0x00120063, b""))
        told = {int(group + element, 16) for group, element in exceptions}
        if any(code.decode("latin-1") not in _OPTION_OF_CODE for code in self.codes):
            self.problem("marker-missing", _METHOD_CODES)
        elif bool(told) == ("basic" in self.options) or not self.accepted.keys() >= told >= self.excepted:
            self.problem("marker-untrue" if "basic" in self.options else "marker-missing", _METHOD_CODES)
        untold = self.wanted is not None and self.options - {"basic"} - self.wanted
        if untold or {_FULL_DATES, _MODIFIED_DATES} <= self.options:
            self.problem("marker-untrue", _METHOD_CODES)
        temporal = next((word for option, word in _TEMPORAL.items() if option in self.options), "REMOVED")
        if self._text(0x00280303) != temporal:
            self.problem("marker-untrue", 0x00280303)
        if "clean_pixel_data" in self.options and self._text(0x00280301) != "NO":
            self.problem("marker-untrue", 0x00280301)
        sop_class = self._text(0x00080016)
        if sop_class in tables.AUDIO_SOP_CLASSES:
            self.problem("encapsulated-document", 0x54000100)
        for tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E):
            # Colour palettes, hanging protocols and the like belong to no study (PS3.3 A.58, A.44 ...).
            needed = tag < 0x00100000 or tables.attribute_type(sop_class, (tag,)) == "1"
            if needed and not self._text(tag):
                self.problem("output-malformed", tag)

    def _check_rules(self) -> None:
        """PS3.15 Table E.1-1 under the claimed options, for each attribute that occurs anywhere."""
        for tag, vr in self.seen:
            rule = _rule(tag, vr, self.options)
            if rule is not None and (rule not in _ABOUT_VALUES or tag in self.valued):
                if tag in self.accepted and rule in _EXCEPTED:
                    self.excepted.add(tag)
                else:
                    self.problem(rule, tag)

    def _check_dates(self) -> None:
        """Dates are there only if an option keeps them, and then they are the input's, moved."""
        dated = bool(self.options & {_FULL_DATES, _MODIFIED_DATES})
        others = self.options - {_FULL_DATES, _MODIFIED_DATES}
        expected: set[str | None] | None = None
        if self.identifiers is not None and _FULL_DATES not in self.options:
            days, shift = self.identifiers, self.shift_days
            expected = set()
            if shift is not None:
                expected |= {shifted(day, shift) for day in days.dates - tables.DEFAULT_DATES}
                own = (part for part in days.partial if not _is_part_of_default(part))
                expected |= {moved(part, shift) for part in own}
        for tag, value in self.days:
            if _kept_by(tag, others):
                continue
            if not dated:
                self.problem("date-not-removed", tag)
            elif expected is not None:
                for part in filter(None, (part.strip(b" \0") for part in value.split(b"\\"))):
                    found: list[str | None] = [*dates_in(part)] or [moved(part, 0)]
                    if None in found or not expected.issuperset(found):
                        self.problem("date-not-shifted", tag)

    def _check_uids(self) -> None:
        """UIDs are the standard's, or ours and none of the input's."""
        if "retain_uids" in self.options:
            return
        old = self.identifiers.uids if self.identifiers is not None else frozenset[str]()
        for tag, value in self.uids:
            if _kept_by(tag, self.options):
                continue
            for uid in uids_in(value):
                if not (tables.is_standard_uid(uid) or (_is_ours(uid) and uid not in old)):
                    self.problem("uid-not-replaced", tag)

    def _check_pixels(self, reading: Reading) -> None:
        """PS3.15 Section E.3.1: pixels at risk of burned-in text are claimed to be clean."""
        if "clean_pixel_data" in self.options or not any(tag in PIXEL_TAGS for tag, _vr in self.seen):
            return
        risks = pixel_risks(
            sop_class=self._text(0x00080016),
            transfer_syntax=reading.transfer_syntax,
            modality=self._text(0x00080060),
            image_type=tuple(self._text(0x00080008).split("\\")),
            photometric=self._text(0x00280004),
            burned_in_annotation=self._text(0x00280301),
            conversion_type=self._text(0x00080064),
            specimen_label_in_image=self._text(0x00480010),
        )
        if risks:
            self.problem("pixels-unclaimed")

    def _check_frames(self, reading: Reading) -> None:
        """PS3.5 Sections 8 and A.4: Pixel Data hold frames, and nothing in or behind them but pixels."""
        order: Literal["little", "big"] = "little" if reading.little else "big"
        rows, columns, samples, allocated = (
            int.from_bytes(self.top.get(tag, b"")[:2], order)
            for tag in (0x00280010, 0x00280011, 0x00280002, 0x00280100)
        )
        number = self._text(0x00280008).strip()
        frames = max(int(number), 1) if number.isdecimal() else 1
        sizes = FrameSizes(frames, rows, columns, samples or 1, allocated)
        if reading.items:
            clean = frames_are_clean(
                self.output,
                reading.transfer_syntax,
                reading.items,
                sizes,
                (self.top.get(0x7FE00001), self.top.get(0x7FE00002)),
                whole=self.wanted is None,
            )
        else:
            bits = {0x7FE00008: 32, 0x7FE00009: 64}
            kinds = {bits.get(tag, allocated) for tag, _vr in self.seen if tag in PIXEL_TAGS}
            longest = max((sizes._replace(allocated=kind).native_bytes for kind in kinds), default=0)
            clean = reading.pixel_bytes <= longest + (longest & 1)
        if not clean:
            self.problem("pixel-stream-remains", 0x7FE00010)


def _says_nothing(tag: int, value: bytes) -> bool:
    """Tell whether a value is a pseudonym or a text of ours."""
    if is_pseudonym(value):
        return True
    ours = _OUR_TEXT.get(tag)
    return ours is not None and ours.fullmatch(value.rstrip(b" ")) is not None


@lru_cache(maxsize=1024)
def _is_ours(uid: str) -> bool:
    """Tell whether a UID is ``2.25.`` and an RFC 9562 version 8 UUID (PS3.5 Section B.2), or the dummy."""
    if uid == "2.25.0":
        return True
    digits = uid[5:]
    if not uid.startswith("2.25.") or len(digits) > 39 or not digits.isdecimal() or not digits.isascii():
        return False
    number = int(digits)
    return number >> 76 & 0xF == 8 and number >> 62 & 3 == 2 and not digits.startswith("0")


def _is_part_of_default(part: bytes) -> bool:
    """Tell whether a DT value is the year, or the year and month, of a date that stands for none."""
    known = moved(part, 0)
    return known is not None and any(day.startswith(known) for day in tables.DEFAULT_DATES)


@lru_cache(maxsize=8192)
def _kept_by(tag: int, options: frozenset[str]) -> bool:
    row = tables.row_for(tag)
    return row is not None and any(row.options.get(option) for option in options)


@lru_cache(maxsize=8192)
def _rule(tag: int, vr: str, options: frozenset[str]) -> str | None:
    """Return the code of the problem that an attribute is (or, for two of the codes, that its value is)."""
    group = tag >> 16
    if group & 1:
        return None if "retain_safe_private" in options else "attribute-not-removed"
    if group in {0x0000, 0x0002, 0x0004} or tag & 0xFFFF == 0:
        return "attribute-not-removed"
    vrs = tables.element_vrs(tag)
    if not vrs or (vr == "UN" and "UN" not in vrs):
        return "attribute-unknown"
    if vr not in vrs and not (vr in {"OB", "OW"} and {"OB", "OW"} & {*vrs}):
        return "output-malformed"
    row = tables.row_for(tag)
    if tables.names_one(tag):
        return "attribute-not-removed"
    if row is None:
        reviewed = vr not in _FREE_TEXT_VRS or tag in tables.SAFE_TEXT or tag in _OUR_TEXT
        return None if reviewed or "clean_descriptors" in options else "text-not-reviewed"
    if tag in tables.SHARED_DATES:
        options -= {_MODIFIED_DATES}
    if any(row.options.get(option) for option in options):
        return None
    if row.basic == "X" and tag not in _OUR_TEXT and tag not in _NEEDED_DATES:
        return "attribute-not-removed"
    replaced_inside = vr == "SQ" and row.basic != "Z"
    return None if vr == "UI" or replaced_inside or "U" in row.basic else "attribute-not-replaced"
