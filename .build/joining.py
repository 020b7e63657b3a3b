"""ES modules as one script, for dicomveil.html: a file that is opened from disk cannot load modules.

Each module stays as it is, in a function of its own; of its text only imports and exports change.
What is not written as web/ is written, is refused: this is no bundler for other people's code.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from places import BuildError

_IMPORT = re.compile(
    r'^import (?:(?P<names>\{[^}]*\}|[\w$]+) from )?"(?P<where>\.\.?/[^"]+)";$', re.MULTILINE
)
_EXPORT = re.compile(r"^export (?=(?:(?:async )?function\*?|class|const) (?P<name>[\w$]+))", re.MULTILINE)
# As Pyodide's two scripts end.
_EXPORT_LIST = re.compile(r"\bexport\{(?P<names>[^}]*)\};")
_EXPORT_DEFAULT = re.compile(r"\bexport default (?P<name>[\w$]+);")
_ADDRESS = re.compile(r'new URL\("(?P<where>[^"]+)", import\.meta\.url\)\.href')
# Besides these nothing may import or export.
_LEFT = re.compile(r"^\s*(?:import|export)\b|(?<!\w)import\.meta", re.MULTILINE)


def _resolve(module: str, where: str) -> str:
    """Name what a module means by a relative address: a path below web/, '' for web/ itself."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(module), where))
    return "" if path == "." else path


def _imports(text: str, module: str) -> list[str]:
    return [_resolve(module, found["where"]) for found in _IMPORT.finditer(text)]


def _in_order(modules: Mapping[str, str], entry: str) -> list[str]:
    """Name the modules that an entry reaches, each after those that it imports, as browsers do."""
    done: list[str] = []
    under_way: list[str] = []

    def visit(module: str) -> None:
        if module in done:
            return
        if module in under_way or module not in modules:
            raise BuildError(
                f"{module} is imported in a circle, or is not there; dicomveil.html cannot have it."
            )
        under_way.append(module)
        for imported in _imports(modules[module], module):
            visit(imported)
        under_way.remove(module)
        done.append(module)

    visit(entry)
    return done


def _joined(text: str, module: str) -> tuple[str, list[str]]:
    """Return a module's text without import and export, and what it exports, as properties of an object."""
    exported: list[str] = []

    def take(found: re.Match[str]) -> str:
        names = found["names"]
        if names is None:
            return ""
        names = re.sub(r"\s+as\s+", ": ", names) if names.startswith("{") else f"{{ default: {names} }}"
        return f'const {names} = $modules["{_resolve(module, found["where"])}"];'

    def give(found: re.Match[str]) -> str:
        exported.append(found["name"])
        return ""

    def give_list(found: re.Match[str]) -> str:
        pairs = (pair.split(" as ") for pair in found["names"].split(","))
        exported.extend(f"{pair[-1].strip()}: {pair[0].strip()}" for pair in pairs)
        return ""

    def give_default(found: re.Match[str]) -> str:
        exported.append(f"default: {found['name']}")
        return ""

    text = _ADDRESS.sub(lambda found: f'$addressOf("{_resolve(module, found["where"])}")', text)
    if module.startswith("pyodide/"):
        text = _EXPORT_DEFAULT.sub(give_default, _EXPORT_LIST.sub(give_list, text))
        text = text.replace("import.meta.url", f'$addressOf("{module}")')
        if len({name.partition(":")[0] for name in exported}) != len(exported) or not exported:
            raise BuildError(f"{module} does not export as .build/joining.py expects.")
        return text, exported
    text = _EXPORT.sub(give, _IMPORT.sub(take, text))
    left = _LEFT.search(text)
    if left:
        raise BuildError(f"{module} has {left[0].strip()!r} in a way that .build/joining.py does not know.")
    return text, exported


def _check_names(name: str, text: str, exported: Mapping[str, list[str]]) -> None:
    """Refuse an import of what its module does not export: in a joined script it would be undefined."""
    for found in _IMPORT.finditer(text):
        names = found["names"] or ""
        wanted = re.findall(r"([\w$]+)(?:\s+as\s+[\w$]+)?", names) if names.startswith("{") else ["default"]
        where = _resolve(name, found["where"])
        given = {pair.partition(":")[0] for pair in exported[where]}
        if found["names"] and not given.issuperset(wanted):
            raise BuildError(
                f"{name} imports what {where} does not export in a way that .build/joining.py knows."
            )


def join(modules: Mapping[str, str], entry: str, prelude: str) -> str:
    """Make one script of an entry and all that it imports.

    `prelude` comes first: it has `$addressOf`, which stands for addresses relative to a module. The script is
    a module where the entry awaits, and has to say "use strict" where it is none.

    Raises:
        BuildError: a module is written in another way than web/ is.
    """
    parts = [prelude, "const $modules = {};\n"]
    exported: dict[str, list[str]] = {}
    for name in _in_order(modules, entry):
        _check_names(name, modules[name], exported)
        text, exported[name] = _joined(modules[name], name)
        if name == entry:  # not in a function: it may await
            parts.append(f"\n// {name}\n{{\n{text}\n}}\n")
        else:
            given = ", ".join(exported[name])
            parts.append(
                f'\n// {name}\n$modules["{name}"] = (() => {{\n{text}\nreturn {{ {given} }};\n}})();\n'
            )
    return "".join(parts)
