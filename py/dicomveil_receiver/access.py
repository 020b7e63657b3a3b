"""Who may upload: a bearer token (RFC 6750), and for pages an origin of the allow-list."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request

from dicomveil_receiver.limits import RateLimit
from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.settings import Settings
from dicomveil_receiver.tokens import Token, Tokens
from dicomveil_receiver.trouble import storage_errors

__all__ = ["Gate", "same_origin"]

_MAX_SECRET = 256


class Gate:
    """Lets requests with a good token in."""

    def __init__(self, tokens: Tokens, settings: Settings) -> None:
        self._tokens = tokens
        self._origins = settings.allow_origin
        self._rate = RateLimit(settings.max_requests)

    async def admit(self, request: Request) -> Token:
        """Return the token of a request.

        Raises:
            ReceiverError: ``token-missing``, ``token-wrong``, ``origin-not-allowed``, ``too-many-requests``.
        """
        token = await to_thread.run_sync(_token, request, self._tokens)
        origin = request.headers.get("origin")
        if origin is not None and not same_origin(request, origin) and origin not in self._origins:
            raise ReceiverError("origin-not-allowed")
        self._rate.take(token.name)
        return token


def _token(request: Request, tokens: Tokens) -> Token:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise ReceiverError("token-missing")
    try:
        with storage_errors():
            token = tokens.find(secret) if len(secret) <= _MAX_SECRET else None
    except ValueError:  # what keeps the tokens was damaged: nobody may upload
        raise ReceiverError("storage-unavailable") from None
    if token is None:
        raise ReceiverError("token-wrong")
    return token


def same_origin(request: Request, origin: str) -> bool:
    """Tell whether a page that was served from here asks."""
    return origin == f"{request.url.scheme}://{request.headers.get('host', '')}"
