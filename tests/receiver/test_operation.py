"""What an operator works with: token commands, rate limits, health, metrics, digests."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dicomveil.source import Source
from dicomveil.verifying import Problem, Verified
from dicomveil_receiver import stow
from dicomveil_receiver.cli import main
from dicomveil_receiver.limits import AtOnce, RateLimit
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.tokens import TokenFile, Tokens
from receiver.marking import marker_verify
from receiver.support import (
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


def test_tokens_are_made_listed_and_revoked(endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands act on a running server at once; the list holds no secret."""
    storage = ["--storage", str(endpoint.storage)]
    assert main(["token", "add", "ward-7", "--days", "30", *storage]) == 0
    secret = capsys.readouterr().out.strip()
    body = multipart(make_instance())
    assert endpoint.post(body, authorization=f"Bearer {secret}").status_code == 200
    assert main(["token", "list", *storage]) == 0
    listed = capsys.readouterr().out
    assert re.search(r"^ward-7\tusable\t", listed, re.MULTILINE)
    assert secret not in listed
    assert main(["token", "revoke", "ward-7", *storage]) == 0
    assert endpoint.post(body, authorization=f"Bearer {secret}").status_code == 401
    main(["token", "list", *storage])
    assert "ward-7\trevoked" in capsys.readouterr().out


def test_wrong_use_of_the_commands_is_told(endpoint: Endpoint, tmp_path: Path) -> None:
    """Exit status 2: no such token, a name twice, a bad lifetime, a folder that is none."""
    storage = ["--storage", str(endpoint.storage)]
    assert main(["token", "revoke", "nobody", *storage]) == 2
    assert main(["token", "add", "test-0", *storage]) == 2
    assert main(["token", "add", "x", "--days", "0", *storage]) == 2
    assert main(["token", "list", "--storage", str(tmp_path / "nowhere")]) == 2
    with pytest.raises(SystemExit, match="2"):
        main(["token"])


def test_a_token_revoked_midway_stops_the_next_request(endpoint: Endpoint) -> None:
    """What was acknowledged stays; the rest is told 401."""
    assert endpoint.store_instances(make_instance()).status_code == 200
    assert main(["token", "revoke", "test-0", "--storage", str(endpoint.storage)]) == 0
    assert endpoint.store_instances(make_instance()).status_code == 401
    assert len(endpoint.files()) == 1


def test_a_token_has_so_many_requests_a_minute(tmp_path: Path) -> None:
    """429 with Retry-After; another token is not touched by it."""
    with running(tmp_path, max_requests=3) as endpoint:
        body = multipart(make_instance())
        assert [endpoint.post(body).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert "retry-after" in endpoint.post(body).headers
        other = Tokens(TokenFile(tmp_path / ".dicomveil" / "tokens.json")).add("other")
        assert endpoint.post(body, authorization=f"Bearer {other}").status_code == 200


def test_a_bucket_refills_steadily() -> None:
    """Sixty a minute: one a second, never more than sixty at once."""
    now = [0.0]
    limit = RateLimit(60, lambda: now[0])
    for _ in range(60):
        limit.take("a")
    with pytest.raises(ReceiverError):
        limit.take("a")
    limit.take("b")
    now[0] = 1.0
    limit.take("a")
    with pytest.raises(ReceiverError):
        limit.take("a")
    now[0] = 10_000.0
    for _ in range(60):
        limit.take("a")
    with pytest.raises(ReceiverError):
        limit.take("a")


def test_health_tells_when_nothing_can_be_stored(tmp_path: Path) -> None:
    """503 and 507 while there is too little room on the disk."""
    with running(tmp_path, min_free_bytes=1 << 60) as endpoint:
        answer = httpx.get(endpoint.url + "health")
        assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
        answer = endpoint.store_instances(make_instance())
        assert (answer.status_code, answer.json()["code"]) == (507, "storage-full")


def test_metrics_count_what_happened(tmp_path: Path) -> None:
    """Prometheus' text format, by codes of ours; only when asked for."""
    with running(tmp_path, metrics=True) as endpoint:
        good = make_instance()
        endpoint.store_instances(good, make_instance(clean=False))
        endpoint.store_instances(good)
        answer = httpx.get(endpoint.url + "metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = answer.text.splitlines()
        for line in (
            'dicomveil_requests_total{status="200"} 1',
            'dicomveil_requests_total{status="202"} 1',
            'dicomveil_instances_total{result="stored"} 1',
            'dicomveil_instances_total{result="known"} 1',
            'dicomveil_instances_total{result="refused"} 1',
            'dicomveil_refused_total{code="not-clean-in-this-test"} 1',
            f"dicomveil_received_bytes_total {2 * len(good)}",
            "dicomveil_uploads_running 0",
            "dicomveil_instances_stored 1",
            "dicomveil_upload_seconds_count 2",
        ):
            assert line in lines
        sample = re.compile(r'(# (HELP|TYPE) .+|[a-z_]+(\{[a-z]+="[^"]+"\})? [0-9.]+)')
        assert all(sample.fullmatch(line) for line in lines)


def test_metrics_are_off_by_default(endpoint: Endpoint) -> None:
    """404."""
    assert httpx.get(endpoint.url + "metrics").status_code == 404


def test_digests_tell_what_need_not_be_sent(endpoint: Endpoint) -> None:
    """POST /digests answers for stored instances only, and only to a token."""
    instance = make_instance()
    endpoint.store_instances(instance)
    question = {"instances": [uid_of(instance), "2.25.404", "'; DROP TABLE instance"]}
    headers = {"authorization": f"Bearer {endpoint.token}"}
    answer = httpx.post(endpoint.url + "digests", json=question, headers=headers)
    assert answer.json() == {"digests": {uid_of(instance): hashlib.sha256(instance).hexdigest()}}
    assert httpx.post(endpoint.url + "digests", json=question).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"instances": 1}', b'{"instances": [1]}', b"\xff", b"[" * 100_000, b"9" * 5000],
)
def test_a_wrong_question_is_told(endpoint: Endpoint, body: bytes) -> None:
    """400 with a code."""
    headers = {"authorization": f"Bearer {endpoint.token}"}
    answer = httpx.post(endpoint.url + "digests", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "digests-invalid")


