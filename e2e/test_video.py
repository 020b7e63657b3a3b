"""Videos: played by the browser where it can, and said where not; seen by the second; unchanged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from e2e.journey import (
    WAIT,
    choose,
    clean,
    instances,
    open_files,
    payload,
    row,
    save,
    secrets_in,
    shown,
    state,
    statuses,
)
from e2e.pictures import HALVES, report, screen, seen, video
from playwright.sync_api import Locator, Page, expect
from pydicom.uid import HEVCMP51, MPEG2MPML, MPEG4HP41

from film import FILM

FRAME = """(v) => {
  const c = new OffscreenCanvas(v.videoWidth, v.videoHeight).getContext("2d");
  c.drawImage(v, 0, 0);
  const at = (x, y) => [...c.getImageData(x, y, 1, 1).data];
  return [c.canvas.width, c.canvas.height, ...at(5, 15), ...at(60, 28)];
}"""

# When this is told, the page was told before.
IN_SIGHT = """(v) => new Promise((whole) => {
  const told = (entries) => entries.at(-1).intersectionRatio >= 0.99 && whole();
  new IntersectionObserver(told, { threshold: 0.99 }).observe(v);
})"""

# To its end, as somebody does who starts it again: until all of it is in sight, the page stops it.
PLAYED_ON = """(v) => new Promise((ended) => {
  const again = setInterval(() => v.paused && v.play().catch(() => {}), 100);
  v.addEventListener("ended", () => ended(clearInterval(again)), { once: true });
})"""


@pytest.fixture
def player(ready: Page) -> Locator:
    """The element that plays, in a browser that plays H.264: Chromium's own builds do not."""
    element = ready.get_by_test_id("video")
    if not element.evaluate("(v) => v.canPlayType('video/mp4; codecs=\"avc1.640028\"')"):
        pytest.skip("this browser does not play H.264")
    return element


def loaded(player: Locator) -> None:
    """Wait until the first picture is there, and all of it in sight: before, the page stops it."""
    expect(player).to_be_visible(timeout=WAIT)
    expect(player).to_have_js_property("readyState", 4, timeout=WAIT)
    player.evaluate(IN_SIGHT)


def stops(player: Locator, over: str) -> None:
    """Play it, and put something else over it: it stops, does not begin again, and counts for nothing."""
    page = player.page
    ended = """(v, over) => new Promise((stopped) => {
      const cover = () => document.querySelector(`[data-testid=${over}]`).click();
      v.addEventListener("playing", cover, {once: true});
      v.addEventListener("pause", () => stopped(v.ended), {once: true});
      v.play().catch(() => {});
    })"""
    assert player.evaluate(ended, over) is False
    player.evaluate("(v) => v.play().catch(() => {})")
    expect(player).to_have_js_property("paused", value=True)
    page.wait_for_timeout(300)
    assert player.evaluate("(v) => v.currentTime") < 1
    seen(page, 0, 1)


def test_a_video_is_played_from_its_place_in_the_file(ready: Page, player: Locator) -> None:
    """Both fragments make one film; it does not begin by itself, is mute, and offers no copy of itself."""
    open_files(ready, [video()])
    loaded(player)
    assert player.evaluate(FRAME)[:2] == [64, 48]
    square, grey = (player.evaluate(FRAME)[at : at + 3] for at in (2, 6))
    assert all(abs(found - wanted) < 30 for found, wanted in zip(square, (250, 200, 40), strict=True))
    assert all(abs(found - 60) < 12 for found in grey)
    ready.wait_for_timeout(400)
    facts = "(v) => [v.paused, v.muted, v.autoplay, v.currentTime, v.played.length, v.controls, v.ariaLabel]"
    assert player.evaluate(facts) == [True, True, False, 0, 0, True, "Video"]
    protections = "(v) => [v.disablePictureInPicture, v.disableRemotePlayback, v.controlsList.value]"
    assert player.evaluate(protections) == [True, True, "nodownload noremoteplayback noplaybackrate"]
    for hidden in ("canvas", "viewer-tools", "stage-note", "frames"):
        expect(ready.get_by_test_id(hidden)).to_be_hidden()


def test_a_video_played_to_its_end_was_seen_and_leaves_unchanged(ready: Page, player: Locator) -> None:
    """Counted by the second, confirmed by a person alone; the stream stays, the report says how."""
    open_files(ready, [video()])
    loaded(player)
    confirm = ready.get_by_test_id("confirm-pixels")
    expect(confirm).to_have_text("I looked elsewhere: nothing identifies")
    expect(ready.get_by_test_id("sight")).to_contain_text("Play it to its end")
    player.focus()
    ready.keyboard.press(" ")
    expect(ready.get_by_test_id("sight")).to_contain_text("2 of 2", timeout=WAIT)
    seen(ready, 1, 1)
    expect(row(ready, "video-1.dcm")).to_contain_text("Seen, not confirmed")
    expect(ready.get_by_test_id("clean")).to_be_disabled()
    expect(confirm).to_have_text("Nothing here identifies")
    confirm.click()
    clean(ready)
    assert [(entry["pixels"], entry["review"]) for entry in report(ready)] == [("confirmed", ["played"])]
    (content,) = instances(save(ready)).values()
    assert HALVES[0] in content
    assert HALVES[1] in content
    assert secrets_in([content]) == []


