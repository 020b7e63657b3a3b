"""Redact sequential JPEG in the entropy domain: blocks outside the areas keep their coefficients bit for bit.

A block that an area touches becomes one of a single level: a DC difference and the end of the block. Its bits
are replaced; after it one DC difference has to be coded anew, and everything else is copied. So nothing is
decoded, quantised or lost a second time. Baseline and extended sequential Huffman coding of 8 and 12 bits,
any sampling, restart intervals, one or several scans (ITU-T T.81 A.2, B.2, F.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from dicomveil.errors import Refused
from dicomveil.pixels.jpeg_huffman import HuffmanTable, Lookup, block_positions, magnitude_bits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["is_sequential", "redact_jpeg"]

_ZERO_RUN, _MAX_SPARE = 0xF0, 7
_SOF, _DHT, _DQT, _DRI, _SOS, _EOI = (0xC0, 0xC1), 0xC4, 0xDB, 0xDD, 0xDA, 0xD9


class _Component(NamedTuple):
    number: int
    across: int
    down: int
    quantization: int


@dataclass(slots=True)
class _State:
    """What the segments before a scan have said."""

    quantization: dict[int, int] = field(default_factory=dict)  # the step of the DC coefficient
    tables: dict[int, HuffmanTable] = field(default_factory=dict)  # by class << 4 | destination
    interval: int = 0
    precision: int = 8
    rows: int = 0
    columns: int = 0
    components: dict[int, _Component] = field(default_factory=dict)


def is_sequential(process: int) -> bool:
    """Tell whether a SOF marker's low byte is one that :func:`redact_jpeg` works on."""
    return process in _SOF


def redact_jpeg(data: bytes, mask: NDArray[np.bool_], levels: tuple[int, ...]) -> bytes:
    """Return the JPEG with every block that ``mask`` (rows, columns) touches at its component's level.

    ``levels`` are sample values as the stream codes them, from 0 to 2 ** precision - 1.

    Raises:
        Refused: ``pixels-undecodable``, or ``redaction-unsupported`` for another process than the sequential.
    """
    try:
        return _redacted(data, mask, levels)
    except (IndexError, KeyError, ValueError):
        raise Refused("pixels-undecodable") from None


def _redacted(data: bytes, mask: NDArray[np.bool_], levels: tuple[int, ...]) -> bytes:
    if data[:2] != b"\xff\xd8":
        raise Refused("pixels-undecodable")
    state = _State()
    out = [b"\xff\xd8"]
    at = 2
    while True:
        if data[at] != 0xFF:
            raise Refused("pixels-undecodable")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == _EOI:
            return b"".join([*out, b"\xff\xd9"])
        length = data[at + 2] << 8 | data[at + 3]
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise Refused("pixels-undecodable")
        body = data[at + 4 : end]
        if marker != _SOS:
            _read_segment(state, marker, body)
            out.append(data[at:end])
            at = end
            continue
        scan_end, restarts = _scan_bounds(data, end)
        scan = _Scan(state, body, mask, levels)
        tables, coded = scan.redacted([data[a:b] for a, b in restarts])
        out += [tables, data[at:end], coded]
        at = scan_end


def _read_segment(state: _State, marker: int, body: bytes) -> None:
    if marker == _DQT:
        at = 0
        while at < len(body):
            wide = body[at] >> 4 > 0
            step = body[at + 1] << 8 | body[at + 2] if wide else body[at + 1]
            state.quantization[body[at] & 15] = step or 1
            at += 1 + (128 if wide else 64)
    elif marker == _DHT:
        at = 0
        while at < len(body):
            count = sum(body[at + 1 : at + 17])
            state.tables[body[at]] = HuffmanTable(body[at + 1 : at + 17], body[at + 17 : at + 17 + count])
            at += 17 + count
    elif marker == _DRI:
        state.interval = body[0] << 8 | body[1]
    elif marker in _SOF:
        state.precision = body[0]
        state.rows, state.columns = body[1] << 8 | body[2], body[3] << 8 | body[4]
        for i in range(body[5]):
            identifier, factors, table = body[6 + 3 * i : 9 + 3 * i]
            state.components[identifier] = _Component(i, factors >> 4, factors & 15, table)
    elif 0xC2 <= marker <= 0xCF and marker != 0xCC:
        raise Refused("redaction-unsupported")


