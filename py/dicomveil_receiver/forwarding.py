"""Forwarding to an archive by STOW-RS: in order per study, again and again until it is there or refused."""

from __future__ import annotations

import secrets
import ssl
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from dicomveil_receiver.answer import DICOM_JSON
from dicomveil_receiver.index import Row
from dicomveil_receiver.logs import Log
from dicomveil_receiver.objects import Objects
from dicomveil_receiver.outbox import Claim, Outbox

__all__ = ["Forwarder"]

_BATCH = 10
_IDLE_SECONDS = 1.0
_TIMEOUT = httpx.Timeout(30, read=300)
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
#: The archive may think otherwise later: not authorized (yet), too slow, too many, or trouble of its own.
_COME_BACK = {401, 403, 404, 408, 429}
_REFERENCED, _FAILED = "00081199", "00081198"
_UID, _REASON = "00081155", "00081197"


class Forwarder:
    """Empties an outbox in a thread of its own, until it is stopped."""

    def __init__(
        self,
        outbox: Outbox,
        objects: Objects,
        archive: str,
        log: Log,
        *,
        authorization: str = "",
        authorities: Path | None = None,
    ) -> None:
        self._outbox = outbox
        self._objects = objects
        self._log = log
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)
        headers = {"accept": DICOM_JSON, **({"authorization": authorization} if authorization else {})}
        # No proxy and no netrc of this account: instances go to the archive that was named, and nowhere else.
        self._client = httpx.Client(
            base_url=archive,
            headers=headers,
            timeout=_TIMEOUT,
            trust_env=False,
            verify=_trusting(authorities),
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the running request; what is left is sent after the next start."""
        self._stopped.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                busy = self.step()
            except Exception as error:  # noqa: BLE001 - the outbox is durable: log, wait, go on
                self._log.unexpected(error)
                busy = False
            if not busy:
                self._stopped.wait(_IDLE_SECONDS)

    def step(self) -> bool:
        """Send one batch; return whether there was one."""
        with self._outbox.claim(_BATCH) as claim:
            if claim is not None:
                self._forward(claim)
        return claim is not None

    def _forward(self, claim: Claim) -> None:
        stored, refused = self._send(claim.batch)
        for row in claim.batch:
            uid = row.sop_instance_uid
            if uid in stored:
                claim.sent(row)
            elif uid in refused:
                claim.refused(row, refused[uid])
        left = len(claim.batch) - len(stored) - len(refused)
        seconds = claim.postpone() if left else 0.0
        self._log.event(
            "forwarded", stored=len(stored), refused=len(refused), postponed=left, seconds=round(seconds)
        )

    def _send(self, batch: Sequence[Row]) -> tuple[set[str], dict[str, int]]:
        """Return which instances the archive has, and which it refused, with its Failure Reasons."""
        boundary = secrets.token_hex(16)
        try:
            body = _Body(self._objects, batch, boundary)
            headers = {
                "content-type": f'multipart/related; type="application/dicom"; boundary={boundary}',
                "content-length": str(body.size),
            }
            answer = self._client.post("studies", content=iter(body), headers=headers)
        except (httpx.HTTPError, OSError):
            return set(), {}
        asked = {row.sop_instance_uid for row in batch}
        module = _module(answer)
        stored = {uid for uid, _ in _items(module, _REFERENCED)} & asked
        failed = dict(_items(module, _FAILED))
        if not stored and not failed and len(batch) == 1 and _is_final(answer.status_code):
            failed = {batch[0].sop_instance_uid: 0}
        later = {uid for uid, reason in failed.items() if reason in _OUT_OF_RESOURCES}
        return stored, {uid: failed[uid] for uid in (failed.keys() & asked) - stored - later}


def _trusting(authorities: Path | None) -> ssl.SSLContext:
    """Return a context that knows the system's authorities, and those of a file: hospitals have their own."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context


class _Body:
    """A multipart body that is read from objects as it is sent."""

    def __init__(self, objects: Objects, rows: Sequence[Row], boundary: str) -> None:
        self._objects = objects
        self._rows = rows
        self._head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._end = f"--{boundary}--\r\n".encode()
        whole = sum(map(objects.size, rows))
        self.size = whole + len(rows) * (len(self._head) + 2) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        for row in self._rows:
            yield self._head
            yield from self._objects.read(row)
            yield b"\r\n"
        yield self._end


def _is_final(status: int) -> bool:
    return 400 <= status < 500 and status not in _COME_BACK


def _module(answer: httpx.Response) -> Any:  # noqa: ANN401 - what an archive answers
    try:
        return answer.json()
    except ValueError:  # only what is named counts
        return {}


def _items(module: Any, sequence: str) -> Iterator[tuple[str, int]]:  # noqa: ANN401 - what an archive answers
    try:
        for item in module.get(sequence, {}).get("Value", []):
            uid = str(item[_UID]["Value"][0])
            reason = item.get(_REASON, {}).get("Value", [0])[0]
            yield uid, int(reason)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return
