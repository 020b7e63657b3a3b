"""Rewrite encapsulated Pixel Data: redact frames in their transfer syntax, scrub all others (PS3.5 A.4).

A frame that no area touches is not decoded. It stays a range of the input, but for what no decoder needs,
which is left out (see ``scrub``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicomveil.errors import Refused
from dicomveil.pixels import scrub
from dicomveil.pixels.frames import Frame, locate_frames, read_frame
from dicomveil.pixels.layout import PixelLayout, pixel_layout
from dicomveil.pixels.shapes import Redaction, covered_frames
from dicomveil.pixels.syntaxes import JPEG_RECOMPRESSION, coding_of, is_video
from dicomveil.reading import Instance
from dicomveil.source import Part, PartsSource, Range, Source, part_length

if TYPE_CHECKING:
    from dicomveil.pixels.redact_frame import FrameRedactor

__all__ = ["Rewritten", "rewritten"]

_DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"
_READ_AHEAD = 1 << 12
#: Extended Offset Table and its Lengths, and Encapsulated Pixel Data Value Total Length, PS3.3 C.7.6.3.1.8.
_EXTENDED = (0x7FE00001, 0x7FE00002)
_TOTAL_LENGTH = 0x7FE00003


@dataclass(slots=True)
class Rewritten:
    """The value of Pixel Data as parts; ``changed`` if any byte of it differs from the input's."""

    parts: list[Part]
    changed: bool = False
    warnings: list[str] = field(default_factory=list)


