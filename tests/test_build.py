"""The build: third-party bytes are what they are pinned to be, and its products depend on nothing else."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import marshal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import browsers
import bundling
import checking
import compiling
import environment
import fetching
import licensing
import patching
import places
import resolving
import trimming
from fetching import Origin
from places import BuildError

DATA = b"bytes of a third party"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests' downloads out of the real cache."""
    monkeypatch.setattr(fetching, "DOWNLOADS", tmp_path / "downloads")


def _origin(data: bytes, asked: list[str] | None = None, name: str = "origin") -> Origin:
    def read() -> bytes:
        if asked is not None:
            asked.append(name)
        return data

    return Origin(name, read)


def _broken(name: str = "broken") -> Origin:
    def read() -> bytes:
        raise OSError("unreachable")

    return Origin(name, read)


class TestFetching:
    """Every third-party file is known by its SHA-256."""

    def test_a_file_is_fetched_once(self) -> None:
        """The second time the file comes from the cache."""
        asked: list[str] = []
        for _ in range(2):
            assert fetching.fetch("file", DIGEST, [_origin(DATA, asked)]) == DATA
        assert asked == ["origin"]

    def test_another_hash_is_refused(self) -> None:
        """Bytes with another hash are refused, not kept, and no further origin is asked."""
        asked: list[str] = []
        with pytest.raises(BuildError, match="refused"):
            fetching.fetch("file", DIGEST, [_origin(b"other"), _origin(DATA, asked)])
        assert asked == []
        assert not any(path.is_file() for path in fetching.DOWNLOADS.rglob("*"))

    def test_a_changed_cache_is_refused(self) -> None:
        """A cached file that is not what it was is refused, although an origin could give the right one."""
        fetching.fetch("file", DIGEST, [_origin(DATA)])
        kept = next(path for path in fetching.DOWNLOADS.rglob("*") if path.is_file())
        kept.write_bytes(DATA + b"!")
        with pytest.raises(BuildError, match="refused"):
            fetching.fetch("file", DIGEST, [_origin(DATA)])

    def test_the_next_origin_is_asked_where_one_fails(self) -> None:
        """Origins are asked in their order until one answers."""
        asked: list[str] = []
        second, third = _origin(DATA, asked, "second"), _origin(DATA, asked, "third")
        assert fetching.fetch("file", DIGEST, [_broken(), second, third]) == DATA
        assert asked == ["second"]

    def test_all_origins_are_named_when_none_answers(self) -> None:
        """The error names every origin that was tried."""
        with pytest.raises(BuildError, match="one: unreachable; two: unreachable"):
            fetching.fetch("file", DIGEST, [_broken("one"), _broken("two")])

    @pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_an_entry_of_a_remote_archive_is_read_by_ranges(self, compression: int) -> None:
        """One entry is read without reading the others; what is not there is an error."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", compression) as archive:
            archive.writestr("large", hashlib.shake_128(b"").digest(1_000_000))
            archive.writestr("folder/wanted", DATA * 10)
            archive.comment = b"a comment at the end"
        whole = out.getvalue()
        lengths: list[int] = []

        def read(offset: int, length: int) -> bytes:
            lengths.append(length)
            return whole[offset : offset + length]

        assert fetching.read_zip_entry(read, len(whole), "folder/wanted") == DATA * 10
        assert sum(lengths) < 100_000
        with pytest.raises(LookupError):
            fetching.read_zip_entry(read, len(whole), "folder/missing")

    @pytest.mark.parametrize(
        "page",
        [
            b'{"files": [{"filename": "x-1.whl", "url": "../../files/x-1.whl"}]}',
            b'<html><a data-x="1" href="../../files/x-1.whl#sha256=00">x-1.whl</a></html>',
        ],
        ids=["json", "html"],
    )
    def test_a_file_is_found_on_an_index_of_either_form(
        self, page: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Package indexes answer in JSON (PEP 691) or HTML (PEP 503); an index that fails is passed over."""
        monkeypatch.setattr(fetching, "_indexes", lambda: ["https://down.test", "https://index.test/simple"])

        def get(url: str, **_: object) -> bytes:
            if url != "https://index.test/simple/x/":
                raise OSError("down")
            return page

        monkeypatch.setattr(fetching, "get", get)
        assert fetching.locate("x", "x-1.whl") == "https://index.test/files/x-1.whl"
        with pytest.raises(LookupError):
            fetching.locate("x", "x-2.whl")


