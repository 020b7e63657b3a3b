"""The viewer: stacks, films, contrast, magnifying; shapes and where they go, by mouse and by keys alone."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from e2e.journey import (
    WAIT,
    choose,
    clean,
    instances,
    open_files,
    payload,
    press,
    read,
    row,
    save,
    shown,
    statuses,
    tab_to,
)
from e2e.pictures import (
    array,
    centre_of_canvas,
    cine,
    colour_at,
    drag,
    original,
    place,
    screen,
    show_all_at_once,
)
from numpy.typing import NDArray
from playwright.sync_api import FilePayload, Page, expect
from pydicom.dataset import Dataset

import builders
from dicomveil.pixels.selecting import selection_of
from dicomveil.pixels.shapes import redaction_of, spans


def ultrasound(number: int) -> Dataset:
    """Return a still of ultrasound with a region, in a series of its own."""
    ds = builders.us(number=number)
    ds.SeriesInstanceUID = builders.PATIENT.uid(21)
    builders.pixels(ds, rows=60, columns=80, bits=8, samples=3)
    ds.NumberOfFrames = "1"
    ds.PixelData = bytes(100 + (n + number) % 91 for n in range(60 * 80 * 3))
    (region,) = ds.SequenceOfUltrasoundRegions
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 10, 15
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 69, 54
    return ds


def black(content: bytes) -> NDArray[np.bool_]:
    """Return which pixels of a saved file are black, in all samples."""
    pixels = array(content)
    mask: NDArray[np.bool_] = (pixels if pixels.ndim == 2 else pixels.max(axis=-1)) == 0
    return mask


def covered(rows: int, columns: int, *areas: Mapping[str, object]) -> NDArray[np.bool_]:
    """Return which pixels the core's shapes cover."""
    mask = np.zeros((rows, columns), dtype=bool)
    for y, first, after in spans([redaction_of(dict(area)) for area in areas], rows, columns):
        mask[y, first:after] = True
    return mask


def saved(page: Page) -> dict[int, bytes]:
    """Clean, save, and return the outputs by their instance number."""
    clean(page)
    return {int(read(content).InstanceNumber): content for content in instances(save(page)).values()}


def test_the_whole_review_by_keyboard_alone(ready: Page) -> None:
    """Accept, draw, move, resize, delete, undo, apply to the series, confirm, save; read by pydicom."""
    stills = [ultrasound(1), ultrasound(2)]
    capture = screen(3)
    open_files(ready, [payload(ds, f"{ds.InstanceNumber}.dcm") for ds in [*stills, capture]])
    keys = ready.keyboard
    covering = ready.get_by_test_id("covering")
    expect(ready.get_by_test_id("proposals").get_by_role("button").first).to_be_visible(timeout=WAIT)
    tab_to(ready, "confirm-pixels")
    keys.press("Tab")  # the proposal follows
    keys.press("Enter")
    expect(covering).to_have_count(1)
    expect(covering).to_be_focused()
    keys.press("r")
    expect(covering).to_have_count(2)
    expect(covering.nth(1)).to_be_focused()  # 20, 15: 40 by 15
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Shift+ArrowLeft", "Shift+ArrowDown"):
        keys.press(key)
        expect(covering.nth(1)).to_be_focused()
    keys.press("Delete")
    expect(covering).to_have_count(1)
    keys.press("Control+z")
    expect(covering).to_have_count(2)
    keys.press("Control+y")
    expect(covering).to_have_count(1)
    keys.press("Control+z")
    expect(covering).to_have_count(2)
    press(ready, "tool-cover")
    tab_to(ready, "scope")
    keys.type("This s")
    press(ready, "apply-areas")
    expect(row(ready, "2.dcm")).to_contain_text("Covered, not seen yet")
    tab_to(ready, "stage")
    keys.press("PageDown")
    expect(row(ready, "2.dcm")).to_have_attribute("data-status", "ready")
    press(ready, "next-attention")
    expect(row(ready, "3.dcm")).to_have_attribute("aria-current", "true")
    expect(ready.get_by_test_id("confirm-pixels")).to_be_enabled()
    press(ready, "confirm-pixels")
    expect(row(ready, "3.dcm")).to_have_attribute("data-status", "ready")
    press(ready, "clean")
    expect(ready.get_by_test_id("save")).to_be_visible(timeout=WAIT)
    tab_to(ready, "save")
    with ready.expect_download(timeout=WAIT) as download:
        keys.press("Enter")
    with zipfile.ZipFile(download.value.path()) as archive:
        saved_files = {name: archive.read(name) for name in archive.namelist()}
    outputs = {int(read(content).InstanceNumber): content for content in instances(saved_files).values()}
    kept = {"x": 10, "y": 15, "width": 60, "height": 40, "keep_only": True}
    drawn = {"x": 21, "y": 17, "width": 39, "height": 16}
    for number in (1, 2):
        assert (black(outputs[number]) == covered(60, 80, kept, drawn)).all()
    assert (array(outputs[3]) == original(capture)).all()


