"""Setting up Debian's packages for the tests: once, quietly, and never a service on somebody's machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import debian

pytestmark = pytest.mark.skipif(os.name == "nt", reason="has no apt-get")

#: An apt-get that notes what it is asked, and installs a package by making its program.
APT = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
case "$*" in
  *update*) exit {update} ;;
  *dicom3tools*) program=dciodvfy ;;
  *dcmtk*) exit 100 ;;
  *orthanc*) program=Orthanc ;;
  *firefox-esr*) program=firefox-esr ;;
  *webkit2gtk-driver*) program=WebKitWebDriver ;;
  *xvfb*) program=Xvfb ;;
  *postgresql*) program=postgresql/15/bin/postgres; mkdir -p "$(dirname "$0")/postgresql/15/bin" ;;
esac
cp "$0" "$(dirname "$0")/$program"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on the paths: no program is there, we are root, and nothing starts services."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(debian, "PATH", str(tmp_path))
    monkeypatch.setattr(debian, "POSTGRESQL", str(tmp_path / "postgresql"))
    monkeypatch.setattr(debian, "INIT", (str(tmp_path / "init"),))
    monkeypatch.setattr(debian, "APT", (str(tmp_path / "apt-get"),))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return tmp_path


def put_apt(machine: Path, update: int = 0) -> None:
    """Put an apt-get there whose update ends with a status."""
    apt = machine / "apt-get"
    apt.write_text(APT.format(update=update))
    apt.chmod(apt.stat().st_mode | stat.S_IXUSR)


def test_what_is_missing_is_installed_once(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each package has a try of its own; what cannot be had is said; what is here is left alone."""
    put_apt(machine)
    assert debian.set_up() == ["dcmdump"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "Tests that need dcmdump (Debian: dcmtk) will be skipped."
    assert len(lines) == 2
    asked = (machine / "asked").read_text()
    assert "install --yes --no-install-recommends dicom3tools\n" in asked
    assert "orthanc orthanc-dicomweb" in asked
    (machine / "asked").unlink()
    assert debian.set_up() == ["dcmdump"]
    assert "dicom3tools" not in (machine / "asked").read_text()


def test_no_service_is_installed_where_it_would_start(machine: Path) -> None:
    """An archive that listens is left to the machine's owner."""
    put_apt(machine)
    (machine / "init").touch()
    assert "Orthanc" in debian.set_up()
    assert "orthanc" not in (machine / "asked").read_text()


@pytest.mark.parametrize("way", ["no apt-get", "no root", "no network"])
def test_the_tests_go_on_without(
    way: str, machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing can be installed, one line says which tests are skipped, and nothing fails."""
    if way == "no root":
        monkeypatch.setattr("os.geteuid", lambda: 1000)
    if way != "no apt-get":
        put_apt(machine, update=100 if way == "no network" else 0)
    else:
        monkeypatch.setattr("shutil.which", lambda _name, **_path: None)
    assert debian.set_up() == list(debian.PROGRAMS)
    assert capsys.readouterr().err.count("will be skipped") == 1
    assert (machine / "asked").exists() == (way == "no network")
