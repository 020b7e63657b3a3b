"""Native frames as arrays: PS3.5 8.1 and 8.2, PS3.3 C.7.6.3.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomveil.errors import Refused
from dicomveil.pixels.layout import PixelLayout
from dicomveil.reading import Instance
from dicomveil.source import Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["native_array", "native_frame", "read_native_frame", "swap_words"]


def native_array(data: bytes, layout: PixelLayout, *, first_bit: int = 0) -> NDArray[Any]:
    """Return one native frame as ``(rows, columns[, samples])`` of cells in little endian, interleaved.

    Single-bit pixels begin at ``first_bit`` of the first byte and take a byte each in the array. YBR_FULL_422
    comes with its chrominance repeated (PS3.3 C.7.6.3.1.2), so that it is YBR_FULL.

    Raises:
        Refused: ``pixels-undecodable`` where bytes are missing, or the layout is not one of the standard's.
    """
    import numpy as np

    rows, columns, samples = layout.rows, layout.columns, layout.samples
    count = rows * columns * samples
    if layout.allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        bits = bits[first_bit : first_bit + count]
        if len(bits) < count or samples != 1:
            raise Refused("pixels-undecodable")
        return bits.reshape(rows, columns)
    kind = f"{'<' if layout.little else '>'}{'f' if layout.floating else 'u'}{layout.sample_bytes}"
    if len(data) < layout.frame_bytes or not layout.sample_bytes:
        raise Refused("pixels-undecodable")
    cells = np.frombuffer(data, kind, count=layout.frame_bytes // layout.sample_bytes)
    cells = cells.astype(cells.dtype.newbyteorder("<"), copy=False)
    if layout.photometric == "YBR_FULL_422":
        if columns % 2 or samples != 3:
            raise Refused("pixels-undecodable")
        pairs = cells.reshape(rows, columns // 2, 4)
        out = np.empty((rows, columns // 2, 2, 3), cells.dtype)
        out[..., 0] = pairs[..., :2]
        out[..., 1:] = pairs[:, :, None, 2:]
        return out.reshape(rows, columns, 3)
    if layout.photometric.startswith("YBR_PARTIAL_4"):
        raise Refused("pixels-undecodable")
    if samples == 1:
        return cells.reshape(rows, columns)
    if layout.planar:
        return np.ascontiguousarray(np.moveaxis(cells.reshape(samples, rows, columns), 0, -1))
    return cells.reshape(rows, columns, samples)


def read_native_frame(instance: Instance, layout: PixelLayout, index: int) -> tuple[bytes, int]:
    """Read the bytes that hold a native frame, and return them with the bit at which it begins."""
    if instance.pixels is None:
        raise Refused("pixels-undecodable")
    first_bit = 0
    if layout.allocated == 1:
        bits = layout.rows * layout.columns * layout.samples
        start, first_bit = divmod(index * bits, 8)
        size = (first_bit + bits + 7) // 8
    else:
        start, size = index * layout.frame_bytes, layout.frame_bytes
    part = instance.pixels.part
    if not layout.is_plausible or start + size > instance.pixels.length:
        raise Refused("pixels-undecodable")
    # PS3.5 8.1.1, A.3: big endian words that hold two 8-bit samples each have them the other way round
    swapped = not layout.little and layout.allocated == 8 and instance.pixels.vr == "OW"
    skip = start % 2 if swapped else 0
    start, wanted = start - skip, size + skip + ((size + skip) % 2 if swapped else 0)
    if isinstance(part, Range):
        data = instance.source.read(part.offset + start, min(wanted, part.length - start))
    else:
        data = part[start : start + wanted]
    return (swap_words(data)[skip : skip + size] if swapped else data), first_bit


def native_frame(instance: Instance, layout: PixelLayout, index: int) -> NDArray[Any]:
    """Return one frame (from 0) of native Pixel Data, of Float or of Double Float Pixel Data.

    Raises:
        Refused: ``pixels-undecodable``.
    """
    data, first_bit = read_native_frame(instance, layout, index)
    return native_array(data, layout, first_bit=first_bit)


def swap_words(data: bytes) -> bytes:
    """Exchange the bytes of each 16-bit word; an odd number of bytes is padded."""
    out = bytearray(data + b"\0" * (len(data) % 2))
    out[0::2], out[1::2] = out[1::2], out[0::2]
    return bytes(out)
