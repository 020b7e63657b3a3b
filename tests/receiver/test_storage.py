"""The storage folder under trouble: full, read-only, locked, killed; and when the trouble is over."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request

from dicomveil_receiver import examining, spool, sqlite
from dicomveil_receiver.folder import FolderObjects
from dicomveil_receiver.store import is_uid
from receiver.servers import Shared
from receiver.support import (
    BOUNDARY,
    Endpoint,
    both,
    content_type,
    make_instance,
    multipart,
    process,
    running,
    uid_of,
    values,
    wait_until,
)

OTHER, FAILED, COMMENT, REASON = "0008119A", "00081198", "00000902", "00081197"


@pytest.mark.parametrize(
    ("step", "number", "status", "code"),
    [
        ("open", errno.ENOSPC, 507, "storage-full"),
        ("write", errno.ENOSPC, 507, "storage-full"),
        ("fsync", errno.EDQUOT, 507, "storage-full"),
        ("rename", errno.ENOSPC, 507, "storage-full"),
        ("write", errno.EFBIG, 507, "storage-full"),
        ("open", errno.EROFS, 503, "storage-unavailable"),
        ("write", errno.EACCES, 503, "storage-unavailable"),
        ("fsync", errno.EIO, 503, "storage-unavailable"),
    ],
)
def test_a_disk_that_fails_is_told_and_gone_on_with(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, step: str, number: int, status: int, code: str
) -> None:
    """507 or 503 with 0xA700; nothing stays half-written, and the next request is served."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "SECRET")

    with monkeypatch.context() as patch:
        if step == "open":
            patch.setattr(spool, "open_for_owner", fail)
        elif step == "write":
            patch.setattr(spool.Spool, "write", fail)
        elif step == "fsync":
            patch.setattr(examining, "_synchronize", fail)
        else:
            patch.setattr(Path, "replace", fail)
        answer = endpoint.store_instances(make_instance())
    assert answer.status_code == status
    failed = OTHER if step in {"open", "write"} else FAILED
    assert values(answer, failed, COMMENT) == [code]
    assert values(answer, failed, REASON) == [0xA700]
    assert "SECRET" not in answer.text
    assert endpoint.spooled() == []
    assert endpoint.files() == []
    assert endpoint.store_instances(make_instance()).status_code == 200


def test_a_full_file_system_is_told_and_gone_on_with(tmp_path: Path) -> None:
    """507 on a real small file system; when there is room again, the same instance is stored."""
    small_disk = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"')
    if subprocess.run([*small_disk, str(tmp_path), "true"], check=False, capture_output=True).returncode:
        pytest.skip("this account cannot mount")
    # The mount is seen by the server alone, and is gone with it.
    wrapped = (*small_disk, str(tmp_path))
    with process(tmp_path / "storage", "--min-free-bytes", "1", wrapped=wrapped) as (endpoint, server):
        seen = replace(endpoint, storage=Path(f"/proc/{server.pid}/root{endpoint.storage}"))
        ballast = seen.storage.parent / "ballast"
        ballast.write_bytes(bytes(1 << 20))
        large, small = make_instance(size=1 << 20), make_instance()
        assert endpoint.store_instances(large).status_code == 507
        assert endpoint.store_instances(large, small).status_code == 202
        assert [Path(name).stem for name in seen.files()] == [uid_of(small)]
        ballast.unlink()
        assert endpoint.store_instances(large).status_code == 200


def test_an_index_that_is_locked_is_told_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 while another process holds the index; afterwards the instance is stored, once."""
    monkeypatch.setattr(sqlite, "_LOCK_SECONDS", 0.1)
    instance = make_instance()
    with running(tmp_path) as endpoint:
        other = sqlite3.connect(tmp_path / ".dicomveil" / "index.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = endpoint.store_instances(instance)
        assert (answer.status_code, values(answer, FAILED, COMMENT)) == (503, ["storage-unavailable"])
        other.execute("ROLLBACK")
        other.close()
        assert endpoint.store_instances(instance).status_code == 200
        assert len(endpoint.files()) == 1


def test_what_is_stored_is_the_owners_alone(endpoint: Endpoint) -> None:
    """Files are 0600 and folders 0700: the instances, the index, the tokens."""
    endpoint.store_instances(make_instance())
    for path in (endpoint.storage, *endpoint.storage.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, path.name


def test_a_storage_has_one_server(tmp_path: Path) -> None:
    """A second process would break the first one's promises, so it is refused."""
    first = FolderObjects(tmp_path)
    with pytest.raises(BlockingIOError):
        FolderObjects(tmp_path)
    first.close()
    FolderObjects(tmp_path).close()


