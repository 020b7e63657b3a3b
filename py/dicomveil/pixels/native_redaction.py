"""Redact native pixels: overwrite runs of pixels, read and write only around them, and need no numpy.

What no run touches stays a range of the input, however large it is. Pixel layout: PS3.5 8.1 and 8.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from dicomveil.errors import Refused
from dicomveil.pixels.fill import fill_values
from dicomveil.pixels.layout import PixelLayout
from dicomveil.pixels.native import swap_words
from dicomveil.pixels.shapes import Redaction, Span, covered_frames, spans
from dicomveil.reading import Instance
from dicomveil.source import BytesSource, Part, Range, Source

__all__ = ["can_redact_native", "redacted_native"]

_PHOTOMETRIC = frozenset({"MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR"})
_GAP = 1 << 16
#: A write: (offset of the first bit or byte, its length, the bytes or the bit)
_Write = tuple[int, int, bytes]


def can_redact_native(instance: Instance, layout: PixelLayout) -> bool:
    """Tell whether the instance has native integer pixels whose place and meaning are clear."""
    pixels = instance.pixels
    if pixels is None or pixels.encapsulated or layout.floating or layout.photometric not in _PHOTOMETRIC:
        return False
    if not layout.is_plausible or not 0 < layout.total_bytes <= pixels.length:
        return False
    if layout.photometric == "YBR_FULL_422" and (layout.columns % 2 or layout.samples != 3 or layout.planar):
        return False
    if layout.allocated == 1 and layout.samples != 1:
        return False
    return (layout.samples == 1) == (layout.photometric[:3] in {"MON", "PAL"})


def redacted_native(
    instance: Instance, layout: PixelLayout, part: Part, redactions: Sequence[Redaction]
) -> list[Part]:
    """Return native Pixel Data as parts, with the areas of every frame filled with black.

    Raises:
        Refused: ``redaction-unsupported``, ``redaction-invalid``.
    """
    if not can_redact_native(instance, layout):
        raise Refused("redaction-unsupported")
    if not layout.little and layout.allocated < 16 and instance.pixels and instance.pixels.vr == "OW":
        data = part if isinstance(part, bytes) else instance.source.read(*part)
        plain = replace(layout, little=True)
        return [
            swap_words(
                b"".join(bytes(part) for part in _redacted(instance, plain, swap_words(data), redactions))
            )
        ]
    return _redacted(instance, layout, part, redactions)


def _redacted(
    instance: Instance, layout: PixelLayout, part: Part, redactions: Sequence[Redaction]
) -> list[Part]:
    if isinstance(part, Range):
        source, start, length = instance.source, part.offset, part.length
    else:
        source, start, length = BytesSource(part), 0, len(part)
    parts: list[Part] = []
    done = 0

    def untouched(until: int) -> None:
        if until > done:
            parts.append(Range(start + done, until - done) if isinstance(part, Range) else part[done:until])

    known: dict[tuple[Redaction, ...], list[Span]] = {}
    for frame in covered_frames(redactions, layout.frames):
        areas = tuple(area for area in redactions if area.is_in(frame))
        if areas not in known:
            known[areas] = spans(areas, layout.rows, layout.columns)
        runs = known[areas]
        if not runs:
            continue
        extremes = partial(_extremes, layout, source, start + frame * layout.frame_bytes)
        fill = fill_values(instance.head, layout, layout.photometric, extremes)
        for band, writes in _bands(layout, frame, runs, fill):
            low, high = band
            shared = b""
            if low < done and isinstance(last := parts[-1], bytes):  # single-bit frames may share a byte
                parts[-1], shared = last[:-1], last[-1:]
            untouched(low)
            begin = max(low, done)
            data = bytearray(shared + source.read(start + begin, high - begin))
            _write(layout, data, low, writes)
            parts.append(bytes(data))
            done = high
    untouched(length)
    return parts


def _extremes(layout: PixelLayout, source: Source, start: int) -> tuple[int, int]:
    """Return the smallest and largest stored value of a signed frame."""
    frame = source.read(start, layout.frame_bytes)
    size = layout.sample_bytes
    if not layout.little:
        swapped = bytearray(len(frame))
        for byte in range(size):
            swapped[byte::size] = frame[size - 1 - byte :: size]
        frame = bytes(swapped)
    whole = memoryview(frame[: len(frame) // size * size])
    cells = set(whole.cast("B") if size == 1 else whole.cast("H" if size == 2 else "I" if size == 4 else "Q"))
    mask, sign = (1 << layout.stored) - 1, 1 << layout.stored - 1
    values = [((cell >> layout.shift & mask) ^ sign) - sign for cell in cells]
    return min(values), max(values)


def _cell(layout: PixelLayout, value: int) -> bytes:
    mask = (1 << 8 * layout.sample_bytes) - 1
    return (value << layout.shift & mask).to_bytes(layout.sample_bytes, "little" if layout.little else "big")


def _writes(layout: PixelLayout, frame: int, runs: list[Span], fill: tuple[int, ...]) -> list[_Write]:
    """Return what to write for runs: offsets in bytes from the value's start; in bits for single bits."""
    columns = layout.columns
    if layout.allocated == 1:
        base = frame * layout.rows * columns
        return [(base + y * columns + a, b - a, bytes([fill[0] & 1])) for y, a, b in runs]
    base = frame * layout.frame_bytes
    cells = [_cell(layout, value) for value in fill]
    size = layout.sample_bytes
    if layout.photometric == "YBR_FULL_422":
        pair = cells[0] * 2 + cells[1] + cells[2]
        wide = [(y, a - a % 2, b + b % 2) for y, a, b in runs]
        return [
            (base + (y * columns + a) * 2 * size, (b - a) * 2 * size, pair * ((b - a) // 2))
            for y, a, b in wide
        ]
    if layout.planar and layout.samples > 1:
        plane = layout.rows * columns * size
        return [
            (base + i * plane + (y * columns + a) * size, (b - a) * size, cell * (b - a))
            for i, cell in enumerate(cells)
            for y, a, b in runs
        ]
    pixel = b"".join(cells)
    step = len(pixel)
    return [(base + (y * columns + a) * step, (b - a) * step, pixel * (b - a)) for y, a, b in runs]


def _bands(
    layout: PixelLayout, frame: int, runs: list[Span], fill: tuple[int, ...]
) -> list[tuple[tuple[int, int], list[_Write]]]:
    """Group writes that lie close together: ((first byte, byte after), writes), ascending and apart."""
    bits = 8 if layout.allocated == 1 else 1
    bands: list[tuple[tuple[int, int], list[_Write]]] = []
    for write in sorted(_writes(layout, frame, runs, fill)):
        low, high = write[0] // bits, (write[0] + write[1] + bits - 1) // bits
        if bands and low - bands[-1][0][1] <= _GAP:
            (first, after), writes = bands[-1]
            writes.append(write)
            bands[-1] = (first, max(after, high)), writes
        else:
            bands.append(((low, high), [write]))
    return bands


def _write(layout: PixelLayout, data: bytearray, low: int, writes: list[_Write]) -> None:
    if layout.allocated > 1:
        for at, length, value in writes:
            data[at - low : at - low + length] = value
        return
    for at, length, value in writes:  # least significant bit first, PS3.5 8.1.1
        first = at - 8 * low
        a, b = first // 8, (first + length + 7) // 8
        mask = ((1 << length) - 1) << first - 8 * a
        bits = int.from_bytes(data[a:b], "little")
        bits = bits | mask if value[0] else bits & ~mask
        data[a:b] = bits.to_bytes(b - a, "little")
