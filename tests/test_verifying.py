"""The independent verification: every fault of an output is found, and nothing sound is called a fault."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

import builders
from dicomveil import cleaning, tables, verify_reading
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.source import BytesSource, iter_parts
from dicomveil.verify_identifiers import moved, shifted
from dicomveil.verifying import Verified, collect_identifiers, verify, verify_instance

KEY = Key(bytes(range(32)))
SHIFT = Pseudonyms(KEY).shift_days("id\0" + builders.PATIENT.patient_id.casefold())
Change = Callable[[Dataset], object]


def cleaned(ds: Dataset, syntax: str = builders.EXPLICIT, *options: str, pixels: str = "unclaimed") -> bytes:
    """Return an instance as the pipeline cleans it."""
    profile = Profile.default().with_options(list(options))
    source = BytesSource(builders.encode(ds, syntax))
    result = clean_source(source, Session(profile, Pseudonyms(KEY)), pixels=pixels)
    return b"".join(iter_parts(source, result.parts))


GOOD = cleaned(builders.ct())


def changed(change: Change, good: bytes = GOOD) -> bytes:
    """Return a good output with its data set changed, written as pydicom writes it."""
    ds = pydicom.dcmread(io.BytesIO(good))
    change(ds)
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=False)
    return buffer.getvalue()


def codes(output: bytes) -> set[tuple[str, int | None]]:
    """Return the problems of an output alone, with their tags."""
    return {(problem.code, problem.tag) for problem in verify_instance(BytesSource(output)).problems}


def against(output: bytes, given: Dataset | bytes, *options: str) -> set[tuple[str, int | None]]:
    """Return the problems of an output of a given input."""
    data = given if isinstance(given, bytes) else builders.encode(given)
    profile = Profile.default().with_options(list(options))
    verified = verify(
        BytesSource(output), collect_identifiers(BytesSource(data)), shift_days=SHIFT, options=profile.options
    )
    return {(problem.code, problem.tag) for problem in verified.problems}


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Encode an element in explicit VR, little endian."""
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    long = vr in {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
    return head + (struct.pack("<HL", 0, len(value)) if long else struct.pack("<H", len(value))) + value


def inserted(encoded: bytes, before: int) -> bytes:
    """Return the good output with encoded elements put in before the first element with a tag at or above."""
    at = 132 + 12 + int.from_bytes(GOOD[140:144], "little")
    while True:
        group, number, vr, length = struct.unpack_from("<HH2sH", GOOD, at)
        if group << 16 | number >= before:
            return GOOD[:at] + encoded + GOOD[at:]
        long = vr in {b"OB", b"OW", b"SQ", b"UN", b"UT"}
        at += 12 + int.from_bytes(GOOD[at + 8 : at + 12], "little") if long else 8 + length


# ------------------------------------------------------------------------------------------ good outputs


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        (kind, syntax)
        for kind, build in builders.BUILDERS.items()
        for syntax in builders.SYNTAXES
        if syntax != builders.JPEG or "PixelData" in build(builders.PATIENT, 1)
    ],
)
def test_a_cleaned_instance_passes(kind: str, syntax: str) -> None:
    """What the pipeline writes passes, alone and against its input, in every kind of encoding."""
    ds = builders.BUILDERS[kind](builders.PATIENT, 1)
    output = cleaned(ds, syntax)
    given = builders.encode(builders.BUILDERS[kind](builders.PATIENT, 1), syntax)
    assert codes(output) <= {("pixels-unclaimed", None)}
    assert against(output, given) <= {("pixels-unclaimed", None)}


def test_an_output_says_what_it_is() -> None:
    """The answer has the UIDs, the transfer syntax and the claimed options of the output."""
    ds = pydicom.dcmread(io.BytesIO(GOOD))
    verified = verify_instance(BytesSource(GOOD))
    assert verified == Verified(
        ds.SOPClassUID,
        ds.SOPInstanceUID,
        ds.StudyInstanceUID,
        ds.SeriesInstanceUID,
        builders.EXPLICIT,
        (),
        frozenset({"basic", "retain_longitudinal_modified_dates"}),
    )


def test_pixels_are_not_read() -> None:
    """Neither the pixels of an output nor those of an input are read, however large they are."""
    ds = builders.ct()
    builders.pixels(ds, rows=2000, columns=2000)
    given = builders.encode(ds)
    before, after = builders.WatchedSource(given), builders.WatchedSource(cleaned(ds))
    collect_identifiers(before)
    verify_instance(after)
    assert sum(before.reads + after.reads) < len(given) / 20


