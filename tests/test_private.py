"""Safe private elements: what a file declares of its own private blocks (PS3.3 C.12.1.1.7)."""

from __future__ import annotations

import io

import pytest
from pydicom import Dataset, dcmread

import builders
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Pseudonyms
from dicomveil.source import BytesSource, iter_parts

CREATOR = "ACME DECLARED"


def declared(status: str, elements: list[int] | None = None) -> Dataset:
    """Return a CT with a private block, and what it says of it."""
    ds = builders.ct()
    block = ds.private_block(0x0011, CREATOR, create=True)
    block.add_new(0x01, "DS", "1.5")
    block.add_new(0x02, "IS", "42")
    block.add_new(0x03, "LO", "Zwicklhuber wrote this")
    block.add_new(0x04, "OB", b"\1\2")
    block.add_new(0x05, "CS", "CODE")
    inner = Dataset()
    inner_block = inner.private_block(0x0011, CREATOR, create=True)
    inner_block.add_new(0x02, "IS", "43")
    inner_block.add_new(0x03, "LO", "text")
    inner.PatientComments = "text"
    block.add_new(0x06, "SQ", [inner])
    item = Dataset()
    item.PrivateGroupReference, item.PrivateCreatorReference = 0x0011, CREATOR
    item.BlockIdentifyingInformationStatus = status
    if elements:
        item.NonidentifyingPrivateElements = elements
    ds.PrivateDataElementCharacteristicsSequence = [item]
    return ds


def left(ds: Dataset, pseudonyms: Pseudonyms, *options: str) -> tuple[set[int], Dataset]:
    """Return the elements of the block that come out, and the output."""
    source = BytesSource(builders.encode(ds))
    session = Session(Profile("private", frozenset(options)), pseudonyms)
    result = clean_source(source, session, pixels="unclaimed")
    output = dcmread(io.BytesIO(b"".join(iter_parts(source, result.parts))))
    return {
        elem.tag.element & 0xFF for elem in output if elem.tag.is_private and elem.tag.element > 0xFF
    }, output


@pytest.mark.parametrize(
    ("status", "elements", "kept"),
    [
        ("SAFE", None, {1, 2, 5, 6}),
        ("MIXED", [1, 3, 4], {1}),
        ("MIXED", [2, 6], {2, 6}),
        ("UNSAFE", [1, 2], set()),
        ("OTHER", None, set()),
    ],
)
def test_numbers_and_codes_that_are_declared_safe_stay(
    status: str, elements: list[int] | None, kept: set[int], pseudonyms: Pseudonyms
) -> None:
    """Text and OB do not, whatever is declared; a creator stays with what stays; the declaration goes."""
    found, output = left(declared(status, elements), pseudonyms, "retain_safe_private")
    assert found == kept
    assert output.private_creators(0x0011) == ([CREATOR] if kept else [])
    assert "PrivateDataElementCharacteristicsSequence" not in output
    if 6 in kept:
        (inner,) = output.private_block(0x0011, CREATOR)[0x06].value
        assert "PatientComments" not in inner
        block = inner.private_block(0x0011, CREATOR)
        assert 0x03 not in block
        assert (0x02 in block) == (2 in kept)


def test_without_the_option_nothing_private_stays(pseudonyms: Pseudonyms) -> None:
    """A declaration is no option."""
    found, output = left(declared("SAFE"), pseudonyms)
    assert not found
    assert output.private_creators(0x0011) == []
