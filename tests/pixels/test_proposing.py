"""Proposals: ultrasound regions, rules per device, and text found in the pixels."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from builders import corpus_bytes, corpus_files, encode, us
from dicomveil.errors import Refused
from dicomveil.pixels.decode import FrameReader
from dicomveil.pixels.layout import pixel_layout
from dicomveil.pixels.proposing import device_rules, listed, proposals_of_header, propose, ultrasound_regions
from dicomveil.pixels.shapes import Redaction, spans
from dicomveil.pixels.text import _brightness, as_grey, maximum, text_boxes
from pixels.drawn import DIM, ON_TISSUE, covered, draw, is_covered, recall
from pixels.images import opened

DATA = Path(__file__).parents[2] / "py" / "dicomveil" / "data" / "device_rules.json"


def region(x0: int, y0: int, x1: int, y1: int) -> Dataset:
    """Return an item of Sequence of US Regions."""
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0 = x0, y0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x1, y1
    return item


def cine(regions: list[Dataset], rows: int = 60, columns: int = 80, frames: int = 2) -> Dataset:
    """Return an ultrasound cine of black frames with these regions."""
    ds = us()
    ds.Rows, ds.Columns, ds.NumberOfFrames = rows, columns, str(frames)
    ds.SequenceOfUltrasoundRegions = Sequence(regions)
    ds.PixelData = bytes(rows * columns * 3 * frames)
    return ds


def test_outside_of_ultrasound_regions_is_proposed() -> None:
    """All regions together are proposed to be kept; their corners belong to them."""
    instance = opened(encode(cine([region(10, 20, 40, 50), region(50, 20, 200, 30)])))
    layout = pixel_layout(instance)
    proposal = ultrasound_regions(instance, layout)
    assert proposal is not None
    assert proposal.areas == (
        Redaction(10, 20, 31, 31, keep_only=True),
        Redaction(50, 20, 30, 11, keep_only=True),
    )
    outside = sum(b - a for _, a, b in spans(proposal.areas, 60, 80))
    assert outside == 60 * 80 - 31 * 31 - 30 * 11
    assert proposal.to_json()["areas"][0]["keep_only"] is True


@pytest.mark.parametrize("regions", [[], [region(0, 0, 79, 59)], [region(90, 0, 99, 5)], [Dataset()]])
def test_regions_that_leave_nothing_out_propose_nothing(regions: list[Dataset]) -> None:
    """No region, one that is the image, one outside of it, or one without corners is no proposal."""
    instance = opened(encode(cine(regions)))
    assert ultrasound_regions(instance, pixel_layout(instance)) is None


def test_the_rules_are_those_of_the_generator() -> None:
    """The data file is what its generator makes of the shared table, where that is there."""
    import generate_device_rules
    from builders import SHARED

    source = SHARED / "tables" / "burnedin" / "deid_rules_parsed.json"
    if not source.exists():
        pytest.skip("the shared tables are not there")
    entries = json.loads(source.read_text())
    made = [rule for entry in entries if (rule := generate_device_rules.rule(entry))]
    assert json.loads(DATA.read_text())["rules"] == made


def test_both_conventions_of_areas_become_one() -> None:
    """Corners and sizes are told apart: (450, 0) to (672, 85) is 222 wide."""
    import generate_device_rules

    assert generate_device_rules.area("coordinates", "450,0,672, 85") == [450, 0, 222, 85]
    assert generate_device_rules.area("ctpcoordinates", "450,0,222,85") == [450, 0, 222, 85]


def test_a_device_is_known_by_its_header() -> None:
    """A rule holds for its manufacturer, model and size, whatever their case, and for nothing else."""
    ds = cine([], rows=768, columns=1024, frames=1)
    ds.Manufacturer, ds.ManufacturerModelName = "Siemens Healthcare", "ACUSON S2000"
    instance = opened(encode(ds))
    found = device_rules(instance, pixel_layout(instance))
    assert Redaction(0, 0, 1024, 60) in [area for proposal in found for area in proposal.areas]
    ds.ManufacturerModelName = "ACUSON X300"
    instance = opened(encode(ds))
    found = device_rules(instance, pixel_layout(instance))
    assert Redaction(0, 0, 1024, 60) not in [area for proposal in found for area in proposal.areas]


def test_every_rule_is_plausible() -> None:
    """Each rule has a condition, and areas of at least a pixel that begin inside an image."""
    for rule in json.loads(DATA.read_text())["rules"]:
        assert rule["all"]
        for x, y, width, height in rule["areas"]:
            assert x >= 0
            assert y >= 0
            assert width > 0
            assert height > 0


def test_text_is_found_in_any_of_the_frames() -> None:
    """Text that only one frame shows is proposed, since the maximum over frames is looked at."""
    ds = cine([], rows=120, columns=160, frames=3)
    frames = np.zeros((3, 120, 160, 3), np.uint8)
    drawn, places = draw(np.zeros((120, 160), np.uint8), seed=4, count=1)
    frames[2] = drawn[..., None]
    ds.PixelData = frames.tobytes()
    instance = opened(encode(ds))
    reader = FrameReader(instance)
    assert text_boxes(maximum(reader, [0, 1])) == []
    boxes = [area for proposal in propose(instance) if proposal.source == "text" for area in proposal.areas]
    mask = covered([(area.x, area.y, area.width, area.height) for area in boxes], (120, 160))
    assert is_covered(mask, places[0].box)


def test_an_even_image_has_no_text() -> None:
    """Gradients and smooth shapes are no text."""
    y, x = np.mgrid[:200, :300]
    grey = (120 + 60 * np.sin(x / 40) + 50 * np.cos(y / 31)).astype(np.uint8)
    assert text_boxes(grey) == []


def test_colour_doppler_is_not_taken_for_text() -> None:
    """Where hues change all around there is no text but in white."""
    random_ = np.random.default_rng(5)
    rgb = np.zeros((160, 240, 3), np.uint8)
    rgb[20:140, 20:220, 0] = random_.integers(0, 2, (60, 100)).repeat(2, 0).repeat(2, 1) * 220
    rgb[20:140, 20:220, 2] = random_.integers(0, 2, (60, 100)).repeat(2, 0).repeat(2, 1) * 220
    rgb[20:140, 20:220, 1] = 40
    plain = covered(text_boxes(rgb.max(axis=2)), (160, 240)).mean()
    assert covered(text_boxes(_brightness(rgb)), (160, 240)).mean() < plain / 4
    drawn, places = draw(np.zeros((160, 240), np.uint8), seed=11, count=1)
    rgb[drawn > 190] = 255
    assert is_covered(covered(text_boxes(_brightness(rgb)), (160, 240)), places[0].box)


def test_without_the_codecs_the_header_still_proposes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the header tells needs no numpy; the search for text says that it does."""
    instance = opened(encode(cine([region(10, 20, 40, 50)])))
    monkeypatch.setitem(sys.modules, "dicomveil.pixels.text", None)
    assert [proposal.source for proposal in proposals_of_header(instance)] == ["regions"]
    assert [proposal.source for proposal in propose(instance, text=False)] == ["regions"]
    with pytest.raises(Refused) as refused:
        propose(instance)
    assert refused.value.code == "pixels-not-loaded"


