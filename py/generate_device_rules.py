"""Write ``device_rules.json``: where devices burn in text, from the rules that others have collected.

    python py/generate_device_rules.py ../shared/tables

The rules come from pydicom/deid (``deid.dicom``, MIT), which took most of them over from RSNA CTP. They
have two conventions for areas: ``ctpcoordinates`` are left, top, width, height; ``coordinates`` are the
corners xmin, ymin, xmax, ymax. Here all are [x, y, width, height]. Rules without areas only sort images,
and are left out.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

GENERATOR = "py/generate_device_rules.py"
DATA = Path(__file__).parent / "dicomveil" / "data" / "device_rules.json"
MISSPELT = {"Manfacturer": "Manufacturer", "Manufacture": "Manufacturer"}
#: Attributes that stand in nested items: a rule that asks for one of them at the top never applies.
OVERLAY = {"OverlayDescription": 0x60000022}  # of a repeating group: the first
NESTED = frozenset({"CodeMeaning"})


def condition(text: str) -> list[list[Any]] | None:
    """Read one condition as alternatives of [tag, "contains"|"equals"|"empty", [values]]."""
    alternatives = []
    for part in text.removeprefix("+").split("||"):
        test, keyword, *value = part.split(maxsplit=2)
        if keyword in NESTED:
            return None
        tag = OVERLAY.get(keyword) or tag_for_keyword(MISSPELT.get(keyword, keyword))
        if tag is None:
            raise ValueError(keyword)
        if test in {"empty", "missing"}:
            alternatives.append([tag, "empty", []])
        else:
            values = [one.strip().casefold() for one in value[0].split("|")] if value else [""]
            alternatives.append([tag, test, values])
    return alternatives


def area(kind: str, text: str) -> list[int]:
    """Read an area of either convention as [x, y, width, height]."""
    a, b, c, d = (int(number) for number in re.split(r"\s*,\s*", text.strip()))
    return [a, b, c - a, d - b] if kind == "coordinates" else [a, b, c, d]


def rule(entry: dict[str, Any]) -> dict[str, Any] | None:
    """Return a rule in our form; ``None`` if it has no areas or never applies."""
    conditions = [condition(text) for text in entry["conditions"] if entry["coords"]]
    if not conditions or not all(conditions):
        return None
    areas = [area(kind, text) for kind, text in entry["coords"]]
    return {"label": entry["label"].strip(), "all": conditions, "areas": areas}


def main(tables: Path) -> None:
    """Write the data file."""
    entries = json.loads((tables / "burnedin" / "deid_rules_parsed.json").read_text())
    rules = [made for entry in entries if (made := rule(entry))]
    head = {"generator": GENERATOR, "source": "pydicom/deid, deid.dicom (MIT); most of it from RSNA CTP"}
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in rules)
    text = json.dumps(head)[:-1] + ', "rules": [\n' + lines + "\n]}\n"
    DATA.write_text(text, encoding="utf-8")
    print(len(rules), "rules")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
