"""Pixels: what is shown, covered by mouse and by keyboard, confirmed by a person; and what comes out."""

from __future__ import annotations

import numpy as np
import pytest
from e2e.journey import (
    WAIT,
    choose,
    clean,
    instances,
    open_files,
    payload,
    pydicom_file,
    read,
    row,
    save,
    shown,
    state,
    statuses,
)
from e2e.pictures import array, centre_of_canvas, changed_box, drag, original, screen, show_all_at_once
from playwright.sync_api import Page, expect
from pydicom.pixels.processing import apply_color_lut

import builders


def test_an_image_at_risk_waits_for_a_person(ready: Page) -> None:
    """It needs a look, is not cleaned until confirmed, and then says so in its header."""
    open_files(ready, [payload(builders.sc())])
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "attention")
    expect(row(ready, "image.dcm")).to_have_attribute("data-code", "pixels-need-review")
    expect(ready.get_by_test_id("clean")).to_be_disabled()
    ready.get_by_test_id("confirm-pixels").click()
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "ready")
    clean(ready)
    (content,) = instances(save(ready)).values()
    assert read(content).BurnedInAnnotation == "NO"


def test_a_confirmation_can_be_taken_back_after_cleaning(ready: Page) -> None:
    """What was clean by a confirmation is not, once that is taken back."""
    open_files(ready, [payload(builders.sc())])
    ready.get_by_test_id("confirm-pixels").click()
    clean(ready)
    ready.get_by_test_id("confirm-pixels").click()
    state(ready, "review")
    assert statuses(ready) == ["attention"]
    expect(ready.get_by_test_id("save")).to_be_hidden()


def test_a_whole_series_is_confirmed_at_once(ready: Page) -> None:
    """Confirming the series covers its images at risk that were seen, and no other series."""
    series = [screen(number) for number in (1, 2, 3)]
    other = builders.sc(number=9)
    open_files(ready, [payload(ds, f"{ds.InstanceNumber}.dcm") for ds in [*series, other]])
    choose(ready, "2.dcm")
    show_all_at_once(ready)
    ready.get_by_test_id("confirm-series").click()
    expect(row(ready, "3.dcm")).to_have_attribute("data-status", "ready")
    assert statuses(ready) == ["attention", "ready", "ready", "ready"]
    clean(ready)
    assert statuses(ready) == ["attention", "clean", "clean", "clean"]
    assert len(instances(save(ready))) == 3


def test_a_rectangle_drawn_by_mouse_is_blank_in_the_output(ready: Page) -> None:
    """Inside every pixel is black, outside every pixel is as it was; no confirmation is needed then."""
    ds = screen()
    open_files(ready, [payload(ds)])
    shown(ready)
    ready.get_by_test_id("tool-cover").click()
    drag(ready, (0.25, 0.25), (0.75, 0.5))
    expect(ready.get_by_test_id("covering")).to_have_count(1)
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "ready")
    clean(ready)
    (content,) = instances(save(ready)).values()
    box = changed_box(original(ds), array(content))
    assert np.abs(np.subtract(box, (32, 24, 96, 48))).max() <= 1
    assert read(content).BurnedInAnnotation == "NO"


def test_the_cleaned_view_shows_the_pixels_of_the_output(ready: Page) -> None:
    """After cleaning, the picture can be switched between the input and the true output."""
    open_files(ready, [payload(screen())])
    shown(ready)
    ready.get_by_test_id("add-covering").click()
    ready.keyboard.press("Shift+ArrowDown")
    clean(ready)
    ready.get_by_test_id("show-cleaned").click()
    expect(ready.get_by_test_id("covering")).to_have_count(0)
    expect(ready.get_by_test_id("show-cleaned")).to_have_attribute("aria-pressed", "true")
    area = shown(ready).bounding_box()
    assert area is not None
    black = (
        "(c) => { const d = c.getContext('2d').getImageData(c.width >> 2, c.height >> 2, c.width >> 1,"
        " c.height >> 2).data; return d.every((v, i) => (i % 4 === 3 ? v === 255 : v === 0)); }"
    )
    assert shown(ready).evaluate(black) is True
    ready.get_by_test_id("show-original").click()
    expect(ready.get_by_test_id("covering")).to_have_count(1)
    assert shown(ready).evaluate(black) is False


