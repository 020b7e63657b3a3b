"""The application: routes, and the layers around them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomveil_receiver.access import Gate
from dicomveil_receiver.headers import SecurityHeaders
from dicomveil_receiver.logs import Log
from dicomveil_receiver.page import Page
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.services import Services
from dicomveil_receiver.settings import is_loopback
from dicomveil_receiver.state import StateService
from dicomveil_receiver.stow import StowService

__all__ = ["CROWDED", "make_app"]

#: The server says so in a request's state when too many connections are open.
CROWDED = "crowded"

_RETRY_SECONDS = 5
_PORT = re.compile(r":[0-9]+$")
_UPLOAD_HEADERS = ("Authorization", "Content-Type", "Accept")


def make_app(services: Services) -> ASGIApp:
    """Build the ASGI application."""
    settings = services.settings
    gate = Gate(services.tokens, settings)
    stow = StowService(services, gate)
    state = StateService(services, gate, stow)
    routes: list[BaseRoute] = [
        Route("/health", state.health, methods=["GET"]),
        Route("/digests", state.digests, methods=["POST"]),
        Route("/studies", stow.store, methods=["POST"]),
        Route("/studies/{study}", stow.store, methods=["POST"]),
    ]
    if settings.metrics:
        routes.append(Route("/metrics", state.metrics, methods=["GET"]))
    if settings.page_settings:
        routes.append(
            Route("/settings.json", _page_settings(services.tokens.open_session()), methods=["GET"])
        )
    if settings.page is not None:
        routes.append(Mount("/", Page(settings.page, settings.allow_endpoint)))
    middleware = [Middleware(SecurityHeaders)]
    if settings.loopback:
        middleware.append(Middleware(_KnownHosts, names=settings.allow_host))
    if settings.allow_origin:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.allow_origin,
            allow_methods=("GET", "POST"),
            allow_headers=_UPLOAD_HEADERS,
            expose_headers=("Retry-After",),
        )
        middleware.append(cors)
    middleware.append(Middleware(_Room))
    app = Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={
            ReceiverError: _refuse,
            HTTPException: _http_error,
            Exception: _internal_error,
        },
    )
    return _Shield(app, services.log)


def _page_settings(secret: str) -> Callable[[Request], Awaitable[Response]]:
    async def settings(request: Request) -> Response:
        # Another site's page could not read the answer anyway; it does not even get one.
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise ReceiverError("origin-not-allowed")
        return JSONResponse({"endpoint": "/", "token": secret})

    return settings


def _error(status: int, code: str, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"code": code, "message": text}, status, headers=headers)


def _refuse(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ReceiverError):
        raise TypeError
    status, text = error.reason.status, error.reason.text
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        known = ', error="invalid_token"' if error.code == "token-wrong" else ""
        headers["www-authenticate"] = f'Bearer realm="dicomveil"{known}'
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        headers["retry-after"] = str(error.retry_after or _RETRY_SECONDS)
    return _error(status, error.code, text, headers)


def _http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return _error(error.status_code, code, HTTPStatus(error.status_code).description, error.headers)


def _internal_error(_request: Request, _unexpected: Exception) -> Response:
    reason = ReceiverError("internal-error").reason
    return _error(reason.status, "internal-error", reason.text)


class _KnownHosts:
    """Answers to loopback names only: no foreign name can be bound to this computer (DNS rebinding)."""

    def __init__(self, app: ASGIApp, *, names: tuple[str, ...]) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._known(Headers(scope=scope).get("host", "")):
            await _refuse(Request(scope), ReceiverError("host-not-allowed"))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _known(self, host: str) -> bool:
        name = host.lower().rpartition(":")[0] if _PORT.search(host) else host.lower()
        return name in self._names or is_loopback(name.removeprefix("[").removesuffix("]"))


class _Room:
    """Tells whoever comes while too many connections are open to come back, and closes this one.

    503 and not 429: that is for a client who sent too many requests himself (RFC 6585, Section 4), and here
    all that are connected are too many (RFC 9110, Section 15.6.4). What a token may do is counted by token.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("state", {}).get(CROWDED, False):
            answer = _refuse(Request(scope), ReceiverError("too-many-connections"))
            answer.headers["connection"] = "close"
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


class _Shield:
    """Ends what nobody expected here: the log gets its kind and place, the server and its log nothing."""

    def __init__(self, app: ASGIApp, log: Log) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the outermost layer
            self._log.unexpected(error)
