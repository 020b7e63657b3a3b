"""``POST /studies[/{study}]``: the HTTP side of a Store transaction (PS3.18, Section 10.5)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from anyio import CancelScope, CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dicomveil_receiver.access import Gate
from dicomveil_receiver.answer import DICOM_JSON, store_answer
from dicomveil_receiver.limits import AtOnce
from dicomveil_receiver.parts import boundary_of
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.reception import Reception, Result
from dicomveil_receiver.services import Services
from dicomveil_receiver.settings import Settings
from dicomveil_receiver.store import is_uid
from dicomveil_receiver.trouble import storage_errors

__all__ = ["StowService", "receive_blocks"]

_BLOCK_BYTES = 1 << 20
_GRACE_SECONDS = 60
_ACCEPTED = {"*/*", "application/*", "application/dicom+json", "application/json"}


class StowService:
    """Receives instances for one store."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._services = services
        self._settings = settings = services.settings
        self._gate = gate
        # Those that receive work; those that are at the end of a request wait for disk or database together.
        self._working = CapacityLimiter(services.store.objects.at_once)
        self._ending = CapacityLimiter(settings.max_uploads)
        self._at_once = AtOnce(settings.max_uploads, settings.max_token_uploads)

    @property
    def running(self) -> int:
        """How many uploads are being received."""
        return self._at_once.running

    async def store(self, request: Request) -> Response:
        """Store what the body holds, and answer for each instance."""
        started = time.monotonic()
        token = await self._gate.admit(request)
        reception = self._open(request)
        await to_thread.run_sync(self._services.store.check, self._settings.min_free_bytes)
        with self._at_once.place(token.name):
            stopped = await self._receive(request, reception)
        status, body = store_answer(reception.results, stopped)
        await to_thread.run_sync(self._record, token.name, status, reception.results, limiter=self._ending)
        seconds = time.monotonic() - started
        self._services.log.upload(status, reception.results, stopped, seconds)
        self._services.metrics.upload(status, reception.results, seconds)
        return Response(body, status, media_type=DICOM_JSON)

    async def _receive(self, request: Request, reception: Reception) -> ReceiverError | None:
        """Feed the body into a reception; return what ended it early, if anything did."""
        try:
            async for chunks in receive_blocks(request, self._settings, self._settings.max_request_bytes):
                await to_thread.run_sync(reception.feed, chunks, limiter=self._working)
            reception.finish()
        except ReceiverError as error:
            return error
        except ClientDisconnect:
            return ReceiverError("broken-off")  # nobody hears the answer; log and audit do
        finally:
            try:
                with CancelScope(shield=True):
                    await to_thread.run_sync(reception.close, limiter=self._ending)
            except asyncio.CancelledError:
                # A stop that waits no longer: what began to close does so now, before the storage does.
                reception.close()
                raise
        return None

    def _record(self, token: str, status: int, results: Sequence[Result]) -> None:
        # Before the sender is told: what is acknowledged can be accounted for.
        with storage_errors():
            self._services.audit.upload(token, status, results)

    def _open(self, request: Request) -> Reception:
        """Check everything that is known before the body."""
        settings, headers = self._settings, request.headers
        accepted = {
            kind.partition(";")[0].strip().lower() for kind in headers.get("accept", "*/*").split(",")
        }
        if not accepted & _ACCEPTED:
            raise ReceiverError("not-acceptable")
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise ReceiverError("media-type")
        boundary = boundary_of(headers.get("content-type", ""))
        study = request.path_params.get("study")
        if study is not None and not is_uid(study):
            raise ReceiverError("study-invalid")
        if int(headers.get("content-length", 0)) > settings.max_request_bytes:
            raise ReceiverError("request-too-large")
        return Reception(
            self._services.store,
            self._services.examine,
            boundary=boundary,
            study=study,
            max_parts=settings.max_parts,
            max_instance_bytes=settings.max_instance_bytes,
        )


async def receive_blocks(request: Request, settings: Settings, max_bytes: int) -> AsyncIterator[list[bytes]]:
    """Yield the body of a request, so many chunks at a time that a thread has something to do.

    Raises:
        ReceiverError: ``request-too-large`` or ``too-slow``.
        ClientDisconnect: the sender went away.
    """
    started, received = time.monotonic(), 0
    chunks: list[bytes] = []
    waiting = 0
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(settings.idle_timeout):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise ReceiverError("too-slow") from None
        except ClientDisconnect:
            if chunks:
                yield chunks  # may hold whole parts, which need not be sent again
            raise
        if chunk is None:
            break
        received += len(chunk)
        if received > max_bytes:
            raise ReceiverError("request-too-large")
        if time.monotonic() - started > _GRACE_SECONDS + received / settings.min_rate:
            raise ReceiverError("too-slow")
        chunks.append(chunk)
        waiting += len(chunk)
        if waiting >= _BLOCK_BYTES:
            yield chunks
            chunks, waiting = [], 0
    if chunks:
        yield chunks
