"""Cut out of JPEG and JPEG-LS streams what no decoder needs (ITU-T T.81 B, T.87 C).

What stays: SOI, the frame header, tables that a scan refers to, the scans, EOI, and JFIF's and Adobe's
markers in their shortest form, since they tell the colour space. Comments, application data, unused or
overwritten tables and what follows the end go. A stream whose segments are not as the standard has them, of
a process that DICOM does not have (arithmetic, hierarchical), or without an end, is refused.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from dicomveil.errors import Refused
from dicomveil.pixels.cutting import TAIL, Cut, refuse, refuse_text, with_end
from dicomveil.source import Source

__all__ = ["JpegScrubber"]

_CHUNK = 1 << 20
_SOI, _EOI, _SOS, _DHT, _DQT, _DRI, _DAC, _DNL, _COM = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB, 0xDD, 0xCC, 0xDC, 0xFE
_SOF55, _LSE, _LOSSLESS, _PROGRESSIVE = 0xF7, 0xF8, 0xC3, 0xC2
_HP = 0xE8  # the colour transformation of JPEG-LS as Hewlett-Packard coded it, the one segment of its kind
_FRAMES = frozenset({0xC0, 0xC1, _PROGRESSIVE, _LOSSLESS, _SOF55})
_NOT_NEEDED = frozenset({_COM, _DAC, *range(0xE0, 0xF0), *range(0xF0, 0xF7), *range(0xF9, 0xFE)})
_ADOBE = b"Adobe\0\x64\0\0\0\0"  # version 100, no flags; the colour transformation follows
_JFIF = b"JFIF\0\1\1\0\0\1\0\1\0\0"
_MAX_DENSITY = 1200
_MAX_FILLS = 1000
# Markers in entropy coded data, but for stuffed bytes and RSTm (T.81 B.1.1.2; T.87 stuffs a bit, not a byte).
_MARKER, _MARKER_LS = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]"), re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


class _Table:
    """One definition that scans may refer to; ``data`` as it is to stay."""

    __slots__ = ("data", "used")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.used = False


class _Component(NamedTuple):
    identifier: int
    quantization: int


class JpegScrubber:
    """Finds the cuts of one frame after the other; frames with the same header are walked once."""

    def __init__(self) -> None:
        self._header = b""
        self._cuts: list[Cut] = []
        self._marker = _MARKER

    def cuts(self, stream: Source) -> list[Cut]:
        """Return what to cut out, ascending.

        Raises:
            Refused: ``pixels-undecodable`` where the stream does not begin as one, ``pixel-stream-unclean``.
        """
        head = stream.read(0, min(stream.size, _CHUNK))
        start = len(self._header)
        if start and head.startswith(self._header):
            found = self._marker.search(head, start)
            if found and head[found.start() + 1] == _EOI:
                end = found.start()
                refuse_text(head[max(start, end - TAIL) : end])
                return with_end(self._cuts, stream, end + 2)
        walk = _Walk(stream, head)
        cuts = walk.run()
        if walk.scans == 1 and walk.first_scan < len(head):
            self._header, self._marker = head[: walk.first_scan], walk.marker
            self._cuts = [cut for cut in cuts if cut.end <= walk.first_scan]
        return cuts


class _Walk:
    """One walk over a stream's segments and scans."""

    def __init__(self, stream: Source, head: bytes) -> None:
        self._stream = stream
        self._head = head
        self._cuts: list[Cut] = []
        self._segments: list[tuple[int, int, int, list[_Table]]] = []
        self._defined: dict[object, _Table] = {}
        self._process = self._precision = 0
        self._components: list[_Component] = []
        self._scanned: set[int] = set()
        self._colours: list[tuple[int, int, int, bytes]] = []
        self.marker = _MARKER
        self.scans = 0
        self.first_scan = 0

    def run(self) -> list[Cut]:
        """Return the cuts of the whole stream."""
        if self._read(0, 2) != b"\xff\xd8":
            raise Refused("pixels-undecodable")
        at, fills = 2, 0
        while True:
            code, length = self._read(at, 2), self._read(at + 2, 2)
            if code == b"\xff\xff":  # a fill byte, T.81 B.1.1.2
                at, fills = at + 1, fills + 1
                if fills > _MAX_FILLS:
                    raise refuse()
                continue
            if len(code) < 2 or code[0] != 0xFF:
                raise refuse() if self.scans else Refused("pixels-undecodable")
            if code[1] == _EOI and self.scans:
                return self._finished(at + 2)
            end = at + 2 + int.from_bytes(length, "big")
            if code[1] <= 1 or 0xD0 <= code[1] <= _EOI or end < at + 4 or end > self._stream.size:
                raise Refused("pixels-undecodable")
            body = self._read(at + 4, end - at - 4)
            self._segment(code[1], at, end, body)
            at = self._scan_end(end) if code[1] == _SOS else end

    def _read(self, at: int, length: int) -> bytes:
        data = self._head[at : at + length]
        return data if len(data) == length else self._stream.read(at, length)

    def _finished(self, end: int) -> list[Cut]:
        for marker, start, stop, tables in self._segments:
            kept = b"".join(table.data for table in tables if table.used)
            if len(kept) + 4 != stop - start or not all(table.used for table in tables):
                self._cuts.append(Cut(start, stop, _segment(marker, kept) if kept else b""))
        for marker, start, stop, kept in self._colours:
            new = _segment(marker, kept) if (marker == _HP) == (self._process == _SOF55) else b""
            if new != self._read(start, stop - start):
                self._cuts.append(Cut(start, stop, new))
        return with_end(sorted(self._cuts), self._stream, end)

    def _scan_end(self, at: int) -> int:
        """Return where the entropy coded data of a scan end."""
        if not self.scans:
            self.first_scan = at
        self.scans += 1
        start, data, base = at, self._head, 0
        while True:
            found = self.marker.search(data, start - base)
            if found:
                end = base + found.start()
                refuse_text(self._read(max(at, end - TAIL), min(TAIL, end - at)))
                return end
            start = max(base + len(data) - 1, at)
            base, data = start, self._stream.read(start, _CHUNK)
            if len(data) < 2:
                raise refuse()  # no EOI: nothing tells where the image ends

    def _segment(self, marker: int, start: int, end: int, body: bytes) -> None:
        if marker == _DHT:
            self._tables(marker, start, end, self._huffman(body))
        elif marker == _DQT:
            self._tables(marker, start, end, _quantization(body))
        elif marker == _DRI:
            if len(body) < 2:
                raise refuse()
            keep = len(body) if self._process == _SOF55 and len(body) <= 4 else 2  # T.87 C.2.5
            nothing = not any(body[:keep]) and "interval" not in self._defined
            self._tables(marker, start, end, [] if nothing else [("interval", body[:keep])])
        elif marker == _LSE:
            if body[:1] != b"\1" or len(body) != 11:  # anything but T.87 C.2.4.1.1, which DICOM does not use
                raise refuse()
            self._tables(marker, start, end, [("parameters", body)])
        elif marker in _FRAMES:
            self._frame(marker, body)
        elif marker == _SOS:
            self._scan(body)
        elif marker in _NOT_NEEDED:
            new = self._colour_marker(marker, body)
            if new is None:
                self._cuts.append(Cut(start, end))
            else:
                self._colours.append((marker, start, end, new))
        else:
            raise refuse()  # DNL, hierarchical and arithmetic processes, reserved markers

    def _colour_marker(self, marker: int, body: bytes) -> bytes | None:
        """Return the payload that stays of an application segment, if it tells the colour space."""
        if marker == 0xE0 and body[:5] == b"JFIF\0" and len(body) >= 14:
            version, unit = body[5:7], body[7]
            densities = int.from_bytes(body[8:10], "big"), int.from_bytes(body[10:12], "big")
            usual = version in {b"\1\0", b"\1\1", b"\1\2"} and unit <= 2 and max(densities) <= _MAX_DENSITY
            new = body[:12] + b"\0\0" if usual else _JFIF  # without its thumbnail
        elif marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            new = _ADOBE + body[11:12]
        elif marker == _HP and body[:4] == b"mrfx" and len(body) == 5:
            new = body
        else:
            return None
        return None if any(new[:4] == told[:4] for *_, told in self._colours) else new

    def _tables(self, marker: int, start: int, end: int, found: list[tuple[object, bytes]]) -> None:
        tables = []
        for key, data in found:
            table = _Table(data)
            self._defined[key] = table
            tables.append(table)
        self._segments.append((marker, start, end, tables))

    def _huffman(self, body: bytes) -> list[tuple[object, bytes]]:
        """Return the Huffman tables of a DHT segment; what follows the last one is not kept."""
        found: list[tuple[object, bytes]] = []
        at = 0
        while at + 17 <= len(body):
            counts = body[at + 1 : at + 17]
            end = at + 17 + sum(counts)
            symbols = body[at + 17 : end]
            kraft = sum(count << 15 - i for i, count in enumerate(counts))
            if body[at] & 0xEC or len(symbols) < sum(counts) or kraft > 1 << 16:
                raise refuse()
            # Each symbol once, and for differences their number of bits (T.81 F.1.2): few texts are that.
            if len(set(symbols)) != len(symbols) or (body[at] < 0x10 and max(symbols, default=0) > 16):
                raise refuse()
            found.append((("huffman", body[at]), body[at:end]))
            at = end
        return found

    def _frame(self, marker: int, body: bytes) -> None:
        count = body[5] if len(body) > 5 else 0
        self._precision = body[0] if body else 0
        if self._process or not 1 <= count <= 4 or len(body) != 6 + 3 * count or body[1:3] == b"\0\0":
            raise refuse()
        self._process = marker
        self.marker = _MARKER_LS if marker == _SOF55 else _MARKER
        self._components = [_Component(body[6 + 3 * i], body[8 + 3 * i]) for i in range(count)]

    def _scan(self, body: bytes) -> None:
        count = body[0] if body else 0
        if not self._process or not 1 <= count <= 4 or len(body) != 4 + 2 * count:
            raise refuse()
        needed: list[object] = ["interval", "parameters"]
        if "parameters" in self._defined:
            limits = struct.unpack(">x5H", self._defined["parameters"].data)
            if max(limits) > max(255, (1 << self._precision) - 1):
                raise refuse()
        first, last = body[-3], body[-2]
        for i in range(count):
            identifier, selector = body[1 + 2 * i], body[2 + 2 * i]
            component = next((c for c in self._components if c.identifier == identifier), None)
            if component is None:
                raise refuse()
            if self._process == _SOF55:
                if selector:  # a mapping table, T.87 C.2.4.1.2
                    raise refuse()
            elif self._process == _LOSSLESS:
                needed.append(("huffman", selector >> 4))
            else:
                needed.append(("quantization", component.quantization))
                dc, ac = first == 0, last > 0
                needed += [("huffman", selector >> 4)] * dc + [("huffman", 0x10 | selector & 15)] * ac
            if self._process != _PROGRESSIVE and identifier in self._scanned:
                raise refuse()  # coded a second time: no decoder shows both
            self._scanned.add(identifier)
        for key in needed:
            if key in self._defined:
                self._defined[key].used = True


def _segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _quantization(body: bytes) -> list[tuple[object, bytes]]:
    """Return the quantization tables of a DQT segment; what follows the last one is not kept."""
    found: list[tuple[object, bytes]] = []
    at = 0
    while at < len(body):
        end = at + (129 if body[at] >> 4 else 65)
        if end > len(body):
            break
        found.append((("quantization", body[at] & 15), body[at:end]))
        at = end
    return found
