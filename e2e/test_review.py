"""A review that proves itself: what counts as seen, what can be confirmed; what leaves was decided last."""

from __future__ import annotations

import numpy as np
from e2e.journey import (
    WAIT,
    Server,
    choose,
    clean,
    instances,
    open_files,
    payload,
    read,
    row,
    save,
    shown,
    state,
    statuses,
    until,
)
from e2e.pictures import cine, colour_at, looked_at, report, screen, seen, show, show_all_at_once
from playwright.sync_api import Page, Route, expect

import builders


def test_images_are_counted_as_they_are_shown(ready: Page) -> None:
    """Seen n of m: only those that need a look are counted, and each once it was on the screen."""
    files = [payload(screen(number), f"{number}.dcm") for number in (1, 2, 3)]
    open_files(ready, [*files, payload(builders.ct(), "ct.dcm")])
    seen(ready, 1, 3)
    choose(ready, "2.dcm")
    seen(ready, 2, 3)
    expect(row(ready, "2.dcm")).to_contain_text("Seen, not confirmed")
    expect(row(ready, "3.dcm")).to_contain_text("Needs a look")
    choose(ready, "ct.dcm")
    shown(ready)
    seen(ready, 2, 3)


def test_a_series_is_confirmed_only_as_far_as_it_was_seen(ready: Page) -> None:
    """Of three images one was shown: the others still need a look, whoever confirms what was seen."""
    open_files(ready, [payload(screen(number), f"{number}.dcm") for number in (1, 2, 3)])
    seen(ready, 1, 3)
    expect(ready.get_by_test_id("confirm-series")).to_be_hidden()
    choose(ready, "2.dcm")
    seen(ready, 2, 3)
    ready.get_by_test_id("confirm-series").click()
    expect(row(ready, "1.dcm")).to_have_attribute("data-status", "ready")
    assert statuses(ready) == ["attention", "ready", "ready"]


def test_a_cine_is_seen_when_each_frame_was_shown(ready: Page) -> None:
    """It cannot be confirmed before; the report says by which means, and nothing of who."""
    open_files(ready, [payload(cine(3))])
    confirm = ready.get_by_test_id("confirm-pixels")
    for number in (1, 2):
        expect(ready.get_by_test_id("sight")).to_contain_text(f"{number} of 3")
        expect(confirm).to_be_disabled()
        ready.get_by_test_id("stage").press("PageDown")
    expect(confirm).to_be_enabled()
    seen(ready, 1, 1)
    confirm.click()
    clean(ready)
    assert [(entry["pixels"], entry["review"]) for entry in report(ready)] == [("confirmed", ["frames"])]


def test_a_projection_needs_the_brightest_and_the_darkest(ready: Page) -> None:
    """Black text on one of three white pages is lost in the brightest: only both pictures show everything."""
    ds = cine(3, rows=40, columns=40)
    pages = np.full((3, 40, 40, 3), 250, np.uint8)
    pages[1, 10, 20] = 5
    pages[2, 30, 20] = 255
    ds.PixelData = pages.tobytes()
    open_files(ready, [payload(ds)])
    confirm = ready.get_by_test_id("confirm-pixels")
    show(ready, "brightest")
    assert [colour_at(ready, 20, y)[0] for y in (10, 30)] == [250, 255]
    expect(confirm).to_be_disabled()
    show(ready, "darkest")
    assert [colour_at(ready, 20, y)[0] for y in (10, 30)] == [5, 250]
    confirm.click()
    clean(ready)
    assert [entry["review"] for entry in report(ready)] == [["projection"]]


def test_a_projection_over_a_series_shows_all_its_images(ready: Page) -> None:
    """Images of one frame are seen together, without one of another size. Covers are in the report."""
    series = [screen(number) for number in (1, 2, 3)]
    other = screen(4, rows=50, columns=50)
    open_files(ready, [payload(ds, f"{ds.InstanceNumber}.dcm") for ds in [*series, other]])
    choose(ready, "1.dcm")
    show_all_at_once(ready)
    seen(ready, 3, 4)
    ready.get_by_test_id("add-covering").click()
    expect(row(ready, "1.dcm")).to_contain_text("1 area covered")
    ready.get_by_test_id("confirm-series").click()
    expect(row(ready, "3.dcm")).to_have_attribute("data-status", "ready")
    assert statuses(ready) == ["attention", "ready", "ready", "ready"]
    clean(ready)
    entries = sorted(str(entry.get("review")) for entry in report(ready))
    assert entries == ["None", "['projection']", "['projection']", "['shown', 'covered']"]


