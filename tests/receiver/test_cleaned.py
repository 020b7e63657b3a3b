"""The real verification at the endpoint: what cleaning makes is stored, what it has not seen is refused."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

import builders
from dicomveil.errors import CODES
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.source import BytesSource, iter_parts
from dicomveil.verifying import verify_instance
from dicomveil_receiver.reasons import REASONS, reason_for
from receiver.support import Endpoint, running, uid_of, values

FAILED, COMMENT, REASON = "00081198", "00000902", "00081197"
INPUTS = (
    "CT_small.dcm",
    "MR_small.dcm",
    "rtdose_1frame.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "JPEG2000.dcm",
    "image_dfl.dcm",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Run a server with the real verification."""
    with running(tmp_path_factory.mktemp("storage"), verify_instance) as endpoint:
        yield endpoint


def read(name: str) -> bytes:
    """Return one of pydicom's files."""
    path = get_testdata_file(name)
    assert isinstance(path, str)
    return Path(path).read_bytes()


def cleaned(data: bytes) -> bytes:
    """Clean an instance as the command line does by default, the pixels confirmed."""
    source = BytesSource(data)
    pseudonyms = Pseudonyms(Key.random())
    result = clean_source(source, Session(Profile.default(), pseudonyms), pixels="confirmed")
    return b"".join(iter_parts(source, result.parts))


@pytest.mark.parametrize("name", INPUTS)
def test_what_was_cleaned_is_stored_byte_for_byte(server: Endpoint, name: str) -> None:
    """The digest of what left the cleaner is the digest of what is stored."""
    output = cleaned(read(name))
    answer = server.store_instances(output)
    assert answer.status_code == 200, answer.text
    stored = next(server.storage / file for file in server.files() if Path(file).stem == uid_of(output))
    assert stored.read_bytes() == output
    assert server.store is not None
    assert server.store.index.digests([uid_of(output)]) == {
        uid_of(output): hashlib.sha256(output).hexdigest()
    }


@pytest.mark.parametrize("name", INPUTS)
def test_what_was_not_cleaned_is_refused(server: Endpoint, name: str) -> None:
    """409; the code is one of the family, so page and manual can explain it."""
    before = server.files()
    answer = server.store_instances(read(name))
    assert answer.status_code == 409
    sequence = FAILED if FAILED in answer.json() else "0008119A"
    (code,) = values(answer, sequence, COMMENT)
    assert code in CODES or code in REASONS
    assert values(answer, sequence, REASON) == [reason_for(code).failure]
    assert server.files() == before


@pytest.mark.parametrize("name", INPUTS)
def test_forged_markers_do_not_help(server: Endpoint, name: str) -> None:
    """An original that claims to be de-identified is refused by what it holds."""
    ds = pydicom.dcmread(io.BytesIO(read(name)))
    markers = pydicom.dcmread(io.BytesIO(cleaned(read(name))), stop_before_pixels=True)
    for keyword in builders.MARKERS:
        if keyword in markers:
            ds[keyword] = markers[keyword]
    output = io.BytesIO()
    ds.save_as(output, enforce_file_format=True)
    before = server.files()
    assert server.store_instances(output.getvalue()).status_code == 409
    assert server.files() == before


def test_an_identifier_put_into_a_cleaned_instance_is_refused(server: Endpoint) -> None:
    """A name that comes back after cleaning stops it, with the element that holds it."""
    ds = pydicom.dcmread(io.BytesIO(cleaned(read("CT_small.dcm"))))
    ds.ReferringPhysicianName = "Zwicklhuber^Quirina"
    output = io.BytesIO()
    ds.save_as(output, enforce_file_format=True)
    answer = server.store_instances(output.getvalue())
    assert answer.status_code == 409
    assert "00080090" in answer.json()[FAILED]["Value"][0]["00000901"]["Value"]
    assert "Quirina" not in answer.text


def peak() -> int:
    """Return the most that this process was resident since that was last forgotten, in KB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_a_bomb_is_refused_without_being_inflated_in_memory(server: Endpoint) -> None:
    """A fifth of a megabyte that inflates to 192: 409, and the process grows by far less."""
    ds = pydicom.dcmread(io.BytesIO(cleaned(read("image_dfl.dcm"))))
    del ds.PixelData
    meta = io.BytesIO()
    pydicom.dcmwrite(meta, ds, enforce_file_format=True)
    preamble = meta.getvalue()[: 144 + ds.file_meta.FileMetaInformationGroupLength]
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    size = 192 << 20
    element = b"\x08\x00\x05\x00CS\x02\x00" + b"  " + b"\xe0\x7f\x10\x00OB\0\0" + struct.pack("<I", size)
    bomb = preamble + deflate.compress(element)
    bomb += b"".join(deflate.compress(bytes(1 << 20)) for _ in range(size >> 20)) + deflate.flush()
    assert len(bomb) < 1 << 20
    # Else a peak of a test before this one would hide all of this.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    assert server.store_instances(bomb).status_code == 409
    assert peak() - before < 96 << 10
