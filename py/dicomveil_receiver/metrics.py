"""Counters in the text format of Prometheus (version 0.0.4); labels are codes and numbers of ours only."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from dicomveil_receiver.reception import Result

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0)


class Metrics:
    """Counts uploads since the start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[int] = Counter()
        self._instances: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._bytes = 0
        self._seconds = 0.0
        self._within: Counter[float] = Counter()

    def upload(self, status: int, results: Sequence[Result], seconds: float) -> None:
        """Count one request."""
        with self._lock:
            self._requests[status] += 1
            self._seconds += seconds
            self._within.update(limit for limit in _SECONDS if seconds <= limit)
            for result in results:
                if result.kept is None:
                    self._instances["refused"] += 1
                    self._refused[result.code or ""] += 1
                else:
                    self._instances["stored" if result.kept.new else "known"] += 1
                    self._bytes += result.kept.row.size

    def text(self, *, running: int, stored: int) -> str:
        """Return all counters, with the number of running uploads and of stored instances."""
        with self._lock:
            total = sum(self._requests.values())
            lines = [
                *_counter("requests", "Uploads, by HTTP status.", "status", self._requests),
                *_counter("instances", "Instances, by what became of them.", "result", self._instances),
                *_counter("refused", "Refused instances, by code.", "code", self._refused),
                *_one("received_bytes_total", "counter", "Bytes of stored instances.", self._bytes),
                *_one("uploads_running", "gauge", "Uploads that are being received.", running),
                *_one("instances_stored", "gauge", "Instances in the storage.", stored),
                "# HELP dicomveil_upload_seconds Time of an upload.",
                "# TYPE dicomveil_upload_seconds histogram",
                *(f'dicomveil_upload_seconds_bucket{{le="{s}"}} {self._within[s]}' for s in _SECONDS),
                f'dicomveil_upload_seconds_bucket{{le="+Inf"}} {total}',
                f"dicomveil_upload_seconds_sum {self._seconds:.6f}",
                f"dicomveil_upload_seconds_count {total}",
            ]
        return "\n".join(lines) + "\n"


def _counter(name: str, help_text: str, label: str, counts: Counter[int] | Counter[str]) -> list[str]:
    name = f"dicomveil_{name}_total"
    return [
        f"# HELP {name} {help_text}",
        f"# TYPE {name} counter",
        *(f'{name}{{{label}="{key}"}} {count}' for key, count in sorted(counts.items(), key=str)),
    ]


def _one(name: str, kind: str, help_text: str, value: float) -> list[str]:
    name = f"dicomveil_{name}"
    return [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", f"{name} {value}"]
