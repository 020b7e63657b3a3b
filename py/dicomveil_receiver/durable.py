"""Writing that survives a crash: a name appears only when what it names is whole and on the disk."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["make_folders", "move_durably", "sync_folder", "write_durably"]

_OWNER_FOLDER, _OWNER_FILE = 0o700, 0o600


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    if os.name == "nt":  # Windows cannot open a folder; NTFS journals names by itself
        return
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(folder: Path) -> None:
    """Make a folder and its parents, for the owner only, durably."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(mode=_OWNER_FOLDER, exist_ok=True)
        sync_folder(new.parent)


def move_durably(source: Path, target: Path) -> None:
    """Give a file, whose content is on the disk already, its final name in one step."""
    source.replace(target)
    sync_folder(target.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Write a small file so that it is there with the old or the new content, for the owner only."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        move_durably(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
