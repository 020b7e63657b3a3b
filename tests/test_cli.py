"""The command line: its contract line by line; nothing that it prints or writes holds a value or a name."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest

import builders
from dicomveil import __version__, batch, cli, pipeline
from dicomveil.errors import CODES
from dicomveil.source import BytesSource, Part, Source, iter_parts
from dicomveil.tables import TABLE_EDITION
from dicomveil.verifying import verify_instance

SECRET_NAME = "zwicklhuber-quirina-19470319"  # what hospitals call files and folders
KEY = bytes(range(32))


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Return a folder with three CT slices in nested folders, named after the patient."""
    folder = tmp_path / SECRET_NAME
    for number, place in enumerate(("b", "a/x", "a"), 1):
        (folder / place).mkdir(parents=True, exist_ok=True)
        content = builders.encode(builders.ct(number=number))
        (folder / place / f"{SECRET_NAME}-{number}.dcm").write_bytes(content)
    return folder


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return a file with a key."""
    path = tmp_path / "key"
    path.write_bytes(KEY)
    return path


def run(*arguments: object) -> int:
    """Run the command line in this process."""
    return cli.main([str(argument) for argument in arguments])


def outputs(folder: Path) -> dict[str, bytes]:
    """Return the files of an output folder by their names."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def assert_value_free(text: str) -> None:
    """Fail if a text holds an identifier of the test patient or the name of an input file."""
    lowered = text.lower()
    for secret in [*builders.PATIENT.secrets(), SECRET_NAME]:
        assert secret.lower() not in lowered
    assert "traceback" not in lowered


# ------------------------------------------------------------------------------------------ clean


