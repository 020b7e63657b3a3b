"""Profiles: their form, what is wrong with one, overrides of single attributes, and what is claimed then."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

import builders
from dicomveil import overrides, schema, tables
from dicomveil.errors import CODES, Refused, WrongUse
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import OPTIONS, Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.reporting import report
from dicomveil.rules import Rules
from dicomveil.source import BytesSource, iter_parts
from dicomveil.verifying import Problem, collect_identifiers, verify, verify_instance

DATES = "retain_longitudinal_modified_dates"
SECRET = "Zwicklhuber"


def text_of(
    own: Mapping[str, object] | None = None, options: tuple[str, ...] = (DATES,), **more: object
) -> str:
    """Return a profile as JSON."""
    data: dict[str, object] = {"dicomveil_profile": 1, "name": "ours", "options": list(options)}
    return json.dumps(data | ({"overrides": own} if own is not None else {}) | more)


def override(
    action: str, *, accepted: bool | None = None, reason: str = "Study 7 needs it"
) -> dict[str, object]:
    """Return an override as it stands in a profile."""
    return {"action": action, "reason": reason} | ({} if accepted is None else {"accepted": accepted})


def session_of(own: Mapping[str, object], options: tuple[str, ...] = (DATES,)) -> Session:
    """Return a session under a profile with overrides."""
    return Session(Profile.from_json(text_of(own, options)), Pseudonyms(Key(bytes(32))))


def cleaned(session: Session, ds: Dataset | None = None) -> tuple[bytes, list[str]]:
    """Return the cleaned CT slice, and the warnings."""
    source = BytesSource(builders.encode(ds or builders.ct()))
    result = clean_source(source, session)
    return b"".join(iter_parts(source, result.parts)), result.warnings


def read(data: bytes) -> Dataset:
    """Read a file."""
    return pydicom.dcmread(io.BytesIO(data))


def codes(ds: Dataset) -> set[str]:
    """Return the codes of De-identification Method Code Sequence."""
    return {item.CodeValue for item in ds.get("DeidentificationMethodCodeSequence", [])}


# ----------------------------------------------------------------------------------------- the form


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("{", None),
        ("[]", ""),
        ("7", ""),
        ('{"dicomveil_profile": 1, "dicomveil_profile": 1, "name": "a", "options": []}', None),
        ("[" * 100_000, None),
        (text_of(name=""), "/name"),
        (text_of(name=SECRET * 9), "/name"),
        (text_of(dicomveil_profile=2), "/dicomveil_profile"),
        (text_of(dicomveil_profile=True), "/dicomveil_profile"),
        (text_of(salt="12"), "/salt"),
        (text_of(salt="zz" * 16), "/salt"),
        (text_of(salt="00" * 16 + "\n"), "/salt"),
        (text_of(surprise=SECRET), "/surprise"),
        (json.dumps({f"{SECRET}^Quirina": 1, **json.loads(text_of())}), "/?"),
        (text_of(options=(DATES, DATES)), "/options"),
        (text_of(safe_private={"ACME": {"00091": "LO"}}), "/safe_private/ACME/00091"),
        (text_of(safe_private={"ACME": {"000902": "PN"}}), "/safe_private/ACME/000902"),
        (text_of(safe_private={" ": {}}), "/safe_private/?"),
        (text_of({"PatientSex": {"action": "K"}}), "/overrides/PatientSex/reason"),
        (text_of({"PatientSex": override("Q")}), "/overrides/PatientSex/action"),
        (text_of({"PatientSex": override("X") | {"accepted": "yes"}}), "/overrides/PatientSex/accepted"),
        (text_of({"PatientSex": override("X", reason="")}), "/overrides/PatientSex/reason"),
        (text_of({"PatientSex": override("X") | {"value": SECRET}}), "/overrides/PatientSex/value"),
    ],
)
def test_what_is_wrong_with_a_profile_is_told_by_its_place(text: str, pointer: str | None) -> None:
    """A profile that is not of the form is refused; the error says where, and holds no value."""
    with pytest.raises(WrongUse) as caught:
        Profile.from_json(text)
    assert (caught.value.code, caught.value.pointer) == ("profile-invalid", pointer)
    assert SECRET not in str(caught.value)
    if pointer:
        assert str(caught.value).startswith(f"at {pointer}: ")


def test_an_unknown_option_is_told_by_its_place() -> None:
    """An option that PS3.15 does not have keeps its own code."""
    with pytest.raises(WrongUse) as caught:
        Profile.from_json(text_of(options=(DATES, SECRET)))
    assert (caught.value.code, caught.value.pointer) == ("option-unknown", "/options/1")
    assert SECRET not in str(caught.value)


def _keywords(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, member in node.items():
            yield name
            names_follow = name == "properties"
            for inner in member.values() if names_follow else [member]:
                yield from _keywords(inner)


def test_the_schema_uses_only_what_is_checked() -> None:
    """No keyword of the schema is passed over, and its options are those of the code."""
    found = schema.profile_schema()
    assert set(_keywords(found)) <= schema.KEYWORDS
    assert set(found["properties"]["options"]["items"]["enum"]) == set(OPTIONS)


def test_a_profile_is_read_as_it_was_written() -> None:
    """What to_json writes, from_json reads as the same profile, overrides and private list included."""
    own = {"PatientSex": override("K", accepted=True), "00180060": override("X")}
    profile = Profile.from_json(text_of(own, safe_private={"ACME": {"000902": "LO"}}, salt="0A" * 8))
    again = Profile.from_json(profile.to_json())
    assert again == profile
    assert again.overrides[0x00180060].action == "X"
    assert again.overrides[0x00100040] == overrides.Override("K", "Study 7 needs it", accepted=True)


# ------------------------------------------------------------------------------------- their limits


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ({"NoSuchKeyword": override("X")}, "override-invalid"),
        ({"00091001": override("K", accepted=True)}, "override-invalid"),
        ({"00020016": override("K", accepted=True)}, "override-invalid"),
        ({"00041130": override("K", accepted=True)}, "override-invalid"),
        ({"00080000": override("K", accepted=True)}, "override-invalid"),
        ({"SOPClassUID": override("X")}, "override-invalid"),
        ({"PixelData": override("X")}, "override-invalid"),
        ({"PatientIdentityRemoved": override("X")}, "override-invalid"),
        ({"PatientID": override("K", accepted=True)}, "override-invalid"),
        ({"PatientSex": override("X"), "00100040": override("X")}, "override-invalid"),
        ({"PatientName": override("K", accepted=True)}, "override-impossible"),
        ({"PatientName": override("C", accepted=True)}, "override-impossible"),
        ({"PatientWeight": override("C", accepted=True)}, "override-impossible"),
        ({"PatientAge": override("C", accepted=True)}, "override-impossible"),
        ({"PatientSex": override("U", accepted=True)}, "override-impossible"),
        ({"FrameOfReferenceUID": override("K", accepted=True)}, "override-impossible"),
        ({"StudyDate": override("K", accepted=True)}, "override-impossible"),
        ({"StudyTime": override("K", accepted=True)}, "override-impossible"),
        ({"TimezoneOffsetFromUTC": override("K", accepted=True)}, "override-impossible"),
        ({"PatientSex": override("K")}, "override-not-accepted"),
        ({"PatientSex": override("K", accepted=False)}, "override-not-accepted"),
        ({"StudyDescription": override("Z")}, "override-not-accepted"),
        ({"StudyDescription": override("C")}, "override-not-accepted"),
        ({"InstanceCreatorUID": override("X"), "PatientBirthDate": override("C")}, "override-not-accepted"),
    ],
)
def test_overrides_have_limits(own: dict[str, object], code: str) -> None:
    """What could not be verified, would make a marker untrue or is weaker without a yes is refused."""
    with pytest.raises(WrongUse) as caught:
        session_of(own)
    assert caught.value.code == code
    assert caught.value.pointer is not None
    assert caught.value.pointer.startswith("/overrides/")


@pytest.mark.parametrize(
    ("options", "action"),
    [
        (("retain_longitudinal_full_dates",), "K"),
        (("retain_longitudinal_full_dates",), "Z"),
        ((DATES,), "C"),
        ((), "X"),
    ],
)
def test_dates_follow_the_option_that_the_marker_names(options: tuple[str, ...], action: str) -> None:
    """A date is kept under full dates, moved under modified dates, removed always: no yes is needed."""
    assert not Rules(Profile.from_json(text_of({"StudyDate": override(action)}, options))).weaker


@pytest.mark.parametrize(
    ("code", "action", "weaker"),
    [
        ("X", "X", False),
        ("X", "Z", True),
        ("X", "D", True),
        ("Z", "D", False),
        ("Z", "K", True),
        ("D", "X", False),
        ("X/Z/D", "D", False),
        ("X/Z/D", "C", True),
        ("C", "K", True),
        ("U", "X", False),
        ("X/Z/U*", "U", False),
        ("X/Z/U*", "K", True),
        ("K/X", "K", True),
        ("K", "C", False),
    ],
)
def test_actions_are_compared_by_what_they_leave(code: str, action: str, *, weaker: bool) -> None:
    """Nothing, then no information, then something else, then everything."""
    assert overrides.is_weaker(code, action) is weaker


def test_every_attribute_of_the_table_can_be_removed() -> None:
    """X is possible and never weaker, for each row that an override may name."""
    tags = [tag for tag in tables.rows() if overrides.may_be_overridden(tag)]
    assert len(tags) > 600
    own = {f"{tag:08X}": override("X") for tag in tags}
    assert not session_of(own).rules.weaker


# ------------------------------------------------------------------------------------- their effect


def test_a_stricter_override_costs_no_claim() -> None:
    """What PS3.15 keeps is removed at every depth, and the Basic Profile is claimed as before."""
    ds = builders.ct()
    ds.KVP = "120"
    data, warnings = cleaned(session_of({"KVP": override("X"), "StudyDate": override("Z")}), ds)
    out = read(data)
    assert "KVP" not in out
    assert out.StudyDate == ""
    assert "113100" in codes(out)
    assert "weaker-than-basic" not in warnings
    assert not verify_instance(BytesSource(data)).problems


def test_removal_keeps_what_the_iod_needs() -> None:
    """X leaves an attribute of Type 2 empty, and a dummy in one of Type 1 (PS3.15 E.1.1)."""
    out = read(cleaned(session_of({"Manufacturer": override("X"), "FrameOfReferenceUID": override("X")}))[0])
    assert out.Manufacturer == ""
    assert out.FrameOfReferenceUID.startswith("2.25.")


def test_a_weaker_override_costs_the_claim_of_the_basic_profile() -> None:
    """A kept attribute is named in the method, 113100 is not claimed, the options are."""
    session = session_of({"PatientSex": override("K", accepted=True)})
    data, warnings = cleaned(session)
    out = read(data)
    assert out.PatientSex == builders.ct().PatientSex
    assert codes(out) == {"113107"}
    assert list(out.DeidentificationMethod)[1:] == ["Basic Profile except (0010,0040) K"]
    assert out.PatientIdentityRemoved == "YES"
    assert warnings == ["weaker-than-basic"]
    assert "weaker-than-basic" in CODES


def test_without_any_option_there_is_no_code_to_claim() -> None:
    """The sequence of codes is left out rather than empty; the method is told in words."""
    out = read(cleaned(session_of({"PatientSex": override("K", accepted=True)}, ()))[0])
    assert "DeidentificationMethodCodeSequence" not in out
    assert len(out.DeidentificationMethod) == 2


def test_where_a_weaker_override_has_no_effect_the_claim_stays() -> None:
    """An instance without the attribute meets the Basic Profile, and says so."""
    ds = builders.ct()
    del ds.PatientSex
    data, warnings = cleaned(session_of({"PatientSex": override("K", accepted=True)}), ds)
    assert "113100" in codes(read(data))
    assert not warnings
    assert not verify_instance(BytesSource(data)).problems


def test_a_birth_date_can_be_moved() -> None:
    """C on a date moves it as all others of the patient."""
    ds = builders.ct()
    out = read(cleaned(session_of({"PatientBirthDate": override("C", accepted=True)}), ds)[0])
    days = pydicom.valuerep.DA(out.PatientBirthDate) - pydicom.valuerep.DA(ds.PatientBirthDate)
    assert days == pydicom.valuerep.DA(out.StudyDate) - pydicom.valuerep.DA(ds.StudyDate)


def test_an_identifier_in_a_kept_attribute_stops_the_file() -> None:
    """An override is no way around verification."""
    ds = builders.ct()
    ds.PatientComments = f"seen by {builders.PATIENT.name.split('^')[0]}"
    with pytest.raises(Refused) as caught:
        cleaned(session_of({"PatientComments": override("K", accepted=True)}), ds)
    assert (caught.value.code, caught.value.tag) == ("identifier-remains", 0x00104000)


def test_only_who_accepted_an_override_may_pass_it() -> None:
    """By itself an output that left more does not verify; told of the tags it does; told of others not."""
    data, _ = cleaned(session_of({"PatientSex": override("K", accepted=True)}))
    source = BytesSource(data)
    alone = {problem[:2] for problem in verify_instance(source).problems}
    assert alone == {("attribute-not-replaced", 0x00100040), ("marker-missing", 0x00120064)}
    assert not verify_instance(source, accepted={0x00100040: "K"}).problems
    assert verify_instance(source, accepted={0x00104000: "K"}).problems


def _marked(method: list[str], claimed: list[str]) -> tuple[Problem, ...]:
    """Verify an instance with a patient's sex, an accepted override, and these markers."""
    original = BytesSource(builders.encode(builders.ct()))
    data, _ = cleaned(session_of({"PatientSex": override("K", accepted=True)}))
    ds = read(data)
    ds.DeidentificationMethod = method
    ds.DeidentificationMethodCodeSequence = [
        builders.code(value, "DCM", tables.METHOD_CODES[option][1])
        for option, (value, _meaning) in tables.METHOD_CODES.items()
        if value in claimed
    ]
    out = io.BytesIO()
    pydicom.dcmwrite(out, ds, enforce_file_format=False)
    rules = session_of(
        {"PatientSex": override("K", accepted=True), "PatientAge": override("K", accepted=True)}
    ).rules
    shift = (pydicom.valuerep.DA(ds.StudyDate) - pydicom.valuerep.DA(builders.PATIENT.study_date)).days
    found = verify(
        BytesSource(out.getvalue()),
        collect_identifiers(original),
        shift_days=shift,
        options=frozenset({DATES}),
        accepted=rules.weaker,
    )
    return tuple(problem for problem in found.problems if problem.tag == 0x00120064)


