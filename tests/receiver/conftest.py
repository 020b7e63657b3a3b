"""Fixtures of the receiver's tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from receiver.servers import KEYS, Postgres, Shared, Swift, postgres, swift
from receiver.support import Endpoint, running, wait_for_stopping


@pytest.fixture(scope="session")
def _servers() -> Iterator[tuple[Postgres, Swift]]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in KEYS.items():
            patch.setitem(os.environ, name, value)
        yield stack.enter_context(postgres()), stack.enter_context(swift())
        wait_for_stopping()


@pytest.fixture
def replicated(_servers: tuple[Postgres, Swift]) -> Shared:
    """An empty database and an empty part of a bucket."""
    return Shared(*_servers)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """How things are kept: see ``support.both``."""
    return str(getattr(request, "param", "folder"))


@pytest.fixture
def shared(kind: str, request: pytest.FixtureRequest) -> Shared | None:
    """What replicas share, where the test is about them, too."""
    found: Shared | None = request.getfixturevalue("replicated") if kind == "shared" else None
    return found


@pytest.fixture
def endpoint(tmp_path: Path, shared: Shared | None) -> Iterator[Endpoint]:
    """A server with its own empty storage."""
    with running(tmp_path / "storage", shared=shared) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _all_stopped() -> Iterator[None]:
    yield
    wait_for_stopping()
