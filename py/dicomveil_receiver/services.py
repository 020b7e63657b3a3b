"""What the application works with, made once by the command line (and by tests)."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicomveil_receiver.audit import Audit
from dicomveil_receiver.examining import Examine
from dicomveil_receiver.logs import Log
from dicomveil_receiver.metrics import Metrics
from dicomveil_receiver.settings import Settings
from dicomveil_receiver.store import Store
from dicomveil_receiver.tokens import Tokens

__all__ = ["Services"]


@dataclass(frozen=True)
class Services:
    """The parts of a running endpoint."""

    settings: Settings
    store: Store
    tokens: Tokens
    audit: Audit
    examine: Examine
    log: Log
    metrics: Metrics = field(default_factory=Metrics)
