"""dicomveil.html: modules joined as a browser evaluates them, in a page whose policy allows nothing else."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

import bundling
import carrying
import environment
import joining
from places import BuildError

PRELUDE = '"use strict";\nconst $addressOf = (path) => `at:/${path}`;\n'


def _evaluate(script: str, folder: Path) -> object:
    """Run a joined script under Node; return what it leaves in `globalThis.found`."""
    node, _ = environment.set_up_node()
    file = folder / "joined.mjs"
    file.write_text(script + "\nconsole.log(JSON.stringify(globalThis.found));\n", "utf-8")
    done = subprocess.run([str(node), str(file)], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_modules_are_evaluated_in_the_order_of_their_imports(tmp_path: Path) -> None:
    """Each module runs once, after those that it imports; equal names of two modules do not meet."""
    modules = {
        "main.js": (
            'import { first } from "./a/first.js";\nimport "./a/effect.js";\n'
            'import {\n  second as other,\n  twice,\n} from "./second.js";\n'
            "globalThis.found.push(first(), other.value, await twice(4));\n"
        ),
        "a/first.js": (
            'import { second } from "../second.js";\nconst own = 1;\n'
            "export function first() {\n  return own + second.value;\n}\n"
        ),
        "a/effect.js": 'globalThis.found.push("effect");\n',
        "second.js": (
            'globalThis.found = ["second"];\nconst own = 10;\nexport const second = { value: own };\n'
            "export async function twice(x) {\n  return 2 * x;\n}\nexport class Unused {}\n"
        ),
        "never.js": "export let never = 0;\n",
    }
    script = joining.join(modules, "main.js", PRELUDE)
    assert _evaluate(script, tmp_path) == ["second", "effect", 11, 10, 8]
    assert "never" not in script


def test_pyodides_exports_and_addresses_are_understood(tmp_path: Path) -> None:
    """Lists of exports, a default export, and addresses relative to a module."""
    modules = {
        "worker/worker.js": (
            'import make from "../pyodide/a.mjs";\nimport { load } from "../pyodide/b.mjs";\n'
            'const HERE = new URL("../", import.meta.url).href;\n'
            "globalThis.found = [make(), load(), HERE];\n"
        ),
        "pyodide/a.mjs": "function made(){return import.meta.url}export default made;\n",
        "pyodide/b.mjs": "var a=2,b=()=>a;export{b as load,a as version};\n//# sourceMappingURL=b.map\n",
    }
    script = joining.join(modules, "worker/worker.js", PRELUDE)
    assert _evaluate(script, tmp_path) == ["at:/pyodide/a.mjs", 2, "at:/"]


@pytest.mark.parametrize(
    ("main", "other"),
    [
        ('import { a } from "./other.js";', "export let a = 1;"),
        ('import { a } from "./other.js";', "const a = 1;\nexport { a };"),
        ('import { a } from "./other.js";', "export const b = 1;"),
        ('import a from "./other.js";', "export const a = 1;"),
        ('import * as a from "./other.js";', "export const a = 1;"),
        ('import { a } from "./other.js";', 'import "./main.js";\nexport const a = 1;'),
        ('import { a } from "./nowhere.js";', ""),
        ('import { a } from "https://example.com/a.js";', ""),
        ("const here = import.meta.url;", ""),
    ],
)
def test_what_joining_does_not_know_is_refused(main: str, other: str) -> None:
    """A module in another form stops the build, instead of becoming a page that half works."""
    with pytest.raises(BuildError):
        joining.join({"main.js": main + "\n", "other.js": other + "\n"}, "main.js", PRELUDE)


class _Parsed(HTMLParser):
    """The page as a browser reads it: its policy, its scripts and styles, and every address in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.policy: dict[str, str] = {}
        self.scripts: dict[str, str] = {}
        self.styles: list[str] = []
        self.addresses: list[str] = []
        self._inside = ("", "")
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.addresses += [given[name] for name in ("src", "href", "action", "data") if name in given]
        if given.get("http-equiv") == "Content-Security-Policy":
            assert not self.scripts
            assert not self.styles
            self.policy = dict(part.strip().partition(" ")[::2] for part in given["content"].split(";"))
        self._inside = (tag, given.get("data-path", given.get("type", "")))

    def handle_endtag(self, _tag: str) -> None:
        self._inside = ("", "")

    def handle_data(self, data: str) -> None:
        tag, name = self._inside
        if tag == "script":
            self.scripts[name] = self.scripts.get(name, "") + data
        elif tag == "style":
            self.styles.append(data)


