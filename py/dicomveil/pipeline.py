"""The sentence: read -> inspect -> plan -> clean -> redact -> verify. Used alike by page and command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from dicomveil import verifying
from dicomveil.cleaning import Subject, assembled, clean_header, new_uid
from dicomveil.errors import Refused
from dicomveil.inspecting import Inspection, inspect, is_video
from dicomveil.planning import PixelClaim, Plan, plan
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Pseudonyms
from dicomveil.reading import Instance, read_instance
from dicomveil.redacting import Redaction, redacted_pixels
from dicomveil.rules import Rules
from dicomveil.source import Part, PartsSource, Source
from dicomveil.values import well_formed

__all__ = ["PIXEL_MODES", "Cleaned", "Remapped", "Session", "clean_source", "remapped"]

_PATIENT_ID = 0x00100020
_INSTANCE, _STUDY, _SERIES = 0x00080018, 0x0020000D, 0x0020000E
#: Where the frames begin and how long they are, PS3.3 C.7.6.3.1.8: not true of pixels that were rewritten.
_OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})
PIXEL_MODES = ("review", "confirmed", "unclaimed")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A cleaned and verified instance; ``parts`` refer to the source it was made from.

    ``name`` is ``<patient>/<study>/<series>/<instance>.dcm`` from the new identifiers; ``actions`` counts the
    actions of PS3.15 Table E.1-1a; ``pixels`` is one of ``no risk``, ``redacted``, ``confirmed``,
    ``unclaimed``, ``none``. Nothing in it but ``parts`` holds a value of the input.
    """

    parts: list[Part]
    name: str
    sop_class: str
    transfer_syntax: str
    actions: dict[str, int]
    warnings: list[str]
    pixels: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str


@dataclass(frozen=True, slots=True)
class Remapped:
    """Which new identifiers stand for which old ones in one instance: for a crosswalk, and nobody else.

    ``uids`` are new UIDs by old ones, ``patient`` is Patient ID and its pseudonym, ``name`` the output's.
    """

    uids: dict[str, str] = field(repr=False)
    patient: tuple[str, str] = field(repr=False)
    name: str


class Session:
    """What stays the same from file to file: the profile, its rules, and the pseudonyms under one key."""

    def __init__(self, profile: Profile, pseudonyms: Pseudonyms) -> None:
        self.profile = profile
        self.pseudonyms = pseudonyms
        self.rules = Rules(profile)

    def new_uid(self, uid: str) -> str:
        """Return the UID that stands in the output for ``uid``, or for what stands in for a missing one."""
        if "retain_uids" in self.profile.options and well_formed("UI", uid.encode("utf-8")):
            return uid
        return new_uid(uid, self.pseudonyms)


