"""Compare: the headers of a series as one, what all images share once, and what differs with its values.

Images are added one after the other; what was found in some is merged with what was found in others, in any
order and with the same outcome, so that several workers share a series and none holds it. What is kept is
bounded, however many images there are: 5,000 attributes in the order of the data set; of each the first 30
values, in the order of the images; and the number of its values up to 1,000. What is left out is told.

Like all of :mod:`dicomveil.viewing` it holds values of the input, and is for the screen only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any

from dicomveil.viewing import MAX_ROWS, Shown

__all__ = ["MOST_COUNTED", "MOST_LISTED", "Comparison"]

MOST_COUNTED = 1000  #: values of an attribute
MOST_LISTED = 30
#: Values of all attributes together that a table lists: beyond, each lists fewer, but never less than three.
_MOST_IN_TABLE = 20_000
_FEWEST_LISTED = 3
#: Of a row: what names an attribute; and what one image has of it, and what becomes of that.
_NAMES = ("path", "tag", "name", "keyword")
_FACTS = ("vr", "action", "rule", "option", "reason", "before", "after")
_DIGEST = 12  # bytes
_Place = tuple[int, ...]
_Facts = list[Any]  # in the order of _FACTS


@dataclass(slots=True)
class _Attribute:
    """What the images have of an attribute.

    ``names`` are in the order of ``_NAMES``. ``known`` counts images by the digest of what they have; it is
    ``None`` when there are more than are counted. ``listed`` has the first of them, each with the image where
    it comes first.
    """

    names: list[Any]
    images: int
    changed: bool
    known: dict[str, int] | None
    listed: dict[str, tuple[int, _Facts]]

    def merge(self, other: _Attribute) -> None:
        self.images += other.images
        self.changed |= other.changed
        if self.known is not None and other.known is not None:
            for digest, images in other.known.items():
                self.known[digest] = self.known.get(digest, 0) + images
        if other.known is None or (self.known is not None and len(self.known) > MOST_COUNTED):
            self.known = None
        for digest, variant in other.listed.items():
            if digest not in self.listed or variant[0] < self.listed[digest][0]:
                self.listed[digest] = variant
        if len(self.listed) > MOST_LISTED:
            self.listed = dict(self.in_order()[:MOST_LISTED])

    def in_order(self) -> list[tuple[str, tuple[int, _Facts]]]:
        """Return what is listed by the image where it comes first: no two come first in the same."""
        return sorted(self.listed.items(), key=lambda entry: entry[1][0])


@dataclass(slots=True)
class Comparison:
    """What some images of a series have in common, and where they differ.

    ``limit`` is the place of the first attribute that is left out, of every image, since one of them or all
    together have more than 5,000.
    """

    images: int = 0
    limit: _Place | None = None
    attributes: dict[_Place, _Attribute] = field(default_factory=dict)

    def add(self, number: int, shown: Iterable[Shown]) -> None:
        """Take up an image by its number in the series; each is added once.

        Nothing of it is taken up where an error comes while ``shown`` is read.
        """
        one = Comparison(images=1)
        iterator = iter(shown)
        for place, row, value in islice(iterator, MAX_ROWS):
            while place in one.attributes:  # the tag occurs twice in the data set
                place = (*place[:-1], place[-1] + 1)  # noqa: PLW2901 - the next that is free
            changed = row["action"] != "K" and row["before"] != row["after"]
            facts = [row[name] for name in _FACTS]
            found = blake2b(repr(facts).encode(), digest_size=_DIGEST)
            found.update(value)
            digest = found.hexdigest()
            names = [row[name] for name in _NAMES]
            one.attributes[place] = _Attribute(names, 1, changed, {digest: 1}, {digest: (number, facts)})
        rest = next(iterator, None)
        one.limit = rest.place if rest else None
        self.merge(one)

    def merge(self, other: Comparison) -> None:
        """Take up what was found in other images; ``other`` is not to be used any more."""
        self.images += other.images
        for place, attribute in other.attributes.items():
            known = self.attributes.get(place)
            if known is None:
                self.attributes[place] = attribute
            else:
                known.merge(attribute)
        limits = [limit for limit in (self.limit, other.limit) if limit is not None]
        if len(self.attributes) > MAX_ROWS:
            limits.append(sorted(self.attributes)[MAX_ROWS])
        self.limit = min(limits, default=None)
        if self.limit is not None:
            for place in [place for place in self.attributes if place >= self.limit]:
                del self.attributes[place]

    def table(self) -> dict[str, Any]:
        """Return ``images``, ``cut`` (attributes were left out), and ``rows`` in the order of the data set.

        A row of what is the same in all images is one of :func:`dicomveil.viewing.header_rows`. Where they
        differ it has, beside its names, how many ``images`` have the attribute, how many ``distinct`` values
        it has (or ``more``), whether one of them is ``changed``, and ``values``: rows of the first of these,
        each with its ``images`` (``None`` where that was not counted) and the ``first`` of them.
        """
        differing = sum(self._differs(attribute) for attribute in self.attributes.values())
        most = max(_FEWEST_LISTED, _MOST_IN_TABLE // max(1, differing))
        rows = []
        for _, attribute in sorted(self.attributes.items()):
            known = attribute.known
            names = dict(zip(_NAMES, attribute.names, strict=True))
            variants = [
                (digest, first, names | dict(zip(_FACTS, facts, strict=True)))
                for digest, (first, facts) in attribute.in_order()[:most]
            ]
            if not self._differs(attribute):
                rows.append(variants[0][2])
                continue
            differs = {
                "images": attribute.images,
                "distinct": MOST_COUNTED if known is None else len(known),
                "more": known is None,
                "changed": attribute.changed,
                "values": [
                    row | {"images": known and known[digest], "first": first}
                    for digest, first, row in variants
                ],
            }
            rows.append(names | differs)
        return {"images": self.images, "cut": self.limit is not None, "rows": rows}

    def _differs(self, attribute: _Attribute) -> bool:
        return attribute.images < self.images or attribute.known is None or len(attribute.known) > 1

    def to_json(self) -> str:
        """Return all of it as a text, to be merged elsewhere."""
        attributes = [
            [place, found.names, found.images, found.changed, found.known, list(found.listed.items())]
            for place, found in self.attributes.items()
        ]
        return json.dumps([self.images, self.limit, attributes])

    @classmethod
    def from_json(cls, text: str) -> Comparison:
        """Read what :meth:`to_json` wrote."""
        images, limit, attributes = json.loads(text)
        return cls(
            images,
            None if limit is None else tuple(limit),
            {
                tuple(place): _Attribute(
                    names, count, changed, known, {digest: tuple(one) for digest, one in listed}
                )
                for place, names, count, changed, known, listed in attributes
            },
        )
