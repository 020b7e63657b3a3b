"""Areas: rectangles, ellipses, polygons, and what is outside of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from dicomveil.errors import Refused, WrongUse
from dicomveil.pixels.selecting import selection_of
from dicomveil.pixels.shapes import Redaction, covered_frames, redaction_of, spans

ROWS, COLUMNS = 40, 60


def mask(areas: list[Redaction]) -> np.ndarray[Any, Any]:
    """Paint the runs; no run may overlap another."""
    out = np.zeros((ROWS, COLUMNS), int)
    for y, first, after in spans(areas, ROWS, COLUMNS):
        assert 0 <= first < after <= COLUMNS
        out[y, first:after] += 1
    assert out.max() <= 1
    return out.astype(bool)


@given(st.integers(-10, 59), st.integers(-10, 39), st.integers(12, 90), st.integers(12, 90))
def test_a_rectangle_is_its_pixels(x: int, y: int, width: int, height: int) -> None:
    """A rectangle covers the pixels of its box that the image has, and no others."""
    expected = np.zeros((ROWS, COLUMNS), bool)
    expected[max(y, 0) : y + height, max(x, 0) : x + width] = True
    assert np.array_equal(mask([Redaction(x, y, width, height)]), expected)


@given(st.integers(0, 30), st.integers(0, 20), st.integers(1, 29), st.integers(1, 19))
def test_an_ellipse_fills_its_box(x: int, y: int, width: int, height: int) -> None:
    """An ellipse touches all four sides of its box, is symmetric, and covers pi/4 of it."""
    found = mask([Redaction(x, y, width, height, shape="ellipse")])
    inside = found[y : y + height, x : x + width]
    assert found.sum() == inside.sum()
    assert inside[0].any()
    assert inside[-1].any()
    assert inside[:, 0].any()
    assert inside[:, -1].any()
    assert np.array_equal(inside, inside[::-1])
    assert np.array_equal(inside, inside[:, ::-1])
    assert -0.01 < inside.mean() - np.pi / 4 < 2 * (1 / width + 1 / height)


@given(st.lists(st.tuples(st.integers(0, 59), st.integers(0, 39)), min_size=3, max_size=7, unique=True))
def test_a_polygon_covers_its_outline_and_inside(points: list[tuple[int, int]]) -> None:
    """Every pixel that Pillow paints of a polygon, or of its outline, is covered; at most two more around."""
    area = redaction_of({"shape": "polygon", "points": [list(point) for point in points]})
    image = Image.new("1", (COLUMNS, ROWS))
    ImageDraw.Draw(image).line([*points, points[0]], fill=1)
    found = mask([area])
    assert found[np.asarray(image)].all()
    for x, y in points:
        assert found[y, x]
    ImageDraw.Draw(image).polygon(points, fill=1, outline=1)
    near = np.pad(np.asarray(image), 2)
    shifts = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
    grown = np.logical_or.reduce([np.roll(near, shift, (0, 1)) for shift in shifts])[2:-2, 2:-2]
    if len(points) == 3:  # Pillow paints what a line crosses twice, we do not
        assert not (found & ~grown).any()


def test_keep_only_covers_everything_else() -> None:
    """Areas to keep stay, all else goes; another area goes even inside of what is kept."""
    kept = [Redaction(5, 5, 20, 10, keep_only=True), Redaction(30, 20, 9, 9, shape="ellipse", keep_only=True)]
    hole = Redaction(8, 8, 3, 3)
    found = mask([*kept, hole])
    assert not found[6, 6]
    assert found[9, 9]
    assert not found[24, 34]
    assert found[0, 0]
    assert found[39, 59]
    plain = np.logical_or(mask([Redaction(5, 5, 20, 10)]), mask([Redaction(30, 20, 9, 9, shape="ellipse")]))
    assert np.array_equal(found & ~mask([hole]), ~plain)


@pytest.mark.parametrize(
    "area",
    [
        {"x": 1, "y": 1, "width": 2},
        {"x": 1, "y": 1, "width": 2, "height": "3"},
        {"x": True, "y": 1, "width": 2, "height": 3},
        {"x": 1 << 40, "y": 1, "width": 2, "height": 3},
        {"shape": "circle", "x": 1, "y": 1, "width": 2, "height": 3},
        {"shape": "polygon", "points": [[1, 1], [2, 2]]},
        {"shape": "polygon", "points": [[1, 1], [2, 2], [3]]},
        {"x": 1, "y": 1, "width": 2, "height": 3, "frames": [0]},
        {"x": 1, "y": 1, "width": 2, "height": 3, "keep_only": 1},
    ],
)
def test_what_is_no_area_is_refused(area: dict[str, Any]) -> None:
    """An area that is incomplete, not whole numbers or of no known shape has the code for it."""
    with pytest.raises(Refused) as error:
        redaction_of(area)
    assert error.value.code == "redaction-invalid"


@pytest.mark.parametrize("area", [Redaction(60, 0, 5, 5), Redaction(0, 0, 0, 5), Redaction(-9, 0, 9, 5)])
def test_an_area_that_misses_the_image_is_refused(area: Redaction) -> None:
    """Nothing to overwrite is a mistake of the person who drew it, not a redaction."""
    with pytest.raises(Refused):
        spans([area], ROWS, COLUMNS)


def test_frames_of_areas() -> None:
    """The frames that are touched are those of any area; a frame that there is not is an error."""
    assert covered_frames([Redaction(0, 0, 1, 1, (1, 2)), Redaction(0, 0, 1, 1, (4, 4))], 6) == [1, 2, 4]
    assert covered_frames([Redaction(0, 0, 1, 1)], 3) == [0, 1, 2]
    with pytest.raises(Refused):
        covered_frames([Redaction(0, 0, 1, 1, (2, 6))], 6)


def test_a_selection_by_device_and_size() -> None:
    """A template holds for the images of its device and size, whatever the case, and for no others."""
    from builders import encode, us
    from pixels.images import opened

    selection = selection_of(
        {
            "select": {"manufacturer": "maker OF scanners", "model": "Model 3000", "rows": 4, "columns": 6},
            "shapes": [{"shape": "ellipse", "x": 0, "y": 0, "width": 2, "height": 2, "keep_only": True}],
        }
    )
    ds = us()
    assert selection.matches(opened(encode(ds)).head)
    assert selection.redactions[0].keep_only
    ds.Columns = 7
    assert not selection.matches(opened(encode(ds)).head)


@pytest.mark.parametrize(
    "entry",
    [
        {"select": {}, "shapes": [{"shape": "rectangle", "x": 0, "y": 0, "width": 1, "height": 1}]},
        {
            "select": {"rows": "4"},
            "shapes": [{"shape": "rectangle", "x": 0, "y": 0, "width": 1, "height": 1}],
        },
        {
            "select": {"patient": "x"},
            "shapes": [{"shape": "rectangle", "x": 0, "y": 0, "width": 1, "height": 1}],
        },
        {"select": {"rows": 4}, "shapes": []},
        {"select": {"rows": 4}, "shapes": [{"shape": "rectangle", "x": -1, "y": 0, "width": 1, "height": 1}]},
        {"select": {"rows": 4}, "shapes": [{"x": 1, "y": 0, "width": 1, "height": 1}]},
        {"select": {"rows": 4}, "shape": [], "shapes": [1]},
    ],
)
def test_what_is_no_selection_is_wrong_use(entry: dict[str, Any]) -> None:
    """An entry with unknown names, no condition or no shape stops the run before anything is cleaned."""
    with pytest.raises(WrongUse):
        selection_of(entry)
