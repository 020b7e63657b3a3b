"""The example: valid files that say what they are, of which one has text burned in."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest

from dicomveil.errors import Refused
from dicomveil.example import example_files
from dicomveil.inspecting import inspect
from dicomveil.pipeline import Session, clean_source
from dicomveil.pixels.proposing import propose
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.reading import read_instance
from dicomveil.redacting import redaction_of
from dicomveil.source import BytesSource, iter_parts

FILES = dict(example_files())
SESSION = Session(Profile.default(), Pseudonyms(Key(bytes(32))))
SECRETS = (b"Mirandel", b"MRN-0127-90", b"EX-4711", b"Referrer", b"Example Hospital", b"19700102")


@pytest.mark.parametrize("name", FILES)
def test_it_is_read_by_others(name: str) -> None:
    """Pydicom reads every file with its pixels; each image is drawn, and by a made-up patient's name."""
    ds = pydicom.dcmread(io.BytesIO(FILES[name]))
    assert ds.PatientName == "Mirandel^Alexandra"
    assert len(set(ds.pixel_array.ravel().tolist())) > 4
    assert all(secret in FILES[name] for secret in SECRETS)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("name", FILES)
def test_it_is_valid(name: str, tmp_path: Path) -> None:
    """Dciodvfy has nothing to say against it."""
    (tmp_path / name).write_bytes(FILES[name])
    command = ["dciodvfy", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Error" not in done.stderr + done.stdout


def test_the_same_comes_out_each_time() -> None:
    """No time and no chance is in it, and no two instances are the same."""
    assert dict(example_files()) == FILES
    uids = {str(pydicom.dcmread(io.BytesIO(content)).SOPInstanceUID) for content in FILES.values()}
    assert len(uids) == len(FILES)


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("ct")])
def test_slices_are_clean_without_a_look(name: str) -> None:
    """A slice has no risk of burned-in text; nothing of the made-up patient is left."""
    source = BytesSource(FILES[name])
    output = b"".join(iter_parts(source, clean_source(source, SESSION, pixels="review").parts))
    assert not any(secret in output for secret in SECRETS)


def test_the_ultrasound_shows_what_redaction_is_for() -> None:
    """It needs a look; what its region and its letters lead to propose covers the letters."""
    source = BytesSource(FILES["ultrasound.dcm"])
    assert "burned-in-annotation" in inspect(read_instance(source)).risks
    with pytest.raises(Refused) as refused:
        clean_source(source, SESSION, pixels="review")
    assert refused.value.code == "pixels-need-review"
    proposals = propose(read_instance(source), text=True)
    assert {proposal.source for proposal in proposals} == {"regions", "text"}
    for kind in ("regions", "text"):
        found = [proposal.to_json()["areas"] for proposal in proposals if proposal.source == kind]
        areas = [redaction_of(area) for some in found for area in some]
        cleaned = clean_source(source, SESSION, pixels="confirmed", redactions=areas)
        pixels = pydicom.dcmread(io.BytesIO(b"".join(iter_parts(source, cleaned.parts)))).pixel_array
        assert not pixels[:50].any(), kind
        assert pixels[100:200].any()
