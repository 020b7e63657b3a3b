"""Clean: carry out a plan. The only module that makes the new data set, by a pass over encoded elements.

An element that a rule keeps is copied as the bytes it was; only what a rule changes is written. Sequences and
items are written with defined lengths (PS3.5 7.5), the preamble with zeros and File Meta Information anew
(PS3.10 7.1, PS3.15 E.1.1), and the markers that say what was done are added (PS3.15 E.1.1, CID 7050).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from dicomveil import __version__
from dicomveil.charset import declared_encodings, decode_text, defined_terms
from dicomveil.codes import meaning_of
from dicomveil.descriptors import clean_description
from dicomveil.dummies import dummy_items
from dicomveil.encoding import LONG_VRS, UNDEFINED, DataSet
from dicomveil.errors import Refused, format_tag
from dicomveil.icc import neutral_profile, srgb_profile
from dicomveil.planning import Plan, Step
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Pseudonyms
from dicomveil.reading import BIG_ENDIAN, Instance
from dicomveil.rules import TEXT_VRS
from dicomveil.source import Part, part_length
from dicomveil.tables import METHOD_CODES, attribute_type, element_keyword, is_standard_uid
from dicomveil.values import dummy, fitted, pad, shift_date, shift_datetime, swapped, well_formed

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "Cleaner",
    "Subject",
    "Writer",
    "assembled",
    "clean_header",
    "cleaner_for",
    "file_meta",
    "markers",
    "new_uid",
]

#: A fixed UUID under 2.25 (PS3.5 B.2) names this implementation in File Meta Information.
IMPLEMENTATION_CLASS_UID = "2.25.315895117922885441831106518275809658133"
_IMPLEMENTATION_VERSION = f"DICOMVEIL_{__version__}"[:16]

_PATIENT_NAME, _PATIENT_ID = 0x00100010, 0x00100020
_CHARACTER_SET = 0x00080005
_ICC_PROFILE = 0x00282000
_ACCESSION_NUMBER, _STUDY_ID = 0x00080050, 0x00200010
#: Identifiers that the table replaces by D: a pseudonym keeps different ones different.
_IDENTIFIERS = frozenset(
    {0x00120040, 0x00120042, 0x00400512, 0x00400551, 0x00181000, 0x0018700A, 0x00080100, 0x00080119}
)
_CODING_SCHEME, _OWN_SCHEME = 0x00080102, b"99DICOMVEIL"
_SHORT_MAX = 0xFFFF


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose instance it is: the identity that pseudonyms and the date shift derive from."""

    identity: str
    shift_days: int


def new_uid(uid: str, pseudonyms: Pseudonyms) -> str:
    """Return the UID that stands for another: itself if the standard defines it, else its pseudonym."""
    return uid if is_standard_uid(uid) else pseudonyms.uid(uid)


def _clean_uids(value: bytes, pseudonyms: Pseudonyms) -> bytes:
    uids = [uid.strip("\0 ") for uid in value.decode("latin-1").split("\\")]
    return pad("\\".join(new_uid(uid, pseudonyms) if uid else "" for uid in uids).encode(), "UI")


class Writer:
    """Encodes elements in the output's byte order and VR encoding."""

    def __init__(self, *, explicit: bool, little: bool) -> None:
        order = "<" if little else ">"
        self.explicit = explicit
        self.little = little
        self._implicit = struct.Struct(order + "HHL").pack
        self._short = struct.Struct(order + "HH2sH").pack
        self._long = struct.Struct(order + "HH2sHL").pack

    def header(self, tag: int, vr: str, length: int) -> bytes:
        """Encode tag, VR and length (PS3.5 7.1.2, 7.1.3)."""
        if not self.explicit:
            return self._implicit(tag >> 16, tag & 0xFFFF, length)
        if vr in LONG_VRS:
            return self._long(tag >> 16, tag & 0xFFFF, vr.encode(), 0, length)
        if length > _SHORT_MAX:
            raise Refused("undecodable", tag)
        return self._short(tag >> 16, tag & 0xFFFF, vr.encode(), length)

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        """Encode one element; ``value`` is in little endian if it is binary."""
        value = pad(value, vr)
        if not self.little:
            value = swapped(vr, value)
        return self.header(tag, vr, len(value)) + value

    def sequence(self, tag: int, items: list[bytes]) -> bytes:
        """Encode a sequence of encoded items with defined lengths."""
        body = b"".join(self._implicit(0xFFFE, 0xE000, len(item)) + item for item in items)
        return self.header(tag, "SQ", len(body)) + body

    def data_set(self, elements: list[tuple[int, str, object]]) -> bytes:
        """Encode (tag, VR, value) with bytes or, for a sequence, a list of such lists."""
        out = []
        for tag, vr, value in elements:
            if isinstance(value, list):
                out.append(self.sequence(tag, [self.data_set(item) for item in value]))
            elif isinstance(value, bytes):
                out.append(self.element(tag, vr, value))
        return b"".join(out)


