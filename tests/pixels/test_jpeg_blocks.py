"""Redaction of JPEG in the entropy domain: what is not touched keeps its bits."""

from __future__ import annotations

import io
import random
import struct

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dicomveil.errors import Refused
from dicomveil.pixels import jpeg_huffman
from dicomveil.pixels.jpeg_blocks import redact_jpeg
from dicomveil.pixels.stream_headers import jpeg_segments
from pixels.images import Kind, pattern

RGB = Kind("RGB", 8, 8)
GREY = Kind("MONOCHROME2", 8, 8)


def jpeg(kind: Kind, rows: int, columns: int, seed: int, **options: object) -> bytes:
    """Return a JPEG by Pillow."""
    out = io.BytesIO()
    Image.fromarray(pattern(kind, rows, columns, seed).astype(np.uint8)).save(out, "jpeg", **options)
    return out.getvalue()


def raw(stream: bytes) -> NDArray[np.uint8]:
    """Decode to components as they are coded, as ``(rows, columns, samples)``."""
    image = Image.open(io.BytesIO(stream))
    if image.mode == "RGB":
        image.draft("YCbCr", image.size)
    array = np.asarray(image)
    return array if array.ndim == 3 else array[..., None]


def check(stream: bytes, top: int, left: int, high: int, wide: int) -> bytes:
    """Redact a rectangle; assert what changed and what did not."""
    before = raw(stream)
    rows, columns, samples = before.shape
    mask = np.zeros((rows, columns), bool)
    mask[top : top + high, left : left + wide] = True
    new = redact_jpeg(stream, mask, (0, 128, 128)[:samples])
    after = raw(new)
    assert after[mask][:, 0].max() == 0
    outside = np.ones((rows, columns), bool)  # beyond the blocks and the chrominance smoothed at their edges
    outside[max(top - 17, 0) : top + high + 17, max(left - 17, 0) : left + wide + 17] = False
    assert np.array_equal(before[outside], after[outside])
    luminance = np.ones((rows, columns), bool)  # has no neighbours: exactly its blocks
    luminance[top // 8 * 8 : -(-(top + high) // 8) * 8, left // 8 * 8 : -(-(left + wide) // 8) * 8] = False
    assert np.array_equal(before[luminance][:, 0], after[luminance][:, 0])
    return new


@pytest.mark.parametrize("seed", range(40))
def test_random_streams_keep_what_is_outside(seed: int) -> None:
    """Any quality, sampling, Huffman tables, restart interval and size: luminance outside is the same."""
    random_ = random.Random(seed)
    kind = random_.choice([GREY, RGB])
    rows, columns = random_.randint(9, 150), random_.randint(9, 150)
    options: dict[str, object] = {"quality": random_.randint(10, 100), "optimize": random_.random() < 0.5}
    if kind is RGB:
        options["subsampling"] = random_.choice([0, 1, 2])
    if random_.random() < 0.4:
        options["restart_marker_blocks"] = random_.randint(1, 20)
    stream = jpeg(kind, rows, columns, seed, **options)
    top, left = random_.randrange(rows), random_.randrange(columns)
    check(stream, top, left, random_.randint(1, 50), random_.randint(1, 70))


def test_no_byte_is_added_at_the_end() -> None:
    """The bits end as T.81 F.1.2.3 wants: filled up with ones to the byte, with no byte of ones beyond."""
    for seed in range(12):
        new = check(jpeg(GREY, 64, 96, seed, quality=88), 3, 5 + seed, 9, 30)
        assert new.endswith(b"\xff\xd9")
        assert not new.endswith(b"\xff\x00\xff\xd9")


def test_untouched_restart_intervals_are_copied() -> None:
    """Between restart markers nothing is touched but where the area is."""
    stream = jpeg(GREY, 64, 64, 3, quality=90, restart_marker_rows=1)
    new = check(stream, 24, 8, 8, 16)
    old_parts, new_parts = _intervals(stream), _intervals(new)
    assert [a == b for a, b in zip(old_parts, new_parts, strict=True)] == [True] * 3 + [False] + [True] * 4


def _intervals(stream: bytes) -> list[bytes]:
    data = stream[list(jpeg_segments(stream))[-1].end : -2]
    cuts = [0, *(at for at in range(len(data) - 1) if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7)]
    return [data[a:b] for a, b in zip(cuts, [*cuts[1:], len(data)], strict=True)]


def test_several_sequential_scans() -> None:
    """Components in scans of their own are redacted like interleaved ones."""
    single = [jpeg(GREY, 40, 56, seed, quality=90) for seed in (1, 2, 3)]
    parts = [{s.marker: stream[s.payload : s.end] for s in jpeg_segments(stream)} for stream in single]
    frame = struct.pack(">BHHB", 8, 40, 56, 3) + b"".join(bytes((n, 0x11, 0)) for n in (1, 2, 3))
    out = b"\xff\xd8" + _segment(0xDB, parts[0][0xDB]) + _segment(0xC0, frame)
    for n, stream in enumerate(single, 1):
        tables = [stream[s.start : s.end] for s in jpeg_segments(stream) if s.marker == 0xC4]
        scan_start = list(jpeg_segments(stream))[-1].end
        out += b"".join(tables) + _segment(0xDA, bytes((1, n, 0, 0, 63, 0))) + stream[scan_start:-2]
    check(out + b"\xff\xd9", 8, 16, 10, 20)


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">HH", 0xFF00 | marker, len(body) + 2) + body


