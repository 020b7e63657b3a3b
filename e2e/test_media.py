"""A DICOMDIR with what is saved, made by the workers; and the crosswalk, behind a step of its own."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from e2e.journey import (
    HOLD,
    WAIT,
    Server,
    clean,
    open_files,
    payload,
    press,
    pydicom_file,
    read,
    row,
    save,
    secrets_in,
    shown,
    state,
    tab_to,
)
from e2e.pictures import screen
from playwright.sync_api import BrowserContext, Download, Page, expect
from pydicom.fileset import FileSet
from pydicom.uid import UID

import builders
from dicomveil import cli

READY = '[data-testid="status"][data-state="empty"]'
OTHER = builders.Patient(name="Grantlbauer^Xaver", patient_id="P-2", root="1.2.826.0.1.3680043.10.8888")


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """Two slices and a report of one patient, a slice of another, and files of other kinds."""
    folder = tmp_path / "in"
    folder.mkdir()
    made = [builders.ct(number=1), builders.ct(patient=OTHER), builders.ct(number=2), builders.sr(number=3)]
    for number, ds in enumerate(made, 1):
        (folder / f"{number}.dcm").write_bytes(builders.encode(ds))
    for number, name in enumerate(("CT_small.dcm", "rtplan.dcm", "waveform_ecg.dcm"), 5):
        shutil.copyfile(pydicom_file(name), folder / f"{number}.dcm")
    return sorted(folder.iterdir())


def _command_line(inputs: list[Path], tmp_path: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return media and crosswalk as the command line makes them under the key of `_keyed`."""
    (tmp_path / "key").write_bytes(bytes(range(32)))
    arguments = ["clean", inputs[0].parent, "--output", tmp_path / "out", "--key-file", tmp_path / "key"]
    arguments += ["--dicomdir", tmp_path / "media", "--crosswalk", tmp_path / "crosswalk"]
    cli.main([str(argument) for argument in arguments])
    return _files(tmp_path / "media"), _files(tmp_path / "crosswalk")


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def _keyed(page: Page, tmp_path: Path) -> None:
    page.get_by_test_id("settings").click()
    page.get_by_test_id("mode-key-file").check()
    page.get_by_test_id("key-file").set_input_files(tmp_path / "key")
    page.get_by_test_id("settings-apply").click()
    expect(page.get_by_test_id("settings-dialog")).to_be_hidden()