def test_the_whole_review_by_mouse(ready: Page) -> None:
    """The same by mouse alone: what is drawn, moved, resized, deleted and brought back is what is covered."""
    stills = [ultrasound(1), ultrasound(2)]
    capture = screen(3)
    open_files(ready, [payload(ds, f"{ds.InstanceNumber}.dcm") for ds in [*stills, capture]])
    covering = ready.get_by_test_id("covering")
    ready.get_by_test_id("proposals").get_by_role("button").first.click(timeout=WAIT)
    expect(covering).to_have_count(1)
    ready.get_by_test_id("tool-cover").click()
    drag(ready, (0.02, 0.02), (0.25, 0.2))
    expect(covering).to_have_count(2)
    ready.get_by_test_id("undo").click()
    expect(covering).to_have_count(1)
    ready.get_by_test_id("redo").click()
    expect(covering).to_have_count(2)
    remove = ready.get_by_test_id("remove-covering")
    expect(remove).to_be_disabled()  # it deletes what is chosen
    ready.mouse.click(*place(ready, (0.1, 0.1)))
    remove.click()
    expect(covering).to_have_count(1)
    drag(ready, (0.25, 0.5), (0.5, 0.75))
    drag(ready, (0.375, 0.6), (0.5, 0.6))  # moves it by 10
    drag(ready, (0.625, 0.75), (0.75, 0.75))  # its corner: wider by 10
    ready.get_by_test_id("scope").select_option("series")
    ready.get_by_test_id("apply-areas").click()
    choose(ready, "2.dcm")
    expect(row(ready, "2.dcm")).to_have_attribute("data-status", "ready")
    ready.get_by_test_id("next-attention").click()
    expect(row(ready, "3.dcm")).to_have_attribute("aria-current", "true")
    ready.get_by_test_id("confirm-pixels").click()
    outputs = saved(ready)
    kept = {"x": 10, "y": 15, "width": 60, "height": 40, "keep_only": True}
    drawn = {"x": 30, "y": 30, "width": 30, "height": 15}
    for number in (1, 2):
        # a pixel of the image is several of the screen: the hand is right to a pixel
        assert (black(outputs[number]) != covered(60, 80, kept, drawn)).sum() <= 2 * (30 + 15) * 2
        assert black(outputs[number])[32:43, 32:58].all()
        assert not black(outputs[number])[16:28, 11:68].any()
    assert (array(outputs[3]) == original(capture)).all()


@pytest.mark.parametrize("keep_only", [False, True])
@pytest.mark.parametrize("shape", ["rectangle", "ellipse", "polygon"])
def test_each_shape_covers_what_the_core_says(ready: Page, shape: str, keep_only: bool) -> None:  # noqa: FBT001
    """A shape in the middle, moved and made larger by keys, covers its own pixels or all others."""
    ds = screen()
    open_files(ready, [payload(ds)])
    shown(ready)
    ready.get_by_test_id("tool-cover").click()
    ready.get_by_test_id("shape").select_option(shape)
    ready.get_by_test_id("keep-only").set_checked(keep_only)
    ready.get_by_test_id("add-covering").click()
    covering = ready.get_by_test_id("covering")
    for key in ("ArrowLeft", "Shift+ArrowDown", "Shift+ArrowDown"):
        ready.keyboard.press(key)
        expect(covering).to_be_focused()
    area: dict[str, object] = {"shape": shape, "keep_only": keep_only}
    if shape == "polygon":
        area["points"] = [[31, 24], [94, 24], [94, 49], [31, 49]]
    else:
        area |= {"x": 31, "y": 24, "width": 64, "height": 26}
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "ready")
    assert (black(saved(ready)[1]) == covered(96, 128, area)).all()


