"""The boundary to the page's worker: the only module that knows about JavaScript.

Strings, integers, booleans, None and bytes cross; structure travels as JSON text. Nothing raises across: an
error is ``{"code": ..., "tag": ...}``, and the text of an unexpected one, which may hold values, stays here.
Messages and results are those of ``web/contract.js``.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Any, Protocol, TypedDict

import pydicom

from dicomveil import __version__, inspecting
from dicomveil.cleaning import Subject, cleaner_for
from dicomveil.errors import CODES, DicomveilError, Refused
from dicomveil.pipeline import Session, clean_source, pixel_state, remapped
from dicomveil.pixels.codecs import is_ready
from dicomveil.pixels.decode import FrameReader
from dicomveil.pixels.jpeg_huffman import Lookup, use_walker
from dicomveil.pixels.video import video_stream
from dicomveil.planning import plan
from dicomveil.profile import OPTIONS, Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.reading import Instance, read_instance
from dicomveil.redacting import Redaction, redaction_of
from dicomveil.source import Range
from dicomveil.tables import TABLE_EDITION
from dicomveil.viewing import MAX_ROWS, Shown, frame_view, header_rows
from dicomveil.viewing import summary as summary_view

_MAX_TABLES = 32
#: Bytes: a read that begins so near behind the last one goes on; what is read ahead then, first and at most.
_STEP = 1 << 20
_AHEAD_FIRST = 128 << 10
_AHEAD_MOST = 4 << 20
_REPORTED = ("sop_class", "transfer_syntax", "actions", "warnings", "pixels")


class _JsBytes(Protocol):
    """A Uint8Array as Pyodide hands it over."""

    def to_bytes(self) -> bytes: ...


class _JsJpegWalker(Protocol):
    """The object of ``jpeg-walker.js``."""

    def table(self, key: str, numbers: object) -> None: ...

    def walk(self, data: object, keys: str, count: int) -> _JsBytes: ...


class _JpegWalker:
    """Finds the blocks of a JPEG by JavaScript, which gets each table once."""

    def __init__(self, js: _JsJpegWalker) -> None:
        self._js = js
        self._known: set[str] = set()

    def __call__(self, data: bytes, tables: list[tuple[Lookup, Lookup]], count: int) -> Sequence[int]:
        from pyodide.ffi import to_js

        if len(self._known) > _MAX_TABLES:
            self._js.table("", to_js(b""))
            self._known.clear()
        for table in {table.key: table for pair in tables for table in pair}.values():
            if table.key not in self._known:
                self._js.table(table.key, to_js(array("i", table.single + table.many).tobytes()))
                self._known.add(table.key)
        keys = ",".join(f"{dc.key} {ac.key}" for dc, ac in tables)
        return array("i", self._js.walk(to_js(data + b"\xff" * 8), keys, count).to_bytes())


class _State:
    """What lives as long as the worker."""

    read: Callable[[int, int, int], _JsBytes]
    session: Session | None = None
    taken: bytes = b""
    instance: tuple[int, Instance] | None = None
    frames: FrameReader | None = None


class _JsSource:
    """A File of the page, read in pieces by the worker.

    Each read of a browser takes about as long as reading a megabyte: who goes through a file in small steps,
    as from fragment to fragment (PS3.5 A.4), is given what lies ahead with what was asked for.
    """

    def __init__(self, handle: int, size: int) -> None:
        self._handle = handle
        self.size = size
        self._window, self._base, self._ahead = b"", 0, 0
        self._last, self._end = 0, -_STEP  #: the last read began and ended there

    def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        at = offset - self._base
        if at >= 0 and at + length <= len(self._window):
            return self._window[at : at + length]
        step = self._last < offset < self._end + _STEP
        self._ahead = min(max(2 * self._ahead, _AHEAD_FIRST), _AHEAD_MOST) if step else 0
        wanted = min(max(length, self._ahead), self.size - offset)
        try:
            data = _State.read(self._handle, offset, wanted).to_bytes()
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever the browser says: the file is gone, has changed, or is locked
            raise Refused("unreadable") from None
        self._last, self._end = offset, offset + len(data)
        if wanted > _AHEAD_MOST:
            return data  # a large frame is not held twice
        self._window, self._base = data, offset
        return data[:length]


def _answer(work: Callable[[], Any]) -> str:
    try:
        return json.dumps(work())
    except DicomveilError as error:
        return json.dumps({"status": "refused", "code": error.code, "tag": error.tag})
    except MemoryError:
        return json.dumps({"status": "refused", "code": "out-of-memory", "tag": None})
    except Exception:  # noqa: BLE001 - its text may hold values: only the code leaves
        return json.dumps({"status": "refused", "code": "internal-error", "tag": None})


def boot() -> str:
    """Return the versions of all that takes part, the options that are available, and what the codes mean."""
    return json.dumps(
        {
            "version": __version__,
            "table_edition": TABLE_EDITION,
            "pydicom": pydicom.__version__,
            "python": ".".join(map(str, sys.version_info[:3])),
            "options": list(OPTIONS),
            "default_profile": json.loads(Profile.default().to_json()),
            "codes": {code: " ".join(texts) for code, texts in CODES.items()},
        }
    )


def connect(read: Callable[[int, int, int], _JsBytes], jpeg: _JsJpegWalker | None = None) -> None:
    """Take the function ``read(handle, offset, length) -> Uint8Array`` by which files are read.

    ``jpeg`` is the fast way to find the blocks of a JPEG (``web/worker/jpeg-walker.js``).
    """
    _State.read = read
    if jpeg is not None:
        use_walker(_JpegWalker(jpeg))


def configure(profile_json: str, key: bytes) -> str:
    """Set the profile and the key (32 bytes) of all that follows."""

    def work() -> dict[str, Any]:
        profile = Profile.from_json(profile_json) if profile_json else Profile.default()
        to_bytes = getattr(key, "to_bytes", None)  # a Uint8Array, if the page did not convert it
        _State.session = Session(profile, Pseudonyms(Key(to_bytes() if to_bytes else key)))
        return {"code": None, "options": sorted(profile.options)}

    return _answer(work)


def _session() -> Session:
    if _State.session is None:
        _State.session = Session(Profile.default(), Pseudonyms(Key.random()))
    return _State.session


def _opened(handle: int, size: int) -> Instance:
    """Read an instance; the last one is kept, since a person looks at one file for a while."""
    if _State.instance is None or _State.instance[0] != handle:
        _State.instance = (handle, read_instance(_JsSource(handle, size)))
    return _State.instance[1]


def inspect(handle: int, size: int, in_zip: bool = False) -> str:  # noqa: FBT001, FBT002 - called from JavaScript
    """Say what a file is; see the contract for the members. It is planned too: refusals show early.

    Of a ZIP the answer is ``{"entries": [fields of a ZipEntry, ...]}``; one in a ZIP is not opened.
    """

    def work() -> dict[str, Any]:
        source = _JsSource(handle, size)
        try:
            instance = read_instance(source)
        except Refused as error:
            from dicomveil import zip_reading  # late: few are no DICOM

            if error.code != "not-dicom" or not zip_reading.is_zip(source):
                raise
            if in_zip:
                raise Refused("zip-nested") from None
            return {"entries": zip_reading.zip_entries(source)}
        inspection = inspecting.inspect(instance)
        session = _session()
        status, code = "ready", None
        try:
            _, claim = pixel_state(inspection, pixels="review", redactions=(), profile=session.profile)
            plan(instance, session.rules, claim)
        except Refused as error:
            if error.code not in {"pixels-need-review", "video-unchecked"}:
                raise
            status, code = "attention", error.code
        return {"status": status, "code": code, "tag": None, **summary_view(instance, inspection)}

    return _answer(work)


class _Decisions(TypedDict):
    pixels: str
    redactions: list[Redaction]
    remove: set[int]


def _redactions(request: dict[str, Any]) -> list[Redaction]:
    return [redaction_of(area) for area in request.get("redactions", ())]


def _removed(request: dict[str, Any]) -> set[int]:
    return {int(tag) for tag in request.get("remove", ())}


def _decisions(request: dict[str, Any]) -> _Decisions:
    """Read what a person decided on a file from a request of :func:`clean`."""
    return {
        "pixels": str(request.get("pixels", "review")),
        "redactions": _redactions(request),
        "remove": _removed(request),
    }


def _header_rows(instance: Instance, request: dict[str, Any]) -> Iterator[Shown]:
    inspection = inspecting.inspect(instance)
    session = _session()
    _, claim = pixel_state(
        inspection, pixels="unclaimed", redactions=_redactions(request), profile=session.profile
    )
    subject = Subject(inspection.patient, session.pseudonyms.shift_days(inspection.patient))
    planned = plan(instance, session.rules, claim, remove=_removed(request))
    return header_rows(instance, planned, cleaner_for(instance, session.pseudonyms, subject))


def header(handle: int, size: int, request_json: str) -> str:
    """List the elements before and after, with the rule that acts on each, for a request of :func:`clean`."""

    def work() -> list[dict[str, Any]]:
        rows = _header_rows(_opened(handle, size), json.loads(request_json))
        return [shown.row for shown in islice(rows, MAX_ROWS)]

    return _answer(work)


def series(handle: int, size: int, request_json: str) -> str:
    """Compare the headers of a series, an image at a time: ``{"part": text}`` has what was found.

    The request is one of :func:`clean` with the image's ``place`` in the series (from 0) and ``parts``, the
    texts of other images that are to be taken up. Without ``place`` no file is read, and the answer is the
    table of what all ``parts`` say together: see :meth:`dicomveil.comparing.Comparison.table`.
    """
    from dicomveil.comparing import Comparison  # late: few want it

    def work() -> dict[str, Any]:
        request = json.loads(request_json)
        found = Comparison()
        if "place" in request:
            found.add(int(request["place"]), _header_rows(read_instance(_JsSource(handle, size)), request))
        for part in request["parts"]:
            found.merge(Comparison.from_json(part))
        return {"part": found.to_json()} if "place" in request else found.table()

    return _answer(work)


def ready_for_pixels() -> bool:
    """Tell whether numpy and imagecodecs are there.

    :func:`frame`, :func:`propose` and :func:`clean` with redactions answer the code ``pixels-not-loaded``
    if they need them and they are not: the worker then asks the page for both archives, unpacks them, calls
    ``importlib.invalidate_caches()``, and asks again. Native pixels of 8 and 16 bits never need them, and
    cleaning without redactions needs them only where an overlay is stored inside compressed pixels.
    """
    return is_ready()


def frame(handle: int, size: int, index: int) -> str:
    """Say how to draw a frame: its bytes are in the file (``where`` = ``file``) or in :func:`taken`.

    The code ``pixels-not-loaded`` asks for numpy and imagecodecs: see :func:`ready_for_pixels`.
    """

    def work() -> dict[str, Any]:
        instance = _opened(handle, size)
        if _State.frames is None or _State.frames.instance is not instance:
            _State.frames = FrameReader(instance)
        view, part = frame_view(_State.frames, index)
        if isinstance(part, Range):
            return {**view, "where": "file", "offset": part.offset, "length": part.length}
        _State.taken = part
        return {**view, "where": "bytes", "offset": 0, "length": len(part)}

    return _answer(work)


def video(handle: int, size: int) -> str:
    """Say where the stream of a video lies: its media ``type``, and ``parts`` as ``[start, end]``."""

    def work() -> dict[str, Any]:
        media_type, ranges = video_stream(_opened(handle, size))
        return {"type": media_type, "parts": [(part.offset, part.offset + part.length) for part in ranges]}

    return _answer(work)


def propose(handle: int, size: int, request_json: str) -> str:
    """List what a person may want to redact: ``[{"source", "reason", "label", "areas": [redaction]}]``.

    ``source`` is ``regions`` (keep only the ultrasound regions), ``device`` (a rule by manufacturer and
    model, ``label`` is its name) or ``text`` (looks like text). The areas of one proposal belong together.
    The request is ``{"text": bool}``: false asks for what the header tells alone, which needs no pixels.
    """
    from dicomveil.pixels import proposing  # late: nothing of it is needed at the start

    def work() -> list[dict[str, Any]]:
        request = json.loads(request_json)
        instance = _opened(handle, size)
        found = proposing.propose(instance, text=bool(request.get("text", True)))
        return [proposal.to_json() for proposal in found]

    return _answer(work)


def clean(handle: int, size: int, request_json: str) -> str:
    """Clean and verify one file. ``parts`` refer to :func:`taken` (``b``) and to the file (``f``)."""

    def work() -> dict[str, Any]:
        request = json.loads(request_json)
        _State.taken = b""
        try:
            cleaned = clean_source(_JsSource(handle, size), _session(), **_decisions(request))
        except Refused as error:
            needs_person = error.code in {"pixels-need-review", "video-unchecked"}
            status = "attention" if needs_person else "refused"
            return {"status": status, "code": error.code, "tag": error.tag}
        parts: list[tuple[str, int, int]] = []
        chunks: list[bytes] = []
        at = 0
        for part in cleaned.parts:
            if isinstance(part, Range):
                parts.append(("f", part.offset, part.offset + part.length))
            else:
                chunks.append(part)
                parts.append(("b", at, at + len(part)))
                at += len(part)
        _State.taken = b"".join(chunks)
        return {
            "status": "clean",
            "code": None,
            "tag": None,
            "name": cleaned.name,
            "sop_class": cleaned.sop_class,
            "transfer_syntax": cleaned.transfer_syntax,
            "actions": cleaned.actions,
            "warnings": cleaned.warnings,
            "pixels": cleaned.pixels,
            "sop_instance_uid": cleaned.sop_instance_uid,
            "study_uid": cleaned.study_uid,
            "series_uid": cleaned.series_uid,
            "parts": parts,
        }

    return _answer(work)


def taken() -> bytes:
    """Return the bytes that belong to the last answer of :func:`clean` or :func:`frame`."""
    data, _State.taken = _State.taken, b""
    return data


def example() -> str:
    """Make an example: ``files`` are names with where they lie in :func:`taken`, ``[name, start, end]``."""
    from dicomveil.example import example_files  # late: few want it

    def work() -> dict[str, Any]:
        made = example_files()
        ends = list(accumulate(len(content) for _, content in made))
        _State.taken = b"".join(content for _, content in made)
        return {
            "files": [
                (name, end - len(content), end) for (name, content), end in zip(made, ends, strict=True)
            ]
        }

    return _answer(work)


def unzip(handle: int, size: int, entry_json: str) -> str:
    """Say where the data of a ZIP's entry lie: the file is that range of the ZIP, as the entry has it."""
    from dicomveil import zip_reading  # late: few open one

    def work() -> dict[str, Any]:
        entry = zip_reading.ZipEntry(*json.loads(entry_json))
        if entry.code:
            raise Refused(entry.code)
        data = zip_reading.entry_data(_JsSource(handle, size), entry.packed)
        return {
            "code": None,
            "start": data.offset,
            "end": data.offset + data.length,
            "inflated": entry.size if entry.deflated else None,
            "crc": entry.crc,
        }

    return _answer(work)