class Cleaner:
    """Carries out the steps of one instance."""

    def __init__(self, writer: Writer, pseudonyms: Pseudonyms, subject: Subject, top: DataSet) -> None:
        self.writer = writer
        self.pseudonyms = pseudonyms
        self.subject = subject
        self.top = top
        self.encodings = declared_encodings(top)

    def data_set(self, steps: list[Step], additions: dict[int, bytes] | None = None) -> bytes:
        """Encode the steps in tag order, with ``additions`` (tag -> encoded element) in their places."""
        out = []
        pending = sorted((additions or {}).items(), reverse=True)
        for step in steps:
            tag = step.element.tag
            while pending and pending[-1][0] <= tag:
                out.append(pending.pop()[1])
            if step.decision.action != "X" and tag not in (additions or {}):
                out.append(self.step(step))
        out.extend(encoded for _, encoded in reversed(pending))
        return b"".join(out)

    def step(self, step: Step) -> bytes:
        """Encode what is left of one element."""
        data_set, element, vr, decision, items = step
        writer, tag = self.writer, element.tag
        if items is not None:
            return writer.sequence(tag, [self.data_set(item) for item in items])
        if vr == "SQ":
            new_items = dummy_items(tag, self.top) if decision.action == "D" else []
            return writer.sequence(tag, [writer.data_set(item) for item in new_items])
        if decision.action == "K":
            same_encoding = data_set.explicit == writer.explicit and vr == element.vr
            reserved = element.value - element.start == 12 and any(
                data_set.buffer[element.start + 6 : element.start + 8]
            )
            if same_encoding and not reserved and not (element.end - element.value) & 1:
                return data_set.buffer[element.start : element.end]
            value = pad(data_set.value(element), vr)
            return writer.header(tag, vr, len(value)) + value
        return writer.element(tag, vr, self.new_value(step))

    def new_value(self, step: Step) -> bytes:
        """Return the value that an element has in the output (of no meaning for a sequence)."""
        value = step.data_set.value(step.element)
        action = step.decision.action
        if action == "K":
            return value
        if action in "ZD":
            return self.stand_in(step.element.tag, step.vr, value, action)
        return self.cleaned(step, value)

    def cleaned(self, step: Step, value: bytes) -> bytes:
        """Return a UID replaced, a date moved, a text without what is not in the vocabulary.

        Times and timezone offsets stay as they are, since dates move by whole days.
        """
        vr = step.vr
        if vr == "UI":
            return _clean_uids(value, self.pseudonyms)
        if step.element.tag == _CHARACTER_SET:
            return defined_terms(value) or b""
        if step.element.tag == _ICC_PROFILE:
            return neutral_profile(value) or b""
        if step.decision.reason == "code-meaning":
            return fitted(vr, meaning_of(step.data_set, self.encodings)[1])
        if vr == "CS":
            words = clean_description(decode_text(value, self.encodings)).upper()
            return fitted("SH", re.sub(r"[^A-Z0-9 ]", " ", words))
        if vr in TEXT_VRS and step.element.tag != 0x00080201:
            text = decode_text(value, declared_encodings(step.data_set, self.encodings))
            return fitted(vr, clean_description(text))
        if vr == "AE":
            return self.pseudonyms.ae_title(value.decode("latin-1").strip(" \0")).encode()
        if vr == "AS":
            return b"090Y"
        moved: bytes | None = value
        if vr == "DA":
            moved = shift_date(value, self.subject.shift_days)
        elif vr == "DT":
            moved = shift_datetime(value, self.subject.shift_days)
        return b"" if moved is None else moved

    def stand_in(self, tag: int, vr: str, value: bytes, action: str) -> bytes:
        """Return the pseudonym, the dummy or nothing that takes a value's place."""
        text = value.decode("latin-1").strip(" \0")
        if tag in {_PATIENT_NAME, _PATIENT_ID}:
            return self.pseudonyms.patient_id(self.subject.identity).encode()
        if tag == _ACCESSION_NUMBER:
            return self.pseudonyms.accession_number(text).encode() if text else b""
        if tag == _STUDY_ID:
            return self.pseudonyms.study_id(text).encode() if text else b""
        if action == "Z":
            return b""
        if vr == "UI":
            return _clean_uids(value, self.pseudonyms) if text else pad(b"2.25.0", "UI")
        if tag in _IDENTIFIERS and text:
            return self.pseudonyms.identifier(element_keyword(tag), text).encode()
        if tag == _ICC_PROFILE:
            return srgb_profile()
        return _OWN_SCHEME if tag == _CODING_SCHEME else dummy(vr)


