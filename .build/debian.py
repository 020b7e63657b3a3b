"""Debian's packages that tests use: a validator, another toolkit, an archive, a database, two more browsers.

Where this is Debian and we are root, what is missing is installed. Anywhere else the tests that need it are
skipped, which one line says beforehand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from places import say

#: Program -> the packages that bring it, and what the tests use.
PROGRAMS = {
    "dciodvfy": ("dicom3tools",),
    "dcmdump": ("dcmtk",),
    "Orthanc": ("orthanc", "orthanc-dicomweb"),
    "postgres": ("postgresql",),
    "firefox-esr": ("firefox-esr",),
    "WebKitWebDriver": ("webkit2gtk-driver",),
    "Xvfb": ("xvfb",),
}
#: The paths of an account that runs services, too.
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
#: Each version of PostgreSQL has a folder here.
POSTGRESQL = "/usr/lib/postgresql"
#: Debian starts services that it installs: an archive that listens is not ours to set up where others work.
SERVICES = ("Orthanc", "postgres")
INIT = ("/run/systemd/system", "/run/initctl")
INSTALL_TIMEOUT = 600
#: A machine without network is told so in seconds.
APT = ("apt-get", "-qq", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=15")


def missing() -> list[str]:
    """Name the programs that are not here."""
    path = os.pathsep.join([PATH, *map(str, Path(POSTGRESQL).glob("*/bin"))])
    return [program for program in PROGRAMS if shutil.which(program, path=path) is None]


def _can_install() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt(*arguments: str) -> bool:
    """Run apt-get without questions and without its talk; it may fail."""
    try:
        done = subprocess.run(
            [*APT, *arguments],
            check=False,
            timeout=INSTALL_TIMEOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def set_up() -> list[str]:
    """Install what is missing, where that is possible; return the programs that are missing still."""
    starts_services = any(Path(path).exists() for path in INIT)
    wanted = [program for program in missing() if not (program in SERVICES and starts_services)]
    if wanted and _can_install():
        packages = [package for program in wanted for package in PROGRAMS[program]]
        say(f"apt-get install {' '.join(packages)}")
        if _apt("update"):
            for program in wanted:  # one by one: what a release does not have stops no other
                _apt("install", "--yes", "--no-install-recommends", *PROGRAMS[program])
    left = missing()
    if left:
        packages = [package for program in left for package in PROGRAMS[program]]
        say(f"Tests that need {', '.join(left)} (Debian: {', '.join(packages)}) will be skipped.")
    return left