def test_what_is_magnified_is_not_seen_whole(ready: Page) -> None:
    """Frames that pass while only a part of them is in sight do not count; in full they do."""
    open_files(ready, [payload(cine(3))])
    expect(ready.get_by_test_id("sight")).to_contain_text("1 of 3")
    stage = ready.get_by_test_id("stage")
    for _ in range(4):
        stage.press("+")
    expect(ready.get_by_test_id("sight")).to_contain_text("whole image")
    stage.press("PageDown")
    stage.press("PageDown")
    expect(ready.get_by_test_id("frame-number")).to_have_text("3 / 3")
    looked_at(ready)
    expect(ready.get_by_test_id("confirm-pixels")).to_be_disabled()
    stage.press("f")
    expect(ready.get_by_test_id("sight")).to_contain_text("2 of 3")


def test_a_picture_behind_the_list_is_not_seen(ready: Page) -> None:
    """On a narrow screen the first image is chosen, but only the list is there."""
    ready.set_viewport_size({"width": 390, "height": 844})
    open_files(ready, [payload(screen())])
    expect(ready.locator(".stage-box")).to_have_attribute("data-loading", "false")
    ready.wait_for_timeout(500)
    seen(ready, 0, 1)
    row(ready, "image.dcm").click()
    seen(ready, 1, 1)


def test_an_image_that_cannot_be_decoded_cannot_be_confirmed(ready: Page) -> None:
    """Nobody saw what is in it: it is left out, with a code."""
    ds = screen()
    ds.PixelData = ds.PixelData[:100]
    open_files(ready, [payload(ds)])
    expect(ready.get_by_test_id("stage-note")).to_be_visible(timeout=WAIT)
    expect(ready.get_by_test_id("confirm-pixels")).to_be_disabled()
    assert statuses(ready) in (["attention"], ["refused"])


def test_a_decision_while_sending_stops_what_it_is_about(ready: Page, server: Server) -> None:
    """A confirmation that is taken back while the file waits to be sent: it is not sent, and says so."""
    held: list[Route] = []
    open_files(ready, [payload(screen())])
    ready.get_by_test_id("confirm-pixels").click()
    clean(ready)
    before = set(server.storage.rglob("*"))

    def hold(route: Route) -> None:
        held.append(route)

    ready.route("**/studies*", hold)
    ready.get_by_test_id("upload").click()
    until(ready, lambda: held)
    ready.get_by_test_id("confirm-pixels").click()  # takes it back
    expect(ready.get_by_test_id("notices")).to_contain_text("You changed a decision")
    expect(ready.get_by_test_id("cancel")).to_be_hidden()
    state(ready, "review")
    assert statuses(ready) == ["attention"]
    ready.unroute_all(behavior="ignoreErrors")
    assert set(server.storage.rglob("*")) == before


def test_a_decision_while_saving_stops_what_it_is_about(ready: Page) -> None:
    """Files that were not written yet are not written any more after an area was added to one."""
    ready.evaluate(
        """() => {
          globalThis.written = [];
          const file = (name) => ({ createWritable: async () => new WritableStream({
            write: () => new Promise((resolve) => { globalThis.release = resolve; }),
            close: () => { written.push(name); } }) });
          const folder = { getDirectoryHandle: async () => folder,
            getFileHandle: async (name) => file(name) };
          globalThis.showDirectoryPicker = async () => folder;
        }"""
    )
    open_files(ready, [payload(screen(number), f"{number}.dcm") for number in (1, 2)])
    choose(ready, "1.dcm")
    show_all_at_once(ready)
    ready.get_by_test_id("confirm-series").click()
    clean(ready)
    ready.get_by_test_id("save-folder").click()
    until(ready, lambda: ready.evaluate("() => Boolean(globalThis.release)"))  # the first is being written
    ready.get_by_test_id("add-covering").click()
    expect(ready.get_by_test_id("notices")).to_contain_text("You changed a decision")
    ready.evaluate("() => globalThis.release()")
    expect(ready.get_by_test_id("cancel")).to_be_hidden()
    assert ready.evaluate("() => written") == []
    clean(ready)
    outputs = {
        int(read(content).InstanceNumber): read(content).pixel_array
        for content in instances(save(ready)).values()
    }
    assert (outputs[1] == 0).any()
    assert not (outputs[2] == 0).any()


