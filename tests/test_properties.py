"""What holds of every input: no identifier survives; references, intervals and pixels stay as they are."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, config, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.sequence import Sequence

import builders
import trees
from builders import Patient
from dicomveil import pipeline, tables
from dicomveil.errors import CODES, Refused
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.source import BytesSource, iter_parts

PSEUDONYMS = Pseudonyms(Key(bytes(range(32))))
SESSION = pipeline.Session(Profile.default(), PSEUDONYMS)
#: Options beside the default profile, and which of a patient's secrets they let pass.
OPTIONS: dict[str, tuple[set[str], set[str]]] = {
    "default": ({"clean_pixel_data", "retain_longitudinal_modified_dates"}, set()),
    "basic": (set(), set()),
    "clean": (
        {
            "clean_descriptors",
            "clean_structured_content",
            "clean_graphics",
            "retain_longitudinal_modified_dates",
            "retain_safe_private",
        },
        set(),
    ),
    "retain": (
        {
            "retain_longitudinal_full_dates",
            "retain_patient_characteristics",
            "retain_device_identity",
            "clean_descriptors",
        },
        {"study_date", "station", "serial"},
    ),
}
SESSIONS = {
    name: pipeline.Session(Profile(name, frozenset(options)), PSEUDONYMS)
    for name, (options, _) in OPTIONS.items()
}
ANATOMIC_REGION = 0x00082218  # a sequence that is kept
STRING_VRS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
NUMBER_VRS = {"US": 2, "UL": 4, "FL": 4, "FD": 8, "SS": 2, "SL": 4, "AT": 4}
STRUCTURAL = {"SpecificCharacterSet", "SOPClassUID", "Modality", "PixelData", "EncapsulatedDocument"}
#: Where verification learns what identifies the patient: what is in none of them is no identifier to it.
IDENTITY = {"PatientName", "PatientID", "AccessionNumber"}


def tags_of(vrs: set[str]) -> list[int]:
    """Return the tags of data set elements that have one of these VRs and no other."""
    return [
        tag
        for tag, row in DicomDictionary.items()
        if row[0] in vrs and tag > 0x00080005 and row[4] not in STRUCTURAL | IDENTITY
    ]


STRING_TAGS = tags_of(STRING_VRS)
NUMBER_TAGS = [
    tag
    for tag in tags_of(set(NUMBER_VRS))
    if tag >> 16 not in {0x0028, 0x0060} and tables.row_for(tag) is None
]

letters = st.text("bcdfghjklmnpqrstvwxz", min_size=9, max_size=12)
digits = st.text("123456789", min_size=9, max_size=10)
births = st.dates(min_value=date(1931, 1, 1), max_value=date(1989, 12, 28))
studies = st.dates(min_value=date(1991, 1, 1), max_value=date(2024, 12, 28))
patients = st.builds(
    Patient,
    name=st.builds("{}^{}".format, letters.map(str.title), letters.map(str.title)),
    patient_id=st.builds("P{}".format, digits),
    other_id=st.builds("O{}".format, digits),
    birth_date=births.map("{:%Y%m%d}".format),
    accession=st.builds("A{}".format, digits),
    institution=st.builds("{} {}".format, letters.map(str.title), letters.map(str.title)),
    study_date=studies.map("{:%Y%m%d}".format),
    root=st.builds("1.2.826.0.1.{}".format, digits),
)
syntaxes = st.sampled_from(builders.SYNTAXES)
profiles = st.sampled_from(sorted(OPTIONS))
kinds = st.sampled_from(sorted(builders.BUILDERS))
image_kinds = st.sampled_from(["ct", "mr", "us", "sc", "enhanced-mr", "segmentation"])


def clean(data: bytes, session: pipeline.Session = SESSION) -> bytes:
    """Return the cleaned file."""
    source = BytesSource(data)
    cleaned = pipeline.clean_source(source, session, pixels="unclaimed")
    return b"".join(iter_parts(source, cleaned.parts))


def survivors(output: bytes, texts: list[str]) -> list[str]:
    """Return which of the texts an output holds, in any case and any of the usual encodings."""
    low = output.lower()
    encodings = ("utf-8", "utf-16-le", "utf-16-be", "latin-1")
    return [text for text in texts if any(text.lower().encode(name, "ignore") in low for name in encodings)]


def pairs(before: trees.Tree, after: trees.Tree) -> Iterator[tuple[int, str, bytes, bytes]]:
    """Yield (tag, VR, value before, value after) of the elements that are in both trees, at every depth."""
    for tag in before.keys() & after.keys():
        (vr, value), (_vr, new) = before[tag], after[tag]
        if isinstance(value, list) and isinstance(new, list):
            if len(value) == len(new):
                for item, new_item in zip(value, new, strict=True):
                    yield from pairs(item, new_item)
        elif isinstance(value, bytes) and isinstance(new, bytes):
            yield tag, vr, value, new


def secrets_under(options: str, patient: Patient) -> list[str]:
    """Return the patient's texts that may not come out under some options."""
    retained = {getattr(patient, name) for name in OPTIONS[options][1]}
    return [secret for secret in patient.secrets() if secret not in retained]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("transfer_syntax", builders.SYNTAXES, ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("kind", builders.BUILDERS)
def test_built_instances_come_out_without_an_identifier(
    kind: str, transfer_syntax: str, options: str
) -> None:
    """An instance with its identifiers in the usual places comes out, verified, and holds none of them."""
    data = builders.encode(builders.BUILDERS[kind](builders.PATIENT, 1), transfer_syntax)
    secrets = secrets_under(options, builders.PATIENT)
    if transfer_syntax != builders.DEFLATED:
        assert survivors(data, secrets) == secrets
    assert survivors(clean(data, SESSIONS[options]), secrets) == []


@settings(max_examples=200)
@given(st.data(), patients, kinds, syntaxes, st.integers(0, 1), profiles)
def test_no_seeded_identifier_survives(
    data: st.DataObject,
    patient: Patient,
    kind: str,
    transfer_syntax: str,
    nested: int,
    options: str,
) -> None:
    """Identifiers in any text attribute, at any depth, never come out: removed, or the file refused."""
    ds = builders.BUILDERS[kind](patient, 1)
    target = ds
    with config.disable_value_validation():
        if nested:
            target = Dataset()
            ds.add_new(ANATOMIC_REGION, "SQ", Sequence([target]))
        for tag in data.draw(st.lists(st.sampled_from(STRING_TAGS), min_size=1, max_size=4, unique=True)):
            secret = data.draw(
                st.sampled_from(
                    [patient.name, patient.name.split("^")[0], patient.patient_id, patient.accession]
                )
            )
            vr = DicomDictionary[tag][0]
            target.add_new(tag, vr, secret.upper() if vr == "CS" else secret)
        encoded = builders.encode(ds, transfer_syntax)
    try:
        output = clean(encoded, SESSIONS[options])
    except Refused as refused:
        event(f"refused: {refused.code}")
        return
    event("clean")
    assert survivors(output, secrets_under(options, patient)) == []


CHARACTER_SETS = [
    ("ISO_IR 100", "latin-1", "Brännström^Jörg"),
    ("ISO_IR 101", "iso8859-2", "Wałęsowski^Zbyněk"),
    ("ISO_IR 144", "iso8859-5", "Люкceмбypгский^Иван"),  # noqa: RUF001 - Cyrillic
    ("ISO_IR 126", "iso8859-7", "Διονυσιος^Παπαδοπουλος"),
    ("ISO_IR 127", "iso8859-6", "قباني^لنزار"),
    ("ISO_IR 192", "utf-8", "Wang小东^XiaoDongming"),
    ("GB18030", "gb18030", "王小东明^小东"),
    ("\\ISO 2022 IR 87", "iso2022_jp", "山田太郎^太郎"),
    ("ISO_IR 13", "shift_jis", "ﾔﾏﾀﾞﾀﾞ^ﾀﾛｳﾀﾞ"),
]


@pytest.mark.parametrize(
    ("character_set", "codec", "name"), CHARACTER_SETS, ids=[case[0] for case in CHARACTER_SETS]
)
def test_name_in_any_character_set_is_found(character_set: str, codec: str, name: str) -> None:
    """A name that was copied into a technical attribute does not come out, whatever the character set."""
    family = name.split("^", maxsplit=1)[0]
    elements: builders.RawElements = [
        (0x00080005, "CS", builders.even(character_set)),
        (0x00080016, "UI", builders.even("1.2.840.10008.5.1.4.1.1.2", "\0")),
        (0x00080018, "UI", b"1.2.826.0.1.3680043.10.9999.3\0"),
        (0x00080070, "LO", f"made for {family}".encode(codec)),
        (0x00100010, "PN", name.encode(codec)),
        (0x00100020, "LO", b"PID-7731"),
        (0x0020000D, "UI", b"1.2.826.0.1.3680043.10.9999.1\0"),
        (0x0020000E, "UI", b"1.2.826.0.1.3680043.10.9999.2\0"),
    ]
    elements = [
        (tag, vr, value + b" " * (len(value) % 2)) for tag, vr, value in elements if isinstance(value, bytes)
    ]
    try:
        output = clean(builders.raw_file(elements))
    except Refused as refused:
        if refused.code != "identifier-remains":
            raise
        return
    assert family.encode(codec) not in output


@settings(max_examples=40)
@given(
    patients,
    st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=2, max_size=5),
    st.sampled_from(builders.NATIVE_SYNTAXES),
)
def test_uid_graph_is_isomorphic(patient: Patient, edges: list[list[int]], transfer_syntax: str) -> None:
    """Over all files, each UID has one successor and no two have the same; the standard's stay themselves."""
    successors: dict[str, str] = {}
    for number, targets in enumerate(edges):
        ds = builders.enhanced_mr(patient, number) if number % 2 else builders.ct(patient, number)
        references = [
            builders.reference("1.2.840.10008.5.1.4.1.1.2", patient.uid(3, target)) for target in targets
        ]
        holder = Dataset()
        holder.ReferencedSOPSequence = Sequence(references)
        holder.FrameOfReferenceUID = patient.uid(4)
        ds.add_new(ANATOMIC_REGION, "SQ", Sequence([holder]))
        data = builders.encode(ds, transfer_syntax)
        before, after = trees.read(data).tree, trees.read(clean(data)).tree
        for _tag, vr, value, new in pairs(before, after):
            if vr == "UI":
                old_uid, new_uid = value.rstrip(b"\0").decode(), new.rstrip(b"\0").decode()
                assert successors.setdefault(old_uid, new_uid) == new_uid
        item = after[ANATOMIC_REGION][1][0]
        assert isinstance(item, dict)
        assert len(item[0x00081199][1]) == len(targets)
    replaced = {old: new for old, new in successors.items() if not tables.is_standard_uid(old)}
    assert len(set(replaced.values())) == len(replaced) >= 5
    assert not set(replaced) & set(replaced.values())
    assert all(old == new for old, new in successors.items() if tables.is_standard_uid(old))


