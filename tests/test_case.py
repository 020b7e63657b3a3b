"""A case leaves only without what identifies a patient, as a document that any archive takes."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

import builders
from dicomveil import browser, case, schema
from dicomveil.errors import Refused, WrongUse
from dicomveil.overrides import Override
from dicomveil.pipeline import Cleaned, Session, clean_source
from dicomveil.profile import OPTIONS, Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.source import BytesSource
from dicomveil.verifying import verify_instance

WORDS = {
    "title": "Rundherd der Lunge, größer als 3 cm",
    "description": "A nodule of the right lung.\nFound by chance.",
    "tags": ["lung", "nodule"],
    "notes": "Diagnosis: hamartoma. Popcorn \\ calcification.",
}
PROFILES = {
    "default": Profile.default(),
    "basic": Profile("basic", frozenset()),
    "all, modified dates": Profile("all", frozenset(OPTIONS) - {"retain_longitudinal_full_dates"}),
    "all, full dates": Profile("all", frozenset(OPTIONS) - {"retain_longitudinal_modified_dates"}),
}


def said(**members: object) -> case.Case:
    """Return a case with some members changed."""
    return case.case_of(json.dumps({"dicomveil_case": 1, **WORDS, **members}))


def session(profile: Profile | None = None) -> Session:
    """Return a session under a fixed key."""
    return Session(profile or Profile.default(), Pseudonyms(Key(bytes(range(32)))))


def sources(*makers: Callable[..., Dataset]) -> list[BytesSource]:
    """Return made-up inputs, of one study."""
    return [BytesSource(builders.encode(make(number=number))) for number, make in enumerate(makers, 1)]


def reference(cleaned: Cleaned) -> case.Reference:
    """Return what refers to an output."""
    return case.Reference(
        cleaned.sop_class, cleaned.sop_instance_uid, cleaned.series_uid, cleaned.pixels != "none"
    )


def made(profile: Profile | None = None, **members: object) -> tuple[case.Document, list[Cleaned]]:
    """Return the document of a study of three kinds of instances, and these."""
    inputs, under = sources(builders.ct, builders.ecg, builders.rt_plan), session(profile)
    cleaned = [clean_source(source, under) for source in inputs]
    return case.document(inputs[0], under, said(**members), [reference(one) for one in cleaned]), cleaned


@pytest.mark.parametrize("name", PROFILES)
def test_the_document_passes_at_the_endpoint(name: str) -> None:
    """What is built passes the verification on arrival, under every profile, as the study of its images."""
    document, cleaned = made(PROFILES[name])
    verified = verify_instance(BytesSource(document.data))
    assert verified.problems == ()
    assert {verified.study_uid} == {one.study_uid for one in cleaned}
    assert verified.sop_instance_uid == document.sop_instance_uid
    assert {"basic", "clean_structured_content", "clean_descriptors"} <= verified.options
    assert (
        verified.options - {"basic", "clean_structured_content", "clean_descriptors"}
        <= PROFILES[name].options
    )


def test_text_passes_only_where_it_says_that_it_was_cleaned() -> None:
    """Without the code of Clean Descriptors the endpoint refuses the same document: no hole for free text."""
    document, _ = made()
    ds = pydicom.dcmread(io.BytesIO(document.data))
    codes = ds.DeidentificationMethodCodeSequence
    ds.DeidentificationMethodCodeSequence = [item for item in codes if item.CodeValue != "113105"]
    out = io.BytesIO()
    ds.save_as(out)
    found = {problem.code for problem in verify_instance(BytesSource(out.getvalue())).problems}
    assert {"text-not-reviewed", "attribute-not-removed"} <= found


def test_the_document_is_a_key_object_selection_for_teaching() -> None:
    """PS3.16 TID 2010: title, the text as description, and every instance once, as what it is."""
    document, cleaned = made()
    ds = pydicom.dcmread(io.BytesIO(document.data))
    assert ds.SOPClassUID == case.SOP_CLASS
    assert ds.Modality == "KO"
    title = ds.ConceptNameCodeSequence[0]
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("113004", "DCM")
    assert ds.ContentTemplateSequence[0].TemplateIdentifier == "2010"
    description, *items = ds.ContentSequence
    assert description.ConceptNameCodeSequence[0].CodeValue == "113012"
    text = str(description.TextValue)
    for part in (WORDS["title"], "right lung.\r\nFound", "Tags: lung, nodule", WORDS["notes"]):
        assert str(part) in text
    assert [item.ValueType for item in items] == ["IMAGE", "WAVEFORM", "COMPOSITE"]
    wanted = [one.sop_instance_uid for one in cleaned]
    assert [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items] == wanted
    series = ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    evidence = [one.ReferencedSOPInstanceUID for item in series for one in item.ReferencedSOPSequence]
    assert sorted(evidence) == sorted(wanted)
    assert ds.SeriesDescription == WORDS["title"]
    assert ds.SeriesInstanceUID not in {one.series_uid for one in cleaned}
    assert document.name == "/".join(
        [ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID + ".dcm"]
    )
    assert document.name.split("/")[:2] == cleaned[0].name.split("/")[:2]


def test_patient_and_study_are_those_of_the_images() -> None:
    """An archive files it with them: the same patient, dates and numbers, none of the input's."""
    inputs, under = sources(builders.ct), session()
    cleaned = clean_source(inputs[0], under)
    header = b"".join(part for part in cleaned.parts if isinstance(part, bytes))
    image = pydicom.dcmread(io.BytesIO(header), stop_before_pixels=True)
    document = case.document(inputs[0], under, said(), [reference(cleaned)])
    ds = pydicom.dcmread(io.BytesIO(document.data))
    for keyword in (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate"),
        *("StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName"),
    ):
        assert str(ds[keyword].value or "") == str(image[keyword].value or ""), keyword
    assert ds.ContentDate == ds.StudyDate
    assert [secret for secret in builders.PATIENT.secrets() if secret.encode() in document.data] == []