def cleaner_for(instance: Instance, pseudonyms: Pseudonyms, subject: Subject) -> Cleaner:
    """Return the cleaner that writes in the encoding of the instance's transfer syntax."""
    writer = Writer(explicit=instance.encoding.explicit, little=instance.encoding.little)
    return Cleaner(writer, pseudonyms, subject, instance.head)


def clean_header(
    instance: Instance,
    plan: Plan,
    profile: Profile,
    pseudonyms: Pseudonyms,
    subject: Subject,
    *,
    missing_uids: dict[int, str],
) -> tuple[bytes, bytes, bytes]:
    """Return File Meta Information with its preamble, the data set before Pixel Data, and that after it.

    The data set is encoded in the transfer syntax of the input, but not deflated. ``missing_uids`` holds new
    UIDs for instance, series and study where the input has none: every composite IOD needs them.
    """
    cleaner = cleaner_for(instance, pseudonyms, subject)
    writer = cleaner.writer
    pixel_tag = instance.pixels.tag if instance.pixels else 1 << 32
    before = [step for step in plan.steps if step.element.tag < pixel_tag]
    after = [step for step in plan.steps if step.element.tag > pixel_tag]
    additions = _additions(instance, plan, profile, writer)
    for tag, uid in missing_uids.items():
        if attribute_type(instance.sop_class, (tag,)) is not None:
            additions[tag] = writer.element(tag, "UI", uid.encode())
    if not instance.head.text(0x00080016):
        additions[0x00080016] = writer.element(0x00080016, "UI", instance.sop_class.encode())
    uid = instance.head.text(0x00080018)
    kept = "retain_uids" in profile.options and well_formed("UI", uid.encode("latin-1"))
    sop_instance_uid = missing_uids.get(0x00080018) or (uid if kept else new_uid(uid, pseudonyms))
    meta = file_meta(instance.sop_class, sop_instance_uid, instance.transfer_syntax)
    return meta, cleaner.data_set(before, additions), cleaner.data_set(after)


def markers(writer: Writer, ran: AbstractSet[str], weaker: Mapping[int, str]) -> dict[int, bytes]:
    """Encode what PS3.15 E.1.1 and E.3 want written of a de-identification, by tag.

    ``ran`` are the options (and ``basic``) that are claimed, ``weaker`` the attributes (tag -> action) of
    which more than the Basic Profile is left.
    """
    codes = [METHOD_CODES["basic"]] if "basic" in ran else []
    codes += sorted(METHOD_CODES[option] for option in ran - {"basic"})
    temporal = b"REMOVED"
    if "retain_longitudinal_full_dates" in ran:
        temporal = b"UNMODIFIED"
    elif "retain_longitudinal_modified_dates" in ran:
        temporal = b"MODIFIED"
    left = [f"Basic Profile except {format_tag(tag)} {action}" for tag, action in sorted(weaker.items())]
    method = "\\".join([f"dicomveil {__version__}", *left]).encode("ascii")
    code_items = [
        writer.data_set(
            [
                (0x00080100, "SH", value.encode()),
                (0x00080102, "SH", b"DCM"),
                (0x00080104, "LO", meaning.encode()),
            ]
        )
        for value, meaning in codes
    ]
    return {
        0x00120062: writer.element(0x00120062, "CS", b"YES"),
        0x00120063: writer.element(0x00120063, "LO", method),
        **({0x00120064: writer.sequence(0x00120064, code_items)} if codes else {}),
        0x00280303: writer.element(0x00280303, "CS", temporal),
    }


