"""NOTICE and licences/ of dist/: what every third party's bytes in it are under."""

from __future__ import annotations

from trimming import Files


def licences(wheels: dict[str, bytes]) -> Files:
    return {}
