"""Outputs stay valid: pydicom's dicom-validator finds nothing in them that the input has not.

It reads the standard's DocBook from the network, which a test must not. Here it gets the Types of PS3.3 from
``../shared/tables`` (2026b) in the form in which it keeps them itself. Conditions and enumerated values are
not among these, so what it checks is: attributes of Type 1 and 2 that are missing or empty, attributes that
their IOD does not have, and the form of every value. Values themselves are not compared.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import warnings
from collections import Counter
from functools import cache
from typing import Any

import pytest
from dicom_validator.validator.dicom_info import DicomInfo
from dicom_validator.validator.error_handler import ValidationResultHandler
from dicom_validator.validator.iod_validator import IODValidator
from dicom_validator.validator.validation_result import ValidationResult
from pydicom import config, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import tag_for_keyword

import builders
from dicomveil import case, pipeline
from dicomveil.errors import Refused
from dicomveil.profile import OPTIONS, Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.reading import read_instance
from dicomveil.source import BytesSource, iter_parts

TYPES = builders.SHARED / "tables" / "ps33_iod_module_types_2026b.json.gz"
pytestmark = [
    pytest.mark.skipif(not builders.CORPUS.exists() or not TYPES.exists(), reason="../shared is not here"),
    pytest.mark.filterwarnings("ignore"),  # real files are often not quite valid
]

PROFILES = {
    "default": Profile.default(),
    "all": Profile("all", frozenset(OPTIONS) - {"retain_longitudinal_full_dates"}),
}
#: (tag, kind of error) that is introduced all the same -> why it is none of ours.
EXPLAINED = {
    **dict.fromkeys(
        [(tag, "TagUnexpected") for tag in (0x00120062, 0x00120063, 0x00120064)],
        "PS3.15 E.1.1 wants these markers; palettes and hanging protocols have no module for them",
    ),
    (0x0040100A, "TagMissing"): "Type 2 in a Hanging Protocol, but Table E.1-1 says X without a choice",
    **dict.fromkeys(
        [(tag, "TagMissing") for tag in (0x00700022, 0x00700023, 0x0040A050)],
        "Type 1 of other value types than that of the dummy item in Content Sequence: a condition",
    ),
}


def bracketed(keyword: str) -> str:
    """Return a tag in the form of dicom-validator; of a repeating group one that no data set has."""
    tag = tag_for_keyword(keyword) or 0
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


@cache
def standard() -> DicomInfo:
    """Return the standard's tables in the form of dicom-validator."""
    tables = json.loads(gzip.decompress(TYPES.read_bytes()))
    modules: dict[str, dict[str, Any]] = {}
    for name, attributes in tables["modules"].items():
        module: dict[str, Any] = {}
        for path, type_ in attributes:
            *parents, last = (bracketed(keyword) for keyword in path.split("."))
            here = module
            for parent in parents:
                here = here.setdefault(parent, {"type": "3"}).setdefault("items", {})
            here.setdefault(last, {})["type"] = type_.replace("None", "3")
        modules[name] = module
    iods = {
        uid: {
            "title": iod,
            "group_macros": {},
            "modules": {
                module["key"]: {"ref": module["key"], "use": module["usage"]}
                for module in tables["iod_modules"][iod]
                if module["key"] in modules
            },
        }
        for uid, iod in tables["sop_class_to_iod"].items()
    }
    dictionary = {
        f"({tag >> 16:04X},{tag & 0xFFFF:04X})": {"name": entry[2], "vr": entry[0], "vm": entry[1]}
        for tag, entry in DicomDictionary.items()
    }
    return DicomInfo(dictionary, iods, modules)


class Silent(ValidationResultHandler):
    """Says nothing."""

    def handle_validation_start(self, result: ValidationResult) -> None:
        """Say nothing."""

    def handle_validation_result(self, result: ValidationResult) -> None:
        """Say nothing."""


def errors(data: bytes) -> Counter[tuple[int, str]] | None:
    """Return (tag, kind of error); None if the file cannot be read or its SOP Class is not in the tables."""
    mode = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.IGNORE
    try:
        ds = dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)
        result = IODValidator(ds, standard(), log_level=logging.CRITICAL, error_handler=Silent()).validate()
    except Exception:  # noqa: BLE001 - it stumbles over values of real files
        return None
    finally:
        config.settings.reading_validation_mode = mode
    if result.status.name.endswith("SOPClassUID"):
        return None
    return Counter(
        (int(tag.tag), error.code.name)
        for found in result.module_errors.values()
        for tag, error in found.items()
    )


@cache
def checked_inputs() -> dict[str, Counter[tuple[int, str]]]:
    """Return the errors of the inputs that dicom-validator can check."""
    found = {}
    for path in builders.corpus_files():
        data = builders.corpus_bytes(path)
        if len(data) > 1 << 25:
            continue
        try:
            read_instance(BytesSource(data))
        except Refused:
            continue
        result = errors(data)
        if result is not None:
            found[str(path.relative_to(builders.CORPUS))] = result
    return found


@pytest.mark.parametrize("name", PROFILES)
def test_no_error_is_introduced(name: str) -> None:
    """Over the corpus no output has an error that its input has not, but with a written reason."""
    session = pipeline.Session(PROFILES[name], Pseudonyms(Key(bytes(range(32)))))
    introduced: dict[tuple[str, str], list[str]] = {}
    compared = 0
    for file, before in checked_inputs().items():
        source = BytesSource(builders.corpus_bytes(builders.CORPUS / file))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                cleaned = pipeline.clean_source(source, session, pixels="unclaimed")
        except Refused:
            continue
        after = errors(b"".join(iter_parts(source, cleaned.parts)))
        assert after is not None, file
        compared += 1
        for tag, kind in after - before:
            if (tag, kind) not in EXPLAINED:
                introduced.setdefault((f"{tag:08X}", kind), []).append(file)
    assert compared > 200
    assert introduced == {}


#: Type 1 in the macro of one Value Type each (PS3.3 C.17.3.2), and so conditions in a content item.
OF_OTHER_VALUE_TYPES = {
    (tag, "TagMissing")
    for tag in (
        *(0x00081199, 0x0040A050, 0x0040A130, 0x0040A168, 0x0040A300, 0x0040A801),
        *(0x00700022, 0x00700023, 0x30060024),
    )
}


@pytest.mark.parametrize("name", PROFILES)
def test_the_document_of_a_case_is_valid(name: str) -> None:
    """A Key Object Selection document has what its IOD needs, and nothing that is foreign to it."""
    session = pipeline.Session(PROFILES[name], Pseudonyms(Key(bytes(range(32)))))
    source = BytesSource(builders.encode(builders.ct()))
    cleaned = pipeline.clean_source(source, session)
    about = [case.Reference(cleaned.sop_class, cleaned.sop_instance_uid, cleaned.series_uid, image=True)]
    said = case.Case("Nodule", "Of the lung.", ("lung",), "Hamartoma.")
    found = errors(case.document(source, session, said, about).data)
    assert found is not None
    assert set(found) <= OF_OTHER_VALUE_TYPES


def test_the_run_can_fail() -> None:
    """An output whose Type 1 and Type 2 attributes are gone is found out."""
    ds = builders.ct()
    before = errors(builders.encode(ds))
    del ds.Modality, ds.PatientName
    after = errors(builders.encode(ds))
    assert before is not None
    assert after is not None
    assert {(0x00080060, "TagMissing"), (0x00100010, "TagMissing")} <= set(after - before)
