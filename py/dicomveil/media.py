"""Media: cleaned outputs laid out anew under names that a DICOMDIR may list (PS3.10 8.5, PS3.3 Annex F).

An original DICOMDIR is never passed on (PS3.15 E.1.1). A new one is made of what stands in the outputs alone,
by pydicom's FileSet, from their headers; then the files are linked or copied, byte for byte as verified.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # heavy, and seldom asked for
    from pydicom.dataset import Dataset
    from pydicom.fileset import FileSet

from dicomveil.errors import WrongUse

__all__ = ["check_media_folder", "write_media"]

#: Keys of directory records (PS3.3 F.5) that an output may lack; the output itself stays as it is.
_KEYS: dict[str, str | int] = {
    "Modality": "OT",
    "StudyDate": "19000101",
    "StudyTime": "000000",
    "StudyID": "REMOVED",
    "SeriesNumber": 0,
    "InstanceNumber": 0,
    "ContentDate": "19000101",
    "ContentTime": "000000",
}


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

    These are instances whose SOP Class has no kind of directory record, and further ones with the same SOP
    Instance UID. The media are there in whole or not at all.

    Raises:
        OSError: they could not be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".dicomveil-", dir=folder.parent))
    try:
        media = work / "media"
        media.mkdir()
        listed, left_out = _directory(media, output, names)
        for file_id, name in listed.items():
            _replace(media / file_id, output / name)
        if folder.exists():
            folder.rmdir()
        media.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return left_out


def _directory(media: Path, output: Path, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Write the DICOMDIR; return the names by File ID, and those that were left out."""
    from pydicom.fileset import FileSet

    files = FileSet()
    try:
        return _listed(files, media, output, names)
    finally:
        files._stage["t"].cleanup()  # noqa: SLF001 - where headers wait; else it goes when the collector likes


def _listed(
    files: FileSet, media: Path, output: Path, names: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    from pydicom import dcmread

    by_uid: dict[str, str] = {}
    left_out = []
    for name in names:
        header = dcmread(output / name, stop_before_pixels=True)
        if header.SOPInstanceUID in by_uid:
            left_out.append(name)
            continue
        _fill_keys(header)
        try:
            files.add(header)
        except (ValueError, AttributeError, NotImplementedError):
            left_out.append(name)
        else:
            by_uid[header.SOPInstanceUID] = name
    if by_uid:
        files.write(media)
    return {str(instance.FileID): by_uid[str(instance.SOPInstanceUID)] for instance in files}, left_out


def _fill_keys(header: Dataset) -> None:
    for keyword, value in _KEYS.items():
        if header.get(keyword) in {None, ""}:
            setattr(header, keyword, value)


def _replace(target: Path, source: Path) -> None:
    """Put an output in the place of the header that stood for it."""
    target.unlink()
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
