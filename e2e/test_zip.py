"""A ZIP as an input: opened like a folder, never more than it says, and refused row by row."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import pytest
from e2e.journey import (
    HOLD,
    WAIT,
    Server,
    choose,
    clean,
    instances,
    open_files,
    payload,
    read,
    row,
    rows,
    save,
    shown,
    state,
)
from e2e.pictures import screen
from playwright.sync_api import FilePayload, Page, expect

import builders
import processes
import synthetic
from watching import Watch

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
IMAGES = [builders.encode(builders.ct(number=number)) for number in range(1, 5)]


def _zip(files: dict[str, tuple[bytes, int]]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, (data, method) in files.items():
            archive.writestr(name, data, method)
    return made.getvalue()


def _given(content: bytes, name: str = "export.zip") -> FilePayload:
    return {"name": name, "mimeType": "application/zip", "buffer": content}


def _codes(page: Page) -> dict[str, str | None]:
    """Return the code of each refused file by its name."""
    found = page.get_by_test_id("files").locator("[data-status=refused]").all()
    return {line.inner_text().split()[0]: line.get_attribute("data-code") for line in found}


def test_a_zip_from_the_archive_goes_the_whole_way(ready: Page) -> None:
    """Stored and deflated images, folders, junk and a DICOMDIR: as from a folder; pixels are as they were."""
    shot = screen(9)
    content = _zip(
        {
            "Zwicklhuber/": (b"", STORED),
            "Zwicklhuber/S1/IM1": (IMAGES[0], STORED),
            "Zwicklhuber/S1/IM2": (IMAGES[1], DEFLATED),
            "Zwicklhuber/S1/deep/er/IM3": (IMAGES[2], DEFLATED),
            "Zwicklhuber/screen": (builders.encode(shot), DEFLATED),
            "Zwicklhuber/readme.txt": (b"How to use the viewer" * 100, DEFLATED),
            "Zwicklhuber/viewer.jar": (_zip({"META-INF/MANIFEST.MF": (b"1", STORED)}), STORED),
            "Zwicklhuber/empty": (b"", STORED),
            "__MACOSX/Zwicklhuber/._IM1": (b"\0\5\x16\7", STORED),
        }
    )
    open_files(ready, [_given(content, "no name that tells"), payload(builders.ct(number=4), "plain.dcm")])
    assert sorted(found.status for found in rows(ready)) == ["attention", *["ready"] * 4, *["refused"] * 3]
    assert _codes(ready) == {"readme.txt": "not-dicom", "viewer.jar": "zip-nested", "empty": "not-dicom"}
    expect(ready.get_by_test_id("status")).to_have_attribute("data-total", "8")
    choose(ready, "screen")
    shown(ready)
    clean(ready)
    files = save(ready)
    outputs = {int(ds.InstanceNumber): ds for ds in map(read, instances(files).values())}
    assert {number: ds.PixelData for number, ds in outputs.items()} == {
        number: builders.ct(number=number).PixelData for number in (1, 2, 3, 4)
    }
    report = json.loads(files["report.json"])
    assert [entry["input"] for entry in report["files"]] == list(range(1, 9))
    everything = [*files.values(), *(name.encode() for name in files)]
    assert not any(b"Zwicklhuber" in data or b"deep/er" in data for data in everything)


def test_what_a_zip_holds_is_what_the_file_is(ready: Page) -> None:
    """The same image plain, stored and deflated is cleaned to the same bytes, which leave once."""
    content = _zip({"a": (IMAGES[0], STORED), "b": (IMAGES[0], DEFLATED)})
    open_files(ready, [payload(builders.ct(number=1), "c.dcm"), _given(content)])
    clean(ready)
    assert [found.status for found in rows(ready)] == ["clean"] * 3
    assert len(instances(save(ready))) == 1


def _broken(content: bytes, name: str, changes: dict[int, tuple[str, int]]) -> bytes:
    """Change the directory's entry of a file, by offsets in it."""
    data = bytearray(content)
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    for offset, (form, value) in changes.items():
        struct.pack_into(form, data, at + offset, value)
    return bytes(data)


