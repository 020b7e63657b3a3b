"""Write py/dicomveil/data/code_meanings.txt: meanings of codes that have words outside the vocabulary.

    python py/generate_codes.py

From the concept names of PS3.16 that pydicom carries, with the older SNOMED codes; and all codes of DCM that
are no numbers, since these are known by their list only. Run it after ``generate_vocabulary.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from dicomveil.codes import STANDARD_SCHEMES, is_plain

TARGET = Path(__file__).parent / "dicomveil" / "data" / "code_meanings.txt"
#: Languages (RFC 5646) are no codes of a context group of PS3.16.
LANGUAGES = {
    "de": "German", "en": "English", "en-US": "English (United States)", "es": "Spanish", "fr": "French",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pt": "Portuguese", "zh": "Chinese",
}  # fmt: skip
Concepts = dict[str, dict[str, dict[str, tuple[str, object]]]]


def known() -> set[tuple[str, str, str]]:
    """Return (scheme, value, meaning) of all codes."""
    found = {(scheme, *entry) for scheme in ("RFC5646", "RFC3066") for entry in LANGUAGES.items()}
    older = mapping["SCT"]
    for scheme, names in cast("Concepts", concepts).items():
        for codes in names.values():
            for value, (meaning, _cids) in codes.items():
                found.add((scheme, value, meaning))
                if scheme == "SCT" and value in older:
                    found.add(("SRT", older[value], meaning))
    return {(scheme, value, meaning) for scheme, value, meaning in found if scheme in STANDARD_SCHEMES}


def lines() -> list[str]:
    """Return a line a code that the vocabulary alone does not let pass, the meaning in lower case."""
    kept = []
    for scheme, value, meaning in known():
        named = scheme == "DCM" and not value.isdigit()
        if named or not is_plain(meaning):
            kept.append(f"{scheme} {value}\t{meaning.casefold()}")
    return sorted(kept)


if __name__ == "__main__":
    TARGET.write_text("\n".join(["", *lines(), ""]), encoding="utf-8")
