"""``POST /studies[/{study}]``: the HTTP side of a Store transaction (PS3.18, Section 10.5)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dicomveil_receiver.access import authorize
from dicomveil_receiver.answer import DICOM_JSON, store_answer
from dicomveil_receiver.logs import Log
from dicomveil_receiver.parts import boundary_of
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.reception import Reception, Verify
from dicomveil_receiver.settings import Settings
from dicomveil_receiver.store import Store, is_uid
from dicomveil_receiver.tokens import Tokens

__all__ = ["StowService"]

_BLOCK_BYTES = 1 << 20
_GRACE_SECONDS = 60
_ACCEPTED = {"*/*", "application/*", "application/dicom+json", "application/json"}


class StowService:
    """Receives instances for one store."""

    def __init__(self, settings: Settings, store: Store, tokens: Tokens, verify: Verify, log: Log) -> None:
        self._settings = settings
        self._store = store
        self._tokens = tokens
        self._verify = verify
        self._log = log
        self._running = 0
        self._threads = CapacityLimiter(settings.max_uploads)

    async def store(self, request: Request) -> Response:
        """Store what the body holds, and answer for each instance."""
        started = time.monotonic()
        authorize(request, self._tokens, self._settings)
        reception = self._open(request)
        if self._running >= self._settings.max_uploads:
            raise ReceiverError("too-many-uploads")
        self._running += 1
        stopped = None
        try:
            async for block in self._blocks(request):
                await to_thread.run_sync(reception.feed, block, limiter=self._threads)
            reception.finish()
        except ReceiverError as error:
            stopped = error
        except ClientDisconnect:
            self._log.event("upload-broken-off", stored=sum(r.code is None for r in reception.results))
            return Response(status_code=400)
        finally:
            self._running -= 1
            reception.close()
        status, body = store_answer(reception.results, stopped)
        self._log.upload(status, reception.results, stopped, time.monotonic() - started)
        return Response(body, status, media_type=DICOM_JSON)

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
            self._store,
            self._verify,
            boundary=boundary,
            study=study,
            max_parts=settings.max_parts,
            max_instance_bytes=settings.max_instance_bytes,
        )

    async def _blocks(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body in large blocks; refuse one that is too large or too slow."""
        settings = self._settings
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
            if chunk is None:
                break
            received += len(chunk)
            if received > settings.max_request_bytes:
                raise ReceiverError("request-too-large")
            if time.monotonic() - started > _GRACE_SECONDS + received / settings.min_rate:
                raise ReceiverError("too-slow")
            chunks.append(chunk)
            waiting += len(chunk)
            if waiting >= _BLOCK_BYTES:
                yield b"".join(chunks)
                chunks, waiting = [], 0
        if chunks:
            yield b"".join(chunks)
