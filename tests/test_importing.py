"""Import of other tools' rules: what they do becomes overrides; what is weaker needs a yes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pydicom
import pytest

import builders
from dicomveil import cli
from dicomveil.errors import CODES, WrongUse
from dicomveil.importing import Difference, Imported, imported
from dicomveil.overrides import may_be_overridden, tag_named
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.rules import Rules
from dicomveil.source import BytesSource, iter_parts

DATES = "retain_longitudinal_modified_dates"
SHARED_RULES = builders.SHARED / "tables" / "pacsbin_header_rules.json"


def script(*lines: str) -> str:
    """Return a script of CTP's anonymizer."""
    return "\n".join(["<script>", '<p t="UIDROOT">1.2.3</p>', *lines, "</script>"])


def element(keyword: str, text: str, *, enabled: bool = True) -> str:
    """Return a line of such a script."""
    flag = "T" if enabled else "F"
    text = text.replace("<", "&lt;")
    return f'<e en="{flag}" t="{tag_named(keyword):08x}" n="{keyword}">{text}</e>'


def rules(*given: tuple[str, str, bool], **options: object) -> str:
    """Return rules of Pacsbin: (keyword, operation, enabled)."""
    listed = [
        {"tag": f"{tag_named(keyword):08x}", "enabled": enabled, "operation": operation, "parameters": []}
        for keyword, operation, enabled in given
    ]
    return json.dumps({"rules": listed, "options": options})


def outcome(made: Imported, keyword: str) -> tuple[str, str]:
    """Return the action of the override of an attribute, and the kind of the difference."""
    tag = tag_named(keyword)
    assert tag is not None
    override = made.profile.overrides.get(tag)
    kinds = [difference.kind for difference in made.differences if difference.tag == tag]
    assert len(kinds) <= 1
    return override.action if override else "", kinds[0] if kinds else ""


@pytest.mark.parametrize(
    ("keyword", "text", "expected"),
    [
        # the same as PS3.15 does: nothing to say
        ("StudyDescription", "@remove()", ("", "")),
        ("ReferringPhysicianName", "@empty()", ("", "")),
        ("PatientName", "@hash(this,64)", ("", "")),
        ("PatientID", '@hashptid(@SITEID,PatientID,"x")', ("", "")),
        ("PatientID", "@param(@SHORTNAME)-@hashptid(@SITEID,this,10)", ("", "")),
        ("AccessionNumber", "@hash(this,16)", ("", "")),
        ("FrameOfReferenceUID", "@hashuid(@UIDROOT,this)", ("", "")),
        ("SOPInstanceUID", "@hashuid(@UIDROOT,this)", ("", "")),
        ("StudyDate", "@incrementdate(this,@DATEINC)", ("", "")),
        ("KVP", "@keep()", ("", "")),
        ("KVP", "@require()", ("", "")),
        ("SOPClassUID", "@keep()", ("", "")),
        ("PatientIdentityRemoved", "@always()YES", ("", "")),
        # stricter: taken over
        ("KVP", "@remove()", ("X", "")),
        ("KVP", "@empty()", ("Z", "")),
        ("KVP", "", ("Z", "")),
        ("KVP", "@always()@remove()", ("X", "")),
        ("FrameOfReferenceUID", "@remove()", ("X", "")),
        ("ReferringPhysicianName", "@remove()", ("X", "")),
        # weaker: left out, for want of a yes
        ("StudyDescription", "@keep()", ("", "weaker")),
        ("PatientSex", "@require()", ("", "weaker")),
        ("StudyDescription", "@empty()", ("", "weaker")),
        ("PatientBirthDate", "@incrementdate(this,@DATEINC)", ("", "weaker")),
        # not to be had here: the stricter of both
        ("PatientName", "@keep()", ("", "stricter")),
        ("FrameOfReferenceUID", "@keep()", ("", "stricter")),
        ("StudyDate", "@keep()", ("", "stricter")),
        ("PatientName", "@param(@NAME)", ("", "stricter")),
        ("StudyDate", "@date()", ("", "stricter")),
        ("KVP", "Zwicklhuber", ("X", "stricter")),
        ("KVP", "@param(@KVP)", ("X", "stricter")),
        ("KVP", "@round(this,5)", ("X", "stricter")),
        ("KVP", "@keep()Zwicklhuber", ("X", "stricter")),
        ("KVP", "@hashuid(@UIDROOT,this)", ("X", "stricter")),
        ("KVP", '@if(this,matches,"a{2})"){@remove()}{@keep()}', ("X", "stricter")),
        ("KVP", '@if(this,contains,"1"){@keep()}{@empty()}', ("Z", "stricter")),
        ("KVP", '@if(this,contains,"1"){@if(this,exists){@keep()}{@keep()}}{@remove()}', ("X", "stricter")),
        ("KVP", "@if(this,isblank){@keep()}{@keep()}", ("", "")),
        ("KVP", "@if(this,isblank){@remove()}", ("X", "stricter")),
        ("KVP", "@select(){@keep()}{@remove()}", ("X", "stricter")),
        # what no profile changes
        ("PatientID", "@keep()", ("", "fixed")),
        ("Rows", "@remove()", ("", "fixed")),
    ],
)
def test_functions_of_ctp(keyword: str, text: str, expected: tuple[str, str]) -> None:
    """Each function has an action, or the stricter one and a line in the list."""
    assert outcome(imported(script(element(keyword, text))), keyword) == expected


