"""The help: a page of plain HTML in each language, without a script, of .build/help/ and of what codes mean.

English says what the core's codes mean in errors.py, everything else in locales/. A code is explained by two
sentences or more: the first is the cause, the rest is the remedy.
"""

from __future__ import annotations

import html
import importlib.util
import json
import re
from typing import Literal

from places import HERE, PACKAGE, BuildError
from trimming import Files

TEXTS = HERE / "help"
LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_SECTION = re.compile(r'<h2 id="(\w+)">(.*?)</h2>')


def core_codes() -> dict[str, str]:
    """Read what the core says of its codes."""
    spec = importlib.util.spec_from_file_location("dicomveil_errors", PACKAGE / "errors.py")
    if spec is None or spec.loader is None:
        raise BuildError("errors.py is not there.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {code: " ".join(texts) for code, texts in module.CODES.items()}


def _version() -> str:
    found = re.search(r'^__version__ = "(.+)"$', (PACKAGE / "__init__.py").read_text("utf-8"), re.MULTILINE)
    if not found:
        raise BuildError("dicomveil has no version.")
    return found[1]


def explained(language: str, files: Files) -> dict[str, tuple[str, str]]:
    """Return cause and remedy of every code, of core and page, in a language.

    Raises:
        BuildError: one has none of the two.
    """
    texts = json.loads(files[f"locales/{language}.json"])
    english = json.loads(files["locales/en.json"])
    core = core_codes()
    pages = {name.partition(".")[2] for name in english if name.startswith("code.")}
    found = {}
    for code in sorted(core.keys() | pages):
        text = core[code] if language == "en" and code in core else texts.get(f"code.{code}", "")
        cause, *rest = _SENTENCE.split(text, maxsplit=1)
        if not rest:
            raise BuildError(f"The code {code} has no cause and remedy in {language}.")
        found[code] = (cause, rest[0])
    return found


def _table(codes: dict[str, tuple[str, str]]) -> str:
    """Write the codes as a list: code, cause, remedy."""
    rows = (
        f'  <dt id="code-{code}"><code>{code}</code></dt>\n'
        f"  <dd>{html.escape(cause, quote=False)} <b>{html.escape(remedy, quote=False)}</b></dd>\n"
        for code, (cause, remedy) in codes.items()
    )
    return f'<dl class="codes">\n{"".join(rows)}</dl>'


def article(language: str, files: Files, where: Literal["served", "carried"]) -> str:
    """Write the text of the help in a language; some of it is true only of the page that a server has."""
    text = (TEXTS / f"{language}.html").read_text("utf-8")
    other = "carried" if where == "served" else "served"
    text = re.sub(rf'^ *<(li|p) class="{other}">.*</\1>\n', "", text, flags=re.MULTILINE)
    text = text.replace(f' class="{where}"', "")
    edition = json.loads((PACKAGE / "data/rules.json").read_text("utf-8"))["edition"]
    for mark, value in (
        ("<!-- codes -->", _table(explained(language, files))),
        ("{version}", _version()),
        ("{edition}", edition),
    ):
        if text.count(mark) != 1:
            raise BuildError(f".build/help/{language}.html does not have one {mark}.")
        text = text.replace(mark, value)
    return text


def _page(language: str, text: str) -> str:
    title = re.search(r"<h1>(.*?)</h1>", text)
    others = "\n".join(
        f'      <a href="{other}.html" lang="{other}" hreflang="{other}">{name}</a>'
        for other, name in LANGUAGES.items()
        if other != language
    )
    sections = "\n".join(f'      <a href="#{name}">{words}</a>' for name, words in _SECTION.findall(text))
    return f"""<!doctype html>
<html lang="{language}">
  <head>
    <meta charset="utf-8" />
    <title>{title[1] if title else ""} · dicomveil</title>
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="referrer" content="no-referrer" />
    <link rel="icon" href="../icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="../tokens.css" />
    <link rel="stylesheet" href="help.css" />
  </head>
  <body>
    <nav>
{sections}
      <span></span>
{others}
    </nav>
    <main>
{text.rstrip()}
    </main>
  </body>
</html>
"""


def pages(files: Files) -> Files:
    """Make help/en.html and the others."""
    return {f"help/{name}.html": _page(name, article(name, files, "served")).encode() for name in LANGUAGES}


def sheet(files: Files) -> str:
    """Write the help for the one file that is carried along: a dialog with the text in every language."""
    texts = "\n".join(
        f'<article lang="{language}" hidden>\n{_without_ids(article(language, files, "carried"))}</article>'
        for language in LANGUAGES
    )
    return (
        f'<dialog data-testid="help-dialog" class="sheet help" data-label="help.title">\n{texts}\n'
        '<p class="sheet-actions"><button type="button" class="button primary" data-testid="help-close" '
        'data-text="shortcuts.done" autofocus></button></p>\n</dialog>\n'
    )


def _without_ids(text: str) -> str:
    """Take out what would be there once for each language, and make the headings those of a sheet."""
    text = re.sub(r' id="[^"]*"', "", text)
    for lower, level in (("h3", "h2"), ("h2", "h1")):
        text = text.replace(f"<{level}>", f"<{lower}>").replace(f"</{level}>", f"</{lower}>")
    return text
