"""DICOMweb servers for the uploader: one that answers as a test says, and a line that breaks."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import pydicom


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on loopback, over TLS with a context; yield the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class Answer(NamedTuple):
    """What the server does with a request: a status, seconds for the sender, and when it says so."""

    status: int = 200
    retry_after: int | None = None
    held: bool = False  #: not before `let_go`


class Request(NamedTuple):
    """A Store request that came: SOP Instance UIDs, and when."""

    uids: list[str]
    time: float
    authorization: str | None


class OtherServer:
    """A DICOMweb server that is none of ours: it stores in memory and knows no digests.

    ``script`` says what happens to the next requests; then everything is stored. More than ``most`` parts are
    too large for it, and one UID of ``chokes`` makes it refuse a request as a whole.
    """

    def __init__(self) -> None:
        self.url = ""
        self._lock = threading.Lock()
        self._go = threading.Event()
        self.begin()

    def begin(self) -> None:
        """Forget everything."""
        self.let_go()
        self._go = threading.Event()
        self.script: list[Answer] = []
        self.always = Answer()
        self.most = 1000
        self.chokes: set[str] = set()
        self.requests: list[Request] = []
        self.stored: dict[str, bytes] = {}

    def let_go(self) -> None:
        """Give the answers that were held."""
        self._go.set()

    def store(self, parts: list[bytes], authorization: str | None) -> tuple[Answer, bytes]:
        """Take a request; return the answer and its body, when that may be given."""
        read: dict[str, bytes] = {}
        go = self._go
        for part in parts:
            ds = pydicom.dcmread(BytesIO(part), stop_before_pixels=True)
            read[str(ds.SOPInstanceUID)] = part
        with self._lock:
            self.requests.append(Request(list(read), time.monotonic(), authorization))
            answer = self.script.pop(0) if self.script else self.always
            if answer.status == 200 and len(read) > self.most:
                return Answer(413), b""
            if answer.status == 200 and self.chokes & read.keys():
                return Answer(400), b"<html>"
            if answer.status != 200:
                return answer, b""
            self.stored |= read
        if answer.held:
            go.wait()
        items = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in read]
        return answer, json.dumps({"00081199": {"vr": "SQ", "Value": items}}).encode()


@contextmanager
def other_server() -> Iterator[OtherServer]:
    """Run one on loopback, which any page may send to."""
    state = OtherServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_OPTIONS(self) -> None:
            self._answer(204, b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if not self.path.endswith("/studies"):
                self._answer(404, b"")
                return
            boundary = self.headers["content-type"].rpartition("boundary=")[2].encode()
            parts = [p.partition(b"\r\n\r\n")[2][:-2] for p in body.split(b"--" + boundary)[1:-1]]
            answer, content = state.store(parts, self.headers["authorization"])
            self._answer(answer.status, content, answer.retry_after)

        def _answer(self, status: int, content: bytes, retry_after: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "authorization, content-type")
            self.send_header("Access-Control-Expose-Headers", "Retry-After")
            if retry_after is not None:
                self.send_header("Retry-After", str(retry_after))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(Handler) as port:
        state.url = f"http://127.0.0.1:{port}/dicom-web/"
        yield state


class Line:
    """A connection to a server that breaks: after so many bytes up, or before the answer comes down.

    Each request has a connection of its own: a browser repeats by itself, once, a request whose kept-alive
    connection broke before any answer, and nothing of what the page does about it would be seen.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.begin()
        threading.Thread(target=self._listen, daemon=True).start()

    def begin(self) -> None:
        """Let nothing break, and forget what did."""
        self.cut_after: int | None = None  #: bytes of the next connections up to the breaking of one
        self.answers = 0  #: how many large uploads were answered
        self.spares = 0  #: so many are, before that happens
        self.then: Literal["up", "down", "held"] = "up"  #: what becomes of connections after it
        self.cut_answers = 0  #: so many large uploads arrive and hear nothing
        self.passes: int | None = None  #: so many large uploads pass, and the others wait until this is None
        self.down = False  #: who comes is turned away
        self.held = False  #: who comes waits
        self.cuts = 0

    def _listen(self) -> None:
        while True:
            try:
                here, _ = self._socket.accept()
            except OSError:
                return
            while self.held:
                time.sleep(0.01)
            if self.down:
                here.close()
                continue
            there = socket.create_connection(("127.0.0.1", self._target))
            sent = [0]
            for pump in (self._up, self._down):
                threading.Thread(target=pump, args=(here, there, sent), daemon=True).start()

    def _up(self, here: socket.socket, there: socket.socket, sent: list[int]) -> None:
        waits: bool | None = None  # not known yet
        with contextlib.suppress(OSError):
            while data := here.recv(1 << 16):
                if waits is None and sent[0] + len(data) > 1 << 14:
                    waits = self._takes_its_turn()
                while waits and self.passes is not None:
                    time.sleep(0.01)
                there.sendall(data.replace(b"Connection: keep-alive\r\n", b"Connection: close     \r\n", 1))
                sent[0] += len(data)
                if self._breaks(sent[0]):
                    self._cut(here, there)
        self._end(here, there)

    def _down(self, here: socket.socket, there: socket.socket, sent: list[int]) -> None:
        with contextlib.suppress(OSError):
            while data := there.recv(1 << 16):
                if self.cut_answers and sent[0] > 1 << 14:
                    self.cut_answers -= 1
                    self._cut(here, there)
                self.answers += sent[0] > 1 << 14
                here.sendall(data)
                sent[0] = 0
        self._end(here, there)

    def _takes_its_turn(self) -> bool:
        """Count a large upload; return whether it is one that waits."""
        with self._lock:
            if not self.passes:
                return self.passes is not None
            self.passes -= 1
            return False

    def _breaks(self, sent: int) -> bool:
        """Return whether the connection that has sent so much is the one that breaks."""
        with self._lock:
            if self.cut_after is None or sent <= self.cut_after or self.answers < self.spares:
                return False
            self.cut_after = None
            self.down, self.held = self.then == "down", self.then == "held"
            return True

    def _cut(self, *sockets: socket.socket) -> None:
        self.cuts += 1
        self._end(*sockets)
        raise OSError

    @staticmethod
    def _end(*sockets: socket.socket) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        """Take the line away."""
        self.held = False
        self._socket.close()


