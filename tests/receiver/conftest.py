"""Fixtures of the receiver's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.support import Endpoint, running, wait_for_stopping


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    """A server with its own empty storage."""
    with running(tmp_path / "storage") as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _all_stopped() -> Iterator[None]:
    yield
    wait_for_stopping()
