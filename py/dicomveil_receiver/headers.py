"""Response headers: what a browser may do with what is served here.

The page's policy is the promise "nothing leaves": ``connect-src`` names this origin and the configured
endpoints, and for everything that a worker is made of it is 'none'. A worker obeys the header of its own
script's response.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["SecurityHeaders", "page_policy", "worker_policy"]

_COMMON = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "permissions-policy": ", ".join(
        f"{feature}=()"
        for feature in (
            "accelerometer",
            "autoplay",
            "browsing-topics",
            "camera",
            "display-capture",
            "encrypted-media",
            "geolocation",
            "gyroscope",
            "hid",
            "idle-detection",
            "local-fonts",
            "magnetometer",
            "microphone",
            "midi",
            "payment",
            "publickey-credentials-get",
            "serial",
            "usb",
            "xr-spatial-tracking",
        )
    ),
}
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_ONE_YEAR = 365 * 24 * 3600


def page_policy(endpoints: Iterable[str]) -> str:
    """Return the Content-Security-Policy of the page; ``endpoints`` are checked origins."""
    connect = " ".join(("'self'", *endpoints))
    return _policy(connect)


def worker_policy() -> str:
    """Return the Content-Security-Policy of scripts that run in a worker: no connection at all."""
    return _policy("'none'")


def _policy(connect: str) -> str:
    return (
        f"{_NOTHING}; object-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src {connect}; "
        "worker-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; font-src 'self'; "
        "manifest-src 'self'; require-trusted-types-for 'script'; "
        "trusted-types default dicomveil dicomveil-offline"
    )


class SecurityHeaders:
    """Adds the headers that every response has; a response's own header of the same name stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._defaults = {**_COMMON, "content-security-policy": _NOTHING, "cache-control": "no-store"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with the headers added."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._defaults.items():
                    headers.setdefault(name, value)
                if scope.get("scheme") == "https":
                    headers["strict-transport-security"] = f"max-age={_ONE_YEAR}"
            await send(message)

        await self._app(scope, receive, send_with_headers)
