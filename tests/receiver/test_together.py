"""What many threads wait for is done once, in order, and each gets its own result or the error."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from dicomveil_receiver import together as module
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


def test_who_comes_soon_after_another_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes in that time is served with it; who comes alone is served at once."""
    batches: list[list[int]] = []
    clock = SimpleNamespace(now=1000.0)

    def work(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        return list(items)

    together = Together(work)
    last = threading.Thread(target=together.do, args=(2,))

    def sleep(_seconds: float) -> None:
        last.start()
        wait_until(lambda: len(together._waiting) == 2)

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    assert together.do(0) == 0
    clock.now += 0.01
    assert together.do(1) == 1
    last.join(60)
    clock.now += 10
    assert together.do(3) == 3
    assert batches == [[0], [1, 2], [3]]