@contextmanager
def breaking_line(url: str) -> Iterator[Line]:
    """Put a line in front of a server on loopback."""
    line = Line(urlsplit(url).port or 0)
    yield line
    line.close()


@contextmanager
def https_front(target: str, context: ssl.SSLContext, origin: str) -> Iterator[str]:
    """Put HTTPS and CORS for one origin in front of an archive that has neither, as hospitals do by nginx.

    Yields:
        The URL of the front, with a slash at its end.
    """
    archive = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_OPTIONS(self) -> None:
            self._answer(204, [], b"")

        def do_GET(self) -> None:
            self._pass(None)

        def do_POST(self) -> None:
            length = self.headers["content-length"]
            self._pass(self.rfile.read(int(length)) if length else b"".join(self._chunks()))

        def _chunks(self) -> Iterator[bytes]:
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _pass(self, body: bytes | None) -> None:
            with contextlib.closing(
                HTTPConnection(archive.hostname or "", archive.port, timeout=60)
            ) as there:
                kept = {"accept", "authorization", "content-type"}
                headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
                there.request(self.command, self.path, body, headers)
                answer = there.getresponse()
                content = answer.read()
                self._answer(answer.status, [("Content-Type", answer.headers["Content-Type"] or "")], content)

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Access-Control-Allow-Headers", "authorization, content-type")
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(Handler, context) as port:
        yield f"https://127.0.0.1:{port}/"
