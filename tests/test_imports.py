"""Who may import whom: the rules that keep the parts of dicomveil apart."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "py" / "dicomveil"
WEB = ROOT / "web"
RECEIVER = sorted((ROOT / "py" / "dicomveil_receiver").glob("*.py"))
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))
SCRIPTS = sorted(WEB.rglob("*.js"))
# What the two sides of the core may both stand on: facts and bytes, no opinion about cleaning.
COMMON_GROUND = {"__init__", "errors", "source", "tables", "risk"}


def _imported_names(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names that import statements name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text())


@cache
def _imports(module: str) -> frozenset[str]:
    """Name the modules of dicomveil that one imports, at any depth of its functions."""
    names = (name.split(".") for name in _imported_names(_tree(module)))
    own = (parts[1] if parts[1] in MODULES else "__init__" for parts in names if parts[0] == "dicomveil")
    return frozenset(own)


def _reaches(module: str) -> set[str]:
    """Name the modules of dicomveil that one imports, and those that they import."""
    found: set[str] = set()
    todo = [module]
    while todo:
        new = _imports(todo.pop()) - found
        found |= new
        todo += new
    return found


def _foreign(module: str, tree: ast.AST | None = None) -> set[str]:
    """Name the packages other than dicomveil that a module imports."""
    names = _imported_names(tree or _tree(module))
    return {name.partition(".")[0] for name in names} - {"dicomveil"}


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


@pytest.mark.parametrize("module", [name for name in MODULES if name not in {"cli", "__main__"}])
def test_the_core_imports_only_pydicom_and_numpy(module: str) -> None:
    """The core never imports the receiver, nor anything that reaches a network."""
    allowed = {"pydicom", "numpy", "imagecodecs", "js", "pyodide"}
    foreign = _foreign(module)
    assert foreign - sys.stdlib_module_names <= allowed
    assert foreign.isdisjoint({"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "asyncio"})


@pytest.mark.parametrize("module", sorted({"browser", *_reaches("browser")}))
def test_numpy_is_imported_only_when_pixels_are(module: str) -> None:
    """Nothing that the browser starts with imports numpy at its top level: pixels load it."""
    top = ast.Module(
        [node for node in _tree(module).body if isinstance(node, ast.Import | ast.ImportFrom)], []
    )
    assert "numpy" not in _foreign(module, top)


@pytest.mark.parametrize("path", RECEIVER, ids=lambda path: path.stem)
def test_the_receiver_uses_verification_only(path: Path) -> None:
    """The receiver judges an instance by verification alone: it has none of the code that cleaned it."""
    names = [name.split(".") for name in _imported_names(ast.parse(path.read_text()))]
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
