"""Cut out of JPEG 2000 and HTJ2K codestreams what no decoder needs (ITU-T T.800 A, T.814).

COM, CRG, PLM, PLT, PRF and CPF go; TLM stays if it is true and is written anew if not; the others must have
the lengths that their contents call for. What Part 2 adds, packed packet headers, and what is twice in a
header is refused. Only headers and the last bytes are read.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from dicomveil.errors import Refused
from dicomveil.pixels.cutting import TAIL, Cut, refuse, refuse_text, with_end
from dicomveil.source import Source

__all__ = ["jpeg_2000_cuts"]

_HEAD = 4096
_MAX_HEADER = 4 << 20
_CHUNK = 1 << 20
_SOC_SIZ, _EOC = b"\xff\x4f\xff\x51", b"\xff\xd9"
_CAP, _SIZ, _COD, _COC, _TLM, _PLM, _PLT, _CPF = (
    0xFF50,
    0xFF51,
    0xFF52,
    0xFF53,
    0xFF55,
    0xFF57,
    0xFF58,
    0xFF59,
)
_QCD, _QCC, _RGN, _POC, _CRG, _COM, _SOT, _SOD = (
    0xFF5C,
    0xFF5D,
    0xFF5E,
    0xFF5F,
    0xFF63,
    0xFF64,
    0xFF90,
    0xFF93,
)
_PRF = 0xFF56
_NOT_NEEDED = frozenset({_PLM, _PLT, _CPF, _CRG, _COM, _PRF})
_IN_TILES = frozenset({_COD, _COC, _QCD, _QCC, _RGN, _POC, *_NOT_NEEDED})
_IN_MAIN = frozenset({_CAP, _SIZ, _TLM, *_IN_TILES})
_MAX_LEVELS, _MAX_LAYERED = 32, 33
_TLM_ENTRIES = 65_000


class _Segment(NamedTuple):
    marker: int
    start: int
    end: int
    body: bytes


class _TilePart(NamedTuple):
    tile: int
    length: int


def jpeg_2000_cuts(stream: Source) -> list[Cut]:
    """Return what to cut out of a codestream, ascending.

    Raises:
        Refused: ``pixels-undecodable`` where it is none, ``pixel-stream-unclean``.
    """
    return _Walk(stream).run()


class _Walk:
    """One walk over the main header and the tile-parts."""

    def __init__(self, stream: Source) -> None:
        self._stream = stream
        self._head = stream.read(0, min(stream.size, _HEAD))
        self._cuts: list[Cut] = []
        self._components = 0

    def _read(self, at: int, length: int) -> bytes:
        data = self._head[at : at + length]
        return data if len(data) == length else self._stream.read(at, length)

    def run(self) -> list[Cut]:
        """Return the cuts of the whole codestream."""
        start = self._codestream()
        main, at = self._segments(start + 2, _SOT)
        if not main or main[0].marker != _SIZ:
            raise Refused("pixels-undecodable")
        self._components = int.from_bytes(main[0].body[34:36], "big")
        if len(main[0].body) != 36 + 3 * self._components:
            raise refuse()
        levels = self._checked(main, _IN_MAIN, {})
        if None not in levels:
            raise Refused("pixels-undecodable")  # no COD
        parts: list[_TilePart] = []
        while True:
            part, end = self._tile_part(at, levels)
            parts.append(part)
            last = self._read(end, 2)
            if last == _EOC:
                break
            if last != b"\xff\x90":
                raise refuse()  # no EOC: nothing tells where the image ends
            at = end
        self._lengths([segment for segment in main if segment.marker == _TLM], parts)
        return with_end(sorted(self._cuts), self._stream, end + 2)

    def _codestream(self) -> int:
        """Return where the codestream begins: a JP2 file around it goes (PS3.5 A.4.4)."""
        at = 0
        if self._head[4:8] == b"jP  ":
            while True:
                length, kind = struct.unpack(">L4s", self._read(at, 8))
                header = 8
                if length == 1:
                    length, header = struct.unpack(">Q", self._read(at + 8, 8))[0], 16
                if kind == b"jp2c":
                    at += header
                    break
                if length < header:
                    raise Refused("pixels-undecodable")
                at += length
            self._cuts.append(Cut(0, at))
        if self._read(at, 4) != _SOC_SIZ:
            raise Refused("pixels-undecodable")
        return at

    def _segments(self, at: int, stop: int) -> tuple[list[_Segment], int]:
        """Return the marker segments from ``at`` to the marker ``stop``, and where that is."""
        found: list[_Segment] = []
        first = at
        while True:
            marker, length = struct.unpack(">HH", self._read(at, 4))
            if marker == stop:
                return found, at
            end = at + 2 + length
            if length < 2 or end > self._stream.size or end - first > _MAX_HEADER:
                raise Refused("pixels-undecodable")
            found.append(_Segment(marker, at, end, self._read(at + 4, length - 2)))
            at = end

    def _checked(
        self, segments: list[_Segment], allowed: frozenset[int], known: dict[int | None, int]
    ) -> dict[int | None, int]:
        """Hold segments to their lengths; return the decomposition levels by component (``None``: any)."""
        levels = dict(known)
        once: set[tuple[int, bytes]] = set()
        width = 1 if self._components < 257 else 2
        for marker, start, end, body in segments:
            if marker not in allowed:
                raise refuse()
            if marker in _NOT_NEEDED:
                self._cuts.append(Cut(start, end))
                continue
            own = marker in {_COC, _QCC, _RGN}
            key = body[:width] if own else b""
            if own and int.from_bytes(key, "big") >= self._components:
                raise refuse()
            if (marker, key) in once and marker != _TLM:
                raise refuse()
            once.add((marker, key))
            if marker == _COD:
                levels[None] = _levels(body[0], body[5:])
            elif marker == _COC:
                levels[int.from_bytes(key, "big")] = _levels(body[width], body[width + 1 :])
            elif marker == _CAP:
                if len(body) != 4 + 2 * int.from_bytes(body[:4], "big").bit_count():
                    raise refuse()
            elif marker == _RGN:
                if len(body) != width + 2:
                    raise refuse()
            elif marker == _POC:
                _check_order(body, width)
        for marker, _, _, body in segments:
            if marker == _QCD:
                _check_quantization(body, {*levels.values()})
            elif marker == _QCC:
                component = int.from_bytes(body[:width], "big")
                _check_quantization(body[width:], {levels.get(component, levels.get(None, 0))})
        return levels

    def _tile_part(self, at: int, levels: dict[int | None, int]) -> tuple[_TilePart, int]:
        """Check a tile-part's header; return its index with its length after the cuts, and where it ends."""
        marker, size, tile, length = struct.unpack(">HHHL", self._read(at, 10))
        if marker != _SOT or size != 10:
            raise refuse()
        before = len(self._cuts)
        segments, sod = self._segments(at + 12, _SOD)
        self._checked(segments, _IN_TILES, levels)
        end = at + length if length else self._end_of_data(sod + 2)
        if end < sod + 2 or end > self._stream.size:
            raise Refused("pixels-undecodable")
        tail = max(sod, end - TAIL)
        refuse_text(self._read(tail, end - tail))
        left = end - at - sum(cut.end - cut.start for cut in self._cuts[before:])
        if length and left != length:
            self._cuts.append(Cut(at + 6, at + 10, left.to_bytes(4, "big")))
        return _TilePart(tile, left), end

    def _end_of_data(self, at: int) -> int:
        """Return where the last tile-part ends that goes to EOC: no coded data hold these two bytes."""
        while at < self._stream.size:
            data = self._stream.read(at, _CHUNK)
            found = data.find(_EOC)
            if found >= 0:
                return at + found
            at += max(len(data) - 1, 1)
        raise refuse()

    def _lengths(self, segments: list[_Segment], parts: list[_TilePart]) -> None:
        """Keep TLM if it is true of the tile-parts as they leave; write it anew otherwise (T.800 A.7.1)."""
        if not segments:
            return
        if any(len(segment.body) < 2 for segment in segments):
            raise refuse()
        style = segments[0].body[1]
        index, wide = style >> 4 & 3, style & 0x40
        tiles = [part.tile for part in parts]
        in_order = index == 0 and tiles == list(range(len(tiles)))
        if not (in_order or (index == 1 and max(tiles) < 256)):
            index = 2
        if max(part.length for part in parts) > 0xFFFF:
            wide = 0x40
        style = index << 4 | wide
        true = b"".join(
            part.tile.to_bytes(2, "big")[2 - index :] + part.length.to_bytes(4 if wide else 2, "big")
            for part in parts
        )
        same = all(s.body[0] == i & 0xFF and s.body[1] == style for i, s in enumerate(segments))
        if same and b"".join(segment.body[2:] for segment in segments) == true:
            return
        step = _TLM_ENTRIES // (index + (4 if wide else 2)) * (index + (4 if wide else 2))
        pieces = [true[i : i + step] for i in range(0, len(true), step)]
        if len(pieces) > 256:
            raise refuse()
        new = b"".join(
            struct.pack(">HHBB", _TLM, len(piece) + 4, i, style) + piece for i, piece in enumerate(pieces)
        )
        for segment in segments:
            self._cuts.append(Cut(segment.start, segment.end, new))
            new = b""


def _levels(style: int, body: bytes) -> int:
    """Return the decomposition levels of COD or COC, whose parameters have one length (T.800 A.6.1)."""
    levels = body[0] if body else 0
    if levels > _MAX_LEVELS or len(body) != 5 + (levels + 1 if style & 1 else 0):
        raise refuse()
    return levels


def _check_quantization(body: bytes, levels: set[int]) -> None:
    """Refuse QCD and QCC with more than the step sizes of all subbands (T.800 A.6.4)."""
    style = body[0] & 31 if body else 3
    sizes = {3} if style == 1 else {1 + (1 + style // 2) * (3 * n + 1) for n in levels}
    if style > 2 or len(body) not in sizes:
        raise refuse()


def _check_order(body: bytes, width: int) -> None:
    """Refuse a POC whose entries are not possible ones (T.800 A.6.6)."""
    size = 5 + 2 * width
    if not body or len(body) % size:
        raise refuse()
    for at in range(0, len(body), size):
        entry = body[at : at + size]
        if entry[0] > _MAX_LEVELS or entry[3 + width] > _MAX_LAYERED or entry[-1] > 4:
            raise refuse()