def _scan_bounds(data: bytes, start: int) -> tuple[int, list[tuple[int, int]]]:
    """Return where a scan's entropy coded data end, and its restart intervals."""
    import numpy as np

    x = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero(x[start:-1] == 0xFF) + start
    following = x[marks + 1]
    pieces, first = [], start
    for at, marker in zip(marks[following != 0].tolist(), following[following != 0].tolist(), strict=True):
        if 0xD0 <= marker <= 0xD7:
            pieces.append((first, at))
            first = at + 2
        elif marker != 0xFF:
            return at, [*pieces, (first, at)]
    raise Refused("pixels-undecodable")  # no EOI


class _Scan:
    """One scan: the blocks of its MCUs, in order (T.81 A.2)."""

    def __init__(self, state: _State, body: bytes, mask: NDArray[np.bool_], levels: tuple[int, ...]) -> None:
        import numpy as np

        self.components = [state.components[body[1 + 2 * i]] for i in range(body[0])]
        selectors = [body[2 + 2 * i] for i in range(body[0])]
        self.dc = [state.tables[selector >> 4] for selector in selectors]
        self.ac = [state.tables[0x10 | selector & 15] for selector in selectors]
        self.destinations = [(selector >> 4, 0x10 | selector & 15) for selector in selectors]
        across = max(component.across for component in state.components.values())
        down = max(component.down for component in state.components.values())
        single = len(self.components) == 1
        layout, masks = [], []
        for i, component in enumerate(self.components):
            width, height = 8 * across // component.across, 8 * down // component.down
            if 8 * across % component.across or 8 * down % component.down:
                raise Refused("redaction-unsupported")
            touched = _any_in_blocks(mask, width, height)
            if single:  # not interleaved: only blocks with samples, T.81 A.2.2
                rows, columns, h, v = *touched.shape, 1, 1
            else:
                rows, columns = -(-state.rows // (8 * down)), -(-state.columns // (8 * across))
                h, v = component.across, component.down
            whole = np.zeros((rows * v, columns * h), bool)
            whole[: touched.shape[0], : touched.shape[1]] = touched[: rows * v, : columns * h]
            cells = whole.reshape(rows, v, columns, h).transpose(0, 2, 1, 3).reshape(rows * columns, v * h)
            masks.append(cells)
            layout += [i] * (v * h)
        self.layout = layout
        self.mask = np.concatenate(masks, axis=1)
        self.interval = state.interval or len(self.mask)
        half = 1 << state.precision - 1
        self.levels = [
            _dc_level(levels[c.number], half, state.quantization[c.quantization]) for c in self.components
        ]
        self.lookups: list[tuple[Lookup, Lookup]] = [
            (self.dc[i].lookup(ac=False), self.ac[i].lookup(ac=True)) for i in layout
        ]

    def redacted(self, pieces: list[bytes]) -> tuple[bytes, bytes]:
        """Return a DHT segment to put before the scan (may be empty), and the new entropy coded data."""
        import numpy as np

        if -(-len(self.mask) // self.interval) != len(pieces):
            raise Refused("pixels-undecodable")
        edits: list[_Edit | None] = []
        wanted: list[set[int]] = [set() for _ in self.components]
        for i, piece in enumerate(pieces):
            mask = self.mask[i * self.interval : (i + 1) * self.interval]
            rows = np.flatnonzero(mask.any(axis=1))
            if not len(rows):
                edits.append(None)
                continue
            edit = self._edit(piece.replace(b"\xff\x00", b"\xff"), mask[: min(int(rows[-1]) + 2, len(mask))])
            for component, differences in zip(self.layout, edit.new.T, strict=True):
                wanted[component].update(abs(value).bit_length() for value in np.unique(differences).tolist())
            edits.append(edit)
        tables = self._extended(wanted) if any(edits) else b""
        out = []
        for i, (piece, edited) in enumerate(zip(pieces, edits, strict=True)):
            if i:
                out.append(bytes((0xFF, 0xD0 + (i - 1) % 8)))
            whole = self.mask[i * self.interval : (i + 1) * self.interval]
            out.append(piece if edited is None else self._coded(edited, whole))
        return tables, b"".join(out)

    def _edit(self, data: bytes, mask: NDArray[np.bool_]) -> _Edit:
        """Walk as many MCUs as ``mask`` has, and find the DC differences, old and new."""
        import numpy as np

        count = len(mask)
        positions = np.array(block_positions(data, self.lookups, count), np.int64)
        starts = positions[:-1].reshape(count, -1)
        x = np.frombuffer(data + b"\xff" * 8, np.uint8)
        old = np.zeros_like(starts)
        new = np.zeros_like(starts)
        lengths = np.zeros_like(starts)
        for i in range(len(self.components)):
            columns = [n for n, component in enumerate(self.layout) if component == i]
            begin = starts[:, columns].reshape(-1)
            lookup = self.lookups[columns[0]][0]
            window = _bits(x, begin) >> 24 & 0xFFFF
            code = lookup.lengths[window]
            size = lookup.sizes[window]
            value = _bits(x, begin + code) >> (40 - size) & ((1 << size) - 1)
            difference = np.where(value < (1 << np.maximum(size - 1, 0)), value - (1 << size) + 1, value)
            difference[size == 0] = 0
            level = np.where(mask[:, columns].reshape(-1), self.levels[i], np.cumsum(difference))
            old[:, columns] = difference.reshape(count, -1)
            new[:, columns] = np.diff(level, prepend=0).reshape(count, -1)
            lengths[:, columns] = (code + size).reshape(count, -1)
        return _Edit(data, positions, old, new, lengths, mask)

    def _extended(self, wanted: list[set[int]]) -> bytes:
        """Give every needed symbol a code; return the DHT segments of tables that had to grow."""
        grown: dict[int, HuffmanTable] = {}
        shared: dict[int, HuffmanTable] = {}
        for i, (dc, ac) in enumerate(self.destinations):
            for destination, table, symbols in ((dc, self.dc[i], wanted[i]), (ac, self.ac[i], {0})):
                copy = shared.setdefault(destination, table.copy())
                if copy.extend(symbols):
                    grown[destination] = copy
            self.dc[i], self.ac[i] = shared[dc], shared[ac]
        out = b""
        for destination, table in sorted(grown.items()):
            body = bytes([destination, *table.counts, *table.symbols])
            out += b"\xff\xc4" + (len(body) + 2).to_bytes(2, "big") + body
        return out

    def _coded(self, edit: _Edit, whole: NDArray[np.bool_]) -> bytes:
        """Put the new bits between the copied ones, pad with ones and stuff (T.81 F.1.2.3)."""
        import numpy as np

        bits = np.unpackbits(np.frombuffer(edit.data, np.uint8))
        end, old_padding = len(bits), 0
        if len(edit.mask) == len(whole):
            end = int(edit.positions[-1])
        else:  # not walked to the end: how many of the last ones are padding is not known
            old_padding = next((n for n in range(7) if not bits[end - 1 - n]), 7)
        touched = edit.mask.reshape(-1)
        new = edit.new.reshape(-1)
        changed = np.flatnonzero(touched | (new != edit.old.reshape(-1)))
        stops = np.where(touched, edit.positions[1:], edit.positions[:-1] + edit.lengths.reshape(-1))
        pieces: list[NDArray[Any]] = []
        spare: list[tuple[int, int]] = []  # redacted blocks of the first component: (piece, DC difference)
        made: dict[tuple[int, int, bool], NDArray[Any]] = {}
        done = 0
        rows = zip(
            changed.tolist(),
            edit.positions[changed].tolist(),
            stops[changed].tolist(),
            new[changed].tolist(),
            touched[changed].tolist(),
            strict=True,
        )
        for n, begin, stop, difference, redacted in rows:
            if begin > done:
                pieces.append(bits[done:begin])
            key = (self.layout[n % len(self.layout)], difference, redacted)
            if key not in made:
                made[key] = self._block_bits(*key)
            if redacted and not key[0] and len(spare) < _MAX_SPARE:
                spare.append((len(pieces), difference))
            pieces.append(made[key])
            done = stop
        pieces.append(bits[done:end])
        size = sum(map(len, pieces))
        while old_padding + -size % 8 >= 8:
            # A byte of padding alone could remain. A run of 16 zeros in a redacted block changes nothing but
            # where the last byte ends; if there is no room for it, the walk to the end tells what is padding.
            if not spare or _ZERO_RUN not in self.ac[0].codes:
                return self._coded(self._edit(edit.data, whole), whole)
            at, difference = spare.pop()
            pieces[at] = self._block_bits(0, difference, redacted=True, longer=True)
            size += self.ac[0].codes[_ZERO_RUN][1]
        joined = np.concatenate([*pieces, np.ones(-size % 8, np.uint8)])
        return np.packbits(joined).tobytes().replace(b"\xff", b"\xff\x00")

    def _block_bits(
        self,
        component: int,
        difference: int,
        redacted: bool,  # noqa: FBT001 - a key
        *,
        longer: bool = False,
    ) -> NDArray[Any]:
        """Return the bits of a DC difference, and of a redacted block's end."""
        import numpy as np

        size, extra = magnitude_bits(difference)
        code, length = self.dc[component].codes[size]
        text = f"{code:0{length}b}" + (f"{extra:0{size}b}" if size else "")
        for symbol in ([_ZERO_RUN] * longer + [0]) * redacted:
            code, length = self.ac[component].codes[symbol]
            text += f"{code:0{length}b}"
        return np.frombuffer(text.encode(), np.uint8) & 1


@dataclass(frozen=True, slots=True)
class _Edit:
    """One restart interval: blocks' first bits, DC differences and their codes' lengths by (MCU, block)."""

    data: bytes
    positions: NDArray[Any]
    old: NDArray[Any]
    new: NDArray[Any]
    lengths: NDArray[Any]
    mask: NDArray[np.bool_]


def _any_in_blocks(mask: NDArray[np.bool_], width: int, height: int) -> NDArray[np.bool_]:
    """Tell for each block of ``height`` x ``width`` pixels whether the mask touches it."""
    import numpy as np

    rows, columns = -(-mask.shape[0] // height), -(-mask.shape[1] // width)
    whole = np.zeros((rows * height, columns * width), bool)
    whole[: mask.shape[0], : mask.shape[1]] = mask
    blocks = whole.reshape(rows, height, columns, width)
    touched: NDArray[np.bool_] = np.logical_or.reduce(np.logical_or.reduce(blocks, axis=3), axis=1)
    return touched


def _dc_level(value: int, half: int, step: int) -> int:
    """Return the quantised DC coefficient of a level; at the ends it may go beyond, which decoders clamp."""
    level = (value - half) * 8
    if value == 0:
        return -(-level // step) if level % step == 0 else level // step
    if value == 2 * half - 1:
        return -(-level // step)
    return round(level / step)


def _bits(x: NDArray[Any], position: NDArray[Any]) -> NDArray[Any]:
    """Return the 40 bits that begin at each bit position."""
    import numpy as np

    byte = position >> 3
    value = np.zeros(len(position), np.int64)
    for i in range(6):
        value = value << 8 | x[byte + i]
    return value >> (8 - (position & 7)) & ((1 << 40) - 1)
