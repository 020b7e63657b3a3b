"""OpenStack Swift, an S3-compatible server for the tests of replicas, in an environment of its own.

It comes from PyPI by hash (about 20 MB) and exists for Linux. Where it cannot be had its tests are skipped.
"""

from __future__ import annotations

import sys

import environment
from places import CACHE, HERE, BuildError, say

REQUIREMENTS = HERE / "requirements-swift.txt"
SWIFT = CACHE / "swift"


def set_up() -> None:
    """Install it into .cache/swift, where that is possible."""
    if sys.platform != "linux":
        return
    try:
        environment.set_up_apart(SWIFT, REQUIREMENTS, "OpenStack Swift")
    except BuildError:
        say("OpenStack Swift did not install: the tests of S3-compatible storage will be skipped.")
