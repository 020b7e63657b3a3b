"""Draws how time and memory grow, as SVG: lines through measured points, on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _RIGHT = 460, 320, 62, 44, 48, 30
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'
_COLOURS = ("#1b6ca8", "#c2571a", "#2e7d4f", "#7a4fa3")

Points = Sequence[tuple[float, float]]


class Panel(NamedTuple):
    """One drawing: lines by name, of points (x, y) above zero; `ideal` adds growth in step."""

    title: str
    across: str
    up: str
    lines: Mapping[str, Points]
    ideal: bool = False


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten around all values."""
    low = math.floor(math.log10(min(values)) + 1e-9)
    return low, max(low + 1, math.ceil(math.log10(max(values)) - 1e-9))


def _number(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def _panel(panel: Panel, at: int) -> list[str]:
    """Draw one panel, so far from the left."""
    points = [point for line in panel.lines.values() for point in line]
    (x0, x1), (y0, y1) = (_decades([point[axis] for point in points]) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT)
        up = (math.log10(y) - y0) / (y1 - y0) * (_HEIGHT - _TOP - _BOTTOM)
        return at + _LEFT + across, _HEIGHT - _BOTTOM - up

    def line(a: tuple[float, float], b: tuple[float, float], style: str) -> str:
        return f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" {style}/>'

    def text(x: float, y: float, words: str, more: str = "") -> str:
        return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'

    grid = 'stroke="#d5d9de"'
    drawn = [text(at + _LEFT, 22, panel.title, 'font-weight="600" font-size="14"')]
    for power in range(x0, x1 + 1):
        foot = place(10.0**power, 10.0**y0)
        drawn += [line(foot, place(10.0**power, 10.0**y1), grid)]
        drawn += [text(foot[0], foot[1] + 16, _number(power), 'text-anchor="middle"')]
    for power in range(y0, y1 + 1):
        foot = place(10.0**x0, 10.0**power)
        drawn += [line(foot, place(10.0**x1, 10.0**power), grid)]
        drawn += [text(foot[0] - 6, foot[1] + 4, _number(power), 'text-anchor="end"')]
    drawn += [text(at + (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, panel.across, 'text-anchor="middle"')]
    drawn += [text(at + 8, 38, panel.up)]
    for number, (name, line_points) in enumerate(panel.lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        placed = [place(*point) for point in line_points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        drawn += [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in placed]
        words = f'fill="{colour}" font-weight="600"'
        drawn += [text(at + _LEFT + 8, _TOP + 14 + 16 * number, name, words)]
    if panel.ideal:
        first, *_, last = next(iter(panel.lines.values()))
        ends = place(*first), place(last[0], min(10.0**y1, first[1] * last[0] / first[0]))
        drawn += [line(*ends, 'stroke="#555" stroke-dasharray="4 4"')]
    return drawn


def draw(panels: Sequence[Panel]) -> str:
    """Draw panels side by side; dashed is growth in step with the numbers below."""
    width = _WIDTH * len(panels)
    lines = [line for number, panel in enumerate(panels) for line in _panel(panel, number * _WIDTH)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" {_FONT}>',
            f'<rect width="{width}" height="{_HEIGHT}" fill="#fff"/>',
            *lines,
            "</svg>\n",
        ]
    )
