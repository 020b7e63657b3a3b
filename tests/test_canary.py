"""The canary run: of a unique string in every place none is left but where a rule lets such a value pass.

Most canaries are no one's names, and most runs are without verification: a place that keeps its canary keeps
anything. The last tests turn verification on: it passes what is clean, and stops what a wrong rule keeps.
"""

from __future__ import annotations

import pytest

import canaries
from canaries import Canaries, Place
from dicomveil import pipeline, tables
from dicomveil.errors import Refused
from dicomveil.profile import OPTIONS, Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.reading import read_instance
from dicomveil.rules import Rules, _Rule
from dicomveil.source import BytesSource, iter_parts

FULL, MODIFIED = "retain_longitudinal_full_dates", "retain_longitudinal_modified_dates"
ROOT = "1.2.840.10008.5.1.4.1.1."
#: SOP classes, their modality, and whether they have pixels.
KINDS = {
    "ct": (ROOT + "2", "CT", True),
    "mr": (ROOT + "4", "MR", True),
    "us": (ROOT + "3.1", "US", True),
    "sr": (ROOT + "88.33", "SR", False),
    "pr": (ROOT + "11.1", "PR", False),
    "rt-structure-set": (ROOT + "481.3", "RTSTRUCT", False),
    "rt-plan": (ROOT + "481.5", "RTPLAN", False),
    "pdf": (ROOT + "104.1", "DOC", False),
    "ecg": (ROOT + "9.1.1", "ECG", False),
    "seg": (ROOT + "66.4", "SEG", True),
}
ALL_WITH_MODIFIED = frozenset(OPTIONS) - {FULL}
ALL_WITH_FULL = frozenset(OPTIONS) - {MODIFIED}
PROFILES = {
    "default": Profile.default().options,
    "basic": frozenset[str](),
    **{option: frozenset({option}) for option in OPTIONS},
    "all, modified dates": ALL_WITH_MODIFIED,
    "all, full dates": ALL_WITH_FULL,
}


def cleaned(
    seeded: Canaries, data: bytes, options: frozenset[str], *, safe_list: bool = False
) -> dict[Place, bytes]:
    """Return the places whose canaries come out, under a key whose date shift is an odd number of days."""
    profile = Profile("canary", options, safe_private=canaries.SAFE_LIST if safe_list else {})
    patient = next(value for value, place in seeded.places.items() if place == ((0x00100020,), "LO"))
    whole = seeded.localized(patient, "LO")
    text = read_instance(BytesSource(data)).head.text(0x00100020)
    assert whole.decode("latin-1").strip() == text
    pseudonyms = next(
        made
        for number in range(100)
        if (made := Pseudonyms(Key(bytes([number] * 32)))).shift_days(f"id\0{text.casefold()}") % 2
    )
    source = BytesSource(data)
    result = pipeline.clean_source(source, pipeline.Session(profile, pseudonyms), pixels="unclaimed")
    return seeded.found_in(b"".join(iter_parts(source, result.parts)))


def may_stay(place: Place, sop_class: str, options: frozenset[str], *, safe_list: bool) -> bool:
    """Whether a rule that is written down lets a canary of this VR pass at this place."""
    path, vr = place
    if not path or vr == "preamble":
        return False
    tag = path[-1]
    row = tables.row_for(tag)
    safe_creator_list = safe_list and "retain_safe_private" in options
    if tag >> 16 & 1:
        below = tag & 0xFF if tag & 0xFFFF >= 0x1000 else 0
        return (
            safe_creator_list
            and vr in {"LO", "SH"}
            and below in {1, 3}
            and (tag & 0xFF00) in {0x1000, 0x1100}
        )
    if row is not None and any(row.options.get(option) == "K" for option in options):
        return True
    if vr == "UI":
        return "retain_uids" in options
    if vr in {"DA", "DT"}:
        return FULL in options  # also in content items
    if vr == "TM":
        return bool(options & {FULL, MODIFIED})
    if row is not None:
        return False
    if vr in canaries.BULK_VRS:  # Waveform Data: bulk is kept where the IOD has a place for it
        return tables.attribute_type(sop_class, path) is not None
    # Reviewed technical texts, in the IODs that have them.
    return tag in tables.SAFE_TEXT and len(path) > 0 and tables.attribute_type(sop_class, path) is not None


