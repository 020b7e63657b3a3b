"""Where the stream of a video lies in its file, and what is not taken for one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.uid import HEVCMP51, MPEG2MPML, MPEG4HP41, MPEG4HP41F, JPEGBaseline8Bit

import builders
from dicomveil import browser
from dicomveil.errors import Refused
from dicomveil.pixels.video import video_stream
from dicomveil.redacting import is_redactable, is_viewable
from dicomveil.source import BytesSource, iter_parts
from film import FILM
from pixels.images import opened

PACKETS = (b"G" + bytes(187)) * 2


def video(fragments: list[bytes], transfer_syntax: str = MPEG4HP41F) -> bytes:
    """Return an ultrasound video of these fragments."""
    return builders.encode(builders.us(), transfer_syntax, fragments=fragments)


def joined(data: bytes) -> bytes:
    """Return the stream, without the byte that makes its length even."""
    _, ranges = video_stream(opened(data))
    return b"".join(iter_parts(BytesSource(data), ranges))[: len(FILM)]


@pytest.mark.parametrize("cut", [len(FILM), 2, 8, 1000])
def test_the_stream_is_what_all_fragments_hold(cut: int) -> None:
    """One fragment or two, the first of them of two bytes: no item header and no offset table is in it."""
    assert joined(video([part for part in (FILM[:cut], FILM[cut:]) if part])) == FILM


@pytest.mark.parametrize(
    ("stream", "transfer_syntax", "kind"),
    [
        (FILM, MPEG4HP41, "video/mp4"),
        (FILM, HEVCMP51, "video/mp4"),
        (PACKETS, MPEG4HP41, "video/mp2t"),
        (b"\0\0\1\xba" + bytes(60), MPEG2MPML, "video/mpeg"),
        (b"\0\0\1\xb3" + bytes(60), MPEG2MPML, "video/mpeg"),
        (b"\0\0\0\1\x67" + bytes(60), MPEG4HP41, "video/mpeg"),
    ],
)
def test_the_kind_of_a_stream_is_told_by_its_first_bytes(
    stream: bytes, transfer_syntax: str, kind: str
) -> None:
    """MP4, transport stream, program stream, bare MPEG-2 or H.264."""
    assert video_stream(opened(video([stream], transfer_syntax)))[0] == kind


@pytest.mark.parametrize(
    ("stream", "transfer_syntax"),
    [
        pytest.param(b"#EXTM3U\nhttp://192.0.2.1/1.ts\n", MPEG4HP41, id="a list of addresses"),
        pytest.param(b"<html>" + bytes(400), MPEG4HP41, id="a page"),
        pytest.param(b"G" + bytes(600), MPEG4HP41, id="no second packet"),
        pytest.param(b"G", MPEG4HP41, id="one byte"),
        pytest.param(FILM, JPEGBaseline8Bit, id="not said to be a video"),
    ],
)
def test_what_is_no_stream_of_a_video_is_not_handed_to_a_browser(stream: bytes, transfer_syntax: str) -> None:
    """Whatever else a browser would make of the bytes: there is a code instead."""
    with pytest.raises(Refused) as caught:
        video_stream(opened(video([stream], transfer_syntax)))
    assert caught.value.code == "pixels-undecodable"


def test_a_video_without_fragments_has_no_stream() -> None:
    """An offset table alone, or a fragment of no length."""
    data = video([FILM])
    at = data.index(FILM)
    for broken in (data[: at - 8], data[: at - 4] + bytes(4)):
        with pytest.raises(Refused) as caught:
            video_stream(opened(broken + bytes.fromhex("feffdde000000000")))
        assert caught.value.code == "pixels-undecodable"


def test_no_frame_of_a_video_is_shown_or_redacted_by_the_core() -> None:
    """Whoever wants to see it plays it; whoever wants to cover a part of it cannot."""
    instance = opened(video([FILM]))
    assert not is_viewable(instance)
    assert not is_redactable(instance)


@pytest.fixture
def page() -> Iterator[dict[int, bytes]]:
    """Files by their handles, as the page's worker reads them for the core."""
    files: dict[int, bytes] = {}

    class Read:
        def __init__(self, handle: int, offset: int, length: int) -> None:
            self._data = files[handle][offset : offset + length]

        def to_bytes(self) -> bytes:
            return self._data

    browser.connect(Read)
    yield files
    browser._State.instance = None  # the next test has other files under the same handles


def test_the_page_gets_places_in_the_file_and_no_bytes(page: dict[int, bytes]) -> None:
    """What it cuts out of the file there is the film; what is no video has a code."""
    page[1], page[2] = video([FILM[:1200], FILM[1200:]]), builders.encode(builders.ct())
    answer: dict[str, Any] = json.loads(browser.video(1, len(page[1])))
    assert answer["type"] == "video/mp4"
    assert b"".join(page[1][start:end] for start, end in answer["parts"])[: len(FILM)] == FILM
    assert json.loads(browser.video(2, len(page[2])))["code"] == "pixels-undecodable"
    assert browser.taken() == b""