def test_clean_writes_every_input_under_its_new_name(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder is walked; each output is named by its new identifiers and passes verification; status 0."""
    before = outputs(inputs)
    status = run(
        "clean", inputs, "--output", tmp_path / "out", "--anonymize", "--report", tmp_path / "r.json"
    )
    assert status == 0
    assert outputs(inputs) == before
    written = outputs(tmp_path / "out")
    assert len(written) == 3
    for name, content in written.items():
        ds = pydicom.dcmread(io.BytesIO(content))
        assert name == f"{ds.PatientID}/{ds.StudyInstanceUID}/{ds.SeriesInstanceUID}/{ds.SOPInstanceUID}.dcm"
        assert not verify_instance(BytesSource(content)).problems
    report = (tmp_path / "r.json").read_text()
    captured = capsys.readouterr()
    assert captured.out == "3 clean, 0 refused\n"
    assert_value_free(captured.out + captured.err + report + "".join(written))


def test_the_report_has_one_entry_per_input(inputs: Path, tmp_path: Path) -> None:
    """The report is that of DESIGN: versions, profile, and each input once in its order."""
    (inputs / "a" / "notes.txt").write_text("not DICOM")
    status = run("clean", inputs, "--output", tmp_path / "out", "--report", tmp_path / "r.json")
    assert status == 1
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["version"] == __version__
    assert report["table_edition"] == TABLE_EDITION
    assert report["profile"]["options"] == ["clean_pixel_data", "retain_longitudinal_modified_dates"]
    files = report["files"]
    assert [entry["input"] for entry in files] == [1, 2, 3, 4]
    refused = [entry for entry in files if entry["status"] == "refused"]
    assert [(entry["code"], entry["output"], entry["actions"]) for entry in refused] == [
        ("not-dicom", None, {})
    ]
    for entry in files:
        assert set(entry) == {
            *("input", "status", "code", "tag", "output", "sop_class", "transfer_syntax", "actions"),
            *("warnings", "pixels"),
        }
        if entry["status"] == "clean":
            assert entry["code"] is None
            assert (tmp_path / "out" / entry["output"]).exists()
            assert entry["transfer_syntax"] == builders.EXPLICIT
            assert entry["pixels"] == "no risk"
            assert entry["actions"]["X"] > 0


def test_folders_are_walked_in_order(inputs: Path, tmp_path: Path, key_file: Path) -> None:
    """Inputs are numbered as they are given, and inside a folder sorted by name, files before folders."""
    run(
        "clean", inputs, "--output", tmp_path / "out", "--key-file", key_file, "--report", tmp_path / "r.json"
    )
    names = [entry["output"] for entry in json.loads((tmp_path / "r.json").read_text())["files"]]
    given = [3, 2, 1]
    numbers = [int(pydicom.dcmread(tmp_path / "out" / name).InstanceNumber) for name in names]
    assert numbers == given


def test_a_file_compressed_with_gzip_is_cleaned_as_what_is_in_it(tmp_path: Path, key_file: Path) -> None:
    """``.dcm.gz`` gives the output of its content; a broken one is refused with a code."""
    content = builders.encode(builders.ct())
    plain, packed, broken = (tmp_path / name for name in ("plain", "packed", "broken"))
    for folder in (plain, packed, broken):
        folder.mkdir()
    (plain / "1.dcm").write_bytes(content)
    (packed / "1.dcm.gz").write_bytes(gzip.compress(content))
    (broken / "1.dcm.gz").write_bytes(gzip.compress(content)[:-200])
    for folder in (plain, packed):
        assert run("clean", folder, "--output", tmp_path / f"{folder.name}-out", "--key-file", key_file) == 0
    assert outputs(tmp_path / "plain-out") == outputs(tmp_path / "packed-out")
    report = tmp_path / "report.json"
    assert run("clean", broken, "--output", tmp_path / "out", "--anonymize", "--report", report) == 1
    assert json.loads(report.read_text())["files"][0]["code"] == "truncated"


def test_a_refused_input_does_not_stop_the_others(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refusals are told by number and code on stderr; the others are written; status 1."""
    bad = tmp_path / f"{SECRET_NAME}.dcm"
    bad.write_bytes(builders.encode(builders.ct())[:700])
    assert run("clean", bad, inputs, "--output", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert captured.out == "3 clean, 1 refused\n"
    assert captured.err.startswith("dicomveil: input 1: truncated: ")
    assert_value_free(captured.err)
    assert len(outputs(tmp_path / "out")) == 3


def test_a_seeded_identifier_in_kept_text_stops_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name in an attribute that is kept is found after cleaning: nothing is written, the tag is told."""
    ds = builders.ct()
    ds.ConvolutionKernel = "Zwicklhuber"
    (tmp_path / "in.dcm").write_bytes(builders.encode(ds))
    assert run("clean", tmp_path / "in.dcm", "--output", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert "identifier-remains: (0018,1210)" in captured.err
    assert_value_free(captured.err)
    assert not outputs(tmp_path / "out")


@pytest.mark.parametrize("jobs", [1, 3])
def test_more_processes_give_the_same_bytes(
    inputs: Path, tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str], jobs: int
) -> None:
    """The key is shared by all processes, and order and duplicates do not depend on their timing."""
    for number in range(4, 12):
        ds = builders.ct(number=number % 6 + 1)
        ds.ConvolutionKernel = f"B{number}f"
        (inputs / f"{number}.dcm").write_bytes(builders.encode(ds))
    for out, processes in (("one", 1), ("many", jobs)):
        run(
            *("clean", inputs, "--output", tmp_path / out, "--key-file", key_file, "--jobs", processes),
            *("--report", tmp_path / f"{out}.json"),
        )
    assert outputs(tmp_path / "one") == outputs(tmp_path / "many")
    assert (tmp_path / "one.json").read_text() == (tmp_path / "many.json").read_text()
    assert len(outputs(tmp_path / "one")) == 11
    assert not capsys.readouterr().err


def test_the_same_key_gives_the_same_output(inputs: Path, tmp_path: Path, key_file: Path) -> None:
    """Key file (bytes or hex digits) and passphrase file are repeatable; --anonymize is not."""
    (tmp_path / "hex").write_text(KEY.hex() + "\n")
    (tmp_path / "phrase").write_text("correct horse battery\n")
    (tmp_path / "phrase2").write_text("correct horse battery")
    ways = {
        "a": ("--key-file", key_file),
        "b": ("--key-file", tmp_path / "hex"),
        "c": ("--passphrase-file", tmp_path / "phrase"),
        "d": ("--passphrase-file", tmp_path / "phrase2"),
        "e": ("--anonymize",),
        "f": ("--anonymize",),
    }
    for out, way in ways.items():
        assert run("clean", inputs, "--output", tmp_path / out, *way) == 0
    found = {out: outputs(tmp_path / out) for out in ways}
    assert found["a"] == found["b"]
    assert found["c"] == found["d"]
    assert found["e"] != found["f"]
    assert found["a"] != found["c"]


def test_running_twice_changes_nothing(inputs: Path, tmp_path: Path, key_file: Path) -> None:
    """An output that is there with the same bytes is fine."""
    arguments = ("clean", inputs, "--output", tmp_path / "out", "--key-file", key_file)
    assert run(*arguments) == 0
    before = outputs(tmp_path / "out")
    assert run(*arguments) == 0
    assert outputs(tmp_path / "out") == before


def test_no_file_is_overwritten(
    inputs: Path, tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of the same name with other contents stays, and the input is refused."""
    arguments = ("clean", inputs, "--output", tmp_path / "out", "--key-file", key_file)
    run(*arguments)
    path = next((tmp_path / "out").rglob("*.dcm"))
    path.write_bytes(b"something else")
    assert run(*arguments) == 1
    assert path.read_bytes() == b"something else"
    assert "output-exists" in capsys.readouterr().err


def test_one_instance_twice_with_other_contents(inputs: Path, tmp_path: Path, key_file: Path) -> None:
    """Both are written, the second under a name of its own and with a warning; twice gives the same."""
    ds = builders.ct(number=1)
    ds.ConvolutionKernel = "B70f"
    (inputs / "z.dcm").write_bytes(builders.encode(ds))
    (inputs / "zz.dcm").write_bytes(builders.encode(ds))
    arguments = ("clean", inputs, "--output", tmp_path / "out", "--key-file", key_file)
    for _ in range(2):
        assert run(*arguments, "--report", tmp_path / "r.json") == 0
        assert len(outputs(tmp_path / "out")) == 4
        files = json.loads((tmp_path / "r.json").read_text())["files"]
        assert [entry["warnings"] for entry in files if entry["output"].endswith("-2.dcm")] == [
            ["duplicate-instance"]
        ]


def test_a_full_disk_is_told_and_leaves_nothing_half(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When a write fails, that input is refused with a code; the others are whole."""
    real, calls = iter_parts, []

    def failing(source: Source, parts: Sequence[Part]) -> Iterator[bytes]:
        calls.append(1)
        chunks = list(real(source, parts))
        yield chunks[0][:100]
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, f"No space left for {SECRET_NAME}")
        yield chunks[0][100:]
        yield from chunks[1:]

    monkeypatch.setattr(batch, "iter_parts", failing)
    assert run("clean", inputs, "--output", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("dicomveil: input 2: output-failed: ")
    assert_value_free(captured.err)
    written = outputs(tmp_path / "out")
    assert len(written) == 2
    assert not [name for name, content in written.items() if verify_instance(BytesSource(content)).problems]


def test_an_output_folder_that_cannot_be_made(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An output folder whose name is a file's is wrong use."""
    (tmp_path / SECRET_NAME / "file").write_text("")
    assert run("clean", inputs / "a", "--output", tmp_path / SECRET_NAME / "file") == 2
    assert_value_free(capsys.readouterr().err)


def test_an_interrupted_run_keeps_what_is_whole(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After Ctrl-C finished outputs and their report are there, and no partial file is."""
    real, calls = pipeline.clean_source, []

    def interrupted(source: Source, session: pipeline.Session, **keywords: Any) -> pipeline.Cleaned:  # noqa: ANN401
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(source, session, **keywords)

    monkeypatch.setattr(batch, "clean_source", interrupted)
    assert run("clean", inputs, "--output", tmp_path / "out", "--report", tmp_path / "r.json") == 130
    written = outputs(tmp_path / "out")
    assert len(written) == 2
    assert len(json.loads((tmp_path / "r.json").read_text())["files"]) == 2
    assert not list((tmp_path / "out").glob(".dicomveil-*"))
    assert "Traceback" not in capsys.readouterr().err


def test_a_signal_leaves_no_partial_file(tmp_path: Path) -> None:
    """SIGINT to a run with several processes ends it soon, quietly, and with whole files only."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(400):
        (folder / f"{number}.dcm").write_bytes(builders.encode(builders.ct(number=number)))
    command = [sys.executable, "-m", "dicomveil", "clean", str(folder), "--jobs", "2", "--output"]
    command.append(str(tmp_path / "out"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, env=environment, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "out").rglob("*.dcm")) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=60)
    written = outputs(tmp_path / "out")
    assert process.returncode in {0, 130}
    assert b"Traceback" not in error
    assert written
    assert all(name.endswith(".dcm") for name in written)
    assert not [name for name, content in written.items() if verify_instance(BytesSource(content)).problems]
    assert not list((tmp_path / "out").glob(".dicomveil-*"))


def test_a_crashing_process_fails_its_own_file(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When a process dies over a file, this file is refused and all others are cleaned."""
    for number in range(4, 9):
        (inputs / f"{number}.dcm").write_bytes(builders.encode(builders.ct(number=number)))
    (tmp_path / "crashing_worker.py").write_text(
        "import os\nfrom dicomveil import batch\n"
        "def clean(number, path):\n    if number == 4: os._exit(1)\n"
        "    return batch._worker.clean(number, path)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import crashing_worker  # type: ignore[import-not-found]

    monkeypatch.setattr(batch, "_clean", crashing_worker.clean)
    assert run("clean", inputs, "--output", tmp_path / "out", "--jobs", 2) == 1
    captured = capsys.readouterr()
    assert captured.out == "7 clean, 1 refused\n"
    assert captured.err.startswith("dicomveil: input 4: internal-error")
    assert len(outputs(tmp_path / "out")) == 7


def test_unexpected_errors_show_no_value(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception whose text holds values becomes a code, in a file and in the whole command."""

    def broken(*_arguments: object, **_keywords: object) -> None:
        raise ValueError(builders.PATIENT.name)

    monkeypatch.setattr(batch, "clean_source", broken)
    assert run("clean", inputs, "--output", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert captured.err.count("internal-error") == 3
    assert_value_free(captured.err)
    monkeypatch.setattr(cli, "run", broken)
    assert run("clean", inputs, "--output", tmp_path / "out") == 1
    assert_value_free(capsys.readouterr().err)


def test_warnings_of_libraries_are_not_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Pydicom's warnings repeat values; none reaches the terminal."""
    ds = builders.ct()
    data = builders.encode(ds).replace(b"ISO_IR 192", b"ISO_ZWICKL")
    (tmp_path / "in.dcm").write_bytes(data)
    run("clean", tmp_path / "in.dcm", "--output", tmp_path / "out")
    run("inspect", tmp_path / "in.dcm")
    assert "ZWICKL" not in "".join(capfd.readouterr())


# ------------------------------------------------------------------------------------------ options of clean


def test_pixel_modes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An ultrasound image needs review; a person may confirm, or nothing is claimed about its pixels."""
    (tmp_path / "in.dcm").write_bytes(builders.encode(builders.us()))
    arguments = ("clean", tmp_path / "in.dcm", "--report", tmp_path / "r.json", "--output")
    assert run(*arguments, tmp_path / "review") == 1
    assert "input 1: pixels-need-review: " in capsys.readouterr().err
    for mode, claimed in (("confirmed", True), ("unclaimed", False)):
        assert run(*arguments, tmp_path / mode, "--pixels", mode) == 0
        ((_, content),) = outputs(tmp_path / mode).items()
        ds = pydicom.dcmread(io.BytesIO(content))
        codes = [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
        assert ("113101" in codes) is claimed
        assert (ds.get("BurnedInAnnotation") == "NO") is claimed
        assert json.loads((tmp_path / "r.json").read_text())["files"][0]["pixels"] == mode


def test_redactions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rectangles are for the instance or the series that is selected; one for no image is told; status 1."""
    ds = builders.us()
    (tmp_path / "in.dcm").write_bytes(builders.encode(ds))
    area = {"shape": "rectangle", "x": 0, "y": 0, "width": 2, "height": 1}
    for keyword, uid in (
        ("sop_instance_uid", ds.SOPInstanceUID),
        ("series_instance_uid", ds.SeriesInstanceUID),
    ):
        redactions = {"redactions": [{"select": {keyword: uid}, "frames": [0, 0], "shapes": [area]}]}
        (tmp_path / "redact.json").write_text(json.dumps(redactions))
        out = tmp_path / keyword
        partly = ("clean", tmp_path / "in.dcm", "--output", out, "--redact", tmp_path / "redact.json")
        # one frame of several was drawn in: for the others nobody has spoken yet
        assert run(*partly) == 1
        assert "pixels-need-review" in capsys.readouterr().err
        assert run(*partly, "--pixels", "confirmed") == 0
        ((_, content),) = outputs(out).items()
        found = pydicom.dcmread(io.BytesIO(content))
        assert not any(found.PixelData[: 2 * found.SamplesPerPixel * found.BitsAllocated // 8])
        assert found.PixelData[20:] == ds.PixelData[20:]
        assert found.BurnedInAnnotation == "NO"
    capsys.readouterr()
    select = {"sop_instance_uid": builders.PATIENT.uid(77)}
    (tmp_path / "redact.json").write_text(json.dumps({"redactions": [{"select": select, "shapes": [area]}]}))
    arguments = ("--output", tmp_path / "none", "--redact", tmp_path / "redact.json", "--pixels", "unclaimed")
    assert run("clean", tmp_path / "in.dcm", *arguments) == 1
    captured = capsys.readouterr()
    assert "redaction 1: redaction-unmatched" in captured.err
    assert_value_free(captured.err)


def test_crosswalk(inputs: Path, tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Old and new identifiers are written on request only, for the owner only, and called confidential."""
    arguments = ("clean", inputs, "--output", tmp_path / "out", "--key-file", key_file, "--jobs", 2)
    assert run(*arguments, "--crosswalk", tmp_path / "walk") == 0
    assert "confidential" in capsys.readouterr().err
    tables = {}
    for name in ("uid_mapping.csv", "patid_mapping.csv"):
        path = tmp_path / "walk" / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        header, *rows = csv.reader(path.read_text().splitlines())
        assert header == ["id_old", "id_new"]
        tables[name] = dict(rows)
    ds = pydicom.dcmread(next((tmp_path / "out").rglob("*.dcm")))
    assert tables["patid_mapping.csv"] == {builders.PATIENT.patient_id: ds.PatientID}
    assert tables["uid_mapping.csv"][builders.PATIENT.uid(1)] == ds.StudyInstanceUID
    assert {builders.PATIENT.uid(3, number) for number in (1, 2, 3)} <= set(tables["uid_mapping.csv"])


def test_several_options_after_one_word(inputs: Path, tmp_path: Path) -> None:
    """``--option A B`` names two options, wherever the inputs stand."""
    named = ("--option", "retain_uids", "retain_device_identity")
    for number, arguments in enumerate(([inputs, *named], [*named, inputs])):
        report = tmp_path / f"{number}.json"
        out = ("--output", tmp_path / str(number), "--anonymize", "--report", report)
        assert run("clean", *arguments, *out) == 0
        assert {"retain_uids", "retain_device_identity"} <= set(
            json.loads(report.read_text())["profile"]["options"]
        )


def test_profile_and_options(inputs: Path, tmp_path: Path) -> None:
    """A profile file gives the options, --option adds to them, and the report names both."""
    profile = {"dicomveil_profile": 1, "name": "teaching", "options": ["retain_uids"]}
    (tmp_path / "p.json").write_text(json.dumps(profile))
    status = run(
        *("clean", inputs, "--output", tmp_path / "out", "--profile", tmp_path / "p.json"),
        *("--option", "retain_patient_characteristics", "--report", tmp_path / "r.json"),
    )
    assert status == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["profile"] == {
        "name": "teaching",
        "options": ["retain_patient_characteristics", "retain_uids"],
    }
    ds = pydicom.dcmread(next((tmp_path / "out").rglob("*.dcm")))
    assert ds.StudyInstanceUID == builders.PATIENT.uid(1)
    assert ds.PatientAge == "074Y"


# ------------------------------------------------------------------------------------------ wrong use


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), None),
        (("frobnicate", SECRET_NAME), None),
        (("clean", "IN"), None),
        (("clean", "--output", "OUT"), None),
        (("clean", "IN", "--output", "OUT", f"--{SECRET_NAME}"), None),
        (("clean", "IN", "--output", "OUT", "--jobs", SECRET_NAME), None),
        (("clean", "IN", "--output", "OUT", "--jobs", "0"), None),
        (("clean", "IN", "--output", "OUT", "--pixels", SECRET_NAME), None),
        (("clean", "IN", "--output", "OUT", "--option", SECRET_NAME), None),
        (("clean", "IN", "--output", "OUT", "--anonymize", "--key-file", "KEY"), None),
        (("clean", SECRET_NAME, "--output", "OUT"), "input-missing"),
        (("clean", "EMPTY", "--output", "OUT"), "no-input"),
        (("clean", "IN", "--output", "IN"), "output-holds-input"),
        (("clean", "IN/a", "--output", "IN"), "output-holds-input"),
        (("clean", "IN", "--output", "OUT", "--profile", SECRET_NAME), "option-file-unreadable"),
        (("clean", "IN", "--output", "OUT", "--profile", "TEXT"), "profile-invalid"),
        (("clean", "IN", "--output", "OUT", "--profile", "BYTES"), "profile-invalid"),
        (("clean", "IN", "--output", "OUT", "--key-file", SECRET_NAME), "option-file-unreadable"),
        (("clean", "IN", "--output", "OUT", "--key-file", "TEXT"), "key-invalid"),
        (("clean", "IN", "--output", "OUT", "--key-file", "BYTES"), "key-invalid"),
        (("clean", "IN", "--output", "OUT", "--passphrase-file", "SHORT"), "key-invalid"),
        (("clean", "IN", "--output", "OUT", "--passphrase-file", "BYTES"), "key-invalid"),
        (("clean", "IN", "--output", "OUT", "--redact", "TEXT"), "redactions-invalid"),
        (("inspect", SECRET_NAME), "input-missing"),
        (("verify", SECRET_NAME), "input-missing"),
        (
            (
                *("clean", "IN", "--output", "OUT", "--option", "retain_longitudinal_full_dates"),
                *("--option", "retain_longitudinal_modified_dates"),
            ),
            "option-conflict",
        ),
    ],
)
def test_wrong_use_is_told_without_values(
    arguments: tuple[str, ...],
    code: str | None,
    inputs: Path,
    tmp_path: Path,
    key_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wrong use ends with status 2 and a code or argparse's reason; what was given is not repeated."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text(f"{SECRET_NAME} is not JSON")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe" * 30)
    (tmp_path / "short").write_text("abc")
    places = {"IN": inputs, "IN/a": inputs / "a", "OUT": tmp_path / "out", "KEY": key_file}
    places |= {name.upper(): tmp_path / name for name in ("empty", "text", "bytes", "short")}
    assert run(*(places.get(argument, argument) for argument in arguments)) == 2
    captured = capsys.readouterr()
    assert not captured.out
    assert_value_free(captured.err)
    assert not (tmp_path / "out").exists()
    if code:
        assert captured.err == f"dicomveil: {code}: {' '.join(CODES[code])}\n"
    else:
        assert "usage: dicomveil" in captured.err


@pytest.mark.parametrize(
    "change",
    [
        {"select": {}},
        {"select": {"patient_id": "1"}},
        {"select": {"sop_instance_uid": 1}},
        {"select": {"sop_instance_uid": "1.2", "series_instance_uid": "1.2"}},
        {"shapes": []},
        {"shapes": [{"shape": "circle", "x": 0, "y": 0, "width": 1, "height": 1}]},
        {"shapes": [{"shape": "rectangle", "x": 0, "y": 0, "width": 1}]},
        {"shapes": [{"shape": "rectangle", "x": -1, "y": 0, "width": 1, "height": 1}]},
        {"shapes": [{"shape": "rectangle", "x": 0.5, "y": 0, "width": 1, "height": 1}]},
        {"frames": [1]},
        {"frames": "all"},
        {"other": 1},
    ],
)
def test_invalid_redactions_are_wrong_use(change: dict[str, object], inputs: Path, tmp_path: Path) -> None:
    """A file of redactions that is not understood in full is refused in full."""
    area = {"shape": "rectangle", "x": 0, "y": 0, "width": 1, "height": 1}
    entry = {"select": {"sop_instance_uid": "1.2"}, "frames": None, "shapes": [area], **change}
    (tmp_path / "redact.json").write_text(json.dumps({"redactions": [entry]}))
    arguments = ("clean", inputs, "--output", tmp_path / "out", "--redact", tmp_path / "redact.json")
    assert run(*arguments) == 2
    assert not (tmp_path / "out").exists()


def test_an_output_folder_inside_the_input_is_not_an_input(inputs: Path) -> None:
    """Cleaning a folder into one of its own folders takes no output for an input."""
    assert run("clean", inputs, "--output", inputs / "out", "--report", inputs / "out" / "r.json") == 0
    assert run("clean", inputs, "--output", inputs / "out", "--report", inputs / "out" / "r.json") == 0
    assert len(json.loads((inputs / "out" / "r.json").read_text())["files"]) == 3


# ------------------------------------------------------------------------------------------ other commands


def test_inspect_says_what_cleaning_would_do(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Risks and planned actions as JSON, value-free; status 1 if an input is refused."""
    (tmp_path / "us.dcm").write_bytes(builders.encode(builders.us()))
    assert run("inspect", inputs, tmp_path / "us.dcm") == 0
    captured = capsys.readouterr()
    assert_value_free(captured.out + captured.err)
    files = json.loads(captured.out)["files"]
    assert [(entry["input"], entry["status"]) for entry in files] == [
        *((n, "ready") for n in (1, 2, 3)),
        (4, "attention"),
    ]
    assert files[3]["code"] == "pixels-need-review"
    assert files[3]["risks"]
    assert files[3]["proposals"] == []
    assert files[0]["risks"] == []
    assert files[0]["actions"]["X"] > 0
    (tmp_path / "bad.dcm").write_bytes(b"bad")
    assert run("inspect", tmp_path / "bad.dcm") == 1
    assert json.loads(capsys.readouterr().out)["files"][0]["code"] == "not-dicom"


def test_verify_passes_what_clean_wrote(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cleaned files pass; unclaimed pixels are a warning only."""
    (inputs / "us.dcm").write_bytes(builders.encode(builders.us()))
    run("clean", inputs, "--output", tmp_path / "out", "--pixels", "unclaimed")
    capsys.readouterr()
    assert run("verify", tmp_path / "out") == 0
    captured = capsys.readouterr()
    assert captured.out == "4 verified, 0 failed\n"
    assert captured.err.count("warning: pixels-unclaimed") == 1


def test_verify_fails_what_is_not_clean(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Originals fail with codes and tags, by number and without a value."""
    assert run("verify", inputs) == 1
    captured = capsys.readouterr()
    assert captured.out == "0 verified, 3 failed\n"
    assert "file 1: " in captured.err
    assert_value_free(captured.err)


def test_receive_hands_its_arguments_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``receive`` is the receiver's command; without it the extra to install is named."""
    import types

    got: list[list[str]] = []
    module = types.ModuleType("dicomveil_receiver.cli")

    def receive(arguments: list[str]) -> int:
        got.append(arguments)
        return 7

    module.main = receive  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dicomveil_receiver.cli", module)
    assert run("receive", "--help", "x") == 7
    assert got == [["--help", "x"]]
    monkeypatch.setitem(sys.modules, "dicomveil_receiver.cli", None)
    assert run("receive") == 2
    assert "dicomveil[receiver]" in capsys.readouterr().err


def test_the_module_is_the_command() -> None:
    """``python -m dicomveil --version`` works."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "dicomveil", "--version"]
    done = subprocess.run(command, capture_output=True, env=environment, check=False, text=True)
    assert (done.returncode, done.stdout) == (0, f"dicomveil {__version__}\n")


def test_every_code_has_a_cause_and_a_remedy() -> None:
    """What the command line prints for a code is there, and is a sentence."""
    for cause, remedy in CODES.values():
        assert cause.endswith(".")
        assert remedy.endswith(".")


def test_verification_cannot_be_skipped(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If cleaning were to keep everything, nothing would be written."""
    monkeypatch.setattr(pipeline, "assembled", lambda instance, _header, _pixels: [instance.head.buffer])
    assert run("clean", inputs, "--output", tmp_path / "out") == 1
    assert not outputs(tmp_path / "out")
