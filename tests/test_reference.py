"""The pipeline gives the same elements with the same value bytes as plain pydicom does."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from pydicom import data as pydicom_data

import builders
import reference
import trees
from dicomveil import pipeline
from dicomveil.errors import Refused
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Pseudonyms
from dicomveil.source import BytesSource, iter_parts

PROFILES = {
    "clean": Profile(
        "clean",
        frozenset(
            {
                "clean_descriptors",
                "clean_structured_content",
                "clean_graphics",
                "retain_longitudinal_modified_dates",
                "retain_safe_private",
            }
        ),
    ),
    "default": Profile.default(),
    "basic": Profile("basic", frozenset()),
    "full-dates": Profile("full-dates", frozenset({"retain_longitudinal_full_dates"})),
    "retain": Profile(
        "retain",
        frozenset(
            {
                "retain_longitudinal_modified_dates",
                "retain_patient_characteristics",
                "retain_device_identity",
                "retain_institution_identity",
                "retain_uids",
            }
        ),
    ),
}
PIXEL_DATA = 0x7FE00010
#: Reasons for which an input has no output to compare.
REFUSED_INPUTS = {
    "attribute-invalid",
    "pixels-not-in-iod",
    "pixels-undecodable",
    "not-dicom",
    "dicomdir",
    "truncated",
    "undecodable",
    "unsupported-transfer-syntax",
    "no-sop-class",
    "private-sop-class",
    "encapsulated-document",
    "embedded-overlay",
}


@pytest.fixture(autouse=True)
def unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare what cleaning makes, also of files that verification would stop."""
    monkeypatch.setattr(pipeline, "_verify", lambda *_arguments: None)


def assert_same(data: bytes, pseudonyms: Pseudonyms, profile: Profile, pixels: str = "unclaimed") -> bool:
    """Assert that the pipeline's output is the reference's; return False for a refused input."""
    source = BytesSource(data)
    try:
        cleaned = pipeline.clean_source(source, pipeline.Session(profile, pseudonyms), pixels=pixels)
    except Refused as refused:
        if refused.code not in REFUSED_INPUTS:
            raise
        return False
    output = b"".join(iter_parts(source, cleaned.parts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what real files hold
        file = trees.read(data)
        found = trees.read(output)
        claimed = pixels == "confirmed" and "PixelData" in file.ds and "clean_pixel_data" in profile.options
        expected = reference.Reference(file, pseudonyms, profile.options, clean_pixels=claimed).expected()
    if "codestream-comments-removed" in cleaned.warnings:
        expected[PIXEL_DATA] = found.tree[
            PIXEL_DATA
        ]  # comments inside frames go: the tests of pixels look at them
    assert trees.differences(expected, found.tree, explicit=found.explicit) == []
    assert len(found.tree) > 6
    return True


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("kind", builders.BUILDERS)
def test_generated_instances(kind: str, profile: Profile, pseudonyms: Pseudonyms) -> None:
    """Every kind of instance comes out as the reference says, under every profile."""
    data = builders.encode(builders.BUILDERS[kind](builders.PATIENT, 1))
    assert assert_same(data, pseudonyms, profile)
    assert assert_same(data, pseudonyms, profile, pixels="confirmed")


@pytest.mark.parametrize("undefined_lengths", [0, 1], ids=["defined", "undefined"])
@pytest.mark.parametrize("transfer_syntax", builders.SYNTAXES, ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("kind", ["ct", "us", "enhanced-mr"])
def test_generated_encodings(
    kind: str, transfer_syntax: str, undefined_lengths: int, pseudonyms: Pseudonyms, profile: Profile
) -> None:
    """Encodings make no difference: implicit, explicit, big endian, deflated, encapsulated, any lengths."""
    instance = builders.BUILDERS[kind](builders.PATIENT, 1)
    data = builders.encode(instance, transfer_syntax, undefined_lengths=bool(undefined_lengths))
    assert assert_same(data, pseudonyms, profile)


def pydicom_files() -> list[Path]:
    """Return the DICOM files that pydicom brings with it."""
    folder = Path(pydicom_data.__file__).parent
    return sorted(
        path for path in folder.rglob("*") if path.suffix == ".dcm" or path.name.startswith("IM0000")
    )


def test_pydicom_files(pseudonyms: Pseudonyms, profile: Profile) -> None:
    """The files that pydicom brings come out as the reference says."""
    paths = pydicom_files()
    compared = [assert_same(path.read_bytes(), pseudonyms, profile) for path in paths]
    assert sum(compared) > 60


@pytest.mark.skipif(not builders.CORPUS.exists(), reason="../shared/corpus is not here")
@pytest.mark.parametrize(
    "folder", sorted({path.relative_to(builders.CORPUS).parts[0] for path in builders.corpus_files()})
)
@pytest.mark.parametrize("name", ["default", "clean", "retain"])
def test_corpus(folder: str, name: str, pseudonyms: Pseudonyms) -> None:
    """Every file of the corpus that is not refused comes out as the reference says."""
    different = {}
    for path in builders.corpus_files():
        if path.relative_to(builders.CORPUS).parts[0] == folder:
            try:
                assert_same(builders.corpus_bytes(path), pseudonyms, PROFILES[name])
            except AssertionError as error:
                different[str(path.relative_to(builders.CORPUS))] = str(error)
    assert different == {}
