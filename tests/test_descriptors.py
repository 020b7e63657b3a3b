"""Clean descriptors, measured: what is seeded goes, what a medical text says stays."""

from __future__ import annotations

import pytest

from dicomveil.descriptors import clean_description

TEXTS = (
    "CT CHEST W CONTRAST", "MR BRAIN WO CONTRAST", "US ABDOMEN COMPLETE", "T2 TSE SAG", "AX T1 POST",
    "LEFT KNEE 2 VIEWS", "CHEST PA AND LATERAL", "PET CT WHOLE BODY", "LUMBAR SPINE", "t1_mprage_sag",
    "HEAD ANGIO", "MAMMOGRAM BILATERAL",
)  # fmt: skip
SEEDS = (
    "Zwicklhuber", "Quirina", "Grantlbauer", "Dr Meier", "PID-7731904", "MRN 99887766", "4711", "1947-03-19",
    "19.03.1947", "03/19/1947", "19470319", "+43 7564 99887", "Hinterstoder", "quirina@example.org", "王小東",
    "Люксембург", "Fantasiestadt", "Xaverlweg 17a", "Müllerová", "O'Brannigan",
)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_seeded_goes(seed: str) -> None:
    """Names, IDs, dates, places and addresses go from every description, in front, behind and amid."""
    for text in TEXTS:
        first, _, rest = text.partition(" ")
        for seeded in (f"{seed} {text}", f"{text} {seed}", f"{first} {seed} {rest}"):
            left = clean_description(seeded).casefold()
            words = [word.casefold() for word in seed.replace("-", " ").split() if len(word) > 3]
            assert not [word for word in words if word in left]


def test_what_is_medical_stays() -> None:
    """At least nine of ten words of ordinary descriptions stay."""
    words = [word for text in TEXTS for word in text.replace("_", " ").split()]
    kept = [word for text in TEXTS for word in clean_description(text).split()]
    assert len(kept) >= 0.9 * len(words)
