"""The command line: ``dicomveil clean|inspect|verify|receive``.

Exit status: 0 all clean, 1 some refused, 2 wrong use. Files are named by their order in the input (from 1),
since their names may hold patient data; the same holds for everything that is printed.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from dicomveil import __version__, inspecting
from dicomveil.batch import Result, Selection, Task, run
from dicomveil.errors import CODES, DicomveilError, Refused, WrongUse, format_tag
from dicomveil.pipeline import PIXEL_MODES, pixel_state
from dicomveil.planning import plan
from dicomveil.profile import OPTIONS, Profile
from dicomveil.pseudonyms import Key
from dicomveil.reading import read_instance
from dicomveil.redacting import Redaction
from dicomveil.reporting import Entry, report
from dicomveil.rules import Rules
from dicomveil.source import FileSource, opened
from dicomveil.verifying import verify_instance

__all__ = ["main"]

CLEAN, REFUSED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
_ATTENTION = frozenset({"pixels-need-review", "video-unchecked"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["receive"]:
        return _receive(arguments[1:])
    try:
        options = _parser().parse_args(arguments)
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
    commands = parser.add_subparsers(title="commands", required=True, metavar="clean|inspect|verify|receive")

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
    clean.add_argument("--report", type=Path, metavar="FILE", help="write what happened, value-free (JSON)")
    clean.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="processes (default 1)")
    clean.set_defaults(command=_clean)

    inspect = commands.add_parser("inspect", help="say what cleaning would do (JSON)", allow_abbrev=False)
    _add_inputs(inspect)
    inspect.set_defaults(command=_inspect)

    verify = commands.add_parser("verify", help="check cleaned files once more", allow_abbrev=False)
    verify.add_argument("folder", type=Path, metavar="DIR", help="folder of cleaned files, or one of them")
    verify.set_defaults(command=_verify)

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


_OPTION = "an option of PS3.15 beside the profile's: " + ", ".join(OPTIONS)


def _jobs(text: str) -> int:
    jobs = int(text)
    if not 1 <= jobs <= 256:
        raise argparse.ArgumentTypeError
    return jobs


def _content(path: Path, limit: int = 1 << 20) -> bytes:
    """Read a small file that an option names."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError:
        raise WrongUse("option-file-unreadable") from None
    if len(data) > limit:
        raise WrongUse("option-file-unreadable")
    return data


