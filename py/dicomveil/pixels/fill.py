"""The value of black in display terms, for each way of storing pixels (PS3.3 C.7.6.3.1.2, C.7.9).

0 for RGB and unsigned MONOCHROME2, the largest value for MONOCHROME1, ``(0, half, half)`` for YBR, the
darkest entry of a palette; where pixels are signed, the padding value or else the smallest that the frame
has.
"""

from __future__ import annotations

from collections.abc import Callable

from dicomveil.encoding import DataSet
from dicomveil.errors import Refused
from dicomveil.pixels.layout import PixelLayout
from dicomveil.pixels.palette import read_palette

__all__ = ["fill_values"]

_PIXEL_PADDING_VALUE = 0x00280120


def fill_values(
    head: DataSet, layout: PixelLayout, photometric: str, extremes: Callable[[], tuple[int, int]]
) -> tuple[int, ...]:
    """Return the stored value of black for each sample; signed ones are negative numbers.

    ``extremes`` returns the smallest and the largest stored value of the frame, and is asked only if needed.

    Raises:
        Refused: ``redaction-unsupported`` for a photometric interpretation without a known black.
    """
    if photometric in {"RGB", "YBR_RCT", "YBR_ICT"} and layout.samples == 3:
        return 0, 0, 0
    if photometric in {"YBR_FULL", "YBR_FULL_422"} and layout.samples == 3:
        half = 1 << layout.stored - 1
        return 0, half, half
    if layout.samples != 1 or layout.floating:
        raise Refused("redaction-unsupported")
    if photometric == "PALETTE COLOR":
        return (darkest_entry(head, layout),)
    if photometric not in {"MONOCHROME1", "MONOCHROME2"}:
        raise Refused("redaction-unsupported")
    inverse = photometric == "MONOCHROME1"
    if not layout.signed:
        return ((1 << layout.stored) - 1 if inverse else 0,)
    padding = head.find(_PIXEL_PADDING_VALUE)
    raw = head.value(padding)[:2] if padding is not None else b""
    if len(raw) == 2 and not inverse:
        value = int.from_bytes(raw, "little" if head.little else "big") & ((1 << layout.stored) - 1)
        return (value - ((value >> layout.stored - 1) << layout.stored),)
    return (extremes()[1 if inverse else 0],)


def darkest_entry(head: DataSet, layout: PixelLayout) -> int:
    """Return the palette index whose colour is the darkest (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6)."""
    palette = read_palette(head)
    if palette is None:
        raise Refused("redaction-unsupported", 0x00281101)
    colours = zip(palette.red, palette.green, palette.blue, strict=True)
    brightness = [299 * red + 587 * green + 114 * blue for red, green, blue in colours]
    value = palette.first + brightness.index(min(brightness))
    return value if 0 <= value < 1 << layout.stored else 0