# ------------------------------------------------------------------------------------------ structure


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (b"\1" + GOOD[1:], ("output-malformed", None)),
        (GOOD[:128] + b"DICN" + GOOD[132:], ("not-dicom", None)),
        (b"", ("not-dicom", None)),
        (GOOD[:140] + b"\1" + GOOD[141:], ("output-malformed", 0x00020000)),
        (
            GOOD.replace(b"\2\0\1\0OB\0\0\2\0\0\0\0\1", b"\2\0\1\0OB\0\0\2\0\0\0\0\2"),
            ("output-malformed", 0x00020001),
        ),
        (GOOD.replace(b"DICOMVEIL", b"SOMETHING"), ("not-from-dicomveil", 0x00020013)),
        (
            GOOD.replace(cleaning.IMPLEMENTATION_CLASS_UID.encode(), b"1" + b"2" * 43),
            ("not-from-dicomveil", 0x00020012),
        ),
        (
            GOOD.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.7\0"),
            ("unsupported-transfer-syntax", 0x00020010),
        ),
        (GOOD + b"\0", ("truncated", None)),
        (GOOD + bytes(8), ("output-malformed", 0)),
        (GOOD[:-2], ("truncated", 0x7FE00010)),
        (GOOD + element(0x7FE00010, "OW", b"\0\0"), ("output-malformed", 0x7FE00010)),
        (GOOD + element(0x00100010, "PN", b""), ("output-malformed", 0x00100010)),
        (inserted(element(0x00080000, "UL", bytes(4)), 0x00080000), ("attribute-not-removed", 0x00080000)),
        (inserted(element(0x00020016, "AE", b"AE"), 0x00080000), ("attribute-not-removed", 0x00020016)),
        (inserted(element(0x00041130, "CS", b"AB"), 0x00080000), ("attribute-not-removed", 0x00041130)),
        (inserted(element(0x00090010, "LO", b"AB"), 0x00090000), ("attribute-not-removed", 0x00090010)),
        (inserted(element(0x00089999, "LO", b"AB"), 0x00089999), ("attribute-unknown", 0x00089999)),
        (inserted(element(0x00180024, "UN", b"AB"), 0x00180024), ("attribute-unknown", 0x00180024)),
        (inserted(element(0x00180024, "DS", b"12"), 0x00180024), ("output-malformed", 0x00180024)),
        (inserted(element(0x00180024, "ZZ", b"12"), 0x00180024), ("output-malformed", 0x00180024)),
        (inserted(element(0x00180024, "SH", b"ABC"), 0x00180024), ("output-malformed", 0x00180024)),
        (inserted(b"\x18\0\x24\0UT\0\0\xff\xff\xff\xff", 0x00180024), ("output-malformed", 0x00180024)),
        (inserted(b"\x18\0\x24\0UT\0\0\xf0\xff\xff\x0f", 0x00180024), ("truncated", 0x00180024)),
        (inserted(element(0x00082112, "SQ", b"abcdefgh"), 0x00082112), ("output-malformed", 0x00082112)),
        (
            inserted(element(0x00081110, "SQ", b"\xfe\xff\x00\xe0\xf0\0\0\0"), 0x00081110),
            ("output-malformed", 0x00081110),
        ),
        (
            inserted(
                element(0x00081110, "SQ", b"\xfe\xff\x00\xe0\x08\0\0\0" + b"\x08\0\x50\x11UI\x02\0"),
                0x00081110,
            ),
            ("output-malformed", 0x00081150),
        ),
    ],
)
def test_a_broken_structure_is_found(output: bytes, problem: tuple[str, int | None]) -> None:
    """Every deviation from PS3.5 and from our PS3.10 header is a problem, with the element it is in."""
    assert output != GOOD
    assert problem in codes(output)


def test_meta_elements_of_others_are_found() -> None:
    """File Meta Information with any element more than ours, such as an AE title, does not pass."""
    length = int.from_bytes(GOOD[140:144], "little")
    extra = element(0x00020016, "AE", b"STATION1")
    end = 144 + length
    output = GOOD[:140] + struct.pack("<L", length + len(extra)) + GOOD[144:end] + extra + GOOD[end:]
    assert ("output-malformed", 0x00020016) in codes(output)


def test_meta_that_names_another_instance_is_found() -> None:
    """Media Storage SOP Instance UID has to be the data set's."""
    output = changed(lambda ds: setattr(ds, "SOPInstanceUID", ds.StudyInstanceUID))
    assert ("output-malformed", 0x00020003) in codes(output)


def test_order_counts_inside_items() -> None:
    """Tags ascend at every depth, not only at the top."""
    item = element(0x00081155, "UI", b"") + element(0x00081150, "UI", b"")
    sequence = element(0x00081110, "SQ", struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item)
    assert ("output-malformed", 0x00081150) in codes(inserted(sequence, 0x00081110))


def test_every_prefix_fails() -> None:
    """An output that ends early never raises, and passes only where a whole data set ends."""
    marked = GOOD.index(b"MODIFIED(\0") + len("MODIFIED")
    whole = {GOOD.index(struct.pack("<HH", 0x0028, tag), marked) for tag in range(0x1050, 0x1055)}
    whole.add(GOOD.index(b"\xe0\x7f\x10\0"))
    passed = {length for length in range(len(GOOD)) if not codes(GOOD[:length])}
    assert passed == whole


def test_behind_deflated_data_is_nothing() -> None:
    """Bytes behind the deflated data set are found."""
    good = cleaned(builders.ct(), builders.DEFLATED)
    assert not codes(good)
    assert codes(good + b"ab") == {("output-malformed", None)}


def test_a_deflated_bomb_is_bounded() -> None:
    """What inflates without end is not held in memory, and does not pass."""
    good = cleaned(builders.ct(), builders.DEFLATED)
    meta = good[: 144 + int.from_bytes(good[140:144], "little")]
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    value = packer.compress(element(0x00080005, "CS", b"ISO_IR 6") + b"\x08\0\x06\0UT\0\0\0\0\0\x7f")
    for _ in range(300):
        value += packer.compress(bytes(1 << 20))
    assert codes(meta + value + packer.flush())


def test_deep_nesting_is_bounded() -> None:
    """A thousand sequences in each other end the reading, not the program."""
    deep = b"\x08\0\x10\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 1000
    assert ("undecodable", 0x00081110) in codes(inserted(deep, 0x00081110))


def test_encapsulated_pixels_are_walked() -> None:
    """What stands behind the last fragment is read, and fragments have to be whole."""
    good = cleaned(builders.ct(), builders.JPEG)
    assert not codes(good)
    assert codes(good[:-8]) == {("truncated", 0x7FE00010)}
    assert ("attribute-not-removed", 0x7FE10010) in codes(good + element(0x7FE10010, "LO", b"AB"))
    assert codes(good[:-2] + b"\2\0") == {("output-malformed", 0x7FE00010)}


