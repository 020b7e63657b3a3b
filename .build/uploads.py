"""Measures the endpoint: many uploads at once, beside the same server that reads the parts and drops them.

Both run at the same time and are sent to in turn, in short rounds, so what else the machine does meets both.
Who sends runs on the same processors and costs the same in both; its processor time is measured, too.
Run as a script, it is the server that drops.
"""

from __future__ import annotations

import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import environment
import synthetic
from processes import usage_of

AT_ONCE = 64
IN_A_REQUEST = 10
ROUND = 5  # s of sending to one of the servers
WARM_UP = 1  # s before a round counts
SEALED_EVERY = 3  # in so many rounds the endpoint that seals is measured, too
_UID = re.compile(rb"2\.25\.[0-9]{30,39}")
_SOP_INSTANCE_UID = b"\x08\x00\x18\x00UI"
_BOUNDARY = "a-boundary-of-the-benchmark"
_HEAD = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()


class Found(NamedTuple):
    """What was measured of one server in one round."""

    seconds: float
    bytes: int
    instances: int
    errors: int
    processor: float  #: seconds of processor time of the server's processes
    sending: float  #: the same of who sends

    @property
    def bytes_a_second(self) -> float:
        """The throughput."""
        return self.bytes / self.seconds


class Compared(NamedTuple):
    """Rounds of the endpoint and of the server that drops, in pairs."""

    kept: list[Found]
    dropped: list[Found]
    sealed: list[Found]  #: some rounds of the endpoint when it seals
    memory: int  #: the most that the endpoint's processes held, added up, in bytes

    @property
    def shares(self) -> list[float]:
        """The throughput of each round as a share of the other server's, the least first."""
        pairs = zip(self.kept, self.dropped, strict=True)
        return sorted(kept.bytes_a_second / max(dropped.bytes_a_second, 1) for kept, dropped in pairs)

    @property
    def share(self) -> float:
        """The throughput as a share of the other server's: of as many rounds higher as lower."""
        return statistics.median(self.shares)


def an_instance(found: Sequence[Found], what: str) -> float:
    """Return seconds of processor time an instance: of the server (``processor``) or of who sends."""
    spent: float = sum(getattr(one, what) for one in found)
    return spent / max(sum(one.instances for one in found), 1)


def cleaned_slice(folder: Path) -> bytes:
    """Return a CT slice of half a megabyte, cleaned."""
    from dicomveil.pipeline import Session, clean_source
    from dicomveil.profile import Profile
    from dicomveil.pseudonyms import Key, Pseudonyms
    from dicomveil.source import FileSource, PartsSource

    synthetic.write_ct_series(folder, 1)
    session = Session(Profile.default(), Pseudonyms(Key.random()))
    with FileSource(next(folder.iterdir())) as source:
        output = PartsSource(source, clean_source(source, session).parts)
        return output.read(0, output.size)


def new_uid(length: int) -> bytes:
    """Return a UID as cleaning makes them (a UUID of version 8, RFC 9562), of so many characters."""
    while True:
        number = secrets.randbits(128) & ~(0xF << 76 | 0x3 << 62) | 0x8 << 76 | 0x2 << 62
        uid = f"2.25.{number}".encode()
        if len(uid) == length:
            return uid


class Senders:
    """Sends new instances in many connections at once until it is told to stop."""

    def __init__(self, url: str, token: str, instance: bytes) -> None:
        start = instance.index(_SOP_INSTANCE_UID) + 8
        found = _UID.match(instance, start)
        if found is None:
            raise ValueError("not a cleaned instance")
        self._length = len(found[0])
        # The UID stands in the File Meta Information, too.
        self._pieces = instance.split(found[0])
        self._port = urlsplit(url).port or 0
        size = len(instance) + len(_HEAD) + 2
        length = size * IN_A_REQUEST + len(f"--{_BOUNDARY}--\r\n")
        self._request = (
            f"POST /studies HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f'Content-Type: multipart/related; type="application/dicom"; boundary={_BOUNDARY}\r\n'
            f"Content-Length: {length}\r\n\r\n"
        ).encode()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.instances = self.errors = 0
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(AT_ONCE)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the requests that run."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        try:
            self._send_on()
        except OSError:
            with self._lock:
                self.errors += 1

    def _send_on(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), 120) as connection:
            while not self._stopped.is_set():
                connection.sendall(self._request)
                for _ in range(IN_A_REQUEST):
                    connection.sendall(_HEAD)
                    connection.sendall(new_uid(self._length).join(self._pieces))
                    connection.sendall(b"\r\n")
                connection.sendall(f"--{_BOUNDARY}--\r\n".encode())
                fine = self._answered(connection)
                with self._lock:
                    self.instances += IN_A_REQUEST if fine else 0
                    self.errors += not fine

    @staticmethod
    def _answered(connection: socket.socket) -> bool:
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _received(connection)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: ([0-9]+)", head.lower())
        while length is not None and len(body) < int(length[1]):
            body += _received(connection)
        return head.startswith(b"HTTP/1.1 200 ")


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the server ended the connection")
    return data