def test_a_polygon_is_drawn_point_by_point_and_its_corners_are_changed(ready: Page) -> None:
    """Clicks set corners, a click on the first closes; corners move, appear and go by keys."""
    open_files(ready, [payload(screen())])
    shown(ready)
    ready.get_by_test_id("tool-cover").click()
    ready.get_by_test_id("shape").select_option("polygon")
    for at in ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.25)):
        ready.mouse.click(*place(ready, at))
    covering = ready.get_by_test_id("covering")
    expect(covering).to_have_attribute("data-shape", "polygon")
    points = covering.locator(".point")
    expect(points).to_have_count(3)
    points.nth(2).focus()
    ready.keyboard.press("ArrowDown")
    expect(points.nth(2)).to_be_focused()
    ready.keyboard.press("Insert")
    expect(points).to_have_count(4)
    expect(points.nth(2)).to_be_focused()
    points.nth(3).focus()
    ready.keyboard.press("Delete")
    expect(points).to_have_count(3)
    points.nth(0).focus()
    ready.keyboard.press("Delete")
    expect(points).to_have_count(3)  # fewer make no area
    mask = black(saved(ready)[1])
    assert mask[30, 40]
    assert not mask[60, 40]
    assert 1000 < mask.sum() < 2400


def test_areas_for_a_frame_and_for_a_range_are_in_these_frames_only(ready: Page) -> None:
    """The first area is in the second frame, the other in frames three and four of five."""
    ds = cine(5)
    open_files(ready, [payload(ds)])
    shown(ready)
    ready.get_by_test_id("stage").press("PageDown")
    expect(ready.get_by_test_id("frame-number")).to_have_text("2 / 5")
    ready.get_by_test_id("tool-cover").click()
    ready.get_by_test_id("scope").select_option("frame")
    shown(ready)
    ready.get_by_test_id("add-covering").click()
    ready.get_by_test_id("scope").select_option("range")
    ready.get_by_test_id("range-first").fill("3")
    ready.get_by_test_id("range-last").fill("4")
    ready.get_by_test_id("add-covering").click()
    expect(ready.get_by_test_id("covering")).to_have_count(1)
    show_all_at_once(ready)
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "attention")  # frames without an area
    expect(ready.get_by_test_id("sight")).to_contain_text("Some frames have no area")
    ready.get_by_test_id("confirm-pixels").click()
    pixels = array(saved(ready)[1])
    area = covered(60, 80, {"x": 20, "y": 15, "width": 40, "height": 15})
    for frame, before in enumerate(original(ds)):
        after = pixels[frame]
        assert (after[area] == 0).all() == (frame in {1, 2, 3})
        assert (after[~area] == before[~area]).all()


def test_areas_for_a_device_go_to_its_images_of_one_size(ready: Page) -> None:
    """Across series; another device's images and those of another size are left alone."""
    other_series, other_device, other_size = screen(2), screen(3), screen(4, rows=90)
    other_series.SeriesInstanceUID = builders.PATIENT.uid(22)
    other_device.ManufacturerModelName = "Model 4000"
    files = [screen(1), other_series, other_device, other_size]
    open_files(ready, [payload(ds, f"{ds.InstanceNumber}.dcm") for ds in files])
    choose(ready, "1.dcm")
    shown(ready)
    ready.get_by_test_id("tool-cover").click()
    ready.get_by_test_id("scope").select_option("device")
    ready.get_by_test_id("add-covering").click()
    expect(row(ready, "2.dcm")).to_contain_text("Covered, not seen yet")
    for name in ("3.dcm", "4.dcm"):
        expect(row(ready, name)).not_to_contain_text("overed")
    ready.get_by_test_id("undo").click()
    expect(row(ready, "2.dcm")).to_contain_text("Needs a look")


