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
from dicomveil.pixels.unused_bits import cleared_part, unused_bits
from dicomveil.reading import Instance
from dicomveil.source import Part, Range, part_length
from dicomveil.tables import attribute_type, iod_name

__all__ = [
    "PixelLayout",
    "Redaction",
    "is_redactable",
    "is_viewable",
    "pixel_layout",
    "redacted_pixels",
    "redaction_of",
]


def _trimmed(part: Part, layout: PixelLayout) -> tuple[Part, bool]:
    """Return native Pixel Data without what follows its last frame, and whether anything was left out."""
    total = layout.total_bytes + (layout.total_bytes & 1)
    if total >= part_length(part):
        return part, False
    return (Range(part.offset, total) if isinstance(part, Range) else part[:total]), True


def _embedded_overlay_bits(instance: Instance) -> int:
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


def redacted_pixels(
    instance: Instance, redactions: Sequence[Redaction], *, only_what_is_shown: bool = False
) -> Rewritten:
    """Return the value of Pixel Data as it is to leave, with every area filled in its frames.

    ``only_what_is_shown`` clears the bits that no stored value has: where a person's look stands for the
    image, what nobody could see must not leave. Native pixels are read for it.

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
    layout = pixel_layout(instance)
    if not pixels.encapsulated and not layout.total_bytes:
        raise Refused("pixels-undecodable", pixels.tag)  # nothing tells what those bytes are
    overlays = _embedded_overlay_bits(instance)
    mask = overlays | (unused_bits(layout) if only_what_is_shown else 0)
    if pixels.encapsulated:
        result = rewritten(instance, redactions, mask)
    else:
        part, trimmed = _trimmed(pixels.part, layout)
        result = Rewritten([part], changed=True, warnings=["pixel-padding-removed"] * trimmed)
        if mask:
            part = cleared_part(instance.source, part, layout, mask)
            result.parts = [part]
        if redactions:
            result.parts = redacted_native(instance, layout, part, redactions)
    if overlays:
        result.changed = True
        result.warnings.append("embedded-overlay-removed")
    return result
