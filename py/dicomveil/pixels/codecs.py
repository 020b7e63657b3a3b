"""Decode and encode one codestream: the one place that calls imagecodecs, on CPython and in the browser.

Not through pydicom's decoders: pydicom asks for numpy when it is imported, which in the browser is long
before numpy arrives, and wants all of Pixel Data in memory. Known faults of the codecs are worked around
here: ``htj2k_decode`` wraps where it has to clamp (OpenJPEG decodes HTJ2K as well), ``packbits_encode``
ends Pyodide (``rle`` is our own), and older versions of ``jpegls_encode`` allocate too little.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from dicomveil.errors import Refused
from dicomveil.pixels.layout import PixelLayout
from dicomveil.pixels.rle import decode_rle, encode_rle
from dicomveil.pixels.scrub import scrubbed
from dicomveil.pixels.stream_headers import StreamHeader, checked_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "decode_stream",
    "encode_jpeg",
    "encode_stream",
    "encoded_anew",
    "is_ready",
    "jpeg_in_jxl",
    "jxl_of_jpeg",
    "scrubbed_recompression",
    "stream_is_ybr",
]

_STORED_MAX = 0xFFFF


@cache
def _imagecodecs() -> Any:  # noqa: ANN401 - an untyped module
    try:
        import imagecodecs
    except ImportError:
        raise Refused("pixels-not-loaded") from None
    return imagecodecs


@cache
def _takes(function: str, keyword: str) -> bool:
    import inspect

    return keyword in inspect.signature(getattr(_imagecodecs(), function)).parameters


def is_ready() -> bool:
    """Tell whether numpy and imagecodecs can be imported; in the browser, whether they have been unpacked."""
    try:
        import numpy  # noqa: F401, ICN001

        _imagecodecs()
    except (ImportError, Refused):
        return False
    return True


def stream_is_ybr(header: StreamHeader, layout: PixelLayout) -> bool:
    """Tell whether a JPEG's components are luminance and chrominance: the stream knows best.

    Where the stream does not say, Photometric Interpretation decides.
    """
    if header.samples != 3:
        return False
    return header.ybr if header.ybr is not None else layout.photometric != "RGB"


def _jpeg(data: bytes, header: StreamHeader, layout: PixelLayout, *, rgb: bool) -> NDArray[Any]:
    space = out = None
    if header.samples == 3:
        space = "YCBCR"  # the same in and out: no transformation
        out = "RGB" if rgb and header.process != 0xC3 and stream_is_ybr(header, layout) else space
    array: NDArray[Any] = _imagecodecs().jpeg8_decode(data, colorspace=space, outcolorspace=out)
    return array


def _jpeg_ls(data: bytes, layout: PixelLayout) -> NDArray[Any]:
    import numpy as np

    # without the marker at the end, CharLS takes half a minute to find out that the stream is cut off
    array: NDArray[Any] = _imagecodecs().jpegls_decode(data + b"\xff\xd9")
    if layout.samples > 1 and array.shape == (layout.samples, layout.rows, layout.columns):
        array = np.moveaxis(array, 0, -1)  # not interleaved (ILV 0) comes as planes
    return array


def _raw(data: bytes, layout: PixelLayout) -> NDArray[Any]:
    from dicomveil.pixels.native import native_array

    return native_array(data, layout)


def _decoded(coding: str, data: bytes, header: StreamHeader | None, layout: PixelLayout, *, rgb: bool) -> Any:  # noqa: ANN401
    if coding == "rle":
        return decode_rle(data, layout.rows, layout.columns, layout.samples, layout.sample_bytes)
    if coding == "uncompressed":
        return _raw(data, layout)
    if coding == "deflated":
        return _raw(zlib.decompressobj(-15).decompress(data, layout.decoded_bytes), layout)
    if header and header.process == 0xF7:  # whatever of the three the transfer syntax says
        return _jpeg_ls(data, layout)
    if header and header.process:
        return _jpeg(data, header, layout, rgb=rgb)
    if coding in {"jpeg-2000", "htj2k"}:
        return _imagecodecs().jpeg2k_decode(data)
    if coding == "jpeg-xl":
        return _imagecodecs().jpegxl_decode(data, index=0)
    raise Refused("pixels-undecodable")


def decode_stream(coding: str, data: bytes, layout: PixelLayout, *, rgb: bool = False) -> NDArray[Any]:
    """Decode one codestream to ``(rows, columns[, samples])`` of 8, 16 or 32 bit integers.

    Components come as they are stored but for JPEG 2000, which undoes its own transformation; ``rgb`` asks
    JPEG for RGB too. Single-bit pixels take a byte each.

    Raises:
        Refused: ``pixels-undecodable``, ``pixels-not-loaded``.
    """
    header = checked_header(coding, data, layout)
    try:
        array: NDArray[Any] = _decoded(coding, data, header, layout, rgb=rgb)
    except Refused:
        raise
    except ImportError:
        raise Refused("pixels-not-loaded") from None
    except Exception:  # noqa: BLE001 - every codec has errors of its own
        raise Refused("pixels-undecodable") from None
    shape = (layout.rows, layout.columns) + ((layout.samples,) if layout.samples > 1 else ())
    if (
        array.shape != shape
        or array.dtype.kind not in "iu"
        or array.dtype.itemsize > max(layout.sample_bytes, 1)
    ):
        raise Refused("pixels-undecodable")
    return array


def _called(function: Callable[[], Any], code: str) -> bytes:
    """Call a codec; every one of them has errors of its own, of which only a code leaves."""
    try:
        return bytes(function())
    except Refused:
        raise
    except ImportError:
        raise Refused("pixels-not-loaded") from None
    except Exception:  # noqa: BLE001 - see above
        raise Refused(code) from None


def encode_jpeg(array: NDArray[Any], header: StreamHeader, layout: PixelLayout) -> bytes:
    """Encode components as sequential JPEG of the highest quality, without subsampling."""
    space = None if header.samples == 1 else "YCBCR" if stream_is_ybr(header, layout) else "RGB"

    def encoded() -> Any:  # noqa: ANN401
        return _imagecodecs().jpeg8_encode(
            array,
            level=100,
            bitspersample=header.precision,
            colorspace=space,
            outcolorspace=space,
            subsampling="444" if space else None,
        )

    return _called(encoded, "redaction-unsupported")


def jpeg_in_jxl(data: bytes) -> bytes:
    """Return the JPEG from which a JPEG XL stream was made, if it can be reconstructed."""
    return _called(lambda: _imagecodecs().jpegxl_decode_jpeg(data), "redaction-unsupported")


def jxl_of_jpeg(data: bytes) -> bytes:
    """Return a JPEG XL stream from which the JPEG can be reconstructed."""
    return _called(lambda: _imagecodecs().jpegxl_encode_jpeg(data), "redaction-unsupported")


def scrubbed_recompression(data: bytes, layout: PixelLayout) -> bytes | None:
    """Return JPEG XL of the same JPEG without its comments; ``None`` if no JPEG can be made of it.

    The comments are in a compressed box, which would have to go as a whole, and the way back to JPEG with it.

    Raises:
        Refused: ``pixels-not-loaded``.
    """
    try:
        return jxl_of_jpeg(scrubbed("jpeg", jpeg_in_jxl(data), layout))
    except Refused as error:
        if error.code == "pixels-not-loaded":
            raise
        return None


def encoded_anew(transfer_syntax: str, coding: str, data: bytes, layout: PixelLayout) -> bytes:
    """Return a frame's pixels, and nothing else of it, encoded reversibly in the same transfer syntax.

    Raises:
        Refused: ``pixels-undecodable``, ``pixels-not-loaded``, ``pixel-stream-unclean`` where that cannot be.
    """
    try:
        array = decode_stream(coding, data, layout)
        return encode_stream(transfer_syntax, coding, array, checked_header(coding, data, layout), layout)
    except Refused as error:
        raise Refused(error.code.replace("redaction-unsupported", "pixel-stream-unclean")) from None


def encode_stream(
    transfer_syntax: str, coding: str, array: NDArray[Any], header: StreamHeader | None, layout: PixelLayout
) -> bytes:
    """Encode one frame reversibly in its own transfer syntax; ``header`` is that of the stream it came from.

    Raises:
        Refused: ``redaction-unsupported`` if the coding cannot be reversible.
    """
    return _called(lambda: _encoded(transfer_syntax, coding, array, header, layout), "redaction-unsupported")


def _encoded(
    transfer_syntax: str, coding: str, array: NDArray[Any], header: StreamHeader | None, layout: PixelLayout
) -> Any:  # noqa: ANN401
    import numpy as np

    array = np.ascontiguousarray(array)
    precision = (header.precision if header else 0) or min(layout.stored, 8 * array.dtype.itemsize)
    colour = layout.samples == 3
    if coding == "rle":
        return encode_rle(
            np.packbits(array, bitorder="little").reshape(1, -1) if layout.allocated == 1 else array
        )
    if coding in {"uncompressed", "deflated"}:
        raw = np.packbits(array, bitorder="little") if layout.allocated == 1 else array
        return raw.tobytes() if coding == "uncompressed" else _stored(raw.tobytes())
    codecs = _imagecodecs()
    if coding == "jpeg-lossless":
        space = "RGB" if colour else None  # as they are: "YCBCR" would subsample
        return codecs.jpeg8_encode(
            array, lossless=True, predictor=1, bitspersample=precision, colorspace=space, outcolorspace=space
        )
    if coding == "jpeg-ls":
        depth = {"bitspersample": precision}
        if not _takes("jpegls_encode", "bitspersample"):  # before 2026.10: always that of the cells
            depth, array = {}, _extended(array, layout, precision)
        return codecs.jpegls_encode(array, level=0, out=2 * array.nbytes + 4096, **depth)
    if coding == "jpeg-2000":
        return codecs.jpeg2k_encode(
            array,
            codecformat="J2K",
            reversible=True,
            level=0,
            bitspersample=precision,
            mct=bool(header and header.transform),
        )
    if coding == "htj2k":
        depth = {"bitspersample": precision} if _takes("htj2k_encode", "bitspersample") else {}
        rgb = bool(header and header.transform)
        return codecs.htj2k_encode(array, reversible=True, tlm=True, rgb=rgb, **depth)
    if coding == "jpeg-xl" and not transfer_syntax.endswith(".111"):
        depth = {"bitspersample": layout.stored} if layout.stored not in {8, 16} else {}
        # The one effort of which all versions of libjxl write the same bytes.
        return codecs.jpegxl_encode(array, lossless=True, usecontainer=False, effort=1, **depth)
    raise Refused("redaction-unsupported")


def _extended(array: NDArray[Any], layout: PixelLayout, precision: int) -> NDArray[Any]:
    """Extend the sign of stored values to the whole cell, which is what a wider precision stands for."""
    unused = 8 * array.dtype.itemsize - precision
    if not layout.signed or unused <= 0 or layout.shift:
        return array
    signed = array.view(f"i{array.dtype.itemsize}")
    return (signed << unused >> unused).view(array.dtype)


def _stored(data: bytes) -> bytes:
    """Wrap bytes as stored blocks of the Deflate format, which no version of zlib writes differently."""
    blocks = [data[at : at + _STORED_MAX] for at in range(0, max(len(data), 1), _STORED_MAX)]
    return b"".join(
        bytes([i == len(blocks) - 1])
        + len(b).to_bytes(2, "little")
        + (len(b) ^ 0xFFFF).to_bytes(2, "little")
        + b
        for i, b in enumerate(blocks)
    )
