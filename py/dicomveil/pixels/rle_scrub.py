"""Cut out of frames without codestream markers what is beside the pixels (PS3.5 Annex G, A.4.11, A.4.12).

An RLE frame is walked run by run: the ends of its segments are written nowhere. Unused offsets become zeros,
and what lies between and behind the runs goes. Deflated frames are inflated to find their end.
"""

from __future__ import annotations

import struct
import zlib

from dicomveil.errors import Refused
from dicomveil.pixels.cutting import Cut, refuse, with_end
from dicomveil.pixels.layout import PixelLayout
from dicomveil.source import Source

__all__ = ["deflated_cuts", "plain_cuts", "rle_cuts"]

_HEADER = struct.Struct("<16L")
_CHUNK = 1 << 18
#: By a run's first byte: how many bytes it takes, and how many it stands for (G.3.2).
_STEPS = tuple(code + 2 if code < 128 else 2 if code > 128 else 1 for code in range(256))
_RUNS = tuple(code + 1 if code < 128 else 257 - code if code > 128 else 0 for code in range(256))


def _frame_bytes(layout: PixelLayout) -> int:
    """Return the bytes of one frame that is byte aligned, as every encapsulated one is."""
    if layout.allocated % 8:
        return (layout.rows * layout.columns * layout.samples * layout.allocated + 7) // 8
    return layout.frame_bytes


def _runs_end(data: bytes, size: int) -> tuple[int, int, int]:
    """Walk a segment's runs; return where they end, where the last one began, and bytes it has too many."""
    steps, runs = _STEPS, _RUNS
    last, at, left = 0, 0, size
    try:
        while left > 0:
            last = at
            code = data[at]
            at += steps[code]
            left -= runs[code]
    except IndexError:  # the segment ends before its rows do: nothing is behind them
        return len(data), last, 0
    return min(at, len(data)), last, -left


def rle_cuts(stream: Source, layout: PixelLayout) -> list[Cut]:
    """Return what to cut out of an RLE frame, ascending.

    Raises:
        Refused: ``pixels-undecodable`` where its header is not that of a frame, ``pixel-stream-unclean``.
    """
    data = stream.read(0, stream.size)
    count, *offsets = _HEADER.unpack_from(data)
    used = offsets[:count]
    ends = [*used[1:], len(data)]
    if count != layout.samples * max(layout.sample_bytes, 1) or used[0] < 64:
        raise Refused("pixels-undecodable")
    if any(start >= end for start, end in zip(used, ends, strict=True)):
        raise Refused("pixels-undecodable")
    size = layout.rows * layout.columns
    size = size if layout.sample_bytes else (size + 7) // 8
    cuts = [Cut(64, used[0])] if used[0] > 64 else []
    true = [64]
    for n, (start, end) in enumerate(zip(used, ends, strict=True), 1):
        stop, last, excess = _runs_end(data[start:end], size)
        stop, last = start + stop, start + last
        length = stop - start
        if excess:  # a run beyond the frame: a literal one would carry bytes that nobody sees
            code = data[last]
            if code < 128:
                stop -= excess
                length -= excess
                code -= excess
            else:
                code = (code + excess) & 0xFF  # a run of one, 256, is a literal of one, 0
            cuts.append(Cut(last, last + 1, bytes([code])))
        pad = end - stop
        if pad > 1 or (pad and n == count and (true[-1] + length) & 1 == 0):
            pad = length & 1
            cuts.append(Cut(stop, end, b"\0" * pad))
        true.append(true[-1] + length + pad)
    header = _HEADER.pack(count, *true[:-1], *[0] * (15 - count))
    return ([Cut(0, 64, header)] if data[:64] != header else []) + cuts


def deflated_cuts(stream: Source, layout: PixelLayout) -> list[Cut]:
    """Return what to cut behind the Deflate data of a frame.

    Raises:
        Refused: ``pixels-undecodable`` where they are none, ``pixel-stream-unclean`` where they hold more
        than the frame.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    expected = _frame_bytes(layout)
    at = done = 0
    data = b""
    try:
        while not inflater.eof:
            if not data:
                data = stream.read(at, _CHUNK)
                at += len(data)
            more = inflater.decompress(data, _CHUNK)
            if not data and not more:
                raise Refused("pixels-undecodable")
            done += len(more)
            data = inflater.unconsumed_tail
            if done > expected + 1:  # one byte may make it even
                raise refuse()
    except zlib.error:
        raise Refused("pixels-undecodable") from None
    return with_end([], stream, at - len(inflater.unused_data))


def plain_cuts(stream: Source, layout: PixelLayout) -> list[Cut]:
    """Return what to cut behind an encapsulated frame without compression."""
    return with_end([], stream, _frame_bytes(layout))
