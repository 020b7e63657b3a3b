"""``dicomveil clean --case``: the case leaves beside the outputs if it identifies nobody, else not at all."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.fileset import FileSet

import builders
from dicomveil import batch, case, cli
from dicomveil.source import BytesSource, Source, opened
from dicomveil.verifying import verify_instance
from dicomveil.writing import write_whole

WORDS: dict[str, object] = {
    "dicomveil_case": 1,
    "title": "Nodule of the lung, größer als 3 cm",
    "description": "Found by chance.\nTwo lines.",
    "tags": ["lung", "nodule"],
    "notes": "Diagnosis: hamartoma.",
}
OTHER = builders.Patient(name="Grantlbauer^Xaver", patient_id="P-2", root="1.2.826.0.1.3680043.10.8888")


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Return a folder with two slices of a patient, and one of another."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, ds in enumerate(
        (builders.ct(number=1), builders.ct(number=2), builders.ct(patient=OTHER)), 1
    ):
        (folder / f"{number}.dcm").write_bytes(builders.encode(ds))
    return folder


def run(*arguments: object) -> int:
    """Run the command line in this process."""
    return cli.main([str(argument) for argument in arguments])


def clean(inputs: Path, words: dict[str, object] | str, *arguments: object) -> int:
    """Clean into the folder `out` beside the inputs, with a case, under the same key each time."""
    path, key = inputs.parent / "said.json", inputs.parent / "key"
    path.write_text(words if isinstance(words, str) else json.dumps(words), encoding="utf-8")
    key.write_bytes(bytes(range(32)))
    out = inputs.parent / "out"
    return run("clean", inputs, "--output", out, "--key-file", key, "--case", path, *arguments)


def written(out: Path) -> tuple[dict[str, Any], dict[str, pydicom.Dataset]]:
    """Return what `case.json` says, and the documents by their names, as far as they are there."""
    said = json.loads((out / "case.json").read_text(encoding="utf-8"))
    found: dict[str, pydicom.Dataset] = {}
    for path in out.rglob("*.dcm"):
        ds = pydicom.dcmread(path)
        if ds.SOPClassUID == case.SOP_CLASS:
            found[path.relative_to(out).as_posix()] = ds
    return said, found


def test_a_case_is_written_with_a_document_for_each_study(inputs: Path, tmp_path: Path) -> None:
    """`case.json` as the page writes it; documents that refer to all outputs of their study, and verify."""
    assert clean(inputs, WORDS) == 0
    out = tmp_path / "out"
    said, documents = written(out)
    assert {name: said[name] for name in WORDS} == WORDS
    assert case.case_of((out / "case.json").read_text(encoding="utf-8")).title == WORDS["title"]
    assert {entry["file"] for entry in said["documents"]} == set(documents)
    referred: list[str] = []
    for name, ds in documents.items():
        assert verify_instance(BytesSource((out / name).read_bytes())).problems == ()
        assert ds.SeriesDescription == WORDS["title"]
        items = [item for item in ds.ContentSequence if "ReferencedSOPSequence" in item]
        uids = [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items]
        assert [item.ValueType for item in items] == ["IMAGE"] * len(uids)
        images = [
            path.stem for path in (out / name).parent.parent.rglob("*.dcm") if path.stem != ds.SOPInstanceUID
        ]
        assert sorted(uids) == sorted(images)
        referred += uids
    assert (len(documents), len(referred)) == (2, 3)
    assert [path for path in out.rglob("*") if path.name.startswith(".")] == []


def test_the_file_of_the_page_is_taken(inputs: Path, tmp_path: Path) -> None:
    """A `case.json` that names documents of other outputs: these are passed over, its own are named."""
    place = {"study_instance_uid": "2.25.1", "sop_instance_uid": "2.25.2", "file": "x/y.dcm"}
    assert clean(inputs, {**WORDS, "documents": [place]}) == 0
    said, documents = written(tmp_path / "out")
    assert {entry["file"] for entry in said["documents"]} == set(documents)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("member", "text", "fields"),
    [
        pytest.param("title", "Nodule of Quirina", "title", id="a name of the first patient"),
        pytest.param("notes", "Seen by Grantlbauer", "notes", id="a name of the last"),
        pytest.param("tags", ["lung", builders.PATIENT.patient_id], "tags", id="a number"),
    ],
)
def test_a_case_that_identifies_is_refused_and_the_files_stay(
    inputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    jobs: int,
    member: str,
    text: object,
    fields: str,
) -> None:
    """It says in which field, never what; no document is written; what was cleaned is there; status 1."""
    assert clean(inputs, {**WORDS, member: text}, "--jobs", jobs) == 1
    captured = capsys.readouterr()
    assert captured.out == "3 clean, 0 refused\n"
    assert captured.err.startswith(f"dicomveil: case: case-identifies: {fields}: The description")
    for secret in (*builders.PATIENT.secrets(), "Grantlbauer", "Quirina"):
        assert secret.lower() not in captured.err.lower()
    outputs = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(outputs) == 3
    assert all(pydicom.dcmread(path).Modality == "CT" for path in outputs)


def test_the_patient_of_a_refused_input_counts(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image that waits for a look does not leave, and its patient's name may not leave in the case."""
    risky = builders.sc(patient=builders.Patient(name="Hinterwimmer^Vroni", patient_id="P-3"))
    (inputs / "risky.dcm").write_bytes(builders.encode(risky))
    assert clean(inputs, {**WORDS, "notes": "As in Hinterwimmer"}) == 1
    assert "case: case-identifies: notes:" in capsys.readouterr().err
    assert not (tmp_path / "out" / "case.json").exists()


