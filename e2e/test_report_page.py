"""The report as a page: what a privacy officer reads and prints, without a value of any file."""

from __future__ import annotations

import json
import re
from pathlib import Path

from e2e.journey import WAIT, clean, open_files, payload, press, row, secrets_in, shown, state
from e2e.pictures import screen
from playwright.sync_api import FilePayload, Page, expect

import builders

WEB = Path(__file__).parents[1] / "web"
NOTHING: FilePayload = {"name": "secret-name.txt", "mimeType": "text/plain", "buffer": b"none"}


def _texts(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((WEB / f"locales/{language}.json").read_text("utf-8"))
    return found


def _cleaned(page: Page) -> None:
    """Open an image that is confirmed, one that needs no look, two of one UID, and no DICOM; clean them."""
    double = builders.mr()
    double.PixelData = bytes(len(double.PixelData))
    datasets = [screen(1), builders.mr(), double]
    open_files(page, [*(payload(ds, f"{n}.dcm") for n, ds in enumerate(datasets, 1)), NOTHING])
    row(page, "1.dcm").click()
    shown(page)
    page.get_by_test_id("confirm-pixels").click()
    clean(page)


def _report(page: Page) -> None:
    page.get_by_test_id("report-page").click()
    expect(page.get_by_test_id("report-view")).to_be_visible(timeout=WAIT)
    expect(page.get_by_test_id("report-title")).to_be_focused()


def test_the_report_says_in_words_what_was_done(ready: Page) -> None:
    """Profile, options, edition, build, counts; each file with its outcome and what its codes mean."""
    expect(ready.get_by_test_id("build")).to_have_text(re.compile(r"\w{12}"))
    _cleaned(ready)
    _report(ready)
    page = ready.get_by_test_id("report-view")
    build = re.search(r"\w{12}", ready.get_by_test_id("build").text_content() or "")
    assert build is not None
    english = _texts("en")
    for text in (
        *("dicomveil 0.", build[0], "edition 2026d", "Basic Application Level Confidentiality Profile"),
        *(english["option.clean_pixel_data"], english["option-hint.retain_longitudinal_modified_dates"]),
        *(english["settings.anonymize-hint"], "This is not a DICOM file. Leave it out", "not-dicom"),
        "Another input has the same SOP Instance UID",
    ):
        expect(page).to_contain_text(text)
    counts = page.locator(".counts dd").all_text_contents()
    assert counts == ["4", "3", "0", "1", "1"]
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(0)).to_contain_text("Confirmed: nothing identifies (seen on the screen)")
    expect(rows.nth(0)).to_contain_text("Secondary Capture Image Storage")
    expect(rows.nth(1)).to_contain_text("No sign of burned-in text")
    expect(rows.nth(2)).to_contain_text("duplicate-instance")
    expect(rows.nth(3)).to_contain_text("Left out")
    text = page.evaluate("element => element.innerText")
    assert secrets_in([text.encode()]) == []
    assert "secret-name" not in text
    assert not re.search(r"(?<![\w-])[123]\.dcm", text)


def test_paper_has_the_report_alone(ready: Page) -> None:
    """Printing is asked of the browser; on paper there are no buttons, no list, no colours of the dark."""
    _cleaned(ready)
    _report(ready)
    ready.evaluate("() => { window.printed = 0; window.print = () => { window.printed += 1; }; }")
    ready.get_by_test_id("report-print").click()
    assert ready.evaluate("() => window.printed") == 1
    ready.emulate_media(media="print", color_scheme="dark")
    for name in ("report-print", "privacy", "status", "files", "settings"):
        expect(ready.get_by_test_id(name)).to_be_hidden()
    expect(ready.get_by_test_id("report-view").locator("tbody tr").last).to_be_visible()
    assert ready.evaluate("() => getComputedStyle(document.querySelector('.paper')).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    # Whole, not cut off where the screen ends.
    assert ready.evaluate("() => document.documentElement.scrollHeight >= 900")
    columns = ready.get_by_test_id("report-view").locator("thead th")
    for column in columns.all():
        expect(column).to_be_visible()
    ready.emulate_media(media="screen")


def test_the_report_by_keyboard_and_in_another_language(ready: Page) -> None:
    """Opened and closed by keys; it follows the language; what was before is there again, with the focus."""
    _cleaned(ready)
    press(ready, "report-page")
    expect(ready.get_by_test_id("report-title")).to_be_focused()
    ready.get_by_test_id("language").select_option("de")
    german = _texts("de")
    expect(ready.get_by_test_id("report-title")).to_have_text(german["report.title"])
    expect(ready.get_by_test_id("report-view")).to_contain_text(german["code.not-dicom"])
    english = {text for text in _texts("en").values() if len(text) > 12 and "{" not in text}
    text = ready.get_by_test_id("report-view").evaluate("element => element.innerText")
    assert [words for words in english if words in text] == []
    with ready.expect_download() as download:
        press(ready, "report-json")
    assert len(json.loads(Path(download.value.path()).read_text("utf-8"))["files"]) == 4
    ready.keyboard.press("Escape")
    expect(ready.get_by_test_id("report-view")).to_be_hidden()
    expect(ready.get_by_test_id("report-page")).to_be_focused()
    expect(ready.get_by_test_id("save")).to_be_visible()
    state(ready, "done")


def test_the_report_goes_when_it_holds_no_more(ready: Page) -> None:
    """Another profile voids the results, so the page of them closes."""
    _cleaned(ready)
    _report(ready)
    ready.get_by_test_id("settings").click()
    ready.get_by_test_id("profile-preset").select_option("anonymous")
    ready.get_by_test_id("settings-apply").click()
    expect(ready.get_by_test_id("report-view")).to_be_hidden()
    state(ready, "review")