def test_a_yes_takes_over_what_is_weaker() -> None:
    """Overrides that are accepted, each listed with its action; what is impossible stays out."""
    lines = [
        element("StudyDescription", "@keep()"),
        element("PatientBirthDate", "@incrementdate(this,@DATEINC)"),
        element("PatientName", "@keep()"),
        element("KVP", "@remove()"),
    ]
    made = imported(script(*lines), accept_weaker=True)
    found = {tag: (override.action, override.accepted) for tag, override in made.profile.overrides.items()}
    assert found == {0x00081030: ("K", True), 0x00100030: ("C", True), 0x00180060: ("X", False)}
    assert Difference(0x00081030, "weaker", "keep", "K") in made.differences
    assert Rules(made.profile).weaker == {0x00081030: "K", 0x00100030: "C"}
    assert not Rules(imported(script(*lines)).profile).weaker


def test_groups_and_elements_that_are_not_selected() -> None:
    """Unselected elements stay, unless unspecified ones are removed and their group is not kept."""
    lines = [
        element(keyword, "@remove()", enabled=False) for keyword in ("PatientSex", "KVP", "SliceLocation")
    ]
    made = imported(script(*lines))
    assert outcome(made, "PatientSex") == ("", "weaker")
    assert outcome(made, "KVP") == ("", "")
    removing = '<r en="T" t="unspecifiedelements">Remove</r>'
    made = imported(script(*lines, removing, '<k en="T" t="18">Keep</k>', '<k en="F" t="20">Keep</k>'))
    assert [outcome(made, name)[0] for name in ("PatientSex", "KVP", "SliceLocation")] == ["X", "", "X"]
    assert Difference(None, "looser", "unspecifiedelements") in made.differences
    assert {note.wanted for note in made.differences if note.kind == "stricter"} == {
        "privategroups",
        "overlays",
        "curves",
    }


def test_options_follow_from_the_script() -> None:
    """Dates that are moved or kept ask for Modified Dates, safe private elements for their option."""
    assert imported(script()).profile.options == {"clean_pixel_data"}
    moved = imported(script(element("StudyDate", "@incrementdate(this,@DATEINC)")))
    assert DATES in moved.profile.options
    removed = imported(script(element("StudyDate", "@remove()"), element("SeriesDate", "@empty()")))
    assert DATES not in removed.profile.options
    private = imported(script('<k en="T" t="safeprivateelements">Keep</k>'))
    assert "retain_safe_private" in private.profile.options


def test_private_elements_are_listed_once() -> None:
    """Elements of private blocks have no override; a site's own list is the way."""
    lines = ['<e en="T" t="0009[ACME]02">@keep()</e>', '<e en="T" t="0009[ACME]03">@keep()</e>']
    made = imported(script(*lines))
    assert Difference(None, "fixed", "private") in made.differences
    assert len({*made.differences}) == len(made.differences)


def test_quarantine_needs_a_yes() -> None:
    """A script that sets files aside promises what a profile cannot: it is refused without the yes."""
    text = script(element("Modality", '@if(this,equals,"SR"){@quarantine()}{@keep()}'))
    with pytest.raises(WrongUse) as caught:
        imported(text, accept_weaker=True)
    assert caught.value.code == "import-unsupported"
    made = imported(text, without_quarantine=True)
    assert Difference(None, "looser", "quarantine") in made.differences


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"rules": 7}',
        '{"rules": [{"tag": "0010", "enabled": true, "operation": "keep"}]}',
        '{"rules": [{"tag": "zzzzzzzz", "enabled": true, "operation": "keep"}]}',
        '{"rules": [{"tag": "00100010", "enabled": true, "operation": "Zwicklhuber 1"}]}',
        "<script>",
        "<other></other>",
        '<!DOCTYPE script [<!ENTITY a "aaaa">]><script>&a;</script>',
        script(element("KVP", "@if(this,isblank){@remove()")),
        "set.[00100010]PatientName=@remove()",
    ],
)
def test_other_files_are_refused(text: str) -> None:
    """What is neither form is refused by one code."""
    with pytest.raises(WrongUse) as caught:
        imported(text)
    assert caught.value.code == "import-invalid"
    assert "Zwickl" not in str(caught.value)


