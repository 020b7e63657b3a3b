"""What can be asked of the endpoint: its health, its counters, and the digests of what it has."""

from __future__ import annotations

import json

from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from dicomveil_receiver.access import Gate
from dicomveil_receiver.metrics import CONTENT_TYPE
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.services import Services
from dicomveil_receiver.store import is_uid
from dicomveil_receiver.stow import StowService, receive_blocks
from dicomveil_receiver.trouble import storage_errors

__all__ = ["StateService"]

_MAX_UIDS = 10_000
_MAX_BYTES = 1 << 20


class StateService:
    """Answers about the endpoint."""

    def __init__(self, services: Services, gate: Gate, stow: StowService) -> None:
        self._services = services
        self._gate = gate
        self._stow = stow

    async def health(self, _request: Request) -> Response:
        """200 when an instance could be stored now, 503 when not; that it answers says that it lives."""
        services = self._services
        try:
            await to_thread.run_sync(services.store.check, services.settings.min_free_bytes)
        except ReceiverError:
            return JSONResponse({"status": "unavailable"}, 503)
        return JSONResponse({"status": "ok"})

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text format."""
        with storage_errors():
            stored = await to_thread.run_sync(self._services.store.index.count)
        text = self._services.metrics.text(running=self._stow.running, stored=stored)
        return PlainTextResponse(text, media_type=CONTENT_TYPE)

    async def digests(self, request: Request) -> Response:
        """Tell which of the asked instances are stored, with their SHA-256: so that an upload can go on.

        The question is a body, not a path: UIDs have no place in the logs of proxies.
        """
        await self._gate.admit(request)
        body = b""
        try:
            async for chunks in receive_blocks(request, self._services.settings, _MAX_BYTES):
                body += b"".join(chunks)
            uids = json.loads(body)["instances"]
        except (ValueError, KeyError, TypeError, RecursionError, ClientDisconnect):
            raise ReceiverError("digests-invalid") from None
        if not isinstance(uids, list) or len(uids) > _MAX_UIDS or not all(isinstance(u, str) for u in uids):
            raise ReceiverError("digests-invalid")
        with storage_errors():
            # What is no UID is not stored, and not every text can be asked for in a database.
            found = await to_thread.run_sync(self._services.store.index.digests, list(filter(is_uid, uids)))
        return JSONResponse({"digests": found})
