"""The audit log: what it tells, and that nobody can change it unseen."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from dicomveil_receiver.audit import Audit, AuditError, AuditFile, Head, OpenAuditFile, verify_audit
from dicomveil_receiver.cli import main
from receiver.marking import NOT_CLEAN
from receiver.support import Endpoint, make_instance, running, uid_of


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a log."""
    return [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]


def test_it_tells_who_sent_what_with_which_result(endpoint: Endpoint) -> None:
    """Token name, new UIDs, digests and codes; nothing of what was refused but its code."""
    good, bad = make_instance(), make_instance(clean=False)
    endpoint.store_instances(good, bad)
    endpoint.store_instances(good)
    first, second = lines_of(endpoint.storage / ".dicomveil")
    assert first["token"] == "test-0"
    assert first["status"] == 202
    ((uid, _, _, _, _, digest, size, _),) = first["stored"]
    assert (uid, digest, size) == (uid_of(good), hashlib.sha256(good).hexdigest(), len(good))
    assert first["refused"] == [NOT_CLEAN]
    assert second["stored"] == []
    assert second["known"] == first["stored"]
    assert uid_of(bad) not in json.dumps(first)


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    """The chain runs through all starts."""
    for _ in range(3):
        with running(tmp_path) as endpoint:
            endpoint.store_instances(make_instance())
    assert [line["n"] for line in lines_of(tmp_path / ".dicomveil")] == [1, 2, 3]
    assert verify_audit(AuditFile(tmp_path / ".dicomveil")).lines == 3


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log of five lines."""
    ledger = OpenAuditFile(tmp_path)
    audit = Audit(ledger)
    head = audit.append("test", number=0)
    for number in range(1, 5):
        head = audit.append("test", number=number)
    ledger.close()
    assert verify_audit(AuditFile(tmp_path)) == head
    return tmp_path


def _forged(line: bytes) -> bytes:
    """Change a line and make its own hash right."""
    written = json.loads(line)
    del written["hash"]
    written["event"] = "forged"
    encoded = json.dumps(written, separators=(",", ":")).encode()
    written["hash"] = hashlib.sha256(encoded).hexdigest()
    return json.dumps(written, separators=(",", ":")).encode()


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("change", ["byte", "missing", "twice", "swapped", "forged", "blank", "rubbish"])
def test_every_change_is_found(log: Path, change: str, place: int) -> None:
    """A changed, missing, repeated, moved or forged line is found, wherever it is."""
    lines = (log / "audit.log").read_bytes().splitlines()
    if change == "byte":
        lines[place] = lines[place].replace(b"test", b"tesT")
    elif change == "missing":
        del lines[place]
    elif change == "twice":
        lines.insert(place, lines[place])
    elif change == "swapped":
        lines[place - 1], lines[place] = lines[place], lines[place - 1]
    elif change == "forged":
        lines[place] = _forged(lines[place])
    else:
        lines.insert(place, b"" if change == "blank" else b"\xff{]")
    (log / "audit.log").write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(AuditError):
        verify_audit(AuditFile(log))


def test_a_log_that_vanished_is_found(log: Path) -> None:
    """The second file knows that there was one, and a server refuses to begin anew unseen."""
    (log / "audit.log").unlink()
    with pytest.raises(AuditError):
        verify_audit(AuditFile(log))
    with pytest.raises(AuditError):
        Audit(OpenAuditFile(log))


def test_a_line_that_a_crash_tore_is_taken_away(log: Path) -> None:
    """It was never acknowledged; the chain goes on behind the last whole line."""
    with (log / "audit.log").open("ab") as file:
        file.write(b'{"n":6,"time":"2026')
    ledger = OpenAuditFile(log)
    audit = Audit(ledger)
    audit.append("after")
    ledger.close()
    assert verify_audit(AuditFile(log)).lines == 6


def test_a_head_that_lags_behind_is_no_harm(log: Path) -> None:
    """After a loss of power the second file may be old, torn or empty."""
    for text in ("00000000000000000003 " + str(lines_of(log)[2]["hash"]) + "\n", "0000", ""):
        (log / "audit.head").write_text(text)
        assert verify_audit(AuditFile(log)).lines == 5


def test_a_full_disk_leaves_no_half_line(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a line cannot be written, it is as if it had never been begun."""
    ledger = OpenAuditFile(log)
    audit = Audit(ledger)

    def fail(_descriptor: int) -> None:
        raise OSError(28, "")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="28"):
            audit.append("lost")
    audit.append("kept")
    ledger.close()
    assert [line["event"] for line in lines_of(log)][-2:] == ["test", "kept"]
    assert verify_audit(AuditFile(log)).lines == 6


def test_a_full_disk_is_answered(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """507 when the audit line cannot be written: nothing is acknowledged that cannot be accounted for."""
    instance = make_instance()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "")

    with monkeypatch.context() as patch:
        patch.setattr(Audit, "upload", fail)
        answer = endpoint.store_instances(instance)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage-full")
    assert endpoint.store_instances(instance).status_code == 200
    assert len(endpoint.files()) == 1


def test_an_empty_log_is_right(tmp_path: Path) -> None:
    """Nothing has happened yet."""
    assert verify_audit(AuditFile(tmp_path)) == Head(0, "0" * 64)


def test_the_command_verifies(endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    """``audit verify`` prints the last hash, also while a server runs; exit status 1 for a wrong line."""
    endpoint.store_instances(make_instance())
    command = ["audit", "verify", "--storage", str(endpoint.storage)]
    assert main(command) == 0
    log = endpoint.storage / ".dicomveil" / "audit.log"
    assert str(lines_of(log.parent)[0]["hash"]) in capsys.readouterr().out
    log.write_bytes(log.read_bytes().replace(b"upload", b"uplOad"))
    assert main(command) == 1
    assert "line 1" in capsys.readouterr().err
