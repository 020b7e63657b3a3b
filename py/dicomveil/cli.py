"""The command line: ``dicomveil clean|inspect|verify|profile|receive``.

Exit status: 0 all clean, 1 some refused, 2 wrong use. Files are named by their order in the input (from 1),
since their names may hold patient data; the same holds for everything that is printed.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from dicomveil import __version__, inspecting
from dicomveil.arguments import files_of, key_of, profile_of, read_text, selections_of
from dicomveil.batch import Result, Task, run
from dicomveil.case_command import CASE_FILE, CaseRefused, Gathered, case_is_told, read_case
from dicomveil.crosswalk import Seal, seal_for, write_crosswalk
from dicomveil.errors import CODES, DicomveilError, Refused, WrongUse, format_tag
from dicomveil.patients import Finding, Person, findings
from dicomveil.pipeline import PIXEL_MODES, Session, pixel_state
from dicomveil.pixels import proposing
from dicomveil.planning import plan
from dicomveil.profile import OPTIONS, Profile
from dicomveil.profile_command import add_profile_command
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.reading import read_instance
from dicomveil.reporting import Entry, report
from dicomveil.rules import Rules
from dicomveil.source import FileSource, opened
from dicomveil.verifying import verify_instance
from dicomveil.writing import write_whole

__all__ = ["main"]

CLEAN, REFUSED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
_ATTENTION = frozenset({"pixels-need-review", "video-unchecked"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["receive"]:
        return _receive(arguments[1:])
    try:
        options = _parser().parse_args(_one_option_each(arguments))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else WRONG_USE
    # Warnings and logs of libraries hold values.
    logging.disable()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if _in_main_thread() else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status: int = options.command(options)
            return status
    except WrongUse as error:
        _say(f"{error.code}: {error}")
        return WRONG_USE
    except KeyboardInterrupt:
        _say("interrupted; what was written is complete")
        return INTERRUPTED
    except Exception:  # noqa: BLE001 - its text may hold values: only the code leaves
        _say("internal-error: " + " ".join(CODES["internal-error"]))
        return REFUSED
    finally:
        logging.disable(logging.NOTSET)
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _in_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()


def _say(text: str) -> None:
    print(f"dicomveil: {text}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """An argument parser that does not repeat what it was given: a file's name may be a patient's."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        if not message.startswith("the following arguments are required"):
            message = ": ".join(message.split(": ")[: 2 if message.startswith("argument ") else 1])
            message = message.partition("'")[0].rstrip(" :")
        self.exit(WRONG_USE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="dicomveil", description="Make DICOM files safe to share.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"dicomveil {__version__}")
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="clean|inspect|verify|profile|receive"
    )

    clean = commands.add_parser("clean", help="clean files and write the results", allow_abbrev=False)
    _add_inputs(clean)
    clean.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="folder of the cleaned files"
    )
    key = clean.add_mutually_exclusive_group()
    key.add_argument("--passphrase-file", type=Path, metavar="F", help="pseudonyms of a project's passphrase")
    key.add_argument(
        "--key-file", type=Path, metavar="F", help="the same, of a key: 32 bytes or 64 hex digits"
    )
    key.add_argument("--anonymize", action="store_true", help="a random key, thrown away (the default)")
    clean.add_argument("--redact", type=Path, metavar="FILE", help="areas of images to blacken (JSON)")
    clean.add_argument(
        "--pixels", choices=PIXEL_MODES, default="review", help="what is known about the pixels"
    )
    clean.add_argument(
        "--crosswalk", type=Path, metavar="DIR", help="write old and new identifiers: CONFIDENTIAL"
    )
    seal = clean.add_mutually_exclusive_group()
    seal.add_argument(
        "--crosswalk-recipient",
        action="append",
        default=[],
        metavar="AGE1...",
        help="encrypt the crosswalk to this recipient of age",
    )
    seal.add_argument(
        "--crosswalk-passphrase-file", type=Path, metavar="F", help="encrypt the crosswalk by a passphrase"
    )
    clean.add_argument(
        "--dicomdir", type=Path, metavar="DIR", help="also write media: a DICOMDIR and the cleaned files"
    )
    clean.add_argument(
        "--case",
        type=Path,
        metavar="FILE",
        help="what is said of the outputs, as the page writes it: case.json",
    )
    clean.add_argument("--report", type=Path, metavar="FILE", help="write what happened, value-free (JSON)")
    clean.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="processes (default 1)")
    clean.set_defaults(command=_clean)

    inspect = commands.add_parser("inspect", help="say what cleaning would do (JSON)", allow_abbrev=False)
    _add_inputs(inspect)
    inspect.set_defaults(command=_inspect)

    verify = commands.add_parser("verify", help="check cleaned files once more", allow_abbrev=False)
    verify.add_argument("folder", type=Path, metavar="DIR", help="folder of cleaned files, or one of them")
    verify.add_argument(
        "--profile", type=Path, metavar="FILE", help="the profile whose overrides are accepted"
    )
    verify.set_defaults(command=_verify)

    add_profile_command(commands)

    commands.add_parser("receive", help="serve the receiving endpoint", add_help=False)
    return parser


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", nargs="+", type=Path, metavar="INPUT", help="DICOM file, or a folder of them"
    )
    parser.add_argument("--profile", type=Path, metavar="FILE", help="profile (JSON)")
    parser.add_argument(
        "--option", action="append", default=[], choices=OPTIONS, metavar="NAME", help=_OPTION
    )


