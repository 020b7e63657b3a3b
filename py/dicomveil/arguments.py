"""What the arguments of the command line name: small files, inputs, areas to redact, profile and key."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from dicomveil.errors import WrongUse
from dicomveil.pixels.selecting import Selection, selection_of
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key
from dicomveil.rules import Rules

__all__ = ["files_of", "key_of", "profile_of", "read_small", "read_text", "selections_of"]


def read_small(path: Path, limit: int = 1 << 20) -> bytes:
    """Read a small file that an option names."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError:
        raise WrongUse("option-file-unreadable") from None
    if len(data) > limit:
        raise WrongUse("option-file-unreadable")
    return data


def read_text(path: Path, code: str) -> str:
    """Read a small text in UTF-8; ``code`` is the error if it is none."""
    try:
        return read_small(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUse(code) from None


def files_of(inputs: Sequence[Path], output: Path | None) -> list[str]:
    """Return the files of the input: folders recursively and sorted, without the output folder."""
    found: list[str] = []
    target = None if output is None else output.resolve()
    for path in inputs:
        real = path.resolve()
        if target is not None and (real == target or target in real.parents):
            raise WrongUse("output-holds-input")
        if real.is_dir():
            found += _walk(path, target)
        elif path.exists():
            found.append(os.fspath(path))
        else:
            raise WrongUse("input-missing")
    if not found:
        raise WrongUse("no-input")
    return found


def _walk(folder: Path, without: Path | None) -> Iterator[str]:
    for root, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        if without is not None:
            folders[:] = [name for name in folders if (Path(root) / name).resolve() != without]
        yield from (os.path.join(root, name) for name in sorted(files))  # noqa: PTH118 - as they were given


def _raise(_error: OSError) -> NoReturn:
    raise WrongUse("input-missing")


def selections_of(path: Path) -> tuple[Selection, ...]:
    """Read the file of areas to redact, ``{"redactions": [...]}``; see ``pixels.selecting``."""
    try:
        data = json.loads(read_text(path, "redactions-invalid"))
        if data.keys() != {"redactions"}:
            raise WrongUse("redactions-invalid")
        return tuple(map(selection_of, data["redactions"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise WrongUse("redactions-invalid") from None


def profile_of(options: argparse.Namespace) -> Profile:
    """Read the profile, with what is asked for beside it.

    Raises:
        WrongUse: with a code of ``profile.py`` or ``rules.py``; ``option-file-unreadable``.
    """
    profile = Profile.default()
    if options.profile is not None:
        profile = Profile.from_json(read_text(options.profile, "profile-invalid"))
    profile = profile.with_options(options.option) if options.option else profile
    Rules(profile)  # says now if an override cannot be
    return profile


def key_of(options: argparse.Namespace, salt: bytes) -> Key:
    """Read the key, or derive it from the passphrase; without either it is random.

    Raises:
        WrongUse: ``key-invalid``, ``option-file-unreadable``.
    """
    if options.passphrase_file is not None:
        return Key.from_passphrase(read_text(options.passphrase_file, "key-invalid").rstrip("\r\n"), salt)
    if options.key_file is not None:
        data = read_small(options.key_file)
        if len(data) != 32:
            try:
                data = bytes.fromhex(data.decode("ascii").strip())
            except ValueError:
                raise WrongUse("key-invalid") from None
        return Key(data)
    return Key.random()
