"""Instances, multipart bodies and running servers for the receiver's tests."""

from __future__ import annotations

import io
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from dicomveil_receiver.app import make_app
from dicomveil_receiver.examining import THREADS, Examine, Examined, Verify, examine_all
from dicomveil_receiver.keeping import Keeping, keeping_of
from dicomveil_receiver.logs import Log, quiet_others
from dicomveil_receiver.sealing import spool_kind
from dicomveil_receiver.services import Services
from dicomveil_receiver.serving import bind, make_server, url_of
from dicomveil_receiver.settings import Settings
from dicomveil_receiver.spool import Arrived
from dicomveil_receiver.store import Store
from receiver.marking import marker_verify
from receiver.servers import Shared

ROOT = Path(__file__).parents[2]
#: A behaviour of both ways to keep things: in a folder, and in a bucket and a database.
both = pytest.mark.parametrize("kind", ["folder", "shared"], indirect=True)
BOUNDARY = "the-boundary"


def new_uid() -> str:
    """Return a UID as cleaning makes them."""
    return f"2.25.{secrets.randbits(100)}"


def make_instance(
    *,
    study: str = "2.25.1",
    series: str = "2.25.2",
    uid: str | None = None,
    clean: bool = True,
    size: int = 256,
) -> bytes:
    """Return a small DICOM file; ``clean`` is what :func:`marker_verify` looks at."""
    ds = Dataset()
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = uid or new_uid()
    ds.StudyInstanceUID = study
    ds.SeriesInstanceUID = series
    ds.PatientIdentityRemoved = "YES" if clean else "NO"
    ds.Rows, ds.Columns = 16, 16  # not what the pixels are, which nobody looks at
    ds.BitsAllocated = 8
    ds.PixelData = secrets.token_bytes(size)
    ds["PixelData"].VR = "OB"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    output = io.BytesIO()
    pydicom.dcmwrite(output, ds, enforce_file_format=True)
    return output.getvalue()


def uid_of(instance: bytes) -> str:
    """Return the SOP Instance UID of an instance."""
    return str(pydicom.dcmread(io.BytesIO(instance), stop_before_pixels=True).SOPInstanceUID)


def examine_here(verify: Verify) -> Examine:
    """Return what examines in this process, so that tests can look into it."""

    def all_of_them(arrived: Sequence[Arrived]) -> list[Examined]:
        with ThreadPoolExecutor(THREADS) as waiting:
            return examine_all(verify, arrived, waiting)

    return all_of_them


def multipart(
    *instances: bytes, boundary: str = BOUNDARY, part_type: str | None = "application/dicom"
) -> bytes:
    """Return the body of a Store request."""
    header = f"Content-Type: {part_type}\r\n" if part_type is not None else ""
    parts = [f"--{boundary}\r\n{header}\r\n".encode() + instance + b"\r\n" for instance in instances]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def content_type(boundary: str = BOUNDARY) -> str:
    """Return the Content-Type of a Store request."""
    return f'multipart/related; type="application/dicom"; boundary={boundary}'


@dataclass
class Endpoint:
    """A running server."""

    url: str
    token: str
    storage: Path
    store: Store | None = None
    keeping: Keeping | None = None
    log: io.StringIO | None = None
    shared: Shared | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers of a correct Store request."""
        return {"authorization": f"Bearer {self.token}", "content-type": content_type()}

    def post(self, content: Any, path: str = "studies", **headers: str) -> httpx.Response:  # noqa: ANN401
        """Send a Store request; ``headers`` replace the correct ones (``content_type=...``)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(self.url + path, content=content, headers={**self.headers(), **named}, timeout=30)

    def store_instances(self, *instances: bytes, path: str = "studies") -> httpx.Response:
        """Send instances."""
        return self.post(multipart(*instances), path)

    def retried(self, *instances: bytes) -> httpx.Response:
        """Send instances as a sender does: again, for a while, when the server says so."""
        end = time.monotonic() + 60
        while (answer := self.store_instances(*instances)).status_code == 503 and time.monotonic() < end:
            time.sleep(0.5)
        return answer

    def digests(self, uids: list[str]) -> dict[str, str]:
        """Ask which instances are stored."""
        headers = {"authorization": f"Bearer {self.token}"}
        answer = httpx.post(self.url + "digests", json={"instances": uids}, headers=headers, timeout=30)
        told: dict[str, str] = answer.json()["digests"]
        return told

    def files(self) -> list[str]:
        """Return the names of what is stored, as a folder has them, without the control folder."""
        if self.shared is not None:
            return self.shared.files()
        files = (path for path in self.storage.rglob("*") if path.is_file())
        names = (path.relative_to(self.storage).as_posix() for path in files)
        return sorted(name for name in names if not name.startswith(".dicomveil/"))

    def content(self, name: str) -> bytes:
        """Return the bytes of what is stored under a name."""
        return (self.storage / name).read_bytes() if self.shared is None else self.shared.content(name)

    def stamp(self, name: str) -> tuple[object, ...]:
        """Return what changes when something is written under a name."""
        if self.shared is not None:
            return self.shared.stamp(name)
        status = (self.storage / name).stat()
        return status.st_ino, status.st_mtime_ns

    def lose(self, name: str) -> None:
        """Remove what is stored under a name, as no endpoint does."""
        if self.shared is None:
            (self.storage / name).unlink()
        else:
            self.shared.lose(name)

    def where(self) -> list[str]:
        """Return what a command is told about where everything is kept."""
        return self.shared.arguments() if self.shared is not None else ["--storage", str(self.storage)]

    def spooled(self) -> list[Path]:
        """Return the spool files."""
        return list((self.storage / ".dicomveil" / "incoming").iterdir())