def crc32(data: _JsBytes, before: int) -> int:
    """Go on with the CRC-32 of what is inflated."""
    return zlib.crc32(data.to_bytes(), before)


def zip_headers(files_json: str) -> str:
    """Make the headers of a ZIP for ``[[path, size, CRC-32], ...]``: one before each file, one behind all.

    ``ends`` says where each ends in :func:`taken`.
    """
    from dicomveil.zip_writing import zip_headers as headers_of  # late: nothing of it is needed at the start

    def work() -> dict[str, Any]:
        headers = headers_of((str(path), int(size), int(crc)) for path, size, crc in json.loads(files_json))
        _State.taken = b"".join(headers)
        return {"code": None, "ends": list(accumulate(map(len, headers)))}

    return _answer(work)


def case(handle: int, size: int, request_json: str) -> str:
    """Check what a person says of the case against one file, or make the document of that file's study.

    The request is ``{"case": text of a case.json}``; the answer has the ``fields`` that identify the patient
    of this file, the code of what was ``unread`` of it, and the ``case`` as it will leave. With
    ``{"references": [[SOP Class UID, SOP Instance UID, Series Instance UID, has pixels], ...]}`` the answer
    is the document, whose bytes are in :func:`taken`.
    """
    from dicomveil import case as cases  # late: few want it

    def work() -> dict[str, Any]:
        request = json.loads(request_json)
        said = cases.case_of(str(request["case"]))
        source = _JsSource(handle, size)
        if "references" not in request:
            fields, unread = cases.identifying_fields(said, source, _session().profile.options)
            return {"code": None, "fields": fields, "unread": unread, "case": cases.to_json(said)}
        made = cases.document(
            source,
            _session(),
            said,
            [cases.Reference(*reference) for reference in request["references"]],
            remove=_removed(request),
        )
        _State.taken = made.data
        return {
            "code": None,
            "name": made.name,
            "study_uid": made.study_uid,
            "series_uid": made.series_uid,
            "sop_class": cases.SOP_CLASS,
            "sop_instance_uid": made.sop_instance_uid,
        }

    return _answer(work)


