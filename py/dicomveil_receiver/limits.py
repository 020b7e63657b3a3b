"""How often a token may ask, and how much it may send at once."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dicomveil_receiver.reasons import ReceiverError

__all__ = ["AtOnce", "RateLimit"]


class RateLimit:
    """Allows ``per_minute`` requests a minute for each name, also all at once; refilled steadily."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # as many as there are tokens

    def take(self, name: str) -> None:
        """Count one request.

        Raises:
            ReceiverError: ``too-many-requests``; it says in how many seconds there is a place again.
        """
        now = self._clock()
        left, before = self._buckets.get(name, (self._capacity, now))
        left = min(self._capacity, left + (now - before) * self._capacity / 60)
        if left < 1:
            self._buckets[name] = (left, now)
            raise ReceiverError("too-many-requests", retry_after=math.ceil((1 - left) * 60 / self._capacity))
        self._buckets[name] = (left - 1, now)


class AtOnce:
    """Allows ``most`` uploads at once, and for each name its share of them. Used by one thread only."""

    def __init__(self, most: int, most_of_a_name: int) -> None:
        self._most = most
        self._share = most_of_a_name
        self._running: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """How many there are now."""
        return self._running.total()

    @contextmanager
    def place(self, name: str) -> Iterator[None]:
        """Take a place while the block runs.

        Raises:
            ReceiverError: ``too-many-uploads``, or ``too-many-uploads-of-token``.
        """
        if self.running >= self._most:
            raise ReceiverError("too-many-uploads")
        if self._running[name] >= self._share:
            raise ReceiverError("too-many-uploads-of-token")
        self._running[name] += 1
        try:
            yield
        finally:
            self._running[name] -= 1
            if not self._running[name]:
                del self._running[name]
