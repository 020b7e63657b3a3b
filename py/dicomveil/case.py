"""A case: what a person says of the cleaned files, for those who receive them. It leaves only after a check.

``case.json`` (``data/case.schema.json``) is for people and scripts; for archives the same text travels as a
Key Object Selection document (PS3.3 A.35.4, PS3.16 TID 2010) with the title (113004, DCM, "For Teaching") of
CID 7010, as in IHE's Teaching File and Clinical Trial Export: one for each study, in a series of its own,
referring to the cleaned instances by their new UIDs. Any archive takes it by STOW-RS.

The text is searched for what identifies the patients of *all* inputs, by the search of verification
(:func:`identifying_fields`); the finished document is verified against its own input once more. It claims the
options Clean Structured Content and Clean Descriptors, since that is what was done: the text in it was looked
through for identifiers (PS3.15 E.3.4, E.3.5).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from dicomveil import schema, verifying
from dicomveil.cleaning import Subject, Writer, cleaner_for, file_meta, markers
from dicomveil.errors import Refused, WrongUse
from dicomveil.inspecting import inspect
from dicomveil.pipeline import Session
from dicomveil.planning import PixelClaim, plan
from dicomveil.reading import Instance, read_instance
from dicomveil.source import BytesSource, Source
from dicomveil.verify_reading import Element
from dicomveil.verify_search import find_in_text

__all__ = [
    "FIELDS",
    "SOP_CLASS",
    "Case",
    "Document",
    "Reference",
    "case_of",
    "document",
    "identifying_fields",
    "to_json",
]

FIELDS = ("title", "description", "tags", "notes")
#: Key Object Selection Document Storage (PS3.4 B.5), and Explicit VR Little Endian.
SOP_CLASS, _TRANSFER_SYNTAX = "1.2.840.10008.5.1.4.1.1.88.59", "1.2.840.10008.1.2.1"
_WAVEFORMS = "1.2.840.10008.5.1.4.1.1.9."
_UTF_8 = b"ISO_IR 192"
_SERIES_NUMBER = b"9001"  # behind the series of the study
#: Patient and General Study Modules (PS3.3 C.7.1.1, C.7.2.1): Type 1 and 2, as the study's images have them.
_OF_THE_STUDY = {
    0x00080020: "DA",
    0x00080030: "TM",
    0x00080050: "SH",
    0x00080090: "PN",
    0x00100010: "PN",
    0x00100020: "LO",
    0x00100030: "DA",
    0x00100040: "CS",
    0x00200010: "SH",
}
_CHECKED = frozenset({"clean_structured_content", "clean_descriptors"})
#: Options by which the attributes above, or UIDs, may be more than the Basic Profile leaves.
_TELLING = frozenset(
    {
        "retain_longitudinal_full_dates",
        "retain_longitudinal_modified_dates",
        "retain_patient_characteristics",
        "retain_uids",
    }
)
_TEXT_VALUE = 0x0040A160


@dataclass(frozen=True, slots=True)
class Case:
    """What a person wrote, in NFC, lines ended by a line feed; never for messages or logs."""

    title: str
    description: str
    tags: tuple[str, ...]
    notes: str

    def __repr__(self) -> str:
        return "Case(...)"

    @property
    def text(self) -> str:
        """All of it as one text: the Key Object Description of TID 2010."""
        tags = f"Tags: {', '.join(self.tags)}" if self.tags else ""
        return "\n\n".join(filter(None, (self.title, self.description, tags, self.notes)))

    def field(self, name: str) -> str:
        """Return a member as one text."""
        return ", ".join(self.tags) if name == "tags" else str(getattr(self, name))


class Reference(NamedTuple):
    """A cleaned instance that the case is about; ``image`` says whether it has pixels."""

    sop_class: str
    sop_instance_uid: str
    series_uid: str
    image: bool


@dataclass(frozen=True, slots=True)
class Document:
    """A verified Key Object Selection document: a whole file, and its place among the outputs."""

    name: str
    data: bytes
    study_uid: str
    series_uid: str
    sop_instance_uid: str


def _tidy(text: str) -> str:
    """Return text in NFC without invisible characters, at which a search would not find a name."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))
    text = re.sub("[\u2028\u2029]", "\n", text)
    return "".join(letter for letter in text if unicodedata.category(letter) not in {"Cf", "Cs"}).strip()


