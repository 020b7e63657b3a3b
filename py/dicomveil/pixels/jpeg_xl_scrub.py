"""Cut out of JPEG XL what no decoder needs (ISO/IEC 18181-1 and -2).

Of a container only the codestream stays, and the box that tells its level. The codestream's headers are read
to find its end: a still image of one frame, without extra channels, ICC profile, name, preview or extensions.
Any other is refused; the caller may encode its pixels anew.
"""

from __future__ import annotations

import struct

from dicomveil.errors import Refused
from dicomveil.pixels.cutting import TAIL, Cut, refuse, refuse_text, with_end
from dicomveil.source import PartsSource, Range, Source

__all__ = ["jpeg_xl_cuts"]

_HEAD = 1 << 10
_MAX_HEADER = 4 << 20
_MAX_BOX = (1 << 32) - 1
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "
_LEVEL = b"\0\0\0\x09jxll"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIDE = ((9, 1), (13, 1), (18, 1), (30, 1))
_ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))
_SIZES = ((10, 0), (14, 1024), (22, 17408), (30, 4211712))
_GREY, _XYB, _CUSTOM = 1, 2, 2
_USE_DC_FRAME = 32


def jpeg_xl_cuts(stream: Source) -> list[Cut]:
    """Return what to cut out of a frame, ascending.

    Raises:
        Refused: ``pixels-undecodable`` where it is no JPEG XL, ``pixel-stream-unclean`` where it is more than
        a still image.
    """
    level = b""
    ranges = [Range(0, stream.size)]
    if stream.read(0, 2) != b"\xff\x0a":
        level, ranges = _codestream(stream)
    inner = PartsSource(stream, ranges)
    end = _end_of_image(inner)
    if end > inner.size:
        raise Refused("pixels-undecodable")
    start = max(0, end - TAIL)
    refuse_text(inner.read(start, end - start))
    head = _CONTAINER + level + (end + 8).to_bytes(4, "big") + b"jxlc" if level else b""
    if len(head) + end > _MAX_BOX:
        raise refuse()
    first = ranges[0].offset
    cuts = [Cut(0, first, head)] if stream.read(0, first) != head else []
    at, left = first, end
    for offset, length in ranges:
        if offset > at:
            cuts.append(Cut(at, offset))
        at = offset + min(length, left)
        left -= min(length, left)
        if not left:
            break
    return with_end(cuts, stream, at)


def _codestream(stream: Source) -> tuple[bytes, list[Range]]:
    """Return the box that tells the level, and where the pieces of the codestream lie (18181-2, 4)."""
    if stream.read(0, 12) != _CONTAINER[:12]:
        raise Refused("pixels-undecodable")
    found: list[Range] = []
    level = b""
    at, last = 12, False
    while at + 8 <= stream.size and not last:
        length, kind = struct.unpack(">L4s", stream.read(at, 8))
        header = 8
        if length == 1:
            length, header = struct.unpack(">Q", stream.read(at + 8, 8))[0], 16
        end = at + length if length else stream.size
        if end < at + header or end > stream.size:
            raise Refused("pixels-undecodable")
        if kind == b"jxll":
            box = stream.read(at, 9)
            level = box if box in {_LEVEL + b"\5", _LEVEL + b"\n"} else b""
        elif kind == b"jxlc":
            found.append(Range(at + header, end - at - header))
            last = True
        elif kind == b"jxlp":
            (index,) = struct.unpack(">L", stream.read(at + header, 4))
            if index & 0x7FFFFFFF != len(found):
                raise refuse()
            found.append(Range(at + header + 4, end - at - header - 4))
            last = index >> 31 == 1
        at = end
    if not last:
        raise Refused("pixels-undecodable")
    return level, found


