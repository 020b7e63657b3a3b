"""Bearer tokens (RFC 6750): random, named, shown once, kept as hashes, compared in constant time.

A token has 256 random bits, so a plain SHA-256 of it is enough: there is nothing to guess. What keeps the
tokens is asked for each request: a token that is revoked stops working at once, in all running servers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from dicomveil_receiver.durable import write_durably

__all__ = ["Token", "TokenFile", "TokenShelf", "Tokens", "new_secret"]

#: The token of :meth:`Tokens.open_session`: no other is named so.
SESSION = "session"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Token(NamedTuple):
    """A token as it is kept: ``digest`` is the SHA-256 of the secret, times are ISO 8601 in UTC."""

    name: str
    digest: str
    created: str
    expires: str | None = None
    revoked: str | None = None

    def usable(self, now: str) -> bool:
        """Tell whether the token is neither expired nor revoked."""
        return self.revoked is None and (self.expires is None or now < self.expires)


def new_secret() -> str:
    """Return a new random secret; its prefix lets scanners for leaked secrets know it."""
    return "dicomveil_" + secrets.token_urlsafe(32)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class TokenShelf(Protocol):
    """Keeps the list of tokens; several processes may have it open."""

    def read(self) -> tuple[Token, ...]:
        """Return the tokens as they are now.

        Raises:
            ValueError: what is kept was damaged.
        """

    def change(self, change: Callable[[tuple[Token, ...]], tuple[Token, ...]]) -> None:
        """Replace the tokens, durably, by what ``change`` makes of them; what it raises stops that."""


class TokenFile:
    """A file that only the owner can read; it is read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def read(self) -> tuple[Token, ...]:
        """Return the tokens as they are now."""
        with self._lock:
            self._refresh()
            return self._tokens

    def change(self, change: Callable[[tuple[Token, ...]], tuple[Token, ...]]) -> None:
        """Write the file anew."""
        with self._lock:
            self._refresh()
            tokens = change(self._tokens)
            write_durably(self._path, json.dumps([token._asdict() for token in tokens], indent=1).encode())
            self._tokens, self._stamp = tokens, None

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._tokens, self._stamp = (), None
            return
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp != self._stamp:
            self._tokens = _read(self._path)
            self._stamp = stamp


def _read(path: Path) -> tuple[Token, ...]:
    try:
        return tuple(Token(**item) for item in json.loads(path.read_text("utf-8")))
    except TypeError:
        raise ValueError("the file of the tokens is damaged") from None


class Tokens:
    """The tokens of an endpoint."""

    def __init__(self, shelf: TokenShelf) -> None:
        self._shelf = shelf
        self._session: Token | None = None

    def list(self) -> tuple[Token, ...]:
        """Return all tokens, revoked ones too, in the order in which they were made."""
        return self._shelf.read()

    def add(self, name: str, *, expires: datetime | None = None) -> str:
        """Make a token and return its secret, which cannot be had again.

        Raises:
            ValueError: the name is taken, or not made of letters, digits, dot, dash and underscore.
        """
        if not _NAME.fullmatch(name):
            raise ValueError("a token's name has 1 to 64 letters, digits, dots, dashes or underscores")
        until = expires.astimezone(UTC).isoformat(timespec="seconds") if expires is not None else None
        secret = new_secret()

        def added(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
            if name == SESSION or any(token.name == name for token in tokens):
                raise ValueError("a token of this name exists; names are not used again")
            return (*tokens, Token(name, _digest(secret), _now(), until))

        self._shelf.change(added)
        return secret

    def add_first(self, name: str) -> str | None:
        """Make a token if there has never been one; return its secret, or None (one replica makes it)."""
        secret = new_secret()

        def first(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
            return tokens or (Token(name, _digest(secret), _now()),)

        if self._shelf.read():
            return None
        self._shelf.change(first)
        return secret if self.find(secret) is not None else None

    def revoke(self, name: str) -> None:
        """Make a token useless from now on; its name stays, since the audit log refers to it.

        Raises:
            KeyError: there is no token of this name.
        """

        def revoked(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
            if all(token.name != name for token in tokens):
                raise KeyError(name)
            now = _now()
            return tuple(
                token._replace(revoked=now) if token.name == name and token.revoked is None else token
                for token in tokens
            )

        self._shelf.change(revoked)

    def open_session(self) -> str:
        """Make a token that lives in memory only, until this process ends; return its secret."""
        secret = new_secret()
        self._session = Token(SESSION, _digest(secret), _now())
        return secret

    def find(self, secret: str) -> Token | None:
        """Return the usable token of a secret, taking the same time whichever it is, or None."""
        digest, now = _digest(secret), _now()
        found = None
        known = self._shelf.read()
        for token in known if self._session is None else (*known, self._session):
            if hmac.compare_digest(token.digest, digest) and token.usable(now):
                found = token
        return found