def begin_upload(endpoint: Endpoint, body: bytes, length: int) -> socket.socket:
    """Send the head of a request and ``body``, which may be less than ``length``."""
    port = urlsplit(endpoint.url).port
    connection = socket.create_connection(("127.0.0.1", port or 0), 10)
    head = (
        f"POST /studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {endpoint.token}\r\n"
        f"Content-Type: {content_type()}\r\nContent-Length: {length}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def listening(endpoint: Endpoint) -> bool:
    """Return whether a new connection is taken."""
    with contextlib.suppress(ConnectionError), begin_upload(endpoint, b"", 0):
        return True
    return False


@both
def test_a_broken_connection_leaves_nothing_half(endpoint: Endpoint) -> None:
    """When the sender goes away, whole parts stay, and of the torn one nothing does."""
    first, second = make_instance(), make_instance(size=4 << 20)
    body = multipart(first, second)
    with begin_upload(endpoint, body[: 3 << 20], len(body)):
        # The first waits for the second, which may have begun in the meantime.
        wait_until(endpoint.spooled)
    wait_until(lambda: endpoint.spooled() == [])
    assert [Path(name).stem for name in endpoint.files()] == [uid_of(first)]


def test_a_silent_sender_is_ended(tmp_path: Path) -> None:
    """408 after the longest silence, and nothing of the torn part stays."""
    with running(tmp_path, idle_timeout=1) as endpoint:
        body = multipart(make_instance())
        with begin_upload(endpoint, body[:-50], len(body)) as connection:
            answer = connection.recv(65536)
        assert answer.split()[1] == b"408"
        assert endpoint.spooled() == []
        assert endpoint.files() == []


def test_too_many_uploads_are_told_to_come_back(tmp_path: Path) -> None:
    """503 with Retry-After while the places are taken, and service when one is free."""
    with running(tmp_path, max_uploads=1) as endpoint:
        body = multipart(make_instance(size=3 << 20))
        with begin_upload(endpoint, body[: 2 << 20], len(body)) as connection:
            wait_until(lambda: len(endpoint.spooled()) == 1)
            answer = endpoint.store_instances(make_instance())
            assert (answer.status_code, answer.json()["code"]) == (503, "too-many-uploads")
            assert int(answer.headers["retry-after"]) > 0
            connection.sendall(body[2 << 20 :])
            assert connection.recv(65536).split()[1] == b"200"
        assert endpoint.store_instances(make_instance()).status_code == 200


def test_a_kill_in_the_middle_leaves_nothing_half(tmp_path: Path) -> None:
    """SIGKILL during an upload: no half instance is visible, a restart clears up, a repetition stores."""
    first, second = make_instance(), make_instance(size=4 << 20)
    body = multipart(first, second)
    with process(tmp_path) as (endpoint, server):
        with begin_upload(endpoint, body[: 3 << 20], len(body)):
            wait_until(lambda: len(endpoint.spooled()) == 2)
            os.kill(server.pid, signal.SIGKILL)
            server.wait(60)
        # The first waits for the others of its request: it gets its name when they are whole, or have failed.
        assert len(endpoint.spooled()) == 2
        assert endpoint.files() == []
        token = endpoint.token
    with process(tmp_path, token=token) as (endpoint, server):
        assert endpoint.spooled() == []
        assert endpoint.store_instances(first, second).status_code == 200
        assert sorted(Path(name).stem for name in endpoint.files()) == sorted(map(uid_of, (first, second)))


@both
def test_a_stop_finishes_what_it_is_receiving(tmp_path: Path, shared: Shared | None) -> None:
    """SIGTERM: the running upload is answered, no new one is taken, and the exit status is 0."""
    body = multipart(make_instance(size=3 << 20))
    with process(tmp_path, shared=shared) as (endpoint, server):
        with begin_upload(endpoint, body[: 2 << 20], len(body)) as connection:
            wait_until(lambda: len(endpoint.spooled()) == 1)
            server.terminate()
            wait_until(lambda: not listening(endpoint))
            connection.sendall(body[2 << 20 :])
            assert connection.recv(65536).split()[1] == b"200"
        assert server.wait(60) == 0
        assert len(endpoint.files()) == 1


@both
def test_an_instance_never_has_to_fit_in_memory(tmp_path: Path, shared: Shared | None) -> None:
    """A part of 192 MB raises the server's memory by far less."""
    megabyte = bytes(1 << 20)
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()

    def peak(pid: int) -> int:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    with process(tmp_path, shared=shared) as (endpoint, server):
        assert endpoint.store_instances(make_instance()).status_code == 200
        before = peak(server.pid)
        parts: list[Any] = [head, make_instance(), *([megabyte] * 192), f"\r\n--{BOUNDARY}--".encode()]
        assert endpoint.post(iter(parts)).status_code == 200
        assert peak(server.pid) - before < 32 << 10


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("1.2.840.10008.1.2", True),
        ("2.25.0", True),
        ("0", True),
        ("", False),
        (".", False),
        ("1.", False),
        (".1", False),
        ("1..2", False),
        ("1.02", False),
        ("1.2\n", False),
        ("1.a", False),
        ("1.²", False),
        ("1" * 64, True),
        ("1" * 65, False),
    ],
)
def test_uids_are_those_of_the_standard(text: str, valid: bool) -> None:  # noqa: FBT001
    """PS3.5, Section 9.1."""
    assert is_uid(text) is valid


