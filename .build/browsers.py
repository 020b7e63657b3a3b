"""The browser for the end-to-end tests: one that is here already, else one that is fetched.

Order: Playwright's own Chromium, a Chromium or Chrome of the system, `playwright install chromium`, and on
Debian as root `apt-get install chromium`. Runs in .venv (it asks Playwright).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from places import CACHE, BuildError, say

SYSTEM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL_TIMEOUT = 600
# The first two are pages of the browser's own frame, which nobody sees here: they cost each new profile a
# second of processor time. Of several such switches Chromium takes the last, so what Playwright turns off
# is named again.
FEATURES_OFF = (
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "TcpPortRandomizationWin",
    "ThirdPartyStoragePartitioning",
)
ARGUMENTS = (
    "--disable-features=" + ",".join(FEATURES_OFF),
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def _playwrights_own() -> str | None:
    """Find the browser that belongs to this version of Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


def _of_the_system() -> str | None:
    """Find a Chromium or Chrome on the path."""
    return next(filter(None, map(shutil.which, SYSTEM_NAMES)), None)


def _try(*command: str) -> bool:
    """Run an installer; it may fail."""
    try:
        done = subprocess.run(command, check=False, timeout=INSTALL_TIMEOUT, stdout=sys.stderr)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _install_playwrights_own() -> str | None:
    """Fetch Playwright's Chromium."""
    say("No Chromium here: playwright install chromium")
    return _playwrights_own() if _try(sys.executable, "-m", "playwright", "install", "chromium") else None


def _install_debians() -> str | None:
    """Install Debian's Chromium, where that is possible."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    say("apt-get install chromium")
    installed = _try("apt-get", "update", "-qq") and _try("apt-get", "install", "-y", "-qq", "chromium")
    return _of_the_system() if installed else None


WAYS: tuple[Callable[[], str | None], ...] = (
    _playwrights_own,
    _of_the_system,
    _install_playwrights_own,
    _install_debians,
)


def _runs(path: str) -> bool:
    """Tell whether a browser starts: a machine may lack the libraries that it needs."""
    return _try(path, "--version")


def find() -> str:
    """Return the path of a browser; keep it for the next time.

    Raises:
        BuildError: there is none and none could be installed.
    """
    kept = CACHE / "browser.path"
    if kept.is_file() and Path(kept.read_text()).is_file():
        return kept.read_text()
    for way in WAYS:
        path = way()
        if path is not None and _runs(path):
            kept.write_text(path)
            return path
    raise BuildError("There is no Chromium and none could be installed. Install one and try again.")


def launch_options(path: str) -> dict[str, Any]:
    """Return what Playwright's `chromium.launch` is called with."""
    sandbox = [] if not hasattr(os, "geteuid") or os.geteuid() else ["--no-sandbox"]
    return {"executable_path": path, "args": [*ARGUMENTS, *sandbox], "headless": True}


if __name__ == "__main__":
    try:
        find()
    except BuildError as error:
        sys.exit(f"build.py: {error}")