def test_keys_stop_a_video_and_go_on(ready: Page, player: Locator) -> None:
    """Space plays and pauses when the video has the focus, and takes no other picture."""
    open_files(ready, [video(), payload(screen(2), "2.dcm")])
    choose(ready, "video-1.dcm")
    loaded(player)
    player.evaluate("(v) => { v.loop = true; }")  # nothing but a key stops it
    player.focus()
    ready.keyboard.press(" ")
    expect(player).to_have_js_property("paused", value=False)
    ready.keyboard.press(" ")
    expect(player).to_have_js_property("paused", value=True)
    expect(player).to_have_js_property("ended", value=False)
    ready.keyboard.press("ArrowRight")
    expect(row(ready, "video-1.dcm")).to_have_attribute("aria-current", "true")


def test_the_end_alone_is_no_look(ready: Page, player: Locator) -> None:
    """Who jumps to the last half second and plays that has not seen the film."""
    open_files(ready, [video()])
    loaded(player)
    player.evaluate("(v) => { v.currentTime = 1.5; }")
    player.evaluate(PLAYED_ON)
    ready.wait_for_timeout(300)
    seen(ready, 0, 1)
    expect(ready.get_by_test_id("confirm-pixels")).to_have_text("I looked elsewhere: nothing identifies")


def test_what_plays_out_of_sight_stops(ready: Page, player: Locator) -> None:
    """Behind the header, playing ends and counts for nothing."""
    open_files(ready, [video()])
    loaded(player)
    stops(player, "tab-header")


@pytest.mark.parametrize("opens", ["settings", "shortcuts"])
def test_what_plays_behind_a_dialog_stops(ready: Page, player: Locator, opens: str) -> None:
    """A dialog lies over it, and nobody sees all of it; when it is closed, the video can be played again."""
    open_files(ready, [video()])
    loaded(player)
    stops(player, opens)
    ready.keyboard.press("Escape")
    expect(ready.locator("dialog[open]")).to_have_count(0)
    player.evaluate("(v) => { v.currentTime = 0; return v.play(); }")
    expect(ready.get_by_test_id("sight")).to_contain_text("2 of 2", timeout=WAIT)


def test_nobody_plays_it_faster(ready: Page, player: Locator) -> None:
    """Whatever a browser's own menu offers: who looks at half of the pictures has not seen them."""
    open_files(ready, [video()])
    loaded(player)
    player.evaluate("(v) => { v.playbackRate = 4; }")
    expect(player).to_have_js_property("playbackRate", 1)


def test_a_film_without_its_end_was_not_seen(ready: Page, player: Locator) -> None:
    """What there is of it is shown; then the browser says that it cannot go on, and the page does."""
    open_files(ready, [video([FILM[:2300]])])
    loaded(player)
    played = """(v) => new Promise((done) => {
      const said = [];
      for (const type of ["playing", "ended", "error"])
        v.addEventListener(type, () => said.push(type) > 1 && done(said));
      v.play().catch(() => {});
    })"""
    assert player.evaluate(played) == ["playing", "error"]
    expect(ready.get_by_test_id("stage-note")).to_have_attribute("data-problem", "viewer.video")
    ready.wait_for_timeout(300)
    seen(ready, 0, 1)
    expect(ready.get_by_test_id("confirm-pixels")).to_have_text("I looked elsewhere: nothing identifies")


def test_seconds_behind_a_corrected_length_do_not_count(ready: Page) -> None:
    """A browser guesses the length of some videos: shorter or longer, all of the seconds have to be seen."""
    script = """async () => {
      const { Sight } = await import("/model/sight.js");
      const sight = new Sight();
      const saw = (second, of) => [sight.add({ second, of }, []), sight.played.done, sight.means(1, [])];
      return [saw(1, 3), saw(2, 3), saw(2, 3), saw(1, 2), saw(0, 2), saw(0, 4)];
    }"""
    assert ready.evaluate(script) == [
        [True, 1, None],
        [True, 2, None],
        [False, 2, None],
        [True, 1, None],
        [True, 2, "played"],
        [True, 3, None],
    ]


def test_a_file_that_is_gone_is_not_called_a_kind_of_video(
    ready: Page, tmp_path: Path, complaints: list[str]
) -> None:
    """Why a video is not there is said as it is of an image."""
    path = tmp_path / "video-1.dcm"
    path.write_bytes(video()["buffer"])
    open_files(ready, [path])
    path.unlink()
    open_files(ready, [payload(screen(2), "2.dcm")])
    choose(ready, "2.dcm")
    choose(ready, "video-1.dcm")
    note = ready.get_by_test_id("stage-note")
    expect(note).to_have_attribute("data-problem", re.compile(r"^code\."), timeout=WAIT)
    expect(note).not_to_contain_text("kind of video")
    complaints.clear()  # the browser itself reports what it cannot read


