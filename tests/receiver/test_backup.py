"""Back-up by copying the folder while it runs."""

from __future__ import annotations

import hashlib
import shutil
import threading
from pathlib import Path

import pytest

from dicomveil_receiver.cli import main
from receiver.support import make_instance, running, uid_of, wait_for_stopping


def test_a_copy_made_while_it_runs_is_whole(tmp_path: Path) -> None:
    """What was acknowledged before the copying began is in the copy, whatever became of the database."""
    before = [make_instance() for _ in range(8)]
    begun, stop = threading.Event(), threading.Event()
    with running(tmp_path / "storage") as endpoint:
        assert endpoint.store_instances(*before).status_code == 200

        def go_on() -> None:
            while not stop.is_set():
                endpoint.store_instances(*(make_instance() for _ in range(4)))
                begun.set()

        uploading = threading.Thread(target=go_on)
        uploading.start()
        assert begun.wait(60)
        shutil.copytree(tmp_path / "storage", tmp_path / "copy", ignore=shutil.ignore_patterns("incoming"))
        stop.set()
        uploading.join()
    (tmp_path / "copy" / ".dicomveil" / "index.sqlite").write_bytes(b"broken by the copying")
    shutil.copy(tmp_path / "storage" / ".dicomveil" / "audit.head", tmp_path / "copy" / ".dicomveil")
    assert main(["reindex", "--storage", str(tmp_path / "copy")]) in {0, 1}
    with running(tmp_path / "copy") as restored:
        found = restored.digests([uid_of(instance) for instance in before])
        assert found == {uid_of(instance): hashlib.sha256(instance).hexdigest() for instance in before}
        inode = (restored.storage / "2.25.1" / "2.25.2" / f"{uid_of(before[0])}.dcm").stat().st_ino
        assert restored.store_instances(*before).status_code == 200
        assert (restored.storage / "2.25.1" / "2.25.2" / f"{uid_of(before[0])}.dcm").stat().st_ino == inode


def test_what_is_missing_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1 when the log tells of instances that are not there."""
    with running(tmp_path) as endpoint:
        endpoint.store_instances(make_instance(), make_instance())
        (tmp_path / endpoint.files()[0]).unlink()
        assert main(["reindex", "--storage", str(tmp_path)]) == 2
        assert "in use" in capsys.readouterr().err
    wait_for_stopping(tmp_path)
    assert main(["reindex", "--storage", str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("1 instances in the index, 1 ")


def test_a_changed_log_is_not_believed(tmp_path: Path) -> None:
    """Exit status 1, and the old index stays."""
    with running(tmp_path) as endpoint:
        endpoint.store_instances(make_instance())
    wait_for_stopping(tmp_path)
    log = tmp_path / ".dicomveil" / "audit.log"
    log.write_bytes(log.read_bytes().replace(b"upload", b"uplOad"))
    before = (tmp_path / ".dicomveil" / "index.sqlite").read_bytes()
    assert main(["reindex", "--storage", str(tmp_path)]) == 1
    assert (tmp_path / ".dicomveil" / "index.sqlite").read_bytes() == before
