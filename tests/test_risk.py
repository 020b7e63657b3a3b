"""Which images need a person's eyes, what counts as a look, and pixels that nothing describes."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from pydicom.uid import MPEG4HP41

import builders
from dicomveil.errors import Refused
from dicomveil.icc import srgb_profile
from dicomveil.pipeline import Cleaned, Session, clean_source
from dicomveil.pixels.shapes import Redaction
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Pseudonyms
from dicomveil.risk import pixel_risks
from dicomveil.source import BytesSource, iter_parts

HARMLESS: dict[str, Any] = {
    "sop_class": "1.2.840.10008.5.1.4.1.1.2",
    "transfer_syntax": builders.EXPLICIT,
    "modality": "CT",
    "image_type": ("ORIGINAL", "PRIMARY", "AXIAL"),
    "photometric": "MONOCHROME2",
    "burned_in_annotation": "",
    "conversion_type": "",
    "specimen_label_in_image": "",
}


def cleaned(data: bytes, pseudonyms: Pseudonyms, **how: Any) -> tuple[Cleaned, bytes]:  # noqa: ANN401
    """Clean an instance and return the outcome with the output's bytes."""
    source = BytesSource(data)
    outcome = clean_source(source, Session(Profile.default(), pseudonyms), **how)
    return outcome, b"".join(iter_parts(source, outcome.parts))


def refusal(data: bytes, pseudonyms: Pseudonyms, **how: Any) -> tuple[str, int | None]:  # noqa: ANN401
    """Return code and tag with which an instance is refused."""
    with pytest.raises(Refused) as caught:
        cleaned(data, pseudonyms, **how)
    return caught.value.code, caught.value.tag


@pytest.mark.parametrize(
    ("change", "risk"),
    [
        ({"burned_in_annotation": "YES"}, "burned-in-annotation"),
        ({"burned_in_annotation": "UNKNOWN"}, "burned-in-annotation"),
        ({"transfer_syntax": MPEG4HP41}, "video"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LABEL")}, "slide-label"),
        ({"specimen_label_in_image": "YES"}, "slide-label"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.6.1"}, "sop-class"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.7.4"}, "sop-class"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.77.1.1"}, "sop-class"),
        ({"modality": "US"}, "modality"),
        ({"modality": ""}, "modality"),
        ({"image_type": ("DERIVED", "SECONDARY", "SCREEN SAVE")}, "image-type"),
        ({"image_type": ("DERIVED", "SECONDARY")}, "image-type"),
        ({"conversion_type": "DF"}, "conversion-type"),
        ({"photometric": "RGB"}, "colour"),
    ],
)
def test_what_needs_a_look(change: dict[str, Any], risk: str) -> None:
    """Each sign of burned-in text is told by its own code; an ordinary slice has none."""
    assert pixel_risks(**HARMLESS) == ()
    assert risk in pixel_risks(**{**HARMLESS, **change})


def test_a_reconstruction_needs_none() -> None:
    """What a scanner computes from its own data is derived, and nobody wrote on it."""
    assert pixel_risks(**{**HARMLESS, "image_type": ("DERIVED", "SECONDARY", "MPR")}) == ()


def test_a_sign_behind_the_pixels_counts(pseudonyms: Pseudonyms) -> None:
    """Burned In Annotation after Pixel Data is read like any other, so the image needs a look."""
    data = builders.encode(builders.ct())
    assert cleaned(data, pseudonyms)[0].pixels == "no risk"
    late = data + builders.raw_data_set([(0x00280301, "CS", b"YES ")])
    assert refusal(late, pseudonyms) == ("pixels-need-review", None)


@pytest.mark.parametrize(
    ("frames", "seen"),
    [
        ([None], True),
        ([(0, 3)], True),
        ([(2, 3), (0, 1)], True),
        ([(0, 2), (1, 3)], True),
        ([(0, 0)], False),
        ([(0, 1), (3, 3)], False),
        ([(1, 3)], False),
    ],
)
def test_areas_are_a_look_only_if_every_frame_has_one(
    frames: list[tuple[int, int] | None], *, seen: bool, pseudonyms: Pseudonyms
) -> None:
    """An area in some frames says nothing of the others: the cine stays, and nothing is claimed."""
    ds = builders.us()
    ds.PixelData = ds.PixelData * 4 if ds.get("NumberOfFrames", 1) == 1 else ds.PixelData
    ds.NumberOfFrames = 4 if ds.get("NumberOfFrames", 1) == 1 else ds.NumberOfFrames
    one = len(ds.PixelData) // int(ds.NumberOfFrames)
    ds.PixelData, ds.NumberOfFrames = ds.PixelData[:one] * 4, 4
    data = builders.encode(ds)
    areas = [Redaction(0, 0, 2, 2, span) for span in frames]
    if not seen:
        assert refusal(data, pseudonyms, redactions=areas)[0] == "pixels-need-review"
    outcome, output = cleaned(data, pseudonyms, redactions=areas, pixels="review" if seen else "unclaimed")
    assert outcome.pixels == "redacted"
    found = pydicom.dcmread(io.BytesIO(output))
    codes = [item.CodeValue for item in found.DeidentificationMethodCodeSequence]
    assert ("113101" in codes) == seen
    assert (found.get("BurnedInAnnotation") == "NO") == seen


def test_video_leaves_only_by_a_persons_word(pseudonyms: Pseudonyms) -> None:
    """A video cannot be looked into: refused, unless somebody confirmed; then the stream is unchanged."""
    ds = builders.us()
    data = builders.encode(ds, MPEG4HP41)
    assert refusal(data, pseudonyms) == ("video-unchecked", None)
    outcome, output = cleaned(data, pseudonyms, pixels="confirmed")
    assert outcome.pixels == "confirmed"
    assert builders.TINY_JPEG in output


def test_pixels_in_an_object_that_has_none_are_refused(pseudonyms: Pseudonyms) -> None:
    """A report with Pixel Data is no image: what those bytes are nobody can say."""
    ds = builders.sr()
    data = builders.encode(ds) + builders.raw_data_set([(0x7FE00010, "OW", b"Zwicklhuber 4711")])
    assert refusal(data, pseudonyms) == ("pixels-not-in-iod", 0x7FE00010)


def test_pixels_that_nothing_describes_are_refused(pseudonyms: Pseudonyms) -> None:
    """Without rows the end of the image is unknown, and the bytes may be anything."""
    ds = builders.ct()
    ds.Rows = 0
    assert refusal(builders.encode(ds), pseudonyms) == ("pixels-undecodable", 0x7FE00010)


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [(0x00280004, "CS", b"Monochrome2 "), (0x00200032, "DS", b"1,5\\2,5\\3,5 ")],
)
def test_an_image_is_not_let_go_without_what_it_is_shown_by(
    tag: int, vr: str, value: bytes, pseudonyms: Pseudonyms
) -> None:
    """A broken attribute of the image itself refuses the file: without it the lesson would be wrong."""
    ds = builders.ct()
    del ds[tag]
    data = builders.encode(ds)
    at = data.index(b"\xe0\x7f\x10\x00")
    broken = data[:at] + data[at:] + builders.raw_data_set([(tag, vr, value)])
    assert refusal(broken, pseudonyms) == ("attribute-invalid", tag)