def test_a_template_is_saved_loaded_and_proposed(ready: Page, tmp_path: Path) -> None:
    """What is saved for a device is what the command line takes, and covers nothing before it is accepted."""
    open_files(ready, [payload(screen())])
    shown(ready)
    ready.get_by_test_id("tool-cover").click()
    ready.get_by_test_id("add-covering").click()
    ready.get_by_test_id("templates").locator("summary").click()
    with ready.expect_download() as download:
        ready.get_by_test_id("save-template").click()
    template = tmp_path / "template.json"
    template.write_bytes(Path(download.value.path()).read_bytes())
    (entry,) = json.loads(template.read_text("utf-8"))["redactions"]
    assert entry["select"] == {
        "manufacturer": "Maker of Scanners",
        "model": "Model 3000",
        "rows": 96,
        "columns": 128,
    }
    assert len(selection_of(entry).redactions) == 1
    ready.get_by_test_id("undo").click()
    expect(row(ready, "image.dcm")).to_contain_text("Seen, not confirmed")
    ready.get_by_test_id("load-template").set_input_files(template)
    proposal = ready.get_by_test_id("proposals").locator("[data-reason=template]")
    expect(proposal).to_contain_text("Model 3000")
    expect(ready.get_by_test_id("covering")).to_have_count(0)
    proposal.click()
    assert (black(saved(ready)[1]) == covered(96, 128, entry["shapes"][0])).all()


@pytest.mark.parametrize(
    "content",
    ["", "{}", '{"redactions": [{"select": {"series_instance_uid": "1.2"}, "shapes": [{}]}]}'],
)
def test_what_is_no_template_is_refused(ready: Page, content: str) -> None:
    """A file of another form, or for one series, is refused with a code's text."""
    open_files(ready, [payload(screen())])
    file: FilePayload = {"name": "t.json", "mimeType": "application/json", "buffer": content.encode()}
    ready.get_by_test_id("load-template").set_input_files([file])
    expect(ready.get_by_test_id("notices")).not_to_be_empty()
    expect(ready.get_by_test_id("proposals").locator("[data-reason=template]")).to_have_count(0)


#: What the number of the frame says, until it has said so many different things one after the other.
NUMBERS = """(count) => new Promise((done) => {
  const number = document.querySelector("[data-testid=frame-number]");
  const said = [];
  const listen = () => {
    if (said.at(-1) !== number.textContent) said.push(number.textContent);
    if (said.length === count) done(said);
  };
  new MutationObserver(listen).observe(number, {childList: true, characterData: true, subtree: true});
  listen();
})"""


def test_a_cine_plays_at_its_own_pace_and_pauses(ready: Page) -> None:
    """Space plays from frame to frame, over and over; each is shown; space stops it."""
    ds = cine(4)
    ds.FrameTime = "60"
    open_files(ready, [payload(ds)])
    shown(ready)
    number = ready.get_by_test_id("frame-number")
    ready.get_by_test_id("stage").press(" ")
    expect(ready.get_by_test_id("play")).to_have_attribute("aria-label", "Pause")
    assert ", ".join(ready.evaluate(NUMBERS, 9)) in ", ".join(["1 / 4, 2 / 4, 3 / 4, 4 / 4"] * 4)
    expect(ready.get_by_test_id("confirm-pixels")).to_be_enabled()  # all were on the screen
    ready.get_by_test_id("stage").press(" ")
    expect(ready.get_by_test_id("play")).to_have_attribute("aria-label", "Play")
    text = number.text_content()
    ready.wait_for_timeout(300)
    assert number.text_content() == text


