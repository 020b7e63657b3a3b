"""dicomveil.html: the whole page in one file, carried along and opened from disk, without a server.

It is made of the modules that dist/ serves, and of .build/single/, which has for this file: start.js, where
modules find what they fetch; modules in the place of those that need a server; and texts that differ.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import helping
import joining
from places import HERE, BuildError
from trimming import Files

NAME = "dicomveil.html"
SINGLE = HERE / "single"
WORKER = "worker/worker.js"

# What the scripts ask for by name, compressed.
_HELD = ("pyodide/pyodide.asm.wasm", "python/", "locales/", "assets.json")
# What a distribution has to tell, in plain text.
_TOLD = ("NOTICE", "LICENSE", "licences/")
# frame-ancestors is not for a <meta>. The worker is a blob: of this page, and has its policy from it.
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; object-src 'none'; connect-src 'none'; "
    "script-src {script} 'wasm-unsafe-eval'; worker-src blob:; style-src {style}; img-src data: blob:; "
    "media-src blob:; require-trusted-types-for 'script'; trusted-types default dicomveil"
)
# Of index.html: what would load something, the way to send, and the way to a newer build.
_LEFT_OUT = (
    re.compile(r'\s*<link rel="(?:manifest|preload|modulepreload)"[^>]*>'),
    re.compile(r'\s*<script type="module"[^>]*></script>'),
    re.compile(r'\s*<button [^>]*data-testid="(?:upload|pause|receipt)"[^>]*></button>'),
    re.compile(r'\s*<dialog data-testid="upload-dialog".*?</dialog>', re.DOTALL),
    re.compile(r'\s*<a data-testid="take-along"[^>]*></a>'),
    re.compile(r"\s*<!--.*?-->", re.DOTALL),
)
# The help is in it, and opens by a button.
_HELP = re.compile(r'<a (?P<what>[^>]*data-help) href="[^"]*" target="_blank"(?P<more>[^>]*)></a>')
_STYLE = re.compile(r'\s*<link rel="stylesheet" href="(?P<where>[^"]+)"[^>]*>')
# What an address may be in the end: within the page.
_ADDRESS = re.compile(r'\s(?:src|srcset|href|action|formaction|data|poster|ping)="(?!data:)')


def _modules(files: Files) -> dict[str, str]:
    """Read the scripts of dist/, with those of .build/single/ in the place of others."""
    modules = {name: data.decode() for name, data in files.items() if name.endswith((".js", ".mjs"))}
    for path in sorted(SINGLE.rglob("*.js")):
        name = path.relative_to(SINGLE).as_posix()
        if name not in modules and path.parent != SINGLE:
            raise BuildError(f".build/single/{name} stands in the place of nothing.")
        modules[name] = path.read_text(encoding="utf-8")
    return modules


def _locales(files: Files) -> Files:
    """Read the texts of the page; some are others here."""
    texts = json.loads((SINGLE / "texts.json").read_text(encoding="utf-8"))
    locales: Files = {}
    for name, data in files.items():
        if not name.startswith("locales/"):
            continue
        known, own = json.loads(data), texts[Path(name).stem]
        if own.keys() - known.keys():
            raise BuildError(f".build/single/texts.json has texts for {name} that the page does not have.")
        locales[name] = (json.dumps(known | own, ensure_ascii=False, indent=2) + "\n").encode()
    return locales


def _source(text: str) -> str:
    """Name a text that stands between two tags, in a policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _within(tag: str, text: str, attributes: str = "") -> str:
    """Put a text between two tags, as it is; it must not end them."""
    if re.search(rf"</{tag}|<!--|\r|\x00", text, re.IGNORECASE):
        raise BuildError(f"A <{tag}> of {NAME} would end before its text does.")
    return f"<{tag}{attributes}>{text}</{tag}>"


def _data(media_type: str, name: str) -> str:
    """Write the attributes of a block that no browser runs."""
    return f' type="{media_type}" data-path="{name}"'


def _page(html: str, files: Files, script: str, blocks: str) -> str:
    """Turn index.html into one that loads nothing."""
    style = "\n".join(files[found["where"]].decode() for found in _STYLE.finditer(html))
    policy = _POLICY.format(script=_source(script), style=_source(style))
    for pattern in (*_LEFT_OUT, _STYLE):
        html, count = pattern.subn("", html)
        if not count:
            raise BuildError(f"index.html has nothing like {pattern.pattern!r}: see .build/carrying.py.")
    html, count = _HELP.subn(r'<button type="button" \g<what>\g<more>></button>', html)
    if not count:
        raise BuildError("index.html has no help: see .build/carrying.py.")
    html = html.replace("</body>", helping.sheet(files) + "</body>")
    icon = "data:image/svg+xml;base64," + base64.b64encode(files["icon.svg"]).decode()
    html = html.replace('"icon.svg"', f'"{icon}"')
    charset, title, end = '<meta charset="utf-8" />', "<title>", "</body>"
    if [html.count(mark) for mark in (charset, title, end)] != [1, 1, 1] or _ADDRESS.search(html):
        raise BuildError("index.html is not the page that .build/carrying.py was written for.")
    # The policy comes before everything that it is for.
    meta = f'{charset}\n    <meta http-equiv="Content-Security-Policy" content="{policy}" />'
    html = html.replace(charset, meta).replace("</head>", _within("style", style) + "\n  </head>")
    return html.replace(end, _within("script", script, ' type="module"') + "\n" + blocks + end).lstrip()


def single_file(files: Files, compress: Callable[[Files], Files]) -> bytes:
    """Make dicomveil.html of the files of dist/; `compress` makes each file a gzip stream.

    Raises:
        BuildError: the page is written in a way that this does not know.
    """
    modules = _modules(files)
    page = joining.join(modules, "main.js", modules["start.js"])
    worker = joining.join(modules, WORKER, modules["start-worker.js"])
    held = {name: data for name, data in files.items() if name.startswith(_HELD)} | _locales(files)
    packed = compress(held | {WORKER: worker.encode()})
    blocks = [
        _within("script", base64.b64encode(data).decode(), _data("application/gzip", name))
        for name, data in sorted(packed.items())
    ]
    blocks += [
        _within("script", "\n".join(["", *data.decode().splitlines(), ""]), _data("text/plain", name))
        for name, data in sorted(files.items())
        if name.startswith(_TOLD)
    ]
    held_and_told = "".join(f"{block}\n" for block in blocks)
    return _page(files["index.html"].decode(), files, page, held_and_told).encode()
