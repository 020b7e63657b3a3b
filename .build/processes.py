"""What the processes of a browser hold and have spent, asked of Linux; elsewhere everything is 0."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_RESET_PEAK = "5"  # written to clear_refs: the peak begins anew


class Usage(NamedTuple):
    """What some processes hold and have spent."""

    memory: int  # bytes, resident
    processor: float  # seconds
    peak: int  # bytes: the most that each was resident, added up


def _kind(command: bytes) -> str:
    """Tell what a process of Chromium is: `renderer`, `utility`, ... or `browser`."""
    found = re.search(rb"--type=([a-z-]+)", command)
    return found[1].decode() if found else "browser"


def _below(kind: str) -> dict[Path, list[str]]:
    """Find the processes of a kind below this one; values are the fields of their `stat`."""
    parents: dict[int, int] = {}
    candidates: dict[int, list[str]] = {}
    for entry in _PROC.glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(") ")[2].split()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(entry.name)] = int(fields[1])
        if b"chrom" in command.split(b"\0")[0] and _kind(command) == kind:
            candidates[int(entry.name)] = fields
    mine = {}
    for pid, fields in candidates.items():
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid():
            mine[_PROC / str(pid)] = fields
    return mine


def _peak(entry: Path) -> int:
    """Return the most bytes that a process was resident."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", (entry / "status").read_text())
        if found:
            return int(found[1]) * 1024
    return 0


def usage(kind: str = "renderer") -> Usage:
    """Add up the processes of a kind below this one; a page and its workers are one `renderer`."""
    ticks = memory = peak = 0
    for entry, fields in _below(kind).items():
        ticks += int(fields[11]) + int(fields[12])
        memory += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        peak += _peak(entry)
    return Usage(memory, ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0, peak)


class Waiting(NamedTuple):
    """What the main threads of pages did, in nanoseconds: ran, and waited for a processor that others had."""

    ran: int
    waited: int

    def stretch(self, before: Waiting) -> float:
        """Return by how much all that ran since then was stretched; 1 on a machine that does nothing else."""
        ran, waited = self.ran - before.ran, self.waited - before.waited
        return 1 + waited / ran if ran else 1.0


def waiting() -> Waiting:
    """Add up the main threads of the pages below this process."""
    found = Waiting(0, 0)
    for entry in _below("renderer"):
        with contextlib.suppress(OSError, ValueError):
            ran, waited, _ = map(int, (entry / "schedstat").read_text().split())
            found = Waiting(found.ran + ran, found.waited + waited)
    return found


def forget_peaks() -> None:
    """Let every `peak` begin at what is held now."""
    for kind in ("renderer", "browser"):
        for entry in _below(kind):
            with contextlib.suppress(OSError):
                (entry / "clear_refs").write_text(_RESET_PEAK)
