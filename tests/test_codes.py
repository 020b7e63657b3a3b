"""Codes and character sets: what of a public code is believed, and that output text is legal."""

from __future__ import annotations

import io

import pytest
from pydicom import Dataset, dcmread

import builders
from dicomveil.charset import defined_terms, is_legal_text
from dicomveil.codes import STANDARD_SCHEMES, code_meaning, is_public_code
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Pseudonyms
from dicomveil.source import BytesSource, iter_parts


def cleaned(ds: Dataset, pseudonyms: Pseudonyms, *options: str) -> Dataset:
    """Return what comes out of an instance under options alone."""
    source = BytesSource(builders.encode(ds))
    session = Session(Profile("codes", frozenset(options)), pseudonyms)
    result = clean_source(source, session, pixels="unclaimed")
    return dcmread(io.BytesIO(b"".join(iter_parts(source, result.parts))))


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        ("SCT", "12738006"), ("SRT", "T-A0100"), ("SRT", "P5-09051"), ("SNM3", "C-111A1"), ("DCM", "121071"),
        ("DCM", "CT"), ("UCUM", "mm"), ("UCUM", "[hnsf'U]"), ("UCUM", "{ratio}"), ("UCUM", "{H.B.}/min"),
        ("LN", "18785-6"), ("I10", "I67.1"), ("RADLEX", "RID1301"), ("RFC5646", "en-US"),
        ("SCPECG", "5.6.3-9-61"), ("MDC", "2:1"), ("FMA", "7088"),
    ],
)  # fmt: skip
def test_a_code_has_the_form_of_its_scheme(scheme: str, value: str) -> None:
    """Codes as PS3.16 and their schemes print them are public."""
    assert is_public_code(scheme, value)


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        ("SCT", "MEIER"), ("SCT", "PID-7731904"), ("DCM", "MEIER"), ("DCM", "4711"), ("SRT", "Zwicklhuber"),
        ("UCUM", "{Zwicklhuber}"), ("UCUM", "Anna Meier"), ("LN", "7731904"), ("I10", "19470319"),
        ("RADLEX", "7731904"), ("RFC5646", "Anna Meier"), ("99LOCAL", "1"), ("", "1"), ("MDC", "x"),
    ],
)  # fmt: skip
def test_anything_else_is_a_local_code(scheme: str, value: str) -> None:
    """A name or a number in another form is no code of the scheme."""
    assert not is_public_code(scheme, value)


def test_every_scheme_has_codes_and_refuses_text() -> None:
    """No form lets pass a text with a space in it."""
    assert len(STANDARD_SCHEMES) > 50
    assert not [scheme for scheme in STANDARD_SCHEMES if is_public_code(scheme, "Anna Meier")]


@pytest.mark.parametrize(
    ("scheme", "value", "meaning", "left"),
    [
        ("SCT", "12738006", "Brain", "Brain"),
        ("SCT", "12738006", "Brain of Zwicklhuber", "Brain of"),
        ("SCT", "12738006", "Zwicklhuber", ""),
        ("DCM", "121071", "Finding", "Finding"),
        ("RFC5646", "en", "English", "English"),
        ("RFC5646", "de", "English", ""),
        ("SCT", "12738006", "mm/s", "mm/s"),
        ("SCT", "12738006", "06 12 34 56 78", ""),
        ("SCT", "12738006", "31.01.24", ""),
        ("SCT", "12738006", "\u738b\u82b3", ""),
    ],
)
def test_meanings(scheme: str, value: str, meaning: str, left: str) -> None:
    """A meaning is the scheme's for that code, or it consists of words of the vocabulary."""
    assert code_meaning(scheme, value, meaning) == left


def test_every_value_of_a_code_has_the_form_of_its_scheme(pseudonyms: Pseudonyms) -> None:
    """A Long Code Value beside a Code Value that is public may say anything: the code is a local one."""
    ds = builders.ct()
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "12738006", "SCT", "Brain"
    region.LongCodeValue = "Zwicklhuber"
    ds.AnatomicRegionSequence = [region]
    (left,) = cleaned(ds, pseudonyms).AnatomicRegionSequence
    assert "Zwicklhuber" not in str(left)
    assert left.CodingSchemeDesignator == "99DICOMVEIL"


def test_meanings_of_the_context_groups_are_believed() -> None:
    """What PS3.16 says of a code stays, letter by letter; one in nine is tried."""
    import generate_codes

    changed = [
        (scheme, value)
        for scheme, value, meaning in sorted(generate_codes.known())[::9]
        if code_meaning(scheme, value, meaning) != meaning
    ]
    assert changed == []


