"""Patients: whether the inputs agree about who is who. What does not is reported, and nothing is merged.

Padding, case, diacritics, order of the parts and trailing ``^`` of a name make no other name of it. Two names
are similar if they share the family name and the others go together as initials do, or if few letters differ.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import combinations
from typing import NamedTuple

from dicomveil.charset import declared_encodings, decode_text
from dicomveil.inspecting import patient_identity
from dicomveil.reading import Instance

__all__ = ["Finding", "Person", "are_similar", "findings", "person_of"]

_NAME, _BIRTH_DATE = 0x00100010, 0x00100030
_WORDS = re.compile(r"[^\W_]+")
_ALIKE = 0.8
#: Of more people with one birth date (a dummy, surely) only those of the same name are compared.
_MANY = 100


class Person(NamedTuple):
    """Who an input says it is about: patient data. ``identity`` is what pseudonyms are made from."""

    identity: str
    name: tuple[str, ...]
    birth_date: str


class Finding(NamedTuple):
    """``patient-id-shared`` or ``patient-split``, and the numbers of the inputs that belong together."""

    code: str
    inputs: tuple[tuple[int, ...], ...]


def person_of(instance: Instance) -> Person:
    """Return who an instance is about, its name without what makes no difference."""
    head = instance.head
    element = head.find(_NAME)
    text = "" if element is None else decode_text(head.value(element), declared_encodings(head))
    return Person(patient_identity(instance), _words(text), head.text(_BIRTH_DATE))


def _words(name: str) -> tuple[str, ...]:
    """Return the words of a Person Name, sorted: those of its first component group that has any."""
    folded = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss"))
    folded = "".join(letter for letter in folded if not unicodedata.combining(letter))
    for two, one in (("ae", "a"), ("oe", "o"), ("ue", "u")):
        folded = folded.replace(two, one)
    groups = (tuple(sorted(_WORDS.findall(group))) for group in folded.split("="))
    return next((words for words in groups if words), ())


def are_similar(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether two names may be one person's."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if not short or max(map(len, short)) < 3:
        return False
    rest = list(long)
    for word in sorted(short, key=len, reverse=True):
        match = next((w for w in rest if w == word), None) or next(
            (w for w in rest if w.startswith(word) or word.startswith(w)), None
        )
        if match is None:
            return SequenceMatcher(None, " ".join(one), " ".join(other), autojunk=False).ratio() >= _ALIKE
        rest.remove(match)
    return bool({word for word in short if len(word) >= 3} & {*long})


def findings(people: Iterable[tuple[int, Person]]) -> list[Finding]:
    """Return what should be decided by a person, in the order of the inputs.

    ``patient-id-shared``: one Patient ID, and names that are not similar. ``patient-split``: one birth date
    and similar names, and other IDs, so that the outputs have other pseudonyms and shifts.
    """
    inputs: dict[Person, list[int]] = {}
    for number, person in people:
        inputs.setdefault(person, []).append(number)
    by_identity: dict[str, list[Person]] = {}
    by_birth_date: dict[str, list[Person]] = {}
    for person in inputs:
        if person.name:
            by_identity.setdefault(person.identity, []).append(person)
            if person.birth_date:
                by_birth_date.setdefault(person.birth_date, []).append(person)
    found = [_finding("patient-id-shared", _by_name(group), inputs) for group in by_identity.values()]
    for group in by_birth_date.values():
        for alike in _by_name(group):
            identities: dict[str, list[Person]] = {}
            for person in alike:
                identities.setdefault(person.identity, []).append(person)
            found.append(_finding("patient-split", list(identities.values()), inputs))
    return sorted((finding for finding in found if len(finding.inputs) > 1), key=_order)


def _order(finding: Finding) -> tuple[tuple[tuple[int, ...], ...], str]:
    return finding.inputs, finding.code


def _by_name(people: list[Person]) -> list[list[Person]]:
    """Group people by names that are similar, directly or by way of others."""
    groups: list[list[Person]] = [[person] for person in people]
    of = dict(zip(people, groups, strict=True))
    compare = are_similar if len(people) <= _MANY else tuple.__eq__
    for one, other in combinations(people, 2):
        if of[one] is not of[other] and compare(one.name, other.name):
            merged, old = of[one], of[other]
            merged += old
            of |= dict.fromkeys(old, merged)
    return list({id(group): group for group in of.values()}.values())


def _finding(code: str, groups: list[list[Person]], inputs: dict[Person, list[int]]) -> Finding:
    return Finding(
        code,
        tuple(sorted(tuple(sorted(n for person in group for n in inputs[person])) for group in groups)),
    )
