"""Firefox ESR and WebKitGTK, as Debian ships them, by the commands of W3C WebDriver.

Playwright drives browsers that it built itself, or a Firefox newer than the ESR. Both of these know the
commands of WebDriver: WebKit's driver over HTTP, Firefox by itself over Marionette (where geckodriver, which
Debian does not have, would pass them on).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from PIL import Image

from ports import free_port

Found = TypeVar("Found")
WAIT = 120.0  # s: the machine may be busy
SIZE = (1280, 900)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver, section 12
_ENTER = "\ue007"
#: Command -> path for WebKit's driver. Marionette takes the same parameters.
_PATHS = {
    "Navigate": "url",
    "SetTimeouts": "timeouts",
    "SetWindowRect": "window/rect",
    "FindElement": "element",
    "ElementSendKeys": "element/{id}/value",
    "ExecuteScript": "execute/sync",
    "ExecuteAsyncScript": "execute/async",
}
#: From now on; and of what happens before a page has loaded, what keeps it from working shows in its state.
_LISTEN = """if (window.heard) return; window.heard = [];
    const hear = (name, tell) => addEventListener(name, (event) => heard.push(name + ": " + tell(event)));
    hear("error", (e) => e.message ?? e.target.src);
    hear("unhandledrejection", (e) => e.reason);
    hear("securitypolicyviolation", (e) => e.effectiveDirective + " " + e.blockedURI);"""
#: Errors of pages and their workers that Firefox put into its own console, warnings not among them.
_CONSOLE = """return Services.console.getMessageArray()
    .filter((m) => m instanceof Ci.nsIScriptError && !(m.flags & m.warningFlag))
    .filter((m) => m.sourceName.startsWith(arguments[0]) || m.sourceName.startsWith("blob:"))
    .map((m) => `${m.sourceName}: ${m.errorMessage}`);"""
#: Made on purpose, to see that a policy is there.
_PROBES = ("blocked a JavaScript eval", "at data:text/javascript,", "script-src eval")


class Send(Protocol):
    """Sends a command of WebDriver, and returns the value of the answer."""

    def __call__(self, command: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
        """Raise WebDriverError where the browser answers that it cannot."""


class WebDriverError(Exception):
    """What a browser answers instead of doing it."""


class Driver:
    """A browser with one window."""

    def __init__(self, send: Send, downloads: Path, picture: Callable[[Path], None] | None = None) -> None:
        self._send = send
        self._downloads = downloads
        self._address = ""
        #: Keep what is on the screen in a file.
        self.picture = picture
        ms = int(WAIT * 1000)
        send("SetTimeouts", script=ms, pageLoad=ms, implicit=0)
        send("SetWindowRect", x=0, y=0, width=SIZE[0], height=SIZE[1])

    def open(self, url: str) -> None:
        """Go to an address."""
        self._address = url
        self._send("Navigate", url=url)
        self.run(_LISTEN)

    def _find(self, name: str) -> object:
        found = self._send("FindElement", using="css selector", value=f'[data-testid="{name}"]')
        return found[_ELEMENT]

    def press(self, name: str) -> None:
        """Press what has this test id by Enter: clicks go astray when WebKit's browser shows a bar."""
        self.type(name, _ENTER)

    def type(self, name: str, text: str) -> None:
        """Type into what has this test id; into a file input go paths, one a line."""
        self._send("ElementSendKeys", id=self._find(name), text=text)

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON
        """Return what the body of a function returns in the page."""
        return self._send("ExecuteScript", script=script, args=list(arguments))

    def run_async(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON
        """Return what the body of a function calls its last argument with."""
        return self._send("ExecuteAsyncScript", script=script, args=list(arguments))

    def until(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON
        """Return what a body returns as soon as that is true."""
        try:
            return _soon(lambda: self.run(script, *arguments) or None, f"{script} {arguments}")
        except TimeoutError as error:
            said = self.run("return document.body.innerText")
            raise TimeoutError(f"{error}; {self.complaints()}; the page says: {said}") from None

    def state(self, name: str) -> None:
        """Wait until the page is in a state."""
        self.until(
            "return document.querySelector('[data-testid=status]')?.dataset.state === arguments[0]", name
        )

    def complaints(self) -> list[str]:
        """Return the errors of the page since it was loaded."""
        return _unexpected(self.run("return window.heard.splice(0)"))

    def download(self) -> bytes:
        """Wait for the ZIP that is saved; take it away."""

        def look() -> Path | None:
            return next(
                filter(zipfile.is_zipfile, self._downloads.iterdir()), None
            )  # its end is written last

        file = _soon(look, "nothing was saved")
        content = file.read_bytes()
        file.unlink()
        return content


def _unexpected(complaints: list[str]) -> list[str]:
    return [line for line in complaints if not any(probe in line for probe in _PROBES)]


def _soon(look: Callable[[], Found | None], what: str) -> Found:
    end = time.monotonic() + WAIT
    while (found := look()) is None:
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def _started(
    *command: str | Path, environment: dict[str, str] | None = None, keep: tuple[int, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for as long as the block; what it started ends with it."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | (environment or {}),
        pass_fds=keep,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def firefox(program: str, folder: Path) -> Iterator[Driver]:
    """Start Firefox without a screen, with a fresh profile in an empty folder."""
    profile, downloads = folder / "profile", folder / "downloads"
    for made in (profile, downloads):
        made.mkdir()
    preferences = {
        "marionette.port": 0,  # any that is free
        "browser.download.folderList": 2,
        "browser.download.dir": str(downloads),
        "browser.download.alwaysOpenPanel": False,  # it would take the keys of the next test
        "browser.shell.checkDefaultBrowser": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "intl.accept_languages": "en-US",
    }
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    switches = ("--headless", "--no-remote", "--marionette", "--remote-allow-system-access")
    with _started(program, *switches, "--profile", profile, environment={"HOME": str(folder)}) as process:
        port = profile / "MarionetteActivePort"

        def listening() -> str | None:
            if process.poll() is not None:
                raise WebDriverError("Firefox ended")
            return port.read_text() or None if port.exists() else None

        where = ("127.0.0.1", int(_soon(listening, "Firefox does not start")))
        with (
            socket.create_connection(where, timeout=WAIT) as connection,
            connection.makefile("rb") as answers,
        ):

            def answer() -> Any:  # noqa: ANN401 - JSON
                length = b""
                while (byte := answers.read(1)) != b":":
                    if not byte:
                        raise WebDriverError("Firefox ended")
                    length += byte
                return json.loads(answers.read(int(length)))

            def send(command: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
                name = command if ":" in command else f"WebDriver:{command}"
                message = json.dumps([0, 1, name, parameters]).encode()
                connection.sendall(b"%d:%b" % (len(message), message))
                _, _, error, found = answer()
                if error:
                    raise WebDriverError(f"{command}: {error['error']}: {error['message']}")
                return found["value"] if found.keys() == {"value"} else found

            answer()  # it says what it is
            send("NewSession")
            yield _Firefox(send, downloads)


class _Firefox(Driver):
    """Firefox tells what is in its console."""

    def complaints(self) -> list[str]:
        """Return the errors of the page and its workers since the last call."""
        self._send("Marionette:SetContext", value="chrome")
        found: list[str] = self.run(_CONSOLE, self._address)
        self.run("Services.console.reset()")
        self._send("Marionette:SetContext", value="content")
        return _unexpected(found)


@contextlib.contextmanager
def webkit(program: str, browser: Path, folder: Path) -> Iterator[Driver]:
    """Start WebKit's driver and its browser on a screen of memory; an empty folder is its home."""
    downloads, screen = folder / "downloads", folder / "screen"
    for made in (downloads, screen, folder / ".config"):
        made.mkdir()
    (folder / ".config/user-dirs.dirs").write_text(f'XDG_DOWNLOAD_DIR="{downloads}"\n', encoding="utf-8")
    told, tells = os.pipe()
    depth = f"{SIZE[0]}x{SIZE[1]}x24"
    port = free_port()
    with (
        contextlib.ExitStack() as stack,
        contextlib.closing(os.fdopen(told, "rb")) as number,
    ):
        x_server = ("Xvfb", "-displayfd", str(tells), "-screen", "0", depth, "-nolisten", "tcp")
        stack.enter_context(_started(*x_server, "-fbdir", screen, keep=(tells,)))
        os.close(tells)
        display = number.readline().decode().strip()
        if not display:
            raise WebDriverError("Xvfb ended")
        environment = {
            "DISPLAY": f":{display}",
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / ".config"),
            "LANG": "C.UTF-8",
            "LANGUAGE": "en",
            "GSETTINGS_BACKEND": "memory",
            "NO_AT_BRIDGE": "1",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "WEBKIT_DISABLE_DMABUF_RENDERER": "1",  # there is no graphics card
        }
        stack.enter_context(_started(program, f"--port={port}", environment=environment))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def request(method: str, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
            call = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), method=method
            )
            try:
                with opener.open(call, timeout=WAIT + 10) as answer:
                    return json.load(answer)["value"]
            except urllib.error.HTTPError as error:
                raise WebDriverError(f"{path}: {error.read().decode()}") from error

        def session() -> str | None:
            options = {"binary": str(browser), "args": ["--automation"]}
            try:
                wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
                found: str = request("POST", "/session", {"capabilities": wanted})["sessionId"]
            except urllib.error.URLError:  # it does not listen yet
                return None
            return found

        address = f"/session/{_soon(session, 'WebKit does not start')}"
        stack.callback(request, "DELETE", address, {})

        def send(command: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
            return request("POST", f"{address}/{_PATHS[command].format_map(parameters)}", parameters)

        yield Driver(send, downloads, lambda file: _picture(screen / "Xvfb_screen0", file))


def _picture(screen: Path, file: Path) -> None:
    """Keep what Xvfb shows, an XWD file: WebKit's driver hangs when it is asked for a picture."""
    data = screen.read_bytes()
    header = [int.from_bytes(data[at : at + 4]) for at in range(0, 100, 4)]
    width, height, stride = header[4], header[5], header[12]
    pixels = data[header[0] + 12 * header[19] :][: stride * height]
    Image.frombuffer("RGB", (width, height), pixels, "raw", "BGRX", stride, 1).save(file)


def find_firefox() -> str | None:
    """Return Debian's Firefox."""
    return shutil.which("firefox-esr")


def find_webkit() -> tuple[str, Path] | None:
    """Return WebKit's driver and the browser that it starts; None where these or Xvfb are missing."""
    driver = shutil.which("WebKitWebDriver")
    browser = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), None)
    return (driver, browser) if driver and browser and shutil.which("Xvfb") else None
