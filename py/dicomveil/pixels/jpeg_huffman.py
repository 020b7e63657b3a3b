"""Huffman tables of sequential JPEG, and where each block of a scan begins (ITU-T T.81 C, F.1.2, F.2.2).

The walk only finds the blocks' first bits: it looks up as many whole symbols as fit 16 bits at once, and
never reconstructs a coefficient other than, later, some DC differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from dicomveil.errors import Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HuffmanTable", "Lookup", "Walker", "block_positions", "magnitude_bits", "use_walker"]

_INVALID = 0xFFFF00
_END_OF_BLOCK = 128
#: Bytes of which the windows are made at once; a block is never longer than 64 symbols of 31 bits.
_CHUNK, _BLOCK = 1 << 12, 250


class Lookup(NamedTuple):
    """Tables by the next 16 bits.

    ``lengths`` and ``sizes``: bits of the code and of the magnitude after it (0: no such code). ``single``:
    for DC the bits of code and magnitude; for AC ``advance << 8 | bits`` of one symbol, ``many`` of as many
    as fit; ``advance`` counts coefficients, and 128 stands for the end of the block. ``key`` names it.
    """

    key: str
    lengths: NDArray[Any]
    sizes: NDArray[Any]
    single: list[int]
    many: list[int]


class HuffmanTable:
    """The table of a DHT segment: ``counts`` of codes of 1 to 16 bits, and their ``symbols`` in order."""

    def __init__(self, counts: bytes, symbols: bytes) -> None:
        self.counts = list(counts)
        self.symbols = list(symbols)
        self.codes: dict[int, tuple[int, int]] = {}
        self._assign()

    def _assign(self) -> None:
        code = at = 0
        for length in range(1, 17):
            for _ in range(self.counts[length - 1]):
                if code >= 1 << length or at >= len(self.symbols):
                    raise Refused("pixels-undecodable")
                self.codes[self.symbols[at]] = code, length
                code += 1
                at += 1
            code <<= 1

    def copy(self) -> HuffmanTable:
        """Return a table that can be extended without changing this one."""
        return HuffmanTable(bytes(self.counts), bytes(self.symbols))

    def extend(self, wanted: set[int]) -> bool:
        """Give codes of 16 bits to symbols that have none, leaving all others as they are; tell whether any.

        The code of all ones is reserved (T.81 C.2), so there is always room after the last code for some.

        Raises:
            Refused: ``redaction-unsupported`` if there is not enough.
        """
        missing = sorted(wanted - self.codes.keys())
        if not missing:
            return False
        code = 0
        for count in self.counts:
            code = (code + count) << 1
        if (1 << 16) - (code >> 1) - 1 < len(missing):
            raise Refused("redaction-unsupported")
        self.counts[15] += len(missing)
        self.symbols += missing
        self._assign()
        return True

    def lookup(self, *, ac: bool) -> Lookup:
        """Return the tables that the walk uses."""
        return _lookup(bytes(self.counts), bytes(self.symbols), ac)


@lru_cache(maxsize=32)
def _lookup(counts: bytes, symbols: bytes, ac: bool) -> Lookup:  # noqa: FBT001 - a key of the cache
    import numpy as np

    key = f"{'ac' if ac else 'dc'}{counts.hex()}{symbols.hex()}"
    lengths = np.zeros(65536, np.int64)
    symbol = np.zeros(65536, np.int64)
    for value, (code, length) in HuffmanTable(counts, symbols).codes.items():
        low, high = code << (16 - length), (code + 1) << (16 - length)
        lengths[low:high] = length
        symbol[low:high] = value
    valid = lengths > 0
    if not ac:
        valid &= symbol <= 16
        bits = np.where(valid, lengths + symbol, 0)
        return Lookup(key, lengths, symbol, bits.tolist(), [])
    sizes = symbol & 15
    bits = np.where(valid, lengths + sizes, 0)
    advance = np.where((sizes == 0) & (symbol >> 4 != 15), _END_OF_BLOCK, (symbol >> 4) + 1)
    total, coefficients = bits.copy(), advance.copy()
    window = np.arange(65536)
    for _ in range(7):  # append the next symbol where it is whole
        rest = window << np.minimum(total, 16) & 0xFFFF
        fits = valid & (coefficients < _END_OF_BLOCK) & valid[rest] & (total + bits[rest] <= 16)
        total = np.where(fits, total + bits[rest], total)
        coefficients = np.where(fits, coefficients + advance[rest], coefficients)
    single = np.where(valid, advance << 8 | bits, _INVALID)
    many = np.where(valid, coefficients << 8 | total, _INVALID)
    return Lookup(key, lengths, sizes, single.tolist(), many.tolist())


def _windows(data: bytes, start: int, length: int) -> list[int]:
    """Return the 16 bits that begin at each bit of ``length`` bytes of ``data`` from byte ``start``."""
    import numpy as np

    padded = data[start : start + length + 2].ljust(length + 2, b"\xff")
    chunk = np.frombuffer(padded, np.uint8)
    x = chunk.astype(np.uint32)
    wide = x[:-2] << 16 | x[1:-1] << 8 | x[2:]
    out = np.empty((len(wide), 8), np.uint16)
    for bit in range(8):
        out[:, bit] = wide >> (8 - bit) & 0xFFFF
    windows: list[int] = out.reshape(-1).tolist()
    return windows


#: A faster :func:`block_positions`, if the runtime has one: the browser's is in JavaScript. It returns the
#: positions, or none where a code is invalid or the data end.
Walker = Callable[[bytes, list[tuple[Lookup, Lookup]], int], Sequence[int]]
_walkers: list[Walker] = []


def use_walker(walker: Walker) -> None:
    """Find blocks by ``walker`` from now on."""
    _walkers[:] = [walker]


def block_positions(data: bytes, tables: list[tuple[Lookup, Lookup]], count: int) -> Sequence[int]:
    """Return the first bit of every block of ``count`` MCUs, and the first bit after them.

    ``data`` is entropy coded data without stuffed bytes; ``tables`` holds DC and AC for each block of an MCU.

    Raises:
        Refused: ``pixels-undecodable`` where a code is invalid, or the data end.
    """
    for walk in _walkers:
        found = walk(data, tables, count)
        if not len(found) or found[-1] > 8 * len(data):
            raise Refused("pixels-undecodable")
        return found
    plan = [(dc.single, ac.single, ac.many) for dc, ac in tables]
    positions: list[int] = []
    add = positions.append
    base, at, limit = 0, 0, 8 * _CHUNK
    size = _CHUNK + _BLOCK * len(plan) + 8
    window = _windows(data, 0, size)
    try:
        for _ in range(count):
            if at >= limit:
                base += at & ~7
                at &= 7
                window = _windows(data, base >> 3, size)
            for dc, single, many in plan:
                add(base + at)
                step = dc[window[at]]
                if not step:
                    raise Refused("pixels-undecodable")
                at += step
                k = 1
                while True:
                    value = many[window[at]]
                    reached = k + (value >> 8)
                    if reached < 64:
                        k = reached
                        at += value & 255
                        continue
                    if _END_OF_BLOCK <= reached < 192:
                        at += value & 255
                        break
                    while k < 64:  # near the end of the block: one symbol at a time
                        value = single[window[at]]
                        at += value & 255
                        k += value >> 8
                    if k != 64 and not _END_OF_BLOCK <= k < 192:
                        raise Refused("pixels-undecodable")
                    break
    except IndexError:
        raise Refused("pixels-undecodable") from None
    if base + at > 8 * len(data):
        raise Refused("pixels-undecodable")
    positions.append(base + at)
    return positions


def magnitude_bits(value: int) -> tuple[int, int]:
    """Return the category of a DC difference, and its additional bits (T.81 F.1.2.1)."""
    size = abs(value).bit_length()
    return size, value if value >= 0 else value + (1 << size) - 1
