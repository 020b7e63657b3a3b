"""Areas of an image as runs of pixels: rectangles, ellipses and polygons, and "keep only these".

Plain integers, without numpy: native pixels are redacted by runs, and so is everything that is shown of
areas. Every pixel that an ellipse or a polygon touches belongs to it, so that what is under the line is
covered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isqrt
from typing import Any

from dicomveil.errors import Refused

__all__ = ["SHAPES", "Redaction", "Span", "covered_frames", "redaction_of", "spans"]

SHAPES = ("rectangle", "ellipse", "polygon")
#: (row, first column, column after the last)
Span = tuple[int, int, int]
_MAX_POINTS = 10_000
_MAX_COORDINATE = 1 << 20


@dataclass(frozen=True, slots=True)
class Redaction:
    """An area whose bounding box is ``width`` x ``height`` pixels from (``x``, ``y``), from 0.

    ``frames`` is (first, last), from 0 and inclusive, or ``None`` for all. ``shape`` is one of
    :data:`SHAPES`; a polygon's ``points`` are (x, y) of pixels. With ``keep_only`` everything outside of it,
    and of other such areas of the frame, is overwritten instead.
    """

    x: int
    y: int
    width: int
    height: int
    frames: tuple[int, int] | None = None
    shape: str = "rectangle"
    points: tuple[tuple[int, int], ...] = ()
    keep_only: bool = False

    def is_in(self, frame: int) -> bool:
        """Tell whether the area lies in a frame."""
        return self.frames is None or self.frames[0] <= frame <= self.frames[1]


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_COORDINATE:
        raise Refused("redaction-invalid")
    return value


def redaction_of(area: dict[str, Any]) -> Redaction:
    """Read an area from JSON: ``shape``, ``x y width height`` or ``points``, ``frames``, ``keep_only``.

    Raises:
        Refused: ``redaction-invalid``.
    """
    try:
        shape = area.get("shape", "rectangle")
        frames = area.get("frames")
        between = None if frames is None else (_whole(frames[0]), _whole(frames[1]))
        keep_only = area.get("keep_only", False)
        if (
            shape not in SHAPES
            or not isinstance(keep_only, bool)
            or (frames is not None and len(frames) != 2)
        ):
            raise Refused("redaction-invalid")
        if shape == "polygon":
            points = tuple((_whole(x), _whole(y)) for x, y in area["points"])
            if not 3 <= len(points) <= _MAX_POINTS:
                raise Refused("redaction-invalid")
            left, top = min(x for x, _ in points), min(y for _, y in points)
            right, bottom = max(x for x, _ in points) + 1, max(y for _, y in points) + 1
            return Redaction(left, top, right - left, bottom - top, between, shape, points, keep_only)
        x, y, width, height = (_whole(area[name]) for name in ("x", "y", "width", "height"))
        return Redaction(x, y, width, height, between, shape, (), keep_only)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise Refused("redaction-invalid") from None


def _rectangle(area: Redaction) -> Iterable[Span]:
    return ((y, area.x, area.x + area.width) for y in range(area.y, area.y + area.height))


def _ellipse(area: Redaction) -> Iterable[Span]:
    """Rows of the pixels that the ellipse in the box touches, counted in half pixels from its centre."""
    width, height = area.width, area.height
    for row in range(height):
        nearest = max(abs(2 * row + 1 - height) - 1, 0)
        reach = isqrt((height * height - nearest * nearest) * width * width) // height + 1
        first = max((width - reach) // 2, 0)
        yield area.y + row, area.x + first, area.x + width - first


def _polygon(area: Redaction) -> Iterable[Span]:
    """Rows of a polygon between pixel centres, even-odd rule, with every pixel that its outline meets."""
    edges = list(zip(area.points, area.points[1:] + area.points[:1], strict=True))
    for row in range(area.y, area.y + area.height):
        crossings = []
        for (x0, y0), (x1, y1) in edges:
            low, high = min(y0, y1), max(y0, y1)
            if y0 == y1:
                if row == y0:
                    yield row, min(x0, x1), max(x0, x1) + 1
                continue
            if low <= row <= high:  # the outline between half a row above and below
                ends = [
                    x0 + (x1 - x0) * (min(max(at, low), high) - y0) / (y1 - y0)
                    for at in (row - 0.5, row + 0.5)
                ]
                yield row, floor(min(ends)), ceil(max(ends)) + 1
            if low <= row < high:
                crossings.append(x0 + (x1 - x0) * (row - y0) / (y1 - y0))
        crossings.sort()
        for a, b in zip(crossings[::2], crossings[1::2], strict=False):
            yield row, ceil(a), floor(b) + 1


_RUNS = {"rectangle": _rectangle, "ellipse": _ellipse, "polygon": _polygon}


def _merged(runs: Iterable[Span], rows: int, columns: int) -> list[Span]:
    """Cut runs at the image's edges, sort and join them."""
    out: list[Span] = []
    for y, first, after in sorted(runs):
        low, high = max(first, 0), min(after, columns)
        if low >= high or not 0 <= y < rows:
            continue
        if out and out[-1][0] == y and low <= out[-1][2]:
            out[-1] = (y, out[-1][1], max(out[-1][2], high))
        else:
            out.append((y, low, high))
    return out


def _clipped(area: Redaction, rows: int, columns: int) -> Redaction:
    """Bound the rows that are looked at; one that misses the image is an error."""
    if area.width <= 0 or area.height <= 0 or area.x >= columns or area.y >= rows:
        raise Refused("redaction-invalid")
    if area.x + area.width <= 0 or area.y + area.height <= 0:
        raise Refused("redaction-invalid")
    return area


def spans(areas: Sequence[Redaction], rows: int, columns: int) -> list[Span]:
    """Return what to overwrite for areas of one frame: runs by row and column, apart from each other.

    Raises:
        Refused: ``redaction-invalid`` for an area that is empty or misses the image.
    """
    runs: list[Span] = []
    kept: list[Span] = []
    for area in areas:
        (kept if area.keep_only else runs).extend(_RUNS[area.shape](_clipped(area, rows, columns)))
    if any(area.keep_only for area in areas):
        inside: dict[int, list[Span]] = {}
        for span in _merged(kept, rows, columns):
            inside.setdefault(span[0], []).append(span)
        for y in range(rows):
            at = 0
            for _, first, after in inside.get(y, ()):
                runs.append((y, at, first))
                at = after
            runs.append((y, at, columns))
    return _merged(runs, rows, columns)


def covered_frames(areas: Sequence[Redaction], frames: int) -> list[int]:
    """Return the frames that any area touches, ascending.

    Raises:
        Refused: ``redaction-invalid`` for a range of frames that there is not.
    """
    touched: set[int] = set()
    for area in areas:
        first, last = area.frames or (0, frames - 1)
        if not 0 <= first <= last < frames:
            raise Refused("redaction-invalid")
        touched.update(range(first, last + 1))
    return sorted(touched)