def test_large_fragments_are_jumped_over() -> None:
    """Of large fragments only the item headers and the frame's ends are read, however many there are."""
    good = cleaned(builders.ct(), builders.JPEG)
    start = good.index(b"\xfe\xff\0\xe0", good.index(b"\xe0\x7f\x10\0OB"))
    item = b"\xfe\xff\0\xe0" + struct.pack("<L", 200_000)
    frame = builders.TINY_JPEG[:-2].ljust(4_000_000 - 2, b"\0") + b"\xff\xd9"
    pieces = b"".join(item + frame[at : at + 200_000] for at in range(0, len(frame), 200_000))
    large = good[:start] + item[:4] + bytes(4) + pieces + good[-8:]
    nobody = collect_identifiers(BytesSource(builders.encode(builders.ct())))
    options = Profile.default().options
    source = builders.WatchedSource(large)
    found = verify(source, nobody, shift_days=SHIFT, options=options)
    assert not {problem.code for problem in found.problems} & {"pixel-stream-remains", "truncated"}
    assert sum(source.reads) < 300_000
    assert not verify_instance(source).problems
    assert sum(source.reads) > 4_000_000, "the receiver reads the frames as well"


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_no_change_raises(changes: list[tuple[int, int]]) -> None:
    """Whatever bytes are changed, verification answers."""
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    verify_instance(BytesSource(bytes(data)))
    collect_identifiers(BytesSource(bytes(data)))


@given(st.binary(max_size=400))
def test_no_input_raises(data: bytes) -> None:
    """Any bytes at all can be given as an input or as an output."""
    verify_instance(BytesSource(data))
    collect_identifiers(BytesSource(GOOD[:132] + data))


# ------------------------------------------------------------------------------------------ markers


def _drop(keyword: str) -> Change:
    return lambda ds: delattr(ds, keyword)


def _set(keyword: str, value: object) -> Change:
    return lambda ds: setattr(ds, keyword, value)


def _claim(*values: str) -> Change:
    def change(ds: Dataset) -> None:
        ds.DeidentificationMethodCodeSequence = [builders.code(value, "DCM", "x") for value in values]

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_drop("PatientIdentityRemoved"), ("marker-missing", 0x00120062)),
        (_set("PatientIdentityRemoved", "NO"), ("marker-missing", 0x00120062)),
        (_drop("DeidentificationMethod"), ("marker-missing", 0x00120063)),
        (_drop("DeidentificationMethodCodeSequence"), ("marker-missing", 0x00120064)),
        (_claim("113107"), ("marker-missing", 0x00120064)),
        (_claim("113100", "113107", "999999"), ("marker-missing", 0x00120064)),
        (_claim("113100", "113106", "113107"), ("marker-untrue", 0x00120064)),
        (_claim("113100"), ("marker-untrue", 0x00280303)),
        (_drop("LongitudinalTemporalInformationModified"), ("marker-untrue", 0x00280303)),
        (_set("LongitudinalTemporalInformationModified", "UNMODIFIED"), ("marker-untrue", 0x00280303)),
        (_claim("113100", "113101", "113107"), ("marker-untrue", 0x00280301)),
        (_drop("SOPInstanceUID"), ("output-malformed", 0x00080018)),
        (_drop("StudyInstanceUID"), ("output-malformed", 0x0020000D)),
        (_drop("SeriesInstanceUID"), ("output-malformed", 0x0020000E)),
    ],
)
def test_markers_have_to_be_there_and_agree(change: Change, problem: tuple[str, int]) -> None:
    """PS3.15 E.1.1: what was done is written, and nothing contradicts it."""
    assert problem in codes(changed(change))


def test_sound_is_found() -> None:
    """What is an audio waveform was never cleaned by us, whatever it says."""
    audio = changed(_set("SOPClassUID", "1.2.840.10008.5.1.4.1.1.9.4.1"))
    assert ("encapsulated-document", 0x54000100) in codes(audio)


def test_options_beyond_the_profile_must_not_be_claimed() -> None:
    """An output that claims an option which the profile does not have is untrue."""
    output = changed(_claim("113100", "113107", "113108"))
    assert ("marker-untrue", 0x00120064) in against(output, builders.ct())


def test_images_at_risk_need_a_claim() -> None:
    """An ultrasound image about whose pixels nothing is claimed is told apart from every other problem."""
    assert codes(cleaned(builders.us())) == {("pixels-unclaimed", None)}
    assert codes(cleaned(builders.us(), pixels="confirmed")) == set()


# ------------------------------------------------------------------------------------------ rules

_SAMPLES: dict[str, object] = {
    **dict.fromkeys(("LO", "LT", "PN", "SH", "ST", "UC", "UT", "AE", "CS"), "SOMEBODY"),
    **dict.fromkeys(("US", "UL", "SS", "SL", "SV", "UV", "FL", "FD", "AT"), 7),
    **dict.fromkeys(("OB", "OW", "UN", "OF", "OL", "OD", "OV"), b"abcdefgh"),
    **dict.fromkeys(("DS", "IS"), "12"),
    "AS": "044Y",
    "DA": "20200102",
    "DT": "20200102030405",
    "TM": "030405",
    "UI": "1.2.3.4",
    "UR": "http://x.example",
}


def _with(tag: int, vr: str) -> Change:
    value = _SAMPLES.get(vr)
    if vr == "SQ":
        item = Dataset()
        item.CodeMeaning = "SOMEBODY"
        value = [item]

    def change(ds: Dataset) -> None:
        ds[tag] = DataElement(tag, vr, value)

    return change


_CLAIMED = "retain_longitudinal_modified_dates"
_REMOVED = [
    (tag, row.vr[0])
    for tag, row in tables.rows().items()
    if row.basic == "X" and _CLAIMED not in row.options and tag >> 16 > 4 and tables.element_vrs(tag)
]
_REPLACED = [
    (tag, row.vr[0])
    for tag, row in tables.rows().items()
    if row.basic not in {"X", "U"} and _CLAIMED not in row.options and "U" not in row.basic
    if row.vr[0] not in {"SQ", "UI"} or row.basic == "Z"
]  # fmt: skip


@pytest.mark.parametrize(("tag", "vr"), _REMOVED)
def test_what_the_table_removes_is_absent(tag: int, vr: str) -> None:
    """Each row of Table E.1-1 with the code X, at the top and inside an item."""
    # Where our text may stand, it is the value that is wrong.
    stands = tag == 0x00082111
    code = "attribute-not-replaced" if stands else "attribute-not-removed"
    assert (code, tag) in codes(changed(_with(tag, vr)))
    assert (code, tag) in codes(changed(lambda ds: _with(tag, vr)(ds.AnatomicRegionSequence[0])))