def moments(tree: trees.Tree) -> list[datetime]:
    """Return when things happened: study, series, acquisition, frames."""
    found = []
    for name, time in ((0x00080020, 0x00080030), (0x00080021, 0x00080031), (0x00080022, 0x00080032)):
        values = [tree[tag][1] for tag in (name, time)]
        text = " ".join(value.decode().strip() for value in values if isinstance(value, bytes))
        found.append(datetime.strptime(text, "%Y%m%d %H%M%S"))  # noqa: DTZ007 - DICOM times have no zone
    value = tree[0x0008002A][1]
    assert isinstance(value, bytes)
    found.append(datetime.strptime(value.decode().strip()[:14], "%Y%m%d%H%M%S"))  # noqa: DTZ007 - as above
    return found


@settings(max_examples=60)
@given(
    patients,
    st.lists(
        st.lists(st.datetimes(datetime(1980, 1, 2), datetime(2024, 12, 31)), min_size=4, max_size=4),  # noqa: DTZ001
        min_size=2,
        max_size=3,
    ),
)
@example(Patient(), [[datetime(2020, 2, 29, 23, 59, 59)] * 4, [datetime(2020, 3, 1)] * 4])  # noqa: DTZ001
def test_intervals_are_kept_to_the_second(patient: Patient, files: list[list[datetime]]) -> None:
    """Dates and times of a patient's files all move by one number of whole days, and none by zero."""
    shifts = set()
    for number, (study, series, acquisition, precise) in enumerate(files):
        ds = builders.ct(patient, number)
        ds.StudyDate, ds.StudyTime = f"{study:%Y%m%d}", f"{study:%H%M%S}"
        ds.SeriesDate, ds.SeriesTime = f"{series:%Y%m%d}", f"{series:%H%M%S}"
        ds.AcquisitionDate, ds.AcquisitionTime = f"{acquisition:%Y%m%d}", f"{acquisition:%H%M%S}"
        ds.AcquisitionDateTime = f"{precise:%Y%m%d%H%M%S}.123456-0130"
        del ds.ContentDate, ds.ContentTime
        data = builders.encode(ds)
        before, after = trees.read(data).tree, trees.read(clean(data)).tree
        shifts |= {new - old for old, new in zip(moments(before), moments(after), strict=True)}
    assert len(shifts) == 1
    (shift,) = shifts
    assert shift == timedelta(days=shift.days)
    assert shift


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(NUMBER_TAGS), st.binary(min_size=8, max_size=8), max_size=12),
    image_kinds,
    st.sampled_from(builders.NATIVE_SYNTAXES),
    st.integers(0, 1),
)
def test_kept_elements_and_pixels_are_byte_identical(
    numbers: dict[int, bytes],
    kind: str,
    transfer_syntax: str,
    undefined_lengths: int,
) -> None:
    """Numbers outside the table, and all pixels, keep their bytes; the input stays itself."""
    ds = builders.BUILDERS[kind](builders.PATIENT, 1)
    item = Dataset()
    for tag, value in numbers.items():
        vr = DicomDictionary[tag][0]
        kind_of_number = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "I"}[vr]
        (number,) = struct.unpack("<" + kind_of_number, value[: NUMBER_VRS[vr]])
        item.add_new(tag, vr, number)
    ds.add_new(ANATOMIC_REGION, "SQ", Sequence([item]))
    data = builders.encode(ds, transfer_syntax, undefined_lengths=bool(undefined_lengths))
    copy = bytes(bytearray(data))
    before, after = trees.read(data).tree, trees.read(clean(data)).tree
    assert data == copy
    assert after[0x7FE00010] == before[0x7FE00010]
    assert after[ANATOMIC_REGION] == before[ANATOMIC_REGION]


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_encapsulated_pixels_are_byte_identical(frames: int) -> None:
    """Compressed frames are copied with their items, whatever is in them."""
    ds = builders.us()
    ds.NumberOfFrames = str(frames)
    data = builders.encode(ds, builders.JPEG)
    before, after = trees.read(data), trees.read(clean(data))
    assert after.tree[0x7FE00010] == before.tree[0x7FE00010]
    assert str(frames) == str(after.ds.NumberOfFrames)


