"""Bearer tokens (RFC 6750): random, named, shown once, kept as hashes, compared in constant time.

A token has 256 random bits, so a plain SHA-256 of it is enough: there is nothing to guess. The file is read
again when it changes: a token that is revoked stops working at once, in a running server too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from dicomveil_receiver.durable import write_durably

__all__ = ["Token", "Tokens", "new_secret"]

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


def _read(path: Path) -> tuple[Token, ...]:
    try:
        return tuple(Token(**item) for item in json.loads(path.read_text("utf-8")))
    except TypeError:
        raise ValueError("the file of the tokens is damaged") from None


class Tokens:
    """The tokens of a storage folder, in a file that only the owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()
        self._session: Token | None = None

    def list(self) -> tuple[Token, ...]:
        """Return all tokens, revoked ones too, in the order in which they were made."""
        with self._lock:
            self._refresh()
            return self._tokens

    def add(self, name: str, *, expires: datetime | None = None) -> str:
        """Make a token and return its secret, which cannot be had again.

        Raises:
            ValueError: the name is taken, or not made of letters, digits, dot, dash and underscore.
        """
        if not _NAME.fullmatch(name):
            raise ValueError("a token's name has 1 to 64 letters, digits, dots, dashes or underscores")
        secret = new_secret()
        until = expires.astimezone(UTC).isoformat(timespec="seconds") if expires is not None else None
        with self._lock:
            self._refresh()
            if name == SESSION or any(token.name == name for token in self._tokens):
                raise ValueError("a token of this name exists; names are not used again")
            self._write((*self._tokens, Token(name, _digest(secret), _now(), until)))
        return secret

    def revoke(self, name: str) -> None:
        """Make a token useless from now on; its name stays, since the audit log refers to it.

        Raises:
            KeyError: there is no token of this name.
        """
        with self._lock:
            self._refresh()
            if all(token.name != name for token in self._tokens):
                raise KeyError(name)
            now = _now()
            self._write(
                tuple(
                    token._replace(revoked=now) if token.name == name and token.revoked is None else token
                    for token in self._tokens
                )
            )

    def open_session(self) -> str:
        """Make a token that lives in memory only, until this process ends; return its secret."""
        secret = new_secret()
        self._session = Token(SESSION, _digest(secret), _now())
        return secret

    def find(self, secret: str) -> Token | None:
        """Return the usable token of a secret, taking the same time whichever it is, or None."""
        digest, now = _digest(secret), _now()
        found = None
        with self._lock:
            self._refresh()
            known = self._tokens if self._session is None else (*self._tokens, self._session)
        for token in known:
            if hmac.compare_digest(token.digest, digest) and token.usable(now):
                found = token
        return found

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

    def _write(self, tokens: tuple[Token, ...]) -> None:
        text = json.dumps([token._asdict() for token in tokens], indent=1)
        write_durably(self._path, text.encode())
        self._tokens = tokens
        self._stamp = None
