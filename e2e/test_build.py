"""dist/ as a whole: complete, listed, licensed, reproducible, and its Python starts."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pydicom
import pytest

import bundling
import environment
import licensing
import places

# The codecs of DICOM's transfer syntaxes.
CODECS = ("jpeg8", "jpegls", "jpeg2k", "htj2k", "jpegxl")


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_sha256sums_lists_every_file(dist: Path) -> None:
    """SHA256SUMS has each file of dist/ but itself, with the hash that it has."""
    files = _files(dist)
    listed = dict(line.split("  ")[::-1] for line in files.pop("SHA256SUMS").decode().splitlines())
    assert listed == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def test_assets_json_describes_every_file(dist: Path) -> None:
    """The page finds hash and size of everything it loads in assets.json; the single file is not loaded."""
    files = _files(dist)
    assets = json.loads(files.pop("assets.json"))
    for name in ("SHA256SUMS", "dicomveil.html"):
        del files[name]
    assert assets == {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in files.items()
    }


def test_everything_in_dist_is_accounted_for(dist: Path) -> None:
    """Each file is web/'s, byte for byte, or is named by NOTICE, or is about the others."""
    web = bundling.web_files()
    about = {"NOTICE", "LICENSE", "SHA256SUMS", "assets.json", "dicomveil.html"}
    for name, data in _files(dist).items():
        if name in web:
            assert data == web[name]
        elif name not in about:
            assert name.startswith(("help/", "licences/", "pyodide/", "python/"))
    where = " ".join(component.where for component in licensing.COMPONENTS)
    for archive in (dist / "python").iterdir():
        assert f"python/{archive.name}" in where


def test_pyodide_is_the_pinned_one(dist: Path) -> None:
    """The files of Pyodide are those of the npm package, unchanged."""
    for name in bundling.PYODIDE_FILES:
        installed = places.NODE_MODULES / "pyodide" / name
        assert (dist / "pyodide" / name).read_bytes() == installed.read_bytes()


def test_archives_hold_compiled_modules_only(dist: Path) -> None:
    """No sources, no samples and no command line are in the archives; pydicom's version is."""
    names = {path.stem: zipfile.ZipFile(path).namelist() for path in sorted((dist / "python").glob("*.zip"))}
    assert names.keys() == {"core", "imagecodecs", "numpy", "stdlib"}
    every = {name for listed in names.values() for name in listed}
    assert not {name for name in every if name.endswith((".py", ".dcm", ".pyi", ".h"))}
    assert not {name for name in every if name.startswith(("dicomveil_receiver/", "dicomveil/cli"))}
    assert not {name for name in every if "/tests/" in name or "/test_files/" in name}
    assert "dicomveil/browser.pyc" in names["core"]
    assert "pydicom-3.0.2.dist-info/METADATA" in names["core"]


def _same(dist: Path, another: Path) -> None:
    """Compare two builds, byte for byte."""
    first, second = _files(dist), _files(another)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.timeout(600)
