"""Nothing leaves by accident: the policies that are served, and what page and workers reach under them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from e2e.journey import (
    PYDICOM_FILES,
    Server,
    Sink,
    clean,
    instances,
    open_files,
    payload,
    pydicom_file,
    row,
    rows,
    save,
    state,
    undisturbed,
    until,
    workers,
)
from playwright.sync_api import FilePayload, Page, Route, Worker, expect
from pydicom.dataset import Dataset

import builders
from dicomveil import cli

#: Every way out that a script has. Each is tried with the sink's address; none may connect.
ATTEMPTS = """
async (sink) => {
  const reached = [];
  const attempt = async (name, work) => {
    try {
      await Promise.race([work(), new Promise((_, no) => setTimeout(no, 1500))]);
      reached.push(name);
    } catch {}
  };
  const loaded = (target) => new Promise((yes, no) => {
    target.onload = target.onopen = yes;
    target.onerror = no;
  });
  const unknown = () => new Promise(() => {}); // only the sink can tell
  const socket = sink.replace("http", "ws");
  await attempt("fetch", () => fetch(sink, { mode: "no-cors" }));
  const post = { mode: "no-cors", method: "POST", body: "x", keepalive: true };
  await attempt("fetch keepalive", () => fetch(sink, post));
  await attempt("XMLHttpRequest", () => {
    const request = new XMLHttpRequest();
    request.open("POST", sink);
    request.send("x");
    return loaded(request);
  });
  await attempt("WebSocket", () => loaded(new WebSocket(socket)));
  await attempt("EventSource", () => loaded(new EventSource(sink)));
  await attempt("WebTransport", () => new WebTransport(sink.replace("http:", "https:")).ready);
  await attempt("RTCPeerConnection", async () => new RTCPeerConnection({ iceServers: [] }));
  await attempt("sendBeacon", () => navigator.sendBeacon(sink, "x") && unknown());
  await attempt("import", () => import(sink + "module.js"));
  await attempt("importScripts", () => importScripts(sink + "script.js"));
  await attempt("Worker", () => loaded(new Worker(sink + "worker.js")));
  await attempt("FontFace", () => new FontFace("f", `url(${sink}font.woff2)`).load());
  await attempt("cache", async () => (await caches.open("c")).add(sink));
  if (globalThis.document) {
    const add = (tag, properties) => {
      const element = Object.assign(document.createElement(tag), properties);
      document.body.append(element);
      return loaded(element);
    };
    await attempt("image", () => add("img", { src: sink + "i.png" }));
    await attempt("script", () => add("script", { src: sink + "s.js" }));
    await attempt("style", () => add("link", { rel: "stylesheet", href: sink + "s.css" }));
    await attempt("prefetch", () => add("link", { rel: "prefetch", href: sink + "p" }));
    await attempt("preload", () => add("link", { rel: "preload", as: "fetch", href: sink + "p" }));
    await attempt("frame", () => add("iframe", { src: sink + "f" }) && unknown());
    await attempt("object", () => add("object", { data: sink + "o" }));
    await attempt("video", () => add("video", { src: sink + "v", autoplay: true }));
    await attempt("form", () => {
      add("form", { action: sink, method: "post", target: "elsewhere" });
      document.forms[document.forms.length - 1].submit();
      return unknown();
    });
    await attempt("background", () => {
      document.body.style.backgroundImage = `url(${sink}b.png)`;
      return unknown();
    });
  }
  return reached;
}
"""


def test_the_policies_are_served(page: Page, server: Server) -> None:
    """The page may connect to its own origin only, a worker to nothing; neither may eval."""
    answer = page.goto(server.url)
    assert answer is not None
    policies = {"page": answer.headers["content-security-policy"]}
    for path in ("worker/worker.js", "worker/boot.js", "pyodide/pyodide.asm.mjs"):
        policies[path] = page.request.get(server.url + path).headers["content-security-policy"]
    for name, policy in policies.items():
        directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
        assert directives["default-src"] == "'none'"
        assert directives["script-src"] == "'self' 'wasm-unsafe-eval'"
        assert directives["require-trusted-types-for"] == "'script'"
        assert directives["connect-src"] == ("'self'" if name == "page" else "'none'"), name


def test_neither_page_nor_workers_reach_anybody_else(ready: Page, sink: Sink, complaints: list[str]) -> None:
    """Every way out that a script has is tried with files open; a listening socket hears of none of them."""
    open_files(ready, [payload(builders.ct(number=number), f"{number}.dcm") for number in (1, 2, 3)])
    assert ready.evaluate(ATTEMPTS, sink.url) == []
    for worker in workers(ready):
        assert worker.evaluate(ATTEMPTS, sink.url) == []
    ready.wait_for_timeout(500)
    # Chromium opens a connection ahead of the frame that the policy then stops; nothing is sent over it.
    assert sink.requests == 0
    assert complaints, "the browser reports what the policy stopped"
    complaints.clear()


def test_a_worker_reaches_not_even_its_own_origin(ready: Page, server: Server, complaints: list[str]) -> None:
    """After boot a worker has no means to send or store anything, and cannot get them back."""
    open_files(ready, [payload(builders.ct())])
    names = [
        "fetch",
        "XMLHttpRequest",
        "WebSocket",
        "EventSource",
        "importScripts",
        "Worker",
        "caches",
        "indexedDB",
    ]
    for worker in workers(ready):
        for name in names:
            assert worker.evaluate("(name) => typeof globalThis[name]", name) == "undefined", name
        assert worker.evaluate("() => Object.getPrototypeOf(globalThis).fetch === undefined") is True
        again = "(name) => { try { globalThis[name] = () => 0; } catch {} return typeof globalThis[name]; }"
        assert worker.evaluate(again, "fetch") == "undefined"
        assert (
            worker.evaluate("() => typeof navigator.sendBeacon + typeof navigator.storage")
            == "undefinedundefined"
        )
    complaints.clear()


def test_without_an_upload_no_request_leaves_after_boot(ready: Page) -> None:
    """Opening, reviewing, cleaning and saving make no request at all, not even to the own origin."""
    workers(ready)
    expect(ready.get_by_test_id("offline")).to_have_attribute("data-ready", "yes")  # which asks for the build
    requests: list[str] = []
    ready.on("request", lambda request: requests.append(request.url))
    open_files(ready, [payload(builders.ct()), payload(builders.mr(number=2))])
    ready.get_by_test_id("tab-header").click()
    clean(ready)
    save(ready)
    assert [url for url in requests if not url.startswith("blob:")] == []


def test_nothing_of_a_patient_is_kept_or_told(ready: Page) -> None:
    """Console, address, cookies and storage hold nothing after a whole journey."""
    said: list[str] = []
    ready.on("console", lambda message: said.append(message.text))
    open_files(ready, [payload(builders.ct(), "Zwicklhuber.dcm"), payload(builders.sr(), "Quirina.dcm")])
    clean(ready)
    save(ready)
    stored = ready.evaluate(
        """async () => JSON.stringify([
          {...localStorage}, {...sessionStorage}, document.cookie, location.href, history.state,
          document.title, (await indexedDB.databases()).length, window.name,
        ])"""
    )
    assert json.loads(stored)[-2:] == [0, ""]
    for text in (*said, stored):
        assert not any(secret in text for secret in builders.PATIENT.secrets())


def test_a_worker_that_dies_fails_only_its_file(ready: Page) -> None:
    """The worker ends in the middle of one file: that one is refused, the others are cleaned."""
    poison = builders.ct(number=99)
    poison.PixelData = bytes(7000)
    poison.Rows, poison.Columns = 50, 70
    content = builders.encode(poison)
    for worker in workers(ready):
        worker.evaluate(DIE_AT, len(content))
    files = [payload(builders.ct(number=number), f"{number}.dcm") for number in range(1, 9)]
    bad: FilePayload = {"name": "bad.dcm", "mimeType": "application/dicom", "buffer": content}
    open_files(ready, [*files[:4], bad, *files[4:]])
    expect(row(ready, "bad.dcm")).to_have_attribute("data-code", "worker-crashed")
    assert [found.status for found in rows(ready)].count("ready") == len(files)
    clean(ready)
    assert len(instances(save(ready))) == len(files)
    workers(ready)


#: Let a worker end for good while it reads the file of a given size: as a crash, without a word to the page.
DIE_AT = """
(size) => {
  const { get } = Object.getOwnPropertyDescriptor(Blob.prototype, "size");
  Object.defineProperty(Blob.prototype, "size", {
    configurable: true,
    get() {
      if (get.call(this) === size) { self.postMessage = () => {}; self.close(); throw new Error(); }
      return get.call(this);
    },
  });
}
"""
#: Let a worker hang at that file.
HANG_AT = """
(size) => {
  const property = Object.getOwnPropertyDescriptor(Blob.prototype, "size");
  self.calm = () => Object.defineProperty(Blob.prototype, "size", property);
  Object.defineProperty(Blob.prototype, "size", {
    configurable: true,
    get() {
      if (property.get.call(this) === size) for (;;) {}
      return property.get.call(this);
    },
  });
}
"""


def test_cancel_stops_cleaning_at_once(ready: Page) -> None:
    """Cancel leads back to review within a second, although a worker hangs; then all can go on."""
    hanging = builders.ct(number=50)
    hanging.PixelData = bytes(7000)
    hanging.Rows, hanging.Columns = 50, 70
    content = builders.encode(hanging)
    files = [payload(builders.ct(number=number), f"{number}.dcm") for number in range(1, 7)]
    bad: FilePayload = {"name": "bad.dcm", "mimeType": "application/dicom", "buffer": content}
    open_files(ready, [*files, bad])
    ended: list[Worker] = []
    for worker in undisturbed(ready):
        worker.on("close", lambda worker: ended.append(worker))  # noqa: PLW0108 - Playwright writes on it
        worker.evaluate(HANG_AT, len(content))
    ready.get_by_test_id("clean").click()
    # Before the one that hangs is given up (30 s): those that wait behind it are done by another worker.
    expect(ready.get_by_test_id("status")).to_have_attribute("data-done", str(len(files)), timeout=20_000)
    took = ready.evaluate(
        """() => new Promise((done) => {
          const status = document.querySelector("[data-testid=status]");
          const start = performance.now();
          new MutationObserver(() => {
            if (status.dataset.state === "review") done(performance.now() - start);
          }).observe(status, { attributes: true });
          document.querySelector("[data-testid=cancel]").click();
        })"""
    )
    assert took < 1000
    assert {found.status for found in rows(ready)} == {"ready"}
    until(ready, lambda: ended)  # the one that hung has been replaced
    for worker in workers(ready):
        worker.evaluate("() => self.calm?.()")
    clean(ready)
    assert {found.status for found in rows(ready)} == {"clean"}


#: Let a worker take two seconds for the file of a given size.
SLOW_AT = """
(size) => {
  const property = Object.getOwnPropertyDescriptor(Blob.prototype, "size");
  Object.defineProperty(Blob.prototype, "size", {
    configurable: true,
    get() {
      const found = property.get.call(this);
      for (const end = Date.now() + 2000; found === size && !self.late && Date.now() < end; );
      self.late ||= found === size;
      return found;
    },
  });
}
"""


def test_what_waits_behind_slow_files_is_done_by_whoever_is_free(ready: Page) -> None:
    """One worker hangs, the other is slow at first: all other files are done before the first is given up."""
    sizes = []
    strange: list[FilePayload] = []
    for number, (rows_, columns) in enumerate(((50, 70), (50, 80)), 50):
        ds = builders.ct(number=number)
        ds.PixelData, ds.Rows, ds.Columns = bytes(2 * rows_ * columns), rows_, columns
        strange.append(payload(ds, f"{number}.dcm"))
        sizes.append(len(builders.encode(ds)))
    files = [payload(builders.ct(number=number), f"{number}.dcm") for number in range(1, 7)]
    open_files(ready, [*strange, *files])
    for worker in undisturbed(ready):
        worker.evaluate(HANG_AT, sizes[0])
        worker.evaluate(SLOW_AT, sizes[1])
    ready.get_by_test_id("clean").click()
    done = str(len(files) + 1)
    expect(ready.get_by_test_id("status")).to_have_attribute("data-done", done, timeout=25_000)
    ready.get_by_test_id("cancel").click()
    state(ready, "review")


def test_a_worker_whose_memory_has_grown_is_replaced_between_files(page: Page, server: Server) -> None:
    """With a limit that every worker is above, others take over, and every file comes out clean."""

    def small(route: Route) -> None:
        answer = route.fetch()
        script = answer.text()
        assert script.count("2 ** 30") == 1
        route.fulfill(response=answer, body=script.replace("2 ** 30", "2 ** 20"))

    page.route("**/worker/worker.js", small)
    began: list[Worker] = []
    page.on("worker", lambda worker: began.append(worker))  # noqa: PLW0108 - Playwright marks it
    page.goto(server.url)
    state(page, "empty")
    open_files(page, [payload(builders.ct(number=number), f"{number}.dcm") for number in range(1, 9)])
    clean(page)
    assert {(found.status, found.code) for found in rows(page)} == {("clean", None)}
    assert len(began) > len(workers(page))


def test_cancel_while_reading_keeps_what_was_read(ready: Page) -> None:
    """What was read before stays in the list; the rest is forgotten."""
    hanging = builders.encode(builders.ct(number=50)) + bytes(2)
    for worker in workers(ready):
        worker.evaluate(HANG_AT, len(hanging))
    files = [payload(builders.ct(number=number), f"{number}.dcm") for number in range(1, 4)]
    bad: FilePayload = {"name": "bad.dcm", "mimeType": "application/dicom", "buffer": hanging}
    ready.get_by_test_id("open-files").set_input_files([*files, bad])
    expect(ready.get_by_test_id("status")).to_have_attribute("data-done", str(len(files)), timeout=30_000)
    ready.get_by_test_id("cancel").click()
    state(ready, "review")
    assert [found.status for found in rows(ready)] == ["ready"] * len(files)


def _key_file(page: Page, key: Path) -> None:
    page.get_by_test_id("settings").click()
    page.get_by_test_id("mode-key-file").check()
    page.get_by_test_id("key-file").set_input_files(key)
    page.get_by_test_id("settings-apply").click()
    expect(page.get_by_test_id("settings-dialog")).to_be_hidden()


def _natively(files: list[Path], key: Path, output: Path, *more: str) -> dict[str, bytes]:
    cli.main(["clean", *map(str, files), "--output", str(output), "--key-file", str(key), *more])
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*.dcm")}


@pytest.fixture
def corpus(tmp_path: Path) -> list[Path]:
    """Files of pydicom and of every builder, in every native transfer syntax."""
    files = [pydicom_file(name) for name in PYDICOM_FILES]
    folder = tmp_path / "built"
    folder.mkdir()
    made: list[tuple[str, Dataset, str]] = []
    for number, (name, build) in enumerate(builders.BUILDERS.items(), 1):
        for place, syntax in enumerate(builders.NATIVE_SYNTAXES):
            made.append((f"{name}-{place}.dcm", build(builders.PATIENT, 10 * number + place), syntax))
    for file_name, ds, transfer_syntax in made:
        path = folder / file_name
        path.write_bytes(builders.encode(ds, transfer_syntax))
        files.append(path)
    return files


def test_browser_and_command_line_give_the_same_bytes(
    ready: Page, corpus: list[Path], tmp_path: Path
) -> None:
    """With the same key both clean the same files to the same names and the same bytes."""
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    natively = _natively(corpus, key, tmp_path / "out")
    assert len(natively) >= len(corpus) // 2
    _key_file(ready, key)
    open_files(ready, corpus)
    clean(ready)
    in_browser = instances(save(ready))
    assert sorted(in_browser) == sorted(natively)
    assert [name for name in natively if natively[name] != in_browser[name]] == []


def test_a_redaction_gives_the_same_bytes(ready: Page, tmp_path: Path) -> None:
    """A rectangle of the page and the same one in a file for the command line: one output."""
    ds = builders.sc()
    builders.pixels(ds, rows=40, columns=80, bits=8)
    path = tmp_path / "sc.dcm"
    path.write_bytes(builders.encode(ds))
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    shape = {"shape": "rectangle", "x": 20, "y": 10, "width": 40, "height": 10}
    request: dict[str, Any] = {
        "redactions": [{"select": {"sop_instance_uid": str(ds.SOPInstanceUID)}, "shapes": [shape]}]
    }
    (tmp_path / "redact.json").write_text(json.dumps(request))
    natively = _natively([path], key, tmp_path / "out", "--redact", str(tmp_path / "redact.json"))
    _key_file(ready, key)
    open_files(ready, [path])
    ready.get_by_test_id("add-covering").click()
    clean(ready)
    assert instances(save(ready)) == natively
    assert len(natively) == 1
