"""Byte-compiling inside Pyodide: see compile.mjs. Runs on Pyodide's Python, with its standard library only.

The .pyc files are of the unchecked-hash kind (PEP 552): they hold no date and are never compared to a source.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import marshal
import struct
import zipfile

FIXED_DATE = (2026, 1, 1, 0, 0, 0)
UNCHECKED_HASH = 0b01


def without_docstrings(tree: ast.Module) -> ast.Module:
    """Take the docstrings out and leave every assertion in (-OO would remove both).

    Classes keep a dot: for one without a docstring, @dataclass writes its signature, at each start.
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            if isinstance(node, ast.ClassDef):
                rest: list[ast.stmt] = [ast.copy_location(ast.Expr(ast.Constant(".")), first)]
            else:
                rest = [] if len(node.body) > 1 else [ast.copy_location(ast.Pass(), first)]
            node.body[:1] = [ast.fix_missing_locations(statement) for statement in rest]
    return tree


def compile_module(source: bytes, filename: str, *, optimize: int, docstrings: bool) -> bytes:
    """Compile one module to the content of its .pyc file."""
    tree = ast.parse(source, filename)
    if not docstrings:
        tree = without_docstrings(tree)
    code = compile(tree, filename, "exec", dont_inherit=True, optimize=optimize)
    # What marshal writes depends on how many hold a constant; in a copy, only the code itself does.
    settled = marshal.dumps(marshal.loads(marshal.dumps(code)))  # noqa: S302 - our own bytes
    source_hash = importlib.util.source_hash(source)
    return struct.pack("<4sI8s", importlib.util.MAGIC_NUMBER, UNCHECKED_HASH, source_hash) + settled


def compile_archive(source: str, target: str, settings_json: str) -> None:
    """Compile every .py of a ZIP file and store the result, in order and without dates.

    Settings: "prefix" (where the files will be, for tracebacks), "optimize" (0, 1, 2), "docstrings".
    """
    settings = json.loads(settings_json)
    compiled: dict[str, bytes] = {}
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith(".py"):
                compiled[name + "c"] = compile_module(
                    data,
                    settings["prefix"] + name,
                    optimize=settings["optimize"],
                    docstrings=settings["docstrings"],
                )
            else:
                compiled[name] = data
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(compiled.items()):
            archive.writestr(zipfile.ZipInfo(name, FIXED_DATE), data)
