"""``clean --case``: what a person says of the outputs, written beside them once no input speaks against it.

It is the ``case.json`` that the page writes, or one written by hand; ``case.py`` checks it and makes a
document for each study. Case and documents are written all or none; the cleaned files stay whatever becomes
of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from dicomveil import case as cases
from dicomveil.arguments import read_text
from dicomveil.batch import Result
from dicomveil.errors import CODES, Refused, WrongUse, format_tag
from dicomveil.pipeline import Session
from dicomveil.source import opened
from dicomveil.writing import write_whole

__all__ = ["CASE_FILE", "CaseRefused", "Gathered", "case_is_told", "read_case"]

CASE_FILE = "case.json"
#: Of what could not even be opened, what can be read counts; but this is no statement about a file.
_UNKNOWN = frozenset({"unreadable", "internal-error"})


class CaseRefused(Refused):
    """The case does not leave; ``fields`` are the members that identify a patient."""

    def __init__(self, code: str, tag: int | None = None, fields: Iterable[str] = ()) -> None:
        super().__init__(code, tag)
        self.fields = tuple(fields)

    def __str__(self) -> str:
        place = ", ".join(self.fields) or ("" if self.tag is None else format_tag(self.tag))
        return f"case: {self.code}: {place}{': ' if place else ''}{' '.join(CODES[self.code])}"


def read_case(path: Path) -> cases.Case:
    """Read the file of the option.

    Raises:
        WrongUse: ``case-invalid``, with the member; ``option-file-unreadable``.
    """
    return cases.case_of(read_text(path, "case-invalid"))


@dataclass(slots=True)
class _Study:
    """An input of the study, and what refers to its outputs by SOP Instance UID."""

    path: str
    references: dict[str, cases.Reference] = field(default_factory=dict)


@dataclass(slots=True)
class Gathered:
    """What the inputs of a run say to its case."""

    said: cases.Case = field(repr=False)
    fields: set[str] = field(default_factory=set)
    unchecked: bool = False
    studies: dict[str, _Study] = field(default_factory=dict, repr=False)

    def take(self, result: Result, path: str) -> None:
        """Note what one input says, and its output, if it has one."""
        check = result.check
        if check is None:
            self.unchecked = True
            return
        self.fields.update(check.fields)
        self.unchecked |= check.unread is not None and (result.person is not None or check.unread in _UNKNOWN)
        if result.entry["status"] == "clean" and result.reference is not None:
            study = "/".join(str(result.entry["output"]).split("/")[:2])
            found = self.studies.setdefault(study, _Study(path))
            found.references.setdefault(result.reference.sop_instance_uid, result.reference)

    def write(self, output: Path, session: Session) -> list[str]:
        """Write ``case.json`` and the documents into the folder of the outputs; return the documents' names.

        Raises:
            CaseRefused: ``case-identifies``, ``case-unchecked``, ``case-without-files``, ``output-exists``,
                or what verification found in a document; nothing is written then.
            OSError: it could not be written.
        """
        if self.fields:
            raise CaseRefused(
                "case-identifies", fields=[name for name in cases.FIELDS if name in self.fields]
            )
        if self.unchecked or not self.studies:
            raise CaseRefused("case-unchecked" if self.unchecked else "case-without-files")
        documents = [self._document(study, session) for study in self.studies.values()]
        text = json.dumps(cases.to_json(self.said, documents), indent=1, ensure_ascii=False) + "\n"
        files = {made.name: made.data for made in documents} | {CASE_FILE: text.encode()}
        for name, data in files.items():
            if (output / name).exists() and (output / name).read_bytes() != data:
                raise CaseRefused("output-exists")
        with ExitStack() as undo:
            for name, data in files.items():
                target = output / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():
                    undo.callback(target.unlink, missing_ok=True)
                write_whole(target, data)
            undo.pop_all()
        return [made.name for made in documents]

    def _document(self, study: _Study, session: Session) -> cases.Document:
        try:
            with opened(study.path) as source:
                return cases.document(source, session, self.said, list(study.references.values()))
        except Refused as refused:
            raise CaseRefused(refused.code, refused.tag) from None
        except OSError:
            raise CaseRefused("case-unchecked") from None


def case_is_told(folder: Path, files: Sequence[str]) -> bool:
    """Tell whether ``case.json`` of a folder says what documents among its files say: these are verified."""
    try:
        text = (folder / CASE_FILE).read_text(encoding="utf-8")
        said, content = cases.case_of(text), json.loads(text)
        names = {Path(name).relative_to(folder).as_posix() for name in files}
        documents = [document for document in content["documents"] if document["file"] in names]
        wanted = said.text.replace("\n", "\r\n").encode()
        told = all(wanted in (folder / document["file"]).read_bytes() for document in documents)
    except (OSError, ValueError, KeyError, WrongUse):
        return False
    places = [_place(document["file"]) for document in documents]
    return told and bool(places) and content == cases.to_json(said) | {"documents": places}


def _place(name: str) -> dict[str, str]:
    """Return what ``case.json`` says of a document: nothing that its name does not."""
    _, study, _, instance = f"///{name}".split("/")[-4:]
    return {"study_instance_uid": study, "sop_instance_uid": instance.removesuffix(".dcm"), "file": name}