def test_what_cannot_be_decoded_still_has_a_header() -> None:
    """A list of proposals never fails: without pixels it is that of the header."""
    ds = cine([region(10, 20, 40, 50)])
    ds.NumberOfFrames = "9"
    found = listed(opened(encode(ds)), text=True)
    assert [proposal["source"] for proposal in found] == ["regions"]


def backgrounds() -> list[NDArray[np.uint8]]:
    """Return the ultrasound frames of the corpus, each once."""
    found: dict[bytes, NDArray[np.uint8]] = {}
    for path in corpus_files():
        try:
            instance = opened(corpus_bytes(path))
            if instance.pixels is None or instance.head.text(0x00080060) != "US":
                continue
            reader = FrameReader(instance)
            grey = as_grey(reader, *reader.array(0))
        except Refused:
            continue
        if grey.shape[0] >= 200 and len(np.unique(grey)) > 1:
            found[grey.tobytes()] = grey
    return list(found.values())


@pytest.mark.timeout(300)
def test_drawn_text_over_real_ultrasound_is_found() -> None:
    """Proposals cover 98 % of the strings; all misses are dim text or text on tissue."""
    frames = backgrounds()
    if not frames:
        pytest.skip("the shared corpus is not there")
    found = recall(frames, turns=3, count=3)
    assert found.share >= 0.98, found
    for kind, (hit, drawn) in found.kinds.items():
        assert kind in {DIM, ON_TISSUE} or hit >= 0.98 * drawn, found
    assert found.median <= 0.12, found
    assert found.mean <= 0.14, found
    alone = [covered(text_boxes(frame), frame.shape).mean() for frame in frames]
    assert np.mean(alone) <= 0.1, "nor is much proposed where nothing was drawn"
