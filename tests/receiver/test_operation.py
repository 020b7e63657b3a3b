"""What an operator works with: token commands, rate limits, health, metrics, digests."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dicomveil_receiver.cli import main
from dicomveil_receiver.limits import AtOnce, RateLimit
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.tokens import TokenFile, Tokens
from receiver.support import Endpoint, make_instance, multipart, running, uid_of, wait_until


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


def test_a_full_bucket_says_when_there_is_a_place(tmp_path: Path) -> None:
    """Retry-After is the time until the bucket holds a request again, not a guess."""
    with running(tmp_path, max_requests=2) as endpoint:
        body = multipart(make_instance())
        answers = [endpoint.post(body) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 25 <= int(answers[2].headers["retry-after"]) <= 30


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
    """503 while too many are open; served again when they are gone."""
    with running(tmp_path, max_connections=3) as endpoint:
        port = urlsplit(endpoint.url).port or 0
        with contextlib.ExitStack() as silent:
            for _ in range(3):
                silent.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            assert endpoint.store_instances(make_instance()).status_code == 503
        wait_until(lambda: endpoint.store_instances(make_instance()).status_code == 200)
