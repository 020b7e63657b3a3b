"""``dicomveil receive``: run the endpoint."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import MISSING, fields
from pathlib import Path

from dicomveil.verifying import verify_instance
from dicomveil_receiver.app import make_app
from dicomveil_receiver.audit import Audit, AuditError
from dicomveil_receiver.commands import COMMANDS, run_command
from dicomveil_receiver.keeping import Keeping, keeping_of
from dicomveil_receiver.logs import Log, quiet_others
from dicomveil_receiver.sealing import spool_kind
from dicomveil_receiver.services import Services
from dicomveil_receiver.serving import bind, make_server, tls_context, url_of
from dicomveil_receiver.settings import Settings, SettingsError, load_settings
from dicomveil_receiver.store import Store
from dicomveil_receiver.tokens import Tokens
from dicomveil_receiver.verifiers import Verifiers

__all__ = ["main"]

_OK, _WRONG_USE = 0, 2
_FIRST_NAME = "first"


def main(argv: Sequence[str]) -> int:
    """Run the command line; return its exit status: 0, or 2 for wrong use."""
    if argv and argv[0] in COMMANDS:
        return run_command(argv)
    arguments = vars(_parser().parse_args(argv))
    file = arguments.pop("settings")
    try:
        return _serve(load_settings(arguments, os.environ, file))
    except SettingsError as error:
        print(f"dicomveil receive: {error}", file=sys.stderr)
        return _WRONG_USE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dicomveil receive",
        usage=f"%(prog)s --storage DIR [options] | %(prog)s {'|'.join(sorted(COMMANDS))} ...",
        description="Receive cleaned DICOM instances by STOW-RS, verify each again, keep them in a folder.",
        epilog="Every setting can also be given as DICOMVEIL_<SETTING> in the environment or in a TOML file.",
    )
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings in TOML")
    for item in fields(Settings):
        kind, many = item.metadata["kind"], item.metadata["many"]
        flag = "--" + item.name.replace("_", "-")
        help_text = item.metadata["help"]
        if kind is bool:
            parser.add_argument(flag, action="store_true", default=None, help=help_text)
        elif many:
            parser.add_argument(flag, action="append", metavar="TEXT", help=help_text)
        else:
            if item.default not in {None, ""} and item.default is not MISSING:
                help_text += f" (default {item.default})"
            parser.add_argument(flag, metavar=kind.__name__.upper(), help=help_text)
    return parser


def _serve(settings: Settings) -> int:
    log = Log()
    quiet_others(log)
    tls = tls_context(settings)
    with closing(bind(settings)) as listener, closing(keeping_of(settings)) as keeping:
        store, audit, tokens = _open(settings, keeping)
        if secret := _first_token(tokens):
            print(f"Upload token, shown only now: {secret}", flush=True)
        with _verifiers(settings, log) as verifiers, _forwarding(settings, keeping, store, log):
            services = Services(settings, store, tokens, audit, verifiers.examine, log)
            server = make_server(make_app(services), settings, log, tls)
            print(url_of(settings, listener), flush=True)
            log.event("started", instances=store.index.count())
            server.run(sockets=[listener])
        log.event("stopped")
    return _OK


def _first_token(tokens: Tokens) -> str | None:
    try:
        return tokens.add_first(_FIRST_NAME)
    except ValueError:
        raise SettingsError("tokens.json in the storage is damaged: move it away to begin anew") from None
    except OSError:
        raise SettingsError("storage cannot be read or written") from None


@contextmanager
def _verifiers(settings: Settings, log: Log) -> Iterator[Verifiers]:
    try:
        verifiers = Verifiers(verify_instance, settings.verifiers, log)
    except ChildProcessError as error:
        raise SettingsError(str(error)) from None
    with closing(verifiers):
        yield verifiers


@contextmanager
def _forwarding(settings: Settings, keeping: Keeping, store: Store, log: Log) -> Iterator[None]:
    if settings.forward_to is None:
        yield
        return
    # Only who forwards needs an HTTP client.
    import ssl

    from dicomveil_receiver.forwarding import Forwarder

    archive = settings.forward_to.rstrip("/") + "/"
    secret = settings.forward_authorization
    authorization = secret.read_text("ascii").strip() if secret is not None else ""
    outbox, authorities = keeping.outbox(), settings.forward_ca
    try:
        forwarder = Forwarder(
            outbox, store.objects, archive, log, authorization=authorization, authorities=authorities
        )
    except (OSError, ssl.SSLError):
        raise SettingsError("forward-ca: the file holds no certificates in PEM") from None
    forwarder.start()
    try:
        yield
    finally:
        forwarder.stop()


def _open(settings: Settings, keeping: Keeping) -> tuple[Store, Audit, Tokens]:
    try:
        store = keeping.store(spool_kind(settings.seal_to), forward=settings.forward_to is not None)
        return store, keeping.audit(), keeping.tokens()
    except BlockingIOError:
        raise SettingsError("storage is in use by another running receiver") from None
    except AuditError:
        raise SettingsError(
            "the audit log is not as it was written: look with audit verify, then move audit.log and "
            "audit.head away to begin a new one"
        ) from None
    except (OSError, sqlite3.Error):
        raise SettingsError(keeping.unusable) from None
