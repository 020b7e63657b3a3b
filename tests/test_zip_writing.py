"""The headers of a ZIP, read by Python's zipfile: small, large, and many."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path

import pytest

from dicomveil import browser
from dicomveil.zip_writing import zip_headers

FILES = {"patient/série/1.dcm": b"one" * 1000, "empty": b"", "n" * 300: b"\x00\xff", "report.json": b"{}\n"}
MAX32 = 0xFFFFFFFF


def _written(files: dict[str, bytes]) -> bytes:
    headers = zip_headers((name, len(data), zlib.crc32(data)) for name, data in files.items())
    *before, end = headers
    return b"".join(header + data for header, data in zip(before, files.values(), strict=True)) + end


def test_what_is_written_is_read() -> None:
    """Names, contents and checksums are those given; nothing is compressed, dated or attributed."""
    with zipfile.ZipFile(io.BytesIO(_written(FILES))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.external_attr, info.internal_attr, info.comment) == (0, 0, b"")
            assert info.extract_version == 20


def test_it_is_the_zip_that_python_would_write() -> None:
    """A local header is byte for byte what zipfile makes of the same entry."""
    info = zipfile.ZipInfo("é.dcm", (1980, 1, 1, 0, 0, 0))
    info.CRC, info.compress_size, info.file_size = zlib.crc32(b"abc"), 3, 3
    assert zip_headers([("é.dcm", 3, zlib.crc32(b"abc"))])[0] == info.FileHeader(zip64=False)


@pytest.mark.parametrize("size", [MAX32 - 1, MAX32, MAX32 + 1])
def test_large_files_are_in_zip64(tmp_path: Path, size: int) -> None:
    """Sizes and offsets from 4 GiB are in ZIP64, and what follows such a file is found."""
    first, second, end = zip_headers([("large", size, 0), ("small", 5, zlib.crc32(b"after"))])
    path = tmp_path / "large.zip"
    with path.open("wb") as file:  # sparse: it takes no place on the disk
        file.write(first)
        file.seek(size, io.SEEK_CUR)
        file.write(second + b"after" + end)
    with zipfile.ZipFile(path) as archive:
        large, small = archive.infolist()
        assert (large.file_size, large.compress_size, large.header_offset) == (size, size, 0)
        assert small.header_offset == len(first) + size
        assert archive.read(small) == b"after"
        with archive.open(large) as start:
            assert start.read(16) == bytes(16)
    assert (large.extract_version == 45) == (size >= MAX32)


def test_more_files_than_16_bits_count() -> None:
    """The ending is ZIP64's from 65,535 entries on; all are found."""
    for count in (65_534, 65_535, 70_000):
        files = {f"{number}": b"" for number in range(count)}
        data = _written(files)
        assert (b"PK\x06\x06" in data) == (count >= 65_535)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.namelist() == list(files)
            assert archive.read(str(count - 1)) == b""


def test_an_empty_zip_is_one() -> None:
    """Without files there is but the ending."""
    (end,) = zip_headers([])
    assert zipfile.ZipFile(io.BytesIO(end)).namelist() == []


def test_the_page_gets_them_in_one_piece() -> None:
    """The boundary says where each header ends."""
    answer = json.loads(browser.zip_headers(json.dumps([["a", 1, 2], ["b/c", 3, 4]])))
    data, headers = browser.taken(), zip_headers([("a", 1, 2), ("b/c", 3, 4)])
    starts = [0, *answer["ends"][:-1]]
    assert [data[start:end] for start, end in zip(starts, answer["ends"], strict=True)] == headers
