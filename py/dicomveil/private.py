"""Safe private attributes: which private elements may stay (Retain Safe Private, PS3.15 E.3.10).

Known to be safe are those of Table E.3.10-1 and of a site's own list in the profile, never with OB or another
VR that hides its content. What the file itself declares to be safe (Private Data Element Characteristics
Sequence, PS3.3 C.12.1.1.7) is believed for numbers and codes alone: nobody reviewed it. A creator stays only
with an element of its block. Sequences are walked item by item: what is in them has to be listed too.
"""

from __future__ import annotations

from collections.abc import Mapping

from dicomveil.encoding import DataSet
from dicomveil.tables import safe_private

__all__ = ["Declared", "PrivateBlocks", "declared_safe"]

_HIDING_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


#: VRs that a file's own declaration is believed for.
_BELIEVED_VRS = frozenset(
    {"AT", "CS", "DS", "FD", "FL", "IS", "SL", "SQ", "SS", "SV", "UL", "US", "UV"},
)
_CHARACTERISTICS, _GROUP, _CREATOR, _STATUS, _ELEMENTS = (
    0x00080300, 0x00080301, 0x00080302, 0x00080303, 0x00080304,
)  # fmt: skip

#: (group, private creator) -> the elements of the block, without its number, that are declared to be safe.
Declared = Mapping[tuple[int, str], frozenset[int]]


def declared_safe(head: DataSet) -> Declared:
    """Return what an instance says of its private elements: all of a SAFE block, else those listed."""
    found: dict[tuple[int, str], frozenset[int]] = {}
    sequence = head.find(_CHARACTERISTICS)
    for item in (sequence.items or []) if sequence else []:
        key = item.number(_GROUP), item.text(_CREATOR)
        if item.text(_STATUS) == "SAFE":
            found[key] = frozenset(range(0x100))
        elif item.text(_STATUS) == "MIXED":
            found[key] = frozenset(item.numbers(_ELEMENTS))
    return found


class PrivateBlocks:
    """The private blocks of one data set: which creator reserved which elements (PS3.5 7.8.1)."""

    def __init__(self, data_set: DataSet, own: Mapping[str, Mapping[str, str]], declared: Declared) -> None:
        self._creators: dict[int, str] = {}
        self._declared = declared
        self._own = own
        for element in data_set.elements:
            if element.tag >> 16 & 1 and 0x10 <= element.tag & 0xFFFF <= 0xFF:
                creator = data_set.value(element).decode("latin-1").strip(" \0")
                self._creators[element.tag & 0xFFFF0000 | (element.tag & 0xFF) << 8] = creator
        self.kept: set[int] = set()

    def safe_vr(self, tag: int, vr: str) -> str | None:
        """Return the VR of a safe element, the list's; ``None`` if it is not safe or says another VR."""
        creator = self._creators.get(tag & 0xFFFFFF00)
        if creator is None or tag & 0xFFFF < 0x1000:
            return None
        key = f"{tag >> 16:04X}{tag & 0xFF:02X}"
        listed = safe_private().get(creator, {}).get(key) or self._own.get(creator, {}).get(key)
        if listed is None:
            declared = self._declared.get((tag >> 16, creator), frozenset())
            return vr if tag & 0xFF in declared and vr in _BELIEVED_VRS else None
        return None if vr not in {listed, "UN"} or listed in _HIDING_VRS else listed

    def keep_creator_of(self, tag: int) -> None:
        """Note that an element stays, and its block's creator with it."""
        self.kept.add(tag & 0xFFFF0000 | tag >> 8 & 0xFF)
