"""Every code of a refusal, its Failure Reason (PS3.7 Annex C, PS3.4 Table GG.4-1) and HTTP status.

Codes are stable. Texts are fixed: they never hold a value of an instance, a name or a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["REASONS", "Reason", "ReceiverError", "reason_for"]


class Reason(NamedTuple):
    """Why something was refused."""

    failure: int  #: Failure Reason (0008,1197)
    status: int  #: the HTTP status if nothing of the request could be stored
    text: str  #: cause and remedy


_CANNOT_UNDERSTAND = 0xC000
_DOES_NOT_MATCH = 0xA900
_OUT_OF_RESOURCES = 0xA700
_PROCESSING_FAILURE = 0x0110
_DUPLICATE = 0x0111
_SOP_CLASS_NOT_SUPPORTED = 0x0122
_NOT_AUTHORIZED = 0x0124
_TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122

#: What verification finds is refused as 0xA900: "Data Set does not match" what this endpoint takes.
_UNCLEANED = Reason(_DOES_NOT_MATCH, 409, "Verification failed: the instance is not clean. Clean it again.")

REASONS: Mapping[str, Reason] = MappingProxyType(
    {
        # the request
        "token-missing": Reason(
            _NOT_AUTHORIZED, 401, "A bearer token is needed. Enter the endpoint's token."
        ),
        "token-wrong": Reason(_NOT_AUTHORIZED, 401, "The token is unknown, expired or revoked. Ask for one."),
        "origin-not-allowed": Reason(
            _NOT_AUTHORIZED, 403, "Pages of this origin may not upload here. Start with --allow-origin."
        ),
        "host-not-allowed": Reason(
            _NOT_AUTHORIZED,
            421,
            "This host name is not served here. Use localhost, or start with --allow-host.",
        ),
        "media-type": Reason(
            _PROCESSING_FAILURE,
            415,
            'Send multipart/related; type="application/dicom", not encoded otherwise.',
        ),
        "not-acceptable": Reason(_PROCESSING_FAILURE, 406, "The answer is application/dicom+json only."),
        "boundary-invalid": Reason(
            _PROCESSING_FAILURE, 400, "The multipart boundary is missing or not valid."
        ),
        "study-invalid": Reason(_PROCESSING_FAILURE, 400, "The study in the path is not a valid UID."),
        "malformed": Reason(_CANNOT_UNDERSTAND, 400, "The multipart body is malformed or ends too early."),
        "no-instances": Reason(_PROCESSING_FAILURE, 400, "The body holds no instance."),
        "request-too-large": Reason(_OUT_OF_RESOURCES, 413, "The request is too large. Send fewer at once."),
        "too-many-parts": Reason(
            _OUT_OF_RESOURCES, 413, "Too many instances in a request. Send fewer at once."
        ),
        "broken-off": Reason(_PROCESSING_FAILURE, 400, "The sender went away. Send it again."),
        "digests-invalid": Reason(
            _PROCESSING_FAILURE, 400, 'Ask with {"instances": [SOP Instance UIDs]}, at most 10,000.'
        ),
        "too-slow": Reason(_PROCESSING_FAILURE, 408, "The body arrived too slowly. Send it again."),
        "too-many-uploads": Reason(_OUT_OF_RESOURCES, 503, "Too many uploads at once. Try again shortly."),
        "too-many-connections": Reason(
            _OUT_OF_RESOURCES, 503, "Too many connections at once. Try again shortly."
        ),
        "too-many-uploads-of-token": Reason(
            _OUT_OF_RESOURCES, 429, "Too many uploads at once with this token. Try again shortly."
        ),
        "too-many-requests": Reason(_OUT_OF_RESOURCES, 429, "Too many requests with this token. Try later."),
        "internal-error": Reason(
            _PROCESSING_FAILURE, 500, "Something unexpected went wrong. Report the code."
        ),
        # one instance
        "part-media-type": Reason(_CANNOT_UNDERSTAND, 415, "A part is not application/dicom, or is encoded."),
        "instance-too-large": Reason(_OUT_OF_RESOURCES, 413, "The instance is larger than is taken here."),
        "uid-invalid": Reason(
            _CANNOT_UNDERSTAND, 409, "SOP Class, Study, Series or SOP Instance UID is missing or not valid."
        ),
        "study-mismatch": Reason(0xA901, 409, "The instance belongs to another study than the path names."),
        "instance-conflict": Reason(
            _DUPLICATE, 409, "Another instance is stored under this SOP Instance UID. It was not replaced."
        ),
        "storage-full": Reason(_OUT_OF_RESOURCES, 507, "The storage is full. Try again when there is room."),
        "storage-unavailable": Reason(
            _OUT_OF_RESOURCES, 503, "The storage cannot be written now. Try later."
        ),
        "verification-interrupted": Reason(
            _PROCESSING_FAILURE, 503, "Verification was interrupted. Send it again."
        ),
        "verification-failed": _UNCLEANED,
        # what reading refuses: PS3.4 "Error: Cannot understand"
        "not-dicom": Reason(_CANNOT_UNDERSTAND, 409, "This is not a DICOM instance."),
        "dicomdir": Reason(_CANNOT_UNDERSTAND, 409, "This is a DICOMDIR, not an instance."),
        "truncated": Reason(_CANNOT_UNDERSTAND, 409, "The instance ends before its data do. Send it again."),
        "undecodable": Reason(_CANNOT_UNDERSTAND, 409, "The data elements cannot be read."),
        "header-too-large": Reason(_CANNOT_UNDERSTAND, 409, "The data before the pixels are too large."),
        "unsupported-transfer-syntax": Reason(
            _TRANSFER_SYNTAX_NOT_SUPPORTED, 409, "The transfer syntax is not supported."
        ),
        "no-sop-class": Reason(_SOP_CLASS_NOT_SUPPORTED, 409, "SOP Class UID is missing or empty."),
        "private-sop-class": Reason(_SOP_CLASS_NOT_SUPPORTED, 409, "A private SOP class is not taken here."),
        "encapsulated-document": Reason(
            _SOP_CLASS_NOT_SUPPORTED, 409, "An encapsulated document or a sound recording is not taken here."
        ),
    }
)


def reason_for(code: str) -> Reason:
    """Return the reason of a code; one that only verification knows says that an instance is not clean."""
    return REASONS.get(code, _UNCLEANED)


class ReceiverError(Exception):
    """A request, or an instance of it, is refused; ``code`` is a key of :data:`REASONS` or verification's.

    ``retry_after`` is in seconds, where it is known when the same would be taken.
    """

    def __init__(self, code: str, tags: tuple[int, ...] = (), *, retry_after: int | None = None) -> None:
        super().__init__(reason_for(code).text)
        self.code = code
        self.tags = tags
        self.retry_after = retry_after

    @property
    def reason(self) -> Reason:
        """Failure Reason, HTTP status and text."""
        return reason_for(self.code)
