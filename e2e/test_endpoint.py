"""From the page to endpoints: over HTTPS, on another origin, sealed there, to a real archive and on to it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import shutil
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from e2e.dicomweb import https_front
from e2e.journey import (
    WAIT,
    choose,
    clean,
    instances,
    open_files,
    payload,
    pydicom_file,
    read,
    row,
    save,
    shown,
    statuses,
)
from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright
from pydicom.dataset import Dataset

import browsers
import builders
import environment
from ports import free_port

READY = '[data-testid="status"][data-state="empty"]'


class Endpoint(NamedTuple):
    """A receiver. `url` ends in "/"; `token` is empty after the first start."""

    url: str
    token: str
    storage: Path
    process: subprocess.Popen[str] | None = None


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
        return Endpoint(lines[1], lines[0].rpartition(" ")[2], storage, process)

    yield receive
    for process in running:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The certificate authority of these tests."""
    return trustme.CA()


def arguments_for(issued: trustme.LeafCert, authority: trustme.CA, folder: Path) -> tuple[str | Path, ...]:
    """Write a certificate, with the authority's in its chain; return the receiver's arguments."""
    folder.mkdir(exist_ok=True)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(issued.cert_chain_pems[0].bytes() + authority.cert_pem.bytes())
    issued.private_key_pem.write_to_path(key)
    return "--certificate", chain, "--key", key


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> tuple[str | Path, ...]:
    """A certificate of the authority, as the receiver's arguments."""
    return arguments_for(authority.issue_cert("localhost", "127.0.0.1"), authority, tmp_path)


@pytest.fixture(scope="module")
def browser(authority: trustme.CA) -> Iterator[Browser]:
    """A browser that trusts the authority of these tests beside those it knows, and no other."""
    public = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).public_key()
    info = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(info).digest()).decode()
    options = browsers.launch_options(browsers.find())
    options["args"] = [*options["args"], f"--ignore-certificate-errors-spki-list={pin}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Open a page in a fresh profile."""
    with contextlib.ExitStack() as contexts:

        def go(url: str) -> Page:
            context = browser.new_context(accept_downloads=True, locale="en-US")
            contexts.callback(context.close)
            page = context.new_page()
            page.goto(url)
            page.locator(READY).wait_for(state="attached", timeout=WAIT)
            return page

        yield go


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


PAGE = "page:a secret of the page"


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[str]:
    """Run a real Orthanc with its DICOMweb plug-in (Debian: orthanc, orthanc-dicomweb), for one user."""
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    plugins = Path("/usr/share/orthanc/plugins")
    if program is None or not list(plugins.glob("libOrthancDicomWeb*")):
        pytest.skip("needs Debian's orthanc and orthanc-dicomweb")
    port = free_port()
    (tmp_path / "orthanc").mkdir()
    user, _, password = PAGE.partition(":")
    settings = {
        "HttpPort": port,
        "DicomServerEnabled": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {user: password},
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


def authorization() -> str:
    """Return the Authorization header of Orthanc's user."""
    return f"Basic {base64.b64encode(PAGE.encode()).decode()}"


def ask(url: str, accept: str = "*/*") -> Any:  # noqa: ANN401
    """Ask Orthanc."""
    headers = {"authorization": authorization(), "accept": accept}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30)  # noqa: S310 - loopback


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), ask(url):
        return True
    return False


def _trusted(url: str, context: ssl.SSLContext) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url + "health", timeout=30, context=context):  # noqa: S310 - loopback
        return True
    return False


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def retrieved(orthanc: str, study: str) -> dict[str, Dataset]:
    """Read a study back by WADO-RS (PS3.18, Section 10.4): SOP Instance UID -> instance."""
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    with ask(f"{orthanc}dicom-web/studies/{study}", accept) as answer:
        boundary = answer.headers.get_param("boundary").encode()
        body = answer.read()
    parts = [part.partition(b"\r\n\r\n")[2][:-2] for part in body.split(b"--" + boundary)[1:-1]]
    return {str(ds.SOPInstanceUID): ds for ds in map(read, parts)}


def same_image(there: Dataset, here: Dataset) -> None:
    """Compare pixels and markers of what an archive has with what was saved."""
    assert there.file_meta.TransferSyntaxUID == here.file_meta.TransferSyntaxUID
    assert (there.pixel_array == here.pixel_array).all()
    assert there.PixelData == here.PixelData
    assert there.PatientIdentityRemoved == "YES"
    for keyword in builders.MARKERS:
        assert there.get(keyword) == here.get(keyword), keyword
    assert len(there.DeidentificationMethodCodeSequence) > 1


def images() -> list[FilePayload]:
    """Return a study: a native image, and one in JPEG 2000."""
    compressed = pydicom_file("JPEG2000.dcm").read_bytes()
    return [
        payload(builders.ct()),
        {"name": "2000.dcm", "mimeType": "application/dicom", "buffer": compressed},
    ]


def cleaned(page: Page) -> dict[str, Dataset]:
    """Open and clean the study, confirming what needs a look; return what was saved."""
    open_files(page, images())
    choose(page, "2000.dcm")
    if page.get_by_test_id("confirm-pixels").is_visible():
        shown(page)
        page.get_by_test_id("confirm-pixels").click()
    clean(page)
    saved = {str(ds.SOPInstanceUID): ds for ds in map(read, instances(save(page)).values())}
    assert len(saved) == 2
    return saved


