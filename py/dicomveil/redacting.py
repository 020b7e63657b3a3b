"""Redact: overwrite areas of Pixel Data in its transfer syntax, and let nothing through that is no pixel.

Everything that is not overwritten stays a range of the input. Native pixels are written by runs of bytes; of
encapsulated ones the touched frames are written anew, and all frames lose comments and application data in
their codestreams (see ``pixels``). Sources: PS3.3 C.7.6.3, C.9.2; PS3.5 8 and A.4.
"""

from __future__ import annotations

from collections.abc import Sequence

from dicomveil.errors import Refused
from dicomveil.pixels.encapsulated import Rewritten, rewritten
from dicomveil.pixels.layout import PixelLayout, pixel_layout
from dicomveil.pixels.native_redaction import can_redact_native, redacted_native
from dicomveil.pixels.shapes import Redaction, redaction_of
from dicomveil.pixels.syntaxes import coding_of
from dicomveil.reading import Instance
from dicomveil.source import BytesSource, Part, Range, Source
from dicomveil.tables import attribute_type, iod_name

__all__ = [
    "PixelLayout",
    "Redaction",
    "embedded_overlay_bits",
    "is_redactable",
    "is_viewable",
    "pixel_layout",
    "redacted_pixels",
    "redaction_of",
    "trimmed_pixels",
]

_CHUNK = 1 << 22


def trimmed_pixels(instance: Instance) -> tuple[Part, bool]:
    """Return native Pixel Data without what follows its last frame, and whether anything was left out."""
    if instance.pixels is None:
        raise Refused("pixels-undecodable")
    part = instance.pixels.part
    total = pixel_layout(instance).total_bytes
    total += total & 1
    if instance.pixels.encapsulated or not 0 < total < instance.pixels.length:
        return part, False
    return (Range(part.offset, total) if isinstance(part, Range) else part[:total]), True


def embedded_overlay_bits(instance: Instance) -> int:
    """Return a mask of the bits of each pixel cell that hold overlays (PS3.3 C.9.2, Overlay Bit Position)."""
    mask = 0
    allocated = instance.head.number(0x00280100)
    for data_set in (instance.head, instance.tail):
        for element in data_set.elements:
            if element.tag & 0xFF01FFFF == 0x60000102:
                position = data_set.number(element.tag)
                own_data = data_set.find(element.tag & 0xFFFF0000 | 0x3000)
                if (own_data is None or own_data.value == own_data.end) and 0 <= position < allocated:
                    mask |= 1 << position
    stored, high = instance.head.number(0x00280101), instance.head.number(0x00280102)
    return mask & ~(((1 << stored) - 1) << max(high + 1 - stored, 0))


def masked_pixels(instance: Instance, part: Part, mask: int) -> Part:
    """Return native pixels with the bits of ``mask`` cleared in every cell of 8, 16 or 32 bits."""
    size = instance.head.number(0x00280100) // 8
    source, start, length = _opened(instance.source, part)
    keep = ((1 << size * 8) - 1 & ~mask).to_bytes(size, "little" if instance.encoding.little else "big")
    out = []
    for at in range(0, length, _CHUNK):
        chunk = source.read(start + at, min(_CHUNK, length - at))
        cells = int.from_bytes((keep * (len(chunk) // size + 1))[: len(chunk)], "big")
        out.append((int.from_bytes(chunk, "big") & cells).to_bytes(len(chunk), "big"))
    return b"".join(out)


def _opened(source: Source, part: Part) -> tuple[Source, int, int]:
    if isinstance(part, Range):
        return source, part.offset, part.length
    return BytesSource(part), 0, len(part)


def is_redactable(instance: Instance) -> bool:
    """Tell whether :func:`redacted_pixels` can be tried: a codestream may still turn out undecodable."""
    pixels = instance.pixels
    if pixels is None or pixels.tag != 0x7FE00010:
        return False
    layout = pixel_layout(instance)
    if pixels.encapsulated:
        return layout.is_plausible and bool(coding_of(instance.transfer_syntax))
    return can_redact_native(instance, layout)


def is_viewable(instance: Instance) -> bool:
    """Tell whether a frame can be tried to be shown: floating pixels too, which are never redacted."""
    pixels = instance.pixels
    if pixels is None:
        return False
    layout = pixel_layout(instance)
    return layout.is_plausible and bool(coding_of(instance.transfer_syntax))


def redacted_pixels(instance: Instance, redactions: Sequence[Redaction]) -> Rewritten:
    """Return the value of Pixel Data as it is to leave, with every area filled in its frames.

    Raises:
        Refused: ``redaction-unsupported``, ``redaction-invalid``, ``pixels-undecodable``,
        ``pixels-not-loaded``.
    """
    pixels = instance.pixels
    if pixels is None:
        if redactions:
            raise Refused("redaction-unsupported")
        return Rewritten([], changed=True)  # offset tables without pixels are no such tables
    known_iod = iod_name(instance.sop_class) is not None
    if known_iod and attribute_type(instance.sop_class, (pixels.tag,)) is None:
        raise Refused("pixels-not-in-iod", pixels.tag)
    if not pixels.encapsulated and not pixel_layout(instance).total_bytes:
        raise Refused("pixels-undecodable", pixels.tag)  # nothing tells what those bytes are
    mask = embedded_overlay_bits(instance)
    if pixels.encapsulated:
        result = rewritten(instance, redactions, mask)
    else:
        part, trimmed = trimmed_pixels(instance)
        result = Rewritten([part], changed=True, warnings=["pixel-padding-removed"] * trimmed)
        if mask:
            part = masked_pixels(instance, part, mask)
            result.parts = [part]
        if redactions:
            result.parts = redacted_native(instance, pixel_layout(instance), part, redactions)
    if mask:
        result.changed = True
        result.warnings.append("embedded-overlay-removed")
    return result
