"""Media: a DICOMDIR written anew for the outputs, and the outputs beside it byte for byte."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.fileset import FileSet
from pydicom.uid import MediaStorageDirectoryStorage

import builders
from dicomveil import cli, directory
from dicomveil.errors import Refused
from dicomveil.source import BytesSource

NAMES = ("DICOMDIR", "PT", "ST", "SE", "IM", "SR", "PR", "DO")


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Return a folder with two slices of one patient, one of another, and a structured report."""
    folder = tmp_path / "in"
    folder.mkdir()
    other = builders.Patient(name="Grantlbauer^Xaver", patient_id="P-2", root="1.2.826.0.1.3680043.10.8888")
    made = [builders.ct(number=1), builders.ct(number=2), builders.ct(patient=other), builders.sr(number=3)]
    for number, ds in enumerate(made):
        (folder / f"{number}.dcm").write_bytes(builders.encode(ds))
    return folder


def run(*arguments: object) -> int:
    """Run the command line in this process."""
    return cli.main([str(argument) for argument in arguments])


def listed(media: Path) -> list[bytes]:
    """Return the files that a DICOMDIR lists, as pydicom reads it."""
    files = FileSet(media / "DICOMDIR")
    files._stage["t"].cleanup()
    return [Path(instance.path).read_bytes() for instance in files]


def test_a_dicomdir_lists_the_outputs(inputs: Path, tmp_path: Path) -> None:
    """It reads back by pydicom: every output once, under names of 8 characters, as they were verified."""
    out, media = tmp_path / "out", tmp_path / "media" / "disc"
    assert run("clean", inputs, "--output", out, "--dicomdir", media) == 0
    outputs = sorted(path.read_bytes() for path in out.rglob("*.dcm"))
    assert sorted(listed(media)) == outputs
    assert len(outputs) == 4
    for path in media.rglob("*"):
        name = path.relative_to(media).as_posix()
        assert all(part.isalnum() and part.isupper() and len(part) <= 8 for part in name.split("/"))
    content = (media / "DICOMDIR").read_bytes()
    for secret in builders.PATIENT.secrets():
        assert secret.encode() not in content
    assert not [path for path in media.parent.iterdir() if path != media]


@pytest.mark.skipif(shutil.which("dcmdump") is None, reason="dcmtk is not installed")
def test_dcmtk_reads_the_dicomdir(inputs: Path, tmp_path: Path) -> None:
    """Another toolkit finds the records of two patients and four instances, and no error."""
    out, media = tmp_path / "out", tmp_path / "media"
    assert run("clean", inputs, "--output", out, "--dicomdir", media) == 0
    dump = subprocess.run(
        ["dcmdump", media / "DICOMDIR"],  # noqa: S607 - wherever it is installed
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    records = [line.split("[")[1].split("]")[0] for line in dump.stdout.splitlines() if "(0004,1430)" in line]
    assert (records.count("PATIENT"), records.count("IMAGE"), records.count("SR DOCUMENT")) == (2, 3, 1)
    assert dump.stderr == ""


def test_keys_that_an_output_lacks_are_dummies(inputs: Path, tmp_path: Path) -> None:
    """Without dates in the outputs the records have dummies, and the outputs stay without."""
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"dicomveil_profile": 1, "name": "bare", "options": []}))
    out, media = tmp_path / "out", tmp_path / "media"
    assert run("clean", inputs, "--output", out, "--dicomdir", media, "--profile", profile) == 0
    records = pydicom.dcmread(media / "DICOMDIR").DirectoryRecordSequence
    assert {record.StudyDate for record in records if record.DirectoryRecordType == "STUDY"} == {"19000101"}
    assert not [path for path in out.rglob("*.dcm") if pydicom.dcmread(path).StudyDate]


