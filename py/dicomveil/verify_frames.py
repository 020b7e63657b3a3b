"""Verification of encapsulated Pixel Data: frames hold images and nothing beside them (PS3.5 8.2, A.4).

An own reading of items, offset tables and codestream headers, which shares no code with what scrubs them. Of
each frame the headers and the end are read; with ``whole``, what lies between as well: markers inside of
entropy coded data, the runs of RLE, deflated frames.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from dicomveil.source import Source
from dicomveil.verify_jpeg import JPEG_LS_MARKS, JPEG_MARKS, jpeg_marks, jpeg_segments
from dicomveil.verify_streams import BLOCK, MAX_HEADER, ReadAhead, Stream, Unclean

__all__ = ["VIDEO", "FrameSizes", "frames_are_clean"]

_FOUR = "1.2.840.10008.1.2.4."
_JPEG, _J2K, _JXL = "jpeg", "jpeg-2000", "jpeg-xl"
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        **{_FOUR + n: _JPEG for n in ("50", "51", "53", "55", "57", "70", "80", "81")},
        **{_FOUR + n: _J2K for n in ("90", "91", "201", "202", "203")},
        **{_FOUR + n: _JXL for n in ("110", "111", "112")},
        "1.2.840.10008.1.2.5": "rle",
        "1.2.840.10008.1.2.8.1": "deflated",
        "1.2.840.10008.1.2.1.98": "plain",
    }
)
#: Transfer Syntaxes of videos, PS3.5 8.2.5 to 8.2.12; into which nothing here looks.
VIDEO = frozenset(_FOUR + str(n) + end for n in range(100, 109) for end in ("", ".1"))
_BEGINNINGS: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {_JPEG: (b"\xff\xd8",), _J2K: (b"\xff\x4f\xff\x51",), _JXL: (b"\xff\x0a", b"\0\0\0\x0cJXL ")}
)
_MAX_PARTS = 1 << 17


class FrameSizes(NamedTuple):
    """What the Image Pixel Module says: numbers of frames, rows, columns, samples and bits of a cell."""

    frames: int
    rows: int
    columns: int
    samples: int
    allocated: int

    @property
    def plane(self) -> int:
        """Bytes of one plane of a frame: of each byte of each sample; single bits are packed."""
        pixels = self.rows * self.columns
        return pixels if self.allocated >= 8 else (pixels + 7) // 8

    @property
    def planes(self) -> int:
        """Planes of a frame."""
        return self.samples * max(self.allocated // 8, 1)

    @property
    def native_bytes(self) -> int:
        """Bytes of all frames without compression, at most: none of subsampling is longer."""
        return (self.frames * self.rows * self.columns * self.samples * self.allocated + 7) // 8


def frames_are_clean(
    output: Source,
    transfer_syntax: str,
    items: Sequence[tuple[int, int]],
    sizes: FrameSizes,
    extended: Sequence[bytes | None] = (None, None),
    *,
    whole: bool,
) -> bool:
    """Tell whether encapsulated Pixel Data are frames, each of them an image and nothing else.

    ``items`` has (offset, length) of every item's value, the Basic Offset Table first; ``extended`` the
    values of Extended Offset Table and of its Lengths. Video is not looked into, see ``verify_video``.
    """
    if transfer_syntax in VIDEO:
        return True
    kind = _KINDS.get(transfer_syntax)
    if kind is None or len(items) < 2:
        return False
    try:
        frames = _frames(output, kind, items, sizes.frames)
        _check_extended(frames, items, extended)
        ahead = ReadAhead(output)
        check = _Check(kind, sizes, whole=whole)
        for frame in frames:
            check.frame(Stream(ahead, frame))
    except (Unclean, IndexError, struct.error, zlib.error):
        return False
    return True


def _frames(
    output: Source, kind: str, items: Sequence[tuple[int, int]], count: int
) -> list[Sequence[tuple[int, int]]]:
    """Group the fragments by frames; there are as many as Number of Frames says."""
    table, fragments = output.read(*items[0]), list(items[1:])
    places = {offset - fragments[0][0]: i for i, (offset, _) in enumerate(fragments)}
    if table:
        if len(table) != 4 * count:
            raise Unclean
        first = [places.get(offset, -1) for offset in struct.unpack(f"<{count}L", table)]
    elif len(fragments) == count:
        first = list(range(count))
    elif count == 1:
        first = [0]
    else:
        heads = _BEGINNINGS.get(kind, ())
        first = [i for i, item in enumerate(fragments) if heads and output.read(item[0], 8).startswith(heads)]
    if len(first) != count or first != sorted({*first}) or first[:1] != [0]:
        raise Unclean
    return [fragments[a:b] for a, b in zip(first, [*first[1:], len(fragments)], strict=True)]


def _check_extended(
    frames: list[Sequence[tuple[int, int]]],
    items: Sequence[tuple[int, int]],
    extended: Sequence[bytes | None],
) -> None:
    base = items[1][0]
    true = [frame[0][0] - base for frame in frames], [frame[0][1] for frame in frames]
    for value, numbers in zip(extended, true, strict=True):
        if value is not None and value != struct.pack(f"<{len(numbers)}Q", *numbers):
            raise Unclean


class _Check:
    """Checks one frame after the other; a header that was found clean need not be looked at twice."""

    def __init__(self, kind: str, sizes: FrameSizes, *, whole: bool) -> None:
        self._sizes = sizes
        self._whole = whole
        self._head = b""
        checks: Mapping[str, Callable[[Stream], None]] = {
            _JPEG: self._jpeg,
            _J2K: self._jpeg_2000,
            _JXL: self._jpeg_xl,
            "rle": self._rle,
            "deflated": self._deflated,
            "plain": self._plain,
        }
        self.frame = checks[kind]

    def _jpeg(self, stream: Stream) -> None:
        at = len(self._head)
        single = True
        if not stream.begins_with(self._head):
            if stream.read(0, 2) != b"\xff\xd8":
                raise Unclean
            at, single = jpeg_segments(stream, 2)
            if single:
                self._head = stream.read(0, at)
        tail = stream.read(max(at, stream.size - 3), 3)
        if tail[-2:] != b"\xff\xd9" and tail[-3:-1] != b"\xff\xd9":
            raise Unclean
        if not (single and not self._whole):
            near = b"\xff\xf7" in stream.read(0, at)
            for position, code in jpeg_marks(stream, at, JPEG_LS_MARKS if near else JPEG_MARKS):
                if position < at:
                    continue
                if code == 0xD9:
                    if stream.size - position > 3:
                        raise Unclean
                    return
                at, _ = jpeg_segments(stream, position)
            raise Unclean

    def _jpeg_2000(self, stream: Stream) -> None:
        if stream.read(0, 4) != b"\xff\x4f\xff\x51":
            raise Unclean
        stated: list[tuple[int, bytes]] = []
        at = 2
        while True:
            marker, length = struct.unpack(">HH", stream.read(at, 4))
            if marker == 0xFF90:
                break
            if marker == 0xFF55:
                stated.append((length - 4, stream.read(at + 4, length - 2)))
            elif marker not in _MAIN_HEADER:
                raise Unclean
            at += 2 + length
            if at > MAX_HEADER:
                raise Unclean
        lengths: list[tuple[int, int]] = []
        while (mark := stream.read(at, 2)) == b"\xff\x90":
            _, size, tile, length = struct.unpack(">HHHL", stream.read(at, 10))
            inner = at + 12
            while (marker := int.from_bytes(stream.read(inner, 2), "big")) != 0xFF93:
                if marker not in _TILE_HEADER:
                    raise Unclean
                inner += 2 + int.from_bytes(stream.read(inner + 2, 2), "big")
                if inner - at > MAX_HEADER:
                    raise Unclean
            if size != 10 or len(lengths) > _MAX_PARTS or (length and length < inner + 2 - at):
                raise Unclean
            end = at + length if length else self._to_eoc(stream, inner)
            lengths.append((tile, end - at))
            at = end
        if mark != b"\xff\xd9" or stream.size - at > 3:
            raise Unclean
        if stated:
            style = stated[0][1][1]
            index, wide = style >> 4 & 3, 4 if style & 0x40 else 2
            true = b"".join(t.to_bytes(4, "big")[4 - index :] + n.to_bytes(wide, "big") for t, n in lengths)
            if b"".join(body[2:] for _, body in stated) != true:
                raise Unclean

    def _to_eoc(self, stream: Stream, at: int) -> int:
        """Return where the codestream ends of which the last tile-part does not tell its length."""
        tail = stream.read(stream.size - 3, 3)
        end = stream.size - (2 if tail[1:] == b"\xff\xd9" else 3)
        if self._whole:
            for start in range(at, stream.size, BLOCK):
                found = stream.read(start, BLOCK + 1).find(b"\xff\xd9")
                if found >= 0:
                    return start + found
        return end

    def _jpeg_xl(self, stream: Stream) -> None:
        if stream.read(0, 2) == b"\xff\x0a":
            return
        at = boxes = 0
        while at < stream.size - 1:
            boxes += 1
            length, kind = struct.unpack(">L4s", stream.read(at, 8))
            if kind not in _BOXES or (
                kind in _FIXED and stream.read(at, 32)[: len(_FIXED[kind])] != _FIXED[kind]
            ):
                raise Unclean
            if length == 1:
                length = int.from_bytes(stream.read(at + 8, 8), "big")
            at = at + length if length else stream.size
            if (length and length < 8) or boxes > _MAX_PARTS:
                raise Unclean
        if at > stream.size:
            raise Unclean

    def _rle(self, stream: Stream) -> None:
        count, *offsets = struct.unpack("<16L", stream.read(0, 64))
        used = offsets[:count]
        if count != self._sizes.planes or used[0] != 64 or any(offsets[count:]):
            raise Unclean
        for start, end in zip(used, [*used[1:], stream.size], strict=True):
            if not start < end <= stream.size:
                raise Unclean
            if self._whole:
                self._rle_segment(stream.read(start, end - start))

    def _rle_segment(self, data: bytes) -> None:
        """PS3.5 G.3.2: a segment decodes to one plane, and nothing follows but a byte that makes it even."""
        at = done = 0
        while done < self._sizes.plane and at < len(data):
            code = data[at]
            done += 0 if code == 128 else code + 1 if code < 128 else 257 - code
            at += 1 if code == 128 else code + 2 if code < 128 else 2
        if done > self._sizes.plane or len(data) - at > 1:
            raise Unclean

    def _deflated(self, stream: Stream) -> None:
        if not self._whole:
            return
        inflater = zlib.decompressobj(-15)
        left = self._sizes.plane * self._sizes.planes + 2
        data = stream.read(0, stream.size)
        while left > 0 and not inflater.eof:
            more = inflater.decompress(data, min(left, BLOCK))
            data = inflater.unconsumed_tail
            left -= len(more)
            if not more and not data:
                break
        if left <= 0 or not inflater.eof or len(inflater.unused_data) > 1:
            raise Unclean

    def _plain(self, stream: Stream) -> None:
        if stream.size - self._sizes.plane * self._sizes.planes > 1:
            raise Unclean


#: T.800 A.2: CAP, SIZ, COD, COC, QCD, QCC, RGN, POC; TLM is compared.
_TILE_HEADER = frozenset({0xFF52, 0xFF53, 0xFF5C, 0xFF5D, 0xFF5E, 0xFF5F})
_MAIN_HEADER = frozenset({0xFF50, 0xFF51, *_TILE_HEADER})
_BOXES = frozenset({b"JXL ", b"ftyp", b"jxll", b"jxlc", b"jxlp", b"jbrd"})
_FIXED: Mapping[bytes, bytes] = MappingProxyType(
    {
        b"JXL ": b"\0\0\0\x0cJXL \r\n\x87\n",
        b"ftyp": b"\0\0\0\x14ftypjxl \0\0\0\0jxl ",
        b"jxll": b"\0\0\0\x09jxll",
    }
)
