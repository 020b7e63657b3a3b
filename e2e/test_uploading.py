"""The uploader: few requests, tried again with patience, nothing twice, paused, and a receipt of it all."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from e2e.dicomweb import Answer, Line, OtherServer, breaking_line, other_server
from e2e.journey import (
    WAIT,
    clean,
    instances,
    open_files,
    payload,
    row,
    rows,
    save,
    secrets_in,
    state,
    statuses,
    until,
)
from playwright.sync_api import FilePayload, Page, expect

import builders
import environment


class Served(NamedTuple):
    """A receiver that serves the page (what conftest starts). `url` ends in "/"."""

    url: str
    storage: Path
    token: str


def files(count: int, size: int = 64) -> list[FilePayload]:
    """Return images of one series, with ``size`` rows and columns."""
    found = []
    for number in range(1, count + 1):
        ds = builders.mr(number=number)
        ds.Rows = ds.Columns = size
        ds.PixelData = bytes([number % 251]) * (2 * size * size)
        found.append(payload(ds, f"{number}.dcm"))
    return found


def finished(page: Page) -> None:
    """Wait until what was sent for the first time has ended, or a later sending has."""
    expect(page.get_by_test_id("privacy")).to_have_attribute(
        "data-phase", re.compile("^(sent|tried)$"), timeout=WAIT
    )
    expect(page.get_by_test_id("cancel")).to_be_hidden(timeout=WAIT)


def receipt(page: Page) -> list[dict[str, Any]]:
    """Save the receipt; return what it says of each file."""
    with page.expect_download(timeout=WAIT) as download:
        page.get_by_test_id("receipt").click()
    found = json.loads(download.value.path().read_bytes())
    assert found["dicomveil_receipt"] == 1
    entries: list[dict[str, Any]] = found["files"]
    return entries


def ask_to_send(page: Page, url: str, token: str) -> None:
    """Upload by the sheet that asks where to."""
    page.get_by_test_id("upload").click()
    page.get_by_test_id("endpoint").fill(url)
    page.get_by_test_id("token").fill(token)
    page.get_by_test_id("upload-send").click()


@pytest.fixture(scope="module")
def another() -> Iterator[OtherServer]:
    """A DICOMweb server that is none of ours."""
    with other_server() as server:
        yield server


@pytest.fixture
def other(another: OtherServer) -> OtherServer:
    """The same, as new."""
    another.begin()
    return another


@pytest.fixture(scope="module")
def asking(serve: Callable[..., Served], another: OtherServer) -> Served:
    """A receiver whose page asks where to send, and may send to either server."""
    return serve("--allow-endpoint", another.url.removesuffix("/dicom-web/"), asks=True)


@pytest.fixture
def cleaned(tab: Page, asking: Served, complaints: list[str]) -> Iterator[Callable[[int], Page]]:
    """Return what opens and cleans images in a page that may send to the other server."""

    def opened(count: int) -> Page:
        tab.goto(asking.url)
        state(tab, "empty")
        open_files(tab, files(count))
        clean(tab)
        return tab

    yield opened
    complaints.clear()  # the browser itself reports refused requests


def test_small_files_go_ten_to_a_request(cleaned: Callable[[int], Page], other: OtherServer) -> None:
    """25 files take three requests to a server of others; what it stores is what was saved."""
    page = cleaned(25)
    saved = instances(save(page))
    ask_to_send(page, other.url, "a-token")
    finished(page)
    assert sorted(len(request.uids) for request in other.requests) == [5, 10, 10]
    assert {request.authorization for request in other.requests} == {"Bearer a-token"}
    assert set(other.stored.values()) == set(saved.values())
    assert statuses(page) == ["uploaded"] * 25


def test_a_user_and_a_password_are_sent_as_such(cleaned: Callable[[int], Page], other: OtherServer) -> None:
    """What has a colon in it is no bearer token (RFC 6750), but what other servers ask for (RFC 7617)."""
    page = cleaned(1)
    ask_to_send(page, other.url, "Jörg:pässword")
    finished(page)
    assert [request.authorization for request in other.requests] == ["Basic SsO2cmc6cMOkc3N3b3Jk"]


#: Note all that the status says from now on.
SAID = """(status) => { globalThis.said = [];
  const what = { childList: true, characterData: true, subtree: true };
  new MutationObserver(() => said.push(status.textContent)).observe(status, what); }"""


@pytest.mark.parametrize("troubles", [(429, 502), (503, 504)])
def test_a_server_in_trouble_is_asked_again(
    cleaned: Callable[[int], Page], other: OtherServer, troubles: tuple[int, int]
) -> None:
    """The same files come again, after a while with jitter, and nobody has to do anything."""
    other.script = [Answer(status) for status in troubles]
    page = cleaned(2)
    page.get_by_test_id("status").evaluate(SAID)
    ask_to_send(page, other.url, "")
    finished(page)
    assert any("trying again" in text for text in page.evaluate("() => said"))
    assert statuses(page) == ["uploaded"] * 2
    times = [request.time for request in other.requests]
    assert len(times) == 3
    assert times[1] - times[0] >= 0.5
    assert times[2] - times[1] >= 1.0


def test_a_server_says_when_to_come_again(cleaned: Callable[[int], Page], other: OtherServer) -> None:
    """Retry-After is heeded."""
    other.script = [Answer(429, retry_after=3)]
    page = cleaned(1)
    ask_to_send(page, other.url, "")
    finished(page)
    first, second = (request.time for request in other.requests)
    assert 3.5 <= second - first < 30
    assert statuses(page) == ["uploaded"]


def test_a_request_that_is_too_large_is_halved(cleaned: Callable[[int], Page], other: OtherServer) -> None:
    """413 for ten at once: smaller requests bring them all."""
    other.most = 3
    page = cleaned(10)
    ask_to_send(page, other.url, "")
    finished(page)
    assert statuses(page) == ["uploaded"] * 10
    assert sum(len(request.uids) for request in other.requests if len(request.uids) <= 3) == 10


def test_a_file_that_a_server_chokes_on_is_found(cleaned: Callable[[int], Page], other: OtherServer) -> None:
    """A request that is refused as a whole is halved until one file is left; the others are stored."""
    page = cleaned(6)
    names = list(instances(save(page)))
    other.chokes = {names[2].rpartition("/")[2].removesuffix(".dcm")}
    ask_to_send(page, other.url, "")
    finished(page)
    assert statuses(page) == ["clean"] + ["uploaded"] * 5
    entries = receipt(page)
    assert [entry["code"] for entry in entries if entry["status"] == "failed"] == ["upload-failed"]
    assert {entry["sop_instance_uid"] for entry in entries if entry["status"] == "failed"} == other.chokes


def test_it_pauses_and_goes_on(cleaned: Callable[[int], Page], other: OtherServer) -> None:
    """While it is paused, no further request begins; rows say what is being sent."""
    other.always = Answer(held=True)
    page = cleaned(50)
    ask_to_send(page, other.url, "")
    sending = page.locator("[data-testid=files] [data-sending]")
    expect(sending).to_have_count(30)  # in three requests
    until(page, lambda: len(other.requests) == 3)
    page.get_by_test_id("pause").click()
    expect(page.get_by_test_id("status")).to_contain_text("Paused")
    other.let_go()
    expect(sending).to_have_count(0)
    page.wait_for_timeout(1000)
    assert len(other.requests) == 3
    page.get_by_test_id("pause").click()
    finished(page)
    assert statuses(page) == ["uploaded"] * 50
    assert len(other.requests) == 5


def test_an_upload_is_cancelled(cleaned: Callable[[int], Page], other: OtherServer) -> None:
    """What was confirmed counts as sent, the rest can be sent later, and nothing is sent meanwhile."""
    other.script, other.always = [Answer()], Answer(held=True)
    page = cleaned(50)
    ask_to_send(page, other.url, "")
    expect(page.locator("[data-testid=files] [data-status=uploaded]")).to_have_count(10)
    until(page, lambda: len(other.requests) == 4)  # three are under way
    page.get_by_test_id("cancel").click()
    finished(page)
    assert statuses(page) == ["clean"] * 40 + ["uploaded"] * 10
    other.always = Answer()
    other.let_go()
    page.wait_for_timeout(1000)
    assert len(other.requests) == 4
    ask_to_send(page, other.url, "")
    finished(page)
    assert statuses(page) == ["uploaded"] * 50


def test_an_address_that_the_policy_does_not_name_is_told(
    cleaned: Callable[[int], Page], other: OtherServer
) -> None:
    """The page's own policy stops it before anything leaves; there is no second try."""
    page = cleaned(1)
    ask_to_send(page, "https://127.0.0.1:1/", "")
    finished(page)
    expect(row(page, "1.dcm")).to_have_attribute("data-code", "upload-not-allowed")
    assert other.requests == []