def test_a_question_has_limits(endpoint: Endpoint) -> None:
    """400 for too many UIDs, 413 for too many bytes."""
    headers = {"authorization": f"Bearer {endpoint.token}"}
    many = httpx.post(endpoint.url + "digests", json={"instances": ["1"] * 10_001}, headers=headers)
    assert many.status_code == 400
    assert httpx.post(endpoint.url + "digests", content=b" " * (2 << 20), headers=headers).status_code == 413


@both
def test_a_question_for_what_no_uid_can_be_is_answered(endpoint: Endpoint) -> None:
    """What a database would choke on is not stored, that is all."""
    instance = make_instance()
    assert endpoint.store_instances(instance).status_code == 200
    odd = ["", "\x00", "2.25.1\x00", "'; DROP TABLE instance; --", ":v0", "%s", "2.25.404", "x" * 70000]
    asked = json.dumps({"instances": [*odd, "\ud800", uid_of(instance)]})  # the surrogate is escaped
    headers = {"authorization": f"Bearer {endpoint.token}"}
    answer = httpx.post(endpoint.url + "digests", content=asked, headers=headers)
    assert answer.status_code == 200
    assert list(answer.json()["digests"]) == [uid_of(instance)]


def test_a_full_bucket_says_when_there_is_a_place(tmp_path: Path) -> None:
    """Retry-After is the time until the bucket holds a request again, not a guess."""
    with running(tmp_path, max_requests=2) as endpoint:
        body = multipart(make_instance())
        started = time.monotonic()
        answers = [endpoint.post(body) for _ in range(3)]
        took = time.monotonic() - started
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 29 - took <= int(answers[2].headers["retry-after"]) <= 30


def test_a_token_has_its_share_of_uploads() -> None:
    """429 for one that takes too much at once, 503 when all places are taken; afterwards they are free."""
    at_once = AtOnce(3, 2)
    with at_once.place("a"), at_once.place("a"):
        with pytest.raises(ReceiverError) as refused, at_once.place("a"):
            pass
        assert (refused.value.code, refused.value.reason.status) == ("too-many-uploads-of-token", 429)
        with at_once.place("b"):
            assert at_once.running == 3
            with pytest.raises(ReceiverError) as refused, at_once.place("c"):
                pass
            assert (refused.value.code, refused.value.reason.status) == ("too-many-uploads", 503)
        with at_once.place("c"):
            assert at_once.running == 3
    assert at_once.running == 0