def test_the_same_content_is_the_same_document() -> None:
    """Sent again it is known again; another word makes another SOP Instance UID in the same series."""
    one, same, other = made()[0], made()[0], made(notes="Another word.")[0]
    assert one == same
    assert one.series_uid == other.series_uid
    assert one.sop_instance_uid != other.sop_instance_uid


def test_what_a_profile_keeps_against_the_basic_one_is_not_in_it() -> None:
    """An accepted override leaves the images unfit for the endpoint, but the document claims what is true."""
    profile = Profile(
        "sex", Profile.default().options, overrides={0x00100040: Override("K", "case 7", accepted=True)}
    )
    document, _ = made(profile)
    assert pydicom.dcmread(io.BytesIO(document.data)).PatientSex == ""
    assert verify_instance(BytesSource(document.data)).problems == ()


@pytest.mark.parametrize("secret", builders.PATIENT.secrets()[:-1])
@pytest.mark.parametrize("field", case.FIELDS)
def test_what_identifies_is_found_in_every_field(field: str, secret: str) -> None:
    """Names, numbers, addresses, places and dates of the input: the field is named, nothing is built."""
    text = f"seen by {secret} here"
    wrong = said(**{field: [text] if field == "tags" else text})
    source = sources(builders.ct)[0]
    assert case.identifying_fields(wrong, source, Profile.default().options) == ((field,), None)
    cleaned = clean_source(source, session())
    with pytest.raises(Refused) as caught:
        case.document(source, session(), wrong, [reference(cleaned)])
    assert caught.value.code == "case-identifies"
    assert secret not in str(caught.value)


@pytest.mark.parametrize("hidden", ["\u00ad", "\u200b", "\u2060", "\ufeff", "\u202e", "\ud800"])
def test_invisible_characters_hide_no_name(hidden: str) -> None:
    """A soft hyphen or a zero-width space inside a name, as text from elsewhere has them, goes."""
    wrong = said(notes=f"Zwickl{hidden}huber came")
    assert hidden not in wrong.notes
    assert case.identifying_fields(wrong, sources(builders.ct)[0], frozenset())[0] == ("notes",)


def test_what_only_the_whole_tells_is_found() -> None:
    """Two words that are names only together, in two fields: all fields are named."""
    ds = builders.ct()
    ds.PatientName = "Head^Standard"
    source = BytesSource(builders.encode(ds))
    assert case.identifying_fields(said(title="Head"), source, frozenset())[0] == ()
    apart = said(title="Head", notes="Standard")
    assert case.identifying_fields(apart, source, frozenset())[0] == case.FIELDS


