"""SIGKILL at random moments: what was acknowledged is there and whole, and nothing is there twice or half.

A short run is part of the suite; with ``DICOMVEIL_KILLS=100`` in the environment it is the long one.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
from pathlib import Path

import httpx

from dicomveil_receiver.cli import main
from receiver.servers import Shared
from receiver.support import Endpoint, both, make_instance, process, uid_of

KILLS = int(os.environ.get("DICOMVEIL_KILLS", "3"))
UPLOAD = 200 if KILLS > 10 else 60
BATCH = 4


@both
def test_kills_at_random_moments_lose_nothing(tmp_path: Path, shared: Shared | None) -> None:
    """After every kill and restart the sender asks what is stored, and goes on with the rest."""
    instances: dict[str, bytes] = {}
    digests: dict[str, str] = {}
    acknowledged: set[str] = set()
    token = None
    for kill in range(KILLS + 1):
        with process(tmp_path, token=token, shared=shared) as (endpoint, server):
            token = endpoint.token
            stored = check(endpoint, digests)
            assert acknowledged <= stored
            if len(instances) - len(stored) < UPLOAD // 2:
                new = [make_instance(size=random.randrange(1 << 15)) for _ in range(UPLOAD)]
                instances.update((uid_of(instance), instance) for instance in new)
                digests = {uid: hashlib.sha256(instance).hexdigest() for uid, instance in instances.items()}
            left = [uid for uid in instances if uid not in stored]
            uploading = threading.Thread(target=upload, args=(endpoint, instances, left, acknowledged))
            uploading.start()
            if kill < KILLS:
                uploading.join(random.random() * 0.3)
                server.kill()
            uploading.join(60)
            assert not uploading.is_alive()
            assert kill < KILLS or check(endpoint, digests) == set(instances)
    where = shared.arguments() if shared is not None else ["--storage", str(tmp_path)]
    assert main(["audit", "verify", *where]) == 0


def upload(endpoint: Endpoint, instances: dict[str, bytes], left: list[str], acknowledged: set[str]) -> None:
    """Send what is left until the server is gone; remember what was acknowledged."""
    for start in range(0, len(left), BATCH):
        batch = left[start : start + BATCH]
        try:
            answer = endpoint.store_instances(*(instances[uid] for uid in batch))
        except httpx.TransportError:
            return
        assert answer.status_code == 200
        acknowledged.update(batch)


def check(endpoint: Endpoint, digests: dict[str, str]) -> set[str]:
    """Compare folder and index with what was sent; return the UIDs that the server says are stored."""
    assert endpoint.spooled() == []
    visible = [Path(name) for name in endpoint.files()]
    assert len({path.stem for path in visible}) == len(visible)
    for path in visible:
        content = endpoint.content(path.as_posix())
        assert hashlib.sha256(content).hexdigest() == digests[path.stem]
    told = endpoint.digests(list(digests))
    assert all(digests[uid] == digest for uid, digest in told.items())
    assert set(told) <= {path.stem for path in visible}
    return set(told)
