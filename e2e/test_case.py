"""What a person says of the case: typed, checked against every open file, and then with all that leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from e2e.journey import (
    WAIT,
    Server,
    clean,
    instances,
    open_files,
    payload,
    press,
    read,
    save,
    secrets_in,
    state,
    statuses,
    tab_to,
)
from playwright.sync_api import FilePayload, Page, expect
from pydicom.dataset import Dataset

import builders
from dicomveil import case, schema
from dicomveil.source import BytesSource
from dicomveil.verifying import verify_instance

TITLE = "Rundherd der Lunge, größer"
NOTES = "Found by chance.\nDiagnosis: hamartoma."


def _files() -> list[FilePayload]:
    """Two slices, another patient's image, and one that is left out and is a third patient's."""
    other = builders.mr()
    other.PatientName, other.PatientID = "Obermoser^Balthasar", "PID-1122334"
    other.StudyInstanceUID = builders.PATIENT.uid(50)
    third = builders.ct(number=3)
    third.PatientName, third.SOPClassUID = "Unterhuber^Creszentia", "1.2.40.0.13.1.5.1"
    made = [builders.ct(number=1), builders.ct(number=2), other, third]
    return [payload(ds, f"{number}.dcm") for number, ds in enumerate(made, 1)]


def _describe(page: Page, **texts: str) -> None:
    """Open the sheet, type into it, and ask for the check."""
    page.get_by_test_id("case").click()
    for name, text in texts.items():
        page.get_by_test_id(f"case-{name}").fill(text)
    page.get_by_test_id("case-check").click()


def _taken(page: Page) -> None:
    expect(page.get_by_test_id("case-dialog")).to_be_hidden(timeout=WAIT)
    expect(page.get_by_test_id("case")).to_have_text("Case described")


def _key_objects(contents: list[bytes]) -> list[Dataset]:
    found = [read(content) for content in contents]
    return [ds for ds in found if ds.SOPClassUID == case.SOP_CLASS]


def test_the_case_is_in_the_zip(ready: Page) -> None:
    """case.json by its schema, and a document that verifies for each study; nothing of it is stored."""
    open_files(ready, _files())
    clean(ready)
    _describe(ready, title=f" {TITLE} ", tags="lung, nodule,, lung", notes=NOTES)
    _taken(ready)
    files = save(ready)
    content = json.loads(files["case.json"].decode())
    assert list(schema.violations(content, schema.case_schema())) == []
    assert (content["title"], content["tags"], content["notes"]) == (TITLE, ["lung", "nodule"], NOTES)
    documents = _key_objects(list(instances(files).values()))
    assert len(documents) == len(content["documents"]) == 2
    referenced = set()
    for place in content["documents"]:
        ds = read(files[place["file"]])
        assert verify_instance(BytesSource(files[place["file"]])).problems == ()
        assert (ds.StudyInstanceUID, ds.SOPInstanceUID) == (
            place["study_instance_uid"],
            place["sop_instance_uid"],
        )
        description, *items = ds.ContentSequence
        assert TITLE in description.TextValue
        referenced |= {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items}
    images = [read(content) for content in instances(files).values()]
    assert referenced == {ds.SOPInstanceUID for ds in images if ds.SOPClassUID != case.SOP_CLASS}
    assert json.loads(files["report.json"])["case"] == {
        "documents": [place["file"] for place in content["documents"]]
    }
    assert secrets_in(files.values()) == []
    assert ready.evaluate("() => [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("title", "Nodule of Quirina"),
        ("description", "Sent from Klinikum Fantasiestadt West"),
        ("tags", "lung, PID-7731904"),
        ("notes", "Seen on 2021-05-23.\nThen again."),
        ("notes", "Compare the one of Balthasar"),
        ("notes", "Sister of Creszentia"),
    ],
)
def test_what_identifies_is_not_taken(ready: Page, field: str, words: str) -> None:
    """A name of any open file, left out or not, a number, a place, a date: only the field is named."""
    open_files(ready, _files())
    clean(ready)
    _describe(ready, **({"title": TITLE} | {field: words}))
    error = ready.get_by_test_id("case-error")
    expect(error).to_contain_text("identifies the patient", timeout=WAIT)
    expect(ready.get_by_test_id(f"case-{field}")).to_have_attribute("aria-invalid", "true")
    expect(ready.get_by_test_id(f"case-{field}")).to_be_focused()
    assert ready.locator("[aria-invalid=true]").count() == 1
    text = error.text_content() or ""
    secrets = re.findall(r"Quirina|Klinikum|Fantasie|7731904|2021|Balthasar|Creszentia", words)
    assert secrets != []
    assert [secret for secret in secrets if secret in text] == []
    ready.keyboard.press("Escape")
    expect(ready.get_by_test_id("case")).to_have_text("Describe case")
    files = save(ready)
    assert "case.json" not in files
    assert _key_objects(list(instances(files).values())) == []


def test_a_file_that_is_added_later_is_checked_too(ready: Page) -> None:
    """A case that names the patient of a file opened afterwards does not leave, until it is mended."""
    open_files(ready, _files()[:2])
    clean(ready)
    _describe(ready, title="Balthasar's sign")
    _taken(ready)
    assert "case.json" in save(ready)
    ready.get_by_test_id("open-files").set_input_files(_files()[2])
    expect(ready.get_by_test_id("files").locator("[data-status]")).to_have_count(3, timeout=WAIT)
    state(ready, "review")
    clean(ready)
    ready.get_by_test_id("save").click()
    notices = ready.get_by_test_id("notices")
    expect(notices).to_contain_text("contains what identifies", timeout=WAIT)
    expect(ready.get_by_test_id("cancel")).to_be_hidden(timeout=WAIT)
    notices.evaluate("(element) => element.replaceChildren()")
    ready.get_by_test_id("upload").click()
    expect(notices).to_contain_text("contains what identifies", timeout=WAIT)
    expect(ready.get_by_test_id("privacy")).to_have_attribute("data-phase", "nothing")
    _describe(ready, title="A sign")
    _taken(ready)
    assert json.loads(save(ready)["case.json"])["title"] == "A sign"
    ready.get_by_test_id("case").click()
    ready.get_by_test_id("case-leave-out").click()
    expect(ready.get_by_test_id("case")).to_have_text("Describe case")
    assert "case.json" not in save(ready)


def test_a_change_that_is_not_taken_changes_nothing(ready: Page) -> None:
    """What identifies is refused, and the case that passed before is still the one that leaves."""
    open_files(ready, _files()[:1])
    clean(ready)
    _describe(ready, title=TITLE)
    _taken(ready)
    _describe(ready, title="Quirina")
    expect(ready.get_by_test_id("case-error")).not_to_be_empty(timeout=WAIT)
    ready.get_by_test_id("case-cancel").click()
    assert json.loads(save(ready)["case.json"])["title"] == TITLE
    ready.get_by_test_id("case").click()
    expect(ready.get_by_test_id("case-title")).to_have_value(TITLE)


def test_settings_have_the_case_checked_anew(ready: Page) -> None:
    """What an option let stay is a find without it."""
    open_files(ready, _files()[:2])
    ready.get_by_test_id("settings").click()
    ready.get_by_test_id("option-retain_institution_identity").check()
    ready.get_by_test_id("settings-apply").click()
    clean(ready)
    _describe(ready, title="From the Klinikum Fantasiestadt West")
    _taken(ready)
    ready.get_by_test_id("settings").click()
    ready.get_by_test_id("option-retain_institution_identity").uncheck()
    ready.get_by_test_id("settings-apply").click()
    state(ready, "review")
    clean(ready)
    ready.get_by_test_id("save").click()
    expect(ready.get_by_test_id("notices")).to_contain_text("contains what identifies", timeout=WAIT)


def test_what_cannot_be_checked_does_not_leave(ready: Page) -> None:
    """A file that is gone meanwhile: its patient's names are not known, so the case is not taken."""
    open_files(ready, _files()[:2])
    clean(ready)
    ready.evaluate(
        """() => { const slice = Blob.prototype.slice, post = Worker.prototype.postMessage;
          Worker.prototype.postMessage = function (message, ...more) {
            if (message.op === "case") message.args.file = new File([], "gone");
            return post.call(this, message, ...more); }; }"""
    )
    _describe(ready, title=TITLE)
    expect(ready.get_by_test_id("case-error")).not_to_be_empty(timeout=WAIT)
    expect(ready.get_by_test_id("case-dialog")).to_be_visible()
    ready.keyboard.press("Escape")
    assert "case.json" not in save(ready)