def test_two_builds_are_byte_identical(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that compiles everything anew, elsewhere, gives the same bytes as dist/."""
    node, _ = environment.set_up_node()
    monkeypatch.setattr(bundling, "COMPILED", tmp_path / "compiled")
    bundling.build(node, tmp_path / "dist")
    assert len(list((tmp_path / "compiled").iterdir())) == 7
    _same(dist, tmp_path / "dist")


@pytest.mark.timeout(300)
def test_a_second_build_needs_no_network(dist: Path, tmp_path: Path) -> None:
    """Once set up, building works without network and compiles nothing; it gives the same bytes."""
    nowhere = "http://127.0.0.1:9"
    cut_off = {name: nowhere for scheme in ("http", "https", "all") for name in (f"{scheme}_proxy",)}
    cut_off |= {name.upper(): nowhere for name in cut_off} | {"no_proxy": "", "NO_PROXY": ""}
    cut_off |= {"PIP_INDEX_URL": nowhere, "PIP_NO_INDEX": "1", "npm_config_offline": "true"}
    command = [sys.executable, str(places.ROOT / "build.py"), "build", "--output", str(tmp_path / "dist")]
    subprocess.run(command, env=os.environ | cut_off, check=True, timeout=250)
    _same(dist, tmp_path / "dist")


def _in_pyodide(dist: Path, script: str, folder: Path, *archives: str) -> str:
    """Run a script of Python with archives of dist/, in Pyodide under Node; return what it prints."""
    (folder / "script.py").write_text(script)
    (folder / "run.mjs").write_text("""
        import { readFileSync } from "node:fs";
        const [, , dist, script, ...archives] = process.argv;
        const { loadPyodide } = await import(`file://${dist}/pyodide/pyodide.mjs`);
        const platform = { arch: "wasm32", platform: "emscripten_5_0_3" };
        const info = { abi_version: "2026_0", python: "3.14.0", ...platform };
        const pyodide = await loadPyodide({
            indexURL: `${dist}/pyodide/`,
            stdLibURL: `${dist}/python/stdlib.zip`,
            lockFileContents: { info, packages: {} },
        });
        for (const name of archives) {
            const archive = readFileSync(`${dist}/python/${name}.zip`);
            pyodide.unpackArchive(new Uint8Array(archive), "zip");
        }
        pyodide.runPython("import importlib; importlib.invalidate_caches()");
        try {
            pyodide.runPython(readFileSync(script, "utf8"));
        } catch (error) {
            console.log(error.message);
            process.exitCode = 1;
        }
        """)
    node, _ = environment.set_up_node()
    command = [*map(str, (node, folder / "run.mjs", dist, folder / "script.py")), "core", *archives]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.mark.timeout(300)
def test_every_module_in_the_archives_imports(dist: Path, tmp_path: Path) -> None:
    """What trimming left of pydicom, numpy and dicomveil is whole: each module can be imported in Pyodide."""
    script = """
import importlib, pkgutil
import dicomveil, numpy, pydicom
failed = []
for package in (dicomveil, pydicom, numpy):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=failed.append):
        try:
            importlib.import_module(module.name)
        except Exception as error:
            failed.append(f"{module.name}: {error!r}")
print(failed)
"""
    assert _in_pyodide(dist, script, tmp_path, "numpy", "imagecodecs").strip() == "[]"


@pytest.mark.timeout(300)
def test_start_loads_neither_pixel_code_nor_numpy(dist: Path, tmp_path: Path) -> None:
    """The page starts with the core, dictionaries and character sets; the rest waits."""
    script = """