@both
def test_digests_are_those_of_what_was_received(endpoint: Endpoint) -> None:
    """The index knows the SHA-256 of each stored instance, under many writers too."""
    instances = [make_instance() for _ in range(8)]
    threads = [threading.Thread(target=endpoint.store_instances, args=(i,)) for i in instances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert endpoint.store is not None
    assert len(endpoint.store.index.digests([*map(uid_of, instances), "2.25.404"])) == 8


@both
def test_what_was_whole_when_a_connection_broke_is_kept(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it is little: whole parts are stored, and so need not be sent again."""
    taken, stream = threading.Event(), Request.stream

    async def noted(request: Request) -> AsyncIterator[bytes]:
        async for chunk in stream(request):
            yield chunk
            taken.set()  # the next one is asked for

    monkeypatch.setattr(Request, "stream", noted)
    first, second = make_instance(), make_instance()
    body = multipart(first, second)
    with begin_upload(endpoint, body[: len(body) - len(second) // 2], len(body)):
        # What arrives together with the end of a connection, the server does not look at.
        assert taken.wait(60)
    wait_until(lambda: len(endpoint.files()) == 1)
    wait_until(lambda: endpoint.spooled() == [])
    assert [Path(name).stem for name in endpoint.files()] == [uid_of(first)]


def test_an_index_that_fails_stores_nothing_of_all_who_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests share a transaction: when it fails, each is told, none is stored, all can come again."""
    monkeypatch.setattr(sqlite, "_LOCK_SECONDS", 0.5)
    instances = [make_instance() for _ in range(6)]
    with running(tmp_path) as endpoint:
        other = sqlite3.connect(tmp_path / ".dicomveil" / "index.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        statuses: list[int] = []

        def send(instance: bytes) -> None:
            statuses.append(endpoint.store_instances(instance, instance).status_code)

        threads = [threading.Thread(target=send, args=(instance,)) for instance in instances]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert statuses == [503] * 6
        assert endpoint.store is not None
        assert endpoint.store.index.count() == 0
        other.execute("ROLLBACK")
        other.close()
        assert endpoint.store_instances(*instances).status_code == 200
        assert endpoint.store.index.count() == len(endpoint.files()) == 6
        assert endpoint.spooled() == []
