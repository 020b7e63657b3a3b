"""Redact: overwrite areas of native Pixel Data, touching only the rows that a rectangle covers.

Values written are black in display terms (PS3.3 C.7.6.3.1.2, C.7.9): 0 for RGB and unsigned MONOCHROME2, the
largest value for MONOCHROME1, ``(0, 128, 128)`` for YBR, the darkest entry of a palette, the padding value or
else the frame's smallest value where pixels are signed. Everything else stays a range of the input.
Pixel layout: PS3.5 8.1, 8.2; Planar Configuration PS3.3 C.7.6.3.1.3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from dicomveil.encoding import DataSet
from dicomveil.errors import Refused
from dicomveil.reading import Instance
from dicomveil.source import BytesSource, Part, Range, Source

__all__ = ["PixelLayout", "Redaction", "embedded_overlay_bits", "pixel_layout", "redacted_pixels"]

_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Redaction:
    """A rectangle of ``width`` x ``height`` pixels whose upper left pixel is (``x``, ``y``), from 0.

    ``frames`` is (first, last), from 0 and inclusive, or ``None`` for all.
    """

    x: int
    y: int
    width: int
    height: int
    frames: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How native pixels lie in the value: sizes in pixels, bytes and bits."""

    rows: int
    columns: int
    frames: int
    samples: int
    allocated: int
    stored: int
    signed: bool
    planar: bool
    photometric: str
    little: bool

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample; 0 for single-bit pixels."""
        return self.allocated // 8

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame; single-bit frames are not byte aligned, and have none of their own."""
        return self.rows * self.columns * self.samples * self.sample_bytes

    @property
    def total_bytes(self) -> int:
        """Bytes of all frames, before padding to even length; 0 where the attributes do not tell."""
        if self.allocated == 1:
            return (self.rows * self.columns * self.samples * self.frames + 7) // 8
        if self.photometric.startswith("YBR_FULL_422"):
            return self.rows * self.columns * 2 * self.sample_bytes * self.frames
        if self.photometric.startswith("YBR_PARTIAL_4"):
            return 0
        return self.frame_bytes * self.frames


def pixel_layout(instance: Instance) -> PixelLayout:
    """Read the Image Pixel Module (PS3.3 C.7.6.3)."""
    head = instance.head
    return PixelLayout(
        rows=head.number(0x00280010),
        columns=head.number(0x00280011),
        frames=max(head.number(0x00280008, 1), 1),
        samples=head.number(0x00280002, 1),
        allocated=head.number(0x00280100),
        stored=head.number(0x00280101),
        signed=head.number(0x00280103) == 1,
        planar=head.number(0x00280006) == 1,
        photometric=head.text(0x00280004).upper(),
        little=instance.encoding.little,
    )


def trimmed_pixels(instance: Instance) -> tuple[Part, bool]:
    """Return native Pixel Data without what follows its last frame, and whether anything was left out."""
    if instance.pixels is None:
        raise Refused("pixels-undecodable")
    part = instance.pixels.part
    total = pixel_layout(instance).total_bytes
    total += total & 1
    if (
        instance.pixels.encapsulated
        or instance.pixels.tag != 0x7FE00010
        or not 0 < total < instance.pixels.length
    ):
        return part, False
    return (Range(part.offset, total) if isinstance(part, Range) else part[:total]), True