def case_of(text: str) -> Case:
    """Read what is in a ``case.json`` (its ``documents`` are passed over); texts are tidied before.

    Raises:
        WrongUse: ``case-invalid``; ``pointer`` names the member.
    """
    try:
        content = schema.loads_once(text)
    except ValueError:
        raise WrongUse("case-invalid") from None
    if isinstance(content, dict):
        for name, value in content.items():
            if isinstance(value, str):
                content[name] = _tidy(value)
            elif name == "tags" and isinstance(value, list):
                tags = [_tidy(tag) if isinstance(tag, str) else tag for tag in value]
                content[name] = [tag for tag in tags if tag != ""]
    for pointer in schema.violations(content, schema.case_schema()):
        raise WrongUse("case-invalid", pointer=pointer)
    return Case(content["title"], content["description"], tuple(content["tags"]), content["notes"])


def to_json(case: Case, documents: Iterable[Document] = ()) -> dict[str, object]:
    """Return the content of ``case.json``."""
    return {
        "dicomveil_case": 1,
        "title": case.title,
        "description": case.description,
        "tags": list(case.tags),
        "notes": case.notes,
        "documents": [
            {
                "study_instance_uid": made.study_uid,
                "sop_instance_uid": made.sop_instance_uid,
                "file": made.name,
            }
            for made in documents
        ],
    }


def identifying_fields(
    case: Case, source: Source, options: AbstractSet[str]
) -> tuple[tuple[str, ...], str | None]:
    """Return the members of a case that hold what identifies an input's patient, and what was unreadable.

    ``("title",)`` and the like; all :data:`FIELDS` if only the whole text tells. ``options`` are the
    profile's: what they retain is no finding. The second is the code of what could not be read of the input,
    if anything: of a file that leaves, this must be ``None``.
    """
    found_there = verifying.collect_identifiers(source)
    unread = [code for code, _tag in found_there.unread]
    if not (found_there.uids or found_there.raw):
        unread.append("not-dicom")  # every instance has UIDs: it was not read
    identifiers = found_there.without(frozenset(options))
    texts = {name: case.field(name) for name in FIELDS}
    found = tuple(name for name, text in texts.items() if _is_found(text, identifiers))
    if not found and _is_found(case.text, identifiers):
        found = FIELDS
    return found, unread[0] if unread else None


def _is_found(text: str, identifiers: verifying.Identifiers) -> bool:
    element = Element(_TEXT_VALUE, "UT", text.encode(), (), _UTF_8)
    return bool(find_in_text(identifiers, [element]))


def document(
    source: Source,
    session: Session,
    case: Case,
    references: Sequence[Reference],
    *,
    remove: AbstractSet[int] = frozenset(),
) -> Document:
    """Build and verify the document of a study.

    ``source`` is the input of one of the study's instances: patient and study are written as in its output
    (``remove`` as for that); attributes that the profile keeps against the Basic Profile stay empty here.

    Raises:
        Refused: ``case-identifies`` where the text holds an identifier of the input; else what verification,
            reading or planning found.
    """
    fields, unread = identifying_fields(case, source, session.profile.options)
    if fields or unread is not None or not references:
        raise Refused("case-identifies" if fields else unread or "case-invalid")
    instance = read_instance(source)
    inspection = inspect(instance)
    subject = Subject(inspection.patient, session.pseudonyms.shift_days(inspection.patient))
    study = dict.fromkeys(_OF_THE_STUDY, b"")
    study |= _study_of(instance, session, subject, remove)
    study_uid = session.new_uid(inspection.study_uid)
    options = session.profile.options
    claims = _CHECKED | (options & _TELLING) | {"basic"}
    writer = Writer(explicit=True, little=True)
    new = session.pseudonyms.uid
    series_uid = new(f"case\0{study_uid}")
    elements = {tag: writer.element(tag, vr, study[tag]) for tag, vr in _OF_THE_STUDY.items()}
    elements |= markers(writer, claims, {})
    elements |= _series_and_equipment(writer, case, study_uid, series_uid)
    elements |= _content(writer, case, references, study, study_uid)
    digest = hashlib.sha256(b"".join(value for _, value in sorted(elements.items()))).hexdigest()
    sop_instance_uid = new(
        f"case\0{digest}"
    )  # an archive knows the same document again, and another is another
    elements[0x00080018] = writer.element(0x00080018, "UI", sop_instance_uid.encode())
    encoded = b"".join(value for _, value in sorted(elements.items()))
    data = file_meta(SOP_CLASS, sop_instance_uid, _TRANSFER_SYNTAX) + encoded
    dated = "retain_longitudinal_modified_dates" in options
    verified = verifying.verify(
        BytesSource(data),
        verifying.collect_identifiers(source),
        shift_days=subject.shift_days if dated else None,
        options=options | _CHECKED,
    )
    for problem in verified.problems:
        raise Refused(problem.code, problem.tag)
    name = "/".join(
        [session.pseudonyms.patient_id(inspection.patient), study_uid, series_uid, sop_instance_uid]
    )
    return Document(f"{name}.dcm", data, study_uid, series_uid, sop_instance_uid)