def test_overlay_bits_are_cleared_even_if_the_overlay_has_an_empty_plane(pseudonyms: Pseudonyms) -> None:
    """An overlay in a high bit of the cells is drawn there, whatever an empty Overlay Data says."""
    ds = builders.ct()
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 0
    count = int(ds.Rows) * int(ds.Columns)
    ds.PixelData = b"\x01\x80" * count
    ds.add_new(0x60000102, "US", 15)
    ds.add_new(0x60003000, "OW", b"")
    _, output = cleaned(builders.encode(ds), pseudonyms)
    found = pydicom.dcmread(io.BytesIO(output))
    assert found.PixelData == b"\x01\x00" * count
    assert not [tag for tag in found.keys() if tag.group == 0x6000]  # noqa: SIM118 - elements, not tags


def test_reserved_bytes_of_long_lengths_are_not_copied(pseudonyms: Pseudonyms) -> None:
    """The two bytes between VR and length are zero in the output (PS3.5 7.1.2), whatever the input has."""
    ds = builders.ct()
    ds.add_new(0x00282000, "OB", srgb_profile())
    data = builders.encode(ds)
    at = data.index(b"\x28\x00\x00\x20OB")
    hidden = data[: at + 6] + b"JD" + data[at + 8 :]
    for content in (data, hidden):
        _, output = cleaned(content, pseudonyms)
        place = output.index(b"\x28\x00\x00\x20OB")
        assert output[place + 6 : place + 8] == b"\0\0"


def test_recognizable_features_are_told_of_not_claimed(pseudonyms: Pseudonyms) -> None:
    """Nothing here changes a face: who asks for it is warned of each image, and no code is written."""
    option = "clean_recognizable_visual_features"
    for ds, warned in ((builders.ct(), True), (builders.sr(), False)):
        source = BytesSource(builders.encode(ds))
        session = Session(Profile("faces", frozenset({option})), pseudonyms)
        outcome = clean_source(source, session, pixels="unclaimed")
        output = pydicom.dcmread(io.BytesIO(b"".join(iter_parts(source, outcome.parts))))
        assert ("features-recognizable" in outcome.warnings) == warned
        assert [item.CodeValue for item in output.DeidentificationMethodCodeSequence] == ["113100"]
        assert output.get("RecognizableVisualFeatures") != "NO"
