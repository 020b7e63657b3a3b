"""The JSON schemas of a profile and of a case, ``data/*.schema.json``, and the check against them.

Only the keywords that these schemas use are known, and tests hold that they use no others. What is wrong is
told by where it is (a JSON pointer, RFC 6901), never by what it is.
"""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

__all__ = ["KEYWORDS", "case_schema", "loads_once", "profile_schema", "violations"]

#: What is checked, and what only describes.
KEYWORDS = frozenset(
    {
        *("type", "const", "enum", "pattern", "minLength", "maxLength", "items", "uniqueItems"),
        *("required", "properties", "additionalProperties", "propertyNames"),
        *("$schema", "$id", "title", "description"),
    }
)
_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool}
_NAME = re.compile(r"[\w$]{1,64}", re.ASCII)


@cache
def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(pkgutil.get_data(__package__, f"data/{name}.schema.json") or b"")
    return schema


def profile_schema() -> dict[str, Any]:
    """Return the schema of a profile (JSON Schema, draft 2020-12)."""
    return _schema("profile")


def case_schema() -> dict[str, Any]:
    """Return the schema of ``case.json`` (JSON Schema, draft 2020-12)."""
    return _schema("case")


def loads_once(text: str) -> Any:  # noqa: ANN401 - JSON is anything
    """Read JSON in which no member of an object occurs twice.

    Raises:
        ValueError: it is no such JSON.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError
        return members

    try:
        return json.loads(text, object_pairs_hook=once)
    except RecursionError:
        raise ValueError from None


def violations(value: object, schema: dict[str, Any] | bool, pointer: str = "") -> Iterator[str]:  # noqa: FBT001
    """Yield a pointer to each place of a JSON value that the schema does not allow."""
    if isinstance(schema, bool):
        if not schema:
            yield pointer
        return
    if not all(_holds(keyword, limit, value) for keyword, limit in schema.items()):
        yield pointer
    elif isinstance(value, dict):
        yield from _members(value, schema, pointer)
    elif isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from violations(item, schema["items"], f"{pointer}/{number}")


def _holds(keyword: str, limit: Any, value: object) -> bool:  # noqa: ANN401 - as the schema has it
    if keyword == "type":
        return isinstance(value, _TYPES[limit])
    if keyword == "const":
        return type(value) is type(limit) and value == limit
    if keyword == "enum":
        return bool(value in limit)
    if keyword == "uniqueItems" and isinstance(value, list):
        return len({json.dumps(item) for item in value}) == len(value)
    if isinstance(value, str):
        if keyword == "pattern":
            return re.search(limit.replace("$", r"\Z"), value, re.ASCII) is not None
        if keyword == "minLength":
            return bool(len(value) >= limit)
        if keyword == "maxLength":
            return bool(len(value) <= limit)
    return True


def _members(value: dict[str, Any], schema: dict[str, Any], pointer: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{pointer}/{name}"
    known = schema.get("properties", {})
    for name, member in value.items():
        # What is no name may be anything: it is not repeated.
        here = f"{pointer}/{name if _NAME.fullmatch(name) else '?'}"
        yield from violations(name, schema.get("propertyNames", True), here)
        yield from violations(member, known.get(name, schema.get("additionalProperties", True)), here)