class TestPins:
    """The lock files and what they are checked against."""

    def test_the_lock_is_for_the_pinned_pyodide_and_the_project(self) -> None:
        """browser-lock.json is for the pinned Pyodide and for pyproject.toml's requirements."""
        lock = json.loads(resolving.LOCK.read_text())
        assert lock["pyodide"] == resolving.pyodide_version()
        assert lock["requirements"] == resolving.requirements()
        assert {"pydicom", "numpy", "imagecodecs"} <= lock["packages"].keys()

    def test_numpy_must_have_the_hash_that_pyodide_publishes(self) -> None:
        """A pin of one of Pyodide's own packages with another hash is refused before anything is fetched."""
        pin = resolving.read_lock()["numpy"]
        with pytest.raises(BuildError, match="disagree"):
            resolving.wheel(pin._replace(sha256=DIGEST))

    def test_numpy_comes_from_the_cdn_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pyodide's CDN is asked first, then the carrier on the package index; one hash for both."""
        asked: list[tuple[str, str]] = []

        def fetch(_: str, digest: str, origins: list[Origin]) -> bytes:
            asked.extend((origin.name, digest) for origin in origins)
            return DATA

        monkeypatch.setattr(fetching, "fetch", fetch)
        pin = resolving.read_lock()["numpy"]
        resolving.wheel(pin)
        assert [name for name, _ in asked] == [
            "Pyodide's CDN",
            f"{resolving.CARRIER[1]} on the package index",
        ]
        assert {digest for _, digest in asked} == {pin.sha256}

    def test_every_npm_package_has_an_integrity_hash(self) -> None:
        """No package of package-lock.json is without its hash."""
        packages = json.loads((places.HERE / "package-lock.json").read_text())["packages"]
        without = [name for name, entry in packages.items() if name and "integrity" not in entry]
        assert without == []

    @pytest.mark.parametrize("name", sorted(path.name for path in places.HERE.glob("requirements*.txt")))
    def test_every_python_package_has_hashes(self, name: str) -> None:
        """Every requirement is one version with at least one hash, which is what pip is told to require."""
        text = (places.HERE / name).read_text().replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert lines
        assert all("==" in line and "--hash=sha256:" in line for line in lines)

    def test_the_development_tools_are_those_of_the_lock(self) -> None:
        """The exact versions in pyproject.toml are the locked ones."""
        import tomllib

        project = tomllib.loads((places.ROOT / "pyproject.toml").read_text())["project"]
        locked = {
            line.split(" ")[0] for line in environment.REQUIREMENTS.read_text().splitlines() if "==" in line
        }
        assert set(project["optional-dependencies"]["dev"]) <= locked


class TestCompiling:
    """Byte-compiled modules."""

    SOURCE = b'"""Module."""\n\ndef f():\n    """Only this."""\n\nclass C:\n    "Doc."\n    x = 1\nassert f\n'

    def _run(self, pyc: bytes) -> dict[str, object]:
        space: dict[str, object] = {}
        exec(marshal.loads(pyc[16:]), space)  # noqa: S102, S302 - our own bytes
        return space

    def test_docstrings_go_and_assertions_stay(self) -> None:
        """Docstrings are gone, assertions are not: -OO would remove both. A class keeps a dot."""
        pyc = compiling.compile_module(self.SOURCE, "/x/m.py", optimize=0, docstrings=False)
        space = self._run(pyc)
        assert space.get("__doc__") is None
        assert (space["f"].__doc__, space["C"].__doc__) == (None, ".")
        with pytest.raises(AssertionError):
            self._run(compiling.compile_module(b"assert False", "/x/m.py", optimize=0, docstrings=False))

    def test_docstrings_can_stay(self) -> None:
        """Packages such as numpy use their docstrings while they are imported."""
        pyc = compiling.compile_module(self.SOURCE, "/x/m.py", optimize=0, docstrings=True)
        assert self._run(pyc)["__doc__"] == "Module."

    def test_compiled_modules_hold_no_date(self) -> None:
        """A .pyc is of the unchecked-hash kind (PEP 552), and the same for the same source."""
        first, second = (
            compiling.compile_module(self.SOURCE, "/x/m.py", optimize=0, docstrings=False) for _ in range(2)
        )
        assert first == second
        assert first[4:8] == b"\1\0\0\0"

    def test_a_module_without_docstrings_still_parses(self) -> None:
        """What is left of every module of this package compiles: an empty body got a pass."""
        for path in places.PACKAGE.glob("*.py"):
            tree = compiling.without_docstrings(ast.parse(path.read_text()))
            compile(tree, str(path), "exec")
            assert all(
                ast.get_docstring(node) in {None, "."}
                for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            )


