"""The checks of `build.py test`, each by the tool that `pyproject.toml` or .build/ configures."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import environment
from places import HERE, PYTHON, ROOT, say

Step = tuple[str, list[str | Path]]
JAVASCRIPT = ("web", ".build", ".biome.json")
# Over the processors, by runs of neighbours: tests of one module share a browser.
_SPREAD = ("--numprocesses=auto", "--maxprocesses=4", "--dist=worksteal")


def _steps(node: Path) -> list[Step]:
    """Name the checks, in the order of their cost."""
    ruff, mypy = environment.tool("ruff"), environment.tool("mypy")
    tsc, biome = environment.npm_command(node, "tsc"), environment.npm_command(node, "biome")
    return [
        ("ruff check", [ruff, "check", "."]),
        ("ruff format", [ruff, "format", "--check", "."]),
        ("biome", [*biome, "ci", "--colors=off", *JAVASCRIPT]),
        ("tsc, page", [*tsc, "--project", HERE / "tsconfig.page.json"]),
        ("tsc, worker", [*tsc, "--project", HERE / "tsconfig.worker.json"]),
        ("mypy", [mypy]),
    ]


def _passes(name: str, command: Sequence[str | Path]) -> bool:
    """Run one check; show what it says only where it fails."""
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        say(done.stdout.rstrip())
    say(f"{name}: {'FAILED' if done.returncode else 'ok'} ({time.monotonic() - started:.1f} s)")
    return done.returncode == 0


def test(node: Path, arguments: Sequence[str]) -> int:
    """Run every check and then pytest, whose summary comes last; return 0 where all of them passed."""
    failed = [name for name, command in _steps(node) if not _passes(name, command)]
    if failed:
        say(f"\nFAILED before pytest: {', '.join(failed)}\n")
    tests = subprocess.run([PYTHON, "-m", "pytest", *_SPREAD, *arguments], cwd=ROOT, check=False)
    return tests.returncode or (1 if failed else 0)


def fix(node: Path) -> int:
    """Format and correct Python and JavaScript."""
    ruff = environment.tool("ruff")
    biome = environment.npm_command(node, "biome")
    commands: list[list[str | Path]] = [
        [ruff, "check", "--fix", "--quiet", "."],
        [ruff, "format", "--quiet", "."],
        [*biome, "check", "--write", *JAVASCRIPT],
    ]
    return max(subprocess.run(command, cwd=ROOT, check=False).returncode for command in commands)


def bench(arguments: Sequence[str]) -> int:
    """Run the benchmark."""
    return subprocess.run([PYTHON, HERE / "bench.py", *arguments], cwd=ROOT, check=False).returncode
