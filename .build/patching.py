"""What is changed in third-party sources for the browser, and why: in pydicom and Pyodide's Python part.

`import pydicom` loads all that pydicom has, its pixel code included. The page starts with dictionaries and
character sets alone, so what is not asked for waits until it is: a third of Python's start-up is saved.
What pydicom offers stays the same; only its sample files are not here.

Pyodide loads asyncio and all that installs packages from an index. The worker never awaits in Python and has
no network, so both are left out: a third of what Pyodide imports.
"""

from __future__ import annotations

from typing import NamedTuple

from places import BuildError
from trimming import Files


class Patch(NamedTuple):
    """A replacement of `old`, which must be there exactly once, by `new`."""

    path: str
    old: str
    new: str


_LATE_NAMES = Patch(
    "pydicom/__init__.py",
    """\
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
import pydicom.examples
from pydicom.filereader import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.pixels.utils import pixel_array, iter_pixels
from pydicom.sequence import Sequence
""",
    '''\
_HOMES = {
    "DataElement": "dataelem",
    "Dataset": "dataset",
    "FileDataset": "dataset",
    "FileMetaDataset": "dataset",
    "dcmread": "filereader",
    "dcmwrite": "filewriter",
    "pixel_array": "pixels.utils",
    "iter_pixels": "pixels.utils",
    "Sequence": "sequence",
}


def __getattr__(name):
    """dicomveil: import a name, or a module, when it is first asked for (PEP 562)."""
    from importlib import import_module

    if name in _HOMES:
        value = getattr(import_module(f"pydicom.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    if not name.startswith("__"):
        try:
            return import_module(f"pydicom.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"pydicom.{name}":
                raise
    raise AttributeError(f"module 'pydicom' has no attribute {name!r}")

''',
)
_LATE_HANDLERS = Patch(
    "pydicom/config.py",
    """\
import pydicom.pixel_data_handlers.numpy_handler as np_handler  # noqa
import pydicom.pixel_data_handlers.rle_handler as rle_handler  # noqa
import pydicom.pixel_data_handlers.pillow_handler as pillow_handler  # noqa
import pydicom.pixel_data_handlers.jpeg_ls_handler as jpegls_handler  # noqa
import pydicom.pixel_data_handlers.gdcm_handler as gdcm_handler  # noqa
import pydicom.pixel_data_handlers.pylibjpeg_handler as pylibjpeg_handler  # noqa

pixel_data_handlers = [
    np_handler,
    gdcm_handler,
    pillow_handler,
    jpegls_handler,
    pylibjpeg_handler,
    rle_handler,
]
""",
    '''\
_HANDLERS = {
    "np_handler": "numpy_handler",
    "gdcm_handler": "gdcm_handler",
    "pillow_handler": "pillow_handler",
    "jpegls_handler": "jpeg_ls_handler",
    "pylibjpeg_handler": "pylibjpeg_handler",
    "rle_handler": "rle_handler",
}


def __getattr__(name):
    """dicomveil: import the handlers of pixel data when they are first asked for (PEP 562)."""
    from importlib import import_module

    if name in _HANDLERS:
        return import_module(f"pydicom.pixel_data_handlers.{_HANDLERS[name]}")
    if name == "pixel_data_handlers":
        globals()[name] = [__getattr__(handler) for handler in _HANDLERS]
        return globals()[name]
    raise AttributeError(f"module 'pydicom.config' has no attribute {name!r}")


''',
)
_LATE_VALUES = (
    Patch(
        "pydicom/charset.py",
        "from pydicom.valuerep import TEXT_VR_DELIMS, PersonName, VR, CUSTOMIZABLE_CHARSET_VR\n",
        "",
    ),
    Patch(
        "pydicom/charset.py",
        "    # decode the string value to unicode\n",
        "    from pydicom.valuerep import TEXT_VR_DELIMS, PersonName, VR, CUSTOMIZABLE_CHARSET_VR\n\n",
    ),
)


def _fixed_version(version: str) -> tuple[Patch, ...]:
    """Write the version down: importlib.metadata would load the package email to find it."""
    path = "pydicom/_version.py"
    return (
        Patch(path, "from importlib.metadata import version\n", ""),
        Patch(path, 'version("pydicom")', f'"{version}"'),
    )


_NO_EVENT_LOOP = Patch(
    "pyodide/__init__.py",
    """\
from .webloop import _initialize_event_loop

_initialize_event_loop()
del _initialize_event_loop
""",
    "from pyodide_js._api import scheduleCallback  # a kept memory expects what the loop would hold\n",
)
# Takes the place of asyncio: the one name of it that Pyodide's C code looks up when it starts.
_NO_ASYNCIO = b'''\
"""dicomveil: nothing is awaited in Python."""


def get_event_loop():
    raise RuntimeError("there is no event loop")
'''
# Takes the place of Pyodide's own: what its JavaScript asks for when it starts, and one archive format.
_PACKAGE_LOADER = b'''\
"""dicomveil: packages are ZIP files that the page hands over."""

from pathlib import Path
from site import getsitepackages

from pyodide_js import loadedPackages  # a kept memory expects it

SITE_PACKAGES = Path(getsitepackages()[0])
DSO_DIR = Path("/usr/lib")


def init_loaded_packages():
    """There is no package index."""


def unpack_buffer(buffer, *, format, extract_dir=None, metadata=None):
    """Unpack a Uint8Array with a ZIP file into a folder, site-packages unless told."""
    from io import BytesIO
    from zipfile import ZipFile

    if format != "zip":
        raise ValueError("not a ZIP file")
    with ZipFile(BytesIO(buffer.to_bytes())) as archive:
        archive.extractall(extract_dir or SITE_PACKAGES)
'''

# The colour palettes are looked for among the sample files.
_NO_SAMPLES = b"def get_palette_files(pattern):\n    return []\n"


def _apply(files: Files, *patches: Patch) -> Files:
    """Return files with the changes; raises BuildError where a source is not what a change is for."""
    patched = dict(files)
    for patch in patches:
        text = patched[patch.path].decode()
        if text.count(patch.old) != 1:
            raise BuildError(f"{patch.path} is not the source that .build/patching.py was written for.")
        patched[patch.path] = text.replace(patch.old, patch.new).encode()
    return patched


def patch_pydicom(files: Files, version: str) -> Files:
    """Return pydicom's files with the changes.

    Raises:
        BuildError: a source is not what the change is for.
    """
    without_samples = files | {"pydicom/data/__init__.py": _NO_SAMPLES}
    return _apply(without_samples, _LATE_NAMES, _LATE_HANDLERS, *_LATE_VALUES, *_fixed_version(version))


def patch_stdlib(files: Files) -> Files:
    """Return Pyodide's standard library, which holds its own Python part, with the changes.

    Raises:
        BuildError: a source is not what the change is for.
    """
    replaced = {"pyodide/_package_loader.py": _PACKAGE_LOADER, "asyncio/__init__.py": _NO_ASYNCIO}
    if replaced.keys() - files.keys():
        raise BuildError("The standard library is not the one that .build/patching.py was written for.")
    return _apply(files | replaced, _NO_EVENT_LOOP)
