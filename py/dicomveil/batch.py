"""Cleaning many files: by several processes, written atomically, with one result per input in their order.

Workers write each output into a folder of their own inside the output folder; the parent gives it its name,
in the order of the input. So what happens to duplicates does not depend on timing, and an interrupted run
leaves no partial file behind.
"""

from __future__ import annotations

import contextlib
import filecmp
import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

from dicomveil.case import Case, Reference, identifying_fields
from dicomveil.errors import DicomveilError, Refused
from dicomveil.patients import Person, person_of
from dicomveil.pipeline import Cleaned, Session, clean_source
from dicomveil.pixels.selecting import Selection
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.reading import Instance, read_instance
from dicomveil.reporting import Entry, clean_entry, refused_entry
from dicomveil.source import Source, iter_parts, opened

__all__ = ["Check", "Result", "Task", "run"]

_AHEAD = 4
_PATIENT_ID = 0x00100020


@dataclass(frozen=True, slots=True)
class Task:
    """What is the same for all inputs of a run.

    ``crosswalk`` asks for the old identifiers in the results, ``case`` is what a person says of the outputs.
    """

    profile: Profile
    key: bytes = field(repr=False)
    output: Path
    pixels: str = "review"
    selections: tuple[Selection, ...] = ()
    crosswalk: bool = False
    case: Case | None = field(default=None, repr=False)


class Check(NamedTuple):
    """Which members of the case identify the patient of an input, and the code of what was unread of it."""

    fields: tuple[str, ...]
    unread: str | None


@dataclass(slots=True)
class Result:
    """What became of one input. ``uids`` and ``patient`` (old, new) are only there for a crosswalk.

    ``person`` is who the input says it is about, if it could be read. ``check`` is there where there is a
    case, ``reference`` where there is an output.
    """

    entry: Entry
    selections: tuple[int, ...] = ()
    uids: dict[str, str] = field(default_factory=dict, repr=False)
    patient: tuple[str, str] | None = field(default=None, repr=False)
    part: str = ""
    person: Person | None = field(default=None, repr=False)
    check: Check | None = None
    reference: Reference | None = None


class _Worker:
    """One process's (or the only process's) means to clean one file after the other."""

    def __init__(self, task: Task, folder: str) -> None:
        self.task = task
        self.folder = folder
        self.session = Session(task.profile, Pseudonyms(Key(task.key)))
        self.person: Person | None = None

    def clean(self, number: int, path: str) -> Result:
        """Clean one file into the folder of parts. Raises nothing but KeyboardInterrupt and SystemExit."""
        self.person = None
        result = self._try(number, path)
        result.person = self.person
        if self.task.case is not None:
            result.check = self._check(self.task.case, path)
        return result

    def _check(self, case: Case, path: str) -> Check:
        """Look through the case for the patient of an input, whatever became of that."""
        try:
            with opened(path) as source:
                return Check(*identifying_fields(case, source, self.task.profile.options))
        except DicomveilError as error:
            return Check((), error.code)
        except OSError:
            return Check((), "unreadable")
        except Exception:  # noqa: BLE001 - its text may hold values: only the code leaves
            return Check((), "internal-error")

    def _seen(self, instance: Instance) -> None:
        self.person = person_of(instance)

    def _try(self, number: int, path: str) -> Result:
        try:
            with opened(path) as source:
                return self._clean(number, source)
        except DicomveilError as error:
            return Result(refused_entry(number, error.code, error.tag))
        except OSError:
            return Result(refused_entry(number, "unreadable"))
        except Exception:  # noqa: BLE001 - its text may hold values: only the code leaves
            return Result(refused_entry(number, "internal-error"))

    def _clean(self, number: int, source: Source) -> Result:
        selected, patient_id = self._look(source) if self.task.selections or self.task.crosswalk else ((), "")
        redactions = [area for index in selected for area in self.task.selections[index].redactions]
        self.session.pseudonyms.uids.clear()
        cleaned = clean_source(
            source, self.session, pixels=self.task.pixels, redactions=redactions, seen=self._seen
        )
        result = Result(clean_entry(number, cleaned), selected, part=self._write(number, source, cleaned))
        result.reference = Reference(
            cleaned.sop_class, cleaned.sop_instance_uid, cleaned.series_uid, cleaned.pixels != "none"
        )
        if self.task.crosswalk:
            result.uids = dict(self.session.pseudonyms.uids)
            result.patient = (patient_id, cleaned.name.partition("/")[0])
        return result

    def _look(self, source: Source) -> tuple[tuple[int, ...], str]:
        """Return which selections are for this input, and its Patient ID."""
        head = read_instance(source).head
        selected = [n for n, wanted in enumerate(self.task.selections) if wanted.matches(head)]
        return tuple(selected), head.text(_PATIENT_ID)

    def _write(self, number: int, source: Source, cleaned: Cleaned) -> str:
        part = Path(self.folder) / f"{number}.part"
        try:
            with part.open("xb") as file:
                file.writelines(iter_parts(source, cleaned.parts))
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise Refused("output-failed") from None
        return str(part)


