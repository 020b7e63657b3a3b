"""Real files of many makers, good and broken: each ends clean or refused with a code; most images leave."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest
from pydicom import Dataset, dcmread

import builders
from dicomveil import pipeline
from dicomveil.errors import CODES, Refused
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.source import BytesSource, iter_parts

pytestmark = pytest.mark.skipif(not builders.CORPUS.exists(), reason="../shared/corpus is not here")


class Outcome(NamedTuple):
    """What became of one file: the refusal's code, or the output as pydicom reads it."""

    code: str | None
    is_image: bool
    ds: Dataset | None


def read(data: bytes) -> Dataset | None:
    """Read a file by pydicom, all its values too; None if it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # real files are often not quite valid
        try:
            return dcmread(io.BytesIO(data), force=True)
        except Exception:  # noqa: BLE001 - whatever a broken file makes it raise
            return None


def clean(path: Path, session: pipeline.Session, pixels: str) -> Outcome:
    """Clean one file; any exception but a refusal fails the test."""
    data = builders.corpus_bytes(path)
    source = BytesSource(data)
    ds = read(data)
    is_image = ds is not None and "PixelData" in ds and "Rows" in ds
    try:
        cleaned = pipeline.clean_source(source, session, pixels=pixels)
    except Refused as refused:
        return Outcome(refused.code, is_image, None)
    return Outcome(None, is_image, read(b"".join(iter_parts(source, cleaned.parts))))


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Clean the whole corpus once, claiming nothing about pixels."""
    session = pipeline.Session(Profile.default(), Pseudonyms(Key(bytes(range(32)))))
    return {str(path): clean(path, session, "unclaimed") for path in builders.corpus_files()}


def test_every_file_is_clean_or_refused_with_a_code(outcomes: dict[str, Outcome]) -> None:
    """No file ends in an exception that is not a refusal; every code is one that has a cause and a remedy."""
    assert len(outcomes) > 400
    assert {outcome.code for outcome in outcomes.values()} - {None} <= CODES.keys()
    assert "internal-error" not in {outcome.code for outcome in outcomes.values()}


def test_most_images_come_out(outcomes: dict[str, Outcome]) -> None:
    """At least 97 % of the images that pydicom reads come out."""
    images = [outcome for outcome in outcomes.values() if outcome.is_image]
    assert len(images) > 250
    refused = sorted(outcome.code for outcome in images if outcome.code is not None)
    assert len(refused) <= 0.03 * len(images), refused


def test_outputs_are_read_by_pydicom(outcomes: dict[str, Outcome]) -> None:
    """Every output is a valid file for pydicom, in File Meta Information and in every value."""
    for name, outcome in outcomes.items():
        if outcome.code is None:
            ds = outcome.ds
            assert ds is not None, name
            uid = ds.file_meta.MediaStorageSOPInstanceUID
            assert ds.get("SOPInstanceUID", uid) == uid
            assert ds.PatientIdentityRemoved == "YES"
            assert str(ds.file_meta.ImplementationVersionName).startswith("DICOMVEIL")
            assert not any(elem.tag.is_private for _path, elem in builders.walk(ds)), name


def test_review_only_refuses_more() -> None:
    """With a person's review pending, images at risk are refused; no other file ends differently."""
    session = pipeline.Session(Profile.default(), Pseudonyms(Key(bytes(range(32)))))
    files = [
        path for path in builders.corpus_files() if "innolitics" in str(path) or "deid-data" in str(path)
    ]
    assert files
    codes = set()
    for path in files:
        unclaimed, review = clean(path, session, "unclaimed").code, clean(path, session, "review").code
        assert review == unclaimed or review in {"pixels-need-review", "video-unchecked"}
        codes.add(review)
    assert "pixels-need-review" in codes
