"""How the page's worker reads a file: in few pieces, and never more than was there."""

from __future__ import annotations

import pytest

from dicomveil import browser

MB = 1 << 20


class _Piece(bytes):
    """Bytes in the place of a Uint8Array."""

    def to_bytes(self) -> bytes:
        return self


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Give a file of 64 MB; return the list of reads, offset and length."""
    seen: list[tuple[int, int]] = []

    def read(_: int, offset: int, length: int) -> _Piece:
        seen.append((offset, length))
        return _Piece(length)

    monkeypatch.setattr(browser._State, "read", staticmethod(read), raising=False)
    return seen


def test_a_header_is_read_as_asked(reads: list[tuple[int, int]]) -> None:
    """The first read, and one far behind it, fetch no byte more; what was fetched is not fetched again."""
    source = browser._JsSource(1, 64 * MB)
    source.read(0, 60_000)
    source.read(128, 1000)
    source.read(40 * MB, 100)
    source.read(64 * MB - 10, 4096)
    assert reads == [(0, 60_000), (40 * MB, 100), (64 * MB - 10, 10)]


def test_small_steps_share_reads(reads: list[tuple[int, int]]) -> None:
    """Going from fragment to fragment takes few reads, which grow to 4 MB and end with the file."""
    source = browser._JsSource(1, 64 * MB)
    for offset in range(0, 64 * MB, 10_000):
        source.read(offset, 8)
    assert len(reads) < 25
    assert max(length for _, length in reads) == 4 * MB
    assert all(offset + length <= 64 * MB for offset, length in reads)


def test_steps_of_wide_reads_share_them_too(reads: list[tuple[int, int]]) -> None:
    """Whoever asks for 64 KB at a time, from where the last piece was understood, gets there in few reads."""
    source = browser._JsSource(1, 64 * MB)
    for offset in range(0, 64 * MB, 61_000):
        source.read(offset, 64 << 10)
    assert len(reads) < 25


def test_what_is_read_ahead_is_what_is_there() -> None:
    """Each byte that comes out of a window is the file's at that place."""
    content = bytes(i * 7 & 255 for i in range(300_000))
    browser._State.read = lambda _, offset, length: _Piece(content[offset : offset + length])
    try:
        source = browser._JsSource(1, len(content))
        for offset, length in [(0, 100), (100, 8), (5000, 50), (140_000, 300), (90, 20), (299_990, 100)]:
            assert source.read(offset, length) == content[offset : offset + length]
        assert source.read(len(content), 8) == b""
    finally:
        del browser._State.read
