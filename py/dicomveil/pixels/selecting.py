"""Which areas are for which inputs: the file of ``--redact``, and templates per device that people keep.

``{"redactions": [{"select": {...}, "frames": null | [first, last], "shapes": [{...}, ...]}, ...]}``. An
input is selected if everything in ``select`` holds: ``sop_instance_uid``, ``series_instance_uid``,
``manufacturer``, ``model`` (whole values of the input, whatever their case), ``rows``, ``columns``. Shapes
are those of ``shapes.redaction_of``: rectangles, ellipses and polygons, each perhaps ``keep_only``. Frames
count from 0, and the last is included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dicomveil.encoding import DataSet
from dicomveil.errors import Refused, WrongUse
from dicomveil.pixels.shapes import Redaction, redaction_of

__all__ = ["Selection", "selection_of"]

_TEXTS = {
    "sop_instance_uid": 0x00080018,
    "series_instance_uid": 0x0020000E,
    "manufacturer": 0x00080070,
    "model": 0x00081090,
}
_NUMBERS = {"rows": 0x00280010, "columns": 0x00280011}


@dataclass(frozen=True, slots=True)
class Selection:
    """Areas, and the conditions (tag, value) that an input has to meet for them."""

    conditions: tuple[tuple[int, str | int], ...]
    redactions: tuple[Redaction, ...]

    def matches(self, head: DataSet) -> bool:
        """Tell whether an input's data set meets all conditions."""
        return all(
            head.number(tag, -1) == value if isinstance(value, int) else head.text(tag).casefold() == value
            for tag, value in self.conditions
        )


def selection_of(data: dict[str, Any]) -> Selection:
    """Read one entry of the file.

    Raises:
        WrongUse: ``redactions-invalid``.
    """
    try:
        if not data.keys() <= {"select", "frames", "shapes"} or not data["shapes"] or not data["select"]:
            raise WrongUse("redactions-invalid")
        if data["select"].keys() >= {"sop_instance_uid", "series_instance_uid"}:
            raise WrongUse("redactions-invalid")  # the one says it all
        conditions = tuple(_condition(name, value) for name, value in data["select"].items())
        areas = [_area(shape, data.get("frames")) for shape in data["shapes"]]
    except (KeyError, TypeError, AttributeError, ValueError):
        raise WrongUse("redactions-invalid") from None
    return Selection(conditions, tuple(areas))


def _condition(name: str, value: object) -> tuple[int, str | int]:
    if name in _NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        return _NUMBERS[name], value
    if name in _TEXTS and isinstance(value, str) and value.strip():
        return _TEXTS[name], value.strip().casefold()
    raise WrongUse("redactions-invalid")


def _area(shape: dict[str, Any], frames: object) -> Redaction:
    polygon = shape.get("shape") == "polygon"
    wanted = {"shape", "points"} if polygon else {"shape", "x", "y", "width", "height"}
    if not wanted <= shape.keys() <= wanted | {"keep_only"}:
        raise WrongUse("redactions-invalid")
    try:
        area = redaction_of({**shape, "frames": frames})
    except Refused:
        raise WrongUse("redactions-invalid") from None
    outside = min(area.x, area.y) < 0 or min(area.width, area.height) < 1
    if outside or (area.frames is not None and not 0 <= area.frames[0] <= area.frames[1]):
        raise WrongUse("redactions-invalid")
    return area
