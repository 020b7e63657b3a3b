"""The built page, served as it is, under the strict policies of ``headers``.

Everything is revalidated (ETag), so a new build shows at once. A file that is asked for with its own hash
(``?sha256=<hex>``, as assets.json lists it) never changes, so a browser may keep it for ever.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, PathLike, StaticFiles
from starlette.types import Scope

from dicomveil_receiver.headers import page_policy, worker_policy

__all__ = ["Page"]

_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".zip": "application/zip",
}
_PLAIN_NAMES = {"LICENSE", "NOTICE", "SHA256SUMS"}
# The page as one file runs from disk; under the policy of a server its script, which lies within, may not.
_CARRIED = PurePosixPath("dicomveil.html")
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_CHUNK_BYTES = 1 << 20


class Page(StaticFiles):
    """Serves a folder; names that begin with a dot are not there."""

    def __init__(self, folder: Path, endpoints: tuple[str, ...]) -> None:
        super().__init__(directory=folder, html=True)
        self._folder = folder.resolve()
        self._page_policy = page_policy(endpoints)
        self._worker_policy = worker_policy()

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer a request for a path below the folder."""
        if any(part.startswith(".") and part != "." for part in PurePosixPath(path).parts):
            raise HTTPException(404)
        return await super().get_response(path, scope)

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Answer with a file, or with 304 when the browser has it."""
        plain = Path(full_path)
        name = PurePosixPath(plain.relative_to(self._folder).as_posix())
        media_type = _media_type(name)
        headers = {
            "content-security-policy": self._worker_policy if _is_worker(name) else self._page_policy,
            "cache-control": _caching(plain, stat_result, scope),
            "vary": "accept-encoding",
        }
        if name == _CARRIED:
            headers["content-disposition"] = f'attachment; filename="{name}"'
        request_headers = Headers(scope=scope)
        served = plain
        for encoding, suffix in _ENCODINGS:
            packed = plain.with_name(plain.name + suffix)
            if encoding in _accepted(request_headers) and packed.is_file():
                headers["content-encoding"] = encoding
                served, stat_result = packed, packed.stat()
                break
        response = FileResponse(
            served, status_code=status_code, headers=headers, media_type=media_type, stat_result=stat_result
        )
        response.chunk_size = _CHUNK_BYTES
        if self.is_not_modified(response.headers, request_headers):
            unchanged = NotModifiedResponse(response.headers)
            # A browser takes the headers of a 304 over into what it has: the policy must be among them.
            unchanged.headers["content-security-policy"] = headers["content-security-policy"]
            return unchanged
        return response


def _is_worker(name: PurePosixPath) -> bool:
    # Workers, and the modules of Pyodide that they import. The policy of an imported module does nothing, so
    # a module that the page imports as well may have it too.
    return name.parts[0] == "worker" or (name.parts[0] == "pyodide" and name.suffix in {".js", ".mjs"})


def _media_type(name: PurePosixPath) -> str:
    if name.name in _PLAIN_NAMES or name.parts[0] == "licences":
        return "text/plain"
    return _MEDIA_TYPES.get(name.suffix, "application/octet-stream")


def _accepted(headers: Headers) -> set[str]:
    kinds = (kind.partition(";") for kind in headers.get("accept-encoding", "").split(","))
    return {
        kind.strip().lower() for kind, _, weight in kinds if weight.replace(" ", "") not in {"q=0", "q=0.0"}
    }


def _caching(path: Path, status: os.stat_result, scope: Scope) -> str:
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("sha256", [""])[0]
    if asked and asked == _digest(path, status.st_mtime_ns, status.st_size):
        return "public, max-age=31536000, immutable"
    return "no-cache"


@lru_cache(maxsize=256)
def _digest(path: Path, _modified: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