def test_the_receipt_tells_what_was_sent(ready: Page, server: Served) -> None:
    """New UIDs, digests as they are stored, the endpoint's answers; no value and no name of an input."""
    open_files(ready, [payload(builders.ct(), "Kowalska.dcm"), payload(builders.mr(number=2), "scan.dcm")])
    clean(ready)
    saved = instances(save(ready))
    ready.get_by_test_id("upload").click()
    finished(ready)
    entries = receipt(ready)
    assert [entry["input"] for entry in entries] == [1, 2]
    assert all(entry["status"] == "stored" and entry["confirmed_by_digest"] for entry in entries)
    assert all(entry["answer"]["http_status"] == 200 for entry in entries)
    digests = {hashlib.sha256(content).hexdigest() for content in saved.values()}
    assert {entry["sha256"] for entry in entries} == digests
    stored = {entry["sop_instance_uid"]: entry["sha256"] for entry in entries}
    for path in server.storage.glob("*/*/*.dcm"):
        if path.stem in stored:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == stored.pop(path.stem)
    assert stored == {}
    text = json.dumps(entries)
    assert "Kowalska" not in text
    assert secrets_in([text.encode()]) == []


def test_large_blobs_are_digested_in_pieces(ready: Page) -> None:
    """The page's own SHA-256, for what is too large for the browser's, says the same for every length."""
    lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 57]
    script = """async (lengths) => {
      const { sha256OfBlob } = await import("/output/sha256.js");
      const found = [];
      for (const length of lengths) {
        const bytes = new Uint8Array(length).map((_, i) => (i * 7919 + length) & 255);
        found.push(await sha256OfBlob(new AbortController().signal, new Blob([bytes]), -1));
      }
      return found;
    }"""
    wanted = [
        hashlib.sha256(bytes((i * 7919 + length) & 255 for i in range(length))).hexdigest()
        for length in lengths
    ]
    assert ready.evaluate(script, lengths) == wanted