@pytest.mark.parametrize(("tag", "vr"), _REPLACED)
def test_what_the_table_empties_or_replaces_says_nothing(tag: int, vr: str) -> None:
    """Each row of Table E.1-1 with Z or D, also in a compound code: empty, a dummy or a pseudonym."""
    assert ("attribute-not-replaced", tag) in codes(changed(_with(tag, vr)))
    assert ("attribute-not-replaced", tag) in codes(
        changed(lambda ds: _with(tag, vr)(ds.AnatomicRegionSequence[0]))
    )


def test_dates_need_an_option() -> None:
    """Without a date option no date is there but the dummy."""

    def change(ds: Dataset) -> None:
        _claim("113100")(ds)
        ds.LongitudinalTemporalInformationModified = "REMOVED"

    found = codes(changed(change))
    assert ("date-not-removed", 0x00080020) in found
    assert ("attribute-not-replaced", 0x00080030) in found


def test_text_outside_the_table_has_to_be_reviewed() -> None:
    """Free text and names in attributes that nobody reviewed are found; reviewed ones and dummies pass."""
    tag = next(
        tag
        for tag in range(0x00180000, 0x00190000)
        if tables.element_vrs(tag) == ("LO",) and tables.row_for(tag) is None and tag not in tables.SAFE_TEXT
    )
    assert ("text-not-reviewed", tag) in codes(changed(_with(tag, "LO")))
    assert not codes(changed(lambda ds: ds.add_new(tag, "LO", "REMOVED")))
    assert not codes(changed(_set("ConvolutionKernel", "B40f")))


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.3.4",
        "2.25.1",
        "2.25.329800735698586629295641978511506172918",  # a random UUID, version 4
        "2.25.0001",
        "2.25.",
        "2.25.99999999999999999999999999999999999999999",
        "1.2.840.10008.9999.1",
        "1.2.840.113619.2.5.1762583153",
    ],
)
def test_uids_are_the_standards_or_ours(uid: str) -> None:
    """A UID from anywhere else is found at every depth, unless the UIDs are claimed to be retained."""

    def change(ds: Dataset) -> None:
        elem = DataElement(0x00081155, "UI", uid, validation_mode=pydicom.config.IGNORE)
        ds.AnatomicRegionSequence[0].add(elem)

    assert ("uid-not-replaced", 0x00081155) in codes(changed(change))

    def retained(ds: Dataset) -> None:
        change(ds)
        _claim("113100", "113107", "113110")(ds)

    assert not codes(changed(retained))


def test_our_constants_are_those_that_cleaning_writes() -> None:
    """The verification has its own copy of what identifies our files; both copies agree."""
    meta = pydicom.dcmread(io.BytesIO(GOOD)).file_meta
    assert meta.ImplementationClassUID == cleaning.IMPLEMENTATION_CLASS_UID
    assert not codes(GOOD)


# ------------------------------------------------------------------------------------------ identifiers

_P = builders.PATIENT
_SEEDS = [
    "Zwicklhuber",
    "ZWICKLHUBER",
    "quirina zwicklhuber",
    "X_Quirina_1",
    "Żwicklhüber",
    "PID-7731904",
    "pid 7731904",
    "PID7731904",
    "7731904-PID PID-7731904",
    "ACC9081726",
    "OTH 5566778",
    "STD-33441",
    "Grantlbauer",
    "Kunigunde",
    "Klinikum Fantasiestadt West",
    "SPITALGASSE 99",
    "xaverlweg 17",
    "STATION-QX7",
    "SER998877665",
    "+43 (7564) 99887",
    "19470319",
    "1947-03-19",
    "1947/3/19",
    "19.03.1947",
    "19.3.1947",
    "19/03/1947",
    "03/19/1947",
    "19 Mar 1947",
    "March 19, 1947",
    "19-MAR-1947",
    "19 de marzo de 1947",
    "19 mars 1947",
    "le 19.3.47",
    "3/19/47",
    "47-03-19",
    "19 Mar 47",
    "470319",
    "031947",
    "Fantasiestadt 2",
    "20210523",
    "20210523134501",
    "IMG2021052301",
    "IMG1621777501",
    "23.05.2021",
    "see 1.2.826.0.1.3680043.10.9999.3.1",
    "1.2.826.0.1.3680043.10.9999.3.1.17.dcm",
]


@pytest.mark.parametrize("seed", _SEEDS)
def test_an_identifier_in_kept_text_is_found(seed: str) -> None:
    """Names, numbers, places, dates and UIDs of the input, in the spellings that people use."""
    output = changed(_set("TriggerSourceOrType", f"ab {seed} 3"))
    assert ("identifier-remains", 0x00181061) in against(output, builders.ct())


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImageType", ["DERIVED", "PRIMARY", "ZWICKLHUBER"]),
        ("ConvolutionKernel", ["B30f", "Quirina"]),
        ("SpectralSensitivity", "Zwicklhuber"),
        ("SoftwareVersions", "Zwicklhuber 1"),
        ("PatientPosition", "QUIRINA"),
        ("StageName", "zwicklhuber"),
        ("RescaleType", "Zwicklhuber"),
    ],
)
def test_identifiers_are_found_in_every_text_vr(keyword: str, value: object) -> None:
    """CS, SH, LO, and several values: everything that holds text is searched."""
    tag = pydicom.tag.Tag(keyword)
    change = (lambda ds: ds.add_new(tag, "OB", value.encode())) if keyword == "SpectralSensitivity" else _set(keyword, value)  # type: ignore[attr-defined]  # fmt: skip  # noqa: E501
    assert ("identifier-remains", int(tag)) in against(changed(change), builders.ct())