def _one_option_each(arguments: Sequence[str]) -> list[str]:
    """Write ``--option A B`` as ``--option A --option B``; what is not an option's name is an input."""
    spread: list[str] = []
    naming = False
    for argument in arguments:
        if naming and argument in OPTIONS and spread[-1] != "--option":
            spread.append("--option")
        naming = argument == "--option" or (naming and argument in OPTIONS)
        spread.append(argument)
    return spread


_OPTION = "an option of PS3.15 beside the profile's: " + ", ".join(OPTIONS)


def _jobs(text: str) -> int:
    jobs = int(text)
    if not 1 <= jobs <= 256:
        raise argparse.ArgumentTypeError
    return jobs


def _clean(options: argparse.Namespace) -> int:
    profile = profile_of(options)
    key = bytes(key_of(options, profile.salt))
    selections = selections_of(options.redact) if options.redact is not None else ()
    seal = _seal(options)
    if options.dicomdir is not None:
        from dicomveil.media import check_media_folder

        check_media_folder(options.dicomdir, options.output)
    case = Gathered(read_case(options.case)) if options.case is not None else None
    paths = files_of(options.input, options.output)
    task = Task(
        profile,
        key,
        options.output,
        options.pixels,
        selections,
        options.crosswalk is not None,
        None if case is None else case.said,
    )
    entries: list[Entry] = []
    used: set[int] = set()
    uids: dict[str, str] = {}
    patients: dict[tuple[str, str], None] = {}
    people: list[tuple[int, Person]] = []
    left_out = case_refused = False
    documents: list[str] = []
    try:
        for result in run(task, paths, jobs=options.jobs):
            entries.append(result.entry)
            used.update(result.selections)
            _remember(result, uids, patients)
            if result.person is not None:
                people.append((result.entry["input"], result.person))
            if case is not None:
                case.take(result, paths[result.entry["input"] - 1])
            if result.entry["status"] == "refused":
                _say_refused(result.entry["input"], result.entry["code"], result.entry["tag"])
        try:
            if case is not None:
                documents = case.write(options.output, Session(profile, Pseudonyms(Key(key))))
        except CaseRefused as error:
            _say(str(error))
            case_refused = True
        left_out = options.dicomdir is not None and _write_media(options, entries, documents)
    except OSError:
        raise WrongUse("output-failed") from None
    finally:
        found = findings(people)
        _warn(found, entries)
        written = _write_outcome(options, report(profile, entries, found), uids, list(patients), seal)
    refused = sum(entry["status"] == "refused" for entry in entries)
    print(f"{len(entries) - refused} clean, {refused} refused")
    unused = [number for number in range(len(selections)) if number not in used]
    for number in unused:
        _say(f"redaction {number + 1}: redaction-unmatched: {' '.join(CODES['redaction-unmatched'])}")
    return CLEAN if written and not (refused or unused or left_out or case_refused) else REFUSED


def _seal(options: argparse.Namespace) -> Seal | None:
    """Return what encrypts the crosswalk, if it is to be."""
    passphrase = None
    if options.crosswalk_passphrase_file is not None:
        passphrase = read_text(options.crosswalk_passphrase_file, "crosswalk-key-invalid").rstrip("\r\n")
    seal = seal_for(options.crosswalk_recipient, passphrase)
    if seal is not None and options.crosswalk is None:
        raise WrongUse("crosswalk-missing")
    return seal


def _write_media(options: argparse.Namespace, entries: list[Entry], documents: Sequence[str]) -> bool:
    """Write the DICOMDIR and its files; tell whether an output could not be listed."""
    from dicomveil.media import write_media

    by_name = {entry["output"]: entry for entry in entries if entry["status"] == "clean"}
    left_out = write_media(options.dicomdir, options.output, [*by_name, *documents])
    for name in by_name.keys() & left_out:
        by_name[name]["warnings"].append("media-left-out")
    if left_out:
        _say(f"media-left-out: {len(left_out)} outputs: {' '.join(CODES['media-left-out'])}")
    return bool(left_out)


def _warn(found: Sequence[Finding], entries: list[Entry]) -> None:
    """Say of whom it should be decided who they are, and note it with their inputs."""
    by_number = {entry["input"]: entry for entry in entries}
    for code, groups in found:
        inputs = " | ".join(_some(group) for group in groups)
        _say(f"inputs {inputs}: {code}: {' '.join(CODES[code])}")
        for number in {number for group in groups for number in group}:
            if code not in by_number[number]["warnings"]:
                by_number[number]["warnings"].append(code)


