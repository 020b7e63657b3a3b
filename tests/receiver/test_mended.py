"""Trouble from outside: a clear answer while it lasts, nothing lost, and on by itself when it is mended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
import trustme

from dicomveil_receiver.cli import main
from ports import free_port
from receiver.support import Endpoint, make_instance, process, running, wait_for_stopping, wait_until

#: Permissions hold for root, too, when it has not these capabilities.
_LIKE_OTHERS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


def as_others() -> tuple[str, ...]:
    """Return what a command is wrapped in, so that it may not write where it may not write."""
    if os.name == "nt":
        pytest.skip("permissions of POSIX")
    if os.geteuid() != 0:
        return ()
    if (
        shutil.which("setpriv") is None
        or subprocess.run([*_LIKE_OTHERS, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("root may write everywhere here")
    return _LIKE_OTHERS


def waiting(storage: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what ``outbox list`` says first."""
    assert main(["outbox", "list", "--storage", str(storage)]) == 0
    return capsys.readouterr().out.splitlines()[0]


def test_a_storage_that_became_read_only_is_told_and_gone_on_with(tmp_path: Path) -> None:
    """503 while nothing can be written, with nothing left behind; the same instance is stored afterwards."""
    storage = tmp_path / "storage"
    first, second = make_instance(), make_instance()
    with process(storage, wrapped=as_others()) as (endpoint, _):
        assert endpoint.store_instances(first).status_code == 200
        folders = [storage, *(path for path in storage.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o500)
        answer = endpoint.store_instances(second)
        assert answer.status_code == 503
        assert "storage-unavailable" in answer.text
        assert "/" not in answer.json()["0008119A"]["Value"][0]["00000902"]["Value"][0]
        for folder in folders:
            folder.chmod(0o700)
        assert endpoint.spooled() == []
        assert endpoint.store_instances(first, second).status_code == 200
        assert len(endpoint.files()) == 2


def test_a_storage_that_is_read_only_from_the_start_is_told(tmp_path: Path) -> None:
    """The endpoint does not start: exit status 2, one sentence, no traceback."""
    storage = tmp_path / "storage"
    storage.mkdir(mode=0o500)
    with (
        pytest.raises(RuntimeError) as told,
        process(storage, wrapped=as_others()),
    ):
        pass
    assert str(told.value).strip() == "dicomveil receive: storage cannot be opened or written"


def test_an_archive_that_comes_back_gets_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it is down, instances are taken and wait; when it is back, they go without anybody's doing."""
    port = free_port()
    with running(tmp_path / "archive", port=port) as there:
        secret = tmp_path / "authorization"
        secret.write_text(f"Bearer {there.token}\n")
    wait_for_stopping(tmp_path / "archive")
    forwarding = ("--forward-to", there.url, "--forward-authorization", str(secret))
    with process(tmp_path / "storage", *forwarding) as (endpoint, _):
        assert endpoint.store_instances(make_instance(), make_instance()).status_code == 200
        assert waiting(tmp_path / "storage", capsys) == "2 waiting, 0 refused by the archive"
        with running(tmp_path / "archive", port=port) as there:
            wait_until(lambda: len(there.files()) == 2)
            wait_until(lambda: waiting(tmp_path / "storage", capsys).startswith("0 waiting"))


def certify(authority: trustme.CA, folder: Path) -> tuple[str, ...]:
    """Write a certificate and its key; return the archive's arguments."""
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "chain.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return "--certificate", str(folder / "chain.pem"), "--key", str(folder / "key.pem")


def test_an_archive_whose_certificate_is_wrong_gets_nothing_until_it_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing goes to who cannot prove who it is; when it can, all that waited goes."""
    known = trustme.CA()
    known.cert_pem.write_to_path(tmp_path / "ca.pem")
    secret = tmp_path / "authorization"
    with process(tmp_path / "archive", *certify(trustme.CA(), tmp_path)) as (there, server):
        secret.write_text(f"Bearer {there.token}\n")
        forwarding = ("--forward-to", there.url, "--forward-authorization", str(secret))
        with process(tmp_path / "storage", *forwarding, "--forward-ca", str(tmp_path / "ca.pem")) as (
            here,
            _,
        ):
            assert here.store_instances(make_instance()).status_code == 200
            log = (tmp_path / "storage").with_name("storage.stderr")
            wait_until(lambda: '"postponed": 1' in log.read_text())
            assert there.files() == []
            assert waiting(tmp_path / "storage", capsys) == "1 waiting, 0 refused by the archive"
            certify(known, tmp_path)
            server.send_signal(signal.SIGHUP)
            wait_until(lambda: len(there.files()) == 1)


def test_wrong_authorities_are_told(tmp_path: Path) -> None:
    """A file without certificates stops the start, not the forwarding later."""
    (tmp_path / "ca.pem").write_text("none")
    arguments = ("--forward-to", "https://127.0.0.1:1/", "--forward-ca", str(tmp_path / "ca.pem"))
    with pytest.raises(RuntimeError, match="forward-ca"), process(tmp_path / "storage", *arguments):
        pass


def test_a_token_revoked_in_the_middle_of_a_request_ends_with_it(endpoint: Endpoint) -> None:
    """What was let in is finished and acknowledged; the next request is told 401, and nothing is lost."""
    assert endpoint.store is not None
    inside = make_instance(size=3 << 20)

    def body() -> object:
        yield b"--the-boundary\r\nContent-Type: application/dicom\r\n\r\n"
        yield inside[: 2 << 20]
        wait_until(lambda: len(endpoint.spooled()) == 1)
        assert main(["token", "revoke", "test-0", "--storage", str(endpoint.storage)]) == 0
        yield inside[2 << 20 :] + b"\r\n--the-boundary--\r\n"

    assert httpx.post(endpoint.url + "studies", content=body(), headers=endpoint.headers()).status_code == 200  # type: ignore[arg-type]
    assert endpoint.store_instances(make_instance()).status_code == 401
    assert len(endpoint.files()) == 1
