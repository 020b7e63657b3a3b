"""NOTICE and licences/ of dist/: what every third party's bytes in it are under.

All of these licences allow distribution beside Apache-2.0. MPL-2.0 (Pyodide) binds its own files. They are in
dist/pyodide/ and in python/stdlib.zip; NOTICE says where their source is, and which of them is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import trimming
from places import HERE, ROOT
from trimming import Files


class Component(NamedTuple):
    """A third party's work that is part of dist/. `texts` are names in licences/; a folder ends in "/"."""

    name: str
    where: str
    licence: str
    copyright: str
    source: str
    texts: tuple[str, ...]


_MIT, _BSD2, _BSD3 = ("MIT.txt",), ("BSD-2-Clause.txt",), ("BSD-3-Clause.txt",)
_WASM = "pyodide/pyodide.asm.wasm"
_RUNTIME = "pyodide/pyodide.asm.mjs, pyodide/pyodide.asm.wasm"
_CODECS = "python/imagecodecs.zip"
_INRIA = "2016-2023 INRIA, CMU and Microsoft Corporation"
_META = "Meta Platforms, Inc. and affiliates"
_EXPAT = "1998-2000 Thai Open Source Software Center Ltd and Clark Cooper, 2001-2025 Expat maintainers"
_LLVM = ("Apache-2.0.txt", "LLVM-exception.txt")
_GITHUB = "https://github.com"

COMPONENTS = (
    Component(
        "Pyodide {pyodide}",
        "pyodide/*, the packages pyodide and _pyodide in python/stdlib.zip, python/memory.bin",
        "MPL-2.0",
        "2019-2026 Pyodide contributors and Mozilla",
        f"{_GITHUB}/pyodide/pyodide/tree/{{pyodide}}",
        ("MPL-2.0.txt",),
    ),
    Component(
        "ErrorStackParser, StackFrame",
        "pyodide/pyodide.mjs",
        "MIT",
        "2017 Eric Wendelin and other contributors",
        f"{_GITHUB}/stacktracejs/error-stack-parser",
        _MIT,
    ),
    Component(
        "CPython 3.14",
        f"{_WASM}, python/stdlib.zip, python/memory.bin",
        "PSF-2.0",
        "2001-2026 Python Software Foundation",
        f"{_GITHUB}/python/cpython",
        ("Python.txt",),
    ),
    Component("HACL*", _WASM, "MIT", _INRIA, f"{_GITHUB}/hacl-star/hacl-star", _MIT),
    Component(
        "mimalloc",
        _WASM,
        "MIT",
        "2018-2025 Microsoft Corporation, Daan Leijen",
        f"{_GITHUB}/microsoft/mimalloc",
        _MIT,
    ),
    Component(
        "libmpdec",
        _WASM,
        "BSD-2-Clause",
        "2008-2020 Stefan Krah",
        "https://www.bytereef.org/mpdecimal/",
        _BSD2,
    ),
    Component("Expat", _WASM, "MIT", _EXPAT, f"{_GITHUB}/libexpat/libexpat", _MIT),
    Component(
        "Emscripten",
        _RUNTIME,
        "MIT",
        "2010-2026 Emscripten authors",
        f"{_GITHUB}/emscripten-core/emscripten",
        _MIT,
    ),
    Component("musl", _WASM, "MIT", "2005-2025 Rich Felker, et al.", "https://musl.libc.org", _MIT),
    Component(
        "LLVM compiler-rt, libc++, libc++abi, libunwind",
        _WASM,
        "Apache-2.0 WITH LLVM-exception",
        "LLVM project contributors",
        f"{_GITHUB}/llvm/llvm-project",
        _LLVM,
    ),
    Component(
        "libffi",
        _WASM,
        "MIT",
        "1996-2025 Anthony Green, Red Hat, Inc and others",
        f"{_GITHUB}/libffi/libffi",
        _MIT,
    ),
    Component(
        "zlib", _WASM, "Zlib", "1995-2024 Jean-loup Gailly and Mark Adler", "https://zlib.net", ("Zlib.txt",)
    ),
    Component(
        "bzip2",
        _WASM,
        "bzip2-1.0.6",
        "1996-2019 Julian R Seward",
        "https://sourceware.org/bzip2/",
        ("bzip2.txt",),
    ),
    Component(
        "liblzma (XZ Utils)",
        _WASM,
        "0BSD",
        "the authors of XZ Utils",
        f"{_GITHUB}/tukaani-project/xz",
        (),
    ),
    Component("Zstandard", _WASM, "BSD-3-Clause", _META, f"{_GITHUB}/facebook/zstd", _BSD3),
    Component("SQLite", _WASM, "public domain", "none claimed", "https://www.sqlite.org", ()),
    Component(
        "pydicom {pydicom}",
        "python/core.zip, python/memory.bin",
        "MIT",
        "2008-2024 Darcy Mason and pydicom contributors",
        f"{_GITHUB}/pydicom/pydicom",
        ("pydicom/",),
    ),
    Component(
        "NumPy {numpy}",
        "python/numpy.zip",
        "BSD-3-Clause and others",
        "2005-2026 NumPy Developers",
        f"{_GITHUB}/numpy/numpy",
        ("numpy/",),
    ),
    Component(
        "imagecodecs {imagecodecs}",
        _CODECS,
        "BSD-3-Clause",
        "2008-2026 Christoph Gohlke",
        f"{_GITHUB}/cgohlke/imagecodecs",
        ("imagecodecs/",),
    ),
    Component(
        "libjpeg-turbo",
        _CODECS,
        "IJG AND BSD-3-Clause AND Zlib",
        "1991-2020 Thomas G. Lane, Guido Vollbeding; 2009-2026 D. R. Commander and others. "
        "This software is based in part on the work of the Independent JPEG Group",
        f"{_GITHUB}/libjpeg-turbo/libjpeg-turbo",
        (*_BSD3, "Zlib.txt"),
    ),
    Component("CharLS", _CODECS, "BSD-3-Clause", "2009 Team CharLS", f"{_GITHUB}/team-charls/charls", _BSD3),
    Component(
        "OpenJPEG",
        _CODECS,
        "BSD-2-Clause",
        "2002-2014 Universite catholique de Louvain (UCL), Belgium, and others",
        f"{_GITHUB}/uclouvain/openjpeg",
        _BSD2,
    ),
    Component(
        "OpenJPH",
        _CODECS,
        "BSD-2-Clause",
        "2019 Aous Naman, Kakadu Software Pty Ltd and The University of New South Wales, Australia",
        f"{_GITHUB}/aous72/OpenJPH",
        _BSD2,
    ),
    Component(
        "libjxl", _CODECS, "BSD-3-Clause", "the JPEG XL Project Authors", f"{_GITHUB}/libjxl/libjxl", _BSD3
    ),
    Component("Highway", _CODECS, "BSD-3-Clause", "Google LLC", f"{_GITHUB}/google/highway", _BSD3),
    Component(
        "Brotli",
        _CODECS,
        "MIT",
        "2009, 2010, 2013-2016 the Brotli Authors",
        f"{_GITHUB}/google/brotli",
        _MIT,
    ),
    Component(
        "deid (rules that say where devices burn in text)",
        "dicomveil/data/device_rules.json in python/core.zip",
        "MIT",
        "2017-2026 Vanessa Sochat and contributors",
        f"{_GITHUB}/pydicom/deid",
        _MIT,
    ),
    Component(
        "skcms", _CODECS, "BSD-3-Clause", "2018 Google Inc.", "https://skia.googlesource.com/skcms", _BSD3
    ),
)