_worker: _Worker


def _start(task: Task, folder: str) -> None:
    """Prepare a worker process: quiet, since warnings and logs of libraries hold values."""
    global _worker  # noqa: PLW0603 - a process of a pool has no other place
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    logging.disable()
    _worker = _Worker(task, folder)


def _clean(number: int, path: str) -> Result:
    return _worker.clean(number, path)


def run(task: Task, paths: Sequence[str], *, jobs: int = 1) -> Iterator[Result]:
    """Clean all files and yield their results in order; each output has its name when its result comes.

    Raises:
        OSError: the output folder cannot be made or written to.
    """
    task.output.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix=".dicomveil-", dir=task.output)
    written: set[str] = set()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for result in _results(task, paths, folder, jobs):
                yield _named(task.output, result, written)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _results(task: Task, paths: Sequence[str], folder: str, jobs: int) -> Iterator[Result]:
    numbered = enumerate(paths, 1)
    if jobs == 1 or len(paths) == 1:
        worker = _Worker(task, folder)
        for number, path in numbered:
            yield worker.clean(number, path)
        return
    pool = _pool(task, folder, jobs)
    waiting: deque[tuple[int, str, Future[Result]]] = deque()
    try:
        while True:
            for number, path in islice(numbered, jobs * _AHEAD - len(waiting)):
                waiting.append((number, path, _submit(pool, number, path)))
            if not waiting:
                return
            number, path, future = waiting.popleft()
            try:
                result = future.result()
            except BrokenProcessPool:
                # A crash takes the pool with it: this file once more and alone, the others in a new pool.
                pool.shutdown(wait=True, cancel_futures=True)
                result = _alone(task, folder, number, path)
                pool = _pool(task, folder, jobs)
                again = [(n, p) for n, p, _ in waiting]
                _remove_parts(folder, [n for n, _ in again])
                waiting = deque((n, p, _submit(pool, n, p)) for n, p in again)
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pool(task: Task, folder: str, jobs: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(task, folder))


def _submit(pool: ProcessPoolExecutor, number: int, path: str) -> Future[Result]:
    """Hand a file to a worker. It may be a new process, which never sees Ctrl-C, not even while it starts."""
    if not hasattr(signal, "pthread_sigmask"):
        return pool.submit(_clean, number, path)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_clean, number, path)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _alone(task: Task, folder: str, number: int, path: str) -> Result:
    _remove_parts(folder, [number])
    with _pool(task, folder, 1) as pool:
        try:
            return _submit(pool, number, path).result()
        except BrokenProcessPool:
            _remove_parts(folder, [number])
            return Result(refused_entry(number, "internal-error"))


def _remove_parts(folder: str, numbers: Sequence[int]) -> None:
    for number in numbers:
        (Path(folder) / f"{number}.part").unlink(missing_ok=True)


def _named(output: Path, result: Result, written: set[str]) -> Result:
    """Give a finished output its name.

    Where another input of this run had the same SOP Instance UID and other contents, ``-2`` and so on is
    added to the name; where another run left other contents under the name, the output is refused.
    """
    if not result.part:
        return result
    entry = result.entry
    name, code = str(entry["output"]), None
    for copy in count(1):
        entry["output"] = name if copy == 1 else f"{name.removesuffix('.dcm')}-{copy}.dcm"
        target = output / entry["output"]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            code = None if _place(result.part, target) else "output-exists"
        except OSError:
            code = "output-failed"
        if code != "output-exists" or entry["output"] not in written:
            break
    with contextlib.suppress(OSError):
        Path(result.part).unlink()
    if code:
        refused = refused_entry(entry["input"], code)
        return Result(refused, result.selections, person=result.person, check=result.check)
    if entry["output"] != name:
        entry["warnings"].append("duplicate-instance")
    written.add(entry["output"])
    return result


def _place(part: str, target: Path) -> bool:
    """Put a file in place, never over another; tell whether it is there, from now or with equal contents."""
    try:
        os.link(part, target)
    except FileExistsError:
        return filecmp.cmp(part, target, shallow=False)
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            return filecmp.cmp(part, target, shallow=False)
        Path(part).rename(target)
    return True