@settings(max_examples=60)
@given(patients, kinds, syntaxes, st.integers(0, 1))
def test_output_re_reads(patient: Patient, kind: str, transfer_syntax: str, undefined_lengths: int) -> None:
    """Pydicom reads the output without a warning: every value, in tag order, in the same transfer syntax."""
    data = builders.encode(
        builders.BUILDERS[kind](patient, 1), transfer_syntax, undefined_lengths=bool(undefined_lengths)
    )
    output = clean(data)
    assert output[:132] == bytes(128) + b"DICM"
    ds = dcmread(io.BytesIO(output))
    assert ds.file_meta.TransferSyntaxUID == transfer_syntax
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert {elem.tag.element for elem in ds.file_meta} == {0x00, 0x01, 0x02, 0x03, 0x10, 0x12, 0x13}
    assert [elem.tag for elem in ds] == sorted(elem.tag for elem in ds)
    assert list(builders.walk(ds))
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.PatientName == ds.PatientID != patient.name


MALFORMED_UIDS = [b"..", b"../../etc", b"1.2.826.0.1\xff3680043.9", b"Zwicklhuber", b"1..2", b"1.2.3."]


@pytest.mark.parametrize("options", [frozenset[str](), frozenset({"retain_uids"})], ids=["default", "retain"])
@pytest.mark.parametrize("uid", MALFORMED_UIDS)
def test_malformed_uid_is_never_kept(uid: bytes, options: frozenset[str]) -> None:
    """What is no UID is replaced even where UIDs are retained: not in File Meta, not in a file's new name."""
    elements: builders.RawElements = [
        (0x00080016, "UI", builders.even("1.2.840.10008.5.1.4.1.1.2", "\0")),
        (0x00080018, "UI", uid),
        (0x00100020, "LO", b"PID-7731"),
        (0x0020000D, "UI", uid),
        (0x0020000E, "UI", uid),
    ]
    source = BytesSource(builders.raw_file(elements))
    cleaned = pipeline.clean_source(source, pipeline.Session(Profile("uids", options), SESSION.pseudonyms))
    file = trees.read(b"".join(iter_parts(source, cleaned.parts)))
    values = [file.tree[tag][1] for tag in (0x00080018, 0x0020000D, 0x0020000E)]
    assert all(isinstance(value, bytes) and value.startswith(b"2.25.") for value in values)
    assert str(file.ds.file_meta.MediaStorageSOPInstanceUID).startswith("2.25.")
    assert all(part.startswith("2.25.") for part in cleaned.name.removesuffix(".dcm").split("/")[1:])


