"""Patients: who is who among the inputs is reported for a decision, and nothing is merged."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

import builders
from dicomveil import cli
from dicomveil.errors import CODES
from dicomveil.patients import Finding, Person, are_similar, findings, person_of
from dicomveil.reading import read_instance
from dicomveil.source import BytesSource


def person(
    name: str, patient_id: str = "P1", birth_date: str = "19470319", charset: str = "ISO_IR 192"
) -> Person:
    """Return who an instance with these attributes is about."""
    ds = builders.ct()
    ds.SpecificCharacterSet = charset
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = name, patient_id, birth_date
    return person_of(read_instance(BytesSource(builders.encode(ds))))


def found(*people: Person) -> list[Finding]:
    """Return the findings about inputs in this order."""
    return findings(zip(count(1), people, strict=False))


@pytest.mark.parametrize(
    "name",
    [
        "Müller^Anna^Maria",
        "MÜLLER^ANNA^MARIA",
        "Müller^Anna^Maria^^",
        "Müller ^Anna Maria ",
        "Mueller^Anna^Maria",
        "Muller^Anna^Maria",
        "Anna^Müller^Maria",
        "Müller^Anna^Maria=漢字^名",
    ],
)
def test_spelling_makes_no_other_person(name: str) -> None:
    """Case, padding, diacritics, order and trailing carets of a name neither split nor share an ID."""
    assert not found(person("Müller^Anna^Maria"), person(name))


@pytest.mark.parametrize(
    "name", ["Müller^Anna ", "müller^ANNA", "Müller ^ Anna", "Müller^Anna^^^ ", "Müller^Anna="]
)
def test_padding_case_and_carets_do_not_split(name: str) -> None:
    """Where there is no ID, these spellings of a name get one pseudonym; nor does the case of an ID split."""
    assert person(name, "").identity == person("Müller^Anna", "").identity
    assert person(name, "p1 ").identity == person("Müller^Anna", "P1").identity


@pytest.mark.parametrize(
    ("one", "other", "similar"),
    [
        ("Zwicklhuber^Quirina", "Zwicklhuber^Q", True),
        ("Zwicklhuber^Quirina", "Zwicklhuber^Quirina^Maria", True),
        ("Zwicklhuber^Quirina", "Zwickelhuber^Quirina", True),
        ("Zwicklhuber^Quirina", "Zwicklhuber^Quirinna", True),
        ("Zwicklhuber^Quirina", "Zwicklhuber^Xaver", False),
        ("Zwicklhuber^Quirina", "Grantlbauer^Quirina", False),
        ("Zwicklhuber^Quirina", "Z^Q", False),
        ("Zwicklhuber^Quirina", "", False),
    ],
)
def test_similar_names(one: str, other: str, *, similar: bool) -> None:
    """Initials, further names and slips are similar; other family or given names are not."""
    a, b = person(one).name, person(other).name
    assert are_similar(a, b) is similar
    assert are_similar(b, a) is similar


def test_one_id_with_two_names() -> None:
    """An ID that two people have is reported with the inputs of each."""
    one, two = person("Zwicklhuber^Quirina"), person("Grantlbauer^Wendelin", birth_date="19500101")
    assert found(one, two, one) == [Finding("patient-id-shared", ((1, 3), (2,)))]


def test_one_person_with_two_ids() -> None:
    """Same birth date and a similar name under two IDs, or with and without one, is reported."""
    one, two = person("Zwicklhuber^Quirina"), person("ZWICKLHUBER^QUIRINA^", "00P1")
    without = person("Zwicklhuber^Quirina", "")
    assert found(one, two) == [Finding("patient-split", ((1,), (2,)))]
    assert found(one, two, without, one) == [Finding("patient-split", ((1, 4), (2,), (3,)))]


def test_others_are_not_reported() -> None:
    """Other birth dates, other names, and names or dates that are missing say nothing."""
    one = person("Zwicklhuber^Quirina")
    assert not found(one, person("Zwicklhuber^Quirina", "P2", "19470320"))
    assert not found(one, person("Grantlbauer^Wendelin", "P2"))
    assert not found(person("Zwicklhuber^Quirina", "P1", ""), person("Zwicklhuber^Quirina", "P2", ""))
    assert not found(one, person("", "P1"))
    assert not found(person("", "P1"), person("", "P2"))


def test_a_dummy_birth_date_of_many_is_quick() -> None:
    """Hundreds of people with one birth date are compared by equal names only."""
    names = [f"Family{number:03}^Given{number % 7}" for number in range(300)]
    people = [Person(f"id\0{number}", (name.lower(),), "19000101") for number, name in enumerate(names)]
    same = Person("id\0x", people[5].name, "19000101")
    assert found(*people, same) == [Finding("patient-split", ((6,), (301,)))]


def test_the_command_reports_without_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report has the groups of inputs, their files the warning; nothing else changes."""
    spellings = [("Zwicklhuber^Quirina", "P1"), ("ZWICKLHUBER^Q^", "P2"), ("Grantlbauer^Wendelin", "P2")]
    for number, (name, patient_id) in enumerate(spellings, 1):
        ds = builders.ct(number=number)
        ds.PatientName, ds.PatientID = name, patient_id
        (tmp_path / f"{number}.dcm").write_bytes(builders.encode(ds))
    out = tmp_path / "out"
    inputs = [str(tmp_path / f"{number}.dcm") for number in (1, 2, 3)]
    status = cli.main(["clean", *inputs, "--output", str(out), "--report", str(tmp_path / "report.json")])
    assert status == 0
    text = (tmp_path / "report.json").read_text()
    content = json.loads(text)
    assert content["patients"] == [
        {"code": "patient-split", "inputs": [[1], [2]]},
        {"code": "patient-id-shared", "inputs": [[2], [3]]},
    ]
    warnings = [entry["warnings"] for entry in content["files"]]
    assert warnings == [["patient-split"], ["patient-split", "patient-id-shared"], ["patient-id-shared"]]
    assert {"patient-split", "patient-id-shared"} <= CODES.keys()
    assert len(list(out.iterdir())) == 2  # by ID, as before
    printed = capsys.readouterr()
    assert "inputs 1 | 2: patient-split" in printed.err
    for secret in ("zwickl", "quirina", "grantl", "P1", "P2", "19470319"):
        assert secret.lower() not in (text + printed.err + printed.out).lower()
