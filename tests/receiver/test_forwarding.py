"""Forwarding: from the durable outbox to an archive, in order, again until it is there or refused."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from dicomveil_receiver.cli import main
from dicomveil_receiver.forwarding import Forwarder
from dicomveil_receiver.logs import Log
from dicomveil_receiver.outbox import Outbox
from ports import free_port
from receiver.servers import Shared
from receiver.support import Endpoint, both, make_instance, process, running, uid_of, wait_until


@dataclass
class Archive:
    """An archive that answers as the test says, and remembers what it was sent."""

    url: str = ""
    status: int = 200
    refuse: dict[str, int] = field(default_factory=dict)
    answer: bytes | None = None
    received: list[list[str]] = field(default_factory=list)
    authorization: str | None = None


@contextmanager
def archive() -> Iterator[Archive]:
    """Run an archive on loopback."""
    state = Archive()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            boundary = self.headers["content-type"].rpartition("boundary=")[2].encode()
            parts = body.split(b"--" + boundary)[1:-1]
            uids = [uid_of(part.partition(b"\r\n\r\n")[2][:-2]) for part in parts]
            state.received.append(uids)
            state.authorization = self.headers["authorization"]
            items = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids if uid not in state.refuse]
            failed = [
                {
                    "00081155": {"vr": "UI", "Value": [uid]},
                    "00081197": {"vr": "US", "Value": [state.refuse[uid]]},
                }
                for uid in uids
                if uid in state.refuse
            ]
            module = {"00081199": {"vr": "SQ", "Value": items}, "00081198": {"vr": "SQ", "Value": failed}}
            answer = json.dumps(module if state.status == 200 else {}).encode()
            answer = state.answer if state.answer is not None else answer
            self.send_response(state.status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/dicom-web/"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Setting:
    """An endpoint with an outbox, an archive, and a forwarder that does one step at a time."""

    endpoint: Endpoint
    archive: Archive
    outbox: Outbox
    forwarder: Forwarder


@pytest.fixture
def setting(tmp_path: Path, shared: Shared | None) -> Iterator[Setting]:
    """Put them together."""
    url = "http://127.0.0.1:1/"
    with archive() as there, running(tmp_path / "storage", shared=shared, forward_to=url) as endpoint:
        assert endpoint.store is not None
        assert endpoint.keeping is not None
        outbox = endpoint.keeping.outbox()
        forwarder = Forwarder(
            outbox, endpoint.store.objects, there.url, Log(io.StringIO()), authorization="Basic eA=="
        )
        yield Setting(endpoint, there, outbox, forwarder)
        forwarder._client.close()


@both
def test_what_is_stored_is_forwarded_once_in_order(setting: Setting) -> None:
    """Instances go in the order in which they came, with the archive's credentials, and then never again."""
    instances = [make_instance() for _ in range(12)]
    for instance in instances:
        setting.endpoint.store_instances(instance)
    assert setting.outbox.waiting() == 12
    while setting.forwarder.step():
        pass
    assert setting.archive.received == [list(map(uid_of, instances[:10])), list(map(uid_of, instances[10:]))]
    assert setting.archive.authorization == "Basic eA=="
    assert setting.outbox.waiting() == 0
    setting.endpoint.store_instances(*instances)
    assert not setting.forwarder.step()


@both
def test_what_is_refused_here_is_not_forwarded(setting: Setting) -> None:
    """An uncleaned instance never gets into the outbox."""
    setting.endpoint.store_instances(make_instance(clean=False))
    assert setting.outbox.waiting() == 0


@both
def test_an_archives_refusal_is_kept_and_shown(setting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    """The others of the study go on; ``outbox list`` shows the reason, ``outbox retry`` sends again."""
    bad, good = make_instance(), make_instance()
    setting.archive.refuse[uid_of(bad)] = 0xA900
    setting.endpoint.store_instances(bad, good)
    setting.forwarder.step()
    assert setting.outbox.refusals() == [(uid_of(bad), 0xA900)]
    assert setting.outbox.waiting() == 0
    assert not setting.forwarder.step()
    storage = setting.endpoint.where()
    assert main(["outbox", "list", *storage]) == 1
    assert f"{uid_of(bad)}\tA900H" in capsys.readouterr().out
    setting.archive.refuse.clear()
    assert main(["outbox", "retry", *storage]) == 0
    setting.forwarder.step()
    assert main(["outbox", "list", *storage]) == 0


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 502, 503, 507])
def test_an_archive_in_trouble_is_asked_again_later(setting: Setting, status: int) -> None:
    """Nothing is lost and nothing is refused for good; the study waits longer each time."""
    instance = make_instance()
    setting.endpoint.store_instances(instance)
    setting.archive.status = status
    assert setting.forwarder.step()
    assert not setting.forwarder.step()
    assert setting.outbox.waiting() == 1
    setting.archive.status = 200
    setting.outbox.retry()
    setting.forwarder.step()
    assert setting.outbox.waiting() == 0


