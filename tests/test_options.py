"""Options together: every legal combination claims exactly what ran, and pairs do what the reference does."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import combinations, product

import pytest
from pydicom import dcmread

import builders
from dicomveil import tables
from dicomveil.errors import WrongUse
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import OPTIONS, Profile
from dicomveil.pseudonyms import Pseudonyms
from dicomveil.source import BytesSource, iter_parts
from test_reference import assert_same

FULL, MODIFIED = "retain_longitudinal_full_dates", "retain_longitudinal_modified_dates"
#: Options whose code is written only if they ran: on pixels that somebody looked at, and never.
ON_PIXELS, NEVER = "clean_pixel_data", "clean_recognizable_visual_features"
OTHERS = sorted(set(OPTIONS) - {FULL, MODIFIED})
SMALL = builders.raw_file(
    [
        (0x00080016, "UI", builders.even("1.2.840.10008.5.1.4.1.1.2", "\0")),
        (0x00080018, "UI", builders.even("1.2.826.0.1.3680043.10.9999.7", "\0")),
        (0x00080020, "DA", b"20210523"),
        (0x00100010, "PN", b"Zwicklhuber^Quirina "),
    ]
)


def legal() -> Iterator[frozenset[str]]:
    """Yield every combination of options in which the two date options are not together."""
    for chosen in product([False, True], repeat=len(OTHERS)):
        some = {option for option, wanted in zip(OTHERS, chosen, strict=True) if wanted}
        for dates in (set[str](), {FULL}, {MODIFIED}):
            yield frozenset(some | dates)


def test_every_legal_combination_claims_what_ran(pseudonyms: Pseudonyms) -> None:
    """Of 3,072 combinations each one is cleaned, verified, and has the codes of CID 7050 for what ran."""
    counted = 0
    for options in legal():
        source = BytesSource(SMALL)
        session = Session(Profile("combination", options), pseudonyms)
        output = b"".join(iter_parts(source, clean_source(source, session).parts))
        ds = dcmread(io.BytesIO(output))
        written = {item.CodeValue for item in ds.DeidentificationMethodCodeSequence}
        ran = {"basic"} | options - {ON_PIXELS, NEVER}
        assert written == {tables.METHOD_CODES[option][0] for option in ran}, sorted(options)
        temporal = "UNMODIFIED" if FULL in options else "MODIFIED" if MODIFIED in options else "REMOVED"
        assert ds.LongitudinalTemporalInformationModified == temporal
        assert ("StudyDate" in ds and ds.StudyDate == "20210523") == (FULL in options)
        counted += 1
    assert counted == 3072


def test_the_two_date_options_exclude_each_other() -> None:
    """PS3.15 E.3.6 has one of them at most."""
    with pytest.raises(WrongUse) as caught:
        Profile("both", frozenset({FULL, MODIFIED}))
    assert caught.value.code == "option-conflict"


@pytest.mark.parametrize("kind", ["ct", "sr", "presentation-state"])
def test_pairs_of_options_do_what_the_reference_does(kind: str, pseudonyms: Pseudonyms) -> None:
    """Two options together change what each changes, and nothing else."""
    data = builders.encode(builders.BUILDERS[kind](builders.PATIENT, 1))
    pairs = [pair for pair in combinations(OPTIONS, 2) if set(pair) != {FULL, MODIFIED}]
    assert len(pairs) == 65
    for pair in pairs:
        assert assert_same(data, pseudonyms, Profile("pair", frozenset(pair))), pair
