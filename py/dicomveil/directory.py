"""The DICOMDIR: records of cleaned instances, and the file that lists them (PS3.10 8, PS3.3 Annex F).

The records of an instance are made by pydicom from its header alone, and are a short text until they are
listed: several workers can read headers, in any order. Nothing grows faster than the number of instances,
which pydicom's own tree does (it looks through all of a series for each of its images).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.fileset import _PREFIXES, FileSet
from pydicom.filewriter import write_dataset

from dicomveil.cleaning import Writer, file_meta
from dicomveil.errors import Refused
from dicomveil.pseudonyms import uid_of
from dicomveil.source import Source, SourceFile

__all__ = ["NAME", "Directory", "Record", "records_from_text", "records_of", "records_to_text"]

NAME = "DICOMDIR"  #: File ID, PS3.10 8.6
#: Keys of directory records (PS3.3 F.5) that an output may lack, beside Patient ID, for which the pseudonym
#: stands in; the output itself stays as it is.
_KEYS: dict[str, str | int] = {
    "Modality": "OT",
    "StudyDate": "19000101",
    "StudyTime": "000000",
    "StudyID": "REMOVED",
    "SeriesNumber": 0,
    "InstanceNumber": 0,
    "ContentDate": "19000101",
    "ContentTime": "000000",
}
#: What tells records of a level from each other (PS3.3 F.5.1 to F.5.3); below it is the SOP Instance UID.
_UNIQUE_KEYS = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}
_SOP_CLASS = "1.2.840.10008.1.3.10"  # Media Storage Directory Storage
_EXPLICIT = "1.2.840.10008.1.2.1"
_REFERENCED_FILE_ID = 0x00041500
_IN_USE = b"\xff\xff"
_BUFFER = 64 << 10
_COMPONENT = 8  # characters of a component of a File ID, PS3.10 8.2
_MAKER = FileSet.__new__(FileSet)  # makes records, and holds nothing


@dataclass(frozen=True, slots=True)
class Record:
    """A directory record: its type, what tells it from others of its level, and its keys, encoded."""

    kind: str
    key: str
    elements: bytes


def records_of(source: Source, name: str) -> list[Record]:
    """Return the directory records of a cleaned instance, from the highest level down (PS3.3 F.4).

    ``name`` is its name as an output, which begins with the patient's pseudonym. The list is empty for what
    no DICOMDIR can list: an instance that lacks what its kind of record cannot do without.

    Raises:
        Refused, OSError: the source cannot be read.
    """
    try:
        read = dcmread(io.BufferedReader(SourceFile(source), _BUFFER), stop_before_pixels=True)
        return [_record(record) for record in _MAKER._recordify(_with_keys(read, name))]  # noqa: SLF001
    except (Refused, OSError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - pydicom's, for whatever is wrong with a value; its text may hold that
        return []


def _with_keys(header: Dataset, name: str) -> Dataset:
    for keyword, value in {**_KEYS, "PatientID": name.partition("/")[0]}.items():
        if header.get(keyword) in (None, ""):  # no set: a value may have no hash
            setattr(header, keyword, value)
    return header


def _record(record: Dataset) -> Record:
    kind = str(record.DirectoryRecordType)
    key = str(record[_UNIQUE_KEYS.get(kind, "ReferencedSOPInstanceUIDInFile")].value)
    for tag in [tag for tag in record.keys() if tag <= _REFERENCED_FILE_ID]:  # noqa: SIM118 - no dictionary
        del record[tag]  # what says where it is comes when that is known
    elements = DicomBytesIO()
    elements.is_little_endian, elements.is_implicit_VR = True, False
    write_dataset(elements, record)
    return Record(kind, key, elements.getvalue())


def records_to_text(name: str, records: Sequence[Record]) -> str:
    """Return an output's name and records as a text, to be listed elsewhere."""
    encoded = [[one.kind, one.key, base64.b64encode(one.elements).decode()] for one in records]
    return json.dumps([name, encoded])