def test_twelve_bits() -> None:
    """Extended JPEG of 12 bits is redacted by the same walk."""
    values = pattern(Kind("MONOCHROME2", 16, 12), 40, 48, 0).astype("<u2")
    stream = bytes(imagecodecs.jpeg8_encode(values, level=92, bitspersample=12))
    mask = np.zeros((40, 48), bool)
    mask[8:16, 8:24] = True
    after = imagecodecs.jpeg8_decode(redact_jpeg(stream, mask, (0,)))
    before = imagecodecs.jpeg8_decode(stream)
    assert after[mask].max() == 0
    assert np.array_equal(after[~mask], before[~mask])


def test_white_for_the_inverse_scale() -> None:
    """The level asked for is what is in the blocks: the largest one for MONOCHROME1."""
    mask = np.zeros((40, 48), bool)
    mask[16:24, 8:24] = True
    after = raw(redact_jpeg(jpeg(GREY, 40, 48, 1, quality=60), mask, (255,)))
    assert set(after[mask].ravel()) == {255}


@pytest.mark.parametrize("change", ["progressive", "cut", "code"])
def test_what_cannot_be_walked_is_refused(change: str) -> None:
    """Progressive streams are for another way; streams that end early or hold invalid codes are none."""
    stream = jpeg(GREY, 40, 48, 1, quality=75, progressive=change == "progressive")
    start = list(jpeg_segments(stream))[-1].end
    if change == "cut":
        stream = stream[: start + 20] + b"\xff\xd9"
    if change == "code":
        stream = stream[: start + 9] + b"\xff\x00" * 20 + stream[start + 49 :]
    mask = np.ones((40, 48), bool)
    with pytest.raises(Refused) as refused:
        redact_jpeg(stream, mask, (0,))
    assert refused.value.code == (
        "redaction-unsupported" if change == "progressive" else "pixels-undecodable"
    )


def test_a_walker_of_the_runtime_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A faster way to find the blocks gives the same bytes; what it cannot walk is refused."""
    stream = jpeg(RGB, 48, 64, 2, quality=85)
    mask = np.zeros((48, 64), bool)
    mask[30:, :] = True
    expected = redact_jpeg(stream, mask, (0, 128, 128))
    plain = jpeg_huffman.block_positions
    calls = []

    def walker(
        data: bytes, tables: list[tuple[jpeg_huffman.Lookup, jpeg_huffman.Lookup]], count: int
    ) -> list[int]:
        calls.append(count)
        monkeypatch.setattr(jpeg_huffman, "_walkers", [])
        return list(plain(data, tables, count))

    monkeypatch.setattr(jpeg_huffman, "_walkers", [walker])
    assert redact_jpeg(stream, mask, (0, 128, 128)) == expected
    assert calls
    monkeypatch.setattr(jpeg_huffman, "_walkers", [lambda *_: []])
    with pytest.raises(Refused):
        redact_jpeg(stream, mask, (0, 128, 128))
