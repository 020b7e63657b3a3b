"""Serving dist/ with the endpoint on loopback, by `dicomveil receive`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import webbrowser
from pathlib import Path
from types import FrameType

import environment
from places import DIST, ROOT, BuildError, say


def receive_command(page: Path, storage: Path, port: int) -> list[str | Path]:
    """Name the command that serves a page and keeps what is uploaded."""
    return [
        *(environment.tool("dicomveil"), "receive", "--port", str(port)),
        *("--storage", storage, "--page", page, "--page-settings"),
    ]


def _has_desktop() -> bool:
    """Tell whether a person sits here who could see a browser."""
    display = sys.platform in {"darwin", "win32"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return display and sys.stdout.isatty()


def serve(port: int, storage: Path, *, open_page: bool) -> int:
    """Serve until Ctrl-C; print the page's address on a line of its own."""
    if not (DIST / "index.html").is_file():
        raise BuildError("There is no dist/ yet: python build.py build")
    say(f"What is uploaded here is kept in {storage}. Ctrl-C ends.")
    command = receive_command(DIST, storage, port)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:

        def end(_number: int, _frame: FrameType | None) -> None:
            server.terminate()

        # Ctrl-C reaches the server by itself: it is in the foreground with us.
        signal.signal(signal.SIGINT, signal.SIG_IGN if os.name != "nt" else signal.SIG_DFL)
        signal.signal(signal.SIGTERM, end)
        for line in server.stdout or ():
            print(line, end="", flush=True)
            if open_page and line.startswith("http") and _has_desktop():
                webbrowser.open(line.strip())
    return 0 if server.returncode in {0, -signal.SIGINT, -signal.SIGTERM} else 1