def leaks(
    kind: str,
    options: frozenset[str],
    *,
    charset: str = "ISO_IR 100",
    everywhere: bool = False,
    explicit: bool = True,
    safe_list: bool = False,
    sound: bool = False,
) -> list[str]:
    """Return the places (no values) where a canary came out that no rule lets pass."""
    sop_class, modality, pixels = KINDS[kind]
    seeded = Canaries(charset)
    data = canaries.instance(
        seeded, sop_class, modality, explicit=explicit, pixels=pixels, everywhere=everywhere, sound=sound
    )
    found = cleaned(seeded, data, options, safe_list=safe_list)
    assert len(seeded.places) > 2000
    return [
        " ".join(f"{tag:08X}" for tag in place[0]) + " " + place[1]
        for place in sorted(found)
        if not may_stay(place, sop_class, options, safe_list=safe_list)
    ]


@pytest.fixture
def unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take verification away: cleaning has to hold alone."""
    monkeypatch.setattr(pipeline, "_verify", lambda *_args: None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("unverified")
def test_no_canary_is_left_under_the_default_profile(kind: str) -> None:
    """Not in text, names, dates, UIDs, bulk, private blocks, File Meta, preamble, nor behind Pixel Data."""
    assert not leaks(kind, Profile.default().options)


@pytest.mark.parametrize("explicit", [True, False], ids=["explicit", "implicit"])
@pytest.mark.usefixtures("unverified")
def test_no_canary_is_left_in_any_sequence_of_the_standard(explicit: bool) -> None:  # noqa: FBT001 - a parameter
    """Every sequence of PS3.6 is in a CT, whether its IOD has it or not."""
    assert not leaks("ct", Profile.default().options, everywhere=True, explicit=explicit)


@pytest.mark.parametrize("charset", canaries.CHARACTER_SETS, ids=str)
@pytest.mark.usefixtures("unverified")
def test_no_canary_is_left_in_any_character_set(charset: str) -> None:
    """Escape sequences and bytes above 127 hide nothing, with clean_descriptors on as well."""
    assert not leaks("mr", Profile.default().options | {"clean_descriptors"}, charset=charset)


@pytest.mark.parametrize("kind", ["ct", "sr"])
@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.usefixtures("unverified")
def test_options_keep_only_what_is_theirs(name: str, kind: str) -> None:
    """Each option alone, and all that agree together, let only those canaries pass that they keep."""
    assert not leaks(kind, PROFILES[name], safe_list="retain_safe_private" in PROFILES[name])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["default", "all, modified dates"])
def test_verification_passes_what_is_clean(name: str, kind: str) -> None:
    """With verification on the same instances come out, and nothing is left: it does not cry wolf."""
    safe_list = "retain_safe_private" in PROFILES[name]
    assert not leaks(kind, PROFILES[name], charset="ISO_IR 6", safe_list=safe_list, sound=True)


#: An attribute of each VR that can identify, on top level, in a sequence and in a private block.
SABOTAGED = {
    "AE": 0x00080054,
    "CS": 0x00181008,
    "DA": 0x00080020,
    "DT": 0x0008002A,
    "LO": 0x00100020,
    "LT": 0x00104000,
    "OB": 0x04000310,
    "PN": 0x00081070,
    "SH": 0x00080050,
    "ST": 0x00080081,
    "TM": 0x00080030,
    "UI": 0x0020000D,
    "UN": 0x0008AAAA,
    "UT": 0x0040A160,
    "private": 0x00111001,
}


#: What verification says of something that should not be there.
STOPS = {
    "attribute-not-removed", "attribute-not-replaced", "attribute-unknown", "date-not-removed",
    "identifier-remains", "text-not-reviewed", "uid-not-replaced",
}  # fmt: skip


@pytest.mark.parametrize("name", SABOTAGED)
def test_verification_stops_what_cleaning_lets_through(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a rule kept an attribute that it must not, the file would not leave."""
    tag = SABOTAGED[name]
    right = Rules._standard_rule

    def wrong(self: Rules, asked: int) -> _Rule:
        return _Rule("K", "K", "sabotage") if asked == tag else right(self, asked)

    monkeypatch.setattr(Rules, "_standard_rule", wrong)
    seeded = Canaries("ISO_IR 6")
    sop_class, modality, pixels = KINDS["sr" if name == "UT" else "ct"]
    data = canaries.instance(seeded, sop_class, modality, pixels=pixels, everywhere=False, sound=True)
    with pytest.raises(Refused) as refused:
        cleaned(seeded, data, frozenset())
    assert refused.value.code in STOPS


def test_the_run_can_fail() -> None:
    """What keeps everything is found out: each canary is seen in the input, at its place."""
    seeded = Canaries()
    sop_class, modality, pixels = KINDS["ct"]
    data = canaries.instance(seeded, sop_class, modality, pixels=pixels, everywhere=False)
    assert set(seeded.found_in(data)) == set(seeded.places.values())
