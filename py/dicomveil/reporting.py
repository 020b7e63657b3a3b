"""The report: what happened to each input, without a value and without a file name.

``{"version", "table_edition", "profile": {"name", "options"}, "files": [entry, ...]}``, and an entry is
``{"input": <1-based order>, "status": "clean"|"refused", "code", "tag", "output", "sop_class",
"transfer_syntax", "actions": {"X": n, ...}, "warnings": [codes], "pixels"}``. Every input has exactly one.
The page adds ``review``: how a person saw the pixels (:data:`REVIEWS`), never who.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dicomveil import __version__
from dicomveil.errors import format_tag
from dicomveil.patients import Finding
from dicomveil.pipeline import Cleaned
from dicomveil.profile import Profile
from dicomveil.tables import TABLE_EDITION

__all__ = ["REVIEWS", "Entry", "clean_entry", "refused_entry", "report"]

Entry = dict[str, Any]
#: The one frame was shown; each of several was; all were in one picture of their brightest and one of their
#: darkest values; each second of a video was played; somebody saw it in another program; areas were drawn.
REVIEWS = ("shown", "frames", "projection", "played", "elsewhere", "covered")


def clean_entry(number: int, cleaned: Cleaned) -> Entry:
    """Return the entry of input ``number`` (from 1), of which ``cleaned`` was written."""
    return {
        "input": number,
        "status": "clean",
        "code": None,
        "tag": None,
        "output": cleaned.name,
        "sop_class": cleaned.sop_class,
        "transfer_syntax": cleaned.transfer_syntax,
        "actions": dict(cleaned.actions),
        "warnings": list(cleaned.warnings),
        "pixels": cleaned.pixels,
    }


def refused_entry(number: int, code: str, tag: int | None = None) -> Entry:
    """Return the entry of input ``number`` (from 1), of which nothing was written."""
    return {
        "input": number,
        "status": "refused",
        "code": code,
        "tag": None if tag is None else format_tag(tag),
        "output": None,
        "sop_class": None,
        "transfer_syntax": None,
        "actions": {},
        "warnings": [],
        "pixels": "none",
    }


def _overrides(profile: Profile) -> dict[str, Any]:
    """List the overrides of a profile, if it has any: tag, action and the reason that its author gave."""
    if not profile.overrides:
        return {}
    return {
        "overrides": [
            {"tag": format_tag(tag), "action": override.action, "reason": override.reason}
            for tag, override in sorted(profile.overrides.items())
        ]
    }


def report(profile: Profile, entries: Iterable[Mapping[str, Any]], patients: Sequence[Finding] = ()) -> str:
    """Return the report as JSON, its entries in the order of the input.

    ``patients``, if there are any, become ``[{"code", "inputs": [[1, 2], [3]]}]``: the groups of inputs of
    which it should be decided whether they are one person's.
    """
    content = {
        "version": __version__,
        "table_edition": TABLE_EDITION,
        "profile": {"name": profile.name, "options": sorted(profile.options)} | _overrides(profile),
        **({"patients": [finding._asdict() for finding in patients]} if patients else {}),
        "files": sorted(entries, key=lambda entry: entry["input"]),
    }
    return json.dumps(content, indent=1) + "\n"