@pytest.mark.parametrize("vr", ["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])
def test_identifiers_are_found_at_depth_in_every_text_vr(vr: str) -> None:
    """The search does not depend on the attribute: any text VR, three sequences down."""
    tag = next(
        tag
        for tag in sorted(pydicom._dicom_dict.DicomDictionary)
        if tag > 0x00180000 and tables.element_vrs(tag) == (vr,)
    )

    def change(ds: Dataset) -> None:
        item = Dataset()
        item.add_new(tag, vr, "ZWICKLHUBER")
        inner = Dataset()
        inner.PurposeOfReferenceCodeSequence = [item]
        ds.AnatomicRegionSequence[0].PurposeOfReferenceCodeSequence = [inner]

    verified = verify(
        BytesSource(changed(change)),
        collect_identifiers(BytesSource(builders.encode(builders.ct()))),
        shift_days=SHIFT,
        options=Profile.default().options,
    )
    path = (0x00082218, 0x0040A170, 0x0040A170, tag)
    assert ("identifier-remains", tag, path) in verified.problems


@pytest.mark.parametrize("encoding", ["ascii", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("seed", ["Zwicklhuber", "PID-7731904", "19470319", "1947-03-19"])
def test_identifiers_are_found_in_binary_values(seed: str, encoding: str) -> None:
    """OB outside Pixel Data is searched as text of one and of two bytes."""
    value = b"\x07\x80" + seed.encode(encoding) + b"\x80\x07"
    output = inserted(element(0x00282000, "OB", value + b"\0" * (len(value) % 2)), 0x00282000)
    assert ("identifier-remains", 0x00282000) in against(output, builders.ct())


@pytest.mark.parametrize(("tag", "vr"), [(0x00280106, "US"), (0x00280009, "AT"), (0x00189073, "FD")])
def test_identifiers_are_found_in_the_bytes_of_numbers(tag: int, vr: str) -> None:
    """Numbers of which the bytes spell a name are a find; the numbers of an image are none."""
    output = inserted(element(tag, vr, b"Zwicklhuber^Quirina \0\0\0\0"), tag)
    assert ("identifier-remains", tag) in against(output, builders.ct())
    assert not against(inserted(element(tag, vr, bytes(range(24))), tag), builders.ct())


def test_identifiers_behind_pixel_data_are_found() -> None:
    """What follows Pixel Data is searched like what comes before it."""
    output = GOOD + element(0xFFFCFFFC, "OB", b"\0\0Zwicklhuber\0")
    assert ("identifier-remains", 0xFFFCFFFC) in against(output, builders.ct())


@pytest.mark.parametrize(
    ("charset", "name", "seed"),
    [
        ("ISO_IR 100", "Müller^Jérôme", "Jérôme"),
        ("ISO_IR 100", "Müller^Jérôme", "MUELLER"),
        ("ISO_IR 100", "Müller^Jérôme", "Muller"),
        ("ISO_IR 192", "Åström^Đuro", "ASTROM"),
        ("ISO_IR 101", "Dvořák^Jiří", "dvorak"),
        ("ISO_IR 109", "Ġorġi^Ħal", "ġorġi"),
        ("ISO_IR 110", "Bērziņš^Jānis", "BERZINS"),
        ("ISO_IR 138", "שרון^דבורה", "דבורה"),
        ("ISO_IR 148", "Çağlar^Şule", "caglar"),
        ("ISO_IR 166", "นามสกุล^ชื่อต้น", "นามสกุล"),
        ("GBK", "Zhang^XiaoDong=张^小东", "张小东"),
        ("ISO_IR 144", "Люксембург^Анна", "ЛЮКСЕМБУРГ"),
        ("ISO_IR 126", "Διονυσιος^X", "διονυσιος"),
        ("ISO_IR 127", "قباني^لنزار", "قباني"),
        ("GB18030", "Wang^XiaoDong=王^小东", "王小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "길동"),
    ],
)
def test_identifiers_are_found_in_every_character_set(charset: object, name: str, seed: str) -> None:
    """Names are compared decoded, without case and diacritics, in all component groups."""
    given = builders.ct()
    given.SpecificCharacterSet = charset
    given.PatientName = name

    def change(ds: Dataset) -> None:
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.TriggerSourceOrType = f"x {seed}"

    assert ("identifier-remains", 0x00181061) in against(changed(change), given)

    def nested(ds: Dataset) -> None:
        ds.SpecificCharacterSet = "ISO_IR 6"
        item = ds.AnatomicRegionSequence[0]
        item.SpecificCharacterSet = charset
        item.TriggerSourceOrType = f"x {seed}"

    assert ("identifier-remains", 0x00181061) in against(changed(nested), given)


@pytest.mark.parametrize(
    "seed",
    [
        "山田太郎",
        "山田 太郎",
        "太郎",
        "太郎・山田",
        "やまだ",
        "ヤマダ",
        "ﾔﾏﾀﾞ",
        "たろうやまだ",
        "YAMADA",
        "tarou yamada",
    ],
)
def test_every_group_of_a_name_is_found(seed: str) -> None:
    """Ideographic and phonetic groups count, in any order, spaced or not, in either Kana and in any width."""
    given = builders.ct()
    given.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    given.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"

    def change(ds: Dataset) -> None:
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.TriggerSourceOrType = f"x {seed} 3"

    assert ("identifier-remains", 0x00181061) in against(changed(change), given)


def test_dates_in_other_scripts_are_found() -> None:
    """A date with the signs for year, month and day is a date."""

    def change(ds: Dataset) -> None:
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.TriggerSourceOrType = "1947年3月19日"

    assert ("identifier-remains", 0x00181061) in against(changed(change), builders.ct())


@pytest.mark.parametrize("text", ["1.19.3.47", "19.3.47.1", "12.3.47", "1470319", "470319.5", "19x3x47"])
def test_other_numbers_are_no_birth_date(text: str) -> None:
    """What goes on as a version or a number does is none."""
    assert not against(changed(_set("TriggerSourceOrType", text)), builders.ct())


def test_a_birth_date_counts_where_full_dates_are_kept() -> None:
    """Full dates keep those of the study, not the birth date (PS3.15 Table E.1-1)."""
    option = "retain_longitudinal_full_dates"
    good = cleaned(builders.ct(), builders.EXPLICIT, option)
    output = changed(_set("TriggerSourceOrType", "19.03.1947"), good)
    assert ("identifier-remains", 0x00181061) in against(output, builders.ct(), option)


@pytest.mark.parametrize(
    ("keyword", "tag"), [("ScheduledStationAETitle", 0x00400001), ("RetrieveAETitle", 0x00080054)]
)
def test_ae_titles_are_found(keyword: str, tag: int) -> None:
    """AE titles name machines: those of every attribute count, those that consist of vocabulary do not."""
    given = builders.ct()
    setattr(given, keyword, "QUELLE7")
    assert ("identifier-remains", 0x00181061) in against(
        changed(_set("TriggerSourceOrType", "from QUELLE7")), given
    )
    setattr(given, keyword, "STORAGE")
    assert not against(changed(_set("TriggerSourceOrType", "STORAGE")), given)


def test_words_of_an_institution() -> None:
    """A town in an institution's name counts, but neither what it is, nor the maker of the device."""
    given = builders.ct()
    given.InstitutionName = "Universitätsklinikum Quellendorf Ackmetron"
    given.Manufacturer = "ACKMETRON"
    assert ("identifier-remains", 0x00181061) in against(
        changed(_set("TriggerSourceOrType", "Quellendorf")), given
    )
    assert not against(changed(_set("TriggerSourceOrType", "Klinikum")), given)
    assert not against(changed(_set("Manufacturer", "ACKMETRON")), given)


@pytest.mark.parametrize("value", ["2021", "202105", "2021+0100", "202105-0500"])
def test_years_and_months_are_moved(value: str) -> None:
    """A DT value of year, or year and month, passes where it is the input's, moved from its middle."""
    given = builders.ct()
    given.AcquisitionDateTime = value
    assert not against(cleaned(given), given)
    ds = pydicom.dcmread(io.BytesIO(cleaned(given)))
    assert ds.AcquisitionDateTime != value
    output = changed(_set("AcquisitionDateTime", value), cleaned(given))
    assert ("date-not-shifted", 0x0008002A) in against(output, given)


def test_names_in_gb2312_are_found() -> None:
    """ISO 2022 IR 58 with its escape sequences, as PS3.5 K.2 has them (pydicom writes none)."""
    name = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab "
    given = builders.raw_file(
        [
            (0x00080005, "CS", b"\\ISO 2022 IR 58 "),
            (0x00080016, "UI", builders.even(pydicom.uid.CTImageStorage, "\0")),
            (0x00100010, "PN", name),
        ]
    )

    def change(ds: Dataset) -> None:
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.TriggerSourceOrType = "x 张小东 3"

    assert ("identifier-remains", 0x00181061) in against(changed(change), given)


@pytest.mark.parametrize(
    ("name", "encoding"), [("王芳", "gbk"), ("李^明", "gbk"), ("山田^太郎", "shift_jis")]
)
def test_names_in_another_character_set_than_declared_are_found(name: str, encoding: str) -> None:
    """A name in GBK or Shift JIS, declared as Latin, has few letters; its bytes are found all the same."""
    raw = name.encode(encoding)
    given = builders.encode(builders.ct()) + element(0x00100010, "PN", raw + b" " * (len(raw) % 2))
    given = given.replace(b"ISO_IR 192", b"ISO_IR 100")
    text = b"x " + raw.replace(b"^", b" ") + b" 3"
    output = inserted(element(0x00181061, "LO", text + b" " * (len(text) % 2)), 0x00181061)
    output = output.replace(b"ISO_IR 192", b"ISO_IR 100")
    assert ("identifier-remains", 0x00181061) in against(output, given)


def test_names_in_latin_9_are_found() -> None:
    """ISO_IR 203, which pydicom does not know, is read as what it is."""
    raw = "Žižek^Œdipe ".encode("iso8859_15")
    given = builders.encode(builders.ct()).replace(b"Zwicklhuber^", raw)
    given = given.replace(b"ISO_IR 192", b"ISO_IR 203").replace(b"ISO_IR 100", b"ISO_IR 203")
    assert raw in given
    assert b"ISO_IR 203" in given

    def change(ds: Dataset) -> None:
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.TriggerSourceOrType = "x Žižek 3"

    assert ("identifier-remains", 0x00181061) in against(changed(change), given)


def test_text_in_an_undeclared_character_set_is_found() -> None:
    """UTF-8 bytes without a declaration are compared as what they are."""
    given = builders.ct()
    given.PatientName = "Żółkiewski^Łucja"
    raw = "Żółkiewski ".encode()
    output = inserted(element(0x00181061, "LO", raw + b" " * (len(raw) % 2)), 0x00181061)
    output = output.replace(b"ISO_IR 192", b"ISO_IR 100")
    assert ("identifier-remains", 0x00181061) in against(output, given)


def test_numbers_of_six_digits_are_found_in_numeric_values() -> None:
    """A Patient ID that stands as a whole DS or IS value is found; as a part of one it is not."""
    given = builders.ct()
    given.PatientID = "7731904"
    assert ("identifier-remains", 0x00180050) in against(changed(_set("SliceThickness", "7731904")), given)
    assert not against(changed(_set("SliceThickness", "1.7731904")), given)


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00200012, "IS", "123-45-6789"),
        (0x00200012, "IS", "+123456789"),
        (0x00200012, "IS", "0123456789"),
        (0x00200012, "IS", "19470319"),
        (0x00180090, "DS", "19470319"),
        (0x00180090, "DS", "123456789.0"),
        (0x00181042, "TM", "19470319"),
        (0x00200012, "IS", "20210523134501"),
        (0x00200012, "IS", "2021052301"),
        (0x00180090, "DS", "20210523134501.5"),
        (0x00200012, "IS", "1621777501"),
        (0x00180090, "DS", "1621777501250"),
    ],
)
def test_numbers_and_dates_are_found_in_every_spelling(tag: int, vr: str, value: str) -> None:
    """An ID with separators or zeros, and a date of the input, count in IS, DS and (if too long) TM.

    Of a date also what begins with it, and seconds since 1970: converters number images by the clock.
    """
    given = builders.ct()
    given.PatientID = "123-45-6789"
    output = inserted(element(tag, vr, builders.even(value)), tag)
    assert ("identifier-remains", tag) in against(output, given)


def test_a_time_is_no_identifier() -> None:
    """A time of day that equals a Patient ID is a time of day."""
    given = builders.ct()
    given.PatientID = "134501"
    assert not against(inserted(element(0x00181042, "TM", b"134501"), 0x00181042), given)


def test_uids_of_the_input_are_found() -> None:
    """A UID of the input counts even if it has the form of ours."""
    given = builders.ct()
    ours = pydicom.dcmread(io.BytesIO(GOOD)).FrameOfReferenceUID
    given.SynchronizationFrameOfReferenceUID = ours
    assert ("uid-not-replaced", 0x00200052) in against(GOOD, given)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("StudyDate", "20210523"), ("AcquisitionDateTime", "20210523134530"), ("AcquisitionDateTime", "2021")],
)
def test_dates_have_to_be_the_inputs_moved(keyword: str, value: str) -> None:
    """A date that was not moved, or is not whole, is found."""
    tag = int(pydicom.tag.Tag(keyword))
    assert ("date-not-shifted", tag) in against(changed(_set(keyword, value)), builders.ct())


