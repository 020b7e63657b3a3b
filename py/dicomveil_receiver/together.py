"""Work that costs as much for many as for one, such as waiting for a disk: done once for all who wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

__all__ = ["Together"]

#: Who comes so soon after another is not the last: it is waited for who comes next (seconds).
_SOON = 0.05
_WAIT = 0.02

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Ticket(Generic[Item, Result]):
    """What one thread wants done, and what came of it."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.results: list[Result] = []
        self.error: Exception | None = None
        self.done = False


class Together(Generic[Item, Result]):
    """Does the work of all threads that wait, one batch after the other, in the order in which they came.

    ``work`` gets the items and returns a result for each; what it raises, all of the batch get.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]]) -> None:
        self._work = work
        self._turn = threading.Lock()
        self._adding = threading.Lock()
        self._waiting: list[_Ticket[Item, Result]] = []
        self._came = -_SOON

    def do(self, item: Item) -> Result:
        """Return when the work on the item is done, by this thread or by another."""
        ticket = _Ticket[Item, Result](item)
        with self._adding:
            self._waiting.append(ticket)
            now = time.monotonic()
            crowded, self._came = now < self._came + _SOON, now
        with self._turn:
            if not ticket.done:  # nobody took it along while this thread waited for its turn
                if crowded:
                    time.sleep(_WAIT)
                self._work_off()
        if ticket.error is not None:
            raise ticket.error
        return ticket.results[0]

    def _work_off(self) -> None:
        with self._adding:
            tickets, self._waiting = self._waiting, []
        try:
            results = self._work([ticket.item for ticket in tickets])
            for ticket, result in zip(tickets, results, strict=True):
                ticket.results.append(result)
        except Exception as error:  # noqa: BLE001 - each of those who wait raises it
            for ticket in tickets:
                ticket.error = error
        for ticket in tickets:
            ticket.done = True
