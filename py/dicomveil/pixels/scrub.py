"""Remove from frames what no decoder needs, without decoding them.

A codestream may carry text beside the image: comments, application data (JFIF thumbnails, Exif, makers'
notes), unused tables, boxes of JPEG XL, gaps, and anything after its end. What a decoder needs stays; what is
neither is refused (``pixel-stream-unclean``). See ``jpeg_scrub``, ``jpeg_2000_scrub``, ``jpeg_xl_scrub`` and
``rle_scrub`` for what that is in each coding.
"""

from __future__ import annotations

import struct

from dicomveil.errors import Refused
from dicomveil.pixels.cutting import Cut
from dicomveil.pixels.jpeg_2000_scrub import jpeg_2000_cuts
from dicomveil.pixels.jpeg_scrub import JpegScrubber
from dicomveil.pixels.jpeg_xl_scrub import jpeg_xl_cuts
from dicomveil.pixels.layout import PixelLayout
from dicomveil.pixels.rle_scrub import deflated_cuts, plain_cuts, rle_cuts
from dicomveil.source import BytesSource, Source

__all__ = ["Cut", "Scrubber", "scrubbed"]


class Scrubber:
    """Finds what to cut out of one frame after the other of an instance."""

    def __init__(self, coding: str, layout: PixelLayout) -> None:
        self.coding = coding
        self.layout = layout
        self._jpeg = JpegScrubber()

    def cuts(self, stream: Source) -> list[Cut]:
        """Return what to cut out of a frame, ascending; empty where it holds nothing but the image.

        Raises:
            Refused: ``pixels-undecodable`` if the frame's header cannot be followed, ``pixel-stream-unclean``
                if it holds more than an image where that cannot be cut out.
        """
        try:
            if self.coding in {"jpeg", "jpeg-lossless", "jpeg-ls"}:
                return self._jpeg.cuts(stream)
            if self.coding in {"jpeg-2000", "htj2k"}:
                return jpeg_2000_cuts(stream)
            if self.coding == "jpeg-xl":
                return jpeg_xl_cuts(stream)
            if self.coding == "rle":
                return rle_cuts(stream, self.layout)
            if self.coding == "deflated":
                return deflated_cuts(stream, self.layout)
            if self.coding == "uncompressed":
                return plain_cuts(stream, self.layout)
        except (IndexError, struct.error):
            raise Refused("pixels-undecodable") from None
        raise Refused("pixel-stream-unclean")


def scrubbed(coding: str, data: bytes, layout: PixelLayout) -> bytes:
    """Return a frame without what :meth:`Scrubber.cuts` names; raises what that does."""
    out, at = [], 0
    for cut in Scrubber(coding, layout).cuts(BytesSource(data)):
        out += [data[at : cut.start], cut.replacement]
        at = cut.end
    return b"".join([*out, data[at:]])
