"""Which packages the browser gets: resolved by micropip in Pyodide under Node, frozen in browser-lock.json.

Every build resolves again, from an index that holds only the frozen files, and must come to the same answer;
`update_lock` resolves from the configured package index and writes a new one.
"""

from __future__ import annotations

import http.server
import json
import tempfile
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import environment
import fetching
from places import CACHE, HERE, NODE_MODULES, ROOT, BuildError, say

LOCK = HERE / "browser-lock.json"
PYODIDE = NODE_MODULES / "pyodide"
CDN_TIMEOUT = 5.0

# A wheel on the package index that carries Pyodide's own wheels, for machines that reach only the index.
CARRIER = ("open-webui", "open_webui-0.12.4-py3-none-any.whl", 106_366_595)
CARRIER_FOLDER = "open_webui/frontend/pyodide/"


class Pin(NamedTuple):
    """A wheel, by name, version and hash. `depends` are names of other pins."""

    name: str
    version: str
    file_name: str
    sha256: str
    depends: tuple[str, ...]


def _official() -> dict[str, Pin]:
    """Read Pyodide's own lock file, which came from npm by integrity hash."""
    packages = json.loads((PYODIDE / "pyodide-lock.json").read_text())["packages"]
    return {
        name: Pin(name, entry["version"], entry["file_name"], entry["sha256"], tuple(entry["depends"]))
        for name, entry in packages.items()
    }


def pyodide_version() -> str:
    """Return the version of Pyodide that package-lock.json pins."""
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    version: str = packages["node_modules/pyodide"]["version"]
    return version


def read_lock() -> dict[str, Pin]:
    """Read browser-lock.json."""
    entries = json.loads(LOCK.read_text())["packages"]
    return {
        name: Pin(**{**entry, "name": name, "depends": tuple(entry["depends"])})
        for name, entry in entries.items()
    }


def wheel(pin: Pin) -> bytes:
    """Return a wheel's bytes. One of Pyodide's own must have the hash that Pyodide publishes.

    Raises:
        BuildError: it has another, or no origin has the file.
    """
    official = _official().get(pin.name)
    if official is None:
        origins = [fetching.from_index(pin.name, pin.file_name)]
    else:
        if (official.file_name, official.sha256) != (pin.file_name, pin.sha256):
            raise BuildError(
                f"browser-lock.json and the official pyodide-lock.json disagree on {pin.name}: refused."
            )
        cdn = f"https://cdn.jsdelivr.net/pyodide/v{pyodide_version()}/full/{pin.file_name}"
        project, carrier, size = CARRIER
        origins = [
            fetching.from_url("Pyodide's CDN", cdn, timeout=CDN_TIMEOUT),
            fetching.from_wheel_entry(project, carrier, CARRIER_FOLDER + pin.file_name, size),
        ]
    return fetching.fetch(pin.file_name, pin.sha256, origins)


def requirements() -> list[str]:
    """Return what pyproject.toml says the core and the pixel extra need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["pixels"]]


Answer = tuple[str, bytes]  # Content-Type, body
Answerer = Callable[[str, str], Answer]  # of the index's own address and the path asked for


@contextmanager
def _index(answer: Answerer) -> Iterator[str]:
    """Serve a package index on loopback; yield its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with a page of files or with a file."""
            try:
                kind, body = answer(f"http://{self.headers['Host']}", self.path)
            except (LookupError, OSError):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Keep the terminal for the build."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _frozen_index(pins: Mapping[str, Pin]) -> Answerer:
    """Answer as an index that has only the pinned files."""
    files = {pin.file_name: pin for pin in pins.values()}

    def answer(address: str, path: str) -> Answer:
        last = path.strip("/").rpartition("/")[2]
        if last in files:
            return "application/octet-stream", wheel(files[last])
        pin = pins[last]
        url = f"{address}/{pin.file_name}"
        listed = {"filename": pin.file_name, "url": url, "hashes": {"sha256": pin.sha256}}
        page = {"meta": {"api-version": "1.0"}, "name": last, "files": [listed]}
        return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()

    return answer


def _configured_index(_: str, path: str) -> Answer:
    """Answer with what the configured package indexes list; the files' addresses are theirs."""
    project = path.strip("/")
    files = []
    for name, url in fetching.index_files(project):
        address, _, fragment = url.partition("#")
        hashes = {"sha256": fragment.removeprefix("sha256=")} if fragment else {}
        files.append({"filename": name, "url": address, "hashes": hashes})
    page = {"meta": {"api-version": "1.0"}, "name": project, "files": files}
    return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()


def _resolve(node: Path, answer: Answerer) -> dict[str, Pin]:
    """Let micropip resolve the requirements from an index."""
    official = _official()
    with tempfile.TemporaryDirectory(dir=CACHE) as folder, _index(answer) as address:
        wheels = Path(folder) / "wheels"
        wheels.mkdir()
        for name in ("micropip", "numpy"):
            (wheels / official[name].file_name).write_bytes(wheel(official[name]))
        output = Path(folder) / "frozen.json"
        script = HERE / "resolve.mjs"
        environment.run(
            [node, script, PYODIDE, wheels, f"{address}/", json.dumps(requirements()), output],
            cwd=Path(folder),
        )
        result = json.loads(output.read_text())
    frozen = result["frozen"]["packages"]
    return {
        name: Pin(
            name,
            frozen[name]["version"],
            frozen[name]["file_name"].rpartition("/")[2],
            frozen[name]["sha256"],
            tuple(sorted(frozen[name]["depends"])),
        )
        for name in sorted(result["installed"])
        if name != "micropip"
    }


def check_lock(node: Path) -> dict[str, Pin]:
    """Resolve from the frozen files and compare; return the pins.

    Raises:
        BuildError: browser-lock.json is not what micropip resolves from pyproject.toml.
    """
    pins = read_lock()
    stamp = CACHE / "resolved.stamp"
    wanted = environment.fingerprint(
        LOCK, HERE / "package-lock.json", HERE / "resolve.mjs", json.dumps(requirements())
    )
    if not stamp.is_file() or stamp.read_text() != wanted:
        say("Resolving the browser's packages with micropip")
        if _resolve(node, _frozen_index(pins)) != pins:
            raise BuildError(
                "micropip resolves other packages than browser-lock.json: build with --update-lock."
            )
        stamp.write_text(wanted)
    return pins


def update_lock(node: Path) -> None:
    """Resolve from the package index and write browser-lock.json anew."""
    entries = {name: pin._asdict() for name, pin in _resolve(node, _configured_index).items()}
    for entry in entries.values():
        del entry["name"]
    lock = {"pyodide": pyodide_version(), "requirements": requirements(), "packages": entries}
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")
