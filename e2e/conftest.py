"""What end-to-end tests stand on: the built dist/, served by the real receiver, in a real Chromium."""

from __future__ import annotations

import contextlib
import functools
import http.server
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from e2e.journey import Plain
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    WebError,
    expect,
    sync_playwright,
)

import browsers
import places
import serving

SCREENSHOTS = places.CACHE / "screenshots"
READY = '[data-testid="status"][data-state="empty"]'
READY_TIMEOUT = 60_000  # ms: the machine may be busy
expect.set_options(timeout=READY_TIMEOUT)


class Server(NamedTuple):
    """A receiver that serves the page. `url` ends in "/"."""

    url: str
    storage: Path
    token: str


class Sink:
    """A listening socket that counts who connects to it, and who sends anything."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.connections = 0
        self.requests = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def _listen(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            with contextlib.suppress(OSError):
                self.requests += bool(connection.recv(1))

    def close(self) -> None:
        """Stop listening."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture(scope="session")
def dist() -> Path:
    """The built page."""
    if not (places.DIST / "index.html").is_file():
        pytest.fail("there is no dist/: python build.py build")
    return places.DIST


@pytest.fixture(scope="session")
def serve(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start receivers that serve the page; further arguments are those of `dicomveil receive`.

    Where one ``asks``, its page is not told where to send.
    """
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, folder: Path = dist, asks: bool = False) -> Server:
        storage = tmp_path_factory.mktemp("received")
        command = [*serving.receive_command(folder, storage, 0), *arguments]
        if asks:
            command.remove("--page-settings")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        running.append(process)
        assert process.stdout is not None
        told, address = (process.stdout.readline().strip() for _ in range(2))
        assert address.startswith("http"), "the receiver did not start"
        return Server(address, storage, told.rpartition(" ")[2])

    yield start
    for process in running:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def server(serve: Callable[..., Server]) -> Server:
    """The receiver that serves the page with its default settings. Tests share it."""
    return serve()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Nothing but files, and a policy that forbids nothing."""

    def end_headers(self) -> None:
        """Send a policy as some hosts do."""
        self.send_header("content-security-policy", "object-src 'none'")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def plain(dist: Path, tmp_path: Path) -> Iterator[Plain]:
    """A plain web server with a copy of dist/."""
    folder = tmp_path / "site"
    shutil.copytree(dist, folder)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    yield Plain(f"http://127.0.0.1:{server.server_address[1]}/", folder, stop)
    stop()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A place that nothing may ever connect to."""
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Of a module, not the session: Playwright's event loop is in the way of other tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**browsers.launch_options(browsers.find()))
        yield browser
        browser.close()


def _profile(browser: Browser) -> BrowserContext:
    return browser.new_context(accept_downloads=True, locale="en-US", viewport={"width": 1280, "height": 800})


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile."""
    context = _profile(browser)
    yield context
    context.close()


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A profile that tests share: from the second on they visit a page that is kept for offline use."""
    context = _profile(browser)
    yield context
    context.close()


@pytest.fixture
def complaints() -> list[str]:
    """Console errors and uncaught errors of the page. A test that expects some removes them."""
    return []


@contextlib.contextmanager
def _watched(
    context: BrowserContext, complaints: list[str], request: pytest.FixtureRequest
) -> Iterator[Page]:
    """Open a page that must not complain: a console error (a CSP violation is one) fails the test."""

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text}")

    def on_error(error: WebError) -> None:
        complaints.append(f"uncaught: {error.error}")

    context.on("console", on_console)
    context.on("weberror", on_error)
    page = context.new_page()
    failed = request.session.testsfailed
    yield page
    if request.session.testsfailed > failed or complaints:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{request.node.name}.png")
    page.close()
    context.remove_listener("console", on_console)
    context.remove_listener("weberror", on_error)
    assert complaints == []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str], request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a fresh profile."""
    with _watched(context, complaints, request) as page:
        yield page


@pytest.fixture
def tab(visitor: BrowserContext, complaints: list[str], request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the profile that tests share."""
    with _watched(visitor, complaints, request) as page:
        yield page


@pytest.fixture
def ready(tab: Page, server: Server) -> Page:
    """The page, open and ready for files."""
    tab.goto(server.url)
    tab.locator(READY).wait_for(state="attached", timeout=READY_TIMEOUT)
    return tab
