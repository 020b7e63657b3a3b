"""Who may import whom: the rules that keep the parts of dicomveil apart."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "py" / "dicomveil"
WEB = ROOT / "web"
RECEIVER = sorted((ROOT / "py" / "dicomveil_receiver").glob("*.py"))
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".") for path in PACKAGE.rglob("*.py")
)
SCRIPTS = sorted(WEB.rglob("*.js"))
# What the two sides of the core may both stand on: facts and bytes, no opinion about cleaning.
COMMON_GROUND = {"__init__", "errors", "source", "tables", "risk"}
COMMAND_LINE = {
    "cli",
    "batch",
    "__main__",
    "arguments",
    "crosswalk",
    "media",
    "profile_command",
    "writing",
    "case_command",
}


def _imported_names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the dotted names that import statements name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _names(module: str, *, at_start: bool = False) -> frozenset[str]:
    """Name what a module imports; `at_start`: when it is itself imported, not when a function runs."""
    tree = ast.parse((PACKAGE / (module.replace(".", "/") + ".py")).read_text())
    return frozenset(_imported_names(tree.body if at_start else ast.walk(tree)))


def _module_of(name: str) -> str:
    """Name the module of dicomveil that holds what is imported by a dotted name."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in MODULES:
        package = ".".join([*parts, "__init__"])
        if package in MODULES:
            return package
        parts.pop()
    return ".".join(parts) or "__init__"


@cache
def _imports(module: str, *, at_start: bool = False) -> frozenset[str]:
    """Name the modules of dicomveil that one imports."""
    names = _names(module, at_start=at_start)
    return frozenset(_module_of(name) for name in names if name.split(".")[0] == "dicomveil")


def _reaches(module: str, *, at_start: bool = False) -> set[str]:
    """Name the modules of dicomveil that one imports, and those that they import."""
    found: set[str] = set()
    todo = [module]
    while todo:
        new = _imports(todo.pop(), at_start=at_start) - found
        found |= new
        todo += new
    return found


def _foreign(module: str, *, at_start: bool = False) -> set[str]:
    """Name the packages other than dicomveil that a module imports."""
    return {name.partition(".")[0] for name in _names(module, at_start=at_start)} - {"dicomveil"}


def test_planning_never_imports_cleaning() -> None:
    """Planning is pure: it reaches neither cleaning nor redacting nor what runs them."""
    assert _reaches("planning").isdisjoint({"cleaning", "redacting", "pipeline", "browser", "cli"})


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("verify")])
def test_verification_stands_on_its_own(module: str) -> None:
    """Verification shares no code with reading, planning and cleaning: only facts are common ground."""
    reached = {name for name in _reaches(module) if not name.startswith("verify")}
    assert reached <= COMMON_GROUND


@pytest.mark.parametrize("module", sorted(COMMON_GROUND - {"__init__"}))
def test_common_ground_reaches_nothing_else(module: str) -> None:
    """What both sides stand on imports neither side."""
    assert _reaches(module) <= COMMON_GROUND


@pytest.mark.parametrize("module", [name for name in MODULES if name != "browser"])
def test_only_the_boundary_imports_the_browser(module: str) -> None:
    """No module but browser.py imports js or pyodide, and none imports browser.py."""
    assert _foreign(module).isdisjoint({"js", "pyodide", "_pyodide", "pyodide_js"})
    assert "browser" not in _imports(module)


@pytest.mark.parametrize("module", sorted(set(MODULES) - COMMAND_LINE))
def test_the_core_imports_only_pydicom_and_numpy(module: str) -> None:
    """The core never imports the command line or the receiver, nor anything that reaches a network."""
    allowed = {"pydicom", "numpy", "imagecodecs", "js", "pyodide"}
    foreign = _foreign(module)
    assert foreign - sys.stdlib_module_names <= allowed
    assert foreign.isdisjoint({"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "asyncio"})
    assert _imports(module).isdisjoint(COMMAND_LINE)


@pytest.mark.parametrize("module", sorted({"browser", *_reaches("browser", at_start=True)}))
def test_numpy_is_imported_only_when_pixels_are(module: str) -> None:
    """Nothing that the browser starts with imports numpy at its top level: pixels load it."""
    assert _foreign(module, at_start=True).isdisjoint({"numpy", "imagecodecs"})


@pytest.mark.parametrize("path", RECEIVER, ids=lambda path: path.stem)
def test_the_receiver_uses_verification_only(path: Path) -> None:
    """The receiver judges an instance by verification alone: it has none of the code that cleaned it."""
    names = [name.split(".") for name in _imported_names(ast.walk(ast.parse(path.read_text())))]
    own = {parts[1] for parts in names if parts[0] == "dicomveil"}
    assert {name for name in own if not name.startswith("verify")} <= COMMON_GROUND | {"__version__"}


def _module_imports(script: Path) -> list[Path]:
    """Name the scripts that one loads: import and export statements, import() calls; not comments."""
    text = re.sub(r"/\*.*?\*/|^\s*//.*$", "", script.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"""(?:\bfrom|\bimport|\bimport\()\s*["'](\.{1,2}/[^"']+)["']""", text)
    return [(script.parent / name).resolve() for name in found]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(WEB).as_posix())
def test_page_and_worker_share_only_the_contract(script: Path) -> None:
    """The worker's scripts load their own and the contract; the page's load none of them."""
    worker = WEB / "worker"
    for loaded in _module_imports(script):
        assert loaded.is_file()
        if worker in script.parents:
            assert worker in loaded.parents or loaded == WEB / "contract.js"
        else:
            assert worker not in loaded.parents


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(WEB).as_posix())
def test_scripts_load_nothing_from_elsewhere(script: Path) -> None:
    """No script names another origin: everything that is loaded lies in dist/."""
    text = re.sub(r"^\s*(//|\*|/\*).*$", "", script.read_text(), flags=re.MULTILINE)
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
    assert set(re.findall(r"(?:https?|wss?)://[^\s\"'`]+", text)) <= namespaces
