"""The operator's commands beside serving: ``dicomveil receive token|audit ...``."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicomveil_receiver.audit import AuditError, verify_audit
from dicomveil_receiver.durable import make_folders
from dicomveil_receiver.keeping import FolderKeeping, Keeping, keeping_of
from dicomveil_receiver.reindexing import reindex
from dicomveil_receiver.sealing import new_identity, read_identities, unseal
from dicomveil_receiver.settings import WHERE, Settings, SettingsError, load_settings
from dicomveil_receiver.sweeping import IndexNotWholeError

__all__ = ["COMMANDS", "run_command"]

COMMANDS = frozenset({"token", "audit", "outbox", "identity", "unseal", "reindex", "sweep"})
_OK, _FOUND, _WRONG_USE = 0, 1, 2
_IN_USE = "storage is in use by a running receiver: stop it first"
_DAMAGED = "the list of the tokens in the storage is damaged"


def run_command(argv: Sequence[str]) -> int:
    """Run a command; return its exit status: 0, 1 when a check found something, 2 for wrong use."""
    options = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except SettingsError as error:
        return _wrong(str(error))
    except (OSError, sqlite3.Error):
        return _wrong("storage cannot be read or written")


@contextmanager
def _keeping(options: argparse.Namespace) -> Iterator[Keeping]:
    with closing(keeping_of(_settings(options))) as keeping:
        keeping.check()
        yield keeping


def _settings(options: argparse.Namespace) -> Settings:
    given = {name: value for name, value in vars(options).items() if name in WHERE}
    return load_settings(given, os.environ, options.settings, receiving=False)


def _parser() -> argparse.ArgumentParser:
    storage = argparse.ArgumentParser(add_help=False)
    storage.add_argument("--settings", type=Path, metavar="FILE", help="the receiver's settings in TOML")
    for item in fields(Settings):
        if item.name in WHERE:
            flag = "--" + item.name.replace("_", "-")
            kind: type = item.metadata["kind"]
            storage.add_argument(flag, metavar=kind.__name__.upper(), help=item.metadata["help"])
    parser = argparse.ArgumentParser(prog="dicomveil receive")
    commands = parser.add_subparsers(required=True)

    token = commands.add_parser("token", help="upload tokens").add_subparsers(required=True)
    add = token.add_parser("add", parents=[storage], help="make a token and print it, once")
    add.add_argument("name", help="letters, digits, dot, dash, underscore")
    add.add_argument("--days", type=int, metavar="N", help="how long it is good (default: until revoked)")
    add.set_defaults(run=_add)
    listing = token.add_parser("list", parents=[storage], help="name the tokens and their states")
    listing.set_defaults(run=_list)
    revoke = token.add_parser("revoke", parents=[storage], help="make a token useless at once")
    revoke.add_argument("name")
    revoke.set_defaults(run=_revoke)

    audit = commands.add_parser("audit", help="the audit log").add_subparsers(required=True)
    verify = audit.add_parser("verify", parents=[storage], help="find changed and missing lines")
    verify.set_defaults(run=_verify_audit)

    outbox = commands.add_parser("outbox", help="what waits for the archive").add_subparsers(required=True)
    waiting = outbox.add_parser("list", parents=[storage], help="how much waits, and what was refused")
    waiting.set_defaults(run=_list_outbox)
    retry = outbox.add_parser("retry", parents=[storage], help="send all again, what was refused too")
    retry.set_defaults(run=_retry)

    reindexing = commands.add_parser(
        "reindex", parents=[storage], help="make the index anew, from a back-up that was copied while it ran"
    )
    reindexing.set_defaults(run=_reindex)

    sweeping = commands.add_parser(
        "sweep", parents=[storage], help="remove old objects that no row of the index names, left by a kill"
    )
    sweeping.add_argument("--days", type=int, default=7, metavar="N", help="how old they have to be (7)")
    sweeping.set_defaults(run=_sweep)

    identity = commands.add_parser("identity", help="make a private key for --seal-to, print its recipient")
    identity.add_argument("--output", type=Path, required=True, metavar="FILE", help="keep it off the server")
    identity.set_defaults(run=_identity)
    unsealing = commands.add_parser("unseal", parents=[storage], help="decrypt what was sealed")
    unsealing.add_argument("--identity", type=Path, required=True, metavar="FILE", help="the private key")
    unsealing.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write into")
    unsealing.set_defaults(run=_unseal)
    return parser


def _add(options: argparse.Namespace) -> int:
    if options.days is not None and not 0 < options.days <= 36500:
        return _wrong("days must be from 1 to 36500")
    expires = datetime.now(UTC) + timedelta(days=options.days) if options.days is not None else None
    with _keeping(options) as keeping:
        try:
            print(keeping.tokens().add(options.name, expires=expires))
        except ValueError as error:
            return _wrong(str(error))
    return _OK


def _list(options: argparse.Namespace) -> int:
    with _keeping(options) as keeping:
        try:
            tokens = keeping.tokens().list()
        except ValueError:
            return _wrong(_DAMAGED)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for token in tokens:
        state = "revoked" if token.revoked else "usable" if token.usable(now) else "expired"
        print(f"{token.name}\t{state}\tcreated {token.created}\texpires {token.expires or 'never'}")
    return _OK


def _revoke(options: argparse.Namespace) -> int:
    with _keeping(options) as keeping:
        try:
            keeping.tokens().revoke(options.name)
        except KeyError:
            return _wrong("there is no token of this name")
        except ValueError:
            return _wrong(_DAMAGED)
    return _OK


def _verify_audit(options: argparse.Namespace) -> int:
    with _keeping(options) as keeping:
        try:
            head = verify_audit(keeping.ledger())
        except AuditError as error:
            print(f"dicomveil receive: {error}", file=sys.stderr)
            return _FOUND
    print(f"{head.lines} lines, as they were written; the last hash is {head.hash}")
    return _OK


def _list_outbox(options: argparse.Namespace) -> int:
    with _keeping(options) as keeping:
        outbox = keeping.outbox()
        refusals = outbox.refusals()
        print(f"{outbox.waiting()} waiting, {len(refusals)} refused by the archive")
    for uid, reason in refusals:
        print(f"{uid}\t{reason:04X}H")
    return _FOUND if refusals else _OK


def _retry(options: argparse.Namespace) -> int:
    with _keeping(options) as keeping:
        print(f"{keeping.outbox().retry()} instances will be sent")
    return _OK


def _reindex(options: argparse.Namespace) -> int:
    settings = _settings(options)
    if settings.database is not None:
        return _wrong("reindex is for a storage in a folder: the database is backed up by its own tools")
    FolderKeeping(settings.storage).check()
    try:
        result = reindex(settings.storage)
    except BlockingIOError:
        return _wrong(_IN_USE)
    except AuditError as error:
        print(f"dicomveil receive: {error}", file=sys.stderr)
        return _FOUND
    print(f"{result.found} instances in the index, {result.missing} that the audit log tells of are missing")
    return _FOUND if result.missing else _OK


def _sweep(options: argparse.Namespace) -> int:
    if not 0 < options.days <= 36500:
        return _wrong("days must be from 1 to 36500")
    with _keeping(options) as keeping:
        try:
            swept = keeping.sweep(datetime.now(UTC) - timedelta(days=options.days))
        except BlockingIOError:
            return _wrong(_IN_USE)
        except AuditError as error:
            print(f"dicomveil receive: {error}", file=sys.stderr)
            return _FOUND
        except IndexNotWholeError:
            print("dicomveil receive: the index lacks instances that the audit log tells of", file=sys.stderr)
            return _FOUND
    print(f"{swept.removed} removed, {swept.set_aside} set aside, {swept.put_back} put back")
    return _OK


def _identity(options: argparse.Namespace) -> int:
    try:
        print(new_identity(options.output))
    except OSError:
        return _wrong("output: the file exists, or cannot be written")
    return _OK


def _unseal(options: argparse.Namespace) -> int:
    try:
        identities = read_identities(options.identity)
    except (OSError, ValueError):
        return _wrong("identity: the file cannot be read, or holds no private key of age")
    opened = failed = 0
    with _keeping(options) as keeping:
        for sealed in keeping.sealed():
            target = (options.output / sealed.name).with_suffix("")
            if target.exists():
                continue
            try:
                make_folders(target.parent)
                unseal(sealed.file, target, identities)
                opened += 1
            except (OSError, ValueError):
                failed += 1
    print(f"{opened} unsealed, {failed} failed")
    return _FOUND if failed else _OK


def _wrong(text: str) -> int:
    print(f"dicomveil receive: {text}", file=sys.stderr)
    return _WRONG_USE