def test_entries_that_cannot_be_read_say_why(ready: Page) -> None:
    """More than was declared, less, another checksum, no end, encrypted, unknown; the others go on."""
    names = ("more", "less", "checksum", "noise", "locked", "unknown", "bombastic")
    files = dict.fromkeys(names, (IMAGES[0], DEFLATED)) | {"good": (IMAGES[1], DEFLATED)}
    files["bombastic"] = (bytes(100 << 20), DEFLATED)
    content = _zip(files)
    size, packed = len(IMAGES[0]), zipfile.ZipFile(io.BytesIO(content)).getinfo("noise").compress_size
    for name, changes in {
        "more": {24: ("<I", size - 1)},
        "less": {24: ("<I", size + 1)},
        "checksum": {16: ("<I", 1)},
        "noise": {20: ("<I", packed - 7)},
        "locked": {8: ("<H", 1)},
        "unknown": {10: ("<H", 14)},
        "bombastic": {24: ("<I", 1000)},
    }.items():
        content = _broken(content, name, changes)
    open_files(ready, [_given(content)])
    expected = dict.fromkeys(("more", "less", "checksum", "noise", "bombastic"), "zip-damaged")
    assert _codes(ready) == {**expected, "locked": "zip-encrypted", "unknown": "zip-unsupported"}
    assert [found.status for found in rows(ready)].count("ready") == 1
    clean(ready)
    assert len(instances(save(ready))) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (_zip({}), "zip-empty"),
        (_zip({"IM1": (IMAGES[0], STORED)})[:-30], "zip-damaged"),
        (_broken(_zip({"IM1": (IMAGES[0], STORED)}), "IM1", {20: ("<I", 1 << 30)}), "zip-damaged"),
        (_zip({"[Content_Types].xml": (b"<Types/>", STORED)}), "not-dicom"),
    ],
)
def test_a_zip_that_cannot_be_opened_is_a_row(ready: Page, content: bytes, code: str) -> None:
    """It says why, and other files are read."""
    open_files(ready, [_given(content), payload(builders.ct(), "plain.dcm")])
    expect(row(ready, "export.zip")).to_have_attribute("data-code", code)
    expect(row(ready, "plain.dcm")).to_have_attribute("data-status", "ready")


def test_zips_in_folders_and_drops_are_opened(ready: Page, tmp_path: Path) -> None:
    """A folder with two ZIPs and an image; and another ZIP that is dropped after it."""
    folder = tmp_path / "disc"
    folder.mkdir()
    for number, image in enumerate(IMAGES[:2], 1):
        (folder / f"{number}.zip").write_bytes(_zip({"IM": (image, DEFLATED)}))
    (folder / "IM3").write_bytes(IMAGES[2])
    ready.get_by_test_id("open-folder").set_input_files(folder)
    state(ready, "review")
    ready.evaluate(
        """(bytes) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([new Uint8Array(bytes)], "dropped"));
          const options = { dataTransfer, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new DragEvent("drop", options));
        }""",
        list(_zip({"IM": (IMAGES[3], STORED)})),
    )
    expect(ready.get_by_test_id("files")).to_have_attribute("data-total", "4", timeout=WAIT)
    state(ready, "review")
    assert [found.status for found in rows(ready)] == ["ready"] * 4


def test_a_large_zip_can_be_cancelled_and_opened_again(page: Page, server: Server, tmp_path: Path) -> None:
    """600 deflated images: reading stops and keeps what was read; then all are, while the page answers."""
    synthetic.write_archive(tmp_path / "in", 600)
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", DEFLATED) as archive:
        for file in sorted((tmp_path / "in").rglob("*")):
            archive.write(file, file.relative_to(tmp_path / "in"))
    watch = Watch(page)
    page.add_init_script(HOLD)
    page.goto(server.url)
    state(page, "empty")
    page.evaluate("() => { holding = 'inspect'; passing = 21; }")
    page.get_by_test_id("open-files").set_input_files(path)
    expect(page.get_by_test_id("status")).to_have_attribute("data-done", "20")  # one more is the ZIP itself
    page.get_by_test_id("cancel").click()
    state(page, "review")
    files = page.get_by_test_id("files")
    expect(files).to_have_attribute("data-total", "20")
    page.get_by_test_id("start-over").click()
    state(page, "empty")
    page.evaluate("() => letGo()")
    watch.longest_task()
    waited = processes.waiting()
    open_files(page, [path])
    for name, count in {"total": 606, "ready": 600, "refused": 6}.items():
        expect(files).to_have_attribute(f"data-{name}", str(count))
    assert watch.longest_task() < 500 * processes.waiting().stretch(waited)  # ms
