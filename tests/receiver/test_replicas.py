"""Several replicas behind a load balancer: one bucket and one database, and nothing else in common."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx

from receiver.servers import Shared
from receiver.support import make_instance, running, uid_of


def test_what_one_replica_stored_all_have(replicated: Shared, tmp_path: Path) -> None:
    """Its digest, its token, and the answer to the same bytes again; it is in the bucket once."""
    instance = make_instance()
    with (
        running(tmp_path / "a", shared=replicated) as first,
        running(tmp_path / "b", shared=replicated) as second,
    ):
        assert first.store_instances(instance).status_code == 200
        asked = {"instances": [uid_of(instance), "2.25.404"]}
        headers = {"authorization": f"Bearer {first.token}"}
        told = httpx.post(second.url + "digests", json=asked, headers=headers).json()["digests"]
        assert told == {uid_of(instance): hashlib.sha256(instance).hexdigest()}
        assert second.store_instances(instance).status_code == 200
        (name,) = replicated.files()
        assert replicated.content(name) == instance
        assert first.spooled() == second.spooled() == []