def _additions(instance: Instance, plan: Plan, profile: Profile, writer: Writer) -> dict[int, bytes]:
    """Encode the markers of PS3.15 E.1.1 and E.3, and what PS3.3 asks after pixels were changed."""
    # Codes only for what ran: nothing here changes recognizable features, whatever the profile asks for.
    ran = profile.options - {"clean_recognizable_visual_features"}
    ran = ran if plan.claim.clean else ran - {"clean_pixel_data"}
    # Who left more than the Basic Profile does must not claim it, but say what was left (PS3.15 E.1.1).
    ran = ran if plan.weaker else ran | {"basic"}
    additions = markers(writer, ran, plan.weaker)
    if plan.claim.clean:
        additions[0x00280301] = writer.element(0x00280301, "CS", b"NO")
    if plan.claim.redacted:
        image_type = instance.head.text(0x00080008)
        known = well_formed("CS", image_type.encode("latin-1"))
        rest = image_type.split("\\")[1:] if known else []
        derived = "\\".join(["DERIVED", *(rest or ["SECONDARY"])])  # at least two values, PS3.3 C.7.6.1.1.2
        additions[0x00080008] = writer.element(0x00080008, "CS", derived.encode("ascii"))
    return additions


def file_meta(sop_class: str, sop_instance_uid: str, transfer_syntax: str) -> bytes:
    """Write preamble, prefix and File Meta Information that describe this application (PS3.10 7.1)."""
    writer = Writer(explicit=True, little=True)
    body = writer.data_set(
        [
            (0x00020001, "OB", b"\0\1"),
            (0x00020002, "UI", sop_class.encode()),
            (0x00020003, "UI", sop_instance_uid.encode()),
            (0x00020010, "UI", transfer_syntax.encode()),
            (0x00020012, "UI", IMPLEMENTATION_CLASS_UID.encode()),
            (0x00020013, "SH", _IMPLEMENTATION_VERSION.encode()),
        ]
    )
    return bytes(128) + b"DICM" + writer.element(0x00020000, "UL", struct.pack("<L", len(body))) + body


def assembled(instance: Instance, header: tuple[bytes, bytes, bytes], pixels: list[Part]) -> list[Part]:
    """Join header, pixel element and tail to the parts of the finished file, deflated if the input was."""
    meta, before, after = header
    parts: list[Part] = [before]
    if instance.pixels is not None:
        data = instance.pixels
        writer = Writer(explicit=instance.encoding.explicit, little=instance.transfer_syntax != BIG_ENDIAN)
        # Pixels that were implicit in a data set declared explicit: PS3.5 A.2 asks for OW above 8 bits.
        wide = data.vr == "OB" and not instance.head.explicit and instance.head.number(0x00280100) > 8
        vr = "OW" if wide and not data.encapsulated else data.vr
        odd = not data.encapsulated and sum(map(part_length, pixels)) & 1
        length = UNDEFINED if data.encapsulated else sum(map(part_length, pixels)) + odd
        parts = [before + writer.header(data.tag, vr, length), *pixels]
        if odd:
            parts.append(b"\0")  # PS3.5 7.1.1: even lengths, which not every writer keeps to
    parts.append(after)
    if instance.encoding.deflated:
        content = b"".join(part for part in parts if isinstance(part, bytes))
        return [meta + _stored(content)]
    first = parts[0]
    if isinstance(first, bytes):
        parts[0] = meta + first
    return [part for part in parts if part_length(part)]


def _stored(data: bytes) -> bytes:
    """Wrap data as stored blocks of the Deflate format (RFC 1951 3.2.4).

    Compressing would give bytes that depend on the zlib at hand, and the browser's output would differ from
    the command line's; a deflated file is rare, and a larger valid one serves as well.
    """
    out = []
    for start in range(0, max(len(data), 1), _SHORT_MAX):
        block = data[start : start + _SHORT_MAX]
        final = start + _SHORT_MAX >= len(data)
        out.append(struct.pack("<BHH", final, len(block), len(block) ^ _SHORT_MAX) + block)
    stream = b"".join(out)
    return stream + b"\0" if len(stream) & 1 else stream  # PS3.5 A.5: padded to even length