class TestBundling:
    """What goes into dist/."""

    def test_archives_depend_on_their_content_only(self) -> None:
        """The same files in another order make the same bytes; nothing is compressed or dated."""
        one = bundling.store_archive({"b": b"2", "a": b"1"})
        assert one == bundling.store_archive({"a": b"1", "b": b"2"})
        with zipfile.ZipFile(io.BytesIO(one)) as archive:
            assert archive.namelist() == ["a", "b"]
            entries = archive.infolist()
        assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
        assert {entry.date_time for entry in entries} == {bundling.FIXED_DATE}

    def test_a_directory_holds_exactly_what_was_built(self, tmp_path: Path) -> None:
        """Old files go, changed ones are written, and the same ones are not touched."""
        bundling.write({"a/old": b"1", "same": b"2", "changed": b"3"}, tmp_path)
        before = (tmp_path / "same").stat().st_mtime_ns
        bundling.write({"same": b"2", "changed": b"4", "b/new": b"5"}, tmp_path)
        files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
        assert files == {"same", "changed", "b/new"}
        assert not (tmp_path / "a").exists()
        assert (tmp_path / "changed").read_bytes() == b"4"
        assert (tmp_path / "same").stat().st_mtime_ns == before

    def test_the_browser_gets_no_command_line_and_no_receiver(self) -> None:
        """Only what browser.py reaches is in its archive, packages and data included."""
        names = bundling.package_files().keys()
        assert {"dicomveil/__init__.py", "dicomveil/browser.py", "dicomveil/data/rules.json"} <= names
        assert {"dicomveil/pixels/__init__.py", "dicomveil/pixels/decode.py"} <= names
        assert not {name for name in names if "receiver" in name or "cli" in name or "main" in name}

    def test_web_is_served_byte_for_byte(self) -> None:
        """Every script and style of web/ is in dist/ as it is in the tree."""
        served = bundling.web_files()
        assert served["index.html"] == (places.WEB / "index.html").read_bytes()
        assert {path.relative_to(places.WEB).as_posix() for path in places.WEB.rglob("*.js")} <= served.keys()
        assert not {name for name in served if name.endswith((".md", ".d.ts"))}

    def test_trimming_leaves_out_samples_and_keeps_the_version(self) -> None:
        """Of pydicom there are no sample files; its METADATA, from which it takes its version, stays."""
        names = ["pydicom/dataset.py", "pydicom/data/test_files/CT_small.dcm", "pydicom/sr/_snomed_dict.py"]
        names += ["pydicom-3.0.2.dist-info/METADATA", "pydicom-3.0.2.dist-info/RECORD"]
        kept = trimming.trim_pydicom(bundling.store_archive(dict.fromkeys(names, b"x")))
        assert kept.keys() == {
            "pydicom/dataset.py",
            "pydicom-3.0.2.dist-info/METADATA",
        }

    def test_a_source_that_is_not_the_expected_one_is_not_patched(self) -> None:
        """A change to a third party's source is made to the text it was written for, or the build stops."""
        files = dict.fromkeys(("pydicom/__init__.py", "pydicom/config.py", "pydicom/_version.py"), b"x = 1\n")
        with pytest.raises(BuildError, match="is not the source"):
            patching.patch_pydicom(files, "3.0.2")

    def test_every_component_has_its_licence(self) -> None:
        """NOTICE names every component, and each licence text it points to is there."""
        wheels = {
            name: bundling.store_archive({f"{name}-1.dist-info/licenses/LICENSE": b"text"})
            for name in ("pydicom", "numpy", "imagecodecs")
        }
        versions = dict.fromkeys((*wheels, "pyodide"), "1")
        files = licensing.licences(wheels, versions)
        notice = files["NOTICE"].decode()
        for component in licensing.COMPONENTS:
            assert component.name.format_map(versions) in notice
            for text in component.texts:
                assert any(name.startswith(f"licences/{text}") for name in files)
        assert files["LICENSE"].strip().startswith(b"Apache License")