def test_a_series_plays_image_by_image_and_each_counts_as_seen(ready: Page) -> None:
    """Over and over, past what is no single picture; an image that was not reached was not seen."""
    stills = [screen(number) for number in (1, 2, 4, 5)]
    film = cine(3, rows=96, columns=128)
    film.SeriesInstanceUID, film.InstanceNumber = stills[0].SeriesInstanceUID, "3"
    film.SOPInstanceUID = builders.PATIENT.uid(3, 3)
    open_files(ready, [payload(ds, f"{ds.InstanceNumber}.dcm") for ds in [*stills, film]])
    choose(ready, "1.dcm")
    shown(ready)
    expect(ready.get_by_test_id("seen")).to_have_attribute("data-seen", "1")
    expect(ready.get_by_test_id("frame-number")).to_have_text("1 / 5")
    play = ready.get_by_test_id("play")
    play.click()
    expect(play).to_have_attribute("aria-label", "Pause")
    assert ", ".join(ready.evaluate(NUMBERS, 9)) in ", ".join(["1 / 5, 2 / 5, 4 / 5, 5 / 5"] * 4)
    expect(ready.get_by_test_id("seen")).to_have_attribute("data-seen", "4")
    expect(row(ready, "3.dcm")).to_contain_text("Needs a look")
    ready.get_by_test_id("stage").press(" ")
    expect(play).to_have_attribute("aria-label", "Play")
    now = ready.get_by_test_id("frame-number").text_content()
    ready.wait_for_timeout(400)
    assert ready.get_by_test_id("frame-number").text_content() == now
    expect(row(ready, f"{str(now)[0]}.dcm")).to_have_attribute("aria-current", "true")


def test_a_choice_of_another_image_stops_the_film_of_a_series(ready: Page) -> None:
    """Whoever chooses an image wants to look at it."""
    open_files(ready, [payload(screen(n), f"{n}.dcm") for n in (1, 2, 3)])
    shown(ready)
    ready.get_by_test_id("play").click()
    expect(row(ready, "3.dcm")).to_have_attribute("aria-current", "true", timeout=WAIT)
    row(ready, "2.dcm").click()
    expect(ready.get_by_test_id("play")).to_have_attribute("aria-label", "Play")
    shown(ready)
    ready.wait_for_timeout(400)
    expect(row(ready, "2.dcm")).to_have_attribute("aria-current", "true")


def test_a_series_does_not_play_what_cannot_be_shown(ready: Page) -> None:
    """The film ends at an image that has no picture, and says why; that one was not seen."""
    broken = screen(2)
    broken.PixelData = broken.PixelData[:100]
    open_files(ready, [payload(ds, f"{ds.InstanceNumber}.dcm") for ds in (screen(1), broken, screen(3))])
    choose(ready, "1.dcm")
    shown(ready)
    ready.get_by_test_id("play").click()
    expect(ready.get_by_test_id("stage-note")).to_be_visible(timeout=WAIT)
    expect(row(ready, "2.dcm")).to_have_attribute("aria-current", "true")
    expect(ready.get_by_test_id("play")).to_have_attribute("aria-label", "Play")
    expect(ready.get_by_test_id("seen")).to_have_attribute("data-seen", "1")


def test_a_magnified_film_of_a_series_shows_nothing_whole(ready: Page) -> None:
    """What passes while only a part of it is in sight is played, and not seen."""
    open_files(ready, [payload(screen(n), f"{n}.dcm") for n in (1, 2, 3)])
    shown(ready)
    expect(ready.get_by_test_id("seen")).to_have_attribute("data-seen", "1")
    for _ in range(4):
        ready.get_by_test_id("stage").press("+")
    expect(ready.get_by_test_id("sight")).to_be_empty()  # this one was seen
    ready.get_by_test_id("stage").press(" ")
    for name in ("3.dcm", "2.dcm", "3.dcm"):
        expect(row(ready, name)).to_have_attribute("aria-current", "true", timeout=WAIT)
    expect(ready.get_by_test_id("seen")).to_have_attribute("data-seen", "1")


def test_wheel_and_keys_go_through_a_stack(ready: Page) -> None:
    """Frames of one image; then, in a series of single frames, images."""
    open_files(ready, [payload(cine(4), "cine.dcm"), *(payload(screen(n), f"{n}.dcm") for n in (1, 2, 3))])
    choose(ready, "cine.dcm")
    shown(ready)
    number = ready.get_by_test_id("frame-number")
    ready.mouse.move(*place(ready, (0.5, 0.5)))
    ready.mouse.wheel(0, 60)
    expect(number).to_have_text("2 / 4")
    shown(ready)
    assert centre_of_canvas(ready)[0] == 70
    ready.get_by_test_id("stage").press("End")
    expect(number).to_have_text("4 / 4")
    ready.get_by_test_id("stage").press("Home")
    expect(number).to_have_text("1 / 4")
    choose(ready, "1.dcm")
    ready.get_by_test_id("stage").press("ArrowRight")
    expect(row(ready, "2.dcm")).to_have_attribute("aria-current", "true")
    expect(number).to_have_text("2 / 3")
    ready.get_by_test_id("frame").fill("2")
    expect(row(ready, "3.dcm")).to_have_attribute("aria-current", "true")


