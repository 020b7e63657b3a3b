"""Serving the page: policies, media types, caching, and who may read its settings."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from receiver.support import Endpoint, make_instance, multipart, running

FILES = {
    "index.html": b"<!doctype html><title>page</title>",
    "main.js": b"export {};",
    "dicomveil.html": b"<!doctype html><title>carried</title>",
    "app.css": b":root {}",
    "sw.js": b"",
    "assets.json": b"{}",
    "SHA256SUMS": b"",
    "worker/worker.js": b"export {};",
    "worker/boot.mjs": b"export {};",
    "pyodide/pyodide.mjs": b"export {};",
    "pyodide/pyodide.asm.wasm": b"\0asm" * 1000,
    "python/core.zip": b"PK",
    "page.webmanifest": b"{}",
    ".hidden": b"SECRET",
    "worker/.hidden": b"SECRET",
}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder like the built page."""
    parent = tmp_path_factory.mktemp("page")
    folder = parent / "dist"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (parent / "outside.txt").write_bytes(b"SECRET")
    (folder / "link.txt").symlink_to(parent / "outside.txt")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, dist: Path) -> Iterator[Endpoint]:
    """Serve the page and its settings."""
    with running(
        tmp_path_factory.mktemp("storage"),
        page=dist,
        page_settings=True,
        allow_endpoint=("https://archive.example",),
        allow_origin=("https://page.example",),
    ) as endpoint:
        yield endpoint


def policy(answer: httpx.Response) -> dict[str, str]:
    """Return the directives of a Content-Security-Policy."""
    text = answer.headers["content-security-policy"]
    return {name: value for name, _, value in (part.strip().partition(" ") for part in text.split(";"))}


def test_the_single_file_is_for_download(server: Endpoint) -> None:
    """dicomveil.html, which runs from disk, is saved and not shown; the page itself is shown."""
    assert httpx.get(server.url + "dicomveil.html").headers["content-disposition"].startswith("attachment")
    assert "content-disposition" not in httpx.get(server.url + "index.html").headers


@pytest.mark.parametrize("path", ["", "index.html", "main.js", "sw.js"])
def test_the_page_connects_only_home_and_to_the_endpoints(server: Endpoint, path: str) -> None:
    """The page's policy: nothing by default, no inline script, this origin and the configured endpoints."""
    found = policy(httpx.get(server.url + path))
    assert found["default-src"] == "'none'"
    assert found["connect-src"] == "'self' https://archive.example"
    assert found["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert found["frame-ancestors"] == found["base-uri"] == found["form-action"] == "'none'"
    assert found["worker-src"] == "'self'"
    assert found["media-src"] == "blob:"
    assert "unsafe-inline" not in str(found)


@pytest.mark.parametrize("path", ["worker/worker.js", "worker/boot.mjs", "pyodide/pyodide.mjs"])
def test_a_worker_connects_to_nothing(server: Endpoint, path: str) -> None:
    """What a worker is made of is served with connect-src 'none'."""
    answer = httpx.get(server.url + path)
    assert answer.status_code == 200
    assert policy(answer)["connect-src"] == "'none'"


@pytest.mark.parametrize("path", ["", "worker/worker.js", "settings.json", "health", "not-there", "studies"])
def test_every_answer_has_the_security_headers(server: Endpoint, path: str) -> None:
    """Errors and the interface too: nosniff, no referrer, isolation, a policy."""
    headers = httpx.get(server.url + path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("", "text/html; charset=utf-8"),
        ("main.js", "text/javascript; charset=utf-8"),
        ("pyodide/pyodide.mjs", "text/javascript; charset=utf-8"),
        ("pyodide/pyodide.asm.wasm", "application/wasm"),
        ("python/core.zip", "application/zip"),
        ("assets.json", "application/json"),
        ("app.css", "text/css; charset=utf-8"),
        ("page.webmanifest", "application/manifest+json"),
        ("SHA256SUMS", "text/plain; charset=utf-8"),
    ],
)
def test_media_types_do_not_depend_on_the_system(server: Endpoint, path: str, media_type: str) -> None:
    """Browsers compile wasm as it streams, and run modules, only under the right type."""
    assert httpx.get(server.url + path).headers["content-type"] == media_type