def media(handle: int, size: int, request_json: str) -> str:
    """Make a DICOMDIR, reading a cleaned file at a time: ``{"part": text}`` has its directory records.

    The request is ``{"name": name of the output}``. With ``{"parts": [text, ...]}``, in the order of the
    files, none is read: the DICOMDIR is in :func:`taken`, ``name`` is its own, ``names`` are the new names by
    the old ones, and ``left_out`` are those which it cannot list.
    """
    from dicomveil import directory  # late: few want it

    def work() -> dict[str, Any]:
        request = json.loads(request_json)
        if "parts" not in request:
            name = str(request["name"])
            records = directory.records_of(_JsSource(handle, size), name)
            return {"part": directory.records_to_text(name, records)}
        made = directory.Directory()
        for part in request["parts"]:
            made.add(*directory.records_from_text(part))
        _State.taken = made.encode()
        return {"name": directory.NAME, "names": made.names, "left_out": made.left_out}

    return _answer(work)


def crosswalk(handle: int, size: int, request_json: str) -> str:
    """Make a crosswalk, reading an input at a time: ``{"part": text}`` has its old and new identifiers.

    The request is that of :func:`clean` with the ``name`` of the output; where the file would get another one
    now, it is ``unreadable``. With ``{"parts": [text, ...]}`` none is read: a ZIP of the command
    line's tables is in :func:`taken`, and ``name`` is its own.
    """
    from dicomveil import mapping  # late: few want it

    def work() -> dict[str, Any]:
        request = json.loads(request_json)
        if "parts" not in request:
            found = remapped(_JsSource(handle, size), _session(), **_decisions(request))
            if found.name != request["name"]:
                raise Refused("unreadable")
            return {"part": json.dumps([found.uids, found.patient])}
        uids: dict[str, str] = {}
        patients: set[tuple[str, str]] = set()
        for part in request["parts"]:
            some, patient = json.loads(part)
            uids.update(some)
            patients.add(tuple(patient))
        _State.taken = mapping.archive(uids.items(), patients)
        return {"name": mapping.ARCHIVE}

    return _answer(work)


def report(files_json: str) -> str:
    """Return the report from the answers of :func:`clean` (or :func:`inspect`), in the order of the input."""
    from dicomveil import reporting  # what it imports would cost a tenth of the start

    def work() -> dict[str, Any]:
        entries = []
        for number, result in enumerate(json.loads(files_json), 1):
            if result.get("status") == "clean":
                entries.append(
                    {
                        **reporting.refused_entry(number, ""),
                        "status": "clean",
                        "code": None,
                        "output": result["name"],
                        **{member: result[member] for member in _REPORTED},
                        "review": [means for means in reporting.REVIEWS if means in result.get("review", ())],
                    }
                )
            else:
                entries.append(
                    reporting.refused_entry(number, result.get("code") or "not-cleaned", result.get("tag"))
                )
        content: dict[str, Any] = json.loads(reporting.report(_session().profile, entries))
        return content

    return _answer(work)