@contextmanager
def running(
    folder: Path,
    verify: Verify = marker_verify,
    *,
    shared: Shared | None = None,
    **settings: Any,  # noqa: ANN401
) -> Iterator[Endpoint]:
    """Run the endpoint in a thread of this process, on a free port of loopback."""
    places = shared.settings if shared is not None else {}
    chosen = Settings(storage=folder, **{"port": 0, **places, **settings})
    chosen.check()
    wait_for_stopping(folder)
    output = io.StringIO()
    log = Log(output)
    quiet_others(log)
    keeping = keeping_of(chosen)
    store = keeping.store(spool_kind(chosen.seal_to), forward=chosen.forward_to is not None)
    tokens, audit = keeping.tokens(), keeping.audit()
    token = tokens.add(f"test-{len(tokens.list())}")
    services = Services(chosen, store, tokens, audit, examine_here(verify), log)
    listener = bind(chosen)
    server = make_server(make_app(services), chosen, log)

    def serve() -> None:
        with closing(keeping), closing(listener):
            server.run(sockets=[listener])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Endpoint(url_of(chosen, listener), token, folder, store, keeping, output, shared)
    finally:
        # uvicorn takes 0.2 s to stop: nobody waits for it but the next server of the same storage.
        server.should_exit = True
        _stopping[folder] = thread


_stopping: dict[Path, threading.Thread] = {}


def wait_for_stopping(*folders: Path) -> None:
    """Wait until the servers of these storages have stopped, or all servers that were told to."""
    for folder in folders or tuple(_stopping):
        thread = _stopping.pop(folder, None)
        if thread is not None:
            thread.join(60)
            assert not thread.is_alive()


@contextmanager
def process(
    folder: Path,
    *arguments: str,
    token: str | None = None,
    wrapped: Sequence[str] = (),
    shared: Shared | None = None,
) -> Iterator[tuple[Endpoint, Any]]:
    """Run ``dicomveil receive`` as a process, ``wrapped`` in a command; yield endpoint and process."""
    command = [*wrapped, sys.executable, "-c", _MAIN, "--storage", str(folder), "--port", "0", *arguments]
    command += shared.arguments() if shared is not None else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "py", ROOT / "tests")))}
    # The log goes into a file: a pipe that nobody reads would stop the server when it is full.
    log = folder.with_name(f"{folder.name}.stderr")
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as running_process,
    ):
        try:
            output = running_process.stdout
            assert output is not None
            line = output.readline()
            if line.startswith("Upload token"):
                token = line.split()[-1]
                line = output.readline()
            if not line.startswith("http"):
                raise RuntimeError(log.read_text())
            yield Endpoint(line.strip(), token or "", folder, shared=shared), running_process
        finally:
            running_process.kill()


_MAIN = """
import sys
from receiver import marking
from dicomveil_receiver import cli
cli.verify_instance = marking.marker_verify
raise SystemExit(cli.main(sys.argv[1:]))
"""


def wait_until(true: Any, seconds: float = 60) -> None:  # noqa: ANN401
    """Wait until ``true()``, or fail."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def values(answer: httpx.Response, sequence: str, attribute: str) -> Sequence[Any]:
    """Return the first value of an attribute in each item of a sequence of a DICOM JSON answer."""
    items = answer.json().get(sequence, {"Value": []})["Value"]
    return [item[attribute]["Value"][0] for item in items]