def test_what_the_browser_has_is_not_sent_again(server: Endpoint, dist: Path) -> None:
    """304 for an unchanged file; a changed one is sent."""
    (dist / "changing.js").write_bytes(b"export {};")
    first = httpx.get(server.url + "changing.js")
    assert first.headers["cache-control"] == "no-cache"
    again = httpx.get(server.url + "changing.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    # A browser takes the headers of a 304 over: each must be the one that it has already.
    for name, value in again.headers.items():
        assert name == "date" or first.headers[name] == value
    assert policy(again)["connect-src"] == "'self' https://archive.example"
    (dist / "changing.js").write_bytes(b"export const changed = 1;")
    changed = httpx.get(server.url + "changing.js", headers={"if-none-match": first.headers["etag"]})
    assert changed.content == b"export const changed = 1;"


def test_a_file_named_by_its_hash_is_kept_for_ever(server: Endpoint) -> None:
    """?sha256= of the content makes the answer immutable; another hash does not."""
    digest = hashlib.sha256(FILES["pyodide/pyodide.asm.wasm"]).hexdigest()
    url = server.url + "pyodide/pyodide.asm.wasm?sha256="
    assert "immutable" in httpx.get(url + digest).headers["cache-control"]
    assert httpx.get(url + "0" * 64).headers["cache-control"] == "no-cache"


def test_a_packed_file_is_sent_when_there_is_one(server: Endpoint, dist: Path) -> None:
    """file.br or file.gz, by Accept-Encoding, under the type of the file."""
    (dist / "packed.js").write_bytes(b"export {};")
    (dist / "packed.js.br").write_bytes(b"brotli")
    with httpx.stream("GET", server.url + "packed.js", headers={"accept-encoding": "gzip, br"}) as answer:
        assert b"".join(answer.iter_raw()) == b"brotli"
        assert answer.headers["content-encoding"] == "br"
        assert answer.headers["content-type"].startswith("text/javascript")
    plain = httpx.get(server.url + "packed.js", headers={"accept-encoding": "br;q=0"})
    assert plain.content == b"export {};"
    assert "accept-encoding" in plain.headers["vary"]


@pytest.mark.parametrize(
    "path",
    [
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/worker/..%2f..%2foutside.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/link.txt",
        "/.hidden",
        "/worker/.hidden",
        "/worker/",
        "/worker",
        "/main.js%00.html",
        "/..%5coutside.txt",
        "/" + "a" * 300,
    ],
)
def test_nothing_outside_the_folder_is_served(server: Endpoint, path: str) -> None:
    """404 for what leads out, for links out, for hidden files and for folders."""
    port = urlsplit(server.url).port or 0
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.split()[1] == b"404"
    assert b"SECRET" not in answer
    assert b"root:" not in answer


def test_the_settings_let_the_page_upload(server: Endpoint) -> None:
    """GET /settings.json gives the endpoint and a token of this run, and is never stored."""
    answer = httpx.get(server.url + "settings.json")
    assert answer.headers["cache-control"] == "no-store"
    settings = answer.json()
    assert settings["endpoint"] == "/"
    body = multipart(make_instance())
    assert server.post(body, authorization=f"Bearer {settings['token']}").status_code == 200
    assert settings["token"] not in (server.storage / ".dicomveil" / "tokens.json").read_text()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.", ""]
)
def test_the_settings_are_for_this_computer_only(server: Endpoint, host: str) -> None:
    """421 under any other host name: a name that was rebound to loopback gets nothing (DNS rebinding)."""
    answer = httpx.get(server.url + "settings.json", headers={"host": host})
    assert answer.status_code == 421
    assert "token" not in answer.json()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8042", "127.1.2.3"])
def test_loopback_names_are_answered(server: Endpoint, host: str) -> None:
    """Every spelling of this computer is served."""
    assert httpx.get(server.url + "settings.json", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_the_settings_are_for_the_own_page_only(server: Endpoint, site: str) -> None:
    """403 for a request that another page makes, and no CORS header even for an allowed one."""
    answer = httpx.get(server.url + "settings.json", headers={"sec-fetch-site": site})
    assert answer.status_code == 403
    assert "token" not in answer.json()


def test_settings_are_not_there_unless_asked_for(tmp_path: Path, dist: Path) -> None:
    """Without --page-settings there is no such path."""
    with running(tmp_path / "storage", page=dist) as endpoint:
        assert httpx.get(endpoint.url + "settings.json").status_code == 404


def test_pages_of_the_allow_list_may_upload(server: Endpoint) -> None:
    """CORS: the preflight and the answer name the allowed origin, and no other."""
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    url = server.url + "studies"
    allowed = httpx.options(url, headers={"origin": "https://page.example", **asked})
    assert allowed.headers["access-control-allow-origin"] == "https://page.example"
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in allowed.headers
    refused = httpx.options(url, headers={"origin": "https://evil.example", **asked})
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers
    body = multipart(make_instance())
    assert server.post(body, origin="https://page.example").status_code == 200
    assert server.post(body, origin=server.url.rstrip("/")).status_code == 200
    answer = server.post(body, origin="https://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "origin-not-allowed")


@pytest.mark.parametrize("told", [True, False])
def test_a_proxy_is_believed_only_when_told_so(tmp_path: Path, dist: Path, told: bool) -> None:  # noqa: FBT001
    """With --behind-proxy, X-Forwarded-Proto makes it HTTPS: own origin and HSTS; else it is nothing."""
    with running(tmp_path, page=dist, behind_proxy=told, allow_host=("cases.example",)) as endpoint:
        forwarded = {"host": "cases.example", "x_forwarded_proto": "https", "x_forwarded_for": "192.0.2.9"}
        body = multipart(make_instance())
        answer = endpoint.post(body, origin="https://cases.example", **forwarded)
        assert answer.status_code == (200 if told else 403)
        assert ("strict-transport-security" in answer.headers) is told


def test_a_page_elsewhere_reads_refusals(server: Endpoint) -> None:
    """A 401 carries the CORS headers too, so that the page can tell what is wrong, and when to come again."""
    answer = server.post(b"", origin="https://page.example", authorization="Bearer wrong")
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert answer.headers["access-control-expose-headers"] == "Retry-After"
