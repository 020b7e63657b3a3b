"""What lies in a ZIP: where each file's bytes are, and what is refused."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest

import builders
from dicomveil import browser, zip_reading
from dicomveil.errors import CODES, Refused
from dicomveil.source import BytesSource
from dicomveil.zip_reading import ZipEntry, entry_data, is_zip, zip_entries
from dicomveil.zip_writing import zip_headers

IMAGE = builders.encode(builders.ct())


def _zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, *, comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.comment = comment
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def _content(data: bytes, entry: ZipEntry) -> bytes:
    """Take an entry out as the page and the browser do."""
    region = data[entry.start : entry.end]
    offset, length = entry_data(BytesSource(region), entry.packed)
    packed = region[offset : offset + length]
    content = zlib.decompress(packed, wbits=-15) if entry.deflated else packed
    assert (len(content), zlib.crc32(content)) == (entry.size, entry.crc)
    return content


def _code(data: bytes) -> str:
    with pytest.raises(Refused) as refused:
        zip_entries(BytesSource(data))
    return refused.value.code


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("before", [b"", b"MZ" + bytes(5000)], ids=["plain", "with something before it"])
def test_every_file_is_found(method: int, before: bytes) -> None:
    """Files at every depth, empty ones, and names of other alphabets; whatever lies before the ZIP."""
    files = {"STUDY/SERIES/IM1": IMAGE, "étude/ü.dcm": IMAGE[::-1], "empty": b"", "DICOMDIR": b"x"}
    data = before + _zip(files, method, comment=b"from the archive")
    entries = zip_entries(BytesSource(data))
    assert {entry.path: _content(data, entry) for entry in entries} == files
    assert all(entry.code is None for entry in entries)


def test_a_zip_that_was_written_in_one_go_is_read() -> None:
    """Where sizes follow the data (general purpose bit 3) the directory has them."""

    class _Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise io.UnsupportedOperation

    made = _Pipe()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("IM1", IMAGE)
        archive.writestr("IM2", b"two")
    data = made.getvalue()
    assert [_content(data, entry) for entry in zip_entries(BytesSource(data))] == [IMAGE, b"two"]


def test_large_zips_are_read_by_their_ends() -> None:
    """Of a ZIP of 5 GiB only the directory and an entry's header are read."""
    first, second, end = zip_headers([("large", 5 << 30, 0), ("IM1", 5, zlib.crc32(b"after"))])
    tail = second + b"after" + end
    start = len(first) + (5 << 30)

    class _Sparse:
        size = start + len(tail)

        def read(self, offset: int, length: int) -> bytes:
            assert length < 100_000
            return tail[offset - start :][:length] if offset >= start else first[offset : offset + length]

    large, small = zip_entries(_Sparse())
    assert (large.size, large.end, small.start) == (5 << 30, start, start)
    assert tail[slice(*_span(tail[: small.end - start], small))] == b"after"


def _span(region: bytes, entry: ZipEntry) -> tuple[int, int]:
    offset, length = entry_data(BytesSource(region), entry.packed)
    return offset, offset + length


def test_directories_and_what_a_mac_adds_are_no_files() -> None:
    """Directories and ``__MACOSX/`` are left out; all else is listed, junk too, as in a folder."""
    files = {
        "A/": b"",
        "A\\": b"",
        "A\\IM2": b"0",
        "A/IM1": b"1",
        "__MACOSX/A/._IM1": b"2",
        "A/.DS_Store": b"3",
        "../../etc/passwd": b"4",
    }
    paths = [entry.path for entry in zip_entries(BytesSource(_zip(files)))]
    assert paths == ["A/IM2", "A/IM1", "A/.DS_Store", "../../etc/passwd"]


@pytest.mark.parametrize("files", [{}, {"A/": b""}, {"__MACOSX/x": b"1"}])
def test_a_zip_without_files_is_refused(files: dict[str, bytes]) -> None:
    """Nothing is passed over in silence."""
    assert _code(_zip(files)) == "zip-empty"


@pytest.mark.parametrize("name", ["META-INF/MANIFEST.MF", "[Content_Types].xml", "mimetype"])
def test_programs_and_documents_are_no_zips(name: str) -> None:
    """A viewer's JAR or a DOCX on a CD is one file that is not DICOM."""
    assert _code(_zip({name: b"x", "other": b"y"})) == "not-dicom"


def _central(change: Callable[[bytearray, int], None]) -> bytes:
    """Change the directory's entry of IM1, at the offset that is given."""
    data = bytearray(_zip({"IM1": IMAGE, "IM2": b"two"}))
    change(data, data.index(b"PK\x01\x02"))
    return bytes(data)


def _set(form: str, offset: int, value: int) -> Callable[[bytearray, int], None]:
    return lambda data, at: struct.pack_into(form, data, at + offset, value)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_set("<H", 8, 1), "zip-encrypted"),
        (_set("<H", 8, 0x41), "zip-encrypted"),
        (_set("<H", 8, 0x20), "zip-unsupported"),
        (_set("<H", 10, zipfile.ZIP_BZIP2), "zip-unsupported"),
        (_set("<H", 10, 99), "zip-unsupported"),
        (_set("<H", 10, zipfile.ZIP_STORED), "zip-damaged"),
        (_set("<I", 24, (1 << 30) + 1), "zip-too-large"),
        (_set("<I", 24, 0xFFFFFFFE), "zip-too-large"),
    ],
)
def test_an_entry_that_cannot_be_read_says_why(change: Callable[[bytearray, int], None], code: str) -> None:
    """The others go on."""
    data = _central(change)
    one, two = zip_entries(BytesSource(data))
    assert (one.code, two.code) == (code, None)
    assert _content(data, two) == b"two"