_HEAD = """\
dicomveil
Licensed under the Apache License, Version 2.0: see LICENSE.

This folder also holds work of others, each under its own licence; the texts are in licences/.
Archives in python/ are trimmed and byte-compiled. pydicom is changed in five modules, so that it loads its
parts when they are needed and looks for no sample files. Of Pyodide, pyodide/__init__.py is without the lines
that start an event loop; pyodide/_package_loader.py and asyncio/__init__.py are dicomveil's own and take the
place of others. No other third-party source is changed. The changes are in .build/patching.py of dicomveil's
source. python/memory.bin is the memory of that Python after it has imported the core.

dicomveil.html holds what is in pyodide/ and python/ as well, compressed, with this text and all licences.
"""


def _of_wheels(wheels: Mapping[str, bytes]) -> Files:
    """Take the licence files out of the wheels, in a folder for each."""
    found: Files = {}
    for package, data in wheels.items():
        for name, text in trimming.read_archive(data, lambda name: ".dist-info/licenses/" in name).items():
            found[f"licences/{package}/{name.partition('.dist-info/licenses/')[2]}"] = text
    return found


def licences(wheels: Mapping[str, bytes], versions: Mapping[str, str]) -> Files:
    """Make NOTICE, LICENSE and licences/. `versions` are those that component names ask for."""
    files = {f"licences/{path.name}": path.read_bytes() for path in sorted((HERE / "licences").iterdir())}
    files["LICENSE"] = files["licences/Apache-2.0.txt"] = (ROOT / "LICENSE").read_bytes()
    files |= _of_wheels(wheels)
    lines = [_HEAD]
    for component in COMPONENTS:
        texts = ", ".join(f"licences/{text}" for text in component.texts)
        lines += [
            component.name.format_map(versions),
            f"  in       {component.where}",
            f"  licence  {component.licence}" + (f" ({texts})" if texts else ""),
            f"  (c)      {component.copyright}",
            f"  source   {component.source.format_map(versions)}",
            "",
        ]
    files["NOTICE"] = "\n".join(lines).encode()
    return files
