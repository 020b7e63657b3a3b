"""The crosswalk, in the clear and encrypted."""

from __future__ import annotations

import csv
import io
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pyrage
import pytest
from pydicom.dataset import Dataset

import builders
from dicomveil import browser, cli
from dicomveil.crosswalk import seal_for
from dicomveil.errors import WrongUse
from dicomveil.pipeline import Session, clean_source, remapped
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.redacting import redaction_of
from dicomveil.source import BytesSource

AREA = {"frames": None, "x": 0, "y": 0, "width": 4, "height": 4, "keep_only": False}
PASSPHRASE = "correct horse battery"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return an input."""
    path = tmp_path / "in.dcm"
    path.write_bytes(builders.encode(builders.ct()))
    return path


def run(*arguments: object) -> int:
    """Run the command line in this process."""
    return cli.main([str(argument) for argument in arguments])


def rows(data: bytes) -> list[list[str]]:
    """Return the rows of a CSV file."""
    return list(csv.reader(io.StringIO(data.decode())))


def test_to_a_recipient_only_the_encrypted_files_are_written(source: Path, tmp_path: Path) -> None:
    """The owner of the identity reads old and new; on the disk there is nothing in the clear."""
    identity = pyrage.x25519.Identity.generate()
    folder, out = tmp_path / "crosswalk", tmp_path / "out"
    recipient = str(identity.to_public())
    status = run("clean", source, "--output", out, "--crosswalk", folder, "--crosswalk-recipient", recipient)
    assert status == 0
    files = {path.name: path for path in folder.iterdir()}
    assert sorted(files) == ["patid_mapping.csv.age", "uid_mapping.csv.age"]
    patients = rows(pyrage.decrypt(files["patid_mapping.csv.age"].read_bytes(), [identity]))
    assert patients[0] == ["id_old", "id_new"]
    assert patients[1:] == [[builders.PATIENT.patient_id, next(out.iterdir()).name]]
    uids = rows(pyrage.decrypt(files["uid_mapping.csv.age"].read_bytes(), [identity]))
    assert builders.PATIENT.uid(3, 1) in dict(uids)
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert builders.PATIENT.root.encode() not in path.read_bytes()
        assert path.read_bytes().startswith(b"age-encryption.org/v1\n")


def test_each_of_several_recipients_can_read() -> None:
    """The identities are equal; any one opens."""
    identities = [pyrage.x25519.Identity.generate() for _ in range(2)]
    seal = seal_for([str(identity.to_public()) for identity in identities], None)
    assert seal is not None
    sealed = seal(b"old,new")
    assert [pyrage.decrypt(sealed, [identity]) for identity in identities] == [b"old,new"] * 2


def test_by_a_passphrase(source: Path, tmp_path: Path) -> None:
    """The passphrase of a file, without its line end, opens the crosswalk."""
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    folder = tmp_path / "crosswalk"
    sealing = ("--crosswalk", folder, "--crosswalk-passphrase-file", tmp_path / "passphrase")
    assert run("clean", source, "--output", tmp_path / "out", *sealing) == 0
    sealed = (folder / "patid_mapping.csv.age").read_bytes()
    assert rows(pyrage.passphrase.decrypt(sealed, PASSPHRASE))[1][0] == builders.PATIENT.patient_id
    assert not list(folder.glob("*.csv"))


def test_without_either_it_is_in_the_clear(source: Path, tmp_path: Path) -> None:
    """As before: two CSV files for the owner's eyes."""
    folder = tmp_path / "crosswalk"
    assert run("clean", source, "--output", tmp_path / "out", "--crosswalk", folder) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["patid_mapping.csv", "uid_mapping.csv"]
    assert seal_for([], None) is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--crosswalk", "DIR", "--crosswalk-recipient", "age1nonsense"), "crosswalk-key-invalid"),
        (("--crosswalk", "DIR", "--crosswalk-passphrase-file", "SHORT"), "crosswalk-key-invalid"),
        (("--crosswalk", "DIR", "--crosswalk-passphrase-file", "BYTES"), "crosswalk-key-invalid"),
        (("--crosswalk", "DIR", "--crosswalk-passphrase-file", "MISSING"), "option-file-unreadable"),
        (("--crosswalk-recipient", "GOOD"), "crosswalk-missing"),
    ],
)
def test_wrong_use_stops_before_anything_is_cleaned(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: str
) -> None:
    """A key that cannot encrypt is found out first, and its text is not repeated."""
    (tmp_path / "SHORT").write_text("1234567\n")
    (tmp_path / "BYTES").write_bytes(b"\xff\xfe\xfd" * 8)
    names = {"DIR": tmp_path / "crosswalk", "GOOD": str(pyrage.x25519.Identity.generate().to_public())}
    given = [names.get(word, tmp_path / word if word.isupper() else word) for word in arguments]
    assert run("clean", source, "--output", tmp_path / "out", *given) == 2
    error = capsys.readouterr().err
    assert code in error
    assert "nonsense" not in error
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "crosswalk").exists()


def test_without_pyrage_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional: its absence is wrong use with a remedy, not a crash."""
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(WrongUse) as caught:
        seal_for(["age1x"], None)
    assert caught.value.code == "crosswalk-not-installed"
    assert "dicomveil[crosswalk]" in str(caught.value)


def _with_missing_uids() -> Dataset:
    ds = builders.ct(number=2)
    del ds.StudyInstanceUID
    return ds


@pytest.mark.parametrize(
    ("ds", "options"),
    [
        (builders.ct(), {}),
        (builders.sr(), {}),
        (_with_missing_uids(), {}),
        (builders.ct(), {"pixels": "confirmed", "remove": {0x00081140, 0x00080020}}),
        (builders.ct(), {"redactions": [redaction_of({"shape": "rectangle", **AREA})]}),
    ],
)
@pytest.mark.parametrize("retained", [(), ("retain_uids",)])
def test_the_page_finds_what_cleaning_replaced(
    ds: Dataset, options: dict[str, Any], retained: tuple[str, ...]
) -> None:
    """What is asked for afterwards is what was replaced: the same UIDs, patient and name of the output."""
    source = BytesSource(builders.encode(ds))
    session = Session(Profile.default().with_options(list(retained)), Pseudonyms(Key(bytes(32))))
    cleaned = clean_source(source, session, **options)
    uids = dict(session.pseudonyms.uids)
    found = remapped(source, session, **options)
    assert (found.uids, found.name) == (uids, cleaned.name)
    assert found.patient == (ds.PatientID, cleaned.name.split("/")[0])
    assert bool(uids) != bool(retained) or "StudyInstanceUID" not in ds
    assert ds.PatientID not in repr(found)


def test_the_page_refuses_what_is_another_file_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file would not become the output that there is, nothing of it gets into the crosswalk."""
    data = builders.encode(builders.ct())
    monkeypatch.setattr(browser._State, "session", Session(Profile.default(), Pseudonyms(Key(bytes(32)))))
    monkeypatch.setattr(
        browser._State, "read", lambda _, at, length: memoryview(data)[at : at + length], raising=False
    )
    request = {"pixels": "confirmed", "name": "DV-OTHER/1/2/3.dcm"}
    answer = json.loads(browser.crosswalk(0, len(data), json.dumps(request)))
    assert answer == {"status": "refused", "code": "unreadable", "tag": None}
