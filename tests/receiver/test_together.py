"""What many threads wait for is done once, in order, and each gets its own result or the error."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from dicomveil_receiver.together import Together
from receiver.support import wait_until


def test_those_who_wait_are_served_together() -> None:
    """While one batch is at work, all who come meanwhile become the next one; each gets its own result."""
    batches: list[list[int]] = []
    go_on = threading.Event()

    def work(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        assert go_on.wait(60)
        return [item * 10 for item in items]

    together = Together(work)
    results: dict[int, int] = {}

    def ask(item: int) -> None:
        results[item] = together.do(item)

    threads = [threading.Thread(target=ask, args=(item,)) for item in range(9)]
    threads[0].start()
    wait_until(lambda: batches == [[0]])
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: len(together._waiting) == 8)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert sorted(batches[1]) == list(range(1, 9))
    assert len(batches) == 2
    assert results == {item: item * 10 for item in range(9)}


def test_an_error_is_everybodys_and_the_next_batch_goes_on() -> None:
    """What the work raises, its callers get; it does not stick."""

    def work(items: Sequence[int]) -> list[int]:
        if 0 in items:
            raise OSError
        return list(items)

    together = Together(work)
    with pytest.raises(OSError):  # noqa: PT011 - nothing else raises here
        together.do(0)
    assert together.do(1) == 1