def _text(path: Path, code: str) -> str:
    try:
        return _content(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUse(code) from None


def _profile(options: argparse.Namespace) -> Profile:
    profile = Profile.default()
    if options.profile is not None:
        profile = Profile.from_json(_text(options.profile, "profile-invalid"))
    return profile.with_options(options.option) if options.option else profile


def _key(options: argparse.Namespace, salt: bytes) -> Key:
    if options.passphrase_file is not None:
        return Key.from_passphrase(_text(options.passphrase_file, "key-invalid").rstrip("\r\n"), salt)
    if options.key_file is not None:
        data = _content(options.key_file)
        if len(data) != 32:
            try:
                data = bytes.fromhex(data.decode("ascii").strip())
            except ValueError:
                raise WrongUse("key-invalid") from None
        return Key(data)
    return Key.random()


def _files(inputs: Sequence[Path], output: Path | None) -> list[str]:
    """Return the files of the input: folders recursively and sorted, without the output folder."""
    found: list[str] = []
    target = None if output is None else output.resolve()
    for path in inputs:
        real = path.resolve()
        if target is not None and (real == target or target in real.parents):
            raise WrongUse("output-holds-input")
        if real.is_dir():
            found += _walk(path, target)
        elif path.exists():
            found.append(os.fspath(path))
        else:
            raise WrongUse("input-missing")
    if not found:
        raise WrongUse("no-input")
    return found


def _walk(folder: Path, without: Path | None) -> Iterator[str]:
    for root, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        if without is not None:
            folders[:] = [name for name in folders if (Path(root) / name).resolve() != without]
        yield from (os.path.join(root, name) for name in sorted(files))  # noqa: PTH118 - as they were given


def _raise(_error: OSError) -> NoReturn:
    raise WrongUse("input-missing")


def _selections(path: Path) -> tuple[Selection, ...]:
    """Read ``{"redactions": [{"select": {...}, "frames": null|[first, last], "shapes": [...]}]}``.

    Frames count from 0 and ``last`` is included, as in the page.
    """
    try:
        data = json.loads(_text(path, "redactions-invalid"))
        if data.keys() != {"redactions"}:
            raise WrongUse("redactions-invalid")
        return tuple(map(_selection, data["redactions"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise WrongUse("redactions-invalid") from None


def _selection(data: dict[str, Any]) -> Selection:
    if not data.keys() <= {"select", "frames", "shapes"} or not data["shapes"]:
        raise WrongUse("redactions-invalid")
    ((keyword, uid),) = data["select"].items()
    frames = data.get("frames")
    if frames is not None:
        first, last = map(_count, frames)
        frames = (first, last)
    areas = []
    for shape in data["shapes"]:
        if shape.keys() != {"shape", "x", "y", "width", "height"} or shape["shape"] != "rectangle":
            raise WrongUse("redactions-invalid")
        x, y, width, height = (_count(shape[name]) for name in ("x", "y", "width", "height"))
        areas.append(Redaction(x, y, width, height, frames))
    if not isinstance(uid, str):
        raise WrongUse("redactions-invalid")
    return Selection.of(keyword, uid.strip(), tuple(areas))


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise WrongUse("redactions-invalid")
    return value


def _clean(options: argparse.Namespace) -> int:
    profile = _profile(options)
    key = bytes(_key(options, profile.salt))
    selections = _selections(options.redact) if options.redact is not None else ()
    paths = _files(options.input, options.output)
    task = Task(profile, key, options.output, options.pixels, selections, options.crosswalk is not None)
    entries: list[Entry] = []
    used: set[int] = set()
    uids: dict[str, str] = {}
    patients: dict[tuple[str, str], None] = {}
    try:
        for result in run(task, paths, jobs=options.jobs):
            entries.append(result.entry)
            used.update(result.selections)
            _remember(result, uids, patients)
            if result.entry["status"] == "refused":
                _say_refused(result.entry["input"], result.entry["code"], result.entry["tag"])
    except OSError:
        raise WrongUse("output-failed") from None
    finally:
        written = _write_outcome(options, profile, entries, uids, list(patients))
    refused = sum(entry["status"] == "refused" for entry in entries)
    print(f"{len(entries) - refused} clean, {refused} refused")
    unused = [number for number in range(len(selections)) if number not in used]
    for number in unused:
        _say(f"redaction {number + 1}: redaction-unmatched: {' '.join(CODES['redaction-unmatched'])}")
    return CLEAN if written and not refused and not unused else REFUSED


def _say_refused(number: int, code: str, tag: str | None) -> None:
    _say(f"input {number}: {code}: {tag + ': ' if tag else ''}{' '.join(CODES.get(code, ('',)))}")


def _remember(result: Result, uids: dict[str, str], patients: dict[tuple[str, str], None]) -> None:
    if result.entry["status"] == "clean":
        uids.update(result.uids)
        if result.patient is not None:
            patients[result.patient] = None


def _write_outcome(
    options: argparse.Namespace,
    profile: Profile,
    entries: list[Entry],
    uids: dict[str, str],
    patients: list[tuple[str, str]],
) -> bool:
    """Write report and crosswalk, also of an interrupted run; tell whether they could be written."""
    try:
        if options.report is not None:
            options.report.parent.mkdir(parents=True, exist_ok=True)
            _write(options.report, report(profile, entries), 0o644)
        if options.crosswalk is not None:
            options.crosswalk.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(options.crosswalk / "uid_mapping.csv", _csv(sorted(uids.items())), 0o600)
            _write(options.crosswalk / "patid_mapping.csv", _csv(sorted(patients)), 0o600)
            _say("the crosswalk is confidential: who has it can tell who the patients are")
    except OSError:
        _say("report or crosswalk: output-failed: " + " ".join(CODES["output-failed"]))
        return False
    return True


def _csv(rows: Sequence[tuple[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("id_old", "id_new"))
    writer.writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all, for these readers only."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _inspect(options: argparse.Namespace) -> int:
    profile = _profile(options)
    rules = Rules(profile)
    files: list[dict[str, Any]] = []
    for number, path in enumerate(_files(options.input, None), 1):
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
            state, claim = pixel_state(inspection, pixels="review", redacted=False, profile=profile)
            status, code = "ready", None
        except Refused as error:
            if error.code not in _ATTENTION:
                raise
            status, code, state = "attention", error.code, "unclaimed"
            _, claim = pixel_state(inspection, pixels="unclaimed", redacted=False, profile=profile)
        steps = plan(instance, rules, claim)
    return {
        "status": status,
        "code": code,
        "sop_class": inspection.sop_class,
        "transfer_syntax": inspection.transfer_syntax,
        "frames": inspection.frames,
        "risks": list(inspection.risks),
        "pixels": state,
        "actions": steps.counts,
    }


def _verify(options: argparse.Namespace) -> int:
    """Check outputs by themselves; ``pixels-unclaimed`` is a warning here."""
    failed = 0
    paths = _files([options.folder], None)
    for number, path in enumerate(paths, 1):
        try:
            with FileSource(path) as source:
                problems = verify_instance(source).problems
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
