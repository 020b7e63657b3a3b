"""First use: from the README to a cleaned, saved case, by somebody who reads nothing but the page."""

from __future__ import annotations

import re
import time
from pathlib import Path

from e2e.journey import WAIT, Server, instances, read, save, shown, state, statuses
from e2e.pictures import array
from playwright.sync_api import Page, expect

import places

README = Path(__file__).parents[1] / "README.md"
STATES = places.CACHE / "screenshots/states"
#: s, of the two minutes of a first use: a person reads meanwhile, and the machine may be busy.
LIMIT = 60.0
TEXT = (slice(5, 45), slice(5, 225))  # rows and columns where the example's name is burned in


def test_the_example_is_cleaned_and_saved_by_four_buttons(page: Page, server: Server) -> None:
    """By the words on buttons that are in sight: example, cover, clean, save; and no name is left."""
    assert "Try a made-up example" in README.read_text(encoding="utf-8")
    STATES.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    def press(name: str | re.Pattern[str]) -> None:
        button = page.get_by_role("button", name=name)
        expect(button).to_be_in_viewport(timeout=WAIT)
        expect(button).to_have_count(1)
        expect(button).to_be_enabled(timeout=WAIT)
        button.click()

    page.goto(server.url)
    press("Try a made-up example")
    state(page, "review")
    shown(page)  # the image that needs a look is chosen by the page
    expect(page.get_by_test_id("detail-facts")).to_contain_text("Ultrasound")
    press(re.compile("^Cover what looks like text"))
    page.screenshot(path=STATES / "first-use-covered.png")
    press("Clean 4 files")
    state(page, "done")
    assert statuses(page) == ["clean"] * 4
    page.screenshot(path=STATES / "first-use-done.png")
    expect(page.get_by_role("button", name="Save ZIP")).to_be_in_viewport()
    saved = save(page)
    assert time.monotonic() - started < LIMIT

    outputs = instances(saved)
    assert len(outputs) == 4
    for secret in (b"Mirandel", b"MIRANDEL", b"Alexandra", b"0127-90"):
        assert [name for name, content in saved.items() if secret in content or secret in name.encode()] == []
    ultrasound = next(content for content in outputs.values() if read(content).Modality == "US")
    pixels = array(ultrasound)
    assert pixels[TEXT].max() == 0
    assert pixels.max() > 0