def test_files_that_are_none_do_not_matter(inputs: Path, tmp_path: Path) -> None:
    """Viewer junk among the inputs is refused as ever; it says nothing of anybody."""
    (inputs / "viewer.exe").write_bytes(b"MZ nothing")
    assert clean(inputs, WORDS) == 1
    assert len(written(tmp_path / "out")[1]) == 2


@pytest.mark.parametrize("when", [2, 1])
def test_an_input_that_cannot_be_read_refuses_the_case(
    inputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    when: int,
) -> None:
    """Its patient's names are not known, be it gone from the beginning or when it was cleaned already."""
    tried: list[str] = []

    def gone(path: str) -> AbstractContextManager[Source]:
        tried.append(path)
        if path.endswith("1.dcm") and tried.count(path) >= when:
            raise PermissionError
        return opened(path)

    monkeypatch.setattr(batch, "opened", gone)
    assert clean(inputs, WORDS) == 1
    assert "case: case-unchecked: The case could not be checked" in capsys.readouterr().err
    assert not (tmp_path / "out" / "case.json").exists()
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 1 + when


def test_where_nothing_is_clean_there_is_no_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A case of nothing is not written."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(builders.encode(builders.sc()))
    assert clean(folder, WORDS) == 1
    assert "case: case-without-files:" in capsys.readouterr().err
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("words", "place"),
    [
        pytest.param("no json Quirina", "", id="not JSON"),
        pytest.param({**WORDS, "title": ""}, "/title", id="no title"),
        pytest.param({**WORDS, "title": "Quirina" * 20}, "/title", id="too long"),
        pytest.param({**WORDS, "author": "Quirina"}, "", id="an unknown member"),
        pytest.param('{"dicomveil_case": 1, "dicomveil_case": 1}', "", id="a member twice"),
    ],
)
def test_an_invalid_case_stops_before_anything_is_cleaned(
    inputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: dict[str, object] | str,
    place: str,
) -> None:
    """Wrong use, status 2: the member is named, its text is not."""
    assert clean(inputs, words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"dicomveil: case-invalid: {f'at {place}: ' if place else ''}")
    assert "quirina" not in error.lower()
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_wrong_use(inputs: Path, tmp_path: Path) -> None:
    """Nothing is cleaned then."""
    assert run("clean", inputs, "--output", tmp_path / "out", "--case", tmp_path / "none.json") == 2
    assert not (tmp_path / "out").exists()


def test_the_same_case_again_is_the_same(inputs: Path, tmp_path: Path) -> None:
    """A second run under the same key writes the same bytes; another case under the same roof is refused."""
    out = tmp_path / "out"
    assert clean(inputs, WORDS) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert clean(inputs, WORDS) == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_another_case_is_not_written_over(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A `case.json` that says something else stays, and nothing of the new one is there."""
    out = tmp_path / "out"
    assert clean(inputs, WORDS) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert clean(inputs, {**WORDS, "title": "Another"}) == 1
    assert "case: output-exists:" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_case_is_written_all_or_none(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full in the middle, documents that were written go again; the outputs stay."""

    def full(path: Path, data: bytes) -> None:
        if path.name == "case.json":
            raise OSError
        write_whole(path, data)

    monkeypatch.setattr("dicomveil.case_command.write_whole", full)
    assert clean(inputs, WORDS) == 2
    outputs = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert sorted(pydicom.dcmread(path).Modality for path in outputs) == ["CT"] * 3


def test_equal_files_are_referred_to_once(inputs: Path, tmp_path: Path) -> None:
    """Two inputs with one SOP Instance UID: a document names it once, also where both leave."""
    again = builders.ct(number=1)
    again.ConvolutionKernel = "B70f"
    (inputs / "again.dcm").write_bytes(builders.encode(again))
    assert clean(inputs, WORDS) == 0
    for ds in written(tmp_path / "out")[1].values():
        items = [item for item in ds.ContentSequence if "ReferencedSOPSequence" in item]
        uids = [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items]
        assert len(set(uids)) == len(uids)


def test_media_have_the_documents(inputs: Path, tmp_path: Path) -> None:
    """The DICOMDIR lists them beside the images that they are about."""
    assert clean(inputs, WORDS, "--dicomdir", tmp_path / "media") == 0
    files = FileSet(tmp_path / "media" / "DICOMDIR")
    files._stage["t"].cleanup()
    classes = [pydicom.dcmread(instance.path).SOPClassUID for instance in files]
    assert classes.count(case.SOP_CLASS) == 2
    assert len(classes) == 5


def test_verify_takes_a_case_for_what_its_documents_say(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder verifies as it was written; a case that says more than its documents is no DICOM file."""
    out = tmp_path / "out"
    assert clean(inputs, WORDS) == 0
    assert run("verify", out) == 0
    assert capsys.readouterr().out.endswith("5 verified, 0 failed\n")
    monkeypatch.chdir(out)
    assert run("verify", ".") == 0
    path = out / "case.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    for changed in (
        {**said, "notes": "Quirina Zwicklhuber"},
        {**said, "documents": []},
        {**said, "documents": [{**said["documents"][0], "file": "../said.json"}]},
        {
            **said,
            "documents": [{**said["documents"][0], "file": f"Quirina/../{said['documents'][0]['file']}"}],
        },
        {**said, "documents": [{**said["documents"][0], "sop_instance_uid": "7731904"}]},
        {**said, "title": f"{said['title']}\u200b"},
        "nothing",
    ):
        path.write_text(json.dumps(changed), encoding="utf-8")
        assert run("verify", out) == 1
        assert "not-dicom" in capsys.readouterr().err