def test_rectangles_are_made_by_keyboard_alone(ready: Page) -> None:
    """R adds one in the middle; arrows move it, with Shift they resize it: to the pixel."""
    ds = screen()
    open_files(ready, [payload(ds)])
    shown(ready)
    ready.get_by_test_id("tool-window").focus()
    ready.keyboard.press("r")
    expect(ready.get_by_test_id("covering")).to_be_focused()
    for key, times in {"ArrowRight": 3, "ArrowUp": 2, "Shift+ArrowLeft": 5, "Shift+ArrowDown": 4}.items():
        for _ in range(times):
            ready.keyboard.press(key)
            expect(ready.get_by_test_id("covering")).to_be_focused()
    clean(ready)
    (content,) = instances(save(ready)).values()
    assert changed_box(original(ds), array(content)) == (35, 22, 35 + 64 - 5, 22 + 24 + 4)


def test_a_rectangle_is_deleted_and_the_deletion_undone(ready: Page) -> None:
    """Delete uncovers the image, which needs a look again; undo brings the rectangle back."""
    open_files(ready, [payload(screen())])
    shown(ready)
    ready.get_by_test_id("add-covering").click()
    ready.keyboard.press("Delete")
    expect(ready.get_by_test_id("covering")).to_have_count(0)
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "attention")
    ready.get_by_test_id("undo").click()
    expect(ready.get_by_test_id("covering")).to_have_count(1)
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "ready")
    ready.get_by_test_id("undo").click()
    expect(ready.get_by_test_id("covering")).to_have_count(0)


def test_a_rectangle_is_moved_and_resized_by_mouse(ready: Page) -> None:
    """Dragging the rectangle moves it; dragging its corner changes its size."""
    ds = screen()
    open_files(ready, [payload(ds)])
    shown(ready)
    ready.get_by_test_id("add-covering").click()
    drag(ready, (0.5, 0.375), (0.375, 0.25))  # from (32, 24) to (16, 12)
    drag(ready, (0.625, 0.375), (0.75, 0.5))  # its lower right corner, from (80, 36) to (96, 48)
    clean(ready)
    (content,) = instances(save(ready)).values()
    box = changed_box(original(ds), array(content))
    assert np.abs(np.subtract(box, (16, 12, 96, 48))).max() <= 2


def test_the_picture_stays_where_it_is_while_one_works_on_it(ready: Page) -> None:
    """Neither what is proposed late, nor a rectangle or a confirmation, moves what is under the pointer."""
    open_files(ready, [payload(screen(1), "1.dcm"), payload(screen(2), "2.dcm")])
    shown(ready)
    choose(ready, "2.dcm")
    place = shown(ready).bounding_box()
    proposals = ready.get_by_test_id("proposals")
    expect(proposals).to_be_visible()
    expect(proposals.locator("[data-search=searching]")).to_have_count(0, timeout=WAIT)
    assert shown(ready).bounding_box() == place
    ready.get_by_test_id("add-covering").click()
    expect(row(ready, "2.dcm")).to_have_attribute("data-status", "ready")
    assert shown(ready).bounding_box() == place
    ready.get_by_test_id("undo").click()
    ready.get_by_test_id("confirm-pixels").click()
    expect(row(ready, "2.dcm")).to_have_attribute("data-status", "ready")
    assert shown(ready).bounding_box() == place


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1024, 768), (900, 700)])
def test_the_picture_has_room_in_every_window(ready: Page, width: int, height: int) -> None:
    """With all that stands above it, the whole picture is there to see; a tool below it is scrolled to."""
    ready.set_viewport_size({"width": width, "height": height})
    open_files(ready, [payload(screen(1), "1.dcm"), payload(screen(2), "2.dcm")])
    shown(ready)
    expect(row(ready, "1.dcm")).to_contain_text("Seen, not confirmed")
    choose(ready, "2.dcm")
    box = shown(ready).bounding_box()
    expect(ready.get_by_test_id("confirm-series")).to_be_visible()
    expect(ready.get_by_test_id("proposals")).to_be_in_viewport(ratio=1)
    expect(shown(ready)).to_be_in_viewport(ratio=1)
    assert box is not None
    assert box["height"] >= 150
    ready.get_by_test_id("invert").click()
    expect(ready.get_by_test_id("invert")).to_be_in_viewport(ratio=1)


