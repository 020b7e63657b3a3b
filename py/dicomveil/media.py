"""Media: cleaned outputs laid out anew under names that a DICOMDIR may list (PS3.10 8.5, PS3.3 Annex F).

An original DICOMDIR is never passed on (PS3.15 E.1.1). A new one is made of what stands in the outputs alone,
by pydicom's FileSet, from their headers; then the files are linked or copied, byte for byte as verified.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.fileset import FileInstance, FileSet

from dicomveil.errors import WrongUse

__all__ = ["check_media_folder", "write_media"]

#: Keys of directory records (PS3.3 F.5) that an output may lack, beside Patient ID, for which the pseudonym
#: stands in; the output itself stays as it is.
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


class _Header(Dataset):
    """What directory records are made from. FileSet stages a copy of it: an empty file is enough."""

    def save_as(self, filename: Any, *_: Any, **__: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        Path(filename).touch()


class _Files(FileSet):
    """A File-set that does not look through all instances for each new one: their UIDs differ."""

    complete = False

    def __iter__(self) -> Iterator[FileInstance]:
        return super().__iter__() if self.complete else iter(())


def _directory(media: Path, output: Path, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Write the DICOMDIR; return the names by File ID, and those that were left out."""
    files = _Files()
    by_uid: dict[str, str] = {}
    left_out = []
    for name in names:
        header = _header(output, name)
        uid = str(header.SOPInstanceUID)
        if uid in by_uid:
            left_out.append(name)
            continue
        try:
            files.add(header)
        except (ValueError, AttributeError):  # pydicom's, for a key that it cannot do without
            left_out.append(name)
        else:
            by_uid[uid] = name
    files.complete = True
    try:
        if by_uid:
            files.write(media)
        return {str(instance.FileID): by_uid[str(instance.SOPInstanceUID)] for instance in files}, left_out
    finally:
        files._stage["t"].cleanup()  # noqa: SLF001 - where files are staged; else it goes at some later time


def _header(output: Path, name: str) -> _Header:
    read = dcmread(output / name, stop_before_pixels=True)
    header = _Header(read)
    header.file_meta = read.file_meta
    for keyword, value in {**_KEYS, "PatientID": name.partition("/")[0]}.items():
        if header.get(keyword) in {None, ""}:
            setattr(header, keyword, value)
    return header


def _replace(target: Path, source: Path) -> None:
    """Put an output in the place of the file that stood for it."""
    target.unlink()
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