def _files() -> dict[str, bytes]:
    """Return what dist/ has, with little in the place of what is large."""
    files = bundling.web_files() | {"NOTICE": b"notice\r\n", "LICENSE": b"licence\n"}
    files["pyodide/pyodide.asm.mjs"] = b"function m(){}export default m;\n"
    files["pyodide/pyodide.mjs"] = b"var l=1;export{l as loadPyodide};\n"
    names = ("pyodide/pyodide.asm.wasm", "python/core.zip", "assets.json")
    return files | {name: name.encode() for name in names}


def _compress(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: gzip.compress(data, mtime=0) for name, data in files.items()}


def test_the_policy_allows_what_the_file_holds_and_nothing_else() -> None:
    """No connection; one script and one style by their hashes; no address leads out of the file."""
    page = _Parsed(carrying.single_file(_files(), _compress).decode())

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert page.policy["default-src"] == "'none'"
    assert page.policy["connect-src"] == "'none'"
    assert page.policy["script-src"] == f"{source(page.scripts['module'])} 'wasm-unsafe-eval'"
    assert page.policy["style-src"] == source("".join(page.styles))
    assert page.policy["worker-src"] == "blob:"
    assert page.policy["trusted-types"] == "default dicomveil"
    assert page.policy["require-trusted-types-for"] == "'script'"
    for name in ("base-uri", "form-action", "object-src"):
        assert page.policy[name] == "'none'"
    assert [address for address in page.addresses if not address.startswith("data:image/svg+xml;")] == []


def test_the_file_holds_what_its_scripts_ask_for() -> None:
    """Each part comes out as it went in; the texts differ by .build/single/texts.json alone."""
    files = _files()
    page = _Parsed(carrying.single_file(files, _compress).decode())
    held = {
        name: gzip.decompress(base64.b64decode(text))
        for name, text in page.scripts.items()
        if name not in {"module", "NOTICE", "LICENSE"}
    }
    locales = {name for name in files if name.startswith("locales/")}
    parts = {"pyodide/pyodide.asm.wasm", "python/core.zip", "assets.json"}
    assert held.keys() == parts | locales | {carrying.WORKER}
    assert all(held[name] == files[name] for name in parts)
    for name in locales:
        before, now = json.loads(files[name]), json.loads(held[name])
        changed = {key for key in now if now[key] != before[key]}
        assert before.keys() == now.keys()
        assert changed == {"open.lead", "open.step-3-hint", "code.not-protected"}
    assert page.scripts["NOTICE"] == "\nnotice\n"
    # Who sends is not in it.
    assert "// output/upload.js\n" in page.scripts["module"]
    assert not re.search(r"// (?:output/stow|output/patience|sw)\.js\n", page.scripts["module"])


@pytest.mark.parametrize("mark", ["</script>", "<!--", "\r"])
def test_a_script_that_would_end_early_stops_the_build(mark: str) -> None:
    """What would let the browser read another script than the one whose hash is in the policy is refused."""
    files = _files()
    files["dom.js"] += f"// {mark}\n".encode()
    with pytest.raises(BuildError, match="would end"):
        carrying.single_file(files, _compress)


def test_a_page_that_loads_something_stops_the_build() -> None:
    """An address that is new in index.html is not carried along unseen."""
    files = _files()
    files["index.html"] = files["index.html"].replace(b"</main>", b'<img src="new.png" /></main>')
    with pytest.raises(BuildError, match=r"index\.html"):
        carrying.single_file(files, _compress)
