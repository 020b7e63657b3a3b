"""What is cut out of a codestream, and what cannot be: the common ground of the ``scrub`` modules."""

from __future__ import annotations

import re
from typing import NamedTuple

from dicomveil.errors import Refused
from dicomveil.source import Source

__all__ = ["TAIL", "Cut", "refuse", "refuse_text", "with_end"]

#: Bytes before the end of entropy coded data in which text is looked for.
TAIL = 512
_RUN = re.compile(rb"[\x20-\x7e]{24,}")
_DISTINCT = 12
_PRINTABLE = bytes(0x20 <= code < 0x7F for code in range(256))
_ALL_PRINTABLE = b"\1" * 24


class Cut(NamedTuple):
    """Bytes ``[start, end)`` of a codestream that give way to ``replacement``."""

    start: int
    end: int
    replacement: bytes = b""


def refuse() -> Refused:
    """Return the error for what is more than an image and cannot be cut out."""
    return Refused("pixel-stream-unclean")


def with_end(cuts: list[Cut], stream: Source, end: int) -> list[Cut]:
    """Add the cut of what follows the end of an image, but for the byte that makes it even."""
    left = stream.size - end
    even = left == 1 and not stream.size & 1 and not cuts
    return cuts if left <= 0 or even else [*cuts, Cut(end, stream.size)]


def refuse_text(tail: bytes) -> None:
    """Refuse a stream whose entropy coded data end in text: a decoder stops before it, unseen.

    Where a decoder stops cannot be told without decoding. Coded data are close to random: 24 printable
    characters in a row, of which 12 differ, do not occur in them; flat areas repeat few bytes.

    Raises:
        Refused: ``pixel-stream-unclean``.
    """
    if _ALL_PRINTABLE not in tail.translate(_PRINTABLE):
        return
    for found in _RUN.finditer(tail):
        if len(set(found.group())) >= _DISTINCT:
            raise refuse()
