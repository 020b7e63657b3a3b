"""Decode one frame of an instance for the screen and for the search for text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dicomveil.errors import Refused
from dicomveil.pixels.codecs import decode_stream
from dicomveil.pixels.frames import Frame, locate_frames, read_frame
from dicomveil.pixels.layout import PixelLayout, pixel_layout
from dicomveil.pixels.native import native_frame
from dicomveil.pixels.stream_headers import read_header
from dicomveil.pixels.syntaxes import JPEG_RECOMPRESSION, coding_of
from dicomveil.reading import Instance
from dicomveil.source import Part, Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Description", "FrameReader", "decode_frame", "drawable"]


@dataclass(frozen=True, slots=True)
class Description:
    """How the cells of a decoded frame are to be read.

    ``photometric`` is that of the array: JPEG's YBR is decoded to RGB, JPEG 2000's YBR_RCT and YBR_ICT are
    RGB, other YBR is YBR_FULL without subsampling. A stored value takes ``bits_stored`` bits of its cell
    below and with ``high_bit``, and is ``signed`` or not. Shown values are ``value * slope + intercept``
    before the rescaling of the data set; both are 1 and 0 but where :func:`drawable` had to scale, which
    ``note`` says (``scaled``).
    """

    photometric: str
    bits_stored: int
    high_bit: int
    signed: bool
    slope: float = 1.0
    intercept: float = 0.0
    note: str | None = None


class FrameReader:
    """Decodes the frames of one instance; where they lie is found once."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.layout: PixelLayout = pixel_layout(instance)
        self.coding = coding_of(instance.transfer_syntax)
        self._frames: list[Frame] | None = None

    @property
    def frames(self) -> list[Frame]:
        """Where the codestreams lie; raises ``pixels-undecodable``."""
        if self._frames is None:
            self._frames = locate_frames(self.instance, self.layout.frames)
        return self._frames

    def stream(self, index: int) -> bytes:
        """Return the codestream of a frame."""
        return read_frame(self.instance, self.frames[index])

    def native_part(self, index: int) -> Part:
        """Return a native frame as it lies, without reading it; raises ``pixels-undecodable``."""
        pixels, size = self.instance.pixels, self.layout.frame_bytes
        if pixels is None or pixels.encapsulated or not 0 < size * (index + 1) <= pixels.length:
            raise Refused("pixels-undecodable")
        part = pixels.part
        if isinstance(part, Range):
            return Range(part.offset + index * size, size)
        return part[index * size : (index + 1) * size]

    def array(self, index: int, *, rgb: bool = True) -> tuple[NDArray[Any], Description]:
        """Decode a frame (from 0) to its cells; see :func:`decode_frame`."""
        layout, pixels = self.layout, self.instance.pixels
        if pixels is None or not self.coding or not 0 <= index < layout.frames:
            raise Refused("pixels-undecodable")
        photometric = "YBR_FULL" if layout.photometric == "YBR_FULL_422" else layout.photometric
        described = Description(
            photometric,
            layout.stored,
            layout.high if layout.high >= 0 else layout.stored - 1,
            layout.signed,
        )
        if not pixels.encapsulated:
            if self.coding != "native":
                raise Refused("pixels-undecodable")
            try:
                return native_frame(self.instance, layout, index), described
            except ImportError:
                raise Refused("pixels-not-loaded") from None
        data = self.stream(index)
        try:
            array = decode_stream(self.coding, data, layout, rgb=rgb)
        except ImportError:
            raise Refused("pixels-not-loaded") from None
        return _unsigned(array), replace(described, photometric=self._photometric(data, photometric, rgb=rgb))

    def _photometric(self, data: bytes, photometric: str, *, rgb: bool) -> str:
        from dicomveil.pixels.codecs import stream_is_ybr

        if self.layout.samples == 1:
            return photometric
        header = read_header(self.coding, data)
        if photometric in {"YBR_RCT", "YBR_ICT"} or self.instance.transfer_syntax == JPEG_RECOMPRESSION:
            return "RGB"
        if header is not None and self.coding == "jpeg" and header.samples == 3:
            return "YBR_FULL" if stream_is_ybr(header, self.layout) and not rgb else "RGB"
        if header is not None and header.transform:
            return "RGB"
        return photometric


def _unsigned(array: NDArray[Any]) -> NDArray[Any]:
    """Return the cells' bits: what a signed codestream decodes to is in two's complement already."""
    return array.view(f"u{array.dtype.itemsize}")


def decode_frame(instance: Instance, index: int) -> tuple[NDArray[Any], Description]:
    """Decode one frame (from 0) to an array of ``(rows, columns[, 3])`` of unsigned or floating cells.

    Raises:
        Refused: ``pixels-undecodable`` for what no decoder here understands, for a codestream whose header
            contradicts the data set, and for a frame that there is not; ``pixels-not-loaded`` where numpy or
            imagecodecs is missing.
    """
    return FrameReader(instance).array(index)


def drawable(array: NDArray[Any], described: Description) -> tuple[NDArray[Any], Description]:
    """Return a frame as cells of 8, 16 or 32 bits that a page can draw; floats are scaled to 16 bits."""
    import numpy as np

    if array.dtype.kind != "f":
        return np.ascontiguousarray(array), described
    finite = np.isfinite(array)
    low = float(array.min(where=finite, initial=np.inf))
    high = float(array.max(where=finite, initial=-np.inf))
    if not low < high:
        low, high = (low, low + 1) if low == high else (0.0, 1.0)
    slope = high / 65535 - low / 65535
    values = np.where(finite, array.astype(np.float64), low)
    cells = np.clip(np.rint((values - low) / slope), 0, 65535).astype("<u2")
    return cells, Description(
        described.photometric, 16, 15, signed=False, slope=slope, intercept=low, note="scaled"
    )
