"""Find areas of an image that look like text: many thin strokes close together in a line. numpy only.

No recognition and no model: it proposes, and errs on the side of too much (rulers, scales and logos look like
text too). Text on tissue, dim text and very large letters can be missed; py/README.md has the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomveil.errors import Refused
from dicomveil.pixels.decode import Description, FrameReader
from dicomveil.pixels.palette import read_palette

__all__ = ["as_grey", "maximum", "text_boxes"]

Grey = NDArray[np.uint8]
_CELL = 4
_STROKE = 5
_MIN_CONTRAST, _MAX_CONTRAST, _SPECKLE = 15, 44, 2.5
_DENSITY = 0.14
#: Cells that a gap in a line may have, half; pixels that are left around the strokes of a box.
_GAP, _ASIDE, _ABOVE = 3, 6, 1
_PART_COST = 12
_SATURATED, _WHITE, _HUES, _MOTLEY = 30, 190, 150, 0.04


def _stretched(values: Any, bits: int, *, inverse: bool) -> Grey:  # noqa: ANN401 - numpy's stubs lose it
    """Return values as 8-bit grey: between the percentiles 0.5 and 99.95 where there are more bits."""
    values = values.astype(np.float32)
    if bits > 8:
        low, high = np.percentile(values[::2, ::2], [0.5, 99.95])
        values = (values - low) * (255 / max(float(high - low), 1.0))
    grey: Grey = np.clip(values, 0, 255).astype(np.uint8)
    return np.invert(grey) if inverse else grey


def _brightness(rgb: NDArray[np.uint8]) -> Grey:
    """Return the brightest component of each pixel; the darkest where colours change all around.

    Coloured text has one hue, colour Doppler many: what is left of it there is its white.
    """
    high = rgb.max(axis=2)
    part = rgb[::2, ::2].astype(np.float32)
    floor, span = part.min(axis=2), np.ptp(part, axis=2)
    saturated = span > _SATURATED
    count = np.maximum(_sum(saturated.astype(np.uint8), 6, 10), 1)
    spread = np.zeros(saturated.shape, np.float32)
    for component in range(3):
        hue = np.where(saturated, (part[..., component] - floor) * 100 / np.maximum(span, 1), 0)
        mean = _sum(hue, 6, 10) / count
        spread += _sum(hue * hue, 6, 10) / count - mean * mean
    motley = (spread > _HUES) & (count > _MOTLEY * 13 * 21)
    flat = motley & (_sum(saturated.astype(np.uint8), 1, 1) > 0)
    level = (_sum(part.max(axis=2), 6, 10) / (13 * 21)).astype(np.uint8)
    rows, columns = high.shape
    mask, levels = (half.repeat(2, axis=0).repeat(2, axis=1)[:rows, :columns] for half in (flat, level))
    grey: Grey = np.where(mask & (rgb.min(axis=2) < _WHITE), levels, high)
    return grey


def as_grey(reader: FrameReader, array: NDArray[Any], described: Description) -> Grey:
    """Return a decoded frame as 8-bit grey in display terms; of a colour its brightest component."""
    bits = described.bits_stored
    if array.dtype.kind == "f":
        return _stretched(np.nan_to_num(array), 32, inverse=False)
    values: Any = array >> array.dtype.type(max(described.high_bit + 1 - bits, 0))
    values = values & values.dtype.type((1 << bits) - 1)
    if array.ndim == 3:
        colour: NDArray[np.uint8] = (values >> values.dtype.type(max(bits - 8, 0))).astype(np.uint8)
        return colour[..., 0] if described.photometric.startswith("YBR") else _brightness(colour)
    if described.photometric == "PALETTE COLOR":
        palette = read_palette(reader.instance.head)
        if palette is not None:
            brightest = np.max([palette.red, palette.green, palette.blue], axis=0) >> palette.bits - 8
            index = np.clip(values.astype(np.int64) - palette.first, 0, len(brightest) - 1)
            entries: Grey = brightest[index].astype(np.uint8)
            return entries
    if described.signed:
        sign = 1 << bits - 1
        values = (values.astype(np.int64) ^ sign) - sign
        bits = max(bits, 9)  # negative values have to be moved
    return _stretched(values, bits, inverse=described.photometric == "MONOCHROME1")


def maximum(reader: FrameReader, indices: Iterable[int]) -> Grey:
    """Return the brightest grey of each pixel over frames; one that cannot be decoded is an error.

    Raises:
        Refused: ``pixels-undecodable``, ``pixels-not-loaded``.
    """
    brightest: Grey | None = None
    for index in indices:
        grey = as_grey(reader, *reader.array(index))
        brightest = grey if brightest is None else np.maximum(brightest, grey)
    if brightest is None:
        raise Refused("pixels-undecodable")
    return brightest


def _sum(values: NDArray[Any], rows: int, columns: int) -> NDArray[np.int32]:
    """Return the sum over the window of 2 * rows + 1 by 2 * columns + 1 around each pixel."""
    padded = np.pad(values, ((rows + 1, rows), (columns + 1, columns)))
    total = padded.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    height, width = values.shape
    down, across = 2 * rows + 1, 2 * columns + 1
    window: NDArray[np.int32] = (
        total[down : down + height, across : across + width]
        - total[:height, across : across + width]
        - total[down : down + height, :width]
        + total[:height, :width]
    )
    return window


def _strokes(grey: Grey) -> NDArray[np.bool_]:
    """Tell which pixels lie between a rise and a fall within a few pixels of their row.

    How steep they have to be depends on the surroundings: little on an even ground, more on speckle.
    """
    slope = np.zeros(grey.shape, np.int16)
    slope[:, 1:] = np.diff(grey.astype(np.int16), axis=1)
    around = _sum(np.abs(slope), 12, 24) / (25 * 49)
    contrast = np.clip(_SPECKLE * around, _MIN_CONTRAST, _MAX_CONTRAST).astype(np.int16)
    rise, fall = slope > contrast, slope < -contrast
    strokes = np.zeros(grey.shape, bool)
    for width in range(1, _STROKE + 1):
        pair = (rise[:, :-width] & fall[:, width:]) | (fall[:, :-width] & rise[:, width:])
        strokes[:, :-width] |= pair
        strokes[:, width:] |= pair
    return strokes


def _cells(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which cells of 4 x 4 pixels belong to something like text, from where strokes are."""
    strokes = where.astype(np.uint8)
    dense = _sum(strokes, 4, 8) > _DENSITY * 9 * 17
    lines = _sum((_sum(strokes, 0, 8) > 1).astype(np.uint8), 4, 0) >= 4
    hot = dense & lines & (_sum(strokes, 1, 2) > 0)
    height, width = -(-hot.shape[0] // _CELL), -(-hot.shape[1] // _CELL)
    whole = np.zeros((height * _CELL, width * _CELL), bool)
    whole[: hot.shape[0], : hot.shape[1]] = hot
    parts = whole.reshape(height, _CELL, width, _CELL)
    cells: NDArray[np.bool_] = np.logical_or.reduce(np.logical_or.reduce(parts, axis=3), axis=1)
    return cells


def text_boxes(grey: Grey, *, smallest: tuple[int, int] = (10, 6)) -> list[tuple[int, int, int, int]]:
    """Return (x, y, width, height) of areas that look like text, by row and column."""
    rows, columns = grey.shape
    strokes = _strokes(grey)
    boxes = set()
    for component in _components(_closed(_cells(strokes))):
        for y0, x0, y1, x1 in _parted(component):
            left, top = x0 * _CELL, max(y0 * _CELL - 2, 0)
            part = strokes[top : y1 * _CELL + 2, left : x1 * _CELL]
            down, across = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
            if not len(down):
                continue
            right = min(left + int(across[-1]) + 1 + _ASIDE, columns)
            bottom = min(top + int(down[-1]) + 1 + _ABOVE, rows)
            left, top = max(left + int(across[0]) - _ASIDE, 0), max(top + int(down[0]) - _ABOVE, 0)
            if right - left >= smallest[0] and bottom - top >= smallest[1]:
                boxes.add((left, top, right - left, bottom - top))
    return sorted(boxes, key=lambda box: (box[1], box[0]))


def _closed(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill gaps between cells of a row: letters become words, and words lines, which grow no longer by it."""
    wide = np.pad(cells, ((0, 0), (2 * _GAP, 2 * _GAP)))
    for join in (np.logical_or, np.logical_and):
        wide = join.reduce([wide[:, at : wide.shape[1] - 2 * _GAP + at] for at in range(2 * _GAP + 1)])
    return wide


def _components(cells: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Yield the (row, column) of the cells of each connected component."""
    todo = set(zip(*(axis.tolist() for axis in np.nonzero(cells)), strict=True))
    while todo:
        found = [todo.pop()]
        for y, x in found:  # grows while it is walked
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in todo:
                    todo.remove(near)
                    found.append(near)
        yield np.array(found)


def _box(cells: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """Return first row, first column, row after the last and column after the last."""
    (y0, x0), (y1, x1) = cells.min(axis=0).tolist(), cells.max(axis=0).tolist()
    return y0, x0, y1 + 1, x1 + 1


def _parted(cells: NDArray[np.int64]) -> Iterator[tuple[int, int, int, int]]:
    """Yield boxes that cover cells: parted once more wherever that leaves out enough that is not covered."""
    box = _box(cells)
    area = (box[2] - box[0]) * (box[3] - box[1])
    best, part = area - max(_PART_COST, area // 16), None
    if area > len(cells) + _PART_COST:
        for axis in (0, 1):
            ordered = cells[np.argsort(cells[:, axis], kind="stable")]
            cuts = np.flatnonzero(np.diff(ordered[:, axis])) + 1
            other = ordered[:, 1 - axis]
            low, high = np.minimum.accumulate(other), np.maximum.accumulate(other)
            low_after = np.minimum.accumulate(other[::-1])[::-1]
            high_after = np.maximum.accumulate(other[::-1])[::-1]
            line = ordered[:, axis]
            before = (line[cuts - 1] - line[0] + 1) * (high[cuts - 1] - low[cuts - 1] + 1)
            after = (line[-1] - line[cuts] + 1) * (high_after[cuts] - low_after[cuts] + 1)
            if len(cuts) and (before + after).min() < best:
                at = int((before + after).argmin())
                best, part = int(before[at] + after[at]), (ordered[: cuts[at]], ordered[cuts[at] :])
    if part is None:
        yield box
        return
    for half in part:
        yield from _parted(half)