def _unpacked(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _report(files: dict[str, bytes]) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = json.loads(files["report.json"])["files"]
    return entries


def test_a_dicomdir_as_the_command_line_makes_it(ready: Page, inputs: list[Path], tmp_path: Path) -> None:
    """Byte for byte the same media in the ZIP, of nothing that identifies; the report names what is there."""
    media, _ = _command_line(inputs, tmp_path)
    _keyed(ready, tmp_path)
    open_files(ready, inputs)
    clean(ready)
    ready.get_by_test_id("dicomdir").check()
    saved = save(ready)
    outputs = {entry["output"] for entry in _report(saved) if entry["status"] == "clean"}
    assert saved.keys() == outputs | {"DICOMDIR", "report.json"}
    del saved["report.json"]
    assert saved == media
    assert len(saved) == len(inputs) + 1
    assert secrets_in(saved.values()) == []


def test_other_toolkits_read_the_dicomdir(ready: Page, inputs: list[Path], tmp_path: Path) -> None:
    """Pydicom finds every file that was saved beside it, once; dcmtk, where installed, no fault."""
    open_files(ready, inputs)
    clean(ready)
    ready.get_by_test_id("dicomdir").check()
    saved = save(ready)
    folder = _unpacked(saved, tmp_path / "disc")
    files = FileSet(folder / "DICOMDIR")
    files._stage["t"].cleanup()
    names = [Path(instance.path).relative_to(folder).as_posix() for instance in files]
    assert sorted(names) == sorted(saved.keys() - {"DICOMDIR", "report.json"})
    for instance, name in zip(files, names, strict=True):
        assert instance.SOPInstanceUID == read(saved[name]).SOPInstanceUID
    if shutil.which("dcmdump"):
        dump = subprocess.run(
            ["dcmdump", folder / "DICOMDIR"],  # noqa: S607 - wherever it is installed
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert dump.stdout.count("DirectoryRecordType") > len(names)
        assert dump.stderr == ""


def test_it_is_a_choice_for_this_page_only(ready: Page) -> None:
    """Off at first; kept for what is saved later, and in the report; gone with the page."""
    box = ready.get_by_test_id("dicomdir")
    open_files(ready, [payload(builders.ct())])
    expect(box).to_be_hidden()
    clean(ready)
    expect(box).not_to_be_checked()
    assert "DICOMDIR" not in save(ready)
    box.check()
    ready.get_by_test_id("start-over").click()
    open_files(ready, [payload(builders.mr())])
    clean(ready)
    expect(box).to_be_checked()
    ((name, _),) = [(name, content) for name, content in save(ready).items() if name.startswith("PT")]
    assert name == "PT000000/ST000000/SE000000/IM000000"
    ready.get_by_test_id("report-page").click()
    expect(ready.get_by_test_id("report-content")).to_contain_text("PT000000/…/IM000000", timeout=WAIT)
    with ready.expect_download() as download:
        ready.get_by_test_id("report-json").click()
    assert json.loads(download.value.path().read_text())["files"][0]["output"] == name
    ready.reload()
    ready.locator(READY).wait_for(state="attached", timeout=WAIT)
    expect(box).not_to_be_checked()


def test_what_it_cannot_list_is_saved_and_told(ready: Page) -> None:
    """Another image under the same SOP Instance UID keeps its own name; the page and the report say so."""
    ds = builders.ct(number=1)
    ds.Rows, ds.PixelData = ds.Rows // 2, ds.PixelData[: len(ds.PixelData) // 2]
    again, same = payload(ds, "again.dcm"), payload(builders.ct(number=1), "same.dcm")
    open_files(ready, [payload(builders.ct(number=1), "first.dcm"), again, same])
    clean(ready)
    ready.get_by_test_id("dicomdir").check()
    saved = save(ready)
    expect(ready.get_by_test_id("notices")).to_contain_text("A DICOMDIR cannot list this output")
    first, second, third = _report(saved)
    assert (first["output"], first["warnings"]) == ("PT000000/ST000000/SE000000/IM000000", [])
    assert str(second["output"]).endswith("-2.dcm")
    assert second["warnings"] == ["duplicate-instance", "media-left-out"]
    assert (third["output"], third["warnings"]) == (first["output"], [])
    assert saved.keys() == {first["output"], second["output"], "DICOMDIR", "report.json"}
    assert read(saved[str(second["output"])]).Rows == ds.Rows


def test_the_case_is_listed_too(ready: Page) -> None:
    """Its document has a record; case.json and the report name it as it is saved."""
    open_files(ready, [payload(builders.ct())])
    clean(ready)
    ready.get_by_test_id("case").click()
    ready.get_by_test_id("case-title").fill("Nodule of the lung")
    ready.get_by_test_id("case-check").click()
    expect(ready.get_by_test_id("case-dialog")).to_be_hidden(timeout=WAIT)
    ready.get_by_test_id("dicomdir").check()
    saved = save(ready)
    (place,) = json.loads(saved["case.json"])["documents"]
    assert place["file"] == "PT000000/ST000000/SE000001/KY000000"
    assert json.loads(saved["report.json"])["case"]["documents"] == [place["file"]]
    assert read(saved[place["file"]]).SOPInstanceUID == place["sop_instance_uid"]
    types = [record.DirectoryRecordType for record in read(saved["DICOMDIR"]).DirectoryRecordSequence]
    assert types == ["PATIENT", "STUDY", "SERIES", "IMAGE", "SERIES", "KEY OBJECT DOC"]


def test_a_folder_for_media_is_empty(ready: Page) -> None:
    """The picker is asked at once; a folder that has something in it is refused before any work."""
    ready.evaluate("() => { window.showDirectoryPicker = () => navigator.storage.getDirectory(); }")
    listing = """async () => { const names = [];
      for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
      return names.sort(); }"""
    ready.evaluate(
        """async () => { const root = await navigator.storage.getDirectory();
      for await (const name of root.keys()) await root.removeEntry(name, { recursive: true }); }"""
    )
    open_files(ready, [payload(builders.ct())])
    clean(ready)
    ready.get_by_test_id("dicomdir").check()
    ready.get_by_test_id("save-folder").click()
    expect(ready.get_by_test_id("cancel")).to_be_hidden(timeout=WAIT)
    assert ready.evaluate(listing) == ["DICOMDIR", "PT000000", "report.json"]
    ready.get_by_test_id("save-folder").click()
    expect(ready.get_by_test_id("notices")).to_contain_text("The folder for a DICOMDIR is not empty")
    expect(ready.get_by_test_id("cancel")).to_be_hidden(timeout=WAIT)


@pytest.mark.parametrize("what", ["media", "crosswalk"])
def test_it_can_be_cancelled(page: Page, server: Server, what: str) -> None:
    """While workers read: nothing is saved, and the page goes on; also from the report."""
    page.add_init_script(HOLD)
    page.goto(server.url)
    page.locator(READY).wait_for(state="attached", timeout=WAIT)
    open_files(page, [payload(builders.ct(number=number), f"{number}.dcm") for number in (1, 2, 3)])
    clean(page)
    downloads: list[Download] = []
    page.on("download", lambda download: downloads.append(download))  # noqa: PLW0108 - asked for its names
    page.evaluate("(what) => { holding = what; }", what)
    if what == "media":
        page.get_by_test_id("dicomdir").check()
        page.get_by_test_id("save").click()
    else:
        _ask(page)
        page.get_by_test_id("crosswalk-understood").check()
        page.get_by_test_id("crosswalk-save").click()
    expect(page.get_by_test_id("status")).to_have_text("Reading 0 of 3")
    page.get_by_test_id("cancel").click()
    expect(page.get_by_test_id("cancel")).to_be_hidden(timeout=WAIT)
    page.evaluate("() => letGo()")
    page.wait_for_timeout(1000)
    assert downloads == []
    if what == "crosswalk":
        page.get_by_test_id("report-close").click()
    page.get_by_test_id("dicomdir").set_checked(what == "media")
    assert len(save(page)) == (5 if what == "media" else 4)


def _ask(page: Page) -> None:
    """Open the sheet of the crosswalk, in the report."""
    page.get_by_test_id("report-page").click()
    expect(page.get_by_test_id("report-view")).to_be_visible(timeout=WAIT)
    page.get_by_test_id("crosswalk").click()
    expect(page.get_by_test_id("crosswalk-dialog")).to_be_visible()


def _crosswalk(page: Page) -> dict[str, bytes]:
    """Take the deliberate step, and return the files of the ZIP."""
    _ask(page)
    page.get_by_test_id("crosswalk-understood").check()
    with page.expect_download(timeout=WAIT) as download:
        page.get_by_test_id("crosswalk-save").click()
    assert download.value.suggested_filename == "SECRET-crosswalk.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def _rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode())))


def test_a_crosswalk_as_the_command_line_makes_it(ready: Page, inputs: list[Path], tmp_path: Path) -> None:
    """The same tables, byte for byte; what is shared has nothing of them, and nothing is sent."""
    _, crosswalk = _command_line(inputs, tmp_path)
    _keyed(ready, tmp_path)
    open_files(ready, inputs)
    clean(ready)
    requests: list[str] = []
    ready.on("request", lambda request: requests.append(request.url))
    assert _crosswalk(ready) == crosswalk
    assert len(_rows(crosswalk["uid_mapping.csv"])) > 10
    ready.get_by_test_id("report-close").click()
    saved = save(ready)
    assert not [name for name in saved if name.endswith((".csv", ".zip"))]
    assert secrets_in(saved.values()) == []
    assert [url for url in requests if not url.startswith("blob:")] == []


def test_the_step_is_deliberate(ready: Page) -> None:
    """By keyboard: unticked it saves nothing, Escape and Cancel leave, a tick is asked for each time."""
    open_files(ready, [payload(builders.ct())])
    clean(ready)
    press(ready, "report-page")
    expect(ready.get_by_test_id("report-view")).to_be_visible(timeout=WAIT)
    dialog, keys = ready.get_by_test_id("crosswalk-dialog"), ready.keyboard
    downloads: list[Download] = []
    ready.on("download", lambda download: downloads.append(download))  # noqa: PLW0108 - asked for its names
    press(ready, "crosswalk")
    expect(dialog).to_contain_text("Whoever has it can undo the pseudonyms")
    expect(dialog).to_contain_text("not encrypted")
    press(ready, "crosswalk-save")
    expect(dialog).to_be_visible()
    expect(ready.get_by_test_id("crosswalk-understood")).to_be_focused()  # the browser says why
    keys.press(" ")
    expect(ready.get_by_test_id("crosswalk-understood")).to_be_checked()
    press(ready, "crosswalk-cancel")
    expect(dialog).to_be_hidden()
    press(ready, "crosswalk")
    expect(ready.get_by_test_id("crosswalk-understood")).not_to_be_checked()
    keys.press("Escape")
    expect(dialog).to_be_hidden()
    expect(ready.get_by_test_id("report-view")).to_be_visible()
    ready.wait_for_timeout(500)
    assert downloads == []
    press(ready, "crosswalk")
    tab_to(ready, "crosswalk-understood")
    keys.press(" ")
    tab_to(ready, "crosswalk-save")
    with ready.expect_download(timeout=WAIT):
        keys.press("Enter")
    expect(ready.get_by_test_id("crosswalk")).to_be_focused()


def test_only_what_came_out_clean_is_in_the_crosswalk(ready: Page) -> None:
    """Not who was left out; covered images are, under the random key of this page as under any other."""
    covered, waiting, refused = screen(1), screen(2), builders.ct(number=3)
    waiting.PatientID, waiting.PatientName = "PID-WAITS", "Waits^Name"
    waiting.SOPInstanceUID = UID("1.2.3.4.5.6.7.8.9")
    refused.PatientID, refused.SOPClassUID = "PID-REFUSED", "1.2.40.0.13.1.5.1"
    names = ("covered.dcm", "waiting.dcm", "refused.dcm")
    files = [payload(ds, name) for ds, name in zip((covered, waiting, refused), names, strict=True)]
    open_files(ready, files)
    row(ready, "covered.dcm").click()
    shown(ready)
    ready.get_by_test_id("tool-cover").click()
    ready.get_by_test_id("add-covering").click()
    clean(ready)
    (output,) = [name for name in save(ready) if name.endswith(".dcm")]
    tables = _crosswalk(ready)
    assert _rows(tables["patid_mapping.csv"])[1:] == [[str(covered.PatientID), output.split("/")[0]]]
    uids = dict(_rows(tables["uid_mapping.csv"]))
    assert uids[str(covered.SOPInstanceUID)] == output.split("/")[-1].removesuffix(".dcm")
    assert "1.2.3.4.5.6.7.8.9" not in uids


def test_the_crosswalk_is_whole_or_not_at_all(ready: Page, inputs: list[Path]) -> None:
    """A file that has changed since it was cleaned is named by its code, and nothing is saved."""
    open_files(ready, inputs)
    clean(ready)
    inputs[1].write_bytes(builders.encode(builders.ct(patient=OTHER, number=9)) + bytes(2))
    downloads: list[Download] = []
    ready.on("download", lambda download: downloads.append(download))  # noqa: PLW0108 - asked for its names
    _ask(ready)
    ready.get_by_test_id("crosswalk-understood").check()
    ready.get_by_test_id("crosswalk-save").click()
    notice = ready.get_by_test_id("notices").locator("[data-text='code.unreadable']")
    expect(notice).not_to_be_empty(timeout=WAIT)
    expect(ready.get_by_test_id("cancel")).to_be_hidden(timeout=WAIT)
    assert downloads == []


def test_the_single_file_has_both(
    dist: Path, page: Page, context: BrowserContext, inputs: list[Path], tmp_path: Path
) -> None:
    """From disk and without a network: the command line's DICOMDIR and tables."""
    media, crosswalk = _command_line(inputs, tmp_path)
    context.set_offline(True)
    page.goto((dist / "dicomveil.html").as_uri())
    page.locator(READY).wait_for(state="attached", timeout=WAIT)
    _keyed(page, tmp_path)
    open_files(page, inputs)
    clean(page)
    page.get_by_test_id("dicomdir").check()
    assert save(page)["DICOMDIR"] == media["DICOMDIR"]
    assert _crosswalk(page) == crosswalk
    state(page, "done")
