"""The parts of a multipart/related body (RFC 2046, RFC 2387; PS3.18, Section 8.6.1.2), as they arrive.

python-multipart's ``MultipartParser`` does the parsing; here are only the media types and the limits.
"""

from __future__ import annotations

import logging
import re
from typing import Protocol

from python_multipart.exceptions import ParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from dicomveil_receiver.reasons import ReceiverError

__all__ = ["PartSink", "Parts", "boundary_of", "is_dicom_part"]

# It would log bytes of what was sent.
logging.getLogger("python_multipart").disabled = True

_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_PLAIN_ENCODINGS = {"", "binary", "8bit", "7bit"}
_MAX_HEADERS = 20
_MAX_HEADER_BYTES = 4096


class PartSink(Protocol):
    """Takes what the parts hold, in order."""

    def begin(self, headers: dict[str, str]) -> None:
        """A part begins; header names are in lower case."""

    def write(self, data: memoryview) -> None:
        """Bytes of the part."""

    def end(self) -> None:
        """The part is whole."""


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a Content-Type.

    Raises:
        ReceiverError: ``media-type`` or ``boundary-invalid``.
    """
    kind, parameters = parse_options_header(content_type)
    inner = parameters.get(b"type", b"application/dicom").strip().lower()
    if kind.strip().lower() != b"multipart/related" or inner != b"application/dicom":
        raise ReceiverError("media-type")
    boundary = parameters.get(b"boundary", b"")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise ReceiverError("boundary-invalid")
    return boundary


def is_dicom_part(headers: dict[str, str]) -> bool:
    """Tell whether a part says it is an instance as it is; a part that says nothing is believed to be one."""
    kind = parse_options_header(headers.get("content-type", ""))[0].strip().lower()
    encoding = headers.get("content-transfer-encoding", "").strip().lower()
    return kind in {b"", b"application/dicom"} and encoding in _PLAIN_ENCODINGS


class Parts:
    """Feeds the parts of a body into a sink."""

    def __init__(self, boundary: bytes, sink: PartSink, *, max_parts: int) -> None:
        self._sink = sink
        self._left = max_parts
        self._headers: dict[str, str] = {}
        self._name = self._value = b""
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": sink.end,
                "on_end": self._end,
            },
            max_header_count=_MAX_HEADERS,
            max_header_size=_MAX_HEADER_BYTES,
        )

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            ReceiverError: ``malformed`` or ``too-many-parts``.
        """
        try:
            self._parser.write(data)
        except ParseError:
            raise ReceiverError("malformed") from None

    def finish(self) -> None:
        """Take the end of the body.

        Raises:
            ReceiverError: ``malformed``, when the closing boundary has not come.
        """
        if not self._ended:
            raise ReceiverError("malformed")

    def _begin(self) -> None:
        if self._left == 0:
            raise ReceiverError("too-many-parts")
        self._left -= 1
        self._headers = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        self._sink.begin(self._headers)

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._sink.write(memoryview(data)[start:end])

    def _end(self) -> None:
        self._ended = True