@pytest.mark.parametrize(
    ("exceptions", "claimed", "code"),
    [
        (["(0010,0040) K"], ["113107"], None),
        (["(0010,0040) K"], ["113100", "113107"], "marker-untrue"),
        ([], ["113100", "113107"], "marker-untrue"),
        ([], ["113107"], "marker-missing"),
        (["(0010,1010) K"], ["113107"], "marker-missing"),
        (["(0010,0040) K", "(0010,4000) K"], ["113107"], "marker-missing"),
    ],
)
def test_verification_holds_the_markers_to_the_exceptions(
    exceptions: list[str], claimed: list[str], code: str | None
) -> None:
    """What was left must be told, nothing that was not accepted may be, and 113100 goes with no exception."""
    method = ["dicomveil 0.1.0", *(f"Basic Profile except {what}" for what in exceptions)]
    assert [problem.code for problem in _marked(method, claimed)] == ([] if code is None else [code])


def test_the_report_lists_the_overrides() -> None:
    """Tag, action and reason, and nothing where there are none."""
    profile = Profile.from_json(text_of({"PatientSex": override("K", accepted=True)}))
    content: dict[str, Any] = json.loads(report(profile, []))
    expected = [{"tag": "(0010,0040)", "action": "K", "reason": "Study 7 needs it"}]
    assert content["profile"]["overrides"] == expected
    assert "overrides" not in json.loads(report(Profile.default(), []))["profile"]


