"""How long the pixels are: what is cut off as padding must not be image."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ParametricMapStorage

import builders
from dicomveil.pixels.layout import pixel_layout
from dicomveil.reading import read_instance
from dicomveil.redacting import redacted_pixels
from dicomveil.source import BytesSource, part_length


def image(photometric: str, samples: int, bits: int, length: int) -> Dataset:
    """Return an image of 6 rows and 4 columns whose Pixel Data have the given length."""
    ds = builders.sc()
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration = 6, 4, samples, 0
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelData = bytes(length)
    return ds


@pytest.mark.parametrize(
    ("photometric", "samples", "bits", "length", "kept"),
    [
        pytest.param("YBR_FULL_422", 3, 8, 48, 48, id="subsampled"),
        pytest.param("YBR_FULL_422", 3, 8, 60, 48, id="subsampled and padded"),
        pytest.param("YBR_FULL_422", 3, 8, 72, 72, id="all samples are there"),
        pytest.param("MONOCHROME2", 1, 12, 36, 36, id="packed cells of 12 bits"),
        pytest.param("MONOCHROME2", 1, 1, 4, 4, id="single bits, even length"),
        pytest.param("MONOCHROME2", 1, 8, 30, 24, id="padded"),
    ],
)
def test_no_pixel_is_taken_for_padding(
    photometric: str, samples: int, bits: int, length: int, kept: int
) -> None:
    """Only what follows the last sample goes; YBR_FULL_422 is not believed where the length denies it."""
    ds = image(photometric, samples, bits, length)
    instance = read_instance(BytesSource(builders.encode(ds)))
    assert sum(map(part_length, redacted_pixels(instance, ()).parts)) == kept
    assert pixel_layout(instance).total_bytes == (kept if bits != 1 else 3)


def test_padding_behind_floating_pixels_goes_too() -> None:
    """Float and Double Float Pixel Data end with their last frame as well."""
    for keyword, bits in (("FloatPixelData", 32), ("DoubleFloatPixelData", 64)):
        ds = image("MONOCHROME2", 1, bits, 0)
        ds.SOPClassUID = ParametricMapStorage
        del ds.PixelData
        setattr(ds, keyword, bytes(24 * bits // 8) + b"Zwicklhuber^Quir")
        instance = read_instance(BytesSource(builders.encode(ds)))
        assert sum(map(part_length, redacted_pixels(instance, ()).parts)) == 24 * bits // 8
