"""What a browser's or a server's processes hold and have spent, asked of Linux; elsewhere all is 0."""

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


def _kind(entry: Path) -> str:
    """Tell what a process of Chromium is: `renderer`, `utility`, ... or `browser`; of any other, nothing."""
    try:
        command = (entry / "cmdline").read_bytes()
    except OSError:
        return ""
    found = re.search(rb"--type=([a-z-]+)", command)
    kind = found[1].decode() if found else "browser"
    return kind if b"chrom" in command.split(b"\0")[0] else ""


def _family(pid: int, kind: str = "") -> dict[Path, list[str]]:
    """Find a process and all below it, or of these a kind of Chromium's; values: the fields of `stat`."""
    processes: dict[int, list[str]] = {}
    for entry in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (entry / "stat").read_text(encoding="latin-1")
            processes[int(entry.name)] = stat.rpartition(") ")[2].split()
    found = {}
    for one, fields in processes.items():
        above = one
        while above in processes and above != pid:
            above = int(processes[above][1])
        entry = _PROC / str(one)
        if above == pid and (not kind or _kind(entry) == kind):
            found[entry] = fields
    return found


def _peak(entry: Path) -> int:
    """Return the most bytes that a process was resident."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", (entry / "status").read_text(encoding="latin-1"))
        if found:
            return int(found[1]) * 1024
    return 0


def usage_of(pid: int, kind: str = "") -> Usage:
    """Add up a process and all below it, or of these a kind of Chromium's."""
    ticks = memory = peak = 0
    for entry, fields in _family(pid, kind).items():
        ticks += int(fields[11]) + int(fields[12])
        memory += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        peak += _peak(entry)
    return Usage(memory, ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0, peak)


def usage(kind: str = "renderer") -> Usage:
    """Add up the Chromium processes of a kind below this one; a page and its workers are one `renderer`."""
    return usage_of(os.getpid(), kind)


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
    for entry in _family(os.getpid(), "renderer"):
        with contextlib.suppress(OSError, ValueError):
            ran, waited, _ = map(int, (entry / "schedstat").read_text().split())
            found = Waiting(found.ran + ran, found.waited + waited)
    return found


def forget_peaks() -> None:
    """Let every `peak` begin at what is held now."""
    for kind in ("renderer", "browser"):
        for entry in _family(os.getpid(), kind):
            with contextlib.suppress(OSError):
                (entry / "clear_refs").write_text(_RESET_PEAK)