import sys
import dicomveil.browser
late = {"numpy", "imagecodecs", "pydicom.dataset", "pydicom.filereader", "pydicom.pixels"}
print(sorted(late & sys.modules.keys()))
"""
    assert _in_pyodide(dist, script, tmp_path).strip() == "[]"


def _from_memory(memory: Path, folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Start Python under Node from a kept memory, with no archive at all; run a script of JavaScript."""
    dist = places.DIST
    (folder / "start.mjs").write_text(f"""
        import {{ readFileSync }} from "node:fs";
        const dist = "file://{dist}";
        const {{ loadPyodide }} = await import(`${{dist}}/pyodide/pyodide.mjs`);
        const {{ default: create }} = await import(`${{dist}}/pyodide/pyodide.asm.mjs`);
        const {{ rememberedBy }} = await import(`${{dist}}/worker/memory.js`);
        const platform = {{ arch: "wasm32", platform: "emscripten_5_0_3" }};
        const info = {{ abi_version: "2026_0", python: "3.14.0", ...platform }};
        const {{ buffer, byteOffset, length }} = readFileSync({str(memory)!r});
        try {{
            const python = await loadPyodide({{
                indexURL: "{dist}/pyodide/",
                stdLibURL: "{folder}/empty.zip",
                lockFileContents: {{ info, packages: {{}} }},
                ...rememberedBy(buffer.slice(byteOffset, byteOffset + length), create),
            }});
            const core = python.pyimport("dicomveil.browser");
            {script}
        }} catch (error) {{
            console.log(error.message);
            process.exitCode = 1;
        }}
        """)
    (folder / "empty.zip").touch()
    node, _ = environment.set_up_node()
    command = [str(node), str(folder / "start.mjs")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def test_python_starts_from_its_memory(dist: Path, tmp_path: Path) -> None:
    """The core is there without any archive, takes settings, and draws what is random anew at each start."""
    script = """
        const { code } = JSON.parse(core.configure("", new Uint8Array(32).fill(7)));
        const drawn = "import os, uuid; os.urandom(16).hex() + str(uuid.uuid4())";
        console.log(JSON.stringify([JSON.parse(core.boot()).python, code, python.runPython(drawn)]));
        """
    found = []
    for _ in range(2):
        done = _from_memory(dist / "python" / "memory.bin", tmp_path, script)
        assert done.returncode == 0, done.stdout[-3000:]
        found.append(json.loads(done.stdout))
    assert [entry[:2] for entry in found] == [["3.14.2", None]] * 2
    assert found[0][2] != found[1][2]


@pytest.mark.parametrize("damage", ["elsewhere", "short", "mark"])
def test_a_memory_that_does_not_fit_is_refused(dist: Path, tmp_path: Path, damage: str) -> None:
    """What is not whole, or is not laid over the Pyodide that it was taken of, starts nothing."""
    kept = bytearray((dist / "python" / "memory.bin").read_bytes())
    if damage == "elsewhere":
        numbers = struct.unpack_from("<7I", kept)
        data = 4 * 7 + 8 * numbers[5] + numbers[4]
        kept[data + 1000] ^= 1
    elif damage == "short":
        del kept[-1]
    else:
        kept[0] ^= 1
    (tmp_path / "memory.bin").write_bytes(kept)
    done = _from_memory(tmp_path / "memory.bin", tmp_path, "console.log('started');")
    assert done.returncode == 1
    assert "kept" in done.stdout


@pytest.mark.timeout(300)
def test_pydicom_is_whole_although_it_loads_late(dist: Path, tmp_path: Path) -> None:
    """Every public name of pydicom is there, submodules too, and a file makes a round trip."""
    script = f"""
import io
import pydicom
assert {pydicom.__all__!r} == pydicom.__all__
assert all(getattr(pydicom, name) is not None for name in pydicom.__all__)
assert pydicom.__version__ == {pydicom.__version__!r} and pydicom.uid.CTImageStorage
assert len(pydicom.config.pixel_data_handlers) == {len(pydicom.config.pixel_data_handlers)}
for absent in (lambda: pydicom.nothing, lambda: pydicom.config.nothing):
    try:
        absent()
    except AttributeError:
        continue
    raise AssertionError
ds = pydicom.Dataset()
ds.PatientName, ds.Rows = "A^B", 2
ds.file_meta = pydicom.FileMetaDataset()
ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = pydicom.uid.CTImageStorage
ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "2.25.1"
file = io.BytesIO()
pydicom.dcmwrite(file, ds, enforce_file_format=True)
file.seek(0)
print(pydicom.dcmread(file) == ds)
"""
    assert _in_pyodide(dist, script, tmp_path, "numpy", "imagecodecs").strip() == "True"


@pytest.mark.timeout(300)
def test_codecs_decode_what_they_encode(dist: Path, tmp_path: Path) -> None:
    """Each codec of DICOM's transfer syntaxes works in the browser's Python, losslessly, on 16 bits."""
    script = f"""
import imagecodecs, numpy
image = (numpy.arange(64 * 64, dtype="uint16").reshape(64, 64) * 7) % 4096
lossless = {{"jpeg8": {{"lossless": True, "bitspersample": 12}}, "jpegls": {{}},
    "jpeg2k": {{"reversible": True, "codecformat": "j2k"}}, "htj2k": {{"reversible": True}},
    "jpegxl": {{"lossless": True}}}}
for name in {CODECS!r}:
    encode, decode = (getattr(imagecodecs, f"{{name}}_{{what}}") for what in ("encode", "decode"))
    same = numpy.array_equal(decode(encode(image, **lossless[name])), image)
    print(name, same)
"""
    assert _in_pyodide(dist, script, tmp_path, "numpy", "imagecodecs").split() == [
        x for name in CODECS for x in (name, "True")
    ]


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing there")
def test_serve_prints_the_address_and_ends_with_ctrl_c(dist: Path, tmp_path: Path) -> None:
    """The address is a line of its own, the page is behind it, and Ctrl-C ends it all, quietly."""
    command = [
        sys.executable,
        str(places.ROOT / "build.py"),
        "serve",
        "--storage",
        str(tmp_path / "received"),
    ]
    with subprocess.Popen(
        command, text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        address = next(line.strip() for line in process.stdout if line.startswith("http"))
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - loopback
            assert answer.read() == (dist / "index.html").read_bytes()
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in said
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=10)  # noqa: S310 - loopback


def test_the_page_starts_without_complaint(ready: object) -> None:
    """The built page, under the receiver's policy, comes up ready for files and writes no error."""
    assert ready
