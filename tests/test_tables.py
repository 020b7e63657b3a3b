"""The tables are the standard's: row by row against its printed text; known facts where that is missing."""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import tag_for_keyword

from dicomveil import tables

ROOT = Path(__file__).parents[1]
PRINTED = ROOT.parent / "shared" / "tables"
DATA = ROOT / "py" / "dicomveil" / "data"

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
US_MULTIFRAME_RETIRED = "1.2.840.10008.5.1.4.1.1.3"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"

CODES = {"D", "Z", "X", "K", "C", "U", "Z/D", "X/Z", "X/D", "X/Z/D", "X/Z/U*"}
OPTIONS = set(tables.METHOD_CODES) - {"basic", "clean_pixel_data", "clean_recognizable_visual_features"}
TEXT_VRS = {"SH", "LO", "ST", "LT", "UC", "UT"}


def tag(keyword: str) -> int:
    """Return the tag of a keyword that pydicom knows."""
    found = tag_for_keyword(keyword)
    assert found is not None
    return int(found)


def printed_rows() -> list[Any]:
    """Return the rows of the printed table, or one that is skipped where it is not there."""
    path = PRINTED / "ps315_e1_1.json"
    if not path.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason="../shared/tables is not here"))]
    return [pytest.param(row, id=row["tag_text"]) for row in json.loads(path.read_text("utf-8"))["rows"]]


def rows_of(name: str, *keys: str) -> list[Any]:
    """Return the rows of another printed table, named by some of their columns."""
    path = PRINTED / name
    if not path.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason="../shared/tables is not here"))]
    rows = json.loads(path.read_text("utf-8"))["rows"]
    return [pytest.param(row, id=" ".join(row[key] for key in keys)) for row in rows]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Return the script that writes the data files, as a module."""
    spec = importlib.util.spec_from_file_location("generate_tables", ROOT / "py" / "generate_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("printed", printed_rows())
def test_row_is_as_printed(printed: dict[str, Any]) -> None:
    """A row of Table E.1-1 has the code of the basic profile and of each option as they are printed."""
    if printed["kind"] == "tag":
        row = tables.row_for(int(printed["tag"], 16))
        assert row is tables.rows()[int(printed["tag"], 16)]
        assert row.keyword == printed["keyword"]
        assert tables.element_keyword(int(printed["tag"], 16)) == printed["keyword"]
        assert tables.element_vrs(int(printed["tag"], 16)) == tuple(printed["vr"])
    elif printed["kind"] == "private":
        row = tables.row_for(0x00091001)
        assert row is tables.PRIVATE
    else:
        element = 0x3000 if printed["element"] == "any" else int(printed["element"], 16)
        row = tables.row_for(int(printed["group_base"], 16) << 16 | element)
    assert row is not None
    assert row.name == printed["name"]
    assert row.vr == tuple(printed["vr"])
    assert row.basic == printed["basic"]
    assert dict(row.options) == printed["options"]


def test_table_is_whole() -> None:
    """Edition 2026d has 657 rows: 653 tags, 3 repeating groups and the private attributes."""
    assert tables.TABLE_EDITION == "2026d"
    assert len(tables.rows()) == 653
    assert len(tables.REPEATING) == 3
    for row in [*tables.rows().values(), *(entry[3] for entry in tables.REPEATING), tables.PRIVATE]:
        assert row.basic in CODES
        assert set(row.options) <= OPTIONS
        assert set(row.options.values()) <= {"K", "C"}


def test_rows_cannot_be_changed() -> None:
    """The rules are shared by everybody, so nobody can change them."""
    with pytest.raises(TypeError):
        tables.rows()[0] = tables.PRIVATE  # type: ignore[index]
    with pytest.raises(TypeError):
        tables.PRIVATE.options["retain_safe_private"] = "K"  # type: ignore[index]


@pytest.mark.parametrize(
    ("keyword", "basic", "options"),
    [
        ("PatientName", "Z", {}),
        ("PatientID", "Z/D", {}),
        ("AccessionNumber", "Z", {}),
        ("SOPInstanceUID", "U", {"retain_uids": "K"}),
        (
            "StudyDate",
            "Z",
            {"retain_longitudinal_full_dates": "K", "retain_longitudinal_modified_dates": "C"},
        ),
        ("PatientAge", "X", {"retain_patient_characteristics": "K"}),
        ("DeviceSerialNumber", "X/Z/D", {"retain_device_identity": "K"}),
        ("ContentSequence", "D", {"clean_structured_content": "C"}),
    ],
)
def test_known_row(keyword: str, basic: str, options: dict[str, str]) -> None:
    """Rows that everybody knows say what everybody knows, without any file but the package's own."""
    row = tables.row_for(tag(keyword))
    assert row is not None
    assert (row.keyword, row.basic, dict(row.options)) == (keyword, basic, options)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0x50000005, "Curve Data"),
        (0x501E3000, "Curve Data"),
        (0x60003000, "Overlay Data"),
        (0x60FE4000, "Overlay Comments"),
        (0x50010010, "Private Attributes"),
        (0x60013000, "Private Attributes"),
        (0x00090010, "Private Attributes"),
        (0x60000010, None),
        (0x00280010, None),
        (0x51003000, None),
    ],
)
def test_repeating_groups_and_private(number: int, name: str | None) -> None:
    """Curves and overlays of every even group have their row; every odd group is private."""
    row = tables.row_for(number)
    assert (row.name if row else None) == name


