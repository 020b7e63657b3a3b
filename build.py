#!/usr/bin/env python3
"""Everything there is to do with this tree: python build.py COMMAND.

Needs Python 3.11 or newer; what else a command needs it sets up first, once. The work is in .build/.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said in words, before an import fails
    sys.exit("build.py needs Python 3.11 or newer")

import argparse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / ".build"))

import bundling
import checking
import debian
import environment
import resolving
import serving
import swift
from places import DIST, RECEIVED, BuildError


def build(options: argparse.Namespace) -> int:
    """Build dist/."""
    node = environment.set_up()
    if options.update_lock:
        resolving.update_lock(node)
    bundling.build(node, options.output)
    return 0


def serve(options: argparse.Namespace) -> int:
    """Serve dist/ and the endpoint on loopback, as they are."""
    return serving.serve(options.port, options.storage, open_page=False)


def run(options: argparse.Namespace) -> int:
    """Build dist/, serve it with the endpoint on loopback, and open the page where there is a desktop."""
    bundling.build(environment.set_up())
    return serving.serve(options.port, options.storage, open_page=not options.no_browser)


def test(options: argparse.Namespace) -> int:
    """Run every check, then every test. What follows -- goes to pytest."""
    node = environment.set_up()
    environment.set_up_browser()
    debian.set_up()
    swift.set_up()
    bundling.build(node)
    return checking.test(node, options.pytest)


def fix(_: argparse.Namespace) -> int:
    """Format, and correct what the linters can correct by themselves."""
    return checking.fix(environment.set_up())


def bench(options: argparse.Namespace) -> int:
    """Measure what DESIGN.md has budgets for."""
    bundling.build(environment.set_up())
    environment.set_up_browser()
    return checking.bench(options.arguments)


def main() -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (run, test, build, serve, bench, fix):
        sentence = (command.__doc__ or "").strip()
        sub = commands.add_parser(command.__name__, help=sentence, description=sentence)
        sub.set_defaults(command=command)
        if command in (run, serve):
            sub.add_argument("--port", type=int, default=0, help="default: any that is free")
            sub.add_argument("--storage", type=Path, default=RECEIVED, help="keeps what is uploaded")
        if command is run:
            sub.add_argument("--no-browser", action="store_true", help="do not open the page")
        if command is build:
            sub.add_argument("--output", type=Path, default=DIST, help="instead of dist/")
            sub.add_argument(
                "--update-lock",
                action="store_true",
                help="resolve the browser's packages from the index anew",
            )
        if command is test:
            sub.add_argument("pytest", nargs="*", help="for pytest, after --")
        if command is bench:
            sub.add_argument("arguments", nargs="*", help="for the benchmark, after --")
    options = parser.parse_args()
    try:
        status: int = options.command(options)
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