class _HeadSource:
    """Keeps what was read from the beginning of a source: verification reads the same bytes once more."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._head = b""
        self.size = source.size

    def read(self, offset: int, length: int) -> bytes:
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        data = self._source.read(offset, length)
        if offset == 0 and len(data) > len(self._head):
            self._head = data
        return data


def pixel_state(
    inspection: Inspection, *, pixels: str, redactions: Sequence[Redaction], profile: Profile
) -> tuple[str, PixelClaim]:
    """Return the state of the pixels for the report, and what may be claimed of them.

    Areas stand for a person's look only if every frame has one: whoever drew in a frame has seen it.

    Raises:
        Refused: ``pixels-need-review``, or ``video-unchecked``: nobody said that the pixels are free of text.
    """
    if not inspection.has_pixels:
        return "none", PixelClaim()
    wanted = "clean_pixel_data" in profile.options
    seen = pixels == "confirmed" or _in_every_frame(redactions, inspection.frames)
    if redactions and (seen or not inspection.risks or pixels == "unclaimed"):
        return "redacted", PixelClaim(redacted=True, clean=wanted and seen)
    if pixels == "confirmed":
        return "confirmed", PixelClaim(clean=wanted)
    if pixels == "unclaimed":
        return "unclaimed", PixelClaim()
    if inspection.risks:
        raise Refused("video-unchecked" if is_video(inspection) else "pixels-need-review")
    return "no risk", PixelClaim()


def _in_every_frame(redactions: Sequence[Redaction], frames: int) -> bool:
    """Tell whether each of so many frames has an area of its own or one for all."""
    unseen = 0
    for first, last in sorted(area.frames or (0, frames - 1) for area in redactions):
        if first > unseen:
            return False
        unseen = max(unseen, last + 1)
    return unseen >= frames


def clean_source(
    source: Source,
    session: Session,
    *,
    pixels: str = "review",
    redactions: Sequence[Redaction] = (),
    remove: AbstractSet[int] = frozenset(),
    seen: Callable[[Instance], None] | None = None,
) -> Cleaned:
    """Clean one instance and verify the result; only what passed is returned.

    ``pixels``: ``review`` refuses an image at risk of burned-in text that no redaction covers, ``confirmed``
    says that a person looked, ``unclaimed`` says nothing about the pixels. ``remove`` holds the tags of
    attributes that are not to be kept, whatever the rules say: a person asks for it after a find. ``seen``
    is called with the instance once it is read.

    Raises:
        Refused: with a code of ``errors.CODES``; nothing of the file may leave then.
    """
    source = _HeadSource(source)
    instance = read_instance(source)
    if seen is not None:
        seen(instance)
    inspection = inspect(instance)
    state, claim = pixel_state(inspection, pixels=pixels, redactions=redactions, profile=session.profile)
    looked = claim.clean and bool(inspection.risks)
    written = redacted_pixels(instance, redactions, only_what_is_shown=looked)
    warnings = [*instance.warnings, *written.warnings]
    stale = _OFFSET_TABLES if written.changed else frozenset()
    made = _new_header(instance, inspection, claim, session, remove | stale)
    parts = assembled(instance, made.header, written.parts)
    if made.steps.weaker:
        warnings.append("weaker-than-basic")
    if instance.pixels and "clean_recognizable_visual_features" in session.profile.options:
        warnings.append("features-recognizable")
    cleaned = Cleaned(
        parts=parts,
        name=made.name,
        sop_class=inspection.sop_class,
        transfer_syntax=inspection.transfer_syntax,
        actions=made.steps.counts,
        warnings=warnings,
        pixels=state,
        sop_instance_uid=made.uids[_INSTANCE],
        study_uid=made.uids[_STUDY],
        series_uid=made.uids[_SERIES],
    )
    _verify(source, cleaned, session, made.subject, claim)
    return cleaned


def remapped(
    source: Source,
    session: Session,
    *,
    pixels: str = "review",
    redactions: Sequence[Redaction] = (),
    remove: AbstractSet[int] = frozenset(),
) -> Remapped:
    """Return what :func:`clean_source` replaces under the same arguments, without a look at the pixels.

    Raises:
        Refused: the instance cannot be read or planned.
    """
    instance = read_instance(source)
    inspection = inspect(instance)
    _, claim = pixel_state(inspection, pixels=pixels, redactions=redactions, profile=session.profile)
    session.pseudonyms.uids.clear()
    made = _new_header(instance, inspection, claim, session, remove)
    patient = (instance.head.text(_PATIENT_ID), made.name.partition("/")[0])
    return Remapped(dict(session.pseudonyms.uids), patient, made.name)


class _NewHeader(NamedTuple):
    steps: Plan
    subject: Subject
    uids: dict[int, str]
    header: tuple[bytes, bytes, bytes]
    name: str


def _new_header(
    instance: Instance,
    inspection: Inspection,
    claim: PixelClaim,
    session: Session,
    remove: AbstractSet[int],
) -> _NewHeader:
    """Plan, and clean the header."""
    steps = plan(instance, session.rules, claim, remove=remove)
    subject = Subject(inspection.patient, session.pseudonyms.shift_days(inspection.patient))
    uids = {
        _INSTANCE: session.new_uid(inspection.instance_uid),
        _STUDY: session.new_uid(inspection.study_uid),
        _SERIES: session.new_uid(inspection.series_uid),
    }
    header = clean_header(
        instance,
        steps,
        session.profile,
        session.pseudonyms,
        subject,
        missing_uids={tag: uids[tag] for tag in inspection.missing_uids},
    )
    place = [session.pseudonyms.patient_id(inspection.patient), uids[_STUDY], uids[_SERIES], uids[_INSTANCE]]
    return _NewHeader(steps, subject, uids, header, "/".join(place) + ".dcm")


def _verify(source: Source, cleaned: Cleaned, session: Session, subject: Subject, claim: PixelClaim) -> None:
    """Raise the first problem that the independent reading of the finished parts finds."""
    profile = session.profile
    dates = "retain_longitudinal_modified_dates" in profile.options
    verified = verifying.verify(
        PartsSource(source, cleaned.parts),
        verifying.collect_identifiers(source),
        shift_days=subject.shift_days if dates else None,
        options=profile.options,
        accepted=session.rules.weaker,
    )
    # That nothing is claimed about the pixels is for the receiver to judge: review and inspection did here.
    problems = [problem for problem in verified.problems if claim.clean or problem.code != "pixels-unclaimed"]
    if problems:
        raise Refused(problems[0].code, problems[0].tag)
