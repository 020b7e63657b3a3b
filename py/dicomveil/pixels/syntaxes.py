"""The transfer syntaxes whose frames can be decoded, and the coding of each (PS3.5 A, PS3.6 A)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CODINGS", "JPEG_RECOMPRESSION", "coding_of", "is_video"]

#: JPEG XL made from JPEG without loss: the JPEG, with its comments, can be made of it again.
JPEG_RECOMPRESSION = "1.2.840.10008.1.2.4.111"

_FOUR = "1.2.840.10008.1.2.4."

#: Transfer Syntax UID -> name of the coding of its frames.
CODINGS: Mapping[str, str] = MappingProxyType(
    {
        "1.2.840.10008.1.2.1.98": "uncompressed",
        "1.2.840.10008.1.2.5": "rle",
        "1.2.840.10008.1.2.8.1": "deflated",
        **{_FOUR + n: "jpeg" for n in ("50", "51", "53", "55")},
        **{_FOUR + n: "jpeg-lossless" for n in ("57", "70")},
        **{_FOUR + n: "jpeg-ls" for n in ("80", "81")},
        **{_FOUR + n: "jpeg-2000" for n in ("90", "91")},
        **{_FOUR + n: "htj2k" for n in ("201", "202", "203")},
        **{_FOUR + n: "jpeg-xl" for n in ("110", "111", "112")},
    }
)


def coding_of(transfer_syntax: str) -> str:
    """Return the coding of a transfer syntax's frames: ``native`` where there are no codestreams, or ''."""
    native = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"}
    return "native" if transfer_syntax in native else CODINGS.get(transfer_syntax, "")


def is_video(transfer_syntax: str) -> bool:
    """Tell whether Pixel Data are a video stream: MPEG-2, MPEG-4, HEVC (PS3.5 8.2.5 to 8.2.10)."""
    number = transfer_syntax.removeprefix(_FOUR).removesuffix(".1")
    return number in {"100", "101", "102", "103", "104", "105", "106", "107", "108"}
