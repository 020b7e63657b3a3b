"""Several replicas behind a load balancer: one bucket and one database, and nothing else in common."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
import trustme

from dicomveil_receiver import bucket
from dicomveil_receiver.cli import main
from dicomveil_receiver.examining import examine
from dicomveil_receiver.index import Row
from dicomveil_receiver.objects import Staged
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.store import Kept, Store
from receiver.marking import marker_verify
from receiver.servers import Shared
from receiver.support import (
    Endpoint,
    make_instance,
    new_uid,
    process,
    running,
    uid_of,
    values,
    wait_until,
)

OTHER, COMMENT = "0008119A", "00000902"


@pytest.fixture
def replicas(replicated: Shared, tmp_path: Path) -> Iterator[list[Endpoint]]:
    """Two replicas in this process, with nothing in common but bucket and database."""
    with ExitStack() as stack:
        yield [stack.enter_context(running(tmp_path / name, shared=replicated)) for name in ("a", "b")]


def stores(replicas: list[Endpoint]) -> list[Store]:
    """Return the stores of replicas."""
    return [replica.store for replica in replicas if replica.store is not None]


def staged(store: Store, instance: bytes) -> Staged:
    """Let an instance come as far as it does before it is kept."""
    spool = store.spool()
    spool.write([memoryview(instance)])
    found = store.stage(spool, examine(marker_verify, spool.arrived()))
    spool.discard()
    return found


def code(result: Kept | ReceiverError) -> str:
    """Return what became of an instance."""
    return result.code if isinstance(result, ReceiverError) else "new" if result.new else "known"


def test_what_one_replica_stored_all_have(replicated: Shared, replicas: list[Endpoint]) -> None:
    """Its digest, its token, and the answer to the same bytes again; it is in the bucket once."""
    first, second = replicas
    instance = make_instance()
    assert first.store_instances(instance).status_code == 200
    asked = {"instances": [uid_of(instance), "2.25.404"]}
    headers = {"authorization": f"Bearer {first.token}"}
    told = httpx.post(second.url + "digests", json=asked, headers=headers).json()["digests"]
    assert told == {uid_of(instance): hashlib.sha256(instance).hexdigest()}
    assert second.store_instances(instance).status_code == 200
    (name,) = replicated.files()
    assert replicated.content(name) == instance
    assert first.spooled() == second.spooled() == []


def test_rivals_at_once_have_one_winner(replicated: Shared, replicas: list[Endpoint]) -> None:
    """Different instances under one UID, to two replicas at once: one is stored, the others are told."""
    for _ in range(5):
        uid = new_uid()
        rivals = [make_instance(uid=uid) for _ in range(6)]
        statuses: dict[int, int] = {}

        def send(number: int, rivals: list[bytes] = rivals, statuses: dict[int, int] = statuses) -> None:
            statuses[number] = replicas[number % 2].store_instances(rivals[number]).status_code

        threads = [threading.Thread(target=send, args=(number,)) for number in range(len(rivals))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses.values()) == [200, 409, 409, 409, 409, 409]
        (winner,) = (number for number, status in statuses.items() if status == 200)
        (name,) = (name for name in replicated.files() if uid in name)
        assert replicated.content(name) == rivals[winner]


def test_the_slower_replica_takes_nothing_away(replicated: Shared, replicas: list[Endpoint]) -> None:
    """Both objects are in the bucket before either has a row: the first row counts, the other object goes."""
    uid = new_uid()
    slow, fast = make_instance(uid=uid), make_instance(uid=uid)
    a, b = stores(replicas)
    late, early = staged(a, slow), staged(b, fast)
    assert len(replicated.paths()) == 2
    assert [code(result) for result in b.keep([early])] == ["new"]
    assert [code(result) for result in a.keep([late])] == ["instance-conflict"]
    (name,) = replicated.files()
    assert replicated.content(name) == fast


def test_a_loser_that_another_replica_stored_is_not_removed(
    replicated: Shared, replicas: list[Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request holds two rivals; while it is kept, another replica stores the second of them."""
    uid = new_uid()
    first, second = make_instance(uid=uid), make_instance(uid=uid)
    a, b = stores(replicas)
    pair = [staged(a, first), staged(a, second)]
    assert [code(result) for result in b.keep([staged(b, second)])] == ["new"]
    looked = a.index.find

    def early(_uids: object) -> dict[str, Row]:
        monkeypatch.setattr(a.index, "find", looked)
        return {}

    monkeypatch.setattr(a.index, "find", early)
    assert [code(result) for result in a.keep(pair)] == ["instance-conflict", "known"]
    (name,) = replicated.files()
    assert replicated.content(name) == second


