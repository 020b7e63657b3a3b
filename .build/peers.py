"""Measures the command line beside three others from PyPI, on the same files in the same run.

dcmanon (Rust), Kitware's dicom-anonymizer and dicognito are installed by hash into .cache/peers, for this.
Each writes cleaned copies; what counts is processor time a file without the start of the program. Only
`dicomveil clean` reads what it wrote once more and searches it for identifiers.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import environment
from places import CACHE, HERE, BuildError
from rows import Row

REQUIREMENTS = HERE / "requirements-peers.txt"
PEERS = CACHE / "peers"
#: Programs are measured with so many files, and with all: the difference is theirs without the start.
FEW = 10
ROUNDS = 3

# It has no command: the loop that its README shows.
_DCMANON = """
import sys
from pathlib import Path
from dcmanon import Anonymizer
source, target = map(Path, sys.argv[1:])
anonymizer = Anonymizer()
for path in sorted(source.iterdir()):
    (target / path.name).write_bytes(anonymizer.anonymize(str(path)))
"""
_COPY = """
import shutil, sys
from pathlib import Path
source, target = map(Path, sys.argv[1:])
for path in sorted(source.iterdir()):
    shutil.copyfile(path, target / path.name)
"""

Command = Callable[[Path, Path], Sequence[str | Path]]


class Spent(NamedTuple):
    """What a program took, in seconds: of processors in all its processes, and on the clock."""

    processor: float
    clock: float


def commands() -> dict[str, Command]:
    """Return how each program cleans a folder into another, by name."""
    programs = environment.set_up_apart(PEERS, REQUIREMENTS, "what the benchmark compares with")
    python = programs / "python"
    ours = Path(sys.executable).parent / "dicomveil"

    def clean(*options: str) -> Command:
        return lambda source, target: [ours, "clean", source, "--output", target, "--anonymize", *options]

    return {
        "copying alone": lambda source, target: [sys.executable, "-c", _COPY, source, target],
        "dicomveil clean": clean(),
        "dicomveil clean --jobs 2": clean("--jobs", "2"),
        "dcmanon": lambda source, target: [python, "-c", _DCMANON, source, target],
        "dicom-anonymizer": lambda source, target: [programs / "dicom-anonymizer", source, target],
        "dicognito": lambda source, target: [python, "-m", "dicognito", "--quiet", "-o", target, source],
    }


def _run(command: Sequence[str | Path], log: Path) -> Spent:
    """Run a program to its end; its output goes to a file."""
    with log.open("wb") as out:
        arguments = list(map(str, command))
        actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)]
        started = time.perf_counter()
        child = os.posix_spawn(arguments[0], arguments, os.environ, file_actions=actions)
        _, status, usage = os.wait4(child, 0)
    if status:
        raise BuildError(f"{arguments[0]} failed: {log.read_text(errors='replace')[-300:]}")
    return Spent(usage.ru_utime + usage.ru_stime, time.perf_counter() - started)


def _per_file(command: Command, few: Path, many: Path, folder: Path) -> Spent:
    """Return what a program takes for a file, in seconds, without its start: the least of some rounds."""
    least = []
    for source in (few, many):
        rounds = []
        for _ in range(ROUNDS):
            target = folder / "cleaned"
            target.mkdir()
            rounds.append(_run(command(source, target), folder / "log"))
            shutil.rmtree(target)
        least.append([min(column) for column in zip(*rounds, strict=True)])
    count = len(list(many.iterdir())) - len(list(few.iterdir()))
    return Spent(*((all_files - start) / count for start, all_files in zip(*least, strict=True)))


def compare(slices: Path, folder: Path) -> dict[str, Spent]:
    """Return what each program takes for a slice, in seconds."""
    few = folder / "few"
    few.mkdir()
    for path in sorted(slices.iterdir())[:FEW]:
        os.link(path, few / path.name)
    found = {name: _per_file(command, few, slices, folder) for name, command in commands().items()}
    shutil.rmtree(few)
    return found


def rows(found: dict[str, Spent]) -> list[Row]:
    """Write lines of the table: processor time beside that of the copy, and as a ratio to ours."""
    copy = found["copying alone"].processor
    ours = found["dicomveil clean"]
    lines = [Row("copying a CT slice, processor", f"{copy * 1000:.2f} ms")]
    for name, spent in found.items():
        if name in {"copying alone", "dicomveil clean --jobs 2"}:
            continue
        beside = spent.processor - copy
        what, measured = f"  {name}, beside the copy", f"{beside * 1000:.2f} ms"
        if name == "dicomveil clean":
            lines.append(Row(what, measured, "1.5 ms"))
        else:
            share = (ours.processor - copy) / beside
            lines.append(Row(what, f"{measured}; dicomveil takes {share:.2f} of it", "1", share))
    faster = ours.clock / found["dicomveil clean --jobs 2"].clock
    return [*lines, Row("  dicomveil clean, on the clock, 1 job / 2 jobs", f"{faster:.2f} x")]