def test_the_picture_is_magnified_moved_and_fitted(ready: Page) -> None:
    """1:1 is a pixel for a pixel; keys and wheel magnify; what was drawn stays on its pixels."""
    open_files(ready, [payload(screen())])
    shown(ready)
    ready.get_by_test_id("tool-move").click()
    ready.get_by_test_id("actual").click()
    area = shown(ready).bounding_box()
    assert area is not None
    assert (round(area["width"]), round(area["height"])) == (128, 96)
    drag(ready, (0.5, 0.5), (0.75, 0.5))
    moved = shown(ready).bounding_box()
    assert moved is not None
    assert moved["x"] - area["x"] == pytest.approx(32, abs=1)
    ready.get_by_test_id("tool-cover").click()
    drag(ready, (0.25, 0.25), (0.5, 0.5))
    ready.get_by_test_id("stage").press("f")
    fitted = shown(ready).bounding_box()
    assert fitted is not None
    assert fitted["height"] > 300
    box = covered(96, 128, {"x": 32, "y": 24, "width": 32, "height": 24})
    assert (black(saved(ready)[1]) != box).sum() <= 2 * (32 + 24)


def test_presets_and_invert_change_what_is_shown_and_not_what_leaves(ready: Page) -> None:
    """CT has the usual windows; inverted is a matter of the screen."""
    ds = builders.ct()
    builders.pixels(ds, rows=32, columns=32)
    ds.PixelData = np.full((32, 32), 1024 + 40, "<u2").tobytes()  # 40 HU
    open_files(ready, [payload(ds)])
    assert centre_of_canvas(ready)[0] == pytest.approx(128, abs=1)
    ready.get_by_test_id("preset").select_option(label="Lung")
    expect(ready.get_by_test_id("window-values")).to_have_text("C -600 W 1,500")
    assert centre_of_canvas(ready)[0] == pytest.approx(237, abs=2)
    ready.get_by_test_id("stage").press("i")
    expect(ready.get_by_test_id("invert")).to_have_attribute("aria-pressed", "true")
    assert "invert" in shown(ready).evaluate("(c) => getComputedStyle(c).filter")
    assert (array(saved(ready)[1]) == original(ds)).all()


def test_the_true_output_is_shown_before_anything_is_cleaned(ready: Page) -> None:
    """The cleaned view is the core's own output, outside and inside of the area; a change goes back."""
    ds = screen()
    open_files(ready, [payload(ds)])
    shown(ready)
    ready.get_by_test_id("add-covering").click()
    ready.get_by_test_id("show-cleaned").click()
    expect(ready.get_by_test_id("show-cleaned")).to_have_attribute("aria-pressed", "true")
    expect(ready.get_by_test_id("covering")).to_have_count(0)
    assert colour_at(ready, 64, 36)[:3] == [0, 0, 0]
    assert colour_at(ready, 10, 10)[:3] != [0, 0, 0]
    ready.get_by_test_id("undo").click()
    expect(ready.get_by_test_id("show-original")).to_have_attribute("aria-pressed", "true")
    assert colour_at(ready, 64, 36)[:3] != [0, 0, 0]
    assert statuses(ready) == ["attention"]


def test_rows_in_sight_have_small_pictures(ready: Page) -> None:
    """Each row of an image gets one by itself; what cannot be shown has none."""
    open_files(ready, [payload(screen(), "1.dcm"), payload(builders.sr(), "2.dcm")])
    small = row(ready, "1.dcm").locator(".thumbnail canvas")
    expect(small).to_be_visible()
    assert small.evaluate("(c) => c.getContext('2d').getImageData(9, 9, 1, 1).data[0]") >= 100
    expect(row(ready, "2.dcm").locator(".thumbnail")).to_have_count(0)
