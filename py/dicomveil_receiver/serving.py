"""uvicorn with deadlines, TLS 1.2 or newer, and a socket that is bound before anything is promised."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from dicomveil_receiver.app import CROWDED
from dicomveil_receiver.logs import Log
from dicomveil_receiver.settings import Settings, SettingsError

__all__ = ["bind", "make_server", "tls_context", "url_of"]

_HEADER_BYTES = 16 << 10
_HEADER_SECONDS = 20
_KEEP_ALIVE_SECONDS = 15
_WRITE_SECONDS = 60
_BACKLOG = 512
_LOOPBACK = ["127.0.0.1", "::1"]


class TimedProtocol(H11Protocol):
    """HTTP/1.1 whose clients must send a request's header, and take the answer, within a time.

    uvicorn has no such deadlines: a silent connection would stay for ever. The body has its own (``stow``).
    """

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_header()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._receiving():
            self._forget_deadline()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._receiving():
            self._expect_header()

    def pause_writing(self) -> None:
        """The client does not take what is sent: it has a time to go on."""
        super().pause_writing()
        self._stalled = self.loop.call_later(_WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client goes on."""
        super().resume_writing()
        self._forget_stalled()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        self._forget_stalled()
        super().connection_lost(exc)

    def _receiving(self) -> bool:
        cycle: RequestResponseCycle | None = (
            self.cycle
        )  # None before the first request, whatever uvicorn says
        return cycle is not None and not cycle.response_complete

    def _expect_header(self) -> None:
        self._forget_deadline()
        if not self.transport.is_closing():
            self._deadline = self.loop.call_later(_HEADER_SECONDS, self.transport.close)

    def _forget_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class StoppableServer(uvicorn.Server):
    """A server that returns after SIGINT or SIGTERM, so that the storage can be closed in order.

    SIGHUP reads certificate and key again: new connections get them, running ones go on.
    """

    on_hangup: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        in_main = threading.current_thread() is threading.main_thread()
        if self.on_hangup is not None and in_main and hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.on_hangup)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop; a second Ctrl+C does not wait for running uploads."""
        # uvicorn's own would remember the signal and raise it again.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the server's context, or None for plain HTTP.

    Raises:
        SettingsError: certificate or key cannot be used.
    """
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    _load(context, settings)
    return context


def _load(context: ssl.SSLContext, settings: Settings) -> None:
    try:
        if settings.certificate is not None:
            # An empty password, so that an encrypted key is an error and not a question on a terminal.
            context.load_cert_chain(settings.certificate, settings.key, password="")
    except (ssl.SSLError, OSError, ValueError):
        raise SettingsError(
            "certificate and key cannot be used: they must be PEM, belong together, key not encrypted"
        ) from None


def bind(settings: Settings) -> socket.socket:
    """Return the listening socket.

    Raises:
        SettingsError: the address is in use, or not this computer's.
    """
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: asyncio sends without delay (Nagle) only on sockets that say so.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, settings.port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise SettingsError(
            "host and port cannot be listened on: in use, not allowed, or not this computer's"
        ) from None
    return listener


def url_of(settings: Settings, listener: socket.socket) -> str:
    """Return the URL under which the listener is reached, with a slash at its end."""
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls else 'http'}://{host}:{port}/"


def make_server(
    app: ASGIApp, settings: Settings, log: Log, tls: ssl.SSLContext | None = None
) -> uvicorn.Server:
    """Return the server; ``run(sockets=[...])`` serves until SIGINT or SIGTERM, then ends running uploads."""
    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips=_LOOPBACK,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.stop_timeout,
        backlog=_BACKLOG,
        ssl_context_factory=(lambda _config, _default: tls) if tls is not None else None,
    )
    server = StoppableServer(config)
    # uvicorn's own limit would answer without Retry-After, and without what a page of another origin needs.
    config.app = _Counting(app, server, settings.max_connections)
    if tls is not None:
        server.on_hangup = partial(_reload, tls, settings, log)
    return server


class _Counting:
    """Tells the application when more connections are open than may be."""

    def __init__(self, app: ASGIApp, server: uvicorn.Server, most: int) -> None:
        self._app = app
        self._server = server
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["state"][CROWDED] = len(self._server.server_state.connections) > self._most
        await self._app(scope, receive, send)


def _reload(context: ssl.SSLContext, settings: Settings, log: Log) -> None:
    try:
        _load(context, settings)
        log.event("certificate-read")
    except SettingsError:  # the old one goes on being used
        log.event("certificate-wrong")