def test_what_tells_the_shift_is_found() -> None:
    """A context group's version has to be a dummy, and a default date must not be there, moved as all are."""
    given = builders.ct()
    given.InstanceCreationDate = "19700101"
    moved = shifted("19700101", SHIFT)
    problems = against(changed(_set("InstanceCreationDate", moved)), given)
    assert ("date-not-shifted", 0x00080012) in problems
    region = changed(lambda ds: setattr(ds.AnatomicRegionSequence[0], "ContextGroupVersion", "20020904"))
    assert ("attribute-not-replaced", 0x00080106) in codes(region)
    assert not codes(
        changed(lambda ds: setattr(ds.AnatomicRegionSequence[0], "ContextGroupVersion", "19000101000000"))
    )


@pytest.mark.parametrize("default", ["1970", "197001"])
def test_a_part_of_a_default_date_that_was_moved_is_found(default: str) -> None:
    """A year, or a year and month, of a date that stands for none tells the shift, too."""
    given = builders.ct()
    given.AcquisitionDateTime = default
    told = moved(default.encode(), SHIFT)
    problems = against(changed(_set("AcquisitionDateTime", told)), given)
    assert ("date-not-shifted", 0x0008002A) in problems


def test_a_date_of_the_device_that_was_moved_is_found() -> None:
    """Others have been on the same device: its dates have to go, though the option moves the patient's."""
    given = builders.ct()
    given.DateOfManufacture = "20150101"
    output = changed(_set("DateOfManufacture", shifted("20150101", SHIFT)))
    assert ("attribute-not-removed", 0x00181204) in against(output, given)