def test_codes_come_out(pseudonyms: Pseudonyms) -> None:
    """Of a public code what is not the scheme's goes; one without its form is a local code."""
    ds = builders.ct()
    ds.AnatomicRegionSequence = [
        builders.code("12738006", "SCT", "Brain"),
        builders.code("12738006", "SCT", "Brain, Zwicklhuber"),
        builders.code("12738006", "SCT", "Zwicklhuber"),
        builders.code("PID-7731904", "SCT", "Zwicklhuber"),
    ]
    plain, some, none, local = cleaned(ds, pseudonyms).AnatomicRegionSequence
    assert (plain.CodeValue, plain.CodeMeaning) == ("12738006", "Brain")
    assert (some.CodeValue, some.CodeMeaning) == ("12738006", "Brain")
    assert (none.CodeValue, none.CodeMeaning) == ("12738006", "REMOVED")
    assert (local.CodingSchemeDesignator, local.CodeMeaning) == ("99DICOMVEIL", "REMOVED")
    assert local.CodeValue.startswith("X")


@pytest.mark.parametrize(
    ("options", "label", "left"),
    [
        ((), "ZWICKLHUBER", "REMOVED"),
        ((), "SEGMENTATION", "REMOVED"),
        (("clean_descriptors",), "LIVER ZWICKLHUB", "LIVER"),
        (("clean_descriptors",), "ZWICKLHUBER", "REMOVED"),
    ],
)
def test_content_label_is_text(
    options: tuple[str, ...], label: str, left: str, pseudonyms: Pseudonyms
) -> None:
    """Content Label is a CS that a person types: it counts as free text, and stays there for the IOD."""
    ds = builders.presentation_state()
    ds.ContentLabel = label
    assert cleaned(ds, pseudonyms, *options).ContentLabel == left


@pytest.mark.parametrize(
    ("declared", "terms"),
    [
        (b"ISO_IR 192", b"ISO_IR 192"), (b"utf-8 ", b"ISO_IR 192"), (b"UTF8", b"ISO_IR 192"),
        (b"latin1", b"ISO_IR 100"), (b"ISO8859-1 ", b"ISO_IR 100"), (b"ISO-IR 100", b"ISO_IR 100"),
        (b"ISO 2022-IR 87", b"ISO 2022 IR 87"), (b"\\ISO 2022 IR 87 ", b"\\ISO 2022 IR 87"), (b"", b""),
        (b"gb18030 ", b"GB18030"), (b"iso_ir 100", b"ISO_IR 100"), (b"nonsense", None), (b"cp1252", None),
        (b"hex_codec", None), (b"ISO_IR 999", None), (b"ISO_IR 203", b"ISO_IR 203"),
        (b"iso8859-15", b"ISO_IR 203"),
    ],
)  # fmt: skip
def test_character_sets_are_named_as_the_standard_does(declared: bytes, terms: bytes | None) -> None:
    """What pydicom understands is written as its Defined Term; what has none is not passed on."""
    assert defined_terms(declared) == terms


@pytest.mark.parametrize("charset", ["utf-8", "ISO-IR 100", "nonsense"])
def test_text_is_legal_in_what_the_output_declares(charset: str, pseudonyms: Pseudonyms) -> None:
    """Kept text has its bytes only where the declared character set has them."""
    encoding = {"utf-8": "utf-8", "ISO-IR 100": "latin-1", "nonsense": "latin-1"}[charset]
    name = "Städtische".encode(encoding)
    data = builders.raw_file(
        [
            (0x00080005, "CS", builders.even(charset)),
            (0x00080016, "UI", builders.even("1.2.840.10008.5.1.4.1.1.2", "\0")),
            (0x00080018, "UI", builders.even("1.2.826.0.1.3680043.10.9999.7", "\0")),
            (0x00080080, "LO", name + b" " * (len(name) % 2)),
        ]
    )
    source = BytesSource(data)
    session = Session(Profile("codes", frozenset({"retain_institution_identity"})), pseudonyms)
    result = clean_source(source, session, pixels="unclaimed")
    output = dcmread(io.BytesIO(b"".join(iter_parts(source, result.parts))))
    if charset == "nonsense":
        assert "SpecificCharacterSet" not in output
        assert not output.get("InstitutionName")
    else:
        assert output.SpecificCharacterSet == {"utf-8": "ISO_IR 192", "ISO-IR 100": "ISO_IR 100"}[charset]
        assert output.InstitutionName == "Städtische"


@pytest.mark.parametrize(
    ("value", "encodings", "legal"),
    [
        (b"plain", ("iso8859",), True),
        (b"St\xe4dt", ("iso8859",), False),
        (b"St\xe4dt", ("latin_1",), True),
        (b"St\xe4dt", ("UTF8",), False),
        ("Städt".encode(), ("UTF8",), True),
        (b"\x1b$B;3ED", ("iso8859", "iso2022_jp"), True),
        (b"\x1b$B;3ED", ("iso8859",), False),
    ],
)
def test_legal_text(value: bytes, encodings: tuple[str, ...], *, legal: bool) -> None:
    """ASCII is legal everywhere, anything else where it decodes."""
    assert is_legal_text(value, encodings) == legal