def test_an_input_that_cannot_be_read_is_told() -> None:
    """Half a file: what is read of it counts, and that something is missing is said."""
    data = builders.encode(builders.ct())
    half = BytesSource(data[:-100])
    fields, unread = case.identifying_fields(said(notes="Zwicklhuber"), half, frozenset())
    assert fields == ("notes",)
    assert unread is not None
    within = BytesSource(data[: data.index(b"Zwicklhuber") + 60])
    for source in (within, BytesSource(b"text"), BytesSource(b"")):
        assert case.identifying_fields(said(), source, frozenset())[1] is not None


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"title": "x" * 65}, "/title"),
        ({"title": "two\nlines"}, "/title"),
        ({"notes": "x" * 20_001}, "/notes"),
        ({"description": "bell\x07"}, "/description"),
        ({"tags": ["lung", "lung"]}, "/tags"),
        ({"tags": "lung"}, "/tags"),
        ({"patient": "Quirina"}, "/patient"),
        ({"dicomveil_case": 2}, "/dicomveil_case"),
        ({"notes": None}, "/notes"),
    ],
)
def test_the_form_is_checked(members: dict[str, object], pointer: str) -> None:
    """What is too long, missing, of another version or not known is refused by place, without the value."""
    with pytest.raises(WrongUse) as caught:
        said(**members)
    assert (caught.value.code, caught.value.pointer) == ("case-invalid", pointer)
    assert "Quirina" not in str(caught.value)


def test_no_json_is_no_case() -> None:
    """Neither are two members of one name."""
    for text in ("", "[1]", '{"title": "a", "title": "b"}'):
        with pytest.raises(WrongUse):
            case.case_of(text)


def test_what_is_written_is_what_is_read() -> None:
    """case.json holds to its schema, with its documents; the schema uses only what is checked."""
    document, _ = made()
    content = case.to_json(said(), [document])
    assert list(schema.violations(content, schema.case_schema())) == []
    assert case.case_of(json.dumps(content)) == said()
    text = json.dumps(schema.case_schema())
    names = set(re.findall(r'"([$\w]+)": (?=[\["{\d]|true|false)', text))
    members = {"dicomveil_case", *case.FIELDS, "documents", "study_instance_uid", "sop_instance_uid", "file"}
    assert names - members <= schema.KEYWORDS
    assert repr(said()) == "Case(...)"


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not here")
@pytest.mark.parametrize("name", PROFILES)
def test_the_document_is_valid(name: str, tmp_path: Path) -> None:
    """Debian's dciodvfy takes it for a Key Object Selection document, and finds no error."""
    path = tmp_path / "case.dcm"
    path.write_bytes(made(PROFILES[name])[0].data)
    command = [str(shutil.which("dciodvfy")), "-new", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert "KeyObjectSelectionDocument" in lines
    assert [line for line in lines if line.startswith("Error")] == []


class _Bytes(bytes):
    def to_bytes(self) -> bytes:
        return bytes(self)


def test_the_page_asks_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """The boundary: fields and the tidied case of one file; then the document; errors as codes."""
    data = builders.encode(builders.ct())
    monkeypatch.setattr(browser._State, "session", session())
    browser.connect(lambda _handle, offset, length: _Bytes(data[offset : offset + length]))

    def ask(**request: object) -> dict[str, object]:
        answer: dict[str, object] = json.loads(browser.case(1, len(data), json.dumps(request)))
        return answer

    words = json.dumps({"dicomveil_case": 1, **WORDS, "title": "  Nodule\u200b "})
    assert ask(case=words)["fields"] == []
    assert case.case_of(json.dumps(ask(case=words)["case"])).title == "Nodule"
    named = json.dumps({"dicomveil_case": 1, **WORDS, "title": "Quirina"})
    assert ask(case=named)["fields"] == ["title"]
    one = reference(clean_source(BytesSource(data), session()))
    answer = ask(case=words, references=[list(one)])
    assert verify_instance(BytesSource(browser.taken())).sop_instance_uid == answer["sop_instance_uid"]
    assert ask(case=named, references=[list(one)])["code"] == "case-identifies"
    assert ask(case="{}")["code"] == "case-invalid"
    assert ask(case=words, references=[])["code"] == "case-invalid"