def test_what_cannot_be_listed_is_told(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second output with the same SOP Instance UID is left out of the media: warning, status 1."""
    ds = builders.ct(number=1)
    ds.Rows, ds.PixelData = ds.Rows // 2, ds.PixelData[: len(ds.PixelData) // 2]
    (inputs / "5.dcm").write_bytes(builders.encode(ds))
    out, media, report = tmp_path / "out", tmp_path / "media", tmp_path / "report.json"
    assert run("clean", inputs, "--output", out, "--dicomdir", media, "--report", report) == 1
    assert len(listed(media)) == 4
    entries = json.loads(report.read_text())["files"]
    assert ["media-left-out" in entry["warnings"] for entry in entries] == [False, False, False, False, True]
    assert "media-left-out: 1 outputs" in capsys.readouterr().err


def test_pydicom_would_list_the_same(inputs: Path, tmp_path: Path) -> None:
    """Record by record, offsets included: what pydicom's own FileSet writes of the same outputs."""
    out, media = tmp_path / "out", tmp_path / "media"
    for number, name in enumerate(("CT_small.dcm", "rtplan.dcm", "waveform_ecg.dcm", "test-SR.dcm"), 5):
        shutil.copyfile(str(get_testdata_file(name, download=False)), inputs / f"{number}.dcm")
    report = tmp_path / "report.json"
    run("clean", inputs, "--output", out, "--dicomdir", media, "--pixels", "unclaimed", "--report", report)
    theirs = FileSet()
    for entry in json.loads(report.read_text())["files"]:
        header = directory._with_keys(pydicom.dcmread(out / entry["output"]), entry["output"])
        theirs.add(header)
    theirs.write(tmp_path / "theirs")
    theirs._stage["t"].cleanup()
    mine, other = pydicom.dcmread(media / "DICOMDIR"), pydicom.dcmread(tmp_path / "theirs" / "DICOMDIR")
    shift = other.DirectoryRecordSequence[0].seq_item_tell - mine.DirectoryRecordSequence[0].seq_item_tell
    assert len(mine.DirectoryRecordSequence) > 15
    for one, another in zip(mine.DirectoryRecordSequence, other.DirectoryRecordSequence, strict=True):
        for keyword in ("OffsetOfTheNextDirectoryRecord", "OffsetOfReferencedLowerLevelDirectoryEntity"):
            if another[keyword].value:
                another[keyword].value -= shift
        assert one == another


def test_what_lacks_a_key_is_left_out(tmp_path: Path) -> None:
    """A structured report with an empty Completion Flag, an image whose number is none, what is no DICOM."""
    report, image = builders.sr(), builders.ct()
    report.CompletionFlag = None
    data = builders.encode(image)
    number = b"\x20\x00\x13\x00IS\x02\x00"
    assert directory.records_of(BytesSource(data), "DV-1/2/3/4.dcm") != []
    broken = data.replace(number + b"1 ", number + b"x?")
    assert broken != data
    for content in (builders.encode(report), broken, bytes(200)):
        assert directory.records_of(BytesSource(content), "DV-1/2/3/4.dcm") == []
    made = directory.Directory()
    made.add("a.dcm", [])
    assert (made.names, made.left_out) == ({}, ["a.dcm"])
    (tmp_path / "DICOMDIR").write_bytes(made.encode())
    assert pydicom.dcmread(tmp_path / "DICOMDIR").DirectoryRecordSequence == []


def test_what_cannot_be_read_is_no_matter_of_the_directory() -> None:
    """An input that is gone is refused as that, not listed and not left out."""

    class Gone(BytesSource):
        def read(self, offset: int, length: int) -> bytes:  # noqa: ARG002 - as sources have it
            raise Refused("unreadable")

    with pytest.raises(Refused, match="could not be read"):
        directory.records_of(Gone(builders.encode(builders.ct())), "DV-1/2/3/4.dcm")


def test_names_stay_within_what_a_file_id_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond the last name of a level is left out; ten thousand of a series are listed at once."""
    records = directory.records_of(BytesSource(builders.encode(builders.ct())), "DV-1/2/3/4.dcm")
    made = directory.Directory()
    for number in range(10_000):
        text = directory.records_to_text(str(number), records)
        name, [*above, image] = directory.records_from_text(text)
        made.add(name, [*above, directory.Record(image.kind, f"1.2.{number}", image.elements)])
    assert made.names["9999"] == "PT000000/ST000000/SE000000/IM009999"
    monkeypatch.setattr(directory, "_COMPONENT", 6)
    made.add("one more", [*records[:-1], directory.Record("IMAGE", "1.3", b"")])
    assert made.left_out == ["one more"]
    again = directory.Directory()
    again.add("0", records)
    assert made.encode() != again.encode() == again.encode()


@pytest.mark.parametrize("where", ["out", "out/media", ".", "full", "file"])
def test_media_need_a_folder_of_their_own(inputs: Path, tmp_path: Path, where: str) -> None:
    """A folder that is not empty, or not apart from the outputs, is wrong use; nothing is cleaned."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "file").touch()
    assert run("clean", inputs, "--output", tmp_path / "out", "--dicomdir", tmp_path / where) == 2
    assert not (tmp_path / "out").exists()


def test_an_original_dicomdir_is_never_passed_on(inputs: Path, tmp_path: Path) -> None:
    """A DICOMDIR of the input is skipped with its own code; the new one does not know of it."""
    old = FileSet()
    for path in inputs.iterdir():
        old.add(path)
    old.write(tmp_path / "disc")
    old._stage["t"].cleanup()
    out, media, report = tmp_path / "out", tmp_path / "media", tmp_path / "report.json"
    arguments = ("--output", out, "--dicomdir", media, "--report", report)
    assert run("clean", tmp_path / "disc", *arguments) == 1
    codes = [entry["code"] for entry in json.loads(report.read_text())["files"]]
    assert sorted(codes, key=str) == [None, None, None, None, "dicomdir"]
    assert len(listed(media)) == 4


def test_a_patient_without_id_is_listed_by_the_pseudonym(inputs: Path, tmp_path: Path) -> None:
    """A record needs a Patient ID: the name of the patient's folder stands in for one that is not there."""
    ds = builders.ct(number=7)
    del ds.PatientID
    (inputs / "7.dcm").write_bytes(builders.encode(ds))
    out, media = tmp_path / "out", tmp_path / "media"
    assert run("clean", inputs, "--output", out, "--dicomdir", media) == 0
    records = pydicom.dcmread(media / "DICOMDIR").DirectoryRecordSequence
    listed_ids = {record.PatientID for record in records if record.DirectoryRecordType == "PATIENT"}
    assert listed_ids == {path.name for path in out.iterdir()}
    assert len(listed_ids) == 3


def test_a_directory_under_another_name_is_refused(tmp_path: Path) -> None:
    """SOP Class UID counts, too, where File Meta Information says something else."""
    ds = pydicom.dcmread(io.BytesIO(builders.encode(builders.sr())))
    ds.SOPClassUID = MediaStorageDirectoryStorage
    pydicom.dcmwrite(tmp_path / "1.dcm", ds, enforce_file_format=False)
    report = tmp_path / "report.json"
    assert run("clean", tmp_path / "1.dcm", "--output", tmp_path / "out", "--report", report) == 1
    assert [entry["code"] for entry in json.loads(report.read_text())["files"]] == ["dicomdir"]