def test_cleaning_is_repeatable() -> None:
    """The same input, options and key give the same bytes, in any session."""
    data = builders.encode(builders.enhanced_mr())
    again = pipeline.Session(Profile.default(), Pseudonyms(Key(bytes(range(32)))))
    other = pipeline.Session(Profile.default(), Pseudonyms(Key(bytes(32))))
    assert clean(data) == clean(data, again) != clean(data, other)


def test_output_can_be_cleaned_again() -> None:
    """A cleaned file is a valid input."""
    once = clean(builders.encode(builders.ct()))
    twice = trees.read(clean(once)).tree
    assert twice.keys() == trees.read(once).tree.keys()


def only_refuses(data: bytes, session: pipeline.Session = SESSION) -> bytes | None:
    """Clean hostile bytes; nothing but a refusal with a known code may be raised."""
    try:
        return clean(data, session)
    except Refused as refused:
        if refused.code not in CODES or refused.code == "internal-error":
            raise
        return None


@pytest.mark.parametrize("transfer_syntax", builders.SYNTAXES, ids=lambda uid: uid.keyword)
def test_truncation_at_every_offset(transfer_syntax: str) -> None:
    """A file that ends anywhere is refused, or comes out clean: it never raises anything else."""
    ds = builders.us() if transfer_syntax == builders.JPEG else builders.ct()
    data = builders.encode(ds, transfer_syntax, undefined_lengths=transfer_syntax == builders.EXPLICIT)
    for length in range(len(data)):
        output = only_refuses(data[:length])
        assert output is None or survivors(output, builders.PATIENT.secrets()) == []