def test_what_is_stored_is_never_removed(replicated: Shared, replicas: list[Endpoint]) -> None:
    """Not even when the same bytes are refused, since an older version said something else of them."""
    instance = make_instance()
    assert replicas[0].store_instances(instance).status_code == 200
    replicated.run("UPDATE instance SET sop_class = '1.2.3'")
    assert replicas[1].store_instances(instance).status_code == 409
    (name,) = replicated.files()
    assert replicated.content(name) == instance


def test_a_killed_replica_loses_nothing(replicated: Shared, tmp_path: Path) -> None:
    """Its sender goes on with another one: all that was acknowledged by either is there, whole and once."""
    instances = {
        uid_of(one): one for one in (make_instance(size=random.randrange(1 << 15)) for _ in range(60))
    }
    acknowledged: set[str] = set()

    def upload(endpoint: Endpoint, uids: list[str]) -> None:
        for start in range(0, len(uids), 4):
            batch = uids[start : start + 4]
            try:
                answer = endpoint.store_instances(*(instances[uid] for uid in batch))
            except httpx.TransportError:
                return
            assert answer.status_code == 200
            acknowledged.update(batch)

    with (
        process(tmp_path / "a", shared=replicated) as (doomed, server),
        process(tmp_path / "b", shared=replicated, token=doomed.token) as (other, _),
    ):
        sending = threading.Thread(target=upload, args=(doomed, list(instances)))
        sending.start()
        wait_until(lambda: acknowledged)
        server.kill()
        sending.join(60)
        told = other.digests(list(instances))
        assert acknowledged <= set(told)
        upload(other, [uid for uid in instances if uid not in told])
        assert other.digests(list(instances)) == {
            uid: hashlib.sha256(instance).hexdigest() for uid, instance in instances.items()
        }
    assert sorted(Path(name).stem for name in replicated.files()) == sorted(instances)
    for name in replicated.files():
        assert replicated.content(name) == instances[Path(name).stem]
    assert main(["audit", "verify", *replicated.arguments()]) == 0


@pytest.mark.parametrize("down", ["bucket", "database"])
def test_what_is_down_is_told_and_gone_on_with(
    replicated: Shared, replicas: list[Endpoint], down: str
) -> None:
    """503 while bucket or database are away, and service when they are back; nothing is there twice."""
    server = replicated.swift if down == "bucket" else replicated.postgres
    before, instance = make_instance(), make_instance()
    assert replicas[0].store_instances(before).status_code == 200
    server.stop()
    try:
        for replica in replicas:
            answer = replica.store_instances(instance)
            assert answer.status_code == 503
            assert "storage-unavailable" in answer.text
            assert replica.spooled() == []
            assert httpx.get(replica.url + "health", timeout=30).status_code in {200, 503}
    finally:
        server.start()
    for replica in replicas:
        assert replica.retried(before, instance).status_code == 200
        assert httpx.get(replica.url + "health").status_code == 200
    assert sorted(map(replicated.content, replicated.files())) == sorted([before, instance])


