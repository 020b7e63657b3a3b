"""The command ``dicomveil profile``: make a profile of another tool's rules, check one, print the schema."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from dicomveil.arguments import read_text
from dicomveil.errors import WrongUse, format_tag
from dicomveil.importing import Difference, imported
from dicomveil.profile import Profile
from dicomveil.rules import Rules
from dicomveil.schema import profile_schema
from dicomveil.tables import element_keyword
from dicomveil.writing import write_whole

__all__ = ["add_profile_command"]

_KINDS = {
    "weaker": "weaker than PS3.15",
    "stricter": "stricter here than the imported rule",
    "looser": "looser here than the imported rules, as PS3.15 allows",
    "fixed": "no profile changes it",
}


def add_profile_command(commands: Any) -> None:  # noqa: ANN401 - argparse has no public name for it
    """Add the command ``profile`` to the others."""
    profile = commands.add_parser("profile", help="import or check a profile", allow_abbrev=False)
    actions = profile.add_subparsers(title="actions", required=True, metavar="import|check|schema")

    action = actions.add_parser("import", help="make a profile of other rules", allow_abbrev=False)
    action.add_argument("file", type=Path, metavar="FILE", help="CTP anonymizer script, or Pacsbin's rules")
    action.add_argument("--output", type=Path, metavar="FILE", help="the profile (default: standard output)")
    action.add_argument("--name", default="imported", help="name of the profile")
    action.add_argument(
        "--accept-weaker", action="store_true", help="also take over what is weaker than PS3.15"
    )
    action.add_argument(
        "--without-quarantine", action="store_true", help="import a CTP script that sets files aside, too"
    )
    action.set_defaults(command=_import)

    action = actions.add_parser("check", help="say whether a profile is valid", allow_abbrev=False)
    action.add_argument("file", type=Path, metavar="FILE", help="profile (JSON)")
    action.set_defaults(command=_check)

    action = actions.add_parser("schema", help="print the JSON schema of profiles", allow_abbrev=False)
    action.set_defaults(command=_schema)


def _import(options: argparse.Namespace) -> int:
    text = read_text(options.file, "import-invalid")
    made = imported(
        text,
        name=options.name,
        accept_weaker=options.accept_weaker,
        without_quarantine=options.without_quarantine,
    )
    content = made.profile.to_json() + "\n"
    if options.output is None:
        sys.stdout.write(content)
    else:
        try:
            write_whole(options.output, content.encode())
        except OSError:
            raise WrongUse("option-file-unwritable") from None
    for difference in made.differences:
        sys.stderr.write(_line(difference) + "\n")
    weaker = sum(difference.kind == "weaker" for difference in made.differences)
    if weaker and not options.accept_weaker:
        sys.stderr.write(f"{weaker} weaker rules were left out: --accept-weaker takes them over\n")
    return 0


def _line(difference: Difference) -> str:
    tag = difference.tag
    where = "all" if tag is None else f"{format_tag(tag)} {element_keyword(tag)}".rstrip()
    taken = "PS3.15 holds" if not difference.taken else f"taken over as {difference.taken}"
    taken = "" if difference.kind in {"fixed", "looser"} else f"; {taken}"
    return f"{where}: {difference.wanted}: {_KINDS[difference.kind]}{taken}"


def _check(options: argparse.Namespace) -> int:
    profile = Profile.from_json(read_text(options.file, "profile-invalid"))
    weaker = Rules(profile).weaker
    for tag, override in sorted(profile.overrides.items()):
        kind = "weaker than PS3.15, accepted" if tag in weaker else "PS3.15 is met"
        sys.stdout.write(f"{format_tag(tag)} {element_keyword(tag)}: {override.action}: {kind}\n")
    claim = "the Basic Profile, but where these have an effect" if weaker else "the Basic Profile"
    sys.stdout.write(f"valid; its outputs claim {claim}\n")
    return 0


def _schema(_options: argparse.Namespace) -> int:
    sys.stdout.write(json.dumps(profile_schema(), indent=1) + "\n")
    return 0
