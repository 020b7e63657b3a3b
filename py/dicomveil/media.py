"""Media: cleaned outputs laid out anew under names that a DICOMDIR may list (PS3.10 8.5, PS3.3 Annex F).

An original DICOMDIR is never passed on (PS3.15 E.1.1). A new one is made of what stands in the outputs alone
(:mod:`dicomveil.directory`); then the files are linked or copied, byte for byte as verified.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dicomveil.directory import NAME, Directory, records_of
from dicomveil.errors import WrongUse
from dicomveil.source import FileSource

__all__ = ["check_media_folder", "write_media"]


def check_media_folder(folder: Path, output: Path) -> None:
    """See that media can be made in a folder: it is new or empty, and apart from the outputs.

    Raises:
        WrongUse: ``media-folder-in-use``.
    """
    media, outputs = folder.resolve(), output.resolve()
    if media == outputs or media in outputs.parents or outputs in media.parents:
        raise WrongUse("media-folder-in-use")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongUse("media-folder-in-use")


def write_media(folder: Path, output: Path, names: Sequence[str]) -> list[str]:
    """Write a DICOMDIR and the outputs of these names; return the names that no DICOMDIR can list.

    The media are there in whole or not at all.

    Raises:
        OSError: they could not be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".dicomveil-", dir=folder.parent))
    try:
        media = work / "media"
        media.mkdir()
        directory = Directory()
        for name in names:
            with FileSource(output / name) as source:
                directory.add(name, records_of(source, name))
        for name, file_id in directory.names.items():
            _place(media / file_id, output / name)
        (media / NAME).write_bytes(directory.encode())
        if folder.exists():
            folder.rmdir()
        media.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return directory.left_out


def _place(target: Path, source: Path) -> None:
    """Put an output under its name beside the DICOMDIR."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
