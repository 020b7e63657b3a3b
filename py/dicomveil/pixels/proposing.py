"""Propose areas to redact, each with its reason. A person accepts, changes or rejects them.

No proposal, and no absence of one, says anything about an image: only a person does (PS3.15 E.3.1).
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from dicomveil.errors import Refused
from dicomveil.pixels.decode import FrameReader
from dicomveil.pixels.layout import PixelLayout
from dicomveil.pixels.shapes import Redaction, spans
from dicomveil.reading import Instance

__all__ = ["Proposal", "device_rules", "listed", "proposals_of_header", "propose", "ultrasound_regions"]

_REGIONS = 0x00186011
_CORNERS = (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E)
_MIN_OUTSIDE = 0.01
_MAX_FRAMES = 12


@dataclass(frozen=True, slots=True)
class Proposal:
    """Areas that belong together, why they are proposed, and what says so.

    ``source`` is ``regions`` (Sequence of US Regions), ``device`` (a rule of the table; ``label`` is its
    name) or ``text`` (looks like text); ``reason`` is a message id.
    """

    source: str
    reason: str
    areas: tuple[Redaction, ...]
    label: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the proposal as the page and the command line take it; an area is one of a redaction."""
        return {
            "source": self.source,
            "reason": self.reason,
            "label": self.label,
            "areas": [_area(area) for area in self.areas],
        }


def _area(area: Redaction) -> dict[str, Any]:
    return {
        "frames": list(area.frames) if area.frames else None,
        "shape": area.shape,
        "x": area.x,
        "y": area.y,
        "width": area.width,
        "height": area.height,
        "keep_only": area.keep_only,
    }


def _clipped(
    x: int, y: int, width: int, height: int, layout: PixelLayout
) -> tuple[int, int, int, int] | None:
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, layout.columns), min(y + height, layout.rows)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def ultrasound_regions(instance: Instance, layout: PixelLayout) -> Proposal | None:
    """Propose to keep only what Sequence of US Regions (PS3.3 C.8.5.5) describes; text stands outside."""
    element = instance.head.find(_REGIONS)
    kept = []
    for item in (element.items if element else None) or ():
        corners = [item.numbers(tag) for tag in _CORNERS]
        if not all(corners):
            return None
        x0, y0, x1, y1 = (values[0] for values in corners)
        box = _clipped(x0, y0, x1 - x0 + 1, y1 - y0 + 1, layout)
        if box is not None:
            kept.append(Redaction(*box, keep_only=True))
    if not kept:
        return None
    outside = sum(after - first for _, first, after in spans(kept, layout.rows, layout.columns))
    if outside < _MIN_OUTSIDE * layout.rows * layout.columns:
        return None
    return Proposal("regions", "outside-ultrasound-regions", tuple(kept))


@cache
def _rules() -> tuple[dict[str, Any], ...]:
    data = pkgutil.get_data("dicomveil", "data/device_rules.json") or b""
    return tuple(json.loads(data)["rules"])


def _holds(instance: Instance, tag: int, test: str, values: Iterable[str]) -> bool:
    part = instance.file_meta if tag >> 16 == 2 else instance.head
    found = part.text(tag).casefold()
    if not found:
        number = part.numbers(tag)
        found = str(number[0]) if number else ""
    elif part.numbers(tag):
        found = str(part.numbers(tag)[0])
    if test == "empty":
        return not found
    if test == "equals":
        return found in values
    return any(value in found for value in values)


def device_rules(instance: Instance, layout: PixelLayout) -> list[Proposal]:
    """Propose the areas of every rule whose conditions the header meets."""
    found = []
    seen = set()
    for rule in _rules():
        met = all(any(_holds(instance, *one) for one in alternatives) for alternatives in rule["all"])
        boxes = [_clipped(x, y, w, h, layout) for x, y, w, h in rule["areas"]] if met else []
        areas = tuple(Redaction(*box) for box in boxes if box is not None)
        if areas and areas not in seen:
            seen.add(areas)
            found.append(Proposal("device", "device-rule", areas, rule["label"]))
    return found


def proposals_of_header(instance: Instance) -> list[Proposal]:
    """Return what the header alone tells: no pixel is read."""
    from dicomveil.pixels.layout import pixel_layout

    layout = pixel_layout(instance)
    if instance.pixels is None or not layout.rows or not layout.columns:
        return []
    regions = ultrasound_regions(instance, layout)
    return ([regions] if regions else []) + device_rules(instance, layout)


def _sampled(frames: int) -> list[int]:
    """Return at most 12 frames, the first and the last among them, evenly spread."""
    count = min(frames, _MAX_FRAMES)
    return sorted({round(i * (frames - 1) / max(count - 1, 1)) for i in range(count)})


def propose(instance: Instance, *, text: bool = True, frames: FrameReader | None = None) -> list[Proposal]:
    """Return proposals from the header and, with ``text``, from the pixels: text-like areas in all frames.

    Text is looked for in the maximum over the first, the last and ten frames between: what is burned in
    stands still and is brighter than what moves behind it.

    Raises:
        Refused: ``pixels-undecodable``, ``pixels-not-loaded`` with ``text``.
    """
    found = proposals_of_header(instance)
    if not text or instance.pixels is None:
        return found
    try:
        from dicomveil.pixels.text import maximum, text_boxes
    except ImportError:
        raise Refused("pixels-not-loaded") from None
    reader = frames or FrameReader(instance)
    grey = maximum(reader, _sampled(reader.layout.frames))
    found += [Proposal("text", "looks-like-text", (Redaction(*box),)) for box in text_boxes(grey)]
    return found


def listed(instance: Instance, *, text: bool) -> list[dict[str, Any]]:
    """Return proposals as JSON; where text cannot be looked for, those of the header alone."""
    try:
        found = propose(instance, text=text)
    except Refused:
        found = proposals_of_header(instance)
    return [proposal.to_json() for proposal in found]