def all_there(orthanc: str, saved: dict[str, Dataset]) -> None:
    """Wait until the archive has everything, and compare it."""

    def found() -> bool:
        with ask(orthanc + "instances") as answer:
            return len(json.load(answer)) == len(saved)

    wait_for(found)
    for ds in saved.values():
        same_image(retrieved(orthanc, ds.StudyInstanceUID)[str(ds.SOPInstanceUID)], ds)


def test_what_was_cleaned_goes_on_to_the_archive(
    start: Start,
    authority: trustme.CA,
    certificate: tuple[str | Path, ...],
    dist: Path,
    visit: Callable[[str], Page],
    orthanc: str,
    tmp_path: Path,
) -> None:
    """Page to endpoint to Orthanc, by HTTPS all the way, and back by WADO-RS: the same pixels and markers."""
    secret, trusted = tmp_path / "authorization", tmp_path / "ca.pem"
    secret.write_text(authorization())
    authority.cert_pem.write_to_path(trusted)
    with https_front(orthanc, server_context(authority), "null") as archive:
        forwarding = ["--forward-to", archive + "dicom-web", "--forward-authorization", secret]
        endpoint = start(
            *certificate, "--page", dist, "--page-settings", *forwarding, "--forward-ca", trusted
        )
        page = visit(endpoint.url)
        saved = cleaned(page)
        page.get_by_test_id("upload").click()
        expect(page.get_by_test_id("privacy")).to_have_attribute("data-phase", "sent", timeout=WAIT)
        all_there(orthanc, saved)


@pytest.fixture
def archive(
    start: Start, authority: trustme.CA, certificate: tuple[str | Path, ...], dist: Path, orthanc: str
) -> Iterator[tuple[str, Endpoint]]:
    """Serve the page, and Orthanc behind HTTPS, named by its ``connect-src``; yield both."""
    port = free_port()
    with https_front(orthanc, server_context(authority), f"https://127.0.0.1:{port}") as there:
        named = ["--allow-endpoint", there.rstrip("/")]
        here = start(*certificate, "--page", dist, "--port", str(port), *named)
        yield here.url, Endpoint(there + "dicom-web/", PAGE, here.storage)


def test_the_page_sends_straight_to_an_archive(
    archive: tuple[str, Endpoint], visit: Callable[[str], Page], orthanc: str
) -> None:
    """Another DICOMweb server, named by ``connect-src``, with a user of its own: the same upload."""
    address, endpoint = archive
    page = visit(address)
    saved = cleaned(page)
    send_to(page, endpoint)
    assert statuses(page) == ["uploaded", "uploaded"]
    all_there(orthanc, saved)
    with page.expect_download() as download:
        page.get_by_test_id("receipt").click()
    entries = json.loads(download.value.path().read_bytes())["files"]
    assert {entry["sop_instance_uid"] for entry in entries} == saved.keys()
    assert {entry["status"] for entry in entries} == {"stored"}


def test_an_archive_takes_the_case(
    archive: tuple[str, Endpoint], visit: Callable[[str], Page], orthanc: str
) -> None:
    """The description of the case goes to any DICOMweb server: a document of the study, with its text."""
    address, endpoint = archive
    page = visit(address)
    open_files(page, images()[:1])
    clean(page)
    page.get_by_test_id("case").click()
    page.get_by_test_id("case-title").fill("Knoten der Lunge, größer")
    page.get_by_test_id("case-check").click()
    expect(page.get_by_test_id("case-dialog")).to_be_hidden(timeout=WAIT)
    saved = [read(content) for content in instances(save(page)).values()]
    send_to(page, endpoint)
    expect(page.get_by_test_id("privacy")).to_contain_text("1 cleaned file and the case", timeout=WAIT)
    there = retrieved(orthanc, saved[0].StudyInstanceUID)
    assert there.keys() == {str(ds.SOPInstanceUID) for ds in saved}
    (document,) = [ds for ds in there.values() if ds.Modality == "KO"]
    assert "Knoten der Lunge, größer" in document.ContentSequence[0].TextValue
    assert {str(ds.PatientID) for ds in there.values()} == {str(saved[0].PatientID)}


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    """Return the context of a server whose certificate is one of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    # The browser looks for the authority's key in the chain that it is shown.
    context.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    return context


def test_a_wrong_certificate_stops_the_upload_until_it_is_mended(
    start: Start,
    authority: trustme.CA,
    certificate: tuple[str | Path, ...],
    dist: Path,
    visit: Callable[[str], Page],
    tmp_path: Path,
) -> None:
    """An unknown authority: told, nothing sent; after the right certificate was read, all is sent."""
    port = free_port()
    unknown = trustme.CA()
    wrong = arguments_for(unknown.issue_cert("127.0.0.1"), unknown, tmp_path / "there")
    there = start(*wrong, "--allow-origin", f"https://127.0.0.1:{port}")
    here = start(*certificate, "--page", dist, "--port", str(port), "--allow-endpoint", there.url.rstrip("/"))
    page = visit(here.url)
    open_files(page, [payload(builders.ct())])
    clean(page)
    page.get_by_test_id("upload").click()
    page.get_by_test_id("endpoint").fill(there.url)
    page.get_by_test_id("token").fill(there.token)
    page.get_by_test_id("upload-send").click()
    expect(row(page, "image.dcm")).to_have_attribute("data-code", "upload-unreachable", timeout=WAIT)
    assert list(there.storage.glob("*/*/*.dcm")) == []
    arguments_for(authority.issue_cert("127.0.0.1"), authority, tmp_path / "there")
    assert there.process is not None
    there.process.send_signal(signal.SIGHUP)
    trusting = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    wait_for(lambda: _trusted(there.url, trusting))
    send_to(page, there)
    assert len(list(there.storage.glob("*/*/*.dcm"))) == 1