@contextmanager
def served(storage: Path, command: Sequence[str | Path]) -> Iterator[tuple[str, str, int]]:
    """Start a server; yield its address, its token and its process."""
    arguments = [*command, "--storage", storage, "--port", "0", "--max-requests", "1000000"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            lines = process.stdout or iter(())
            token = next(lines).split()[-1]
            yield next(lines).strip(), token, process.pid
        finally:
            process.terminate()


def measure(server: tuple[str, str, int], instance: bytes, seconds: float) -> Found:
    """Send to a server for a while."""
    url, token, pid = server
    senders = Senders(url, token, instance)
    senders.start()
    time.sleep(WARM_UP)
    before, started = senders.instances, time.perf_counter()
    processor, sending = usage_of(pid).processor, time.process_time()
    time.sleep(seconds)
    count, spent = senders.instances - before, time.perf_counter() - started
    processor, sending = usage_of(pid).processor - processor, time.process_time() - sending
    senders.stop()
    return Found(spent, count * len(instance), count, senders.errors, processor, sending)


def compare(seconds: float) -> Compared:
    """Measure the endpoint, and the same server dropping what it reads, each for so long."""
    from dicomveil_receiver.sealing import new_identity

    rounds = max(round(seconds / ROUND), 1)
    receiving: list[str | Path] = [environment.tool("dicomveil"), "receive"]
    dropping: list[str | Path] = [sys.executable, Path(__file__)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        instance = cleaned_slice(folder / "slice")
        keeper = stack.enter_context(served(folder / "kept", receiving))
        dropper = stack.enter_context(served(folder / "dropped", dropping))
        sealing = [*receiving, "--seal-to", new_identity(folder / "identity.txt")]
        sealer = stack.enter_context(served(folder / "sealed", sealing))
        kept, dropped, sealed = [], [], []
        for number in range(rounds):
            kept.append(measure(keeper, instance, seconds / rounds))
            dropped.append(measure(dropper, instance, seconds / rounds))
            if number % SEALED_EVERY == 0:
                sealed.append(measure(sealer, instance, seconds / rounds))
        return Compared(kept, dropped, sealed, usage_of(keeper[2]).peak)


class Dropped:
    """Takes the parts of a request, and drops what they hold."""

    def begin(self, headers: dict[str, str]) -> None:
        """A part begins."""

    def write(self, data: memoryview) -> None:
        """Bytes of the part."""

    def end(self) -> None:
        """The part is whole."""


def discard() -> int:
    """Run the endpoint without what it does with the parts: the same access, limits, reading and parsing."""
    from anyio import to_thread
    from starlette.requests import Request
    from starlette.responses import Response

    from dicomveil_receiver import cli, parts, stow

    def feed(reading: parts.Parts, chunks: list[bytes]) -> None:
        for chunk in chunks:
            reading.feed(chunk)

    async def dropped(self: stow.StowService, request: Request) -> Response:
        await self._gate.admit(request)
        boundary = parts.boundary_of(request.headers["content-type"])
        reading = parts.Parts(boundary, Dropped(), max_parts=self._settings.max_parts)
        async for chunks in stow.receive_blocks(request, self._settings, self._settings.max_request_bytes):
            await to_thread.run_sync(feed, reading, chunks, limiter=self._working)
        reading.finish()
        return Response(b"{}", media_type="application/dicom+json")

    stow.StowService.store = dropped  # type: ignore[method-assign]
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(discard())
