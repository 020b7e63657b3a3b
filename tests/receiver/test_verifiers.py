"""Verification in processes of its own: what ends one is refused, and none outlives the receiver."""

from __future__ import annotations

import hashlib
import io
import multiprocessing.spawn
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dicomveil_receiver import verifiers
from dicomveil_receiver.cli import main
from dicomveil_receiver.examining import Examined
from dicomveil_receiver.logs import Log
from dicomveil_receiver.sealing import SealedSpool, new_identity, read_identities, unseal
from dicomveil_receiver.spool import Arrived, Spool
from dicomveil_receiver.verifiers import Verifiers
from receiver.marking import NOT_CLEAN, marker_verify, risky_verify
from receiver.support import examine_here, make_instance, process, uid_of, wait_until

if not Path("/proc/self/task").is_dir():
    pytest.skip("looks for processes in /proc", allow_module_level=True)


@pytest.fixture(scope="module")
def log() -> io.StringIO:
    """What the processes' owner logs."""
    return io.StringIO()


@pytest.fixture(scope="module")
def pool(log: io.StringIO) -> Iterator[Verifiers]:
    """Two processes."""
    with closing(Verifiers(risky_verify, 2, Log(log))) as found:
        yield found


def arrive(folder: Path, content: bytes) -> Arrived:
    """Put an instance where it can be examined."""
    spool = Spool(folder)
    spool.write([memoryview(content)])
    spool.end()
    return spool.arrived()


def dangerous(what: str) -> bytes:
    """Return an instance that ``risky_verify`` chokes on."""
    return make_instance() + what.encode()


def outcome(found: Examined) -> str:
    """Return a digest, or a code."""
    return found.code or found.sha256


def children(pid: int) -> set[int]:
    """Return the processes that a process started and that have not ended."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text(encoding="latin-1").rpartition(") ")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.add(int(entry.name))
    return found


def alive(pids: set[int]) -> set[int]:
    """Return those that have not ended."""
    found = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(") ")[2][0]
        except OSError:
            continue
        found |= {pid} if state != "Z" else set()
    return found


def test_they_say_what_verification_says(pool: Verifiers, tmp_path: Path) -> None:
    """The same as in this process: UIDs, digests, codes and tags, one for each, in order."""
    contents = [make_instance(size=3 << 20), make_instance(clean=False), b"not DICOM", make_instance()]
    arrived = [arrive(tmp_path, content) for content in contents]
    found = pool.examine(arrived)
    assert found == examine_here(marker_verify)(arrived)
    assert outcome(found[0]) == hashlib.sha256(contents[0]).hexdigest()
    assert [(p.code, p.tag) for p in found[1].verified.problems] == [(NOT_CLEAN, 0x00120062)]
    assert found[1].sha256 == ""
    assert found[3].verified.sop_instance_uid == uid_of(contents[3])


def test_what_is_long_is_hashed_while_it_arrives(pool: Verifiers, tmp_path: Path) -> None:
    """The digest is of all bytes, however they came, and nobody reads them again for it."""
    content = make_instance(size=40 << 20)
    spool = Spool(tmp_path)
    for start in range(0, len(content), 3 << 20):
        spool.write(
            [
                memoryview(content)[start : start + (1 << 20)],
                memoryview(content)[start + (1 << 20) : start + (3 << 20)],
            ]
        )
    spool.end()
    digest = hashlib.sha256(content).hexdigest()
    assert spool.arrived().sha256 == digest
    assert list(map(outcome, pool.examine([spool.arrived()]))) == [digest]


@pytest.mark.parametrize("size", [1 << 20, 17 << 20], ids=["short", "long"])
def test_they_seal_what_is_encrypted_on_its_way_in(pool: Verifiers, tmp_path: Path, size: int) -> None:
    """The key goes through the pipe, and nothing in the clear to the disk."""
    content = make_instance(size=size)
    spool = SealedSpool(tmp_path, [new_identity(tmp_path / "key")])
    spool.write([memoryview(content)])
    spool.end()
    assert content[-100:] not in spool.path.read_bytes()
    spool.path.with_name(f"{spool.path.name}.age").write_bytes(bytes(2 * size))  # of one that was killed
    assert list(map(outcome, pool.examine([spool.arrived()]))) == [hashlib.sha256(content).hexdigest()]
    with spool.settle().open("rb") as sealed:
        assert content[-100:] not in sealed.read()
        sealed.seek(0)
        unseal(sealed, tmp_path / "restored", read_identities(tmp_path / "key"))
    assert (tmp_path / "restored").read_bytes() == content


def test_they_seal_nothing_that_is_refused(pool: Verifiers, tmp_path: Path) -> None:
    """Of what verification finds something in, only the encrypted spool file is there."""
    (tmp_path / "incoming").mkdir()
    spool = SealedSpool(tmp_path / "incoming", [new_identity(tmp_path / "key")])
    spool.write([memoryview(make_instance(clean=False))])
    spool.end()
    (found,) = pool.examine([spool.arrived()])
    assert found.verified.problems
    assert list((tmp_path / "incoming").iterdir()) == [spool.path]
    spool.discard()
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize("what", ["END THE PROCESS", "TAKE ALL MEMORY"])
def test_what_ends_a_process_is_refused_and_others_pass(
    pool: Verifiers, log: io.StringIO, tmp_path: Path, what: str
) -> None:
    """Of instances that were examined together, only the one that alone ends it, too."""
    contents = [make_instance(), dangerous(what), make_instance(clean=False), make_instance()]
    found = list(map(outcome, pool.examine([arrive(tmp_path, content) for content in contents])))
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    assert found == [digests[0], "verification-interrupted", "", digests[3]]
    assert "verifier-ended" in log.getvalue()


def test_what_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not answer is replaced, and its instance refused."""
    monkeypatch.setattr(verifiers, "_PATIENCE_SECONDS", 1)
    monkeypatch.setattr(verifiers, "_WATCH_SECONDS", 0.1)
    with closing(Verifiers(risky_verify, 1, Log(io.StringIO()))) as pool:
        (found,) = pool.examine([arrive(tmp_path, dangerous("NEVER END"))])
        assert outcome(found) == "verification-interrupted"
        monkeypatch.setattr(verifiers, "_PATIENCE_SECONDS", 60)
        content = make_instance()
        assert list(map(outcome, pool.examine([arrive(tmp_path, content)]))) == [
            hashlib.sha256(content).hexdigest()
        ]


