"""How often a token may ask: a bucket of requests per token, refilled steadily."""

from __future__ import annotations

import time
from collections.abc import Callable

from dicomveil_receiver.reasons import ReceiverError

__all__ = ["RateLimit"]


class RateLimit:
    """Allows ``per_minute`` requests a minute for each name, also all at once."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # as many as there are tokens

    def take(self, name: str) -> None:
        """Count one request.

        Raises:
            ReceiverError: ``too-many-requests``.
        """
        now = self._clock()
        left, before = self._buckets.get(name, (self._capacity, now))
        left = min(self._capacity, left + (now - before) * self._capacity / 60)
        if left < 1:
            self._buckets[name] = (left, now)
            raise ReceiverError("too-many-requests")
        self._buckets[name] = (left - 1, now)