@both
def test_an_archive_that_is_down_is_asked_again_later(setting: Setting) -> None:
    """No connection is no refusal."""
    setting.endpoint.store_instances(make_instance())
    with contextlib.closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        assert setting.endpoint.store is not None
        down = Forwarder(setting.outbox, setting.endpoint.store.objects, url, Log(io.StringIO()))
        assert down.step()
        down._client.close()
    assert setting.outbox.waiting() == 1


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b"1", b'{"00081199": {"Value": [{}]}}', b'{"00081199": []}', b"null"]
)
def test_only_a_named_instance_counts_as_stored(setting: Setting, answer: bytes) -> None:
    """A 200 that names nothing, or is no DICOM JSON, is not believed."""
    setting.archive.answer = answer
    setting.endpoint.store_instances(make_instance())
    assert setting.forwarder.step()
    assert setting.outbox.waiting() == 1


@both
def test_one_study_does_not_hold_up_another(setting: Setting) -> None:
    """While a study waits, others are sent."""
    stuck, other = make_instance(study="2.25.11"), make_instance(study="2.25.12")
    setting.archive.refuse[uid_of(stuck)] = 0xA700
    setting.endpoint.store_instances(stuck)
    setting.endpoint.store_instances(other)
    while setting.forwarder.step():
        pass
    assert setting.archive.received == [[uid_of(stuck)], [uid_of(other)]]
    assert setting.outbox.waiting() == 1


@both
def test_an_instance_that_the_archive_chokes_on_is_found(setting: Setting) -> None:
    """After a whole batch failed, instances go alone; one that is answered 400 then is refused."""
    setting.archive.status = 400
    setting.archive.answer = b""
    setting.endpoint.store_instances(make_instance(), make_instance())
    setting.forwarder.step()
    assert setting.outbox.refusals() == []
    with setting.outbox._database.transaction() as transaction:
        transaction.run("UPDATE outbox SET not_before = 0")
    setting.forwarder.step()
    assert len(setting.outbox.refusals()) == 1
    assert setting.outbox.waiting() == 1


@both
def test_waiting_grows_and_has_an_end(setting: Setting) -> None:
    """Twice as long each time, with jitter, at most an hour."""
    setting.endpoint.store_instances(make_instance())
    with setting.outbox.claim(1) as claim:
        assert claim is not None
        seconds = [claim.postpone() for _ in range(30)]
    assert 1 <= seconds[0] <= 2
    assert all(second <= 3600 for second in seconds)
    assert seconds[-1] >= 1800
    assert 8 <= seconds[3] <= 16


def test_the_outbox_survives_a_kill(tmp_path: Path) -> None:
    """What was acknowledged while the archive was down is forwarded after a restart."""
    instance = make_instance()
    with process(tmp_path / "storage", "--forward-to", "http://127.0.0.1:1/") as (endpoint, server):
        assert endpoint.store_instances(instance).status_code == 200
        server.kill()
        server.wait(60)
    assert main(["outbox", "retry", "--storage", str(tmp_path / "storage")]) == 0
    with (
        running(tmp_path / "archive") as there,
        process(tmp_path / "storage", "--forward-to", there.url, *credentials(tmp_path, there)) as (
            _,
            server,
        ),
    ):
        wait_until(lambda: len(there.files()) == 1)
        server.terminate()
        assert server.wait(60) == 0
        assert (there.storage / there.files()[0]).read_bytes() == instance


def credentials(folder: Path, there: Endpoint) -> tuple[str, str]:
    """Write the file with the archive's Authorization header."""
    secret = folder / "authorization"
    secret.write_text(f"Bearer {there.token}\n")
    return "--forward-authorization", str(secret)


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[str]:
    """Run a real Orthanc with its DICOMweb plug-in (Debian: orthanc, orthanc-dicomweb)."""
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    plugins = Path("/usr/share/orthanc/plugins")
    if program is None or not list(plugins.glob("libOrthancDicomWeb*")):
        pytest.skip("needs Debian's orthanc and orthanc-dicomweb")
    port = free_port()
    settings = {
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "Plugins": [str(plugins)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (tmp_path / "orthanc").mkdir()
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    with subprocess.Popen(
        [program, str(tmp_path / "orthanc.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        url = f"http://127.0.0.1:{port}/"

        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(url + "system").status_code == 200
            return False

        try:
            wait_until(ready)
            yield url
        finally:
            server.kill()


def test_a_real_archive_has_it_pixel_for_pixel(orthanc: str, tmp_path: Path) -> None:
    """Orthanc stores what is forwarded, and gives it back by WADO-RS as it was."""
    instances = [make_instance(study="2.25.77") for _ in range(3)]
    with process(tmp_path / "storage", "--forward-to", orthanc + "dicom-web") as (endpoint, _):
        assert endpoint.store_instances(*instances).status_code == 200
        wait_until(lambda: len(httpx.get(orthanc + "instances", timeout=30).json()) == 3)
        assert main(["outbox", "list", "--storage", str(tmp_path / "storage")]) == 0
    accept = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    answer = httpx.get(orthanc + "dicom-web/studies/2.25.77", headers=accept, timeout=30)
    for instance in instances:
        assert instance[-256:] in answer.content
