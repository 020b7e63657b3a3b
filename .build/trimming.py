"""What of each third-party archive the browser gets: whatever is left out is left out here, by name."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

Files = dict[str, bytes]

# The standard library: what neither the core nor Pyodide imports. A name that ends in "/" is a folder.
_NO_STDLIB = (
    *(
        "__hello__.py",
        "__phello__/",
        "_markupbase.py",
        "_pydatetime.py",
        "_pydecimal.py",
        "_pyio.py",
        "_pyrepl/",
    ),
    *(
        "_sysconfigdata_",
        "antigravity.py",
        "bdb.py",
        "cProfile.py",
        "cmd.py",
        "code.py",
        "colorsys.py",
        "compileall.py",
    ),
    *("concurrent/futures/process.py", "concurrent/interpreters/", "configparser.py", "ctypes/_aix.py"),
    *("ctypes/macholib/", "ctypes/wintypes.py", "curses/", "dbm/", "doctest.py", "ensurepip/"),
    *("email/_header_value_parser.py", "email/contentmanager.py", "email/headerregistry.py", "email/mime/"),
    *(
        "email/policy.py",
        "filecmp.py",
        "fileinput.py",
        "ftplib.py",
        "getpass.py",
        "html/",
        "http/",
        "idlelib/",
    ),
    *("imaplib.py", "json/tool.py", "lib2to3/", "logging/config.py", "logging/handlers.py", "mailbox.py"),
    *("modulefinder.py", "multiprocessing/", "netrc.py", "optparse.py", "pdb.py", "pickletools.py"),
    *("plistlib.py", "poplib.py", "pprint.py", "profile.py", "pstats.py", "pty.py", "py_compile.py"),
    *(
        "pyclbr.py",
        "pydoc.py",
        "pydoc_data/",
        "pyodide/_nodesock",
        "pyodide/console.py",
        "pyodide/webloop.py",
        "rlcompleter.py",
        "runpy.py",
        "sched.py",
    ),
    *("shelve.py", "smtplib.py", "socketserver.py", "sqlite3/", "ssl.py", "statistics.py", "symtable.py"),
    *("tabnanny.py", "tarfile.py", "test/", "this.py", "timeit.py", "tkinter/", "tomllib/", "trace.py"),
    *("tracemalloc.py", "tty.py", "turtle.py", "unittest/", "urllib/error.py", "urllib/request.py"),
    *("urllib/response.py", "urllib/robotparser.py", "venv/", "wave.py", "webbrowser.py", "wsgiref/"),
    *("xml/", "xmlrpc/", "zipapp.py", "zoneinfo/"),
)
# The encodings of DICOM's character sets (PS3.3 C.12.1.1.2), of the search for identifiers, of Python itself.
_ENCODINGS = (
    *("__init__", "aliases", "ascii", "latin_1", "utf_8", "utf_16", "utf_32", "cp437", "cp1252", "idna"),
    *("punycode", "iso8859_", "iso2022_", "euc_", "gb", "big5", "shift_jis", "cp932", "cp949", "johab"),
    *("hz", "koi8", "tis_620", "cp874", "hex_codec", "base64_codec", "raw_unicode_escape"),
    *("unicode_escape", "charmap", "undefined"),
)
_NO_PYDICOM = ("cli/", "sr/", "data/", "examples/", "util/codify.py", "py.typed")
_NO_NUMPY = (
    *(
        "f2py/",
        "typing/mypy_plugin.py",
        "polynomial/",
        "testing/",
        "random/",
        "fft/",
        "doc/",
        "distutils/",
        "_pyinstaller/",
    ),
    *("conftest.py", "linalg/lapack_lite.", "py.typed", "_core/cversions.py", "ma/testutils.py", "matlib.py"),
)
_NO_NUMPY_KINDS = (".pyi", ".h", ".a", ".pxd", ".c", ".pyx", ".md", ".txt", ".ini", ".pc", ".template")
# The codecs that decode and encode DICOM's transfer syntaxes, and what they share.
_CODECS = ("_shared", "_imcd", "_jpeg8", "_jpegls", "_jpeg2k", "_htj2k", "_jpegxl")


def read_archive(data: bytes, keep: Callable[[str], bool]) -> Files:
    """Read the files of a ZIP archive that `keep` wants."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name[-1] != "/" and keep(name)}


def trim_stdlib(data: bytes) -> Files:
    """Trim Pyodide's standard library."""

    def keep(name: str) -> bool:
        if name.startswith("asyncio/"):
            return name == "asyncio/__init__.py"  # .build/patching.py puts another in its place
        if name.startswith("encodings/"):
            return name.removeprefix("encodings/").startswith(_ENCODINGS)
        return not name.startswith(_NO_STDLIB)

    return read_archive(data, keep)


def trim_pydicom(data: bytes) -> Files:
    """Trim pydicom: no sample files, no SR dictionaries. Its METADATA stays, with the version in it."""

    def keep(name: str) -> bool:
        folder, _, rest = name.partition("/")
        return not rest.startswith(_NO_PYDICOM) if folder == "pydicom" else name.endswith("/METADATA")

    return read_archive(data, keep)


def trim_numpy(data: bytes) -> Files:
    """Trim numpy: no tests and test extensions, no headers, no packages that pixels do not need."""

    def keep(name: str) -> bool:
        folder, _, rest = name.partition("/")
        if folder != "numpy" or rest.startswith(_NO_NUMPY) or name.endswith(_NO_NUMPY_KINDS):
            return False
        return "/tests/" not in name and "_tests.cpython" not in name

    return read_archive(data, keep)


def trim_imagecodecs(data: bytes) -> Files:
    """Trim imagecodecs to the codecs of DICOM."""

    def keep(name: str) -> bool:
        folder, _, rest = name.partition("/")
        wanted = ("__init__.py", "imagecodecs.py", *(f"{codec}.abi3.so" for codec in _CODECS))
        return folder == "imagecodecs" and rest in wanted

    return read_archive(data, keep)