def test_rules_of_pacsbin() -> None:
    """Operations, rules that are not enabled, and sequences have their actions."""
    text = rules(
        ("InstitutionName", "remove", True),
        ("SeriesDate", "remove", True),
        ("StudyDate", "hashdate", True),
        ("PatientName", "hash", True),
        ("FrameOfReferenceUID", "hashuid", True),
        ("StudyDescription", "keep", True),
        ("PatientComments", "keep", False),
        ("KVP", "keep", False),
        ("AnatomicRegionSequence", "keep", False),
        ("DeidentificationMethod", "append", True),
        ("BodyPartExamined", "append", True),
        sequenceAction="remove",
        removeDisabled=False,
    )
    made = imported(text)
    assert made.profile.options == {"clean_pixel_data", DATES}
    expected = {
        "InstitutionName": ("", ""),
        "SeriesDate": ("X", ""),
        "StudyDate": ("", ""),
        "PatientName": ("", ""),
        "FrameOfReferenceUID": ("", ""),
        "StudyDescription": ("", "weaker"),
        "PatientComments": ("", "weaker"),
        "KVP": ("", ""),
        "AnatomicRegionSequence": ("X", ""),
        "DeidentificationMethod": ("", ""),
        "BodyPartExamined": ("X", "stricter"),
    }
    assert {keyword: outcome(made, keyword) for keyword in expected} == expected
    assert Difference(None, "looser", "sequenceAction") in made.differences


def test_rules_that_remove_what_is_not_enabled() -> None:
    """With removeDisabled an attribute without an enabled rule goes, but for the groups that are kept."""
    given = [
        ("KVP", "keep", False),
        ("BodyPartExamined", "keep", True),
        ("LossyImageCompression", "keep", False),
    ]
    made = imported(rules(*given, removeDisabled=True, keepGroup0018=False, keepGroup0028=True))
    assert [outcome(made, name)[0] for name, *_ in given] == ["X", "", ""]


def test_nothing_of_the_file_but_names_of_functions_is_kept() -> None:
    """Parameters and constants of a script may be a site's or a person's: nothing that comes out has them."""
    text = script(
        '<p t="SITE">Zwicklhuber</p>',
        element("PatientID", '@hashptid(Zwicklhuber,"Zwicklhuber")'),
        element("KVP", "Zwicklhuber"),
        element("StudyDescription", '@if(this,contains,"Zwicklhuber"){Zwicklhuber}{@keep()}'),
    )
    made = imported(text, accept_weaker=True)
    assert "Zwickl" not in made.profile.to_json() + repr(made.differences)


@pytest.fixture
def shared_rules() -> str:
    """Return Pacsbin's rules as they are published, where they are at hand."""
    if not SHARED_RULES.is_file():
        pytest.skip("the shared rules are not here")
    return SHARED_RULES.read_text()


@pytest.mark.parametrize("accept", [False, True])
def test_the_published_rules_make_a_valid_profile(shared_rules: str, *, accept: bool) -> None:
    """Without a yes the profile meets the Basic Profile; with it, just what was listed is weaker."""
    made = imported(shared_rules, accept_weaker=accept)
    again = Profile.from_json(made.profile.to_json())
    assert again == made.profile
    weaker = {difference.tag for difference in made.differences if difference.kind == "weaker"}
    assert {0x00081030, 0x0008103E, 0x00100030} <= weaker
    assert set(Rules(again).weaker) == (weaker if accept else set())