def test_starting_over_forgets_it(ready: Page) -> None:
    """The next files get nothing of it, nor does the sheet."""
    open_files(ready, _files()[:1])
    clean(ready)
    _describe(ready, title=TITLE, notes=NOTES)
    _taken(ready)
    ready.get_by_test_id("start-over").click()
    open_files(ready, _files()[:1])
    clean(ready)
    assert "case.json" not in save(ready)
    ready.get_by_test_id("case").click()
    for name in case.FIELDS:
        expect(ready.get_by_test_id(f"case-{name}")).to_have_value("")


def test_the_case_is_sent_to_the_endpoint(ready: Page, server: Server) -> None:
    """The real endpoint verifies and keeps the document; the page and the receipt tell of it."""
    open_files(ready, _files()[:2])
    clean(ready)
    ready.get_by_test_id("upload").click()
    expect(ready.get_by_test_id("privacy")).to_have_attribute("data-phase", "sent", timeout=WAIT)
    expect(ready.get_by_test_id("upload")).to_be_hidden()
    before = _stored(server)
    _describe(ready, title=TITLE, notes=NOTES)
    _taken(ready)
    ready.get_by_test_id("upload").click()  # the files are there already
    expect(ready.get_by_test_id("privacy")).to_contain_text("2 cleaned files and the case", timeout=WAIT)
    expect(ready.get_by_test_id("upload")).to_be_hidden()
    assert statuses(ready) == ["uploaded", "uploaded"]
    (sent,) = _key_objects([path.read_bytes() for path in _stored(server) - before])
    assert TITLE in sent.ContentSequence[0].TextValue
    with ready.expect_download() as download:
        ready.get_by_test_id("receipt").click()
    told = json.loads(Path(download.value.path()).read_text("utf-8"))["files"]
    assert [one["input"] for one in told] == [1, 2, None]
    assert told[2]["sop_instance_uid"] == sent.SOPInstanceUID
    assert told[2]["confirmed_by_digest"] is True


def _stored(server: Server) -> set[Path]:
    return set(server.storage.glob("*/*/*.dcm"))


def test_the_case_by_keyboard_alone(ready: Page) -> None:
    """Opened, filled in, checked and closed without a mouse; Escape keeps what was typed, takes nothing."""
    open_files(ready, _files()[:1])
    clean(ready)
    press(ready, "case")
    expect(ready.get_by_test_id("case-title")).to_be_focused()
    ready.keyboard.type(TITLE)
    ready.keyboard.press("Escape")
    expect(ready.get_by_test_id("case-dialog")).to_be_hidden()
    expect(ready.get_by_test_id("case")).to_be_focused()
    assert "case.json" not in save(ready)
    press(ready, "case")
    expect(ready.get_by_test_id("case-title")).to_have_value(TITLE)
    tab_to(ready, "case-notes")
    ready.keyboard.type("A note.")
    press(ready, "case-check")
    _taken(ready)
    expect(ready.get_by_test_id("case")).to_be_focused()
    assert json.loads(save(ready)["case.json"])["notes"] == "A note."
