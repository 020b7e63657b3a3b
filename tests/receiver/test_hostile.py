"""Hostile requests, made by hypothesis: never a 500, never a file outside, never a place left taken."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomveil_receiver import serving
from dicomveil_receiver.parts import Parts, boundary_of, is_dicom_part
from dicomveil_receiver.reasons import REASONS, ReceiverError
from receiver.support import BOUNDARY, Endpoint, make_instance, multipart, running, wait_until

GOOD = make_instance()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Run one server for all examples."""
    with running(tmp_path_factory.mktemp("hostile") / "in" / "storage", idle_timeout=2) as endpoint:
        yield endpoint


class Collected:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.open = False

    def begin(self, headers: dict[str, str]) -> None:
        """Begin."""
        assert not self.open
        assert all(name == name.lower() for name in headers)
        self.open = True
        self.parts.append(b"")

    def write(self, data: memoryview) -> None:
        """Collect."""
        assert self.open
        self.parts[-1] += bytes(data)

    def end(self) -> None:
        """End."""
        assert self.open
        self.open = False


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """Cut a body at places."""
    edges = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[a:b] for a, b in itertools.pairwise(edges)]


CONTENT = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"the-boundary", b"--the-bound", b"x"]),
        max_size=12,
    ).map(b"".join),
)


@given(contents=st.lists(CONTENT, max_size=5), places=st.lists(st.integers(0, 4000), max_size=8))
def test_parts_are_what_was_put_in_however_it_is_cut(contents: list[bytes], places: list[int]) -> None:
    """Any content that does not hold the delimiter comes out as it went in, in any fragmentation."""
    contents = [c.replace(b"--" + BOUNDARY.encode(), b"") for c in contents]
    contents = [c.replace(b"--" + BOUNDARY.encode(), b"#") for c in contents]
    sink = Collected()
    parts = Parts(BOUNDARY.encode(), sink, max_parts=5)
    for piece in cut(multipart(*contents), places):
        parts.feed(piece)
    parts.finish()
    assert sink.parts == contents
    assert not sink.open


@given(body=st.binary(max_size=400), places=st.lists(st.integers(0, 400), max_size=4))
def test_any_bytes_are_parts_or_malformed(body: bytes, places: list[int]) -> None:
    """The parser either ends or refuses with a code."""
    parts = Parts(BOUNDARY.encode(), Collected(), max_parts=3)
    try:
        for piece in cut(f"--{BOUNDARY}\r\n".encode() + body, places):
            parts.feed(piece)
        parts.finish()
    except ReceiverError as error:
        assert error.code in {"malformed", "too-many-parts"}  # noqa: PT017


LATIN = st.text(st.characters(max_codepoint=255), max_size=80)


@given(text=st.one_of(LATIN, LATIN.map(lambda text: f"multipart/related; boundary={text}")))
def test_any_content_type_gives_a_boundary_or_a_code(text: str) -> None:
    """A Content-Type never raises anything else, and a boundary is one of RFC 2046."""
    try:
        boundary = boundary_of(text)
    except ReceiverError as error:
        assert error.code in {"media-type", "boundary-invalid"}  # noqa: PT017
    else:
        assert 1 <= len(boundary) <= 70
    is_dicom_part({"content-type": text, "content-transfer-encoding": text})


def exchange(endpoint: Endpoint, request: bytes) -> bytes:
    """Send bytes, end the sending, and return the answer."""
    with socket.create_connection(("127.0.0.1", urlsplit(endpoint.url).port or 0), 15) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionError:
            return b""
        return answer


HEADER_TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60
)
TARGET = st.one_of(
    st.sampled_from(["/studies", "/studies/2.25.1", "/studies/2.25.1/", "/health", "/settings.json", "*"]),
    st.text(st.sampled_from("/.%0123ef\\2?;a:"), max_size=40).map(lambda t: "/studies/" + t),
)