class _ReadAhead:
    """A source that keeps the last block read: the end of one frame and the beginning of the next are one."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._start = 0
        self._block = b""
        self.size = source.size

    def read(self, offset: int, length: int) -> bytes:
        if not self._start <= offset <= offset + length <= self._start + len(self._block):
            if length > _READ_AHEAD:
                return self._source.read(offset, length)
            self._start, self._block = offset, self._source.read(offset, _READ_AHEAD)
        return self._block[offset - self._start : offset - self._start + length]


def _item(length: int) -> bytes:
    return b"\xfe\xff\x00\xe0" + length.to_bytes(4, "little")


def rewritten(instance: Instance, redactions: Sequence[Redaction], overlay_bits: int = 0) -> Rewritten:
    """Return encapsulated Pixel Data with areas filled and codestreams scrubbed.

    ``overlay_bits`` is a mask of cell bits to clear in every frame whose codestream has them. Video is
    returned as it is.

    Raises:
        Refused: ``redaction-unsupported``, ``redaction-invalid``, ``pixels-undecodable``,
        ``pixels-not-loaded``; ``pixel-stream-unclean`` where a frame holds more than its image, or
        nothing here knows its transfer syntax.
    """
    pixels = instance.pixels
    if pixels is None or not pixels.encapsulated or not isinstance(pixels.part, Range):
        raise Refused("redaction-unsupported")
    coding = coding_of(instance.transfer_syntax)
    if not coding:
        if redactions or overlay_bits:
            raise Refused("redaction-unsupported")
        if not is_video(instance.transfer_syntax):
            raise Refused("pixel-stream-unclean", pixels.tag)
        return Rewritten([pixels.part])
    layout = pixel_layout(instance)
    touched = set(covered_frames(redactions, layout.frames))
    frames = locate_frames(instance, layout.frames)
    writer = _Writer(instance, coding, layout)
    redactor: FrameRedactor | None = None
    if touched or overlay_bits:
        from dicomveil.pixels.redact_frame import FrameRedactor

        redactor = FrameRedactor(instance, layout, coding, overlay_bits)
    for index, frame in enumerate(frames):
        stream = None
        if redactor is not None and (index in touched or overlay_bits):
            areas = [area for area in redactions if area.is_in(index)]
            stream = redactor.redacted(read_frame(instance, frame), areas)
        elif instance.transfer_syntax == JPEG_RECOMPRESSION:
            from dicomveil.pixels.codecs import scrubbed_recompression

            stream = scrubbed_recompression(read_frame(instance, frame), layout)
        if stream is None:
            try:
                writer.scrubbed_frame(frame)
            except Refused as error:
                if error.code != "pixel-stream-unclean" or coding != "jpeg-xl":
                    raise
                from dicomveil.pixels.codecs import encoded_anew

                stream = encoded_anew(instance.transfer_syntax, coding, read_frame(instance, frame), layout)
        if stream is not None:
            writer.new_frame(stream)
    result = writer.finished(frames)
    if redactor is not None:
        result.warnings += sorted(redactor.warnings)
    return result


class _Writer:
    """Joins frames to the value of Pixel Data, and counts their offsets."""

    def __init__(self, instance: Instance, coding: str, layout: PixelLayout) -> None:
        self.instance = instance
        self.scrubber = scrub.Scrubber(coding, layout)
        self.source = _ReadAhead(instance.source)
        self.parts: list[Part] = []
        self.offsets: list[int] = []
        self.at = 0
        self.changed = False
        self.comments = False

    def _add(self, *parts: Part) -> None:
        for part in parts:
            last = self.parts[-1] if self.parts else None
            if (
                isinstance(part, Range)
                and isinstance(last, Range)
                and last.offset + last.length == part.offset
            ):
                self.parts[-1] = Range(last.offset, last.length + part.length)
            elif part_length(part):
                self.parts.append(part)
            self.at += part_length(part)

    def new_frame(self, stream: bytes) -> None:
        """Append a frame as one fragment of even length."""
        self.changed = True
        self.offsets.append(self.at)
        even = stream + b"\0" * (len(stream) & 1)
        self._add(_item(len(even)) + even)

    def scrubbed_frame(self, frame: Frame) -> None:
        """Append a frame of the input, without what ``scrub`` cuts out."""
        ranges = [Range(offset, length) for offset, length in frame.fragments]
        cuts = self.scrubber.cuts(PartsSource(self.source, ranges))
        self.offsets.append(self.at)
        if not cuts and not any(length & 1 for _, length in frame.fragments):
            for offset, length in frame.fragments:
                self._add(Range(offset - 8, length + 8))
            return
        self.changed = True
        self.comments = self.comments or bool(cuts)
        kept: list[Part] = []
        at = 0
        for cut in [*cuts, scrub.Cut(frame.length, frame.length)]:
            kept += _slice(frame, at, cut.start)
            kept.append(cut.replacement)
            at = cut.end
        length = sum(map(part_length, kept))
        self._add(_item(length + (length & 1)), *kept, b"\0" * (length & 1))

    def finished(self, frames: list[Frame]) -> Rewritten:
        """Return the whole value with its Basic Offset Table: empty where the input's is, else true."""
        pixels = self.instance.pixels
        if pixels is None or not isinstance(pixels.part, Range):
            raise Refused("redaction-unsupported")
        result = Rewritten([], warnings=["codestream-comments-removed"] if self.comments else [])
        start, table = pixels.part.offset, pixels.fragments[0]
        new = b"".join(offset.to_bytes(4, "little") for offset in self.offsets if offset < 1 << 32)
        if not table[1] or len(new) != 4 * len(self.offsets):
            new = b""
        used = sum(len(frame.fragments) for frame in frames) + 1
        if used < len(pixels.fragments):
            result.warnings.append("pixel-padding-removed")
        elif not self.changed and self.instance.source.read(start + table[0], table[1]) == new:
            result.parts = [pixels.part]
            result.changed = not self._extended_is_true(frames)
            return result
        result.changed = True
        result.parts = [_item(len(new)) + new, *self.parts, _DELIMITER]
        return result

    def _extended_is_true(self, frames: list[Frame]) -> bool:
        """Tell whether the Extended Offset Table, if there is one, holds what it has to and nothing else."""
        lengths = [fragment[1] for frame in frames for fragment in frame.fragments]
        true = self.offsets, (lengths if len(lengths) == len(frames) else [])
        head = self.instance.head
        for tag, numbers in zip(_EXTENDED, true, strict=True):
            element = head.find(tag)
            if element and head.value(element) != b"".join(n.to_bytes(8, "little") for n in numbers):
                return False
        total = head.find(_TOTAL_LENGTH)
        size = int.from_bytes(head.value(total), "little") if total else sum(lengths)
        return sum(lengths) - len(lengths) <= size <= sum(lengths)  # with or without what makes frames even


def _slice(frame: Frame, start: int, end: int) -> list[Part]:
    """Return the ranges of the file that hold bytes ``[start, end)`` of a frame's codestream."""
    out: list[Part] = []
    at = 0
    for offset, length in frame.fragments:
        low, high = max(start, at), min(end, at + length)
        if low < high:
            out.append(Range(offset + low - at, high - low))
        at += length
    return out
