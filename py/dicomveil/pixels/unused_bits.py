"""Bits of pixel cells that no stored value has: PS3.5 8.1.1, PS3.3 C.9.2 (overlays in them).

No viewer shows them, so whoever looked at the image did not see them. Of signed values the bits above repeat
the sign, or are zero; anything else there is not of the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomveil.pixels.layout import PixelLayout
from dicomveil.source import Part, PartsSource, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cleared_array", "cleared_part", "unused_bits"]

_CHUNK = 1 << 22


def unused_bits(layout: PixelLayout) -> int:
    """Return a mask of a cell's bits above High Bit and below the stored value."""
    if layout.allocated not in {8, 16, 32} or layout.floating or not 0 < layout.stored <= layout.allocated:
        return 0
    used = ((1 << layout.stored) - 1) << layout.shift
    return ((1 << layout.allocated) - 1) & ~used


def _above(layout: PixelLayout, bits: int) -> tuple[int, int]:
    """Return which of the bits are above the sign, where there is one, and the bit that this is."""
    sign = layout.shift + layout.stored - 1
    return (bits & ~((2 << sign) - 1) if layout.signed else 0), sign


def cleared_part(source: Source, part: Part, layout: PixelLayout, bits: int) -> Part:
    """Return native pixels without ``bits``; the part itself if none is set that is not the sign's."""
    above, sign = _above(layout, bits)
    size = layout.sample_bytes
    order = "little" if layout.little else "big"
    out: list[bytes] = []
    changed = False
    pixels = PartsSource(source, [part])
    for at in range(0, pixels.size, _CHUNK):
        data = pixels.read(at, _CHUNK)
        cells = len(data) // size
        one = int.from_bytes((b"\1" + bytes(size - 1)) * cells, "little")  # a bit for each cell
        value = int.from_bytes(data[: cells * size], order)  # type: ignore[arg-type]
        extended = (value >> sign & one) * above if above else 0
        if value & one * above in {0, extended}:
            extended = value & one * above
        new = value & ~(one * bits) | extended
        changed = changed or new != value
        out.append(new.to_bytes(cells * size, order) + data[cells * size :])  # type: ignore[arg-type]
    return b"".join(out) if changed else part


def cleared_array(array: NDArray[Any], layout: PixelLayout, bits: int) -> bool:
    """Clear ``bits`` in a decoded frame, in place; tell whether any was set that is not the sign's."""
    above, sign = _above(layout, bits)
    cells = array.view(f"u{array.dtype.itemsize}")
    whole = (1 << 8 * array.dtype.itemsize) - 1
    kind = cells.dtype.type
    extended = (cells >> kind(sign) & kind(1)) * kind(above & whole)
    have = cells & kind(above & whole)
    if not have.any() or (have == extended).all():
        extended = have
    new = cells & kind(~bits & whole) | extended
    changed = bool((new != cells).any())
    cells[...] = new
    return changed