class TestTools:
    """build.py and what it runs."""

    def test_help_names_every_command(self) -> None:
        """`build.py --help` names the commands; it works with the standard library alone."""
        command = [sys.executable, "-I", "-S", str(places.ROOT / "build.py"), "--help"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        for name in ("build", "serve", "run", "test", "bench", "fix"):
            assert f"\n    {name} " in shown

    def test_an_unfinished_set_up_is_done_again(self, tmp_path: Path) -> None:
        """A stamp is written only after its work was done without error."""
        stamp = tmp_path / "stamp"
        with pytest.raises(BuildError), environment.once(stamp, "1"):
            raise BuildError("stopped")
        with environment.once(stamp, "1") as todo:
            assert todo
        with environment.once(stamp, "1") as todo:
            assert not todo
        with environment.once(stamp, "2") as todo:
            assert todo

    def test_a_linked_environment_is_not_cleared(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where .venv leads to another folder, nothing in that is touched."""
        other = tmp_path / "other"
        (other / "bin").mkdir(parents=True)
        (other / "kept").touch()
        (tmp_path / ".venv").symlink_to(other)
        monkeypatch.setattr(environment, "CACHE", tmp_path)
        monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
        monkeypatch.setattr(environment, "PYTHON", tmp_path / ".venv/bin/python")
        with pytest.raises(BuildError):
            environment.set_up_python()
        assert (other / "kept").is_file()

    def test_a_node_that_is_too_old_is_not_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of the system's Node only version 20 and newer will do; without it, PyPI's is taken."""
        for name, answer in (("node", "v18.19.0"), ("npm", "9")):
            (tmp_path / name).write_text(f"#!/bin/sh\necho {answer}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        assert environment._system_node() is None
        (tmp_path / "node").write_text("#!/bin/sh\necho v20.0.0\n")
        assert environment._system_node() == tmp_path / "node"

    def test_a_browser_is_looked_for_in_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The first way that has a browser that runs is taken, no later one is tried; then it is known."""
        there, broken = tmp_path / "chromium", tmp_path / "broken"
        for path, status in ((there, 0), (broken, 127)):
            path.write_text(f"#!/bin/sh\nexit {status}\n")
            path.chmod(0o755)
        tried: list[str] = []

        def way(name: str, path: str | None) -> str | None:
            tried.append(name)
            return path

        monkeypatch.setattr(browsers, "CACHE", tmp_path)
        monkeypatch.setattr(
            browsers,
            "WAYS",
            (
                lambda: way("first", None),
                lambda: way("second", str(broken)),
                lambda: way("third", str(there)),
                lambda: way("fourth", str(there)),
            ),
        )
        assert [browsers.find(), browsers.find()] == [str(there)] * 2
        assert tried == ["first", "second", "third"]

    def test_ways_to_a_browser_install_last(self) -> None:
        """What is on the machine comes before what is installed, Playwright's own before the system's."""
        names = [way.__name__ for way in browsers.WAYS]
        assert names == ["_playwrights_own", "_of_the_system", "_install_playwrights_own", "_install_debians"]

    @pytest.mark.parametrize(
        ("check", "tests", "status"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (1, 5, 5)], ids=str
    )
    def test_any_failure_fails_the_whole(
        self, check: int, tests: int, status: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Tests run after a failed check too, and the exit status is 0 only where all passed."""
        ran: list[str] = []

        def step(name: str, code: int) -> tuple[str, list[str | Path]]:
            script = f"import sys; sys.exit({code})"
            return name, [sys.executable, "-c", script]

        monkeypatch.setattr(checking, "_steps", lambda _: [step("one", check), step("two", 0)])
        real = subprocess.run

        def run(command: list[str], **options: object) -> object:
            if "pytest" in command:
                ran.append("pytest")
                return subprocess.CompletedProcess(command, tests)
            return real(command, **options)  # type: ignore[call-overload]

        monkeypatch.setattr(subprocess, "run", run)
        assert checking.test(Path("node"), []) == status
        assert ran == ["pytest"]
