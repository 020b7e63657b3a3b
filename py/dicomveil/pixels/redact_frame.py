"""Redact one codestream in its own transfer syntax (PS3.5 8.2).

Sequential JPEG in the entropy domain; JPEG XL that holds a JPEG likewise; every other coding by decoding and
encoding reversibly, which the lossy transfer syntaxes allow as well. JPEG of other processes (progressive)
has no reversible form: it is encoded again at the highest quality, with the warning
``pixels-recompressed``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dicomveil.errors import Refused
from dicomveil.pixels import scrub
from dicomveil.pixels.codecs import (
    decode_stream,
    encode_jpeg,
    encode_stream,
    jpeg_in_jxl,
    jxl_of_jpeg,
    stream_is_ybr,
)
from dicomveil.pixels.fill import fill_values
from dicomveil.pixels.jpeg_blocks import is_sequential, redact_jpeg
from dicomveil.pixels.layout import PixelLayout
from dicomveil.pixels.shapes import Redaction, spans
from dicomveil.pixels.stream_headers import StreamHeader, checked_header
from dicomveil.pixels.syntaxes import JPEG_RECOMPRESSION
from dicomveil.pixels.unused_bits import cleared_array
from dicomveil.reading import Instance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FrameRedactor"]

_BY_PROCESS = {0xC3: "jpeg-lossless", 0xF7: "jpeg-ls"}
_RECOMPRESSIBLE = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})


class FrameRedactor:
    """Redacts codestreams of one instance; ``warnings`` collects what the report has to say of them."""

    def __init__(self, instance: Instance, layout: PixelLayout, coding: str, overlay_bits: int) -> None:
        self.instance = instance
        self.layout = layout
        self.coding = coding
        self.overlay_bits = overlay_bits
        self.warnings: set[str] = set()
        self._masks: dict[tuple[Redaction, ...], NDArray[np.bool_]] = {}

    def redacted(self, data: bytes, areas: Sequence[Redaction]) -> bytes | None:
        """Return the new codestream, scrubbed; ``None`` if there is nothing to change in it.

        Raises:
            Refused: ``redaction-unsupported``, ``redaction-invalid``, ``pixels-undecodable``,
                ``pixels-not-loaded``.
        """
        try:
            return self._redacted(data, areas)
        except ImportError:
            raise Refused("pixels-not-loaded") from None

    def _redacted(self, data: bytes, areas: Sequence[Redaction]) -> bytes | None:
        header = checked_header(self.coding, data, self.layout)
        overlay_bits = self.overlay_bits
        if header is not None and header.precision and overlay_bits & ((1 << header.precision) - 1) == 0:
            overlay_bits = 0  # the stream has no such bits
        if not areas and not overlay_bits:
            return None
        mask = self._mask(tuple(areas))
        coding = self.coding
        if header is not None and header.process:  # what it is, whatever the transfer syntax says
            coding = _BY_PROCESS.get(header.process, "jpeg")
        if header is not None and is_sequential(header.process):
            if not areas:
                return None  # a lossy coding keeps no single bits
            clean = scrub.scrubbed(coding, data, self.layout)
            return redact_jpeg(clean, mask, self._levels(header))
        if self.instance.transfer_syntax == JPEG_RECOMPRESSION:
            jpeg = scrub.scrubbed("jpeg", jpeg_in_jxl(data), self.layout)
            inner = checked_header("jpeg", jpeg, self.layout)
            if inner is None or not is_sequential(inner.process):
                raise Refused("redaction-unsupported")
            return jxl_of_jpeg(redact_jpeg(jpeg, mask, self._levels(inner)))
        array = decode_stream(self.coding, data, self.layout).copy()
        if overlay_bits and not cleared_array(array, self.layout, overlay_bits) and not areas:
            return None
        self._fill(array, mask, header)
        if coding == "jpeg":
            if header is None or self.instance.transfer_syntax not in _RECOMPRESSIBLE:
                raise Refused("redaction-unsupported")
            self.warnings.add("pixels-recompressed")
            new = encode_jpeg(array, header, self.layout)
        else:
            new = encode_stream(self.instance.transfer_syntax, coding, array, header, self.layout)
        return scrub.scrubbed(coding, new, self.layout)

    def _mask(self, areas: tuple[Redaction, ...]) -> NDArray[np.bool_]:
        """Return the pixels to overwrite, as ``(rows, columns)``; frames with the same areas share it."""
        import numpy as np

        if areas not in self._masks:
            mask = np.zeros((self.layout.rows, self.layout.columns), bool)
            for y, first, after in spans(areas, *mask.shape):
                mask[y, first:after] = True
            self._masks = {areas: mask}
        return self._masks[areas]

    def _levels(self, header: StreamHeader) -> tuple[int, ...]:
        """Return black as sample values of a lossy JPEG."""
        half = 1 << header.precision - 1
        if header.samples == 3:
            return (0, half, half) if stream_is_ybr(header, self.layout) else (0, 0, 0)
        low = 1 << self.layout.stored - 1
        values = fill_values(
            self.instance.head, self.layout, self.layout.photometric, lambda: (-low, low - 1)
        )
        return tuple(value & 2 * half - 1 for value in values)

    def _fill(self, array: NDArray[Any], mask: NDArray[np.bool_], header: StreamHeader | None) -> None:
        layout = self.layout
        photometric = layout.photometric
        if header is not None and header.samples == 3:
            if header.transform:
                photometric = "RGB"
            elif header.process in {0xC0, 0xC1, 0xC2}:
                photometric = "YBR_FULL" if stream_is_ybr(header, layout) else "RGB"
        precision = (header.precision if header else 0) or 8 * array.dtype.itemsize

        def extremes() -> tuple[int, int]:
            stored = array.view(f"u{array.dtype.itemsize}").astype("i8") >> layout.shift
            sign = 1 << layout.stored - 1
            values = ((stored & ((1 << layout.stored) - 1)) ^ sign) - sign
            return int(values.min()), int(values.max())

        for i, value in enumerate(fill_values(self.instance.head, layout, photometric, extremes)):
            cell = value << layout.shift
            if array.dtype.kind == "u":
                cell &= (1 << precision) - 1
            if array.ndim == 3:
                array[..., i][mask] = cell
            else:
                array[mask] = cell