def test_a_bucket_that_went_down_midway_is_told(
    replicated: Shared, replicas: list[Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer names each instance with 0xA700; afterwards the same request is a success."""
    # On a slow machine the request could else be told at its beginning.
    monkeypatch.setattr(bucket, "_PROBE_SECONDS", 3600)
    assert replicas[0].store_instances(make_instance()).status_code == 200
    first, second = make_instance(), make_instance(size=3 << 20)

    def body() -> Iterator[bytes]:
        yield b"--the-boundary\r\nContent-Type: application/dicom\r\n\r\n"
        replicated.swift.stop()
        yield first + b"\r\n--the-boundary\r\n\r\n" + second + b"\r\n--the-boundary--\r\n"

    try:
        answer = replicas[0].post(body())
    finally:
        replicated.swift.start()
    assert answer.status_code == 503
    assert values(answer, "00081198", COMMENT) == ["storage-unavailable"] * 2
    assert values(answer, "00081198", "00081197") == [0xA700] * 2
    assert replicas[0].spooled() == []
    assert replicas[0].retried(first, second).status_code == 200


def test_an_object_without_a_row_is_not_stored(replicated: Shared, replicas: list[Endpoint]) -> None:
    """What a kill left in the bucket counts for nobody; sent again, it is there once."""
    instance = make_instance()
    rival = make_instance(uid=uid_of(instance))
    staged(stores(replicas)[0], instance)
    assert len(replicated.paths()) == 1
    assert replicas[1].digests([uid_of(instance)]) == {}
    assert replicas[1].store_instances(instance).status_code == 200
    assert len(replicated.paths()) == 1
    assert replicas[0].store_instances(rival).status_code == 409
    (name,) = replicated.files()
    assert replicated.content(name) == instance


def test_a_token_is_everybodys_and_so_is_its_end(
    replicated: Shared, replicas: list[Endpoint], capsys: pytest.CaptureFixture[str]
) -> None:
    """Made and revoked by a command, from anywhere: all replicas know it with the next request."""
    where = replicated.arguments()
    assert main(["token", "add", "ward", *where]) == 0
    secret = capsys.readouterr().out.strip()
    for replica in replicas:
        replica.token = secret
        assert replica.store_instances(make_instance()).status_code == 200
    assert main(["token", "add", "ward", *where]) == 2
    assert main(["token", "revoke", "ward", *where]) == 0
    assert main(["token", "revoke", "nobody", *where]) == 2
    assert [replica.store_instances(make_instance()).status_code for replica in replicas] == [401, 401]
    capsys.readouterr()
    assert main(["token", "list", *where]) == 0
    assert "ward\trevoked" in capsys.readouterr().out
    assert secret not in str(replicated.run("SELECT * FROM token"))


def test_of_replicas_that_start_together_one_makes_the_first_token(
    replicated: Shared, tmp_path: Path
) -> None:
    """It is printed once, and good for all."""
    found: list[Endpoint] = []

    def start(name: str, stack: ExitStack) -> None:
        found.append(stack.enter_context(process(tmp_path / name, shared=replicated))[0])

    with ExitStack() as stack:
        threads = [threading.Thread(target=start, args=(name, stack)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (token,) = {endpoint.token for endpoint in found if endpoint.token}
        for endpoint in found:
            endpoint.token = token
            assert endpoint.store_instances(make_instance()).status_code == 200


def test_the_audit_log_is_one_chain(
    replicated: Shared, replicas: list[Endpoint], capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines of all replicas, each behind the one before, under writers at once."""
    threads = [
        threading.Thread(target=replica.store_instances, args=(make_instance(),))
        for replica in replicas
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert main(["audit", "verify", *replicated.arguments()]) == 0
    assert capsys.readouterr().out.startswith("16 lines, as they were written")


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("UPDATE audit SET line = replace(line, 'upload', 'uplOad') WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 4", 4),
        ("INSERT INTO audit SELECT 5, line FROM audit WHERE number = 4", 5),
        ("INSERT INTO audit SELECT -1, line FROM audit WHERE number = 4", 1),
        ("UPDATE audit SET number = -number WHERE number = 3", 1),
        ("TRUNCATE audit", 1),
        ("UPDATE audit_head SET number = 9", 5),
        ("UPDATE audit_head SET hash = repeat('0', 64)", 4),
    ],
)
def test_every_change_of_the_audit_log_is_found(
    replicated: Shared, replicas: list[Endpoint], capsys: pytest.CaptureFixture[str], sql: str, line: int
) -> None:
    """A changed, missing, moved or added line in the database: exit status 1, and the line's number."""
    for _ in range(2):
        for replica in replicas:
            assert replica.store_instances(make_instance()).status_code == 200
    replicated.run(sql)
    assert main(["audit", "verify", *replicated.arguments()]) == 1
    assert f"from line {line} on" in capsys.readouterr().err


def test_a_log_whose_end_is_missing_is_not_gone_on_with(
    replicated: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A replica does not start on it: exit status 2."""
    with running(tmp_path / "a", shared=replicated) as endpoint:
        assert endpoint.store_instances(make_instance()).status_code == 200
    replicated.run("TRUNCATE audit")
    assert main(["--storage", str(tmp_path / "b"), "--port", "0", *replicated.arguments()]) == 2
    assert "audit log" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["bucket", "bucket_endpoint", "database"])
def test_what_cannot_be_opened_is_told(
    replicated: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    """No start: exit status 2 and one sentence, without address, key or traceback."""
    replicated.settings[wrong] = {
        "bucket": "s3://no-such-bucket-here",
        "bucket_endpoint": "http://127.0.0.1:1",
        "database": "postgresql://tester@127.0.0.1:1/none",
    }[wrong]
    assert main(["--storage", str(tmp_path / "a"), "--port", "0", *replicated.arguments()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("dicomveil receive: storage, bucket or database cannot be opened")
    assert error.count("\n") == 1


def test_a_large_instance_comes_back_whole(replicated: Shared, replicas: list[Endpoint]) -> None:
    """Above the size of a part the object is sent in several."""
    instance = make_instance(size=21 << 20)
    assert replicas[0].store_instances(instance).status_code == 200
    (name,) = replicated.files()
    assert replicated.content(name) == instance


def test_of_two_forwarders_one_has_a_study(replicated: Shared, tmp_path: Path) -> None:
    """While one sends a study nobody else does, others are free; when it just ends, another goes on."""
    with running(tmp_path / "a", shared=replicated, forward_to="http://127.0.0.1:1/") as endpoint:
        assert endpoint.keeping is not None
        studies = ["2.25.11", "2.25.12"]
        for study in studies:
            assert (
                endpoint.store_instances(*(make_instance(study=study) for _ in range(3))).status_code == 200
            )
        first, second = endpoint.keeping.outbox(), endpoint.keeping.outbox()

        class Killed(Exception):
            """Ends a claim as the end of a process does: without saying what became of it."""

        def die() -> None:
            with first.claim(10) as one, second.claim(10) as two, first.claim(10) as three:
                assert one is not None
                assert two is not None
                assert three is None
                assert [{row.study_uid for row in claim.batch} for claim in (one, two)] == [
                    {study} for study in studies
                ]
                # New ones of a claimed study are taken meanwhile.
                assert endpoint.store_instances(make_instance(study=studies[0])).status_code == 200
                one.sent(one.batch[0])
                raise Killed

        with pytest.raises(Killed):
            die()
        assert second.waiting() == 7
        with second.claim(10) as again:
            assert again is not None
            assert len(again.batch) == 4
            for row in again.batch:
                again.sent(row)
        assert first.waiting() == 3


def test_replicas_forward_each_instance_once(replicated: Shared, tmp_path: Path) -> None:
    """Two replicas with an archive: everything gets there, whoever took it, and nothing is asked twice."""
    studies = [f"2.25.{number}" for number in range(100, 106)]
    with running(tmp_path / "archive") as archive, ExitStack() as stack:
        secret = tmp_path / "authorization"
        secret.write_text(f"Bearer {archive.token}\n")
        forwarding = ("--forward-to", archive.url, "--forward-authorization", str(secret))
        first, _ = stack.enter_context(process(tmp_path / "a", *forwarding, shared=replicated))
        second, _ = stack.enter_context(
            process(tmp_path / "b", *forwarding, shared=replicated, token=first.token)
        )
        sent = []
        for number, study in enumerate(studies * 2):
            instances = [make_instance(study=study) for _ in range(4)]
            assert (first, second)[number % 2].store_instances(*instances).status_code == 200
            sent += instances
        wait_until(lambda: len(archive.files()) == len(sent))
        assert sorted(map(archive.content, archive.files())) == sorted(sent)
        wait_until(lambda: replicated.run("SELECT count(*) FROM outbox")[0][0] == 0)
        log = (archive.storage / ".dicomveil" / "audit.log").read_text()
        assert '"known":[]' in log
        assert '"known":[[' not in log


def test_a_killed_forwarder_leaves_its_claim_to_others(replicated: Shared, tmp_path: Path) -> None:
    """SIGKILL while the archive is being asked: another replica forwards what was claimed."""
    instance = make_instance()
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        with process(tmp_path / "a", "--forward-to", f"http://127.0.0.1:{port}/", shared=replicated) as (
            doomed,
            server,
        ):
            assert doomed.store_instances(instance).status_code == 200
            with closing(silent.accept()[0]):
                assert replicated.run("SELECT number FROM outbox FOR UPDATE SKIP LOCKED") == []
                server.kill()
                server.wait(60)
    with running(tmp_path / "archive") as archive:
        secret = tmp_path / "authorization"
        secret.write_text(f"Bearer {archive.token}\n")
        forwarding = ("--forward-to", archive.url, "--forward-authorization", str(secret))
        with process(tmp_path / "b", *forwarding, shared=replicated):
            wait_until(lambda: len(archive.files()) == 1)
            assert archive.content(archive.files()[0]) == instance


def test_a_database_behind_tls_and_a_password(
    replicated: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the right authority and password it serves; with a wrong one it does not start."""
    known = trustme.CA()
    replicated.secure(known.issue_cert("127.0.0.1"), "ward", "the-password")
    secret, authority = tmp_path / "password", tmp_path / "ca.pem"
    secret.write_text("the-password\n")
    known.cert_pem.write_to_path(authority)
    replicated.settings |= {"database_password": str(secret), "database_ca": str(authority)}
    instance = make_instance()
    with running(
        tmp_path / "a",
        shared=replicated,
        database_password=secret,
        database_ca=authority,
    ) as endpoint:
        assert endpoint.store_instances(instance).status_code == 200
    assert replicated.run("SELECT count(*) FROM instance") == [[1]]
    start = ["--storage", str(tmp_path / "b"), "--port", "0", *replicated.arguments()]
    secret.write_text("another\n")
    assert main(start) == 2
    secret.write_text("the-password\n")
    trustme.CA().cert_pem.write_to_path(authority)
    assert main(start) == 2
    error = capsys.readouterr().err
    assert error.count("cannot be opened") == 2
    assert "password" not in error
