"""The core journey in Firefox and in WebKit, where Debian's packages of them are installed."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from e2e import webdriver
from e2e.journey import Plain, Server, Sink, instances, payload, read, secrets_in
from e2e.pictures import array, changed_box, original, screen
from pydicom.dataset import Dataset

import builders
import places

STATES = places.CACHE / "screenshots/states"
#: What a script can try by which bytes would leave, or text become a script.
TRY = """const [url, done] = arguments;
  const inline = document.createElement("script");
  try {
    inline.textContent = "document.documentElement.dataset.ran = 'done'";
    document.head.append(inline);
  } catch { /* refused */ }
  const image = new Image();
  const asked = new Promise((tell) => {
    image.onload = () => tell("done");
    image.onerror = () => tell("refused");
  });
  image.src = url + "image";
  Promise.all([fetch(url, { mode: "no-cors" }).then(() => "done", () => "refused"), asked])
    .then((tried) => done([...tried, document.documentElement.dataset.ran ?? "refused"]));"""
REFUSED = ["refused"] * 3
ROW = """return [...document.querySelectorAll('[data-testid=files] [data-status]')]
  .find((row) => row.textContent.includes(arguments[0]))"""


class Engine(NamedTuple):
    """A browser that runs."""

    name: str
    driver: webdriver.Driver


@pytest.fixture(scope="module", params=["firefox", "webkit"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Firefox ESR (Debian: firefox-esr) and WebKitGTK (webkit2gtk-driver, xvfb), one after the other."""
    folder = tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as stack:
        if request.param == "firefox":
            program = webdriver.find_firefox()
            if program is None:
                pytest.skip("Firefox ESR is not installed (Debian: firefox-esr)")
            driver = stack.enter_context(webdriver.firefox(program, folder))
        else:
            found = webdriver.find_webkit()
            if found is None:
                pytest.skip("WebKitGTK's driver is not installed (Debian: webkit2gtk-driver, xvfb)")
            driver = stack.enter_context(webdriver.webkit(*found, folder))
        yield Engine(request.param, driver)


def _open(driver: webdriver.Driver, folder: Path, files: list[tuple[str, Dataset]], *others: Path) -> None:
    """Give files to the page by its input, and wait until they can be reviewed."""
    paths = [str(path) for path in others]
    for name, ds in files:
        path = folder / name
        path.write_bytes(payload(ds)["buffer"])
        paths.append(str(path))
    driver.type("open-files", "\n".join(paths))
    driver.state("review")


def _choose(driver: webdriver.Driver, name: str) -> None:
    """Choose a file in the list, and wait for its picture."""
    driver.run(f"{ROW.replace('return', 'const row =')}; row.click()", name)
    driver.until("return document.querySelector('.stage-box')?.dataset.loading === 'false'")
    driver.until("return !document.querySelector('[data-testid=confirm-pixels]').disabled")


def _save(driver: webdriver.Driver) -> dict[str, bytes]:
    """Clean, save, and return the files of the ZIP."""
    driver.press("clean")
    driver.state("done")
    driver.press("save")
    with zipfile.ZipFile(io.BytesIO(driver.download())) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def _covered_journey(engine: Engine, folder: Path) -> None:
    """Open slices in a ZIP and a screen, cover an area of this by keyboard, clean, save; check what left."""
    driver = engine.driver
    slices = [builders.ct(number=number) for number in (1, 2)]
    shot = screen(3)
    with zipfile.ZipFile(folder / "pacs.zip", "w") as archive:  # as it was stored, and deflated
        for ds, method in zip(slices, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), strict=True):
            archive.writestr(f"STUDY/{ds.InstanceNumber}.dcm", payload(ds)["buffer"], method)
    _open(driver, folder, [("screen.dcm", shot)], folder / "pacs.zip")
    assert driver.run(f"{ROW}.dataset.status", "screen.dcm") == "attention"
    _choose(driver, "screen.dcm")
    driver.type("stage", "r")
    driver.until("return document.activeElement.closest('svg') !== null")
    saved = _save(driver)
    outputs = sorted(
        (read(content) for content in instances(saved).values()), key=lambda ds: ds.InstanceNumber
    )
    assert secrets_in(saved.values()) == []
    assert secrets_in(name.encode() for name in saved) == []
    assert [ds.PixelData for ds in outputs[:2]] == [ds.PixelData for ds in slices]
    before, after = original(shot), array(builders.encode(outputs[2]))
    left, top, right, bottom = changed_box(before, after)
    assert 0 < (right - left) * (bottom - top) < before.size
    outside = np.ones(before.shape, bool)
    outside[top:bottom, left:right] = False
    assert (before[outside] == after[outside]).all()
    assert driver.run("return [document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]


def test_the_journey(engine: Engine, server: Server, sink: Sink, tmp_path: Path) -> None:
    """No identifier, the pixels as they were but for the covered area, no error, and nobody reached."""
    driver = engine.driver
    driver.open(server.url)
    driver.state("empty")
    _covered_journey(engine, tmp_path)
    assert driver.complaints() == []
    if driver.picture:
        STATES.mkdir(parents=True, exist_ok=True)
        driver.picture(STATES / f"done-{engine.name}.png")
    assert driver.run_async(TRY, sink.url) == REFUSED
    assert sink.requests == 0
    assert driver.complaints() != []


def test_a_plain_web_server_gets_its_policies_and_may_go(
    engine: Engine, plain: Plain, sink: Sink, tmp_path: Path
) -> None:
    """The service worker adds the policies that the server does not send; the page outlives the server."""
    driver = engine.driver
    driver.open(plain.url)
    driver.state("empty")
    driver.until("return document.querySelector('[data-testid=offline]').dataset.ready === 'yes'")
    assert driver.run_async(TRY, sink.url) == REFUSED
    plain.stop()
    driver.open(plain.url)
    driver.state("empty")
    assert driver.run_async(TRY, sink.url) == REFUSED
    assert sink.requests == 0
    _open(driver, tmp_path, [("a.dcm", builders.ct())])
    assert len(instances(_save(driver))) == 1


def test_without_any_policy_nothing_is_opened(engine: Engine, plain: Plain) -> None:
    """Where neither server nor service worker brings the policy, the page says so and does not start."""
    driver = engine.driver
    (plain.folder / "sw.js").unlink()
    driver.open(plain.url)
    driver.state("failed")
    assert driver.run("return document.body.innerText.includes('does not send the policy')")


def test_one_file_from_disk(engine: Engine, dist: Path, sink: Sink, tmp_path: Path) -> None:
    """dicomveil.html works from a stick, and reaches nobody."""
    driver = engine.driver
    driver.open((dist / "dicomveil.html").as_uri())
    driver.state("empty")
    _covered_journey(engine, tmp_path)
    assert driver.complaints() == []
    assert driver.run_async(TRY, sink.url) == REFUSED
    assert sink.requests == 0