def test_every_row_is_a_known_element() -> None:
    """PS3.6 knows every tag of the table, so that implicit VR is never guessed for one of them."""
    for number, row in tables.rows().items():
        assert tables.element_vrs(number) == row.vr
        assert tables.element_keyword(number) == row.keyword


@pytest.mark.parametrize(
    ("number", "vrs", "keyword"),
    [
        (0x00100010, ("PN",), "PatientName"),
        (0x00100011, ("SQ",), "PersonNamesToUseSequence"),
        (0x3004007F, ("LO",), "DoseCalculationModelName"),
        (0x7FE00010, ("OB", "OW"), "PixelData"),
        (0x00280106, ("US", "SS"), "SmallestImagePixelValue"),
        (0x60103000, ("OB", "OW"), "OverlayData"),
        (0x60100022, ("LO",), "OverlayDescription"),
        (0x00080000, ("UL",), "GroupLength"),
        (0xFFFEE000, (), "Item"),
        (0x00091001, None, ""),
        (0x00090000, None, ""),
        (0x60011001, None, ""),
        (0x0008EEEE, None, ""),
    ],
)
def test_element(number: int, vrs: tuple[str, ...] | None, keyword: str) -> None:
    """The dictionary holds pydicom's elements, newer ones and repeating groups, and nothing private."""
    assert tables.element_vrs(number) == vrs
    assert tables.element_keyword(number) == keyword


def test_names() -> None:
    """Every tag has a name that can be shown."""
    assert tables.element_name(0x00100010) == "Patient's Name"
    assert tables.element_name(0x00100012) == "Name to Use"
    assert tables.element_name(0x00091001) == "Private Attribute"
    assert tables.element_name(0x0008EEEE) == "Unknown Attribute"


@pytest.mark.parametrize(
    ("sop_class", "keywords", "strictest"),
    [
        (CT, "PatientName", "2"),
        (CT, "SOPInstanceUID", "1"),
        (CT, "SeriesDate", "3"),
        (CT, "ContentSequence", None),
        (CT, "ReferencedImageSequence ReferencedSOPInstanceUID", "1"),
        (CT, "ContrastBolusAgent", "2"),
        (GSPS, "PresentationCreationDate", "1"),
        (ENHANCED_MR, "AcquisitionDateTime", "1C"),
        (COMPREHENSIVE_SR, "ContentSequence TextValue", "1C"),
        (COMPREHENSIVE_SR, "ContentSequence ContentSequence ContentSequence TextValue", "1C"),
        (US_MULTIFRAME_RETIRED, "PatientID", "2"),
        (LABEL_MAP, "PatientID", "2"),
        ("1.2.3", "PatientID", None),
    ],
)
def test_attribute_type(sop_class: str, keywords: str, strictest: str | None) -> None:
    """The Type is the strictest of the IOD's modules, at any depth."""
    path = tuple(tag(keyword) for keyword in keywords.split())
    assert tables.attribute_type(sop_class, path) == strictest


