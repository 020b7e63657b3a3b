"""Outputs stay valid: dciodvfy (Debian's dicom3tools) finds no error in them that the input has not.

An error counts by its text without values and numbers of items, and by how often it occurs. What is
introduced all the same stands in ``EXPLAINED``. Inputs are the corpus and one made-up instance of each kind.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

import builders
from dicomveil import pipeline
from dicomveil.errors import Refused
from dicomveil.planning import PixelClaim, plan, walk
from dicomveil.profile import OPTIONS, Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.reading import Instance, read_instance
from dicomveil.rules import Rules
from dicomveil.source import BytesSource, iter_parts

pytestmark = [
    pytest.mark.skipif(not builders.CORPUS.exists(), reason="../shared/corpus is not here"),
    pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not here"),
]

PROFILES = {
    "default": Profile.default(),
    "all, modified dates": Profile("all", frozenset(OPTIONS) - {"retain_longitudinal_full_dates"}),
    "all, full dates": Profile("all", frozenset(OPTIONS) - {"retain_longitudinal_modified_dates"}),
}
BASIC = Profile("basic", frozenset())
#: Options that change attributes; the others change pixels and markers.
HEADER_OPTIONS = sorted(set(OPTIONS) - {"clean_pixel_data", "clean_recognizable_visual_features"})
#: Pattern of an introduced error -> why it is none of ours.
EXPLAINED = {
    r"ReferencedSeriesSequence present but Instance does not reference Instances": (
        "references that the IOD makes optional (X/Z/U*, Type 3) are removed; the list of series stays"
    ),
    r"ReasonForRequestedProcedureCodeSequence.*Missing attribute for Type 2": (
        "Type 2 in a Hanging Protocol, but Table E.1-1 says X without a choice"
    ),
}
_VALUES = re.compile(r"<2\.25\.\d+>|= <[^>]*>|\d+\.\d+\.[\d.]+|\[\d+\]")
_TOO_LARGE = 1 << 25


def errors(data: bytes, folder: Path) -> Counter[str]:
    """Return the errors of dciodvfy, without what depends on values and on where an item stands."""
    path = folder / "instance.dcm"
    path.write_bytes(data)
    command = [str(shutil.which("dciodvfy")), "-new", str(path)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    lines = (done.stdout + done.stderr).decode("latin-1").splitlines()
    return Counter(
        _VALUES.sub("", re.sub(r"\s+", " ", line)).strip() for line in lines if line.startswith("Error")
    )


def data_of(name: str) -> bytes:
    """Return the bytes of an input: a file of the corpus, or a kind of made-up instance."""
    if name in builders.BUILDERS:
        return builders.encode(builders.BUILDERS[name](builders.PATIENT, 1))
    return builders.corpus_bytes(builders.CORPUS / name)


@cache
def checked_inputs() -> dict[str, Instance]:
    """Return the inputs that dciodvfy can check: the SOP Class is in the data set, which is not deflated."""
    found = {}
    names = [str(path.relative_to(builders.CORPUS)) for path in builders.corpus_files()]
    for name in [*names, *builders.BUILDERS]:
        data = data_of(name)
        try:
            instance = read_instance(BytesSource(data))
        except Refused:
            continue
        if len(data) <= _TOO_LARGE and instance.head.text(0x00080016) and not instance.encoding.deflated:
            found[name] = instance
    return found


@cache
def input_errors(name: str, folder: Path) -> Counter[str]:
    """Return the errors of an input: the same for every profile."""
    return errors(data_of(name), folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder where dciodvfy finds its file."""
    return tmp_path_factory.mktemp("dciodvfy")


def compare(profile: Profile, names: list[str], folder: Path) -> tuple[int, dict[str, list[str]]]:
    """Return how many outputs were compared, and the unexplained errors with the names of their inputs."""
    session = pipeline.Session(profile, Pseudonyms(Key(bytes(range(32)))))
    introduced: dict[str, list[str]] = defaultdict(list)
    compared = 0
    for name in names:
        source = BytesSource(data_of(name))
        try:
            cleaned = pipeline.clean_source(source, session, pixels="unclaimed")
        except Refused:
            continue
        compared += 1
        found = errors(b"".join(iter_parts(source, cleaned.parts)), folder)
        for error in found - input_errors(name, folder):
            if not any(re.search(pattern, error) for pattern in EXPLAINED):
                introduced[error].append(name)
    return compared, dict(introduced)


@pytest.mark.parametrize("name", PROFILES)
def test_no_error_is_introduced(name: str, folder: Path) -> None:
    """Over the corpus each new error has a written reason; inputs without a SOP Class are not compared."""
    compared, introduced = compare(PROFILES[name], list(checked_inputs()), folder)
    assert compared > 250
    assert introduced == {}


def actions(instance: Instance, profile: Profile) -> set[tuple[str, tuple[int, ...], str]]:
    """Return what is planned: SOP Class, place and action."""
    try:
        planned = plan(instance, Rules(profile), PixelClaim())
    except Refused:
        return set()
    return {(instance.sop_class, path, step.decision.action) for path, step in walk(planned.steps)}


@cache
def basic_actions(name: str) -> set[tuple[str, tuple[int, ...], str]]:
    """Return what is planned without any option."""
    return actions(checked_inputs()[name], BASIC)


@pytest.mark.parametrize("option", HEADER_OPTIONS)
def test_no_error_is_introduced_by_an_option_alone(option: str, folder: Path) -> None:
    """The sample has every attribute, at its place in its SOP Class, that the option treats differently."""
    profile = Profile(option, frozenset({option}))
    seen: set[tuple[str, tuple[int, ...], str]] = set()
    sample = []
    for name, instance in checked_inputs().items():
        new = actions(instance, profile) - basic_actions(name) - seen
        if new:
            seen |= new
            sample.append(name)
    compared, introduced = compare(profile, sample, folder)
    assert compared > 0, "nothing here is touched by this option"
    assert introduced == {}


def test_the_run_can_fail(folder: Path) -> None:
    """An output whose Type 1 attribute is gone is found out."""
    data = data_of("ct")
    modality = b"\x08\x00\x60\x00CS\x02\x00CT"
    assert modality in data
    assert errors(data.replace(modality, modality[:-2] + b"  "), folder) - input_errors("ct", folder)
