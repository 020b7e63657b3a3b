"""Outputs stay valid: dciodvfy (Debian's dicom3tools) finds no error in them that the input has not.

An error counts by its text without values. What is introduced all the same stands in ``EXPLAINED``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

import builders
from dicomveil import pipeline
from dicomveil.errors import Refused
from dicomveil.profile import OPTIONS, Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.reading import read_instance
from dicomveil.source import BytesSource, iter_parts

pytestmark = [
    pytest.mark.skipif(not builders.CORPUS.exists(), reason="../shared/corpus is not here"),
    pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not here"),
]

PROFILES = {
    "default": Profile.default(),
    "all": Profile("all", frozenset(OPTIONS) - {"retain_longitudinal_full_dates"}),
}
#: Pattern of an introduced error -> why it is none of ours.
EXPLAINED = {
    r"ReferencedSeriesSequence present but Instance does not reference Instances": (
        "references that the IOD makes optional (X/Z/U*, Type 3) are removed; the list of series stays"
    ),
    r"ReasonForRequestedProcedureCodeSequence.*Missing attribute for Type 2": (
        "Type 2 in a Hanging Protocol, but Table E.1-1 says X without a choice"
    ),
    r"SpecimenPreparationSequence.*Type 1 Required - Module=<ContentItemMacro>": (
        "a defect yet to be mended: a content item of which no word may stay loses its value, not the item"
    ),
}
_VALUES = re.compile(r"<2\.25\.\d+>|= <[^>]*>|\d+\.\d+\.[\d.]+")


def errors(data: bytes, folder: Path) -> set[str]:
    """Return the errors of dciodvfy, without what depends on values."""
    path = folder / "instance.dcm"
    path.write_bytes(data)
    command = [str(shutil.which("dciodvfy")), "-new", str(path)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    lines = (done.stdout + done.stderr).decode("latin-1").splitlines()
    return {_VALUES.sub("", re.sub(r"\s+", " ", line)).strip() for line in lines if line.startswith("Error")}


def is_checked(data: bytes) -> bool:
    """Whether dciodvfy can check an input: its SOP Class is in the data set, which is not deflated."""
    instance = read_instance(BytesSource(data))
    return bool(instance.head.text(0x00080016)) and not instance.encoding.deflated


@pytest.mark.parametrize("name", PROFILES)
def test_no_error_is_introduced(name: str, tmp_path: Path) -> None:
    """Over the corpus each new error has a written reason; inputs without a SOP Class are not compared."""
    session = pipeline.Session(PROFILES[name], Pseudonyms(Key(bytes(range(32)))))
    introduced: dict[str, list[str]] = defaultdict(list)
    compared = 0
    for path in builders.corpus_files():
        data = builders.corpus_bytes(path)
        source = BytesSource(data)
        try:
            cleaned = pipeline.clean_source(source, session, pixels="unclaimed")
        except Refused:
            continue
        if len(data) > 1 << 25 or not is_checked(data):
            continue
        compared += 1
        output = b"".join(iter_parts(source, cleaned.parts))
        for error in errors(output, tmp_path) - errors(data, tmp_path):
            if not any(re.search(pattern, error) for pattern in EXPLAINED):
                introduced[error].append(path.name)
    assert compared > 250
    assert not introduced
