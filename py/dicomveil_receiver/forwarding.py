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
from dicomveil_receiver.logs import Log
from dicomveil_receiver.outbox import Outbox, Waiting

__all__ = ["Forwarder"]

_BATCH = 10
_IDLE_SECONDS = 1.0
_TIMEOUT = httpx.Timeout(30, read=300)
_CHUNK_BYTES = 1 << 20
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
        storage: Path,
        archive: str,
        log: Log,
        *,
        authorization: str = "",
        authorities: Path | None = None,
    ) -> None:
        self._outbox = outbox
        self._storage = storage
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
        batch = self._outbox.next_batch(_BATCH)
        if not batch:
            return False
        stored, refused = self._send(batch)
        for waiting in batch:
            uid = waiting.sop_instance_uid
            if uid in stored:
                self._outbox.sent(waiting)
            elif uid in refused:
                self._outbox.refused(waiting, refused[uid])
        left = len(batch) - len(stored) - len(refused)
        seconds = self._outbox.postpone(batch[0].study_uid) if left else 0.0
        self._log.event(
            "forwarded", stored=len(stored), refused=len(refused), postponed=left, seconds=round(seconds)
        )
        return True

    def _send(self, batch: Sequence[Waiting]) -> tuple[set[str], dict[str, int]]:
        """Return which instances the archive has, and which it refused, with its Failure Reasons."""
        boundary = secrets.token_hex(16)
        body = _Body([self._path(waiting) for waiting in batch], boundary)
        headers = {
            "content-type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "content-length": str(body.size),
        }
        try:
            answer = self._client.post("studies", content=iter(body), headers=headers)
        except (httpx.HTTPError, OSError):
            return set(), {}
        asked = {waiting.sop_instance_uid for waiting in batch}
        module = _module(answer)
        stored = {uid for uid, _ in _items(module, _REFERENCED)} & asked
        failed = dict(_items(module, _FAILED))
        if not stored and not failed and len(batch) == 1 and _is_final(answer.status_code):
            failed = {batch[0].sop_instance_uid: 0}
        later = {uid for uid, reason in failed.items() if reason in _OUT_OF_RESOURCES}
        return stored, {uid: failed[uid] for uid in (failed.keys() & asked) - stored - later}

    def _path(self, waiting: Waiting) -> Path:
        return self._storage / waiting.study_uid / waiting.series_uid / f"{waiting.sop_instance_uid}.dcm"


def _trusting(authorities: Path | None) -> ssl.SSLContext:
    """Return a context that knows the system's authorities, and those of a file: hospitals have their own."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context


class _Body:
    """A multipart body that is read from files as it is sent."""

    def __init__(self, paths: Sequence[Path], boundary: str) -> None:
        self._paths = paths
        self._head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._end = f"--{boundary}--\r\n".encode()
        whole = sum(path.stat().st_size for path in paths)
        self.size = whole + len(paths) * (len(self._head) + 2) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        for path in self._paths:
            yield self._head
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
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
