"""Content items keep their form: where nothing of a value may stay, a dummy does (PS3.3 Section 10.2)."""

from __future__ import annotations

import io

import pytest
from pydicom import Dataset, dcmread

import builders
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Pseudonyms
from dicomveil.source import BytesSource, iter_parts


def context_item(value_type: str, keyword: str, value: object) -> Dataset:
    """Return an item of Acquisition Context Sequence whose concept is not in Table E.3.4-1."""
    item = Dataset()
    item.ValueType = value_type
    item.ConceptNameCodeSequence = [builders.code("113110", "DCM", "Instance Creation")]
    setattr(item, keyword, value)
    return item


@pytest.mark.parametrize(
    ("value_type", "keyword", "value", "left"),
    [
        ("TEXT", "TextValue", "Zwicklhuber", "REMOVED"),
        ("TEXT", "TextValue", "left knee Zwicklhuber", "left knee"),
        ("PNAME", "PersonName", "Zwicklhuber^Quirina", "REMOVED"),
        ("DATE", "Date", "20250311", "19000101"),
        ("TIME", "Time", "101112", "000000"),
        ("DATETIME", "DateTime", "20250311101112", "19000101000000"),
    ],
)
def test_a_content_item_keeps_a_value(
    value_type: str, keyword: str, value: object, left: str, pseudonyms: Pseudonyms
) -> None:
    """What may not stay is replaced, not taken out: the item would be invalid without."""
    ds = builders.ct()
    ds.AcquisitionContextSequence = [context_item(value_type, keyword, value)]
    profile = Profile("content", frozenset({"clean_structured_content", "clean_descriptors"}))
    source = BytesSource(builders.encode(ds))
    result = clean_source(source, Session(profile, pseudonyms), pixels="unclaimed")
    output = dcmread(io.BytesIO(b"".join(iter_parts(source, result.parts))))
    (item,) = output.AcquisitionContextSequence
    assert (item.ValueType, str(item[keyword].value)) == (value_type, left)
