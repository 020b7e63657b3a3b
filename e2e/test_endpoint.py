"""From the page to endpoints: over HTTPS, on another origin, sealed there, and on to a real archive."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from e2e.journey import WAIT, clean, instances, open_files, payload, save, statuses
from playwright.sync_api import Browser, Page, expect

import builders
import environment

READY = '[data-testid="status"][data-state="empty"]'


class Endpoint(NamedTuple):
    """A receiver. `url` ends in "/"; `token` is empty after the first start."""

    url: str
    token: str
    storage: Path


Start = Callable[..., Endpoint]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start receivers with arguments of `dicomveil receive`."""
    running: list[subprocess.Popen[str]] = []

    def receive(*arguments: str | Path) -> Endpoint:
        storage = tmp_path / f"storage-{len(running)}"
        command = [environment.tool("dicomveil"), "receive", "--storage", storage, "--port", "0", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        running.append(process)
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        assert lines[1].startswith("http"), "the receiver did not start"
        return Endpoint(lines[1], lines[0].rpartition(" ")[2], storage)

    yield receive
    for process in running:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str | Path, ...]:
    """Make a certificate by a CA of this test; return the receiver's arguments."""
    issued = trustme.CA().issue_cert("localhost", "127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    return "--certificate", chain, "--key", key


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Open a page in a profile that takes the certificate of the test."""
    with contextlib.ExitStack() as contexts:

        def go(url: str) -> Page:
            context = browser.new_context(accept_downloads=True, ignore_https_errors=True, locale="en-US")
            contexts.callback(context.close)
            page = context.new_page()
            page.goto(url)
            page.locator(READY).wait_for(state="attached", timeout=WAIT)
            return page

        yield go


def free_port() -> int:
    """Return a port that nobody listens on."""
    with contextlib.closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def send_to(page: Page, endpoint: Endpoint) -> None:
    """Upload by the sheet that asks where to."""
    page.get_by_test_id("upload").click()
    page.get_by_test_id("endpoint").fill(endpoint.url)
    page.get_by_test_id("token").fill(endpoint.token)
    page.get_by_test_id("upload-send").click()
    expect(page.get_by_test_id("privacy")).to_have_attribute("data-phase", "sent", timeout=WAIT)


def test_the_whole_journey_over_https(
    start: Start, certificate: tuple[str | Path, ...], dist: Path, visit: Callable[[str], Page]
) -> None:
    """Page and upload by HTTPS, under HSTS: what was saved is what is stored."""
    endpoint = start(*certificate, "--page", dist, "--page-settings")
    page = visit(endpoint.url)
    open_files(page, [payload(builders.mr(number=number), f"{number}.dcm") for number in (1, 2)])
    clean(page)
    saved = instances(save(page))
    page.get_by_test_id("upload").click()
    expect(page.get_by_test_id("privacy")).to_have_attribute("data-phase", "sent", timeout=WAIT)
    assert statuses(page) == ["uploaded", "uploaded"]
    assert {path.read_bytes() for path in endpoint.storage.glob("*/*/*.dcm")} == set(saved.values())
    with urllib.request.urlopen(endpoint.url + "health", context=ssl._create_unverified_context()) as answer:  # noqa: S310, S323
        assert "max-age" in answer.headers["strict-transport-security"]


def test_an_endpoint_of_another_origin_seals_what_it_gets(
    start: Start,
    certificate: tuple[str | Path, ...],
    dist: Path,
    visit: Callable[[str], Page],
    tmp_path: Path,
) -> None:
    """CORS and the page's policy let exactly this one through; the private key restores what was saved."""
    key = tmp_path / "identity"
    identity: list[str | Path] = [environment.tool("dicomveil"), "receive", "identity", "--output", key]
    recipient = subprocess.run(identity, check=True, capture_output=True, text=True).stdout.strip()
    port = free_port()
    there = start(*certificate, "--seal-to", recipient, "--allow-origin", f"https://127.0.0.1:{port}")
    here = start(*certificate, "--page", dist, "--port", str(port), "--allow-endpoint", there.url.rstrip("/"))
    page = visit(here.url)
    open_files(page, [payload(builders.ct())])
    clean(page)
    saved = instances(save(page))
    send_to(page, there)
    assert list(there.storage.glob("*/*/*.dcm")) == []
    unseal: list[str | Path] = [
        environment.tool("dicomveil"),
        "receive",
        "unseal",
        "--storage",
        there.storage,
    ]
    subprocess.run(
        [*unseal, "--identity", key, "--output", tmp_path / "out"], check=True, capture_output=True
    )
    assert {path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm")} == set(saved.values())
    assert list(here.storage.glob("*/*/*")) == []


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[str]:
    """Run a real Orthanc with its DICOMweb plug-in (Debian: orthanc, orthanc-dicomweb)."""
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    plugins = Path("/usr/share/orthanc/plugins")
    if program is None or not list(plugins.glob("libOrthancDicomWeb*")):
        pytest.skip("needs Debian's orthanc and orthanc-dicomweb")
    port = free_port()
    (tmp_path / "orthanc").mkdir()
    settings = {
        "HttpPort": port,
        "DicomServerEnabled": False,
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "Plugins": [str(plugins)],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    with subprocess.Popen(
        [program, str(tmp_path / "orthanc.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        url = f"http://127.0.0.1:{port}/"
        wait_for(lambda: _answers(url + "system"))
        yield url
        server.kill()


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url):  # noqa: S310 - loopback
        return True
    return False


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def test_what_was_cleaned_is_in_the_archive(
    start: Start,
    certificate: tuple[str | Path, ...],
    dist: Path,
    visit: Callable[[str], Page],
    orthanc: str,
) -> None:
    """Page to endpoint to Orthanc, and back by WADO-RS: the same bytes, pixels and markers in them."""
    endpoint = start(*certificate, "--page", dist, "--page-settings", "--forward-to", orthanc + "dicom-web")
    page = visit(endpoint.url)
    open_files(page, [payload(builders.ct())])
    clean(page)
    (content,) = instances(save(page)).values()
    page.get_by_test_id("upload").click()
    expect(page.get_by_test_id("privacy")).to_have_attribute("data-phase", "sent", timeout=WAIT)

    def stored() -> list[str]:
        with urllib.request.urlopen(orthanc + "instances") as answer:  # noqa: S310 - loopback
            found: list[str] = json.load(answer)
            return found

    wait_for(lambda: len(stored()) == 1)
    (path,) = endpoint.storage.glob("*/*/*.dcm")
    url = f"{orthanc}dicom-web/studies/{path.parents[1].name}"
    accept = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    with urllib.request.urlopen(urllib.request.Request(url, headers=accept)) as answer:  # noqa: S310 - loopback
        assert content in answer.read()