@settings(max_examples=60)
@given(
    method=st.sampled_from(["POST", "POST", "POST", "GET", "PUT", "OPTIONS", "HEAD", "PROPFIND"]),
    target=TARGET,
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                ["Content-Type", "Accept", "Origin", "Content-Encoding", "Expect", "Range", "X-Forwarded-For"]
            ),
            HEADER_TEXT,
        ),
        max_size=4,
    ),
    body=st.one_of(st.binary(max_size=300), st.just(multipart(GOOD)), st.just(multipart(GOOD)[:-70])),
    length=st.sampled_from(["right", "right", "short", "long", "negative", "chunked", "both", "none"]),
)
def test_a_hostile_request_gets_an_answer_below_500(
    server: Endpoint, method: str, target: str, headers: list[tuple[str, str]], body: bytes, length: str
) -> None:
    """Whatever method, target, headers and lengths: no 5xx, nothing outside, nothing left over."""
    named = {
        "Host": "localhost",
        "Authorization": f"Bearer {server.token}",
        **server.headers(),
        **dict(headers),
    }
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    size = len(body)
    if length == "chunked":
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body) if size else b"0\r\n\r\n"
        lines.append("Transfer-Encoding: chunked")
    elif length == "both":
        lines += ["Transfer-Encoding: chunked", f"Content-Length: {size}"]
    elif length != "none":
        value = {"right": size, "short": size // 2, "long": size + 10, "negative": -1}[length]
        lines.append(f"Content-Length: {value}")
    answer = exchange(server, "\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    statuses = [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert all(status < 500 for status in statuses)
    wait_until(lambda: server.spooled() == [])
    assert [path.name for path in server.storage.parent.iterdir()] == ["storage"]
    assert all(name.startswith("2.25.1/2.25.2/") for name in server.files())


@settings(max_examples=40)
@given(noise=st.binary(max_size=400))
def test_noise_is_no_request(server: Endpoint, noise: bytes) -> None:
    """Bytes that are no HTTP get 400 or nothing."""
    answer = exchange(server, noise + b"\r\n\r\n")
    assert answer[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 421", b"HTTP/1.1 404", b"HTTP/1.1 405"}


@settings(max_examples=40)
@given(place=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255), length=st.integers(0, len(GOOD)))
def test_a_damaged_instance_is_stored_whole_or_refused(
    server: Endpoint, place: int, value: int, length: int
) -> None:
    """Each sent instance gets exactly one result, and never a server error."""
    damaged = bytearray(GOOD)
    damaged[place] = value
    answer = server.store_instances(bytes(damaged), GOOD[:length], GOOD)
    assert answer.status_code in {200, 202, 409}
    items = [item for name in ("00081198", "00081199", "0008119A") for item in _items(answer.json(), name)]
    assert len(items) == 3


def _items(module: dict[str, dict[str, list[object]]], name: str) -> list[object]:
    return module.get(name, {}).get("Value", [])


def test_a_large_header_is_refused(server: Endpoint) -> None:
    """400 before 64 KiB of header have been taken."""
    answer = exchange(server, b"POST /studies HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70000)
    assert answer.startswith(b"HTTP/1.1 400") or answer == b""


def test_every_code_is_told_in_one_plain_sentence_or_two() -> None:
    """Codes are kebab-case, statuses are errors of HTTP, Failure Reasons are unsigned short."""
    for code, reason in REASONS.items():
        assert code == code.lower()
        assert set(code) <= set("abcdefghijklmnopqrstuvwxyz-")
        assert 400 <= reason.status < 600
        assert 0x0100 <= reason.failure <= 0xFFFF
        assert reason.text.endswith(".")
        assert len(code) <= 64


def test_a_connection_that_says_nothing_is_ended(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header has to come within a time; a connection without one is closed."""
    monkeypatch.setattr("dicomveil_receiver.serving._HEADER_SECONDS", 0.3)
    for begin in (b"", b"POST /studies HTTP/1.1\r\nHo"):
        with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), 30) as connection:
            connection.sendall(begin)
            assert connection.recv(100) == b""


def test_a_client_that_takes_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for a large file and does not read it loses the connection."""
    monkeypatch.setattr(serving, "_WRITE_SECONDS", 0.3)
    ended: list[tuple[str, int] | None] = []  # those of other servers of this process, too
    lost = serving.TimedProtocol.connection_lost

    def noted(protocol: serving.TimedProtocol, exc: Exception | None) -> None:
        lost(protocol, exc)
        ended.append(protocol.client)

    monkeypatch.setattr(serving.TimedProtocol, "connection_lost", noted)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "index.html").write_bytes(bytes(32 << 20))
    with (
        running(tmp_path / "storage", page=tmp_path / "dist") as endpoint,
        socket.create_connection(("127.0.0.1", urlsplit(endpoint.url).port or 0), 30) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: connection.getsockname() in ended)
        taken = 0
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(1 << 20):
                taken += len(chunk)
        assert taken < 32 << 20


def test_the_storage_is_made_where_it_was_told(tmp_path: Path) -> None:
    """Parents are made, for the owner only."""
    with running(tmp_path / "a" / "b") as endpoint:
        assert endpoint.store_instances(GOOD).status_code == 200
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0
