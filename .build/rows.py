"""The table that the benchmark prints."""

from __future__ import annotations

from typing import NamedTuple

MB = 1 << 20


class Row(NamedTuple):
    """A line of the table. `budget` is text, or empty where there is none."""

    what: str
    measured: str
    budget: str = ""


def show(rows: list[Row]) -> None:
    """Print lines of the table."""
    for row in rows:
        print(f"{row.what:<48} {row.measured:<24} {row.budget}".rstrip(), flush=True)
