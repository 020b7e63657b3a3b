"""The benchmark's baseline: what `python build.py bench -- --keep` writes, and `--check` compares with."""

from __future__ import annotations

from pathlib import Path

import rows
from bench import BASELINE


def _row(what: str, ratio: float | None) -> rows.Row:
    return rows.Row(what, "measured", ratio=ratio)


def test_a_ratio_that_got_worse_is_named(tmp_path: Path) -> None:
    """Beyond the tolerance a ratio counts as worse, within it it does not; one that is gone does."""
    baseline = tmp_path / "baseline.json"
    rows.keep([_row("  a", 1), _row("b", 2), _row("c", 3), _row("no ratio", None)], baseline)
    assert rows.worse([_row("a", 1), _row("b", 2), _row("c", 3)], baseline) == []
    found = rows.worse([_row("a", rows.TOLERANCE * 0.99), _row("b", 2 * rows.TOLERANCE + 0.01)], baseline)
    assert [one.partition(":")[0] for one in found] == ["c", "b"]


def test_there_is_a_baseline() -> None:
    """The one that is committed can be compared with: a run that measures nothing lacks all of it."""
    assert len(rows.worse([], BASELINE)) >= 5
