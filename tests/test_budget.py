"""The page's own JavaScript stays small enough to be read by whoever has to answer for it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import environment

WEB = Path(__file__).parents[1] / "web"
MOST_LINES = 6_000
MOST_BYTES = 60_000  # as one brotli stream
COMPRESS = """import {brotliCompressSync} from "node:zlib"; import {readFileSync} from "node:fs";
process.stdout.write(String(brotliCompressSync(readFileSync(0)).length));"""


def _modules() -> list[Path]:
    return sorted(WEB.rglob("*.js"))


def _code(source: str) -> Iterator[str]:
    """Yield the lines that are neither blank nor comment only; a comment behind code counts as code."""
    inside = False
    for line in source.splitlines():
        text = line.strip()
        comment = inside or text.startswith("/*")
        if comment:
            inside = "*/" not in text
        elif text and not text.startswith("//"):
            yield line


def _compressed(lines: list[str]) -> int:
    node, _ = environment.set_up_node()
    done = subprocess.run(
        [node, "--input-type=module", "--eval", COMPRESS],
        input="\n".join(lines).encode(),
        capture_output=True,
        check=True,
    )
    return int(done.stdout)


def test_code_is_told_from_comments() -> None:
    """A comment of one line or of several goes, blank lines go, code stays, a star at its beginning too."""
    source = "/** a\n * b\n */\nlet a; // c\n\n  // d\nclass B {\n  *each() {}\n}\n/* e */\na = 3\n  * 4;"
    assert list(_code(source)) == ["let a; // c", "class B {", "  *each() {}", "}", "a = 3", "  * 4;"]


def test_the_pages_javascript_is_within_its_budget() -> None:
    """Fewer than 6,000 lines, and than 60 kB compressed: comments and blank lines are free."""
    code = [line for path in _modules() for line in _code(path.read_text(encoding="utf-8"))]
    everything = [line for path in _modules() for line in path.read_text(encoding="utf-8").splitlines()]
    size = _compressed(code)
    assert 3_000 < len(code) < MOST_LINES
    assert 20_000 < size < MOST_BYTES
    assert _compressed(everything) > size