def test_what_was_played_is_kept_while_other_images_are_chosen(
    ready: Page, player: Locator, complaints: list[str]
) -> None:
    """Another image takes its place, and its address is void; back again, the seconds still count."""
    open_files(ready, [video(), payload(screen(2), "2.dcm")])
    choose(ready, "video-1.dcm")
    loaded(player)
    first = player.get_attribute("src")
    assert first is not None
    player.evaluate("(v) => { v.currentTime = 1; return v.play(); }")
    expect(ready.get_by_test_id("sight")).to_contain_text("1 of 2", timeout=WAIT)
    seen(ready, 0, 2)
    choose(ready, "2.dcm")
    shown(ready)
    expect(player).to_be_hidden()
    assert player.get_attribute("src") is None
    gone = """(url) => new Promise((resolve) => {
      const image = Object.assign(document.createElement("video"), { src: url });
      image.onerror = () => resolve(true);
      image.onloadedmetadata = () => resolve(false);
    })"""
    assert ready.evaluate(gone, first) is True
    assert complaints
    complaints.clear()
    choose(ready, "video-1.dcm")
    loaded(player)
    assert player.get_attribute("src") != first
    expect(ready.get_by_test_id("sight")).to_contain_text("1 of 2")
    player.evaluate("(v) => v.play()")
    expect(ready.get_by_test_id("sight")).to_contain_text("2 of 2", timeout=WAIT)
    seen(ready, 2, 2)


@pytest.mark.parametrize(
    ("stream", "transfer_syntax"),
    [
        pytest.param(b"\0\0\1\xb3" + bytes(800), MPEG2MPML, id="MPEG-2"),
        pytest.param((b"G" + bytes(187)) * 8, MPEG4HP41, id="a transport stream"),
        pytest.param(b"\0\0\0\x18ftypmp42" + bytes(500), HEVCMP51, id="MP4 without a picture"),
        pytest.param(FILM[: len(FILM) // 2], MPEG4HP41, id="half a film"),
        pytest.param(b"#EXTM3U\n" + bytes(100), MPEG4HP41, id="no video at all"),
    ],
)
def test_a_video_that_cannot_be_played_says_so(ready: Page, stream: bytes, transfer_syntax: str) -> None:
    """In words, and by a stable id. It is confirmed only by who saw it elsewhere; the report says that."""
    open_files(ready, [video([stream], transfer_syntax)])
    note = ready.get_by_test_id("stage-note")
    expect(note).to_have_attribute("data-problem", "viewer.video", timeout=WAIT)
    expect(note).to_contain_text("cannot show this kind of video")
    expect(ready.get_by_test_id("video")).to_be_hidden()
    seen(ready, 0, 1)
    assert statuses(ready) == ["attention"]
    ready.get_by_test_id("confirm-pixels").click()
    clean(ready)
    assert [entry["review"] for entry in report(ready)] == [["elsewhere"]]
    (content,) = instances(save(ready)).values()
    assert stream in content


def test_videos_of_a_series_are_not_confirmed_unseen(ready: Page) -> None:
    """Two videos, neither played: what is said of one is not said of the other."""
    open_files(ready, [video(number=1), video(number=2)])
    expect(ready.get_by_test_id("confirm-series")).to_be_hidden()
    choose(ready, "video-1.dcm")
    ready.get_by_test_id("confirm-pixels").click()
    expect(row(ready, "video-1.dcm")).to_have_attribute("data-status", "ready")
    assert statuses(ready) == ["attention", "ready"]
    expect(ready.get_by_test_id("confirm-series")).to_be_hidden()


def test_no_video_of_another_place_is_ever_loaded(ready: Page, complaints: list[str]) -> None:
    """The page's policy lets a video be a part of an open file, and not even of its own server."""
    refused = """(src) => new Promise((resolve) => {
      const tell = ({ effectiveDirective }) => resolve(effectiveDirective);
      document.addEventListener("securitypolicyviolation", tell, { once: true });
      Object.assign(document.createElement("video"), { src });
    })"""
    for address in ("film.mp4", "http://192.0.2.1/film.mp4", "data:video/mp4;base64,AAAA"):
        assert ready.evaluate(refused, address) == "media-src"
    assert complaints
    complaints.clear()
    state(ready, "empty")


def test_the_languages_say_it_too(ready: Page) -> None:
    """The sentence is there in German, French and Spanish, and follows the language."""
    open_files(ready, [video([b"\0\0\1\xb3" + bytes(800)], MPEG2MPML)])
    note = ready.get_by_test_id("stage-note")
    words = {
        "de": "Dieser Browser kann",
        "fr": "Ce navigateur ne peut",
        "es": "Este navegador no",
        "en": "This browser",
    }
    for language, beginning in words.items():
        ready.get_by_test_id("language").select_option(language)
        expect(note).to_contain_text(beginning)