class _Bits:
    """Reads fields, least significant bit first (18181-1, B.2)."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")
        self._size = 8 * len(data)
        self.at = 0

    def take(self, count: int) -> int:
        if self.at + count > self._size:
            raise Refused("pixels-undecodable")
        value = self._bits >> self.at & ((1 << count) - 1)
        self.at += count
        return value

    def u32(self, choices: tuple[tuple[int, int], ...]) -> int:
        count, offset = choices[self.take(2)]
        return self.take(count) + offset

    def none(self, count: int = 1) -> None:
        """Refuse the stream if any of so many bits is set."""
        if self.take(count):
            raise refuse()

    def align(self) -> None:
        self.none(-self.at % 8)


def _end_of_image(stream: Source) -> int:
    """Return where the codestream of a still image ends; read more of it if its headers are long."""
    size = min(stream.size, _HEAD)
    while True:
        try:
            return _end(_Bits(stream.read(0, size)))
        except Refused as error:
            if error.code != "pixels-undecodable" or size >= min(stream.size, _MAX_HEADER):
                raise
            size = min(size * 8, stream.size)


def _end(bits: _Bits) -> int:
    if bits.take(16) != 0x0AFF:
        raise Refused("pixels-undecodable")
    small = bits.take(1)
    rows = 8 * (bits.take(5) + 1) if small else bits.u32(_SIDE)
    ratio = bits.take(3)
    if ratio:
        columns = rows * _RATIOS[ratio - 1][0] // _RATIOS[ratio - 1][1]
    else:
        columns = 8 * (bits.take(5) + 1) if small else bits.u32(_SIDE)
    xyb = _image_metadata(bits)
    if not bits.take(1):  # CustomTransformData of its own, D.3.1
        raise refuse()
    bits.align()
    group = _frame_header(bits, xyb=xyb)
    groups = -(-rows // group) * -(-columns // group)
    low = -(-rows // (8 * group)) * -(-columns // (8 * group))
    bits.none()  # a permuted TOC, F.3
    bits.align()
    sizes = [bits.u32(_SIZES) for _ in range(1 if groups == 1 else 2 + low + groups)]
    bits.align()
    return bits.at // 8 + sum(sizes)


def _image_metadata(bits: _Bits) -> bool:
    """Read ImageMetadata (D.3) and tell whether the image is coded as XYB."""
    if bits.take(1):
        return True
    bits.none()  # extra fields: orientation, preview, animation, tone mapping
    if bits.take(1):  # floating samples
        bits.u32(((0, 32), (0, 16), (0, 24), (6, 1)))
        bits.take(4)
    else:
        bits.u32(((0, 8), (0, 10), (0, 12), (6, 1)))
    bits.take(1)  # buffers of 16 bits
    bits.none(2)  # extra channels
    xyb = bits.take(1) == 1
    _colour_encoding(bits)
    bits.none(2)  # extensions
    return xyb


def _colour_encoding(bits: _Bits) -> None:
    """Pass over ColourEncoding (E.2); one with an ICC profile is refused, since that may hold text."""
    if bits.take(1):
        return
    bits.none()  # ICC
    space = bits.u32(_ENUM)
    if space != _XYB:
        if bits.u32(_ENUM) == _CUSTOM:
            raise refuse()
        if space != _GREY and bits.u32(_ENUM) == _CUSTOM:
            raise refuse()
        if bits.take(1):
            bits.take(24)
        else:
            bits.u32(_ENUM)
    bits.u32(_ENUM)


def _frame_header(bits: _Bits, *, xyb: bool) -> int:
    """Read FrameHeader (F.2) of the only frame; return the size of its groups."""
    if bits.take(1):
        return 256
    bits.none(2)  # no regular frame
    modular = bits.take(1)
    flags = _u64(bits)
    if flags & _USE_DC_FRAME:
        raise refuse()
    if not xyb and bits.take(1):
        bits.take(6)  # subsampling of YCbCr
    bits.none(2)  # upsampling
    group = 128 << bits.take(2) if modular else 256
    if xyb and not modular:
        bits.take(6)
    bits.none(2)  # several passes
    bits.none()  # a part of the image
    bits.none(2)  # blending
    if not bits.take(1):  # other frames follow
        raise refuse()
    bits.none(2)  # a name
    if not bits.take(1):
        _restoration(bits, modular=modular == 1)
    bits.none(2)  # extensions
    return group


def _restoration(bits: _Bits, *, modular: bool) -> None:
    """Pass over RestorationFilter (J.1) without parameters of its own."""
    if bits.take(1):
        bits.none()
    if bits.take(2):
        if not modular:
            bits.none()
        bits.none(2)
        if modular:
            bits.take(16)
    bits.none(2)


def _u64(bits: _Bits) -> int:
    """Read U64 (B.2.4)."""
    choice = bits.take(2)
    if choice < 3:
        return (0, bits.take(4) + 1 if choice == 1 else 0, bits.take(8) + 17 if choice == 2 else 0)[choice]
    value, shift = bits.take(12), 12
    while bits.take(1):
        if shift == 60:
            return value | bits.take(4) << shift
        value |= bits.take(8) << shift
        shift += 8
    return value
