"""Measures the endpoint: many uploads at once, beside the same server that reads the bytes and drops them.

Run as a script, it is the server that drops.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import environment
import synthetic

AT_ONCE = 64
IN_A_REQUEST = 10
WARM_UP = 3  # s
_UID = re.compile(rb"2\.25\.[0-9]{30,39}")
_SOP_INSTANCE_UID = b"\x08\x00\x18\x00UI"
_BOUNDARY = "a-boundary-of-the-benchmark"
_HEAD = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()


class Found(NamedTuple):
    """What was measured of one server."""

    bytes_a_second: float
    instances_a_second: float
    errors: int
    memory: int  #: the most that it held, in bytes
    processor: float  #: seconds of processor time an instance

    def share(self, other: Found) -> float:
        """Return this throughput as a share of another's."""
        return self.bytes_a_second / other.bytes_a_second if other.bytes_a_second else 0


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
            answer += connection.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: ([0-9]+)", head.lower())
        while length is not None and len(body) < int(length[1]):
            body += connection.recv(65536)
        return head.startswith(b"HTTP/1.1 200 ")


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


def memory_of(pid: int) -> int:
    """Return the most memory that a process held, in bytes (Linux; elsewhere 0)."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


def processor_of(pid: int) -> float:
    """Return the processor time that a process has taken, in seconds (Linux; elsewhere 0)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(command: Sequence[str | Path], instance: bytes, seconds: float) -> Found:
    """Send to a server for a while."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "storage", command) as server:
        url, token, pid = server
        senders = Senders(url, token, instance)
        senders.start()
        time.sleep(WARM_UP)
        before, started, took = senders.instances, time.perf_counter(), processor_of(pid)
        time.sleep(seconds)
        count, spent = senders.instances - before, time.perf_counter() - started
        memory, took = memory_of(pid), processor_of(pid) - took
        senders.stop()
        return Found(
            count * len(instance) / spent, count / spent, senders.errors, memory, took / max(count, 1)
        )


def compare(seconds: float) -> tuple[Found, Found]:
    """Measure the endpoint, and the same server discarding what it reads."""
    with tempfile.TemporaryDirectory() as folder:
        instance = cleaned_slice(Path(folder) / "slice")
    receiving: list[str | Path] = [environment.tool("dicomveil"), "receive"]
    discarding: list[str | Path] = [sys.executable, Path(__file__)]
    return measure(receiving, instance, seconds), measure(discarding, instance, seconds)


def discard() -> int:
    """Run the endpoint without what it does with the bytes: the same access, limits and reading."""
    from starlette.requests import Request
    from starlette.responses import Response

    from dicomveil_receiver import cli, stow

    async def dropped(self: stow.StowService, request: Request) -> Response:
        await self._gate.admit(request)
        async for _ in stow.receive_blocks(request, self._settings, self._settings.max_request_bytes):
            pass
        return Response(b"{}", media_type="application/dicom+json")

    stow.StowService.store = dropped  # type: ignore[method-assign]
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(discard())
