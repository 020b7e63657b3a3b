"""The table that the benchmark prints, and the ratios in it that are guarded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

MB = 1 << 20
#: A ratio may be so many times that of the baseline: on one machine they differ by a tenth from run to run.
TOLERANCE = 1.3


class Row(NamedTuple):
    """A line of the table.

    `budget` is text, or empty where there is none. `ratio` is of two measurements of the same run, less is
    better; it is what the baseline holds.
    """

    what: str
    measured: str
    budget: str = ""
    ratio: float | None = None


def show(rows: list[Row]) -> list[Row]:
    """Print lines of the table; return them."""
    for row in rows:
        print(f"{row.what:<48} {row.measured:<24} {row.budget}".rstrip(), flush=True)
    return rows


def keep(rows: Iterable[Row], baseline: Path) -> None:
    """Write the ratios down."""
    ratios = {row.what.strip(): round(row.ratio, 3) for row in rows if row.ratio is not None}
    baseline.write_text(json.dumps(ratios, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def worse(rows: Sequence[Row], baseline: Path) -> list[str]:
    """Name what is worse than the baseline by more than the tolerance, or is not measured any more."""
    known: dict[str, float] = json.loads(baseline.read_text(encoding="utf-8"))
    now = {row.what.strip(): row.ratio for row in rows if row.ratio is not None}
    found = [f"{what}: not measured" for what in known if what not in now]
    for what, ratio in now.items():
        if what in known and ratio > known[what] * TOLERANCE:
            found.append(f"{what}: {ratio:.2f}, was {known[what]:.2f}")
    return found
