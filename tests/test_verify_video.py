"""A video leaves unchanged, but not with an identifier of its patient beside its pictures."""

from __future__ import annotations

import pytest
from pydicom.uid import MPEG2MPML, MPEG4HP41

import builders
from dicomveil.errors import Refused
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.source import BytesSource
from dicomveil.verify_streams import BLOCK
from dicomveil.verify_video import beside_media
from film import FILM

NAME = builders.PATIENT.name.split("^")[0]
REMAINS = ("identifier-remains", 0x7FE00010)


def box(kind: bytes, content: bytes, *, wide: bool = False) -> bytes:
    """Return a box of an MP4, its length in 32 or 64 bits."""
    if wide:
        return b"\0\0\0\1" + kind + (16 + len(content)).to_bytes(8, "big") + content
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def said(encoding: str, text: str = NAME) -> bytes:
    """Return a box with a text, as programs add it."""
    return box(b"udta", box(b"\xa9nam", text.encode(encoding)))


def refusal(fragments: list[bytes], transfer_syntax: str = MPEG4HP41) -> tuple[str, int | None] | None:
    """Clean a video that a person confirmed; return with which code and tag it was refused."""
    data = builders.encode(builders.us(), transfer_syntax, fragments=fragments)
    session = Session(Profile.default(), Pseudonyms(Key(bytes(32))))
    try:
        clean_source(BytesSource(data), session, pixels="confirmed")
    except Refused as refused:
        return refused.code, refused.tag
    return None


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(FILM + said("utf-8"), id="the name behind the film"),
        pytest.param(said("utf-8", "x")[:4] + b"free" + NAME.upper().encode() + FILM, id="before it"),
        pytest.param(
            FILM + box(b"titl", bytes(4) + b"\x1aA" + NAME.encode() + b"\0"), id="said to be French"
        ),
        pytest.param(FILM + box(b"\xa9nam", b"\0\x0b\x1aA" + NAME.encode()), id="the same in QuickTime"),
        pytest.param(FILM.replace(b"VideoHandler", NAME.encode()[:11] + b"\0"), id="in the track"),
        pytest.param(FILM + said("utf-16-le"), id="UTF-16, little endian"),
        pytest.param(FILM + said("utf-16-be"), id="UTF-16, big endian"),
        pytest.param(FILM + said("ascii", builders.PATIENT.patient_id), id="the ID"),
        pytest.param(FILM + said("ascii", "2021-05-23T13:45:01Z"), id="the day of the study"),
        pytest.param(FILM + box(b"mdat", bytes(99), wide=True) + said("ascii"), id="behind a long length"),
        pytest.param(FILM + box(b"free", bytes(BLOCK - len(FILM)) + said("ascii")), id="where pieces meet"),
        pytest.param(FILM + b"\0\0\0\7" + NAME.encode(), id="behind what is no box"),
        pytest.param(FILM + b"\0\0\0\0free" + NAME.encode(), id="in a box to the end"),
    ],
)
def test_an_identifier_beside_the_media_data_is_refused(stream: bytes) -> None:
    """In whatever encoding, wherever in the file, in one fragment or cut in two inside of it."""
    at = max(stream.rfind(NAME.encode()), len(stream) // 2) // 2 * 2 + 2
    assert refusal([stream]) == REMAINS
    assert refusal([stream[:at], stream[at:]]) == REMAINS


@pytest.mark.parametrize(
    ("stream", "transfer_syntax"),
    [
        (FILM, MPEG4HP41),
        (FILM + said("utf-8", "Endoscopy"), MPEG4HP41),
        (FILM[: len(FILM) // 2], MPEG4HP41),
        (box(b"ftyp", b"mp42") + b"\0\0\0\0mdat" + NAME.encode(), MPEG4HP41),
        (b"\0\0\1\xb3" + bytes(60) + NAME.encode(), MPEG2MPML),
    ],
    ids=["the film", "another text", "half of it", "inside of media data", "no MP4"],
)
def test_other_videos_leave(stream: bytes, transfer_syntax: str) -> None:
    """Media data are not read, nor streams that are no MP4: bytes there that look like a name may be none."""
    assert refusal([stream], transfer_syntax) is None


def test_media_data_are_passed_over_and_all_else_is_read_once() -> None:
    """The pieces are what is not in ``mdat``; too many boxes are read as if there were none."""
    boxes = box(b"ftyp", b"mp42") + box(b"mdat", b"pictures") * 3 + box(b"free", b"a" * 40)
    pieces = b"".join(beside_media(BytesSource(b"table" + boxes), [(0, 5), (5, len(boxes))]))
    assert pieces == boxes.replace(b"pictures", b"")
    many = box(b"ftyp", b"mp42") + box(b"free", b"") * (1 << 14) + box(b"mdat", b"pictures")
    assert b"pictures" in b"".join(beside_media(BytesSource(many), [(0, 0), (0, len(many))]))
