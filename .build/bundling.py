"""Putting dist/ together: web/ as it is, Pyodide's files, and the Python of the browser as compiled archives.

Nothing in dist/ depends on the machine, the time or the order of anything: two builds are byte-identical.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tempfile
import zipfile
from pathlib import Path

import carrying
import environment
import licensing
import patching
import resolving
import trimming
from places import CACHE, DIST, HERE, PACKAGE, WEB, BuildError, say
from trimming import Files

COMPILED = CACHE / "compiled"
PYODIDE_FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm")
FIXED_DATE = (2026, 1, 1, 0, 0, 0)
SITE_PACKAGES = "/lib/python3.14/site-packages/"

# Of web/, what is for its readers and its type checker.
_NOT_SERVED = ("README.md", ".d.ts")
# What the browser starts with; it gets what this imports, now or later, and all data.
_ENTRY = "dicomveil.browser"

# Scripts that run under Node, with the files that they read.
_SCRIPTS = {
    "compile.mjs": ("compiling.py",),
    "pack.mjs": (),
    "remember.mjs": ("../web/worker/memory.js",),
}


def store_archive(files: Files) -> bytes:
    """Make a ZIP file without compression, dates, or an order of its own."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, FIXED_DATE)
            entry.create_system = 3  # Unix, also where the build runs on Windows
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def _module_paths() -> dict[str, Path]:
    """Name every module of the package."""
    paths = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("dicomveil", *path.relative_to(PACKAGE).with_suffix("").parts)
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