def test_what_lay_under_an_area_is_not_seen_when_the_area_goes(ready: Page) -> None:
    """Frames that were looked at with an area over them count only as long as they keep it."""
    open_files(ready, [payload(cine(3))])
    seen(ready, 0, 1)
    ready.get_by_test_id("add-covering").click()
    for number in (2, 3):
        ready.get_by_test_id("stage").press("PageDown")
        expect(ready.get_by_test_id("frame-number")).to_have_text(f"{number} / 3")
        looked_at(ready)
    seen(ready, 1, 1)
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "ready")
    ready.get_by_test_id("undo").click()
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "attention")
    expect(ready.get_by_test_id("sight")).to_contain_text("2 of 3")  # the first without it, and this one
    expect(ready.get_by_test_id("confirm-pixels")).to_be_disabled()
    ready.get_by_test_id("stage").press("PageUp")
    expect(ready.get_by_test_id("confirm-pixels")).to_be_enabled()


def test_a_confirmation_goes_with_an_area_under_which_nobody_looked(ready: Page) -> None:
    """Of three frames the last was seen and confirmed with an area over it, and the area is taken away."""
    open_files(ready, [payload(cine(3))])
    expect(ready.get_by_test_id("sight")).to_contain_text("1 of 3")
    ready.get_by_test_id("tool-cover").click()
    ready.get_by_test_id("scope").select_option("range")
    ready.get_by_test_id("range-first").fill("3")
    ready.get_by_test_id("range-last").fill("3")
    ready.get_by_test_id("add-covering").click()
    for count in (2, 3):
        ready.get_by_test_id("stage").press("PageDown")
        expect(ready.get_by_test_id("frame-number")).to_have_text(f"{count} / 3")
        looked_at(ready)
    ready.get_by_test_id("confirm-pixels").click()
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "ready")
    ready.get_by_test_id("stage").press("Home")
    looked_at(ready)
    ready.get_by_test_id("undo").click()
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "attention")
    expect(ready.get_by_test_id("sight")).to_contain_text("2 of 3")
    expect(ready.get_by_test_id("confirm-pixels")).to_be_disabled()


def test_a_window_that_hides_everything_is_not_the_first_one(ready: Page) -> None:
    """A file whose window lies far from all its values is shown under the window of its values."""
    ds = builders.sc()
    builders.pixels(ds, rows=40, columns=40)
    values = np.full((40, 40), 100, "<u2")
    values[10, 20] = 900
    ds.PixelData = values.tobytes()
    ds.WindowCenter, ds.WindowWidth = "20000", "500"
    open_files(ready, [payload(ds)])
    assert colour_at(ready, 20, 10)[0] == 255
    assert colour_at(ready, 5, 5)[0] == 0


def test_what_is_drawn_behind_a_dialog_was_not_seen(ready: Page) -> None:
    """It counts from when the dialog is closed; a film does not go on behind one."""
    film = cine(4)
    film.FrameTime = "300"
    open_files(ready, [payload(screen(1), "1.dcm"), payload(screen(2), "2.dcm"), payload(film, "3.dcm")])
    choose(ready, "1.dcm")
    shown(ready)
    seen(ready, 1, 3)
    ready.get_by_test_id("shortcuts").click()
    row(ready, "2.dcm").evaluate("(row) => row.click()")
    expect(row(ready, "2.dcm")).to_have_attribute("aria-current", "true")
    looked_at(ready)
    ready.wait_for_timeout(400)
    seen(ready, 1, 3)
    ready.keyboard.press("Escape")
    seen(ready, 2, 3)
    choose(ready, "3.dcm")
    shown(ready)
    play = ready.get_by_test_id("play")
    play.click()
    expect(play).to_have_attribute("aria-label", "Pause")
    ready.get_by_test_id("shortcuts").click()
    expect(play).to_have_attribute("aria-label", "Play")
