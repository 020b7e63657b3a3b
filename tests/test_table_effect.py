"""Every row of PS3.15 Table E.1-1 has the effect that its code says, in what the pipeline gives out.

For each row an instance carries the attribute at the top level and inside a sequence that is kept, in
explicit and in implicit VR, under the default profile and under every option that has a code for it; where
the code depends on the Type of the attribute, one instance of an IOD for each Type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import builders
import reference_values
import trees
from dicomveil import pipeline, tables
from dicomveil.descriptors import clean_description
from dicomveil.errors import Refused
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Pseudonyms
from dicomveil.source import BytesSource, iter_parts

CT = "1.2.840.10008.5.1.4.1.1.2"
ANATOMIC_REGION = 0x00082218  # a sequence outside the table, kept
DATES = {"DA", "TM", "DT"}
SHIFTED = "retain_longitudinal_modified_dates"
#: Keywords of dates that are not one patient's, and are not moved (tables.SHARED_DATES).
SHARED = re.compile(
    "Version$|^EthicsCommittee|^Date(Time)?Of(Last|Manufacture|Installation)|^CalibrationDate"
    "|^ProductExpiration|^EffectiveDateTime$|^InformationIssue|^HangingProtocolCreation"
)
PATIENT_ID = "PID-7731904"
TIMEZONE = 0x00080201
ENCAPSULATED_DOCUMENT = 0x00420011
#: Replaced by a pseudonym though the table says Z: a zero length would do, a pseudonym serves better.
PSEUDONYMS = {0x00100010, 0x00100020, 0x00080050, 0x00200010}
ORIGINAL = {
    "AE": b"SEEDEDAE", "AS": b"042Y", "AT": b"\x10\x00\x10\x00", "CS": b"SEEDED", "DA": b"20210523",
    "DS": b"3.1415", "DT": b"20210523134501.250000+0200", "FD": bytes(range(1, 9)), "FL": bytes(range(1, 5)),
    "IS": b"271828", "LO": b"Seeded description", "LT": b"Seeded long text", "OB": b"seeded", "OW": b"seeded",
    "PN": b"Seeded^Name ", "SH": b"Seeded", "SS": b"\x11\x07", "ST": b"Seeded text.", "TM": b"134501.25 ",
    "UC": b"Seeded unlimited", "UI": b"1.2.826.0.1.3680043.10.9999.77", "UL": b"\x11\x07\x00\x00",
    "UN": b"seeded",
    "UR": b"https://seeded.example", "US": b"\x11\x07", "UT": b"Seeded unlimited text ",
}  # fmt: skip


#: Values of private elements that say nothing.
SAFE = {"CS": b"AP", "DS": b"1.5 ", "IS": b"12", "LO": b"NONE", "LT": b"NONE", "SH": b"NONE", "ST": b"NONE"}


def every_row() -> list[tuple[int, tables.Row]]:
    """Return a tag for each of the 657 rows."""
    found = list(tables.rows().items())
    for base, _mask, element, row in tables.REPEATING:
        found.append((base << 16 | (0x3000 if element is None else element), row))
    return [*found, (0x00091001, tables.PRIVATE)]


def has_a_place(tag: int) -> bool:
    """Whether an attribute may stand at the top level: not command and File Meta elements, nor a document."""
    return tag >> 16 not in {0x0000, 0x0002} and tag != ENCAPSULATED_DOCUMENT


def original(tag: int, row: tables.Row) -> bytes | list[builders.RawElements]:
    """Return what an instance holds before cleaning."""
    vr = vr_of(row)
    if vr == "SQ":
        inner: builders.RawElements = [
            (0x00080005, "CS", b"ISO_IR 100"),
            (0x00081155, "UI", b"1.2.826.0.1.3680043.10.9999.78"),
            (0x0040A160, "UT", b"Seeded inside "),
        ]
        return [inner]
    return b"+0200 " if tag == TIMEZONE else ORIGINAL[vr]


def vr_of(row: tables.Row) -> str:
    """Return the VR that the attribute is written with."""
    return row.vr[0] if row.vr else "LO"


def instance(tag: int, row: tables.Row, sop_class: str, *, explicit: bool) -> bytes:
    """Return a file that carries the attribute twice."""
    element = (tag, vr_of(row), original(tag, row))
    item: builders.RawElements = [element]
    elements: builders.RawElements = [
        (0x00080016, "UI", builders.even(sop_class, "\0")),
        (0x00080018, "UI", b"1.2.826.0.1.3680043.10.9999.3\0"),
        (ANATOMIC_REGION, "SQ", [item]),
        (0x00100020, "LO", builders.even(PATIENT_ID)),
        (0x0020000D, "UI", b"1.2.826.0.1.3680043.10.9999.1\0"),
        (0x0020000E, "UI", b"1.2.826.0.1.3680043.10.9999.2\0"),
    ]
    if tag >> 16 & 1:
        item.insert(0, (tag & 0xFFFF0000 | 0x10, "LO", b"SEEDED CREATOR"))
        elements.append((tag & 0xFFFF0000 | 0x10, "LO", b"SEEDED CREATOR"))
    if has_a_place(tag):
        elements = [known for known in elements if known[0] != tag] + [element]
    return builders.raw_file(
        sorted(elements, key=lambda entry: entry[0]), explicit=explicit, sop_class=sop_class
    )


TEXTS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})


def sop_classes(tag: int, row: tables.Row) -> list[str]:
    """Return one SOP class for each Type that the attribute has in some IOD; CT where Types do not matter."""
    if "/" not in row.basic:
        return [CT]
    by_type: dict[str | None, str] = {}
    for sop_class in sorted(tables._iods().of_sop_class):
        if sop_class.startswith("1.2.840.10008.5.1.4.1.1.") and "104" not in sop_class:
            by_type.setdefault(tables.attribute_type(sop_class, (tag,)), sop_class)
    return list(by_type.values())


def cases(row: tables.Row) -> Iterator[tuple[Profile, str]]:
    """Yield each profile that matters to a row, and the code that it gives."""
    default = Profile.default()
    moves = vr_of(row) in DATES and not SHARED.search(row.keyword)
    shifted = SHIFTED in row.options and (moves or row.keyword == "TimezoneOffsetFromUTC")
    yield default, "C" if shifted else row.basic
    yield Profile("basic", frozenset()), row.basic
    for option, code in row.options.items():
        if option != SHIFTED:
            # A text of which no word may stay falls back to the basic code, and so do overlays and curves.
            words = ORIGINAL[vr_of(row)] if row.vr and vr_of(row) in TEXTS else b""
            cleanable = row.vr and (vr_of(row) in {"SQ", "AE"} or clean_description(words.decode("latin-1")))
            yield Profile(option, frozenset({option})), code if code == "K" or cleanable else row.basic


def expected_action(code: str, tag: int, sop_class: str, *, nested: bool) -> str:
    """Resolve a printed code by Table E.1-1a: the meaning of the compound ones."""
    type_ = None if nested else tables.attribute_type(sop_class, (tag,))
    if tag >> 16 in {0, 2, 4}:
        return "X"
    if code == "X":
        return "D" if type_ == "1" and row_vr(tag) in DATES else "X"
    tables_of_codes: dict[str, dict[str | None, str]] = {
        "X/Z": {"3": "X", None: "X"},
        "X/D": {"3": "X", None: "X"},
        "Z/D": {"1": "D", "1C": "D"},
        "X/Z/D": {"1": "D", "1C": "D", "2": "Z", "2C": "Z"},
        "X/Z/U*": {"1": "U", "1C": "U", "2": "U", "2C": "U"},
    }
    by_type = tables_of_codes.get(code)
    otherwise = {"X/Z": "Z", "X/D": "D", "Z/D": "Z", "X/Z/D": "X", "X/Z/U*": "X"}.get(code, code)
    return otherwise if by_type is None else by_type.get(type_, otherwise)


def row_vr(tag: int) -> str:
    """Return the VR of a tag of the table."""
    row = tables.row_for(tag)
    return vr_of(row) if row else ""


def check(
    tree: trees.Tree, tag: int, row: tables.Row, action: str, pseudonyms: Pseudonyms, *, keep_uids: bool
) -> None:
    """Assert that an attribute is what the action left of it."""
    before = original(tag, row)
    if action == "X":
        assert tag not in tree
        return
    assert tag in tree, "removed"
    _vr, value = tree[tag]
    if isinstance(value, list):
        assert isinstance(before, list)
        if action in "ZD":
            assert not (action == "Z" and value)
            assert b"Seeded" not in repr(value).encode()
        else:
            assert value[0][0x00080005] == ("CS", b"ISO_IR 100")
            assert (value[0][0x00081155][1] == before[0][1][2]) == keep_uids
            assert 0x0040A160 not in value[0] or value[0][0x0040A160][1] != before[0][2][2]
        return
    assert isinstance(before, bytes)
    if action == "K":
        assert value == before
    elif action == "U":
        assert value.rstrip(b"\0").decode() == pseudonyms.uid(before.decode())
    elif action == "C":
        days = pseudonyms.shift_days(f"id\0{PATIENT_ID.casefold()}")
        shift = {"DA": reference_values.shift_da, "DT": reference_values.shift_dt}.get(vr_of(row))
        if vr_of(row) in TEXTS and tag != 0x00080201:
            assert value.rstrip().decode() == clean_description(before.decode("latin-1"))
            assert b"eeded" not in value
            return
        if vr_of(row) == "AE":
            assert value.startswith(b"AE")
            assert value != before
            return
        assert value == (shift(before, days) if shift else before)
        assert shift is None or value != before
    else:
        assert value != before
        assert b"eeded" not in value
        assert len(value) % 2 == 0
        assert bool(value) == (action == "D" or tag in PSEUDONYMS)


@pytest.mark.parametrize(
    ("tag", "row"), every_row(), ids=lambda entry: f"{entry:08X}" if isinstance(entry, int) else ""
)
def test_row_has_its_effect(tag: int, row: tables.Row, pseudonyms: Pseudonyms) -> None:
    """An attribute of the table is removed, emptied, replaced, remapped, shifted or kept, at any depth."""
    for profile, code in cases(row):
        session = pipeline.Session(profile, pseudonyms)
        for sop_class in sop_classes(tag, row):
            for explicit in (True, False):
                source = BytesSource(instance(tag, row, sop_class, explicit=explicit))
                cleaned = pipeline.clean_source(source, session)
                tree = trees.read(b"".join(iter_parts(source, cleaned.parts))).tree
                top = expected_action(code, tag, sop_class, nested=False)
                keep_uids = "retain_uids" in profile.options
                if has_a_place(tag):
                    check(tree, tag, row, top, pseudonyms, keep_uids=keep_uids)
                (item,) = tree[ANATOMIC_REGION][1]
                assert isinstance(item, dict)
                nested = expected_action(code, tag, sop_class, nested=True)
                check(item, tag, row, nested, pseudonyms, keep_uids=keep_uids)
                assert b"SEEDED CREATOR" not in repr(tree).encode()


def test_every_row_is_tested() -> None:
    """The test above has a case for each of the 657 rows, and each Type of a compound code is met."""
    assert len(every_row()) == 657
    met = {
        (row.basic, tables.attribute_type(sop_class, (tag,)))
        for tag, row in every_row()
        for sop_class in sop_classes(tag, row)
        if "/" in row.basic
    }
    assert {
        ("X/Z/D", "1"),
        ("X/Z/D", "2"),
        ("X/Z/D", "3"),
        ("Z/D", "1"),
        ("Z/D", "2"),
        ("X/D", "1"),
        ("X/Z", "2"),
    } <= met


@pytest.mark.parametrize("group", [*range(0x5000, 0x5020, 2), *range(0x6000, 0x6020, 2), 0x50FE, 0x60FE])
def test_repeating_groups(group: int, pseudonyms: Pseudonyms, profile: Profile) -> None:
    """Curves and overlays go in every group of their range, with everything that describes them."""
    elements = [(0x3000, "OW"), (0x4000, "LT"), (0x0022, "LO"), (0x0010, "US")]
    row = tables.REPEATING[0][3]
    data = instance(0x00100010, row, CT, explicit=True)
    data += builders.raw_data_set(
        [(group << 16 | number, vr, ORIGINAL[vr]) for number, vr in sorted(elements)]
    )
    source = BytesSource(data)
    cleaned = pipeline.clean_source(source, pipeline.Session(profile, pseudonyms))
    tree = trees.read(b"".join(iter_parts(source, cleaned.parts))).tree
    assert not [tag for tag in tree if tag >> 16 == group]


def test_encapsulated_document_is_refused(pseudonyms: Pseudonyms, profile: Profile) -> None:
    """A document inside an instance cannot be cleaned: the instance is refused, not emptied."""
    data = builders.raw_file(
        [
            (0x00080016, "UI", builders.even("1.2.840.10008.5.1.4.1.1.104.1", "\0")),
            (0x00080018, "UI", b"1.2.826.0.1.3680043.10.9999.3\0"),
            (ENCAPSULATED_DOCUMENT, "OB", b"%PDF-1.7"),
        ],
        sop_class="1.2.840.10008.5.1.4.1.1.104.1",
    )
    with pytest.raises(Refused) as caught:
        pipeline.clean_source(BytesSource(data), pipeline.Session(profile, pseudonyms))
    assert (caught.value.code, caught.value.tag) == ("encapsulated-document", ENCAPSULATED_DOCUMENT)


@pytest.mark.parametrize("kind", ["9.1", "9.4.1", "9.4.2"])
def test_sound_is_refused(kind: str, pseudonyms: Pseudonyms, profile: Profile) -> None:
    """A dictation names the patient in its waveform, which nothing here can listen to."""
    sop_class = f"1.2.840.10008.5.1.4.1.1.{kind}"
    channel: builders.RawElements = [(0x54001010, "OB", b"the patient is called ...")]
    data = builders.raw_file(
        [
            (0x00080016, "UI", builders.even(sop_class, "\0")),
            (0x00080018, "UI", b"1.2.826.0.1.3680043.10.9999.3\0"),
            (0x54000100, "SQ", [channel]),
        ],
        sop_class=sop_class,
    )
    with pytest.raises(Refused) as caught:
        pipeline.clean_source(BytesSource(data), pipeline.Session(profile, pseudonyms))
    assert (caught.value.code, caught.value.tag) == ("encapsulated-document", 0x54000100)


@pytest.mark.parametrize("creator", sorted(tables.safe_private()))
@pytest.mark.parametrize("option", ["retain_safe_private", None])
def test_safe_private_elements(creator: str, option: str | None, pseudonyms: Pseudonyms) -> None:
    """With the option every element of Table E.3.10-1 stays in its listed VR; else none."""
    listed = {
        int(key[:4], 16) << 16 | 0x1000 | int(key[4:], 16): vr
        for key, vr in tables.safe_private()[creator].items()
        if vr not in {"SQ", "UI"}
    }
    for is_listed in (True, False):
        elements: builders.RawElements = [
            (0x00080016, "UI", builders.even(CT, "\0")),
            (0x00080018, "UI", b"1.2.826.0.1.3680043.10.9999.3\0"),
        ]
        for group in sorted({tag >> 16 for tag in listed}):
            elements.append((group << 16 | 0x10, "LO", builders.even(creator)))
            for tag, vr in sorted(listed.items()):
                if tag >> 16 == group:
                    elements.append((tag, vr if is_listed else "UT", SAFE.get(vr, bytes(8))))
        source = BytesSource(builders.raw_file(elements))
        profile = Profile("private", frozenset({option} if option else ()))
        cleaned = pipeline.clean_source(source, pipeline.Session(profile, pseudonyms))
        tree = trees.read(b"".join(iter_parts(source, cleaned.parts))).tree
        kept = {tag for tag in tree if tag >> 16 & 1 and tag & 0xFFFF >= 0x1000}
        assert kept == (set(listed) if option and is_listed else set())
        assert bool(kept) == any(tag >> 16 & 1 for tag in tree)