class Got:
    """What an endpoint of ours got since a test began."""

    def __init__(self, storage: Path) -> None:
        self._log = storage / ".dicomveil" / "audit.log"
        self._storage = storage
        self._lines = len(self._log.read_text().splitlines())
        self._files = set(storage.glob("*/*/*.dcm"))

    @property
    def uploads(self) -> list[dict[str, Any]]:
        """What its audit log says of each Store request."""
        whole, _, _ = self._log.read_text().rpartition("\n")  # behind it a line is being written
        lines = map(json.loads, whole.splitlines()[self._lines :])
        return [line for line in lines if line["event"] == "upload"]

    @property
    def instances(self) -> set[bytes]:
        """What it stored."""
        return {path.read_bytes() for path in set(self._storage.glob("*/*/*.dcm")) - self._files}


@pytest.fixture(scope="module")
def behind(serve: Callable[..., Served]) -> Iterator[tuple[Path, Line]]:
    """The storage of an endpoint of ours, and a line to it that may break."""
    served = serve()
    with breaking_line(served.url) as line:
        yield served.storage, line


@pytest.fixture
def line(behind: tuple[Path, Line], tab: Page, complaints: list[str]) -> Iterator[tuple[Got, Line]]:
    """What the endpoint gets, and the line to it, as new; the page is open."""
    storage, line = behind
    line.begin()
    tab.goto(line.url)
    state(tab, "empty")
    yield Got(storage), line
    complaints.clear()  # the browser itself reports what broke


def test_a_connection_that_breaks_midway_is_gone_on_from(tab: Page, line: tuple[Got, Line]) -> None:
    """What was stored before it broke is not sent again: the endpoint is asked, by digests."""
    got, wire = line
    open_files(tab, files(30, size=256))
    clean(tab)
    saved = instances(save(tab))
    wire.cut_after = 900_000  # six of ten files of 131 KB
    wire.then = "held"
    tab.get_by_test_id("upload").click()
    until(tab, lambda: any(len(said["stored"]) < 10 for said in got.uploads))
    wire.held = False  # the endpoint is asked when it has stored what arrived
    finished(tab)
    assert wire.cuts == 1
    assert statuses(tab) == ["uploaded"] * 30
    lines = got.uploads
    assert sum(len(said["stored"]) for said in lines) == 30
    assert [said["known"] for said in lines if said["known"]] == []
    assert got.instances == set(saved.values())
    again = [entry for entry in receipt(tab) if entry["status"] == "stored-before"]
    assert 1 <= len(again) < 10