def test_connections_are_limited(tmp_path: Path) -> None:
    """503 with Retry-After, which a page elsewhere can read, while too many are open; then served again."""
    page = "https://page.example"
    with running(tmp_path, max_connections=3, allow_origin=(page,)) as endpoint:
        port = urlsplit(endpoint.url).port or 0
        with contextlib.ExitStack() as silent:
            for _ in range(3):
                silent.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            answer = endpoint.post(multipart(make_instance()), origin=page)
            assert (answer.status_code, answer.json()["code"]) == (503, "too-many-connections")
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["connection"] == "close"
            assert answer.headers["access-control-allow-origin"] == page
            assert "content-security-policy" in answer.headers
            assert endpoint.files() == []
        wait_until(lambda: endpoint.store_instances(make_instance()).status_code == 200)


def test_a_sender_that_dribbles_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """408 below the lowest average rate, though it is never silent for long; nothing of it stays."""
    monkeypatch.setattr(stow, "_GRACE_SECONDS", 1)
    body = multipart(make_instance(size=4096))

    def dribble() -> Iterator[bytes]:
        for place in range(0, len(body), 100):
            yield body[place : place + 100]
            time.sleep(0.1)

    with running(tmp_path, min_rate=1 << 20) as endpoint:
        with contextlib.suppress(httpx.WriteError):  # the answer may come while it still sends
            assert endpoint.post(dribble()).status_code == 408
        wait_until(lambda: endpoint.spooled() == [])
        assert endpoint.files() == []
        assert endpoint.log is not None
        assert '"too-slow": 1' in endpoint.log.getvalue()


def test_a_token_that_sends_too_much_at_once_is_told(tmp_path: Path) -> None:
    """429 with Retry-After for it, while another token is served; served again when its upload has ended."""
    whole = multipart(make_instance(size=3 << 20))
    go_on = threading.Event()

    def body() -> Iterator[bytes]:
        yield whole[: 2 << 20]
        go_on.wait(60)
        yield whole[2 << 20 :]

    with running(tmp_path, max_token_uploads=1) as endpoint:
        statuses: list[int] = []
        sending = threading.Thread(target=lambda: statuses.append(endpoint.post(body()).status_code))
        sending.start()
        wait_until(lambda: len(endpoint.spooled()) == 1)
        answer = endpoint.store_instances(make_instance())
        assert (answer.status_code, answer.json()["code"]) == (429, "too-many-uploads-of-token")
        assert int(answer.headers["retry-after"]) > 0
        assert endpoint.keeping is not None
        other = replace(endpoint, token=endpoint.keeping.tokens().add("other"))
        assert other.store_instances(make_instance()).status_code == 200
        go_on.set()
        sending.join(60)
        assert statuses == [200]
        assert endpoint.store_instances(make_instance()).status_code == 200


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    """An upload that does not end is ended after ``--stop-timeout``, and nothing of it stays."""
    body = multipart(make_instance(size=3 << 20))
    with process(tmp_path, "--stop-timeout", "1") as (endpoint, server):
        connection = socket.create_connection(("127.0.0.1", urlsplit(endpoint.url).port or 0), 10)
        with connection:
            head = (
                f"POST /studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {endpoint.token}\r\n"
                f"Content-Type: {content_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body[: 2 << 20])
            wait_until(lambda: len(endpoint.spooled()) == 1)
            server.terminate()
            assert server.wait(15) == 0
        assert endpoint.spooled() == []
        assert endpoint.files() == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("not-dicom", 0xC000),
        ("truncated", 0xC000),
        ("undecodable", 0xC000),
        ("unsupported-transfer-syntax", 0xC122),
        ("no-sop-class", 0x0122),
        ("encapsulated-document", 0x0122),
        ("identifier-remains", 0xA900),
        ("a-code-that-is-new", 0xA900),
    ],
)
def test_what_verification_finds_has_the_standards_failure_reason(
    tmp_path: Path, code: str, reason: int
) -> None:
    """PS3.7 Annex C and PS3.4 Table GG.4-1: cannot understand, not supported, does not match."""

    def finding(source: Source) -> Verified:
        return marker_verify(source)._replace(problems=(Problem(code, None),))

    with running(tmp_path, finding) as endpoint:
        answer = endpoint.store_instances(make_instance())
        assert answer.status_code == 409
        assert values(answer, "00081198", "00081197") == [reason]
        assert values(answer, "00081198", "00000902") == [code]
        assert endpoint.files() == []