def test_a_process_that_was_killed_is_replaced(pool: Verifiers, tmp_path: Path) -> None:
    """Nobody is refused because a process ended while it had nothing to do."""
    content = make_instance()
    for verifier in pool._all:
        if verifier._process is not None and verifier._process.pid is not None:
            os.kill(verifier._process.pid, signal.SIGKILL)
    for _ in range(3):
        found = pool.examine([arrive(tmp_path, content)])
        assert list(map(outcome, found)) == [hashlib.sha256(content).hexdigest()]


def test_a_file_that_cannot_be_read_is_the_storages_trouble(pool: Verifiers, tmp_path: Path) -> None:
    """503, and the others of the question pass."""
    content = make_instance()
    found = pool.examine([Arrived(str(tmp_path / "missing"), 1), arrive(tmp_path, content)])
    assert list(map(outcome, found)) == ["storage-unavailable", hashlib.sha256(content).hexdigest()]


def test_after_the_end_nothing_is_examined(tmp_path: Path) -> None:
    """What still asks is refused, and the processes are gone; who is at work is not waited for for ever."""
    pool = Verifiers(risky_verify, 1, Log(io.StringIO()))
    pids = {verifier._process.pid or 0 for verifier in pool._all if verifier._process is not None}
    pool.close()
    assert not alive(pids)
    assert list(map(outcome, pool.examine([arrive(tmp_path, make_instance())]))) == [
        "verification-interrupted"
    ]


def test_a_stop_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who examines something endless when it is closed is refused, too."""
    monkeypatch.setattr(verifiers, "_STOP_SECONDS", 0.2)
    pool = Verifiers(risky_verify, 1, Log(io.StringIO()))
    found: list[str] = []
    endless = arrive(tmp_path, dangerous("NEVER END"))
    asking = threading.Thread(target=lambda: found.extend(map(outcome, pool.examine([endless]))))
    asking.start()
    wait_until(lambda: pool._all[0]._deadline is not None)
    pool.close()
    asking.join(60)
    assert found == ["verification-interrupted"]


def test_no_start_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2 when no process can be started: nothing would be verified."""
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", os.fsencode("/bin/false"))
    assert main(["--storage", str(tmp_path), "--port", "0"]) == 2
    assert "verifies cannot be started" in capsys.readouterr().err


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_none_outlives_the_receiver(tmp_path: Path, end: signal.Signals) -> None:
    """After a stop as after SIGKILL; and a signal to the whole group does not hurry them."""
    with process(tmp_path, "--verifiers", "2") as (endpoint, server):
        assert endpoint.store_instances(make_instance()).status_code == 200
        pids = children(server.pid)
        assert len(pids) >= 2
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        assert endpoint.store_instances(make_instance()).status_code == 200
        os.kill(server.pid, end)
        assert server.wait(60) == (-9 if end is signal.SIGKILL else 0)
        wait_until(lambda: not alive(pids))


def test_uploads_go_on_while_processes_are_killed(tmp_path: Path) -> None:
    """Every instance is stored, whole: what was being examined is examined again by the next process."""
    instances = [make_instance(size=1 << 20) for _ in range(40)]
    with process(tmp_path, "--verifiers", "2") as (endpoint, server):

        def kill() -> None:
            for pid in children(server.pid):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)

        for start in range(0, len(instances), 10):
            killing = threading.Timer(random.random() * 0.1, kill)
            killing.start()
            answer = endpoint.retried(*instances[start : start + 10])
            killing.join()
            if answer.status_code == 202:  # one was in both when they were killed
                answer = endpoint.retried(*instances[start : start + 10])
            assert answer.status_code == 200
        stored = {Path(name).stem: endpoint.content(name) for name in endpoint.files()}
        assert stored == {uid_of(instance): instance for instance in instances}
    assert "verifier-ended" in tmp_path.with_name(f"{tmp_path.name}.stderr").read_text()