def browser_modules() -> list[Path]:
    """Name the modules that the browser's entry reaches by imports, at whatever depth of functions."""
    paths = _module_paths()
    reached: set[str] = set()
    todo = {_ENTRY}
    while todo:
        name = todo.pop()
        reached.add(name)
        for node in ast.walk(ast.parse(paths[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                named = {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
            else:
                continue
            # A module is reached with the packages that it lies in.
            parents = {name.rsplit(".", depth)[0] for name in named for depth in range(name.count(".") + 1)}
            todo |= (parents & paths.keys()) - reached
    return [paths[name] for name in sorted(reached)]


def package_files() -> Files:
    """Read dicomveil's own modules and data that go into the browser."""
    data = (path for path in sorted((PACKAGE / "data").rglob("*")) if path.is_file())
    return {
        f"dicomveil/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes()
        for path in (*browser_modules(), *data)
    }


def _made(node: Path, name: str, doing: str, script: str, inputs: Files, settings: str = "") -> bytes:
    """Let a script make a file of others by Pyodide under Node; keep it by the hash of all of them."""
    scripts = [HERE / file for file in (script, *_SCRIPTS[script], "pyodide.mjs", "package-lock.json")]
    kept = COMPILED / f"{name}-{environment.fingerprint(store_archive(inputs), settings, *scripts)}"
    if not kept.is_file():
        say(doing)
        COMPILED.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            work = Path(folder)
            for file, data in inputs.items():
                (work / file).write_bytes(data)
            made = work / "made"
            command: list[str | Path] = [node, scripts[0], resolving.PYODIDE, work, made]
            environment.run([*command, settings] if settings else command, cwd=work)
            for old in COMPILED.glob(f"{name}-*"):
                old.unlink()
            made.replace(kept)
    return kept.read_bytes()


def compile_files(
    node: Path, name: str, files: Files, *, prefix: str, optimize: int = 0, docstrings: bool = False
) -> Files:
    """Byte-compile files."""
    settings = json.dumps({"prefix": prefix, "optimize": optimize, "docstrings": docstrings})
    inputs = {"source.zip": store_archive(files)}
    made = _made(node, name, f"Compiling {name}", "compile.mjs", inputs, settings)
    return trimming.read_archive(made, lambda _: True)


def compress_files(node: Path, files: Files) -> Files:
    """Make each file a gzip stream."""
    inputs = {"source.zip": store_archive(files)}
    made = _made(node, "packed", f"Compressing what {carrying.NAME} holds", "pack.mjs", inputs)
    return trimming.read_archive(made, lambda _: True)


def remember(node: Path, stdlib: bytes, core: bytes) -> bytes:
    """Keep the memory of a Python that has imported the core."""
    inputs = {"stdlib.zip": stdlib, "core.zip": core}
    return _made(node, "memory", "Keeping the memory of a Python that has started", "remember.mjs", inputs)


def python_archives(node: Path, wheels: dict[str, bytes], versions: dict[str, str]) -> dict[str, bytes]:
    """Make the archives of dist/python/."""
    stdlib = patching.patch_stdlib(
        trimming.trim_stdlib((resolving.PYODIDE / "python_stdlib.zip").read_bytes())
    )
    pydicom = patching.patch_pydicom(trimming.trim_pydicom(wheels["pydicom"]), versions["pydicom"])
    trimmed: dict[str, tuple[Files, bool]] = {
        # The second is whether docstrings stay: numpy and imagecodecs work with theirs while being imported.
        "pydicom": (pydicom, False),
        "dicomveil": (package_files(), False),
        "numpy": (trimming.trim_numpy(wheels["numpy"]), True),
        "imagecodecs": (trimming.trim_imagecodecs(wheels["imagecodecs"]), True),
    }
    compiled = {
        name: compile_files(node, name, files, prefix=SITE_PACKAGES, docstrings=docstrings)
        for name, (files, docstrings) in trimmed.items()
    }
    # -OO for the standard library alone; assertions of all others stay as they are on CPython.
    library = compile_files(node, "stdlib", stdlib, prefix="/lib/python314.zip/", optimize=2, docstrings=True)
    standard, core = store_archive(library), store_archive(compiled["pydicom"] | compiled["dicomveil"])
    return {
        "python/memory.bin": remember(node, standard, core),
        "python/stdlib.zip": standard,
        "python/core.zip": core,
        "python/numpy.zip": store_archive(compiled["numpy"]),
        "python/imagecodecs.zip": store_archive(compiled["imagecodecs"]),
    }


def web_files() -> Files:
    """Read web/, byte for byte."""
    return {
        path.relative_to(WEB).as_posix(): path.read_bytes()
        for path in sorted(WEB.rglob("*"))
        if path.is_file() and not path.name.endswith(_NOT_SERVED)
    }


def _listing(files: Files) -> str:
    """Describe files for the page: path to SHA-256 and size."""
    entries = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in sorted(files.items())
    }
    return json.dumps(entries, indent=1) + "\n"


def contents(node: Path) -> Files:
    """Make every file of dist/."""
    pins = resolving.check_lock(node)
    wheels = {name: resolving.wheel(pin) for name, pin in pins.items()}
    versions = {name: pin.version for name, pin in pins.items()} | {"pyodide": resolving.pyodide_version()}
    files = web_files()
    made = python_archives(node, wheels, versions)
    made |= {f"pyodide/{name}": (resolving.PYODIDE / name).read_bytes() for name in PYODIDE_FILES}
    made |= licensing.licences(wheels, versions)
    clash = files.keys() & made.keys()
    if clash:
        raise BuildError(f"web/ has files of names that the build makes: {', '.join(sorted(clash))}")
    files |= made
    files["assets.json"] = _listing(files).encode()
    # After the listing: the page neither loads nor keeps it.
    files[carrying.NAME] = carrying.single_file(files, lambda held: compress_files(node, held))
    sums = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    files["SHA256SUMS"] = "".join(sums).encode()
    return files


def write(files: Files, target: Path) -> None:
    """Make a directory hold exactly these files; what is the same already is not touched."""
    for name, data in files.items():
        path = target / name
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file() and path.relative_to(target).as_posix() not in files:
            path.unlink()


def build(node: Path, target: Path = DIST) -> None:
    """Build dist/ (or another directory)."""
    write(contents(node), target)
