"""Fingers on the picture: one uses the tool, two magnify and move it, the first gives up what it began."""

from __future__ import annotations

import re

import numpy as np
import pytest
from e2e.journey import clean, instances, open_files, payload, row, save, shown
from e2e.pictures import Point, array, changed_box, cine, original, place, screen
from playwright.sync_api import FloatRect, Page, expect


class Hand:
    """Fingers, by the browser's own input: they go down one after the other, and move in steps."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._session = page.context.new_cdp_session(page)
        self._session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 3})

    def _send(self, kind: str, fingers: list[Point]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(fingers)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def move(self, *ways: tuple[Point, Point], steps: int = 4) -> None:
        """Move each finger from a point of the screen to another, all at once, and lift them."""
        for count in range(1, len(ways) + 1):
            self._send("touchStart", [start for start, _ in ways[:count]])
        for step in range(1, steps + 1):
            part = step / steps
            self._send(
                "touchMove",
                [(x0 + (x1 - x0) * part, y0 + (y1 - y0) * part) for (x0, y0), (x1, y1) in ways],
            )
        for count in range(len(ways) - 1, -1, -1):
            self._send("touchEnd", [end for _, end in ways[:count]])


@pytest.fixture
def hand(ready: Page) -> Hand:
    """A hand at the page."""
    return Hand(ready)


def box(page: Page) -> FloatRect:
    """Return where the picture is on the screen."""
    area = shown(page).bounding_box()
    assert area is not None
    return area


def pinch(hand: Hand, factor: float, by: Point = (0, 0), apart: int = 80, at: Point = (0.5, 0.5)) -> Point:
    """Move two fingers from or to each other, and their middle along; return where the middle was."""
    x, y = place(hand.page, at)
    far = apart * factor
    one = (x - apart / 2, y), (x - far / 2 + by[0], y + by[1])
    other = (x + apart / 2, y), (x + far / 2 + by[0], y + by[1])
    hand.move(one, other)
    return x, y


def test_two_fingers_magnify_about_their_middle(ready: Page, hand: Hand) -> None:
    """Twice as far apart: twice as large, and what lay between them lies there still."""
    open_files(ready, [payload(screen())])
    before = box(ready)
    x, y = pinch(hand, 2, at=(0.4, 0.6))
    after = box(ready)
    assert after["width"] == pytest.approx(2 * before["width"], rel=0.01)
    for size, start, middle in (("width", "x", x), ("height", "y", y)):
        was = (middle - before[start]) / before[size]  # type: ignore[literal-required]
        now = (middle - after[start]) / after[size]  # type: ignore[literal-required]
        assert now == pytest.approx(was, abs=0.005)


def test_two_fingers_move_what_is_magnified(ready: Page, hand: Hand) -> None:
    """As far as their middle went."""
    open_files(ready, [payload(screen())])
    pinch(hand, 2)
    before = box(ready)
    pinch(hand, 1, by=(60, -35))
    after = box(ready)
    assert after["x"] - before["x"] == pytest.approx(60, abs=1.5)
    assert after["y"] - before["y"] == pytest.approx(-35, abs=1.5)
    assert after["width"] == pytest.approx(before["width"], rel=0.01)


def test_fingers_that_come_together_fit_the_picture_and_no_less(ready: Page, hand: Hand) -> None:
    """A large picture that was pinched away is whole on the screen, and counts as seen only then."""
    ds = cine(2, rows=900, columns=1200)
    open_files(ready, [payload(ds)])
    fitted = box(ready)
    expect(ready.get_by_test_id("sight")).to_contain_text("1 of 2")
    pinch(hand, 1.6)
    expect(ready.get_by_test_id("sight")).to_contain_text("whole image")
    ready.get_by_test_id("stage").press("PageDown")
    expect(ready.get_by_test_id("frame-number")).to_have_text("2 / 2")
    expect(ready.get_by_test_id("confirm-pixels")).to_be_disabled()
    pinch(hand, 0.1, apart=240)
    expect(ready.locator(".stage-box")).to_have_attribute("data-fitted", "true")
    assert box(ready)["width"] == pytest.approx(fitted["width"], abs=1)
    expect(ready.get_by_test_id("confirm-pixels")).to_be_enabled()


def test_one_finger_draws_and_two_do_not(ready: Page, hand: Hand) -> None:
    """The tool for areas: a pinch leaves none behind; a finger's area is in the output where it was drawn."""
    ds = screen()
    open_files(ready, [payload(ds)])
    shown(ready)
    ready.get_by_test_id("tool-cover").click()
    pinch(hand, 1.5)
    expect(ready.locator(".stage-box")).to_have_attribute("data-fitted", "false")
    expect(ready.get_by_test_id("covering")).to_have_count(0)
    expect(ready.locator(".drawing")).to_have_count(0)
    ready.get_by_test_id("stage").press("f")
    hand.move((place(ready, (0.25, 0.25)), place(ready, (0.75, 0.5))))
    expect(ready.get_by_test_id("covering")).to_have_count(1)
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "ready")
    clean(ready)
    (content,) = instances(save(ready)).values()
    assert np.abs(np.subtract(changed_box(original(ds), array(content)), (32, 24, 96, 48))).max() <= 1


def test_a_pinch_adds_no_corner_to_a_polygon(ready: Page, hand: Hand) -> None:
    """Taps set corners; two fingers between two of them magnify, and the polygon goes on."""
    open_files(ready, [payload(screen())])
    shown(ready)
    ready.get_by_test_id("tool-cover").click()
    ready.get_by_test_id("shape").select_option("polygon")
    for at in ((0.25, 0.25), (0.75, 0.25)):
        hand.move((place(ready, at), place(ready, at)))
    pinch(hand, 1.2, apart=100)
    for at in ((0.5, 0.75), (0.5, 0.75)):
        hand.move((place(ready, at), place(ready, at)))
    expect(ready.get_by_test_id("covering")).to_have_attribute("data-shape", "polygon")
    expect(ready.locator(".point")).to_have_count(3)


def test_a_pinch_over_an_area_leaves_it_where_it_is(ready: Page, hand: Hand) -> None:
    """One finger moves it and chooses it, two do not."""
    ds = screen()
    open_files(ready, [payload(ds)])
    shown(ready)
    ready.get_by_test_id("add-covering").click()  # 32, 24: 64 by 24
    pinch(hand, 1.4, by=(30, 20), apart=60, at=(0.5, 0.375))
    ready.get_by_test_id("stage").press("f")
    covering = ready.get_by_test_id("covering")
    expect(covering).to_have_attribute("aria-label", re.compile(r"64 by 24 pixels at 32, 24\."))
    hand.move((place(ready, (0.5, 0.375)), place(ready, (0.375, 0.25))))
    expect(covering).to_have_attribute("aria-label", re.compile(r"64 by 24 pixels at 16, 12\."))
    expect(ready.get_by_test_id("remove-covering")).to_be_enabled()  # the area has the focus
