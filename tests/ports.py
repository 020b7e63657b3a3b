"""Ports for servers that have to be told theirs."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import socket

#: Of each process of pytest-xdist; all lie below those that systems give to whoever asks for any port.
_FIRST, _EACH = 12_000, 2_000
_next = itertools.count(secrets.randbelow(_EACH))


def free_port() -> int:
    """Return a port that nobody listens on, nor takes before the server does that is told of it."""
    number = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % 8
    for at in itertools.islice(_next, _EACH):
        port = _FIRST + number * _EACH + at % _EACH
        with contextlib.closing(socket.socket()) as unused, contextlib.suppress(OSError):
            unused.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")
