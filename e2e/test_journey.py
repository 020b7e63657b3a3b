"""The main job: open, review, clean, save, upload; what people bring; what they change their minds about."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from e2e.journey import (
    HEARD,
    PYDICOM_FILES,
    WAIT,
    Server,
    Sink,
    choose,
    clean,
    instances,
    open_files,
    payload,
    pydicom_file,
    read,
    row,
    rows,
    save,
    secrets_in,
    shown,
    state,
    statuses,
    until,
)
from playwright.sync_api import FilePayload, Page, Route, expect

import builders
from dicomveil.errors import CODES


def test_files_of_pydicom_are_opened_reviewed_cleaned_and_saved(ready: Page) -> None:
    """Every file ends clean, waiting, or refused with a code; what is saved reads back."""
    files = [pydicom_file(name) for name in PYDICOM_FILES]
    open_files(ready, files)
    assert len(rows(ready)) == len(files)
    assert {found.status for found in rows(ready)} <= {"ready", "attention", "refused"}
    attention = sum(found.status == "attention" for found in rows(ready))
    assert attention > 0
    clean(ready)
    after = rows(ready)
    assert all(found.code for found in after if found.status in {"refused", "attention"})
    cleaned = sum(found.status == "clean" for found in after)
    assert cleaned >= 6
    saved = save(ready)
    outputs = instances(saved)
    assert len(outputs) == cleaned
    originals = {str(read(path.read_bytes()).get("PatientName", "")) for path in files} - {""}
    for name, content in outputs.items():
        ds = read(content)
        assert ds.PatientIdentityRemoved == "YES"
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert name.split("/")[0] == ds.PatientID
        assert name == f"{ds.PatientID}/{ds.StudyInstanceUID}/{ds.SeriesInstanceUID}/{ds.SOPInstanceUID}.dcm"
        assert str(ds.PatientName) not in originals


@pytest.mark.skipif(shutil.which("dcmdump") is None, reason="dcmtk is not installed")
def test_saved_files_open_in_dcmtk(ready: Page, tmp_path: Path) -> None:
    """Dcmdump of dcmtk reads what is saved, without a complaint."""
    open_files(ready, [payload(builders.ct()), payload(builders.sr())])
    clean(ready)
    for number, content in enumerate(instances(save(ready)).values()):
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(content)
        done = subprocess.run(["dcmdump", file], capture_output=True, text=True, check=False)  # noqa: S607
        assert done.returncode == 0
        assert done.stderr == ""


def test_pixels_are_identical_and_no_identifier_is_left(ready: Page) -> None:
    """Of a patient whose every attribute is known nothing comes out, and the pixels are as they were."""
    slices = [builders.ct(number=number) for number in (1, 2, 3)]
    open_files(ready, [payload(ds, f"{ds.InstanceNumber}.dcm") for ds in slices])
    clean(ready)
    saved = save(ready)
    assert secrets_in(saved.values()) == []
    assert secrets_in(name.encode() for name in saved) == []
    cleaned = sorted(
        (read(content) for content in instances(saved).values()), key=lambda ds: ds.InstanceNumber
    )
    assert [ds.PixelData for ds in cleaned] == [ds.PixelData for ds in slices]
    assert len({ds.SeriesInstanceUID for ds in cleaned}) == 1
    assert len({ds.SOPInstanceUID for ds in cleaned}) == len(slices)


def test_the_report_has_every_input_and_no_value(ready: Page) -> None:
    """One entry for each input in the order of opening, in the ZIP and alone; no name of an input."""
    junk: FilePayload = {"name": "Zwicklhuber.txt", "mimeType": "text/plain", "buffer": b"notes"}
    open_files(ready, [payload(builders.ct(), "Zwicklhuber-1.dcm"), junk, payload(builders.sc(), "sc.dcm")])
    clean(ready)
    with ready.expect_download() as download:
        ready.get_by_test_id("report").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    report = json.loads(text)
    assert [entry["input"] for entry in report["files"]] == [1, 2, 3]
    assert [entry["status"] for entry in report["files"]] == ["clean", "refused", "refused"]
    assert [entry["code"] for entry in report["files"]] == [None, "not-dicom", "pixels-need-review"]
    assert report["files"][0]["output"] in save(ready)
    assert secrets_in([text.encode()]) == []


def test_a_folder_is_opened_with_everything_in_it(ready: Page, tmp_path: Path) -> None:
    """Files at every depth are read; what is not DICOM is listed as refused."""
    deep = tmp_path / "disc" / "IMAGES" / "SERIES1"
    deep.mkdir(parents=True)
    for number in range(1, 4):
        (deep / f"IM{number}").write_bytes(builders.encode(builders.ct(number=number)))
    (tmp_path / "disc" / "viewer.exe").write_bytes(b"MZ" + bytes(500))
    (tmp_path / "disc" / "DICOMDIR").write_bytes(pydicom_file("DICOMDIR").read_bytes())
    (tmp_path / "disc" / "empty").write_bytes(b"")
    ready.get_by_test_id("open-folder").set_input_files(tmp_path / "disc")
    state(ready, "review")
    assert statuses(ready) == ["ready"] * 3 + ["refused"] * 3
    assert {found.code for found in rows(ready) if found.status == "refused"} == {"not-dicom", "dicomdir"}
    expect(row(ready, "DICOMDIR")).to_contain_text(CODES["dicomdir"][0])


def test_files_and_folders_are_dropped_together(ready: Page) -> None:
    """A drop of several files is opened like chosen ones."""
    content = [list(builders.encode(builders.ct(number=number))) for number in (1, 2)]
    ready.evaluate(
        """(files) => {
          const transfer = new DataTransfer();
          for (const [index, bytes] of files.entries())
            transfer.items.add(new File([new Uint8Array(bytes)], `${index}.dcm`));
          const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
          for (const type of ["dragenter", "dragover", "drop"])
            document.querySelector("[data-testid=drop-zone]").dispatchEvent(new DragEvent(type, options));
        }""",
        content,
    )
    state(ready, "review")
    assert statuses(ready) == ["ready", "ready"]


PASTE = """([target, files]) => {
  const clipboardData = new DataTransfer();
  for (const [index, bytes] of files.entries())
    clipboardData.items.add(new File([new Uint8Array(bytes)], `${index}.dcm`));
  const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
  document.querySelector(target).dispatchEvent(event);
  return event.defaultPrevented;
}"""


def test_files_are_pasted(ready: Page) -> None:
    """What is pasted is opened as a drop is; not so in a field for text, nor a text."""
    content = [list(builders.encode(builders.ct(number=number))) for number in (1, 2)]
    field = "[data-testid=passphrase]"
    assert ready.evaluate(PASTE, [field, content]) is False
    assert ready.evaluate(PASTE, ["body", []]) is False
    state(ready, "empty")
    assert ready.evaluate(PASTE, ["body", content]) is True
    state(ready, "review")
    assert ready.evaluate(PASTE, ["[data-testid=open-files]", content[:1]]) is True
    expect(ready.get_by_test_id("files")).to_have_attribute("data-total", "3", timeout=WAIT)
    state(ready, "review")
    assert statuses(ready) == ["ready"] * 3


def test_files_may_be_opened_while_python_starts(page: Page, server: Server) -> None:
    """What is opened before the page is ready is read as soon as it is."""
    held: list[Route] = []
    page.route("**/python/memory.bin", lambda route: held.append(route))  # noqa: PLW0108 - asked for its names
    page.goto(server.url, wait_until="domcontentloaded")
    page.get_by_test_id("open-files").set_input_files([payload(builders.ct())])
    state(page, "reading")
    until(page, lambda: held)
    (route,) = held
    route.continue_()
    state(page, "review")
    assert statuses(page) == ["ready"]


def test_more_files_can_be_added_after_cleaning(ready: Page) -> None:
    """A second batch joins the first under the same pseudonyms, and what was clean stays clean."""
    open_files(ready, [payload(builders.ct(number=1), "a.dcm")])
    clean(ready)
    open_files(ready, [payload(builders.ct(number=2), "b.dcm")])
    assert statuses(ready) == ["clean", "ready"]
    clean(ready)
    outputs = [read(content) for content in instances(save(ready)).values()]
    assert len(outputs) == 2
    assert len({(ds.PatientID, ds.SeriesInstanceUID) for ds in outputs}) == 1


def test_start_over_forgets_the_files(ready: Page) -> None:
    """Starting over leads back to the empty page."""
    open_files(ready, [payload(builders.ct())])
    ready.get_by_test_id("start-over").click()
    state(ready, "empty")
    assert rows(ready) == []
    expect(ready.get_by_test_id("drop-zone")).to_be_visible()


def test_the_example_goes_the_whole_way(ready: Page) -> None:
    """Nothing at hand: a made-up study is opened, what is proposed for it is taken, all is saved."""
    ready.get_by_test_id("example").click()
    state(ready, "review")
    assert sorted(statuses(ready)) == ["attention", "ready", "ready", "ready"]
    ready.get_by_test_id("next-attention").click()
    shown(ready)
    proposals = ready.get_by_test_id("proposals")
    proposals.locator("[data-reason=outside-ultrasound-regions]").click(timeout=WAIT)
    expect(row(ready, "ultrasound.dcm")).to_have_attribute("data-status", "ready")
    clean(ready)
    outputs = [read(content) for content in instances(save(ready)).values()]
    assert [ds.Modality for ds in outputs].count("CT") == 3
    (ultrasound,) = (ds for ds in outputs if ds.Modality == "US")
    assert not ultrasound.pixel_array[:56].any()
    assert ultrasound.pixel_array[100:200].any()
    assert ultrasound.BurnedInAnnotation == "NO"
    assert not any("Mirandel" in str(ds.PatientName) for ds in outputs)


def test_profiles_have_names_in_words(ready: Page) -> None:
    """A name chooses options; options choose the name; what is applied is what was shown."""
    open_files(ready, [payload(builders.ct())])
    ready.get_by_test_id("settings").click()
    picker, hint = ready.get_by_test_id("profile-preset"), ready.get_by_test_id("preset-hint")
    expect(picker).to_have_value("teaching")
    picker.select_option("research")
    for option in ("clean_descriptors", "clean_structured_content", "retain_patient_characteristics"):
        expect(ready.get_by_test_id(f"option-{option}")).to_be_checked()
    expect(hint).to_contain_text("age, sex, size and weight stay")
    ready.get_by_test_id("mode-passphrase").check()
    picker.select_option("anonymous")
    expect(ready.get_by_test_id("mode-anonymize")).to_be_checked()
    ready.get_by_test_id("mode-passphrase").check()
    expect(picker).to_have_value("custom")  # pseudonyms that can be linked are not anonymous
    ready.get_by_test_id("mode-anonymize").check()
    expect(picker).to_have_value("anonymous")
    expect(ready.get_by_test_id("option-retain_longitudinal_modified_dates")).not_to_be_checked()
    ready.get_by_test_id("option-retain_device_identity").check()
    expect(picker).to_have_value("custom")
    picker.select_option("research")
    ready.get_by_test_id("settings-apply").click()
    expect(ready.get_by_test_id("settings-dialog")).to_be_hidden()
    clean(ready)
    (content,) = instances(save(ready)).values()
    ds = read(content)
    assert ds.PatientSex == builders.ct().PatientSex
    assert {"113105", "113104", "113108", "113107"} <= {
        item.CodeValue for item in ds.DeidentificationMethodCodeSequence
    }
    ready.get_by_test_id("settings").click()
    expect(picker).to_have_value("research")


def test_what_was_decided_just_before_is_forgotten_too(ready: Page) -> None:
    """A change of a row that is not drawn yet when the files are forgotten brings none of them back."""
    open_files(ready, [payload(builders.sc())])
    shown(ready)
    expect(ready.get_by_test_id("confirm-pixels")).to_be_enabled()
    ready.evaluate(
        "() => ['confirm-pixels', 'start-over'].forEach("
        "(id) => document.querySelector(`[data-testid=${id}]`).click())"
    )
    state(ready, "empty")
    ready.evaluate("() => new Promise((later) => setTimeout(later, 300))")  # rows are drawn by then
    assert rows(ready) == []
    assert ready.get_by_test_id("files").text_content() == ""


def test_an_identifier_in_a_kept_text_stops_the_file(ready: Page) -> None:
    """A name hidden in an attribute that rules keep does not leave: verification finds it."""
    ds = builders.ct()
    ds.ConvolutionKernel = "ZWICKLHUBER"
    open_files(ready, [payload(ds), payload(builders.ct(number=2))])
    clean(ready)
    outputs = instances(save(ready))
    assert secrets_in(content.upper() for content in outputs.values()) == []
    assert not any(b"ZWICKLHUBER" in content.upper() for content in outputs.values())
    assert statuses(ready) in (["clean", "refused"], ["clean", "clean"])
    for found in rows(ready):
        assert found.status == "clean" or found.code == "identifier-remains"


def test_the_header_is_shown_before_and_after(ready: Page) -> None:
    """Each attribute has its old value, its new one, and the rule; it can be searched and narrowed."""
    open_files(ready, [payload(builders.ct())])
    ready.get_by_test_id("tab-header").click()
    table = ready.get_by_test_id("header")
    name = table.locator("tbody tr").filter(has_text="(0010,0010)")
    expect(name).to_contain_text("Zwicklhuber^Quirina", timeout=WAIT)
    expect(name).to_contain_text("PS3.15 E.1-1 Z")
    expect(table.locator("tbody tr").filter(has_text="(0028,0010)")).to_have_count(0)
    ready.get_by_test_id("changed-only").uncheck()
    expect(table.locator("tbody tr").filter(has_text="(0028,0010)")).to_have_count(1)
    ready.get_by_test_id("header-search").fill("patient's birth")
    expect(table.locator("tbody tr")).to_have_count(1)


def test_upload_stores_what_was_saved(ready: Page, server: Server) -> None:
    """The endpoint keeps exactly the bytes that the ZIP has, and the page says where they went."""
    open_files(ready, [payload(builders.mr(number=number), f"{number}.dcm") for number in (1, 2)])
    clean(ready)
    expect(ready.get_by_test_id("privacy")).to_have_attribute("data-phase", "nothing")
    saved = instances(save(ready))
    expect(ready.get_by_test_id("privacy")).to_have_attribute("data-phase", "nothing")
    ready.get_by_test_id("upload").click()
    expect(ready.get_by_test_id("privacy")).to_have_attribute("data-phase", "sent", timeout=WAIT)
    assert statuses(ready) == ["uploaded", "uploaded"]
    stored = {path.read_bytes() for path in server.storage.rglob("*") if path.is_file()}
    assert set(saved.values()) <= stored
    expect(ready.get_by_test_id("upload")).to_be_hidden()


def test_a_slow_disk_does_not_keep_chosen_files_waiting(ready: Page) -> None:
    """The start of the last one is read first; when that does not come, all are opened all the same."""
    ready.evaluate("""() => {
      globalThis.asked = 0;
      const pull = () => new Promise(() => { globalThis.asked += 1; });
      Blob.prototype.stream = () => new ReadableStream({ pull });
    }""")
    open_files(ready, [payload(builders.ct(number=n), f"{n}.dcm") for n in (1, 2)])
    assert statuses(ready) == ["ready", "ready"]
    assert ready.evaluate("globalThis.asked") == 1


def test_one_uid_with_two_contents_loses_neither(ready: Page) -> None:
    """Equal files leave once; other contents under the same SOP Instance UID leave under a number."""
    first, other = builders.ct(), builders.ct()
    other.InstanceNumber = 99
    inputs = [(first, "a.dcm"), (first, "b.dcm"), (other, "c.dcm")]
    open_files(ready, [payload(ds, name) for ds, name in inputs])
    clean(ready)
    files = save(ready)
    report = json.loads(files.pop("report.json"))
    names = sorted(files)
    assert len(names) == 2
    assert names[0].replace("-2.dcm", ".dcm") == names[1].replace("-2.dcm", ".dcm")
    assert {entry["output"] for entry in report["files"]} == set(names)
    numbered = [entry for entry in report["files"] if "duplicate-instance" in entry["warnings"]]
    assert [entry["input"] for entry in numbered] == [3]


def test_a_failed_upload_can_be_repeated(ready: Page, complaints: list[str]) -> None:
    """A file that the endpoint did not confirm stays clean with the reason, and is sent again on request."""
    open_files(ready, [payload(builders.ct())])
    clean(ready)
    ready.route("**/studies", lambda route: route.abort())
    ready.get_by_test_id("upload").click()
    expect(row(ready, "image.dcm")).to_have_attribute("data-code", "upload-unreachable", timeout=WAIT)
    assert statuses(ready) == ["clean"]
    ready.unroute("**/studies")
    ready.get_by_test_id("upload").click()
    expect(row(ready, "image.dcm")).to_have_attribute("data-status", "uploaded", timeout=WAIT)
    complaints.clear()  # the browser itself reports the aborted request


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [(401, {}, "upload-unauthorized"), (413, {}, "upload-too-large"), (200, {}, "upload-failed")],
)
def test_only_a_confirmed_file_counts_as_sent(
    ready: Page, complaints: list[str], status: int, body: dict[str, Any], code: str
) -> None:
    """Whatever else an endpoint answers, a file that it does not name as stored was not sent."""

    def answer(route: Route) -> None:
        route.fulfill(status=status, json=body)

    open_files(ready, [payload(builders.ct())])
    clean(ready)
    ready.route("**/studies", answer)
    ready.get_by_test_id("upload").click()
    expect(row(ready, "image.dcm")).to_have_attribute("data-code", code, timeout=WAIT)
    assert statuses(ready) == ["clean"]
    complaints.clear()


def test_a_passphrase_gives_the_same_pseudonyms_again(ready: Page, server: Server) -> None:
    """Two sessions with one passphrase agree; an anonymous one does not agree with them."""

    def patient(passphrase: str | None) -> str:
        ready.goto(server.url)
        state(ready, "empty")
        if passphrase:
            ready.get_by_test_id("settings").click()
            ready.get_by_test_id("mode-passphrase").check()
            ready.get_by_test_id("passphrase").fill(passphrase)
            ready.get_by_test_id("settings-apply").click()
            expect(ready.get_by_test_id("settings-dialog")).to_be_hidden(timeout=WAIT)
        open_files(ready, [payload(builders.ct())])
        clean(ready)
        (name,) = instances(save(ready))
        return name

    first, second, anonymous = patient("blaue Möwe 17"), patient("blaue Möwe 17"), patient(None)
    assert first == second
    assert anonymous != first


def test_settings_void_what_was_cleaned_under_others(ready: Page) -> None:
    """A changed option leads back to review: nothing made under the old settings can be saved."""
    open_files(ready, [payload(builders.ct())])
    clean(ready)
    ready.get_by_test_id("settings").click()
    ready.get_by_test_id("option-retain_patient_characteristics").check()
    ready.get_by_test_id("settings-apply").click()
    state(ready, "review")
    expect(ready.get_by_test_id("save")).to_be_hidden()
    assert statuses(ready) == ["ready"]
    clean(ready)
    (content,) = instances(save(ready)).values()
    assert read(content).PatientSex == "F"


def test_a_short_passphrase_is_refused_in_the_sheet(ready: Page) -> None:
    """What the core would not take is said where it was typed, and the old settings stay."""
    ready.get_by_test_id("settings").click()
    ready.get_by_test_id("mode-passphrase").check()
    ready.get_by_test_id("passphrase").fill("short")
    ready.get_by_test_id("settings-form").evaluate("(form) => form.noValidate = true")
    ready.get_by_test_id("settings-apply").click()
    expect(ready.get_by_test_id("settings-error")).not_to_be_empty()
    expect(ready.get_by_test_id("settings-dialog")).to_be_visible()


@pytest.mark.parametrize(
    ("passphrase", "level"),
    [
        ("x7!Kq9#", "short"),
        ("Password1!", "weak"),
        ("12345678901234567890", "weak"),
        ("abcdefghijklmnopqrstuvwxyz", "weak"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "weak"),
        ("qwertyuiop", "weak"),
        ("a1a1a1a1a1a1a1a1", "weak"),
        ("blaue Möwe 17", "fair"),
        ("correct horse battery staple", "good"),
        ("Kd8#vT2!pQ7zRw4$mX9b", "strong"),
        ("gravel oxidize unveil blimp snooze parka", "strong"),
    ],
)
def test_the_strength_of_a_passphrase_is_said(ready: Page, dist: Path, passphrase: str, level: str) -> None:
    """In a word and as a meter: what repeats, follows or spells a word counts little."""
    ready.get_by_test_id("settings").click()
    said, meter = ready.get_by_test_id("strength-said"), ready.get_by_test_id("strength")
    expect(meter).to_be_hidden()
    ready.get_by_test_id("mode-passphrase").check()
    expect(said).to_be_empty()
    ready.get_by_test_id("passphrase").fill(passphrase)
    english = json.loads((dist / "locales" / "en.json").read_text(encoding="utf-8"))
    expect(said).to_have_text(english[f"strength.{level}"])
    value = float(meter.evaluate("(meter) => meter.value"))
    lowest = {"short": 0, "weak": 0, "fair": 30, "good": 45, "strong": 60}[level]
    assert lowest < value < {0: 30, 30: 45, 45: 60, 60: 76}[lowest]
    ready.get_by_test_id("passphrase").fill("")
    expect(said).to_be_empty()
    assert meter.evaluate("(meter) => meter.value") == 0


def test_the_strength_does_not_chatter(ready: Page) -> None:
    """The live region changes when the word does, not with each key; it follows the language."""
    ready.get_by_test_id("settings").click()
    ready.get_by_test_id("mode-passphrase").check()
    said = ready.get_by_test_id("strength-said")
    expect(said).to_have_attribute("role", "status")
    said.evaluate(
        """(said) => { window.changes = 0;
          new MutationObserver(() => { window.changes += 1; }).observe(said, { childList: true });
        }"""
    )
    ready.get_by_test_id("passphrase").press_sequentially("correct horse battery")
    assert ready.evaluate("window.changes") == 3  # too short, weak, fair


def test_a_profile_is_preloaded_by_address(page: Page, server: Server) -> None:
    """?profile= names a profile of this origin that holds from the start."""
    profile = {"dicomveil_profile": 1, "name": "p", "options": ["retain_patient_characteristics"]}
    page.route("**/my-profile.json", lambda route: route.fulfill(json=profile))
    page.goto(f"{server.url}?profile=my-profile.json")
    state(page, "empty")
    open_files(page, [payload(builders.ct())])
    clean(page)
    (content,) = instances(save(page)).values()
    ds = read(content)
    assert ds.PatientSex == "F"
    assert ds.get("AcquisitionDate", "") == ""


def test_a_wrong_profile_stops_the_page(page: Page, server: Server) -> None:
    """A profile that cannot be honoured is not ignored: nothing can be cleaned without it."""
    profile = {"dicomveil_profile": 1, "name": "p", "options": ["keep_everything"]}
    page.route("**/my-profile.json", lambda route: route.fulfill(json=profile))
    page.goto(f"{server.url}?profile=my-profile.json")
    state(page, "failed")


def test_a_profile_of_another_origin_is_not_loaded(page: Page, server: Server, sink: Sink) -> None:
    """?profile= cannot make the page talk to anybody else."""
    page.goto(f"{server.url}?profile={sink.url}profile.json")
    state(page, "failed")
    assert sink.requests == 0


def test_the_folder_of_choice_gets_the_files(ready: Page) -> None:
    """Every file is written below its new path (in the test the picker gives a private folder)."""
    ready.evaluate("() => { window.showDirectoryPicker = () => navigator.storage.getDirectory(); }")
    open_files(ready, [payload(builders.ct())])
    clean(ready)
    (name,) = instances(save(ready))
    ready.get_by_test_id("save-folder").click()
    expect(ready.get_by_test_id("cancel")).to_be_hidden(timeout=WAIT)
    size = ready.evaluate(
        """async (name) => {
          let folder = await navigator.storage.getDirectory();
          const parts = name.split("/");
          for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part);
          return (await (await folder.getFileHandle(parts.at(-1))).getFile()).size;
        }""",
        name,
    )
    assert size == len(save(ready)[name])


def test_the_chosen_file_is_described(ready: Page) -> None:
    """Choosing a row shows that file."""
    open_files(
        ready, [payload(builders.ct(number=1), "one.dcm"), payload(builders.mr(number=7), "seven.dcm")]
    )
    choose(ready, "seven.dcm")
    shown(ready)
    expect(ready.get_by_test_id("detail-facts")).to_contain_text("MR Image Storage")


def test_the_library_may_come_late(page: Page, server: Server) -> None:
    """Python starts before it has what it imports later: no file is refused for it."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/python/core.zip", hold)
    page.add_init_script(HEARD)
    page.goto(server.url)
    until(page, lambda: held and "ready" in page.evaluate("() => heard"))
    (route,) = held
    route.continue_()
    state(page, "empty")
    open_files(page, [payload(builders.ct(number=number), f"{number}.dcm") for number in range(1, 9)])
    clean(page)
    assert statuses(page) == ["clean"] * 8


@pytest.mark.parametrize("changed", ["gone", "another"])
def test_a_file_that_changes_after_it_was_opened_is_unreadable(
    ready: Page, tmp_path: Path, changed: str
) -> None:
    """It is refused with a code of its own, the others come out; back in its place, it is cleaned as well."""
    paths = [tmp_path / f"{number}.dcm" for number in (1, 2)]
    for number, path in enumerate(paths, 1):
        path.write_bytes(builders.encode(builders.ct(number=number)))
    kept = tmp_path / "kept"
    open_files(ready, paths)
    shutil.copy2(paths[0], kept)
    if changed == "gone":
        paths[0].unlink()
    else:
        paths[0].write_bytes(b"DICM" * 5000)
    clean(ready)
    expect(row(ready, "1.dcm")).to_have_attribute("data-code", "unreadable")
    expect(row(ready, "2.dcm")).to_have_attribute("data-status", "clean")
    shutil.copy2(kept, paths[0])
    clean(ready)
    assert statuses(ready) == ["clean", "clean"]
