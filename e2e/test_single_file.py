"""dicomveil.html: the whole page in one file, opened from disk. It needs no network and reaches nobody."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from e2e.journey import (
    Sink,
    choose,
    clean,
    instances,
    open_files,
    payload,
    pydicom_file,
    read,
    rows,
    save,
    shown,
    state,
    until,
    workers,
)
from e2e.pictures import video
from e2e.test_trust import ATTEMPTS
from playwright.sync_api import BrowserContext, Error, Page, expect

import builders
from dicomveil import cli

READY = '[data-testid="status"][data-state="empty"]'
READY_TIMEOUT = 60_000  # ms: the machine may be busy
# Keeps this test's own worker from starting at all.
THE_OTHER_WALL = "; require-trusted-types-for 'script'; trusted-types default dicomveil"


def _open(page: Page, file: Path, query: str = "") -> None:
    page.goto(file.as_uri() + query)
    page.locator(READY).wait_for(state="attached", timeout=READY_TIMEOUT)


@pytest.fixture
def single(dist: Path, tmp_path: Path) -> Path:
    """The file alone, as somebody carries it along."""
    copy = tmp_path / "stick" / "dicomveil.html"
    copy.parent.mkdir()
    copy.write_bytes((dist / "dicomveil.html").read_bytes())
    return copy


@pytest.fixture
def requests(context: BrowserContext) -> list[str]:
    """Every request of the page and its workers, but for what they hold themselves."""
    seen: list[str] = []
    context.on("request", lambda request: seen.append(request.url))
    return seen


def _outside(requests: list[str]) -> list[str]:
    return [url for url in requests if not url.startswith(("blob:", "data:"))]


def test_the_journey_from_disk(
    single: Path, page: Page, context: BrowserContext, requests: list[str], tmp_path: Path
) -> None:
    """Without a network JPEG 2000 is shown, covered, cleaned and saved: the command line's very bytes."""
    image, other = pydicom_file("JPEG2000.dcm"), pydicom_file("CT_small.dcm")
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    ds = pydicom.dcmread(image)
    area = {"x": ds.Columns // 4, "y": ds.Rows // 4, "width": ds.Columns // 2, "height": ds.Rows // 4}
    redaction = {
        "select": {"sop_instance_uid": str(ds.SOPInstanceUID)},
        "shapes": [{"shape": "rectangle", **area}],
    }
    (tmp_path / "redact.json").write_text(json.dumps({"redactions": [redaction]}))
    output = tmp_path / "out"
    arguments = ["--output", output, "--key-file", key, "--redact", tmp_path / "redact.json"]
    cli.main(["clean", str(image), str(other), *map(str, arguments)])
    natively = {path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*.dcm")}

    context.set_offline(True)
    _open(page, single)
    page.get_by_test_id("settings").click()
    page.get_by_test_id("mode-key-file").check()
    page.get_by_test_id("key-file").set_input_files(key)
    page.get_by_test_id("settings-apply").click()
    open_files(page, [image, other])
    choose(page, "JPEG2000.dcm")
    shown(page)
    page.get_by_test_id("add-covering").click()
    clean(page)
    assert page.get_by_test_id("privacy").text_content() == "Nothing has left this computer"
    saved = instances(save(page))
    assert saved == natively
    assert len(natively) == 2
    covered = next(read(content) for content in saved.values() if read(content).Rows == ds.Rows)
    inside = np.s_[area["y"] : area["y"] + area["height"], area["x"] : area["x"] + area["width"]]
    assert np.ptp(covered.pixel_array[inside]) == 0
    assert np.ptp(ds.pixel_array[inside]) > 0
    assert _outside(requests) == [single.as_uri()]


def test_neither_page_nor_workers_reach_anybody(
    single: Path, page: Page, sink: Sink, complaints: list[str]
) -> None:
    """With a network, every way out that a script has is tried; a listening socket hears of none of them."""
    _open(page, single)
    open_files(page, [payload(builders.ct(number=number), f"{number}.dcm") for number in (1, 2, 3)])
    assert page.evaluate(ATTEMPTS, sink.url) == []
    for worker in workers(page):
        assert worker.evaluate(ATTEMPTS, sink.url) == []
    page.wait_for_timeout(500)
    assert sink.requests == 0
    assert any("connect-src 'none'" in complaint for complaint in complaints)
    complaints.clear()


def test_no_worker_is_made_of_anything_else(dist: Path, page: Page) -> None:
    """Only the page's own worker is one: an address that somebody else makes is refused."""
    _open(page, dist / "dicomveil.html")
    with pytest.raises(Error, match="not a script of this page"):
        page.evaluate("() => void new Worker(URL.createObjectURL(new Blob([''])))")


def test_a_worker_has_the_policy_of_the_page(single: Path, page: Page, complaints: list[str]) -> None:
    """A worker that is not sealed can neither connect nor load, nor make scripts of text."""
    text = single.read_text(encoding="utf-8")
    single.write_text(text.replace(THE_OTHER_WALL, "", 1), encoding="utf-8")
    assert THE_OTHER_WALL in text
    _open(page, single)
    tried = page.evaluate(
        """() => new Promise((tell) => {
          const script = `(async () => {
            const tried = {};
            const attempt = async (name, work) => {
              try { await work(); tried[name] = "done"; } catch { tried[name] = "refused"; }
            };
            await attempt("fetch", () => fetch("data:,x"));
            await attempt("import", () => importScripts("data:text/javascript,0"));
            await attempt("eval", () => eval("0"));
            await attempt("wasm", () => new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0])));
            postMessage(tried);
          })()`;
          const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
          new Worker(address).onmessage = ({ data }) => tell(data);
        })"""
    )
    assert tried == {"fetch": "refused", "import": "refused", "eval": "refused", "wasm": "done"}
    complaints.clear()


def test_without_its_policy_nothing_is_opened(single: Path, page: Page) -> None:
    """A copy that lost its policy says so and takes no file: neither the page nor a worker starts."""
    html = single.read_text("utf-8")
    bare, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    assert count == 1
    single.write_text(bare, "utf-8")
    page.goto(single.as_uri())
    state(page, "failed")
    expect(page.get_by_text("is not in force").first).to_be_visible()
    page.get_by_test_id("open-files").set_input_files([payload(builders.ct(), "a.dcm")])
    state(page, "review")
    assert [found.status for found in rows(page)] == ["refused"]
    assert rows(page)[0].code in {"boot-failed", "worker-crashed"}
    expect(page.get_by_test_id("clean")).to_be_disabled()


def test_a_changed_script_does_not_run(single: Path, page: Page, complaints: list[str]) -> None:
    """The policy names script and style by their hashes: a copy with one other byte stays dead."""
    html = single.read_text("utf-8")
    assert html.count("// main.js") == 1
    single.write_text(html.replace("// main.js", "// Main.js"), "utf-8")
    page.goto(single.as_uri())
    until(page, lambda: any("script-src" in complaint for complaint in complaints))
    page.wait_for_timeout(2000)
    assert page.workers == []
    assert page.get_by_test_id("status").get_attribute("data-state") != "empty"
    complaints.clear()


def test_it_offers_nothing_that_needs_a_server(single: Path, page: Page, dist: Path) -> None:
    """No upload, no service worker, no word of sending or of being kept; the build is that of assets.json."""
    build = hashlib.sha256((dist / "assets.json").read_bytes()).hexdigest()[:12]
    _open(page, single, "?lang=en")
    expect(page.get_by_test_id("build")).to_have_text(f"Build {build}.")
    open_files(page, [payload(builders.ct(), "a.dcm")])
    clean(page)
    expect(page.get_by_test_id("save")).to_be_visible()
    for name in ("upload", "upload-dialog", "pause", "receipt"):
        assert page.get_by_test_id(name).count() == 0, name
    assert page.get_by_test_id("offline").text_content() == ""
    expect(page.get_by_test_id("update")).to_be_hidden()
    assert page.evaluate("async () => (await caches.keys()).length") == 0
    html = single.read_text("utf-8")
    for module in ("output/stow.js", "sw.js", "serviceWorker.register", "XMLHttpRequest("):
        assert module not in html, module


def test_it_speaks_every_language(single: Path, page: Page) -> None:
    """The texts of each language are in the file, and say there that nothing can be sent."""
    _open(page, single, "?lang=de")
    expect(page.locator(".lead")).to_contain_text("kann nichts senden")
    for language, words in (
        ("fr", "ne peut rien envoyer"),
        ("es", "no puede enviar nada"),
        ("en", "can send nothing"),
    ):
        page.get_by_test_id("language").select_option(language)
        expect(page.locator(".lead")).to_contain_text(words)


def test_a_video_and_the_example_need_no_server(single: Path, page: Page, context: BrowserContext) -> None:
    """From disk, too, the example is made on the spot, and a video is read from its place in the file."""
    context.set_offline(True)
    _open(page, single)
    page.get_by_test_id("example").click()
    state(page, "review")
    assert {found.status for found in rows(page)} == {"ready", "attention"}
    page.get_by_test_id("start-over").click()
    player = page.get_by_test_id("video")
    if not player.evaluate("(v) => v.canPlayType('video/mp4; codecs=\"avc1.640028\"')"):
        pytest.skip("this browser does not play H.264")
    open_files(page, [video()])
    expect(player).to_have_js_property("readyState", 4, timeout=READY_TIMEOUT)
    assert player.evaluate("(v) => [v.videoWidth, v.videoHeight]") == [64, 48]
