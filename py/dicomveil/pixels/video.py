"""Find the stream of a video: all fragments together are one, and it leaves as it is (PS3.5 A.4)."""

from __future__ import annotations

from dicomveil.errors import Refused
from dicomveil.pixels.syntaxes import is_video
from dicomveil.reading import Instance
from dicomveil.source import Range

__all__ = ["video_stream"]

_PACKET = 188


def video_stream(instance: Instance) -> tuple[str, list[Range]]:
    """Return the media type of a video, and the ranges of the input that are its stream, in order.

    Only the first bytes are read: a stream has to begin as PS3.5 8.2.5 to 8.2.11 have it, as MP4, as an
    MPEG-2 transport or program stream, or as a bare one. A browser guesses what it plays, and some kinds
    (play lists) name other addresses.

    Raises:
        Refused: ``pixels-undecodable`` where there is no such stream.
    """
    pixels = instance.pixels
    if pixels is None or not is_video(instance.transfer_syntax) or not isinstance(pixels.part, Range):
        raise Refused("pixels-undecodable")
    ranges = [Range(pixels.part.offset + offset, length) for offset, length in pixels.fragments[1:] if length]
    head = b""
    for offset, length in ranges:
        if len(head) > _PACKET:
            break
        head += instance.source.read(offset, min(length, _PACKET + 1 - len(head)))
    if head[4:8] == b"ftyp":
        return "video/mp4", ranges
    if len(head) > _PACKET and head[0] == head[_PACKET] == 0x47:
        return "video/mp2t", ranges
    if head.startswith((b"\0\0\1", b"\0\0\0\1")):
        return "video/mpeg", ranges
    raise Refused("pixels-undecodable")