def test_full_dates_pass_where_the_option_keeps_them() -> None:
    """With full dates the input's dates are no finding."""
    option = "retain_longitudinal_full_dates"
    assert not against(cleaned(builders.ct(), builders.EXPLICIT, option), builders.ct(), option)


def test_retained_identities_pass() -> None:
    """What an option retains is not searched for."""
    options = ("retain_device_identity", "retain_institution_identity", "retain_uids")
    output = cleaned(builders.ct(), builders.EXPLICIT, *options)
    assert builders.PATIENT.station.encode() in output
    assert not against(output, builders.ct(), *options)


def test_a_shifted_date_may_be_another_date_of_the_input() -> None:
    """That a moved date coincides with an original one is no finding."""
    given = builders.ct()
    given.InstanceCreationDate = shifted(_P.study_date, SHIFT)
    assert not against(GOOD, given)


# ------------------------------------------------------------------------------------------ false alarms


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Head^CT", "Head"),
        ("Standard^Bone", "STANDARD"),
        ("Anonymous^Patient", "Patient study"),
        ("Siemens^Werner", "SIEMENS"),
        ("Ray^Li", "X-Ray"),
        ("Long^Al", "long"),
        ("Meier^Dr", "Dr"),
        ("Meier^Anna^^Dr^Prof", "Prof"),
        ("Ann^Bo", "Anna Mann"),
    ],
)
def test_words_of_the_trade_are_no_names(name: str, text: str) -> None:
    """A patient whose name is a word of the vocabulary does not stop every CT; parts of words do neither."""
    given = builders.ct()
    given.PatientName = name
    assert not against(changed(_set("TriggerSourceOrType", text)), given)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("Meier^Anna", "AnnaMeier 3", True),
        ("Meier^Anna", "MEIERANNA", True),
        ("Meier^Anna^Lisa", "ANNALISAMEIER", True),
        ("O'Brien^Mary", "OBRIEN", True),
        ("Mc Donald^X", "McDonald", True),
        ("van der Berg^J", "VANDERBERG 2", True),
        ("Al-Hassan^J", "ALHASSAN", True),
        ("Zwicklhuber^Anna", "azwicklhuber", True),
        ("Zwicklhuber^Anna", "ZWICKLHUBERA", True),
        ("Sørensen^Åse", "SOERENSEN", True),
        ("Aaberg^A", "Åberg", True),
        ("Meier^Anna", "Meiers Knie", True),
        ("Bone^Anna", "bones", False),
        ("Head^Neck", "HEADNECK", False),
        ("Pine^Sue", "SPINE", False),
        ("Head^Anna", "AHEAD", False),
    ],
)
def test_a_name_is_found_in_one_word(name: str, text: str, *, found: bool) -> None:
    """Parts of a name without what separates them, or with an initial, are a find; words of the trade not."""
    given = builders.ct()
    given.PatientName = name
    problems = against(changed(_set("TriggerSourceOrType", text)), given)
    assert (("identifier-remains", 0x00181061) in problems) == found


def test_two_words_of_one_name_are_a_name() -> None:
    """A name that consists of vocabulary counts where two of its parts stand together."""
    given = builders.ct()
    given.PatientName = "Head^Long"
    output = changed(_set("TriggerSourceOrType", "long head"))
    assert ("identifier-remains", 0x00181061) in against(output, given)