def test_a_rectangle_for_the_whole_series_is_in_every_image_of_its_size(ready: Page) -> None:
    """Images of another size in the same series are left alone; what was not seen still needs a look."""
    series = [screen(number) for number in (1, 2)]
    larger = screen(3, rows=100, columns=140)
    open_files(ready, [payload(ds, f"{ds.InstanceNumber}.dcm") for ds in [*series, larger]])
    choose(ready, "1.dcm")
    shown(ready)
    ready.get_by_test_id("tool-cover").click()
    ready.get_by_test_id("scope").select_option("series")
    ready.get_by_test_id("add-covering").click()
    expect(row(ready, "1.dcm")).to_have_attribute("data-status", "ready")
    expect(row(ready, "2.dcm")).to_contain_text("Covered, not seen yet")
    choose(ready, "2.dcm")
    expect(row(ready, "2.dcm")).to_have_attribute("data-status", "ready")
    expect(row(ready, "3.dcm")).to_have_attribute("data-status", "attention")
    clean(ready)
    outputs = {
        int(read(content).InstanceNumber): array(content) for content in instances(save(ready)).values()
    }
    assert set(outputs) == {1, 2}
    for ds in series:
        assert changed_box(original(ds), outputs[int(ds.InstanceNumber)]) == (32, 24, 96, 48)


def test_an_image_that_joins_a_covered_series_needs_a_look(ready: Page) -> None:
    """What was covered in the others may be in it too, though nothing in its header says so."""
    open_files(ready, [payload(builders.ct(number=1), "1.dcm")])
    choose(ready, "1.dcm")
    shown(ready)
    ready.get_by_test_id("add-covering").click()
    expect(ready.get_by_test_id("undo")).to_be_enabled()
    ready.get_by_test_id("open-files").set_input_files([payload(builders.ct(number=2), "2.dcm")])
    expect(row(ready, "2.dcm")).to_have_attribute("data-status", "attention")
    clean(ready)
    assert [int(read(content).InstanceNumber) for content in instances(save(ready)).values()] == [1]


def test_a_redaction_after_cleaning_voids_the_result(ready: Page) -> None:
    """A rectangle that is drawn later must be in the next output, and the old one is gone."""
    open_files(ready, [payload(builders.ct())])
    clean(ready)
    shown(ready)
    ready.get_by_test_id("add-covering").click()
    state(ready, "review")
    assert statuses(ready) == ["ready"]
    expect(ready.get_by_test_id("save")).to_be_hidden()


@pytest.mark.parametrize(
    ("photometric", "signed", "big_endian", "value", "grey"),
    [
        ("MONOCHROME2", False, False, 1000, 0),
        ("MONOCHROME2", False, False, 3000, 255),
        ("MONOCHROME1", False, False, 3000, 0),
        ("MONOCHROME2", True, False, -500, 0),
        ("MONOCHROME2", False, True, 3000, 255),
        ("MONOCHROME2", False, True, 2000, 128),
    ],
)
def test_grey_images_are_drawn_under_their_window(
    ready: Page,
    photometric: str,
    signed: bool,  # noqa: FBT001
    big_endian: bool,  # noqa: FBT001
    value: int,
    grey: int,
) -> None:
    """Window 2000/1000 of PS3.3 C.11.2.1.2, for signed values, big endian and MONOCHROME1."""
    ds = builders.ct()
    del ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType
    builders.pixels(ds, rows=32, columns=32)
    ds.PhotometricInterpretation = photometric
    ds.PixelRepresentation = int(signed)
    ds.WindowCenter, ds.WindowWidth = "2000", "1000"
    ds.PixelData = np.full(
        32 * 32, value, (">" if big_endian else "<") + ("i2" if signed else "u2")
    ).tobytes()
    open_files(ready, [payload(ds, transfer_syntax=builders.BIG_ENDIAN if big_endian else builders.EXPLICIT)])
    colour = centre_of_canvas(ready)
    assert np.abs(np.subtract(colour, [grey, grey, grey, 255])).max() <= 1