def test_the_published_rules_do_what_they_say(shared_rules: str) -> None:
    """Rule by rule: removed, emptied and replaced attributes are, kept ones are kept or listed."""
    made = imported(shared_rules, accept_weaker=True)
    listed = {difference.tag for difference in made.differences}
    ds = builders.ct()
    ds.StudyDescription, ds.SeriesDescription, ds.KVP = "CT CHEST", "AXIAL", "120"
    source = BytesSource(builders.encode(ds))
    session = Session(made.profile, Pseudonyms(Key(bytes(32))))
    cleaned = clean_source(source, session)
    out = pydicom.dcmread(io.BytesIO(b"".join(iter_parts(source, cleaned.parts))))
    assert out.StudyDescription == "CT CHEST"
    seen = 0
    by_tag: dict[int, dict[str, Any]] = {
        int(rule["tag"], 16): rule for rule in json.loads(shared_rules)["rules"]
    }
    for elem in ds:
        tag, rule = int(elem.tag), by_tag.get(int(elem.tag))
        if rule is None or not may_be_overridden(tag) or tag in listed - {0x00081030, 0x0008103E}:
            continue
        seen += 1
        operation = rule["operation"] if rule["enabled"] else "keep"
        value: Any = out.get(elem.tag)
        if elem.VR == "SQ" or operation == "remove":
            assert value is None or not value.value or value.value == "REMOVED", elem.tag
        elif operation == "empty":
            assert value is None or not value.value or value.value.startswith(("REMOVED", "S")), elem.tag
        elif operation in {"keep", "require"} and elem.VR not in {"DA", "TM", "DT"}:
            assert value == elem, elem.tag
        else:
            assert value is None or value != elem or elem.VR == "TM", elem.tag
    assert seen > 20


# ------------------------------------------------------------------------------------- the command


def run(*arguments: object) -> int:
    """Run the command line in this process."""
    return cli.main([str(argument) for argument in arguments])


def test_import_check_and_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An imported profile is written, checked, used for cleaning, and accepted by verify only with it."""
    lines = [element("PatientSex", "@keep()"), element("KVP", "@remove()")]
    (tmp_path / "ctp.script").write_text("\ufeff" + script(*lines), "utf-8")
    (tmp_path / "in.dcm").write_bytes(builders.encode(builders.ct()))
    profile, out = tmp_path / "profile.json", tmp_path / "out"
    assert run("profile", "import", tmp_path / "ctp.script", "--output", profile, "--name", "Teaching") == 0
    error = capsys.readouterr().err
    assert "(0010,0040) PatientSex: keep: weaker than PS3.15; PS3.15 holds" in error
    assert "1 weaker rules were left out" in error
    assert json.loads(profile.read_text())["name"] == "Teaching"
    assert run("profile", "check", profile) == 0
    assert "its outputs claim the Basic Profile\n" in capsys.readouterr().out
    assert run("profile", "import", tmp_path / "ctp.script", "--accept-weaker", "--output", profile) == 0
    assert run("profile", "check", profile) == 0
    assert "(0010,0040) PatientSex: K: weaker than PS3.15, accepted" in capsys.readouterr().out
    report = tmp_path / "report.json"
    assert run("clean", tmp_path / "in.dcm", "--output", out, "--profile", profile, "--report", report) == 0
    content = json.loads(report.read_text())
    assert [entry["warnings"] for entry in content["files"]] == [["weaker-than-basic"]]
    assert {"tag": "(0010,0040)", "action": "K", "reason": "CTP: keep"} in content["profile"]["overrides"]
    assert run("verify", out) == 1
    assert run("verify", out, "--profile", profile) == 0


def test_without_output_the_profile_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is the profile alone, so that it can be piped."""
    (tmp_path / "rules.json").write_text(rules(("KVP", "remove", True)))
    assert run("profile", "import", tmp_path / "rules.json") == 0
    made = Profile.from_json(capsys.readouterr().out)
    assert made.overrides[0x00180060].action == "X"


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """For editors that check while one writes."""
    assert run("profile", "schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "A profile of dicomveil"


def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Code, place and remedy; status 2, also when cleaning, before anything is read."""
    own = {"PatientSex": {"action": "K", "reason": "Zwicklhuber"}}
    profile = tmp_path / "profile.json"
    text = {"dicomveil_profile": 1, "name": "x", "options": [], "overrides": own}
    profile.write_text(json.dumps(text))
    for command in (
        ("profile", "check", profile),
        ("clean", tmp_path, "--output", tmp_path / "o", "--profile", profile),
    ):
        assert run(*command) == 2
        error = capsys.readouterr().err
        assert "override-not-accepted: at /overrides/PatientSex: (0010,0040): " in error
        assert CODES["override-not-accepted"][1] in error
        assert "Zwickl" not in error
    assert not (tmp_path / "o").exists()
    assert run("profile", "import", profile) == 2
    assert run("profile", "import", tmp_path / "none") == 2
    (tmp_path / "ok").write_text(script())
    assert run("profile", "import", tmp_path / "ok", "--output", tmp_path / "no" / "where") == 2