def test_a_bomb_is_refused() -> None:
    """What all deflated entries say to become is limited, whatever they are."""
    data = bytearray(_zip({f"IM{number}": b"x" for number in range(3)}))
    at, offsets = -1, []
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        offsets.append(at)
    for count, at in enumerate(offsets, 1):
        assert len(zip_entries(BytesSource(bytes(data)))) == 3, count
        struct.pack_into("<I", data, at + 24, 0xFFFFFFFE)
    assert _code(bytes(data)) == "zip-too-large"


def test_more_entries_than_a_person_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 100,000 are listed, no more; nor is a directory read that is larger than any."""
    most = zip_reading.MAX_ENTRIES
    listed = zip_entries(BytesSource(b"".join(zip_headers((str(n), 0, 0) for n in range(most)))))
    assert len(listed) == most
    assert _code(b"".join(zip_headers((str(n), 0, 0) for n in range(most + 1)))) == "zip-too-large"
    monkeypatch.setattr(zip_reading, "_MAX_DIRECTORY", 1000)
    assert _code(b"".join(zip_headers([("n" * 2000, 0, 0)]))) == "zip-too-large"


def test_entries_that_overlap_are_refused() -> None:
    """Neither two names for one range, nor an entry that reaches into the next, nor into the directory."""
    data = _zip({"IM1": IMAGE, "IM2": b"two"})
    one, two = zip_entries(BytesSource(data))
    central = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", central + 1)
    for at, field, value in (
        (second, 42, one.start),  # the offset of the local header
        (second, 42, one.start + 40),
        (central, 42, two.start + 1),
        (central, 20, two.start - one.start - 29),  # the length of the data
        (second, 20, 0x7FFFFFFF),
    ):
        broken = bytearray(data)
        struct.pack_into("<I", broken, at + field, value)
        assert _code(bytes(broken)) == "zip-damaged", (field, value)


@pytest.mark.parametrize("cut", [1, 20, 60, 500])
def test_a_zip_that_ends_early_is_refused(cut: int) -> None:
    """Without its directory nothing is known of it."""
    assert _code(_zip({"IM1": IMAGE, "IM2": b"two"})[:-cut]) == "zip-damaged"


def test_whatever_is_changed_the_end_is_a_code() -> None:
    """A byte changed anywhere in the directory gives entries in the ZIP, or a code; never another error."""
    data = _zip({"IM1": IMAGE, "IM2": b"two"})
    for at in range(data.index(b"PK\x01\x02"), len(data)):
        for value in (0, 1, 0x7F, 0xFF):
            changed = bytearray(data)
            changed[at] = value
            try:
                entries = zip_entries(BytesSource(bytes(changed)))
            except Refused as error:
                assert error.code in CODES  # noqa: PT017 - either end is right
            else:
                assert all(0 <= entry.start < entry.end <= len(data) for entry in entries)


@pytest.mark.parametrize(
    "region",
    [b"", b"PK\x03\x04", b"PK\x01\x02" + bytes(40), b"PK\x03\x04" + bytes(22) + b"\xff\xff\0\0" + bytes(40)],
)
def test_an_entry_without_its_header_is_refused(region: bytes) -> None:
    """The data have to lie behind a header, and before the next entry."""
    with pytest.raises(Refused) as refused:
        entry_data(BytesSource(region), 10)
    assert refused.value.code == "zip-damaged"


class _Piece(bytes):
    """Bytes in the place of a Uint8Array."""

    def to_bytes(self) -> bytes:
        return self


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[int, bytes]:
    """Give files by their handles to the boundary."""
    given: dict[int, bytes] = {}

    def read(handle: int, offset: int, length: int) -> _Piece:
        return _Piece(given[handle][offset : offset + length])

    monkeypatch.setattr(browser._State, "read", staticmethod(read), raising=False)
    return given


def test_the_page_is_told_what_lies_in_a_zip(files: dict[int, bytes]) -> None:
    """Inspected, a ZIP answers its entries; an entry, where its data are, or why they cannot be read."""
    data = _central(_set("<H", 8, 1))
    files[1] = data
    one, two = json.loads(browser.inspect(1, len(data)))["entries"]
    assert (one[0], one[-1], two[-1]) == ("IM1", "zip-encrypted", None)
    refused = json.loads(browser.unzip(2, 0, json.dumps(one)))
    assert refused["code"] == "zip-encrypted"
    files[2] = data[two[1] : two[2]]
    where = json.loads(browser.unzip(2, len(files[2]), json.dumps(two)))
    content = zlib.decompress(files[2][where["start"] : where["end"]], wbits=-15)
    assert (content, where["inflated"], where["crc"]) == (b"two", 3, zlib.crc32(b"two"))
    assert browser.crc32(_Piece(b"wo"), browser.crc32(_Piece(b"t"), 0)) == where["crc"]


def test_a_zip_in_a_zip_is_not_opened(files: dict[int, bytes]) -> None:
    """It is refused as what it is."""
    files[1] = _zip({"IM1": IMAGE})
    assert json.loads(browser.inspect(1, len(files[1]), True))["code"] == "zip-nested"


def test_an_image_that_begins_like_a_zip_is_an_image(files: dict[int, bytes]) -> None:
    """A preamble may hold anything (PS3.10, Section 7.1): DICM tells."""
    data = b"PK\x03\x04" + IMAGE[4:]
    files[1] = data
    assert is_zip(BytesSource(data))
    assert json.loads(browser.inspect(1, len(data)))["status"] == "ready"
    junk = b"no image, and no ZIP: a text"
    files[2] = junk
    assert json.loads(browser.inspect(2, len(junk)))["code"] == "not-dicom"
