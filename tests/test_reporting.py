"""The report of the page: how a person saw the pixels, told by the few words that there are for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dicomveil import browser
from dicomveil.pipeline import Cleaned
from dicomveil.reporting import REVIEWS, clean_entry, refused_entry

CLEAN: dict[str, Any] = {
    "status": "clean",
    "code": None,
    "tag": None,
    "name": "P/S/R/I.dcm",
    "sop_class": "1.2.840.10008.5.1.4.1.1.7",
    "transfer_syntax": "1.2.840.10008.1.2.1",
    "actions": {"X": 3},
    "warnings": [],
    "pixels": "confirmed",
    "sop_instance_uid": "2.25.1",
    "study_uid": "2.25.2",
    "series_uid": "2.25.3",
}


def entries(*files: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a report on these answers."""
    found: list[dict[str, Any]] = json.loads(browser.report(json.dumps(files)))["files"]
    return found


@pytest.mark.parametrize("means", REVIEWS)
def test_each_means_of_a_look_is_reported(means: str) -> None:
    """One word for each, and no other word of the page's answer."""
    (entry,) = entries({**CLEAN, "review": [means]})
    assert entry["review"] == [means]


def test_what_the_page_makes_up_is_not_reported() -> None:
    """Words that are none of these stay out, as a name would; the order is always the same."""
    said = ["covered", "Zwicklhuber^Quirina", "shown", "SHOWN", ""]
    (entry,) = entries({**CLEAN, "review": said})
    assert entry["review"] == ["shown", "covered"]
    assert "Zwicklhuber" not in json.dumps(entry)


def test_nobody_looked_at_what_has_no_review() -> None:
    """An image without risk that nobody saw has an empty list; one that is left out has none at all."""
    first, second = entries(CLEAN, {"status": "refused", "code": "pixels-need-review", "review": ["shown"]})
    assert first["review"] == []
    assert "review" not in second
    assert [first["input"], second["input"]] == [1, 2]


def test_page_and_command_line_report_the_same_members() -> None:
    """But for what only the page knows: how a person looked."""
    (clean, refused) = entries(CLEAN, {"status": "refused", "code": "undecodable", "tag": 0x00080005})
    assert set(refused) == set(refused_entry(1, "x"))
    members = {name: value for name, value in CLEAN.items() if name not in {"status", "code", "tag"}}
    by_command = clean_entry(1, Cleaned(parts=[], **members))
    assert clean == {**by_command, "review": []}
