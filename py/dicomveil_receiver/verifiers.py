"""Processes that verify: beside the one that receives, so neither waits for the other's interpreter lock.

Each has one end of a pipe, and ends when the other end is closed: at a stop, and whenever the receiver ends,
however that ends. What a process that ended was examining is refused, and another process takes its place.
What crosses is JSON: names of spool files and their keys to it; UIDs, codes and digests back.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from dicomveil.verifying import Problem, Verified
from dicomveil_receiver.examining import THREADS, Examined, Verify, examine_all, not_examined
from dicomveil_receiver.logs import Log
from dicomveil_receiver.spool import Arrived

__all__ = ["Verifiers"]

# Never forked: a fork of a process with threads may hold their locks for ever.
_SPAWNED = multiprocessing.get_context("spawn")
_START_SECONDS = 60
_STOP_SECONDS = 5
_WATCH_SECONDS = 5
#: Verification is bounded by itself; this is for what nobody thought of.
_PATIENCE_SECONDS = 120
_LEAST_RATE = 4 << 20  # bytes a second
_MOST_MEMORY = 4 << 30  # bytes of addresses


class _GoneError(Exception):
    """The process ended, or does not answer."""


class Verifiers:
    """So many processes; safe to use from several threads. Close it after use.

    Raises:
        ChildProcessError: a process cannot be started.
    """

    def __init__(self, verify: Verify, count: int, log: Log) -> None:
        self._log = log
        self._all = [_Verifier(verify) for _ in range(count)]
        self._idle: queue.SimpleQueue[_Verifier] = queue.SimpleQueue()
        self._closing = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        try:
            for verifier in self._all:
                verifier.start()
            for verifier in self._all:
                verifier.wait_for_start()
                self._idle.put(verifier)
        except _GoneError:
            self.close()
            raise ChildProcessError("a process that verifies cannot be started") from None
        except BaseException:
            self.close()
            raise

    def examine(self, arrived: Sequence[Arrived]) -> list[Examined]:
        """Return for each what it is.

        The codes: ``verification-interrupted``, ``storage-full``, ``storage-unavailable``.
        """
        verifier = self._idle.get()
        try:
            return self._examine(verifier, arrived)
        finally:
            self._idle.put(verifier)

    def close(self) -> None:
        """End the processes; what they still examine is refused."""
        self._closing.set()
        for verifier in self._all:
            verifier.stop()

    def _watch(self) -> None:
        # One thread for all: to wait with a time limit costs more than the whole question.
        while not self._closing.wait(_WATCH_SECONDS):
            for verifier in self._all:
                verifier.look()

    def _examine(self, verifier: _Verifier, arrived: Sequence[Arrived]) -> list[Examined]:
        try:
            return verifier.examine(arrived)
        except _GoneError:
            self._log.event("verifier-ended")
        # One by one, so that only that is refused with which alone it ends, too.
        return [self._examine_alone(verifier, one) for one in arrived]

    def _examine_alone(self, verifier: _Verifier, arrived: Arrived) -> Examined:
        try:
            return verifier.examine([arrived])[0]
        except _GoneError:
            self._log.event("verifier-ended")
            return not_examined("verification-interrupted")


class _Verifier:
    """One process; another one is started when it is needed after that has ended."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self._lock = threading.Lock()
        self._stopped = False
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._deadline: float | None = None

    def start(self) -> None:
        """Start the process, and do not wait for it.

        Raises:
            _GoneError: that is not possible.
        """
        ours, theirs = _SPAWNED.Pipe()
        with theirs:  # so that nobody but the process holds this end
            process = _SPAWNED.Process(target=_examine_until_closed, args=(self._verify, theirs), daemon=True)
            try:
                process.start()
            except OSError:
                ours.close()
                raise _GoneError from None
        self._process, self._connection = process, ours

    def wait_for_start(self) -> None:
        """Return when it can be asked.

        Raises:
            _GoneError: it ended before.
        """
        self._answer(_START_SECONDS)

    def examine(self, arrived: Sequence[Arrived]) -> list[Examined]:
        """Let the process examine some instances.

        Raises:
            _GoneError: it ended, and with it all of them.
        """
        seconds = _PATIENCE_SECONDS + sum(one.size for one in arrived) / _LEAST_RATE
        with self._lock:
            if self._stopped:
                raise _GoneError
            if self._connection is None:
                self.start()
                self.wait_for_start()
            answers = self._answer(seconds, arrived)
            try:
                return [_understood(answer) for _, answer in zip(arrived, answers, strict=True)]
            except (ValueError, TypeError):
                self._end()
                raise _GoneError from None

    def look(self) -> None:
        """End the process if it has been at work for too long; who waits for its answer sees that."""
        deadline, process = self._deadline, self._process
        if deadline is not None and process is not None and time.monotonic() > deadline:
            with suppress(ValueError):  # it has ended in the meantime
                process.kill()

    def stop(self) -> None:
        """End the process for good; if it is at work, what it does is lost."""
        self._stopped = True
        if self._lock.acquire(timeout=_STOP_SECONDS):
            self._end()
            self._lock.release()
        elif self._process is not None:
            self._process.kill()  # who waits for its answer sees that it is gone

    def _answer(self, seconds: float, asked: object = None) -> list[Any]:
        connection = self._connection
        if connection is None:
            raise _GoneError
        try:
            if asked is not None:
                connection.send_bytes(json.dumps(asked).encode())
            self._deadline = time.monotonic() + seconds
            answer = json.loads(connection.recv_bytes())
        except (OSError, EOFError, ValueError):
            answer = None
        finally:
            self._deadline = None
        if not isinstance(answer, list):
            self._end()
            raise _GoneError
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if process is not None:
            process.join(_STOP_SECONDS if self._stopped else 0)
            process.kill()
            process.join()
            process.close()


def _understood(answer: Any) -> Examined:  # noqa: ANN401 - JSON
    (sop_class, instance, study, series, syntax, problems), sha256, code = answer
    found = tuple(Problem(problem, tag) for problem, tag in problems)
    return Examined(Verified(sop_class, instance, study, series, syntax, found), sha256, code)


def _examine_until_closed(verify: Verify, connection: Connection) -> None:
    """Run as a process: answer what is asked, until nobody can ask any more."""
    # A stop of the receiver comes as a closed pipe, when it has finished what it received.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _limit_memory()
    try:
        connection.send_bytes(b"[]")
        with ThreadPoolExecutor(THREADS) as waiting:
            while True:
                asked = [Arrived(*one) for one in json.loads(connection.recv_bytes())]
                answers = [_told(found) for found in examine_all(verify, asked, waiting)]
                connection.send_bytes(json.dumps(answers).encode())
    except (EOFError, OSError):
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a traceback may hold values, and would be printed
        os._exit(1)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = _MOST_MEMORY if hard == resource.RLIM_INFINITY else min(_MOST_MEMORY, hard)
    with suppress(ValueError, OSError):  # macOS knows it and does not do it
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _told(found: Examined) -> list[object]:
    *what, problems, _options = found.verified
    return [[*what, [(problem.code, problem.tag) for problem in problems]], found.sha256, found.code]