def _study_of(
    instance: Instance, session: Session, subject: Subject, remove: AbstractSet[int]
) -> dict[int, bytes]:
    """Return patient and study as an output has them; what an override keeps is left out."""
    planned = plan(instance, session.rules, PixelClaim(), remove=remove)
    cleaner = cleaner_for(instance, session.pseudonyms, subject)
    return {
        step.element.tag: cleaner.new_value(step).rstrip(b"\0 ")
        for step in planned.steps
        if step.element.tag in _OF_THE_STUDY
        and step.element.tag not in planned.weaker
        and step.decision.action != "X"
    }


def _series_and_equipment(writer: Writer, case: Case, study_uid: str, series_uid: str) -> dict[int, bytes]:
    """Encode the Key Object Document Series, General Equipment and SOP Common Modules."""
    title = case.title.replace("\\", "/").encode()  # a backslash divides values of LO
    plain: list[tuple[int, str, bytes]] = [
        (0x00080005, "CS", _UTF_8),
        (0x00080016, "UI", SOP_CLASS.encode()),
        (0x00080060, "CS", b"KO"),
        (0x00080070, "LO", b"dicomveil"),
        (0x0008103E, "LO", title),
        (0x0020000D, "UI", study_uid.encode()),
        (0x0020000E, "UI", series_uid.encode()),
        (0x00200011, "IS", _SERIES_NUMBER),
        (0x00200013, "IS", b"1"),
    ]
    elements = {tag: writer.element(tag, vr, value) for tag, vr, value in plain}
    return elements | {0x00081111: writer.sequence(0x00081111, [])}


def _code(tag: int, value: str, meaning: str) -> tuple[int, str, object]:
    item = [
        (0x00080100, "SH", value.encode()),
        (0x00080102, "SH", b"DCM"),
        (0x00080104, "LO", meaning.encode()),
    ]
    return tag, "SQ", [item]


def _content(
    writer: Writer, case: Case, references: Sequence[Reference], study: dict[int, bytes], study_uid: str
) -> dict[int, bytes]:
    """Encode the Key Object Document and SR Document Content Modules, by TID 2010.

    Content Date and Time are those of the study, so that they tell nothing new; else dummies.
    """
    name = 0x0040A043
    text = case.text.replace("\n", "\r\n").encode()  # PS3.5 6.1.3
    items: list[list[tuple[int, str, object]]] = [
        [
            (0x0040A010, "CS", b"CONTAINS"),
            (0x0040A040, "CS", b"TEXT"),
            _code(name, "113012", "Key Object Description"),
            (_TEXT_VALUE, "UT", text),
        ]
    ]
    for one in references:
        kind = b"WAVEFORM" if one.sop_class.startswith(_WAVEFORMS) else b"COMPOSITE"
        items.append(
            [
                (0x00081199, "SQ", [_instance(one)]),
                (0x0040A010, "CS", b"CONTAINS"),
                (0x0040A040, "CS", b"IMAGE" if one.image else kind),
            ]
        )
    by_series = sorted(references, key=lambda one: one.series_uid)
    series = [
        [
            (0x00081199, "SQ", [_instance(one) for one in same]),
            (0x0020000E, "UI", series_uid.encode()),
        ]
        for series_uid, same in groupby(by_series, key=lambda one: one.series_uid)
    ]
    evidence = [(0x00081115, "SQ", series), (0x0020000D, "UI", study_uid.encode())]
    whole: list[tuple[int, str, object]] = [
        (0x00080023, "DA", study[0x00080020] or b"19000101"),
        (0x00080033, "TM", study[0x00080030] or b"000000"),
        (0x0040A040, "CS", b"CONTAINER"),
        _code(name, "113004", "For Teaching"),
        (0x0040A050, "CS", b"SEPARATE"),
        (0x0040A375, "SQ", [evidence]),
        (0x0040A504, "SQ", [[(0x00080105, "CS", b"DCMR"), (0x0040DB00, "CS", b"2010")]]),
        (0x0040A730, "SQ", items),
    ]
    return {tag: writer.data_set([(tag, vr, value)]) for tag, vr, value in whole}


def _instance(one: Reference) -> list[tuple[int, str, object]]:
    return [
        (0x00081150, "UI", one.sop_class.encode()),
        (0x00081155, "UI", one.sop_instance_uid.encode()),
    ]