def _some(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")


def _say_refused(number: int, code: str, tag: str | None) -> None:
    _say(f"input {number}: {code}: {tag + ': ' if tag else ''}{' '.join(CODES.get(code, ('',)))}")


def _remember(result: Result, uids: dict[str, str], patients: dict[tuple[str, str], None]) -> None:
    if result.entry["status"] == "clean":
        uids.update(result.uids)
        if result.patient is not None:
            patients[result.patient] = None


def _write_outcome(
    options: argparse.Namespace,
    content: str,
    uids: dict[str, str],
    patients: list[tuple[str, str]],
    seal: Seal | None,
) -> bool:
    """Write report and crosswalk, also of an interrupted run; tell whether they could be written."""
    try:
        if options.report is not None:
            options.report.parent.mkdir(parents=True, exist_ok=True)
            write_whole(options.report, content.encode())
        if options.crosswalk is not None:
            write_crosswalk(options.crosswalk, uids.items(), patients, seal)
            _say("the crosswalk is confidential: who has it can tell who the patients are")
    except OSError:
        _say("report or crosswalk: output-failed: " + " ".join(CODES["output-failed"]))
        return False
    return True


def _inspect(options: argparse.Namespace) -> int:
    profile = profile_of(options)
    rules = Rules(profile)
    files: list[dict[str, Any]] = []
    for number, path in enumerate(files_of(options.input, None), 1):
        entry: dict[str, Any] = {"input": number, "status": "ready", "code": None, "tag": None}
        try:
            entry |= _inspected(path, profile, rules)
        except DicomveilError as error:
            tag = None if error.tag is None else format_tag(error.tag)
            entry |= {"status": "refused", "code": error.code, "tag": tag}
        except OSError:
            entry |= {"status": "refused", "code": "unreadable"}
        except Exception:  # noqa: BLE001 - its text may hold values: only the code leaves
            entry |= {"status": "refused", "code": "internal-error"}
        files.append(entry)
    content = {"version": __version__, "profile": {"name": profile.name, "options": sorted(profile.options)}}
    print(json.dumps({**content, "files": files}, indent=1))
    return CLEAN if all(entry["status"] != "refused" for entry in files) else REFUSED


def _inspected(path: str, profile: Profile, rules: Rules) -> dict[str, Any]:
    """Return risks and planned actions of one file, without a value."""
    with opened(path) as source:
        instance = read_instance(source)
        inspection = inspecting.inspect(instance)
        try:
            state, claim = pixel_state(inspection, pixels="review", redactions=(), profile=profile)
            status, code = "ready", None
        except Refused as error:
            if error.code not in _ATTENTION:
                raise
            status, code, state = "attention", error.code, "unclaimed"
            _, claim = pixel_state(inspection, pixels="unclaimed", redactions=(), profile=profile)
        steps = plan(instance, rules, claim)
        proposals = proposing.listed(instance, text=bool(inspection.risks))
    return {
        "status": status,
        "code": code,
        "sop_class": inspection.sop_class,
        "transfer_syntax": inspection.transfer_syntax,
        "frames": inspection.frames,
        "risks": list(inspection.risks),
        "pixels": state,
        "proposals": proposals,
        "actions": steps.counts,
    }


def _verify(options: argparse.Namespace) -> int:
    """Check outputs by themselves; ``pixels-unclaimed`` is a warning here.

    A ``case.json`` beside them is no file of its own where verified documents say the same.
    """
    failed = 0
    accepted: dict[int, str] = {}
    if options.profile is not None:
        accepted = Rules(Profile.from_json(read_text(options.profile, "profile-invalid"))).weaker
    paths = files_of([options.folder], None)
    if case_is_told(options.folder, paths):
        paths = [path for path in paths if Path(path) != options.folder / CASE_FILE]
    for number, path in enumerate(paths, 1):
        try:
            with FileSource(path) as source:
                problems = verify_instance(source, accepted=accepted).problems
        except OSError:
            _say_refused(number, "unreadable", None)
            failed += 1
            continue
        for code, tag, *_ in problems:
            kind = "warning: " if code == "pixels-unclaimed" else ""
            place = "" if tag is None else f"{format_tag(tag)}: "
            _say(f"file {number}: {kind}{code}: {place}{CODES[code][0]}")
        failed += any(problem.code != "pixels-unclaimed" for problem in problems)
    print(f"{len(paths) - failed} verified, {failed} failed")
    return REFUSED if failed else CLEAN


def _receive(arguments: list[str]) -> int:
    try:
        from dicomveil_receiver.cli import main as receive
    except ImportError:
        _say("the endpoint is not installed: pip install 'dicomveil[receiver]'")
        return WRONG_USE
    return receive(arguments)
