"""What the page is told of an instance for its list and its film: the pace of frames, and how to show it."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

import builders
from dicomveil.inspecting import inspect
from dicomveil.reading import read_instance
from dicomveil.source import BytesSource
from dicomveil.viewing import summary


def told(ds: Dataset) -> dict[str, Any]:
    """Return the summary of an instance."""
    instance = read_instance(BytesSource(builders.encode(ds)))
    return summary(instance, inspect(instance))


def cine(**attributes: object) -> Dataset:
    """Return an ultrasound cine that says of its pace what is given, and nothing else."""
    ds = builders.us()
    del ds.FrameTime
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("attributes", "milliseconds"),
    [
        pytest.param({"FrameTime": "33.3"}, 33.3, id="Frame Time"),
        pytest.param(
            {"FrameTimeVector": ["0", "40", "60"]}, 40, id="Frame Time Vector: the first is no time"
        ),
        pytest.param({"RecommendedDisplayFrameRate": "25"}, 40, id="Recommended Display Frame Rate"),
        pytest.param({"CineRate": "10"}, 100, id="Cine Rate"),
        pytest.param({"FrameTime": "20", "CineRate": "10"}, 20, id="Frame Time comes first"),
        pytest.param(
            {"RecommendedDisplayFrameRate": "50", "CineRate": "10"}, 20, id="then the display's rate"
        ),
        pytest.param({}, None, id="nothing"),
        pytest.param({"FrameTime": "0"}, None, id="no time at all"),
        pytest.param({"FrameTime": "-5"}, None, id="backwards"),
        pytest.param({"CineRate": "0"}, None, id="no rate"),
        pytest.param({"FrameTime": "60000"}, None, id="a minute and more is no film"),
        pytest.param({"FrameTimeVector": ["0", "0"]}, None, id="a vector without times"),
    ],
)
def test_the_time_from_frame_to_frame(attributes: dict[str, object], milliseconds: float | None) -> None:
    """Milliseconds (PS3.3 C.7.6.5), by the attribute that says it best; none where no number makes a film."""
    found = told(cine(**attributes))["frame_time"]
    assert found == (None if milliseconds is None else pytest.approx(milliseconds))


@pytest.mark.parametrize("value", [b"soon", b"1,5 ", b"nan ", b"inf ", b"-inf", b"1e999 "])
def test_a_frame_time_that_is_no_number_is_none(value: bytes) -> None:
    """The page gets a number or null: what is neither would be no JSON."""
    data = builders.encode(cine(FrameTime="33.3"))
    at = data.index(b"33.3")
    padded = value.ljust(len(value) + len(value) % 2)
    broken = data[: at - 2] + len(padded).to_bytes(2, "little") + padded + data[at + 4 :]
    instance = read_instance(BytesSource(broken))
    assert summary(instance, inspect(instance))["frame_time"] is None


def test_what_can_be_shown_and_covered_is_told_apart() -> None:
    """A picture both; a report neither; the number of frames is at least one."""
    assert [told(builders.us())[name] for name in ("preview", "redactable", "frames")] == [True, True, 3]
    assert [told(builders.sr())[name] for name in ("preview", "redactable", "frames")] == [False, False, 1]
