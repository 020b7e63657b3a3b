"""The log: one JSON object a line, on standard error. It never holds a UID, a token, a path or a name."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

from dicomveil_receiver.reasons import ReceiverError
from dicomveil_receiver.reception import Result

__all__ = ["Log", "quiet_others"]


class Log:
    """Writes events with counts and codes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def event(self, name: str, **facts: object) -> None:
        """Write one event; facts are numbers, codes and names from the code, never from a request."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": moment, "event": name, **facts})
        print(line, file=self._stream or sys.stderr, flush=True)

    def upload(
        self, status: int, results: Sequence[Result], stopped: ReceiverError | None, seconds: float
    ) -> None:
        """Write how a request ended."""
        codes = Counter(result.code for result in results if result.code is not None)
        if stopped is not None:
            codes[stopped.code] += 1
        self.event(
            "upload",
            status=status,
            stored=sum(result.kept is not None and result.kept.new for result in results),
            known=sum(result.kept is not None and not result.kept.new for result in results),
            refused=sum(result.code is not None for result in results),
            bytes=sum(result.kept.row.size for result in results if result.kept is not None),
            codes=dict(codes),
            milliseconds=round(seconds * 1000),
        )

    def unexpected(self, error: BaseException) -> None:
        """Write where something unexpected happened: the kind and the place, never the text."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace is not None else ""
        self.event("internal-error", kind=type(error).__name__, place=place)


class _Forward(logging.Handler):
    """Passes on that the server said something, without the text: it may hold an address or a value."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._log.unexpected(error)
        else:
            self._log.event("server", place=f"{record.module}:{record.lineno}")


def quiet_others(log: Log) -> None:
    """Send what the libraries log through ``log``, without texts."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = False
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addHandler(_Forward(log))
