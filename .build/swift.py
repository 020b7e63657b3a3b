"""OpenStack Swift, an S3-compatible server for the tests of replicas, in an environment of its own.

It comes from PyPI by hash (about 20 MB) and exists for Linux. Where it cannot be had its tests are skipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import environment
from places import CACHE, HERE, BuildError, say

REQUIREMENTS = HERE / "requirements-swift.txt"
SWIFT = CACHE / "swift"


def set_up() -> None:
    """Install it into .cache/swift, where that is possible."""
    if sys.platform != "linux":
        return
    python = SWIFT / "bin" / "python"
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    wanted = environment.fingerprint(REQUIREMENTS, sys.version, str(SWIFT))
    try:
        with environment.once(CACHE / "swift.stamp", wanted) as todo:
            if todo or not python.exists():
                say("Setting up OpenStack Swift in .cache/swift")
                environment.run([sys.executable, "-m", "venv", "--clear", SWIFT])
                environment.run([*pip, "--require-hashes", "--only-binary=:all:", "-r", REQUIREMENTS])
    except BuildError:
        say("OpenStack Swift did not install: the tests of S3-compatible storage will be skipped.")