def embedded_overlay_bits(instance: Instance) -> int:
    """Return a mask of the bits of each pixel cell that hold overlays (PS3.3 C.9.2, Overlay Bit Position)."""
    mask = 0
    allocated = instance.head.number(0x00280100)
    for element in instance.head.elements:
        if element.tag & 0xFF01FFFF == 0x60000102:
            group = element.tag & 0xFFFF0000
            position = instance.head.number(element.tag)
            if instance.head.find(group | 0x3000) is None and 0 <= position < allocated:
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
    """Tell whether :func:`redacted_pixels` can work on the instance's pixels."""
    pixels = instance.pixels
    if pixels is None or pixels.encapsulated or pixels.tag != 0x7FE00010:
        return False
    layout = pixel_layout(instance)
    known = layout.photometric in {"MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "PALETTE COLOR"}
    whole = 0 < layout.total_bytes <= pixels.length
    return known and whole and layout.allocated in {8, 16} and layout.samples in {1, 3}


def redacted_pixels(instance: Instance, part: Part, redactions: Sequence[Redaction]) -> list[Part]:
    """Return native Pixel Data as parts, with every rectangle filled in its frames.

    Raises:
        Refused: ``redaction-unsupported``, ``redaction-invalid``.
    """
    if not is_redactable(instance):
        raise Refused("redaction-unsupported")
    layout = pixel_layout(instance)
    areas = [_clipped(redaction, layout) for redaction in redactions]
    source, start, length = _opened(instance.source, part)
    parts: list[Part] = []
    done = 0

    def untouched(until: int) -> None:
        if until > done:
            if isinstance(part, Range):
                parts.append(Range(start + done, until - done))
            else:
                parts.append(part[done:until])

    for frame in range(layout.frames):
        inside = [area for area in areas if area.frames is None or area.frames[0] <= frame <= area.frames[1]]
        if not inside:
            continue
        frame_at = frame * layout.frame_bytes
        fill = _fill(instance.head, layout, partial(source.read, start + frame_at, layout.frame_bytes))
        for low, high, spans in _bands(layout, inside, fill):
            untouched(frame_at + low)
            band = bytearray(source.read(start + frame_at + low, high - low))
            for at, value in spans:
                band[at - low : at - low + len(value)] = value
            parts.append(bytes(band))
            done = frame_at + high
    untouched(length)
    return parts


def _clipped(redaction: Redaction, layout: PixelLayout) -> Redaction:
    """Cut a rectangle at the image's edges; one that misses the image or its frames is an error."""
    left, top = max(redaction.x, 0), max(redaction.y, 0)
    right = min(redaction.x + redaction.width, layout.columns)
    bottom = min(redaction.y + redaction.height, layout.rows)
    frames = redaction.frames
    if right <= left or bottom <= top or (frames and not 0 <= frames[0] <= frames[1] < layout.frames):
        raise Refused("redaction-invalid")
    return Redaction(left, top, right - left, bottom - top, frames)


def _bands(
    layout: PixelLayout, areas: Iterable[Redaction], fill: tuple[bytes, ...]
) -> list[tuple[int, int, list[tuple[int, bytes]]]]:
    """Return the runs of rows to rewrite in a frame: (start, end, [(offset, bytes)]), ascending, apart.

    Offsets are in bytes from the frame's start. Touching runs are merged, so that no byte is written twice.
    """
    cell = layout.sample_bytes
    planes = range(layout.samples) if layout.planar and layout.samples > 1 else range(1)
    step = cell if len(planes) > 1 else cell * layout.samples
    row = layout.columns * step
    runs = []
    for area in areas:
        for plane in planes:
            value = fill[plane] if len(planes) > 1 else b"".join(fill)
            base = plane * layout.rows * row
            spans = [
                (base + y * row + area.x * step, value * area.width)
                for y in range(area.y, area.y + area.height)
            ]
            runs.append((spans[0][0], spans[-1][0] + len(spans[-1][1]), spans))
    runs.sort(key=lambda run: run[:2])
    merged: list[tuple[int, int, list[tuple[int, bytes]]]] = []
    for low, high, spans in runs:
        if merged and low <= merged[-1][1]:
            last = merged[-1]
            merged[-1] = (last[0], max(last[1], high), last[2] + spans)
        else:
            merged.append((low, high, spans))
    return merged


def _fill(head: DataSet, layout: PixelLayout, read_frame: Callable[[], bytes]) -> tuple[bytes, ...]:
    """Return the encoded value of black for each sample of a pixel."""
    size = layout.sample_bytes

    def encoded(number: int) -> bytes:
        mask = (1 << size * 8) - 1
        return (number & mask).to_bytes(size, "little" if layout.little else "big")

    if layout.photometric == "RGB":
        return (bytes(size),) * 3
    if layout.photometric == "YBR_FULL":
        half = encoded(1 << layout.stored - 1)
        return bytes(size), half, half
    if layout.photometric == "PALETTE COLOR":
        return (encoded(_darkest_entry(head, layout)),)
    inverse = layout.photometric == "MONOCHROME1"
    if not layout.signed:
        return (encoded((1 << layout.stored) - 1 if inverse else 0),)
    padding = head.find(0x00280120)
    if padding is not None and head.value(padding) and not inverse:
        return (head.value(padding)[:size],)
    frame = read_frame()
    kind = "b" if size == 1 else "h"
    cells = struct.unpack(f"{'<' if layout.little else '>'}{len(frame) // size}{kind}", frame)
    return (encoded(max(cells) if inverse else min(cells)),)


def _darkest_entry(head: DataSet, layout: PixelLayout) -> int:
    """Return the palette index whose colour is the darkest (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6)."""
    descriptor = head.numbers(0x00281101)
    tables = []
    for tag in (0x00281201, 0x00281202, 0x00281203):
        element = head.find(tag)
        if element is None or len(descriptor) != 3:
            raise Refused("redaction-unsupported", tag)
        tables.append(head.value(element))
    entries, first, bits = descriptor[0] or 65536, descriptor[1], descriptor[2]
    width = 2 if bits == 16 or len(tables[0]) >= entries * 2 else 1
    order = "<" if layout.little else ">"
    if any(len(table) < entries * width for table in tables):
        raise Refused("redaction-unsupported", 0x00281201)
    columns = [struct.unpack_from(f"{order}{entries}{'H' if width == 2 else 'B'}", table) for table in tables]
    brightness = [299 * r + 587 * g + 114 * b for r, g, b in zip(*columns, strict=True)]
    return first + brightness.index(min(brightness))
