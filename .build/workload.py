"""The work that the benchmark of pixels measures, alike on CPython and in Pyodide."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dicomveil.pixels import text
from dicomveil.pixels.codecs import encode_stream
from dicomveil.pixels.decode import FrameReader
from dicomveil.pixels.layout import PixelLayout
from dicomveil.reading import read_instance
from dicomveil.redacting import Redaction, redacted_pixels
from dicomveil.source import BytesSource

ROWS, COLUMNS = 480, 640
BANNER = Redaction(0, 0, 640, 40)
FOOTER = Redaction(0, 440, 640, 40)
SCENE = Redaction(120, 60, 400, 400, keep_only=True)
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
SYNTAXES = {
    "rle": "1.2.840.10008.1.2.5",
    "jpeg-lossless": "1.2.840.10008.1.2.4.70",
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "jpeg-2000": "1.2.840.10008.1.2.4.90",
    "htj2k": "1.2.840.10008.1.2.4.201",
    "jpeg-xl": "1.2.840.10008.1.2.4.110",
}
_US = "1.2.840.10008.5.1.4.1.1.3.1"
_LAYOUT = PixelLayout(
    rows=ROWS,
    columns=COLUMNS,
    frames=1,
    samples=3,
    allocated=8,
    stored=8,
    signed=False,
    planar=False,
    photometric="RGB",
    little=True,
    high=7,
)


def scene(number: int) -> NDArray[np.uint8]:
    """Return a frame like ultrasound: a sector of speckle under a dark banner."""
    y, x = (axis.astype(np.int64) for axis in np.mgrid[:ROWS, :COLUMNS])
    noise = (x // 2 * 7919 + y // 2 * 104729 + number * 15485863) * np.int64(2654435761) % np.int64(1 << 32)
    speckle = np.abs(noise / 4294967296.0 - 0.5) * 180 * (np.hypot(x - COLUMNS / 2, y) < 450) * (y > 40)
    grey = np.clip(speckle + 30 * np.sin((x + 3 * number) / 23) * (y > 40), 0, 255).astype(np.uint8)
    return np.stack([grey, grey, grey], axis=-1)


def _element(tag: int, vr: str, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def file_of(transfer_syntax: str, photometric: str, frames: list[bytes]) -> bytes:
    """Return a file of colour frames with a Basic Offset Table."""
    meta = _element(0x00020002, "UI", _US.encode()) + _element(0x00020010, "UI", transfer_syntax.encode())
    numbers = {0x00280002: 3, 0x00280006: 0, 0x00280010: ROWS, 0x00280011: COLUMNS}
    numbers |= {0x00280100: 8, 0x00280101: 8, 0x00280102: 7, 0x00280103: 0}
    elements = {tag: _element(tag, "US", struct.pack("<H", number)) for tag, number in numbers.items()}
    elements[0x00080016] = _element(0x00080016, "UI", _US.encode())
    elements[0x00280004] = _element(0x00280004, "CS", photometric.encode() + b" " * (len(photometric) % 2))
    elements[0x00280008] = _element(0x00280008, "IS", f"{len(frames):<6}".encode())
    items, offsets, at = [], [], 0
    for frame in frames:
        even = frame + b"\0" * (len(frame) % 2)
        offsets.append(struct.pack("<L", at))
        items.append(struct.pack("<LL", 0xE000FFFE, len(even)) + even)
        at += len(items[-1])
    table = b"".join(offsets)
    head = bytes(128) + b"DICM" + _element(0x00020000, "UL", struct.pack("<L", len(meta))) + meta
    pixels = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    start = struct.pack("<LL", 0xE000FFFE, len(table)) + table
    parts = [head, *(elements[tag] for tag in sorted(elements)), pixels, start, *items]
    return b"".join([*parts, struct.pack("<LL", 0xE0DDFFFE, 0)])


def redact(data: bytes, *areas: Redaction) -> None:
    """Open, redact and throw the result away."""
    redacted_pixels(read_instance(BytesSource(data)), areas)


def jobs() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what is measured: a name and the work."""
    frames = [scene(number) for number in range(6)]
    jpegs = [
        bytes(
            imagecodecs.jpeg8_encode(
                frame, level=85, colorspace="RGB", outcolorspace="YCBCR", subsampling="422"
            )
        )
        for frame in frames
    ]
    cine = file_of(JPEG_BASELINE, "YBR_FULL_422", jpegs * 10)
    yield "60 frames of JPEG, comments looked for", lambda: redact(cine)
    yield "60 frames of JPEG, a banner above", lambda: redact(cine, BANNER)
    yield "60 frames of JPEG, a banner below", lambda: redact(cine, FOOTER)
    yield "60 frames of JPEG, all but the scene", lambda: redact(cine, SCENE)
    large = file_of(JPEG_BASELINE, "YBR_FULL_422", jpegs * (100_000_000 // sum(map(len, jpegs))))
    yield "100 MB of JPEG, a banner in one frame", lambda: redact(large, replace(BANNER, frames=(7, 7)))
    reader = FrameReader(read_instance(BytesSource(cine)))
    yield "JPEG, decoded for the screen", lambda: reader.array(3)
    grey = text.as_grey(reader, *reader.array(3))
    yield "text looked for in a frame", lambda: text.text_boxes(grey)
    for coding, transfer_syntax in SYNTAXES.items():
        stream = encode_stream(transfer_syntax, coding, frames[0], None, _LAYOUT)
        data = file_of(transfer_syntax, "RGB", [stream] * 4)
        one = FrameReader(read_instance(BytesSource(data)))
        yield f"{coding}, decoded", partial(one.array, 0)
        yield f"{coding}, one frame redacted", partial(redact, data, replace(BANNER, frames=(1, 1)))


def measure() -> dict[str, float]:
    """Return the milliseconds of each job: the better of two runs."""
    found = {}
    for name, work in jobs():
        spent = []
        for _ in range(2):
            started = time.perf_counter()
            work()
            spent.append((time.perf_counter() - started) * 1000)
        found[name] = min(spent)
    return found
