"""What the header says of pixels that were overwritten: not how they were, but that they are derived."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

import builders
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Pseudonyms
from dicomveil.redacting import Redaction
from dicomveil.source import BytesSource, iter_parts

AREA = (Redaction(0, 0, 2, 2),)
STATISTICS = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
)


def still() -> Dataset:
    """Return a secondary capture that tells of its pixels what it may, with a small picture of itself."""
    ds = builders.sc()
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    for keyword in STATISTICS:
        setattr(ds, keyword, 7)
    bin_ = Dataset()
    bin_.HistogramNumberOfBins, bin_.HistogramFirstBinValue, bin_.HistogramLastBinValue = 1, 0, 255
    bin_.HistogramBinWidth, bin_.HistogramData = 255, [24]
    ds.HistogramSequence = Items([bin_])
    ds.LossyImageCompression, ds.LossyImageCompressionRatio = "01", "12.5"
    ds.LossyImageCompressionMethod = "ISO_10918_1"
    icon = Dataset()
    icon.Rows = icon.Columns = 2
    icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
    icon.BitsAllocated, icon.BitsStored, icon.HighBit, icon.PixelRepresentation = 8, 8, 7, 0
    icon.PixelData = b"\1\2\3\4"
    ds.IconImageSequence = Items([icon])
    return ds


def output(ds: Dataset, pseudonyms: Pseudonyms, areas: Sequence[Redaction]) -> Dataset:
    """Clean an image that a person confirmed, with some areas."""
    source = BytesSource(builders.encode(ds))
    session = Session(Profile.default(), pseudonyms)
    cleaned = clean_source(source, session, pixels="confirmed", redactions=areas)
    return dcmread(io.BytesIO(b"".join(iter_parts(source, cleaned.parts))))


@pytest.mark.parametrize("keyword", [*STATISTICS, "HistogramSequence"])
def test_statistics_of_pixels_go_with_the_pixels(keyword: str, pseudonyms: Pseudonyms) -> None:
    """An area that is black makes them false, and they would tell what was below; else they stay."""
    assert keyword not in output(still(), pseudonyms, AREA)
    if keyword in STATISTICS:
        assert output(still(), pseudonyms, ())[keyword].value == 7


@pytest.mark.parametrize("areas", [(), AREA])
def test_a_small_picture_of_the_whole_goes_always(areas: Sequence[Redaction], pseudonyms: Pseudonyms) -> None:
    """It would show what is covered."""
    assert "IconImageSequence" not in output(still(), pseudonyms, areas)


def test_an_image_with_areas_is_derived(pseudonyms: Pseudonyms) -> None:
    """Image Type says so (PS3.3 C.7.6.1.1.2), also where it had one value or none; else it stays original."""
    assert output(still(), pseudonyms, ()).ImageType[0] == "ORIGINAL"
    for before in (["ORIGINAL", "PRIMARY", "AXIAL"], "ORIGINAL", None):
        ds = still()
        ds.ImageType = before
        after = output(ds, pseudonyms, AREA).ImageType
        assert after[0] == "DERIVED"
        assert len(after) >= 2


@pytest.mark.parametrize("areas", [(), AREA])
def test_what_was_lossy_stays_lossy(areas: Sequence[Redaction], pseudonyms: Pseudonyms) -> None:
    """Lossy Image Compression, its ratio and its method are of the past, which stays (C.7.6.1.1.5)."""
    found = output(still(), pseudonyms, areas)
    assert (found.LossyImageCompression, found.LossyImageCompressionRatio) == ("01", 12.5)
    assert found.LossyImageCompressionMethod == "ISO_10918_1"


@pytest.mark.parametrize("areas", [(), AREA])
def test_the_instance_has_another_uid(areas: Sequence[Redaction], pseudonyms: Pseudonyms) -> None:
    """In the data set and in File Meta Information alike."""
    ds = still()
    found = output(ds, pseudonyms, areas)
    assert found.SOPInstanceUID != ds.SOPInstanceUID
    assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID
