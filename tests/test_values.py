"""Values: which forms are kept, how dates of every kind move, and what goes because it is none of these."""

from __future__ import annotations

import pytest

import builders
from builders import RawElements
from dicomveil import pipeline
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.source import BytesSource, iter_parts
from dicomveil.values import shift_date, shift_datetime, well_formed
from trees import Tree, read

CT = "1.2.840.10008.5.1.4.1.1.2"
PSEUDONYMS = Pseudonyms(Key(bytes(range(32))))
PATIENT = b"PID-7731904 "


def tree(elements: RawElements, *options: str) -> Tree:
    """Return the cleaned data set of a CT with these elements."""
    given: RawElements = [
        (0x00080016, "UI", builders.even(CT, "\0")),
        (0x00080018, "UI", b"1.2.826.0.1.3680043.10.9999.3\0"),
        (0x00100020, "LO", PATIENT),
        (0x0020000D, "UI", b"1.2.826.0.1.3680043.10.9999.1\0"),
        (0x0020000E, "UI", b"1.2.826.0.1.3680043.10.9999.2\0"),
    ]
    data = builders.raw_file(sorted([*given, *elements], key=lambda entry: entry[0]), sop_class=CT)
    profile = Profile("test", frozenset(options)) if options else Profile.default()
    source = BytesSource(data)
    cleaned = pipeline.clean_source(source, pipeline.Session(profile, PSEUDONYMS))
    return read(b"".join(iter_parts(source, cleaned.parts))).tree


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        (b"20210523", b"20210522"),
        (b"20210301", b"20210228"),
        (b"20200301", b"20200229"),
        (b"20210101 ", b"20201231"),
        (b"2021.05.23", b"20210522"),
        (b"20210523\\20210101 ", b"20210522\\20201231 "),
        (b"20210523\\\\20210101", b"20210522\\\\20201231"),
        (b"", b""),
        (b"20210230", None),
        (b"99999999", None),
        (b"06641234", None),
        (b"2021", None),
        (b"20210523-20210601", None),
        (b"May 2021", None),
        (b"00010101", None),
        (b"19000101", None),
        (b"1970.01.01", None),
        (b"20210523\\19691231", None),
        (b"99991231", None),
        (b"20000101", b"19991231"),
    ],
)
def test_dates_move_by_whole_days(value: bytes, moved: bytes | None) -> None:
    """DA values move over months, years and leap days, each of several; what is no date does not.

    Neither does a date that software writes where it has none: moved it would tell by how many days.
    """
    assert shift_date(value, -1) == moved


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        (b"20210301134501", b"20210228134501"),
        (b"20210301134501.25", b"20210228134501.25 "),
        (b"20210301134501.250000+0200", b"20210228134501.250000+0200"),
        (b"20210301134501-0330", b"20210228134501-0330 "),
        (b"202103011345", b"202102281345"),
        (b"2021030113", b"2021022813"),
        (b"20210301", b"20210228"),
        (b"202103", b"202103"),
        (b"2021", b"2021"),
        (b"20210301134501\\20210302 ", b"20210228134501\\20210301 "),
        (b"20210301254501", None),
        (b"19000101000000", None),
        (b"1900", None),
        (b"197001", None),
        (b"19700101000000.000000+0000", None),
        (b"20210301136001", None),
        (b"20210301134501+9999", None),
        (b"202103011345011", None),
        (b"20211301", None),
        (b"0043 7564 99887", None),
    ],
)
def test_datetimes_move_by_whole_days(value: bytes, moved: bytes | None) -> None:
    """DT values of every precision keep time, fraction and offset; what no clock shows does not move."""
    assert shift_datetime(value, -1) == moved


@pytest.mark.parametrize(
    ("vr", "value", "kept"),
    [
        ("DA", b"20210523", True),
        ("DA", b"06641234", False),
        ("DT", b"20210523134501.25+0100 ", True),
        ("DT", b"+43.7564.99887-12 ", False),
        ("TM", b"134501.25 ", True),
        ("TM", b"13:45:01", True),
        ("TM", b"19470319", False),
        ("TM", b"470319", False),
        ("TM", b"93015 ", True),
        ("TM", b"235960", True),
        ("TM", b"09", True),
        ("IS", b"-12 ", True),
        ("IS", b"123-45-6789 ", False),
        ("DS", b"1.5\\-2e-3", True),
        ("DS", b"+43 7564 99887", False),
        ("AS", b"074Y", True),
        ("AS", b"born", False),
        ("CS", b"HEAD", True),
        ("CS", b"Zwicklhuber ", False),
        ("UI", b"1.2.840.10008.1.2\0", True),
        ("UI", b"../../1.2 ", False),
    ],
)
def test_forms(vr: str, value: bytes, kept: bool) -> None:  # noqa: FBT001 - a parameter
    """Only what has the form of its VR may stay: telephone numbers, IDs and words have no such form."""
    assert well_formed(vr, value) == kept


def test_dates_in_sequences_move_alike() -> None:
    """Intervals stay, between the top level, nested items and content items, to the second."""
    days = PSEUDONYMS.shift_days("id\0pid-7731904")
    item: RawElements = [
        (0x0018A003, "ST", b"x "),
        (0x00080022, "DA", b"20210601"),
        (0x0008002A, "DT", b"20210601134501.5+0200 "),
    ]
    out = tree([(0x00080020, "DA", b"20210523"), (0x00082218, "SQ", [item])])
    inside = out[0x00082218][1]
    assert isinstance(inside, list)
    assert out[0x00080020] == ("DA", shift_date(b"20210523", days))
    assert inside[0][0x00080022] == ("DA", shift_date(b"20210601", days))
    assert inside[0][0x0008002A] == ("DT", shift_datetime(b"20210601134501.5+0200 ", days))


def test_more_numbers_than_an_attribute_has_go() -> None:
    """Letters in a binary value are numbers to every reader: only their count tells (PS3.6)."""
    out = tree(
        [
            (0x00280106, "US", b"\1\0"),
            (0x00280107, "US", b"Anna Zwicklhuber"),
            (0x00189305, "FD", bytes(8)),
            (0x00189306, "UN", b"Zwicklhuber, Anna Maria "),
            (0x00189313, "FD", bytes(24)),
        ]
    )
    assert out.keys() >= {0x00280106, 0x00189305, 0x00189313}
    assert out.keys().isdisjoint({0x00280107, 0x00189306})


def test_retired_numbers_of_studies_and_images_go() -> None:
    """Table E.1-1 is a minimum: what names another study, image or report goes, too (PS3.15 E.1.1)."""
    named = [
        (0x002000AA, "IS", b"77 "), (0x00201070, "IS", b"48291\\48292 "), (0x00203101, "CS", b"IMG 7 "),
        (0x00203402, "CS", b"IMG 7 "), (0x00205000, "AT", b"\x10\0\x20\0"),
    ]  # fmt: skip
    assert tree([*named]).keys().isdisjoint({tag for tag, _vr, _value in named})


def test_nothing_tells_by_how_many_days_dates_were_moved() -> None:
    """Versions of context groups are printed, default dates known, those of a device many share."""
    item: RawElements = [
        (0x00080100, "SH", b"69536005"),
        (0x00080102, "SH", b"SCT "),
        (0x00080104, "LO", b"Head"),
        (0x00080106, "DT", b"20020904"),
        (0x0008010F, "CS", b"4 "),
    ]
    out = tree(
        [
            (0x00080012, "DA", b"19700101"),
            (0x00080020, "DA", b"20210523"),
            (0x0008002A, "DT", b"19000101000000"),
            (0x00082218, "SQ", [item]),
            (0x00181200, "DA", b"20210101"),
            (0x00181204, "DA", b"20150101"),
        ]
    )
    (region,) = out[0x00082218][1]
    assert isinstance(region, dict)
    assert region[0x00080106] == ("DT", b"19000101000000")
    assert out[0x00080020] != ("DA", b"20210523")
    assert out.keys().isdisjoint({0x00080012, 0x0008002A, 0x00181200, 0x00181204})


def test_nonsense_dates_go() -> None:
    """A date attribute that holds no date keeps nothing, with full dates and with modified ones."""
    for option in ("retain_longitudinal_full_dates", "retain_longitudinal_modified_dates"):
        out = tree([(0x00080020, "DA", b"06641234"), (0x00080030, "TM", b"06641234")], option)
        assert out[0x00080020] == ("DA", b"")
        assert out[0x00080030] == ("TM", b"")


@pytest.mark.parametrize(
    ("age", "left"),
    [(b"089Y", b"089Y"), (b"090Y", b"090Y"), (b"091Y", b"090Y"), (b"104Y", b"090Y"), (b"018M", b"018M")],
)
def test_great_ages_become_one(age: bytes, left: bytes) -> None:
    """Retain Patient Characteristics keeps ages, and from 90 years on only that (PS3.15 E.3.6)."""
    assert tree([(0x00101010, "AS", age)], "retain_patient_characteristics")[0x00101010] == ("AS", left)


def test_local_codes_leave_nothing() -> None:
    """A code of a scheme that a site makes becomes a pseudonym; equal codes stay equal, public ones stay.

    So does the meaning of a public one, where it is of medical words.
    """

    def item(value: bytes, scheme: bytes, meaning: bytes = b"Meaning ") -> RawElements:
        return [
            (0x00080100, "SH", value),
            (0x00080102, "SH", scheme),
            (0x00080103, "SH", b"7 "),
            (0x00080104, "LO", meaning),
        ]

    local, public = item(b"KLINIK-1", b"99HAUS"), (b"69536005", b"SCT ")
    items = [local, local, item(*public, b"Head"), item(*public, b"Huberta ")]
    inside = tree([(0x00082218, "SQ", items)])[0x00082218][1]
    assert isinstance(inside, list)
    assert inside[0] == inside[1]
    assert b"KLINIK" not in repr(inside).encode()
    assert b"99HAUS" not in repr(inside).encode()
    assert inside[0][0x00080102] == ("SH", b"99DICOMVEIL ")
    assert inside[2][0x00080100] == ("SH", b"69536005")
    assert inside[2][0x00080104] == ("LO", b"Head")
    assert inside[3][0x00080104] == ("LO", b"REMOVED ")