def records_from_text(text: str) -> tuple[str, list[Record]]:
    """Read what :func:`records_to_text` wrote."""
    name, encoded = json.loads(text)
    return name, [Record(kind, key, base64.b64decode(elements)) for kind, key, elements in encoded]


@dataclass(slots=True)
class _Node:
    record: Record
    file_id: tuple[str, ...] = ()
    #: By type and key, in the order of their coming.
    below: dict[tuple[str, str], _Node] = field(default_factory=dict)
    at: int = 0  #: offset of the item in the DICOMDIR

    def walk(self) -> Iterator[_Node]:
        """Yield this one and all below it, PS3.3 F.2.2: each before what is below it."""
        yield self
        for node in self.below.values():
            yield from node.walk()


class Directory:
    """A DICOMDIR in the making, and the names that the listed files have beside it.

    ``names`` are the File IDs (``PT000000/ST000000/SE000000/IM000000``) by the names of the outputs;
    ``left_out`` are the names of outputs that are not listed: those without records, further ones with the
    same SOP Instance UID, and what is beyond a million of a level, for which there are no File IDs.
    """

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.left_out: list[str] = []
        self._root = _Node(Record("", "", b""))
        self._uids: set[str] = set()

    def add(self, name: str, records: Sequence[Record]) -> None:
        """List an output under a new name, or leave it out."""
        if not records or records[-1].key in self._uids:
            self.left_out.append(name)
            return
        node = self._root
        for record in records:
            at = (record.kind, record.key)
            if at not in node.below:
                prefix = _PREFIXES[record.kind]
                component = f"{prefix}{len(node.below):0{_COMPONENT - len(prefix)}}"
                if len(component) > _COMPONENT:
                    self.left_out.append(name)
                    return
                node.below[at] = _Node(record, (*node.file_id, component))
            node = node.below[at]
        self._uids.add(node.record.key)
        self.names[name] = "/".join(node.file_id)

    def encode(self) -> bytes:
        """Return the DICOMDIR, Explicit VR Little Endian (PS3.10 8.6); the same for the same outputs.

        Offsets count from the first byte of the file to that of the item (PS3.3 F.2.2).
        """
        writer = Writer(explicit=True, little=True)
        nodes = list(self._root.walk())[1:]
        listed = hashlib.blake2b(b"".join(node.record.elements for node in nodes), digest_size=16).digest()
        meta = file_meta(_SOP_CLASS, uid_of(listed), _EXPLICIT)
        at = len(meta + _before(writer, 0, 0) + writer.header(0x00041220, "SQ", 0))
        for node in nodes:
            node.at = at
            at += 8 + len(_item(writer, node, 0))
        following: dict[int, int] = {}  # by offset, that of the next of the same level
        for node in [self._root, *nodes]:
            offsets = [one.at for one in node.below.values()]
            following.update(pairwise(offsets))
        items = [_item(writer, node, following.get(node.at, 0)) for node in nodes]
        top = [node.at for node in self._root.below.values()] or [0]
        return meta + _before(writer, top[0], top[-1]) + writer.sequence(0x00041220, items)


def _before(writer: Writer, first: int, last: int) -> bytes:
    """Encode what stands before the records, PS3.3 F.3.2.1 and F.3.2.2."""
    return writer.data_set(
        [
            (0x00041130, "CS", b""),
            (0x00041200, "UL", struct.pack("<L", first)),
            (0x00041202, "UL", struct.pack("<L", last)),
            (0x00041212, "US", b"\0\0"),
        ]
    )


def _item(writer: Writer, node: _Node, following: int) -> bytes:
    """Encode a record with its place, PS3.3 F.3.2.2; the length does not depend on offsets."""
    below = next(iter(node.below.values())).at if node.below else 0
    elements: list[tuple[int, str, object]] = [
        (0x00041400, "UL", struct.pack("<L", following)),
        (0x00041410, "US", _IN_USE),
        (0x00041420, "UL", struct.pack("<L", below)),
        (0x00041430, "CS", node.record.kind.encode()),
    ]
    if not node.below:
        elements.append((_REFERENCED_FILE_ID, "CS", "\\".join(node.file_id).encode()))
    return writer.data_set(elements) + node.record.elements