def test_a_kept_sequence_is_cleaned_inside() -> None:
    """K on a sequence that the table removes walks into its items, which stay under the rules."""
    ds = builders.ct()
    item = Dataset()
    item.RequestedProcedureDescription = "seen by Zwicklhuber"
    item.RequestedProcedureID = "REQ-775533"
    item.ScheduledProtocolCodeSequence = [builders.code("10312003", "SCT", "Prednisone")]
    ds.RequestAttributesSequence = [item]
    session = session_of({"RequestAttributesSequence": override("K", accepted=True)})
    data, _ = cleaned(session, ds)
    (kept,) = read(data).RequestAttributesSequence
    assert kept.ScheduledProtocolCodeSequence[0].CodeValue == "10312003"
    assert b"REQ-775533" not in data
    assert SECRET.encode() not in data
    assert not verify_instance(BytesSource(data), accepted=session.rules.weaker).problems


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["K", "PatientSex"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "options", "overrides", "PatientSex", "action", "reason"])
            | st.text(max_size=9),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON, st.sampled_from(["overrides", "options", "safe_private", "salt", "name", "dicomveil_profile"]))
def test_whatever_a_profile_holds_it_is_read_or_refused(value: object, member: str) -> None:
    """No JSON brings about another error than WrongUse, and what is read can be written and used."""
    data = json.loads(text_of()) | {member: value}
    try:
        profile = Profile.from_json(json.dumps(data))
        Rules(profile)
    except WrongUse as error:
        str(error).encode("ascii")
    else:
        assert Profile.from_json(profile.to_json()) == profile