@pytest.mark.parametrize(
    "name", ["examples_rgb_color.dcm", "examples_palette.dcm", "SC_rgb_small_odd.dcm", "liver_1frame.dcm"]
)
def test_other_photometric_interpretations_are_drawn_as_pydicom_decodes_them(ready: Page, name: str) -> None:
    """Colour by pixel, by palette, and single bits: the middle of the picture has pydicom's colour."""
    path = pydicom_file(name)
    open_files(ready, [path])
    ds = read(path.read_bytes())
    pixels = ds.pixel_array
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, ds)
        pixels = pixels >> 8 if pixels.dtype.itemsize == 2 else pixels
    elif ds.SamplesPerPixel == 1:
        pixels = np.repeat(pixels[..., None] * 255, 3, axis=-1)
    expected = pixels[ds.Rows // 2, ds.Columns // 2]
    assert np.abs(np.subtract(centre_of_canvas(ready)[:3], expected)).max() <= 1


def test_a_proposal_is_accepted_changed_and_undone(ready: Page) -> None:
    """Keeping only the ultrasound region covers all outside of it, when a person says so."""
    ds = builders.us()
    builders.pixels(ds, rows=60, columns=80, bits=8, samples=3, frames=3)
    ds.PixelData = bytes(100 + n % 91 for n in range(60 * 80 * 3 * 3))
    (region,) = ds.SequenceOfUltrasoundRegions
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 10, 15
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 69, 54
    open_files(ready, [payload(ds)])
    proposal = ready.get_by_test_id("proposals").locator("[data-reason=outside-ultrasound-regions]")
    expect(proposal).to_be_visible(timeout=WAIT)
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "attention")
    show_all_at_once(ready)
    proposal.click()
    expect(proposal).to_be_disabled()
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "ready")
    ready.get_by_test_id("undo").click()
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "attention")
    proposal.click()
    expect(ready.get_by_test_id("covering")).to_be_focused()
    ready.keyboard.press("ArrowRight")
    expect(ready.get_by_test_id("covering")).to_be_focused()
    clean(ready)
    (content,) = instances(save(ready)).values()
    before, after = original(ds), array(content)
    inside = np.zeros(before.shape, dtype=bool)
    inside[:, 15:55, 11:71] = True
    assert (after[inside] == before[inside]).all()
    assert (after[~inside] == 0).all()


def test_compressed_images_are_shown_and_covered(ready: Page) -> None:
    """What decodes is loaded by itself; a JPEG 2000 image comes out in its own transfer syntax."""
    path = pydicom_file("JPEG2000.dcm")
    open_files(ready, [path])
    shown(ready)
    ready.get_by_test_id("add-covering").click()
    clean(ready)
    (content,) = instances(save(ready)).values()
    before = read(path.read_bytes())
    after = read(content)
    assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
    top, left = before.Rows // 4, before.Columns // 4
    blank = after.pixel_array[top : 2 * top, left : 3 * left]
    assert blank.min() == blank.max()
    assert (after.pixel_array[: top - 1] == before.pixel_array[: top - 1]).all()


def test_frames_of_a_multi_frame_image_are_stepped_through(ready: Page) -> None:
    """The slider goes through the frames, and each shows its own pixels."""
    ds = builders.us()
    open_files(ready, [payload(ds)])
    shown(ready)
    expect(ready.get_by_test_id("frame-number")).to_have_text("1 / 3")
    first = centre_of_canvas(ready)
    ready.get_by_test_id("frame").press("ArrowRight")
    expect(ready.get_by_test_id("frame-number")).to_have_text("2 / 3")
    assert first[:3] == list(original(ds)[0][2, 3])
    assert centre_of_canvas(ready)[:3] == list(original(ds)[1][2, 3])


def test_dragging_changes_the_contrast(ready: Page) -> None:
    """A drag over the picture moves the window, and a preset brings the file's own back."""
    open_files(ready, [payload(builders.ct())])
    shown(ready)
    values = ready.get_by_test_id("window-values")
    expect(values).to_have_text("C 40 W 400")
    drag(ready, (0.3, 0.5), (0.6, 0.5))
    expect(values).not_to_have_text("C 40 W 400")
    ready.get_by_test_id("preset").select_option("0")
    expect(values).to_have_text("C 40 W 400")
