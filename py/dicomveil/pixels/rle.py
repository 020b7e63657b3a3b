"""RLE Lossless frames: PackBits segments, one for each byte of each sample (PS3.5 Annex G)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from dicomveil.errors import Refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["decode_rle", "encode_rle"]

_HEADER = struct.Struct("<16L")
_MAX_RUN = 128


def _unpacked(data: bytes, size: int) -> bytes:
    """Decode one segment to ``size`` bytes; what follows them is padding (PS3.5 G.3.2)."""
    out: list[bytes] = []
    at, done, end = 0, 0, len(data)
    append = out.append
    while done < size and at < end:
        code = data[at]
        if code < 128:
            run = data[at + 1 : at + 2 + code]
            at += 2 + code
        elif code > 128:
            run = data[at + 1 : at + 2] * (257 - code)
            at += 2
        else:
            at += 1
            continue
        append(run)
        done += len(run)
    if done < size:
        raise Refused("pixels-undecodable")
    return b"".join(out)[:size]


def decode_rle(data: bytes, rows: int, columns: int, samples: int, sample_bytes: int) -> NDArray[Any]:
    """Decode one frame to an array of ``(rows, columns[, samples])`` of unsigned little endian samples.

    ``sample_bytes`` is 0 for single-bit pixels, whose segment holds eight pixels a byte.

    Raises:
        Refused: ``pixels-undecodable``.
    """
    import numpy as np

    if len(data) < 64:
        raise Refused("pixels-undecodable")
    count, *offsets = _HEADER.unpack_from(data)
    if count != samples * max(sample_bytes, 1):
        raise Refused("pixels-undecodable")
    ends = [*offsets[1:count], len(data)]
    if any(not 64 <= a <= b <= len(data) for a, b in zip(offsets[:count], ends, strict=True)):
        raise Refused("pixels-undecodable")
    size = rows * columns if sample_bytes else (rows * columns + 7) // 8
    planes = [
        np.frombuffer(_unpacked(data[a:b], size), np.uint8)
        for a, b in zip(offsets[:count], ends, strict=True)
    ]
    if not sample_bytes:
        bits = np.unpackbits(planes[0], bitorder="little")[: rows * columns]
        return bits.reshape(rows, columns)
    out = np.empty((rows * columns, samples, sample_bytes), np.uint8)
    for i, plane in enumerate(planes):
        out[:, i // sample_bytes, sample_bytes - 1 - i % sample_bytes] = plane  # most significant first
    array = out.view(f"<u{sample_bytes}").reshape(rows, columns, samples)
    return array[:, :, 0] if samples == 1 else array


def _split(starts: NDArray[Any], lengths: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cut runs into pieces of at most 128."""
    import numpy as np

    pieces = -(-lengths // _MAX_RUN)
    index = np.repeat(np.arange(len(starts)), pieces)
    nth = np.arange(len(index)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    return starts[index] + nth * _MAX_RUN, np.minimum(_MAX_RUN, lengths[index] - nth * _MAX_RUN)


def _packed(plane: NDArray[np.uint8], columns: int) -> bytes:
    """Encode one segment; no run crosses a row (PS3.5 G.3.1)."""
    import numpy as np

    x = plane.reshape(-1)
    n = x.size
    first = np.ones(n, bool)
    first[1:] = x[1:] != x[:-1]
    row_start = np.arange(n) % columns == 0
    first |= row_start
    starts = np.flatnonzero(first)
    lengths = np.diff(starts, append=n)
    repeated = lengths >= 3
    run_start, run_length = _split(starts[repeated], lengths[repeated])
    literal = np.repeat(~repeated, lengths)
    begins = literal.copy()
    begins[1:] &= ~literal[:-1] | row_start[1:]
    stops = literal.copy()
    stops[:-1] &= ~literal[1:] | row_start[1:]
    literal_start = np.flatnonzero(begins)
    literal_start, literal_length = _split(literal_start, np.flatnonzero(stops) + 1 - literal_start)

    start = np.concatenate([run_start, literal_start])
    length = np.concatenate([run_length, literal_length])
    is_run = np.arange(len(start)) < len(run_start)
    order = np.argsort(start, kind="stable")
    start, length, is_run = start[order], length[order], is_run[order]
    is_run &= length > 1  # the rest of a split run may be a single byte, which is a literal
    sizes = np.where(is_run, 2, 1 + length)
    at = np.cumsum(sizes) - sizes
    out = np.empty(int(sizes.sum()), np.uint8)
    out[at] = np.where(is_run, 257 - length, length - 1)
    out[at[is_run] + 1] = x[start[is_run]]
    count = length[~is_run]
    nth = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    out[np.repeat(at[~is_run] + 1, count) + nth] = x[np.repeat(start[~is_run], count) + nth]
    data = out.tobytes()
    return data + b"\0" * (len(data) & 1)


def encode_rle(array: NDArray[Any]) -> bytes:
    """Encode one frame of ``(rows, columns[, samples])`` little endian samples of 1, 2 or 4 bytes."""
    import numpy as np

    rows, columns = array.shape[:2]
    cells = np.ascontiguousarray(array).reshape(rows, columns, -1)
    size = cells.dtype.itemsize
    planes = cells.view(np.uint8).reshape(rows, columns, cells.shape[2], size)
    segments = [
        _packed(np.ascontiguousarray(planes[:, :, sample, byte]), columns)
        for sample in range(cells.shape[2])
        for byte in range(size - 1, -1, -1)
    ]
    offsets, at = [0] * 15, 64
    for i, segment in enumerate(segments):
        offsets[i] = at
        at += len(segment)
    return _HEADER.pack(len(segments), *offsets) + b"".join(segments)