def test_types_agree_with_the_resolution_of_compound_codes() -> None:
    """For every SOP class and compound code, the Type is the one that PS3.3 gives at the root."""
    path = PRINTED / "iod_compound_resolution.json.gz"
    if not path.exists():
        pytest.skip("../shared/tables is not here")
    order = ("1", "1C", "2", "2C", "3", "None")
    resolution = json.loads(gzip.decompress(path.read_bytes()))
    assert len(resolution["sop"]) == 180
    for sop_class, entry in resolution["sop"].items():
        for keyword, attribute in entry["attrs"].items():
            types = [printed for printed, _usage in attribute.get("root_types", [])]
            expected = min(types, key=order.index).replace("None", "3") if types else None
            assert tables.attribute_type(sop_class, (tag(keyword),)) == expected, (sop_class, keyword)


def test_nothing_is_parsed_before_it_is_asked_for() -> None:
    """One question parses the sets of attributes that it walks, not all of them."""
    iods = tables._Iods((DATA / "iod_types.txt").read_text("ascii"))
    assert all(isinstance(attributes, str) for attributes in iods._sets)
    assert iods.within(CT, ())
    parsed = sum(not isinstance(attributes, str) for attributes in iods._sets)
    assert 0 < parsed < 60 < len(iods._sets)


def test_sop_classes() -> None:
    """Registered SOP classes are known, newer and retired ones too; private ones are not."""
    for sop_class in (CT, US_MULTIFRAME_RETIRED, LABEL_MAP, "1.2.840.10008.5.1.4.1.1.9"):
        assert tables.known_sop_class(sop_class)
    for sop_class in ("1.2.276.0.7230010.3.1.0.1", "", "1.2.840.10008.1.2.1"):
        assert not tables.known_sop_class(sop_class)
    assert tables.iod_name(CT) == "ct-image"
    assert tables.iod_name("1.2.3") is None


@pytest.mark.parametrize(
    ("uid", "standard"),
    [
        (CT, True),
        (LABEL_MAP, True),
        ("1.2.840.10008.1.2.1", True),
        ("1.2.840.10008.1.2.8.1", True),
        ("1.2.840.10008.1.4.1.1", True),  # Talairach Brain Atlas Frame of Reference
        ("1.2.840.10008.15.1.1", True),  # Universal Coordinated Time
        ("1.2.840.10008.6.1.1497", True),
        ("1.2.840.10008.2.16.4", True),
        ("2.16.840.1.113883.6.96", True),
        ("2.16.840.1.113883.6.8", True),
        ("1.2.840.10008.5.1.4.1.1.2.20261121.1", False),
        ("1.2.840.10008.6.1.1497.5", False),
        ("1.2.840.113619.2.55", False),
        ("2.25.1", False),
        ("", False),
    ],
)
def test_standard_uid(uid: str, standard: bool) -> None:  # noqa: FBT001 - a table of cases
    """A UID of the standard or of a public coding scheme is told from one that names an instance."""
    assert tables.is_standard_uid(uid) is standard
    assert not (tables.uid_name(uid) and not standard)


def test_method_codes() -> None:
    """Each option, and the basic profile, has its code of CID 7050."""
    assert len(tables.METHOD_CODES) == 13
    assert tables.METHOD_CODES["basic"] == ("113100", "Basic Application Confidentiality Profile")
    assert tables.METHOD_CODES["clean_pixel_data"] == ("113101", "Clean Pixel Data Option")
    assert tables.METHOD_CODES["retain_institution_identity"][0] == "113112"
    codes = sorted(code for code, _meaning in tables.METHOD_CODES.values())
    assert codes == [str(number) for number in range(113100, 113113)]