mutations = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True), st.integers(0, 255) | st.sampled_from([0x00, 0x7F, 0xFE, 0xFF])
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=500)
@given(kinds, syntaxes, st.integers(0, 1), mutations, profiles)
def test_mutated_bytes_are_only_refused(
    kind: str,
    transfer_syntax: str,
    undefined_lengths: int,
    changes: list[tuple[float, int]],
    options: str,
) -> None:
    """Bytes changed anywhere lead to a clean output or a refusal."""
    ds = builders.BUILDERS[kind](builders.PATIENT, 1)
    data = bytearray(builders.encode(ds, transfer_syntax, undefined_lengths=bool(undefined_lengths)))
    for where, value in changes:
        data[128 + int(where * (len(data) - 128))] = value
    output = only_refuses(bytes(data), SESSIONS[options])
    event("refused" if output is None else "clean")


@settings(max_examples=300)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", bytes(128) + b"DICM", b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"]),
)
def test_any_bytes_are_only_refused(data: bytes, start: bytes) -> None:
    """Bytes that are no DICOM file, or hardly one, are refused."""
    only_refuses(start + data)


@settings(max_examples=100)
@given(st.integers(1, 400))
def test_deep_nesting_is_only_refused(depth: int) -> None:
    """Sequences in sequences, however deep, do not exhaust the stack."""
    value: list[builders.RawElements] = [[(0x0040A160, "UT", b"text")]]
    encoded = builders.raw_data_set([(0x00082218, "SQ", value)])
    for _ in range(depth):
        item = struct.pack("<HHL", 0xFFFE, 0xE000, len(encoded)) + encoded
        encoded = struct.pack("<HH2sHL", 0x0008, 0x2218, b"SQ", 0, len(item)) + item
    elements: builders.RawElements = [
        (0x00080016, "UI", builders.even("1.2.840.10008.5.1.4.1.1.2", "\0")),
        (0x00080018, "UI", b"1.2.3\0"),
    ]
    only_refuses(builders.raw_file(elements) + encoded)
