"""Where things are: the tree, the cache and what the build makes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / ".build"
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
NODE_PROJECT = CACHE / "node"
NODE_MODULES = NODE_PROJECT / "node_modules"
DIST = ROOT / "dist"
WEB = ROOT / "web"
RECEIVED = ROOT / ".received"
PACKAGE = ROOT / "py" / "dicomveil"

SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = SCRIPTS / ("python.exe" if os.name == "nt" else "python")


class BuildError(Exception):
    """The build cannot go on; the text says why and what to do."""


def say(text: str) -> None:
    """Tell the person at the terminal what happens."""
    print(text, file=sys.stderr, flush=True)