def test_safe_text_is_reviewed_text_outside_the_table() -> None:
    """The reviewed attributes are text of PS3.6, have no row, and carry their keyword and a reason."""
    reviewed = json.loads((DATA / "safe_text.json").read_text("utf-8"))
    assert list(reviewed) == sorted(reviewed)
    assert {int(number, 16) for number in reviewed} == set(tables.SAFE_TEXT)
    for number, entry in reviewed.items():
        assert set(tables.element_vrs(int(number, 16)) or ()) & TEXT_VRS, number
        assert tables.row_for(int(number, 16)) is None, number
        assert entry["keyword"] == tables.element_keyword(int(number, 16))
        assert len(entry["reason"]) > 5


@pytest.mark.parametrize(
    "keyword",
    [
        "SegmentLabel",
        "ContentLabel",
        "BeamName",
        "TextValue",
        "DeviceID",
        "RadiationMachineName",
        "ImageID",
        "ReconstructionDescription",
        "PixelSpacingCalibrationDescription",
        "CodingSchemeResponsibleOrganization",
        "AlgorithmParameters",
        "TrackingID",
    ],
)
def test_typed_text_is_not_safe(keyword: str) -> None:
    """What an operator types, or what names one device or site, is never taken as safe."""
    assert tag(keyword) not in tables.SAFE_TEXT


def test_data_files_name_generator_and_edition() -> None:
    """Each generated data file says which generator wrote it, and from which edition."""
    for name, edition in {"rules.json": "2026d", "elements.json": "2026d", "uids.json": "2026d"}.items():
        content = json.loads((DATA / name).read_text("utf-8"))
        assert content["generator"] == "py/generate_tables.py"
        assert content["edition"] == edition
    first = (DATA / "iod_types.txt").read_text("ascii").splitlines()[0]
    assert "2026b" in first
    assert "py/generate_tables.py" in first


def test_data_files_are_what_the_generator_writes(generator: ModuleType) -> None:
    """The committed data files are byte for byte what the committed generator makes of the printed tables."""
    if not PRINTED.exists():
        pytest.skip("../shared/tables is not here")
    generated = generator.generate(PRINTED)
    for name, content in generated.items():
        assert (DATA / name).read_bytes() == content, name


def test_newer_elements_are_not_in_pydicom() -> None:
    """An element is carried only while pydicom does not know it."""
    for number in tables._newer_elements():
        assert number not in DicomDictionary


@pytest.mark.parametrize(
    "printed", rows_of("ps315_e3_4_1_sr_codes.json", "scheme", "code_value", "value_type")
)
def test_concept_is_as_printed(printed: dict[str, Any]) -> None:
    """A row of Table E.3.4-1 has its codes, also where another value type of the concept has others."""
    scheme = printed["scheme"].split(" ")[0]
    found = tables.concept_codes(scheme, printed["code_value"], printed["value_type"])
    assert found == (printed["basic"], printed["options"])


def test_older_codes_of_a_concept_have_its_rule() -> None:
    """SNOMED CT concepts are known by the codes that they had in older instances; others are unknown."""
    assert tables.concept_codes("SCT", "371524004", "TEXT") == ("X", {"clean_descriptors": "C"})
    assert tables.concept_codes("SRT", "R-42B89", "TEXT") == tables.concept_codes("SCT", "371524004", "TEXT")
    assert tables.concept_codes("99LOCAL", "371524004", "TEXT") is None


@pytest.mark.parametrize("printed", rows_of("ps315_safe_private.json", "tag", "private_creator"))
def test_safe_private_is_as_printed(printed: dict[str, Any]) -> None:
    """A row of Table E.3.10-1 is there with its VR, unless its VR is missing or hides what is in it."""
    listed = tables.safe_private().get(printed["private_creator"], {})
    vr = listed.get(printed["group"] + printed["element_low"])
    assert vr == (None if printed["vr"][:2] in {"", "OB", "OW"} else printed["vr"])