@pytest.mark.parametrize(
    ("keyword", "value", "text"),
    [
        ("PatientID", "123", "B123"),
        ("StudyID", "1", "1"),
        ("StudyID", "3000", "Model 3000"),
        ("AccessionNumber", "0000", "0000"),
        ("InstitutionName", "Radiology", "radiology"),
        ("StationName", "Model 3000", "Model 3000"),
        ("PatientID", "UNKNOWN", "unknown"),
        ("PatientID", "45671", "1.45671.2"),
        ("PatientID", "456712", "14567123"),
    ],
)
def test_short_and_common_identifiers_are_no_findings(keyword: str, value: str, text: str) -> None:
    """Less than four characters, plain vocabulary and numbers inside other numbers do not count."""
    given = builders.ct()
    setattr(given, keyword, value)
    assert not against(changed(_set("ManufacturerModelName", text)), given)


def test_chance_in_binary_values_is_no_finding() -> None:
    """Three letters among binary bytes are chance; inside printable text they are a name."""
    given = builders.ct()
    given.PatientName = "Lee^Qi"
    noise = inserted(element(0x00282000, "OB", b"\x01\x02LEE\x80\x90\xff"), 0x00282000)
    assert ("identifier-remains", 0x00282000) not in against(noise, given)
    text = inserted(element(0x00282000, "OB", b"\0profile of  Lee \0"), 0x00282000)
    assert ("identifier-remains", 0x00282000) in against(text, given)


def test_our_pseudonyms_are_no_findings() -> None:
    """An input that has our pseudonyms already, because it was cleaned before, can be cleaned again."""
    again = cleaned(pydicom.dcmread(io.BytesIO(GOOD)))
    assert not [problem for problem in against(again, GOOD) if problem[0] != "date-not-shifted"]


# ------------------------------------------------------------------------------------------ inputs


@pytest.mark.parametrize(
    "data",
    [
        builders.encode(builders.ct())[:600],
        builders.encode(builders.ct())[:-3],
        builders.encode(builders.ct(), builders.JPEG)[:-30],
    ],
)
def test_an_input_that_cannot_be_read_stops_its_output(data: bytes) -> None:
    """What verification could not search through is no input whose output may pass."""
    assert {code for code, _ in against(GOOD, data)} & {"truncated", "input-unchecked"}


@pytest.mark.parametrize("syntax", builders.NATIVE_SYNTAXES)
def test_identifiers_are_collected_from_every_encoding(syntax: str) -> None:
    """The input's identifiers are found in implicit, explicit, big endian and deflated data sets."""
    given = builders.encode(builders.ct(), syntax, undefined_lengths=True)
    found = collect_identifiers(BytesSource(given))
    assert not found.unread
    held = {value.strip() for _kind, value, _charset in found.raw}
    assert {_P.name.encode(), _P.patient_id.encode(), _P.phone.encode(), _P.institution.encode()} <= held
    assert {_P.birth_date, _P.study_date} <= found.dates
    assert {_P.uid(1), _P.uid(2), _P.uid(3, 99)} <= found.uids
    assert repr(found) == "Identifiers(...)"


def test_identifiers_are_collected_from_odd_inputs() -> None:
    """No preamble, a public sequence inside UN, text behind Pixel Data: all is read."""
    sequence = struct.pack("<HHL", 0xFFFE, 0xE000, 20) + struct.pack("<HHL", 0x10, 0x20, 12) + b"HIDDEN-12345"
    tail = element(0xFFFAFFFA, "SQ", b"") + element(0xFFFCFFFC, "OB", b"")
    data = builders.encode(builders.ct())[132:]
    data = data[: data.index(b"\x10\0\x01\x10")] if b"\x10\0\x01\x10" in data else data
    odd = data + element(0x00101002, "UN", sequence) + element(0x00104000, "LT", b"") + tail
    found = collect_identifiers(BytesSource(odd))
    assert not found.unread
    assert ("id", b"HIDDEN-12345") in {item[:2] for item in found.raw}


@pytest.mark.parametrize(
    ("tag", "vr", "text"),
    [
        (0x00100010, "LO", "Xaverhuber"), (0x00100010, "SH", "Xaverhuber"), (0x00100010, "OB", "Xaverhuber"),
        (0x00100020, "PN", "PID-8842"), (0x00100030, "LO", "19470320"), (0x00080054, "SH", "QX_AE_7"),
        (0x00200052, "LO", "1.2.826.0.1.3680043.10.9999.8842"),
    ],
)  # fmt: skip
def test_identifiers_are_collected_under_any_vr(tag: int, vr: str, text: str) -> None:
    """A name that a converter wrote as LO, a number as PN, a date or a UID as text: each is looked for."""
    odd = builders.encode(builders.ct()) + element(tag, vr, builders.even(text))
    output = changed(_set("TriggerSourceOrType", f"of {text}"))
    assert not against(output, builders.ct())
    assert ("identifier-remains", 0x00181061) in against(output, odd)


@pytest.mark.parametrize(("tag", "vr"), [(0x00201070, "IS"), (0x00203402, "CS"), (0x00203111, "CS")])
def test_retired_numbers_of_studies_and_images_are_absent(tag: int, vr: str) -> None:
    """Other Study Numbers, Modified Image ID and Source Image IDs name other studies and images."""
    assert ("attribute-not-removed", tag) in codes(inserted(element(tag, vr, b"48291 "), tag))


def test_the_reading_follows_the_data_not_the_declaration() -> None:
    """Implicit data that are declared explicit are read as what they are, as other readers do."""
    given = builders.encode(builders.ct(), builders.IMPLICIT)
    lying = given.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.20")
    found = collect_identifiers(BytesSource(lying))
    assert _P.patient_id.encode() in {item[1].strip() for item in found.raw}


def test_the_number_of_elements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless small elements end the reading."""
    monkeypatch.setattr(verify_reading, "_MAX_ELEMENTS", 20)
    assert ("header-too-large", None) in codes(GOOD)