def test_an_answer_that_is_lost_is_asked_for(tab: Page, line: tuple[Got, Line]) -> None:
    """Everything arrived, and nobody said so: nothing is sent twice."""
    got, wire = line
    open_files(tab, files(10))
    clean(tab)
    wire.cut_answers = 1
    tab.get_by_test_id("upload").click()
    finished(tab)
    assert wire.cuts == 1
    assert statuses(tab) == ["uploaded"] * 10
    assert [(len(said["stored"]), len(said["known"])) for said in got.uploads] == [(10, 0)]
    entries = receipt(tab)
    assert {entry["status"] for entry in entries} == {"stored-before"}
    assert all(entry["confirmed_by_digest"] for entry in entries)


def test_an_endpoint_that_is_away_for_a_while_is_waited_for(tab: Page, line: tuple[Got, Line]) -> None:
    """The line is down in the middle of it, and comes back: all is sent, without anybody's doing."""
    _, wire = line
    open_files(tab, files(40, size=256))
    clean(tab)
    wire.cut_after = 900_000  # of a request of 1.3 MB, when one of the four was answered
    wire.spares, wire.then = 1, "down"
    tab.get_by_test_id("upload").click()
    until(tab, lambda: wire.down)
    expect(tab.get_by_test_id("status")).to_contain_text("trying again")
    tab.wait_for_timeout(1500)
    wire.down = False
    finished(tab)
    assert statuses(tab) == ["uploaded"] * 40


def test_a_reload_sends_nothing_that_is_stored(tab: Page, line: tuple[Got, Line]) -> None:
    """With the same passphrase the same files are the same again: only what is new is sent."""
    got, wire = line
    for count in (12, 15):
        tab.goto(wire.url)
        state(tab, "empty")
        tab.get_by_test_id("settings").click()
        tab.get_by_test_id("mode-passphrase").check()
        tab.get_by_test_id("passphrase").fill("blaue Möwe 17")
        tab.get_by_test_id("settings-apply").click()
        expect(tab.get_by_test_id("settings-dialog")).to_be_hidden(timeout=WAIT)
        open_files(tab, files(count))
        clean(tab)
        tab.get_by_test_id("upload").click()
        finished(tab)
        assert statuses(tab) == ["uploaded"] * count
    lines = got.uploads
    assert sum(len(said["stored"]) for said in lines) == 15
    assert sum(len(said["known"]) for said in lines) == 0
    found = [entry["status"] for entry in receipt(tab)]
    assert (found.count("stored-before"), found.count("stored")) == (12, 3)


def test_a_token_revoked_midway_is_told_and_gone_on_with(
    tab: Page, asking: Served, complaints: list[str]
) -> None:
    """What was confirmed stays sent; the rest says why, and goes with another token."""
    got = Got(asking.storage)

    def token(*arguments: str) -> str:
        command = [environment.tool("dicomveil"), "receive", "token", *arguments, "--storage", asking.storage]
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
        return done.stdout.strip()

    with breaking_line(asking.url) as line:
        line.passes = 1  # of six requests, three at once
        tab.goto(line.url)
        state(tab, "empty")
        open_files(tab, files(60, size=256))
        clean(tab)
        ask_to_send(tab, line.url, token("add", "ward-7"))
        tab.locator("[data-testid=files] [data-status=uploaded]").first.wait_for(
            state="attached", timeout=WAIT
        )
        token("revoke", "ward-7")
        line.passes = None
        finished(tab)
        assert set(statuses(tab)) == {"clean", "uploaded"}
        assert {one.code for one in rows(tab) if one.status == "clean"} == {"upload-unauthorized"}
        ask_to_send(tab, line.url, token("add", "ward-8"))
        finished(tab)
        assert statuses(tab) == ["uploaded"] * 60
    assert sum(len(said["known"]) for said in got.uploads) == 0
    complaints.clear()
