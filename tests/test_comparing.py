"""The headers of a series as one: what is the same, what differs, how often, and what it becomes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest
from pydicom.dataset import Dataset

import builders
from dicomveil import browser, comparing, viewing
from dicomveil.comparing import MOST_COUNTED, MOST_LISTED, Comparison
from dicomveil.pipeline import Session
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.reading import read_instance
from dicomveil.source import BytesSource
from dicomveil.viewing import MAX_ROWS, Shown

NAME, KERNEL, SOP_INSTANCE = 0x00100010, 0x00181210, 0x00080018


class _Bytes:
    """What Pyodide makes of a Uint8Array."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def to_bytes(self) -> bytes:
        return self._data


def _row(before: str, action: str = "K", after: str | None = None, tag: int = KERNEL) -> dict[str, Any]:
    row = {"path": [], "tag": tag, "name": "", "keyword": "", "vr": "SH", "rule": "", "option": None}
    return row | {
        "reason": "",
        "action": action,
        "before": before,
        "after": before if action == "K" else after,
    }


def _shown(before: str, *, value: bytes | None = None, tag: int = KERNEL) -> Shown:
    return Shown((tag, 0), _row(before, tag=tag), before.encode() if value is None else value)


def _compared(images: Iterable[list[Shown]]) -> Comparison:
    found = Comparison()
    for number, shown in enumerate(images):
        found.add(number, shown)
    return found


def _the_row(table: dict[str, Any], tag: int) -> dict[str, Any]:
    (row,) = [row for row in table["rows"] if row["tag"] == tag and not row["path"]]
    return dict(row)


@pytest.fixture
def _keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser._State, "session", Session(Profile.default(), Pseudonyms(Key(bytes(32)))))


def _asked(files: list[bytes], request: dict[str, Any], handle: int = 0) -> dict[str, Any]:
    browser.connect(lambda handle, offset, length: _Bytes(files[handle][offset : offset + length]))
    answer: dict[str, Any] = json.loads(browser.series(handle, len(files[handle]), json.dumps(request)))
    return answer


def _table(data_sets: list[Dataset], *, syntaxes: list[str] | None = None) -> dict[str, Any]:
    """Return the table of a series by the page's way, an image at a time."""
    given = syntaxes or [builders.EXPLICIT] * len(data_sets)
    files = [builders.encode(ds, syntax) for ds, syntax in zip(data_sets, given, strict=True)]
    parts: list[str] = []
    for number in range(len(files)):
        parts = [_asked(files, {"place": number, "parts": parts}, number)["part"]]
    return _asked(files, {"parts": parts})


@pytest.mark.usefixtures("_keyed")
def test_what_is_the_same_is_there_once_and_what_differs_with_its_values() -> None:
    """Each row has what it was, what it becomes and by which rule; a value says in how many images it is."""
    images = [builders.ct(number=number) for number in (1, 2, 3)]
    images[1].ConvolutionKernel = "B70f"
    images[2].PatientName = "Other^Person"
    table = _table(images)
    assert (table["images"], table["cut"]) == (3, False)
    same = _the_row(table, 0x00080060)
    assert (same["before"], same["after"], same["action"]) == ("CT", "CT", "K")
    assert "values" not in same
    kernel = _the_row(table, KERNEL)
    assert (kernel["images"], kernel["distinct"], kernel["more"]) == (3, 2, False)
    found = [(value["before"], value["images"], value["first"]) for value in kernel["values"]]
    assert found == [(images[0].ConvolutionKernel, 2, 0), ("B70f", 1, 1)]
    name = _the_row(table, NAME)
    assert [value["before"] for value in name["values"]] == ["Zwicklhuber^Quirina", "Other^Person"]
    assert all(value["after"].startswith("DV-") for value in name["values"])
    assert name["changed"]
    uids = _the_row(table, SOP_INSTANCE)["values"]
    assert [value["action"] for value in uids] == ["U"] * 3
    assert len({value["after"] for value in uids}) == 3
    assert [row["tag"] for row in table["rows"] if not row["path"]] == sorted(
        row["tag"] for row in table["rows"] if not row["path"]
    )


@pytest.mark.usefixtures("_keyed")
def test_rows_are_those_of_each_image_alone() -> None:
    """Of one image the table is its header; of several, each of their rows is there, and no other."""
    images = [builders.ct(), builders.sr(), builders.enhanced_mr()]
    files = [builders.encode(ds) for ds in images]
    listed = set()
    for handle, data in enumerate(files):
        alone = _asked(files, {"place": 0, "parts": []}, handle)["part"]
        browser._State.instance = None
        header = json.loads(browser.header(handle, len(data), "{}"))
        assert _asked(files, {"parts": [alone]})["rows"] == header
        listed |= {(*row["path"], row["tag"], row["before"], row["after"]) for row in header}
    together = set()
    for row in _table(images)["rows"]:
        for value in row.get("values", [row]):
            together.add((*row["path"], row["tag"], value["before"], value["after"]))
    assert together == listed


@pytest.mark.usefixtures("_keyed")
def test_an_attribute_that_some_images_lack_differs() -> None:
    """It says how many have it, though they have the same."""
    images = [builders.ct(number=number) for number in (1, 2, 3)]
    images[1].ContrastBolusAgent = "agent"
    row = _the_row(_table(images), 0x00180010)
    assert (row["images"], row["distinct"]) == (1, 1)
    assert [(value["images"], value["first"]) for value in row["values"]] == [(1, 1)]


@pytest.mark.usefixtures("_keyed")
def test_items_are_compared_by_their_place() -> None:
    """What differs inside of an item is its own row; an item more is a difference of the sequence."""
    images = [builders.ct(number=number) for number in (1, 2)]
    images[1].AnatomicRegionSequence[0] = builders.code("39607008", "SCT", "Lung")
    images[1].AnatomicRegionSequence.append(builders.code("69536005", "SCT", "Head"))
    rows = {(*row["path"], row["tag"]): row for row in _table(images)["rows"]}
    sequence, first, second = 0x00082218, "(0008,2218)[1]", "(0008,2218)[2]"
    assert [value["before"] for value in rows[(sequence,)]["values"]] == ["[1]", "[2]"]
    assert [value["before"] for value in rows[first, 0x00080104]["values"]] == ["Head", "Lung"]
    assert "values" not in rows[first, 0x00080102]
    assert rows[second, 0x00080100]["images"] == 1
    places = [place for place in rows if place[0] in {sequence, first, second}]
    assert [place[0] for place in places] == [sequence] + [first] * 3 + [second] * 3


@pytest.mark.usefixtures("_keyed")
def test_a_sequence_that_is_removed_is_compared_by_what_is_in_it() -> None:
    """Its items are not listed, yet it differs where one of them does."""
    images = [builders.ct() for _ in range(3)]
    images[2].ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3.4"
    row = _the_row(_table(images), 0x00081140)
    found = [(value["before"], value["action"], value["images"]) for value in row["values"]]
    assert found == [("[1]", "X", 2), ("[1]", "X", 1)]


@pytest.mark.usefixtures("_keyed")
@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        pytest.param("ImageComments", ["a" * 300 + "1", "a" * 300 + "2"], id="a text longer than is shown"),
        pytest.param("RedPaletteColorLookupTableData", [b"\0\1" * 9, b"\0\2" * 9], id="bulk of one size"),
        pytest.param("ExposureInuAs", ["1", "+1"], id="a number written otherwise"),
        pytest.param("EventElapsedTimes", ["1", "1.0000000001"], id="decimals"),
        pytest.param("TemporalPositionTimeOffset", [1.23456789, 1.23456788], id="more digits than are shown"),
    ],
)
def test_what_looks_alike_may_differ(keyword: str, values: list[object]) -> None:
    """All of a value is compared, not what a row shows of it."""
    images = [builders.ct(number=number) for number in (1, 2)]
    for ds, value in zip(images, values, strict=True):
        setattr(ds, keyword, value)
    (row,) = [row for row in _table(images)["rows"] if row["keyword"] == keyword]
    assert row["distinct"] == 2


@pytest.mark.usefixtures("_keyed")
def test_the_encoding_makes_no_difference() -> None:
    """Byte order, and whether VRs are written: only private values, of unknown VR then, look otherwise."""
    images = [builders.mr() for _ in range(3)]
    table = _table(images, syntaxes=[builders.EXPLICIT, builders.IMPLICIT, builders.BIG_ENDIAN])
    assert {row["name"] for row in table["rows"] if "values" in row} == {"Private Attribute"}


def test_a_tag_that_occurs_twice_is_two_rows() -> None:
    """The second is compared with the second of other images."""
    twice = [_shown("a"), _shown("b")]
    table = _compared([twice, [_shown("a"), _shown("c")]]).table()
    assert [len(row.get("values", [])) for row in table["rows"]] == [0, 2]


@pytest.mark.usefixtures("_keyed")
def test_sequences_in_sequences_take_no_more_than_they_are() -> None:
    """What is compared of a removed sequence grows with what is in it, not with how deep it lies."""
    images = []
    for comment in ("a", "b"):
        inner = Dataset()
        inner.PixelPaddingValue, inner.ImageComments = 0, comment
        for _ in range(40):
            outer = Dataset()
            outer.ReferencedImageSequence = [inner]
            inner = outer
        ds = builders.ct()
        ds.ReferencedImageSequence = [inner]
        images.append(ds)
    instance = read_instance(BytesSource(builders.encode(images[0])))
    sequence = instance.head.find(0x00081140)
    assert sequence is not None
    assert len(viewing._content(instance.head, sequence, "SQ")) < 2000
    assert _the_row(_table(images), 0x00081140)["distinct"] == 2


def test_what_becomes_of_it_is_compared_as_well() -> None:
    """The same value kept in one image and removed in another is a difference, and a change."""
    kept = Shown((KERNEL, 0), _row("x"), b"x")
    removed = Shown((KERNEL, 0), _row("x", "X"), b"x")
    (row,) = _compared([[kept], [kept], [removed]]).table()["rows"]
    assert [(value["action"], value["images"]) for value in row["values"]] == [("K", 2), ("X", 1)]
    assert row["changed"]


def test_a_change_that_is_not_listed_counts() -> None:
    """An attribute is changed though the images that show it come after the values that are listed."""
    images = [[_shown(str(number))] for number in range(MOST_LISTED + 5)]
    images.append([Shown((KERNEL, 0), _row("x", "X"), b"x")])
    (row,) = _compared(images).table()["rows"]
    assert row["changed"]
    assert {value["action"] for value in row["values"]} == {"K"}


def test_values_beyond_a_number_are_only_counted() -> None:
    """The first are listed, in the order of the images; all are counted, up to a thousand."""
    numbers = [number // 2 for number in range(2 * MOST_COUNTED)]
    comparison = _compared([_shown(str(number))] for number in numbers)
    (row,) = comparison.table()["rows"]
    assert (row["distinct"], row["more"]) == (MOST_COUNTED, False)
    assert [value["before"] for value in row["values"]] == [str(number) for number in range(MOST_LISTED)]
    assert [value["images"] for value in row["values"]] == [2] * MOST_LISTED
    before = len(comparison.to_json())
    comparison.add(2 * MOST_COUNTED, [_shown("another")])
    (row,) = comparison.table()["rows"]
    assert (row["distinct"], row["more"]) == (MOST_COUNTED, True)
    assert [value["images"] for value in row["values"]] == [None] * MOST_LISTED
    assert len(comparison.to_json()) < before / 2


def test_what_is_held_does_not_grow_with_the_images() -> None:
    """After 2,000 images it is no more than after 1,100, whatever they have."""
    comparison = Comparison()
    sizes = []
    for number in range(2000):
        comparison.add(number, [_shown(f"{number:04}", tag=tag) for tag in range(0x00200000, 0x00200010)])
        sizes.append(len(comparison.to_json()) if number in {1099, 1999} else 0)
    assert sizes[1999] == sizes[1099]


def test_the_order_of_the_work_makes_no_difference() -> None:
    """Workers share a series: whoever compares what, and whatever is merged first, the table is the same."""
    chance = random.Random(7)
    images = [
        [_shown(str(chance.randrange(60)), tag=tag) for tag in range(20, 30) if chance.random() < 0.9]
        for _ in range(300)
    ]
    wanted = _compared(images).table()
    for _ in range(5):
        parts = [Comparison() for _ in range(7)]
        for number in chance.sample(range(len(images)), len(images)):
            chance.choice(parts).add(number, images[number])
        while len(parts) > 1:
            other = parts.pop(chance.randrange(len(parts)))
            chance.choice(parts).merge(Comparison.from_json(other.to_json()))
        assert parts[0].table() == wanted


def test_attributes_beyond_a_number_are_left_out_and_that_is_told() -> None:
    """Those that come first in the data set stay; what was not read of one image counts for none."""
    all_of_them = [_shown("x", tag=tag) for tag in range(MAX_ROWS + 1)]
    table = _compared([all_of_them[-10:], all_of_them]).table()
    assert table["cut"]
    assert [row["tag"] for row in table["rows"]] == list(range(MAX_ROWS))
    halves = [all_of_them[0::2], all_of_them[1::2]]
    assert _compared(halves).table()["cut"]
    assert len(_compared(halves).table()["rows"]) == MAX_ROWS
    assert not _compared([all_of_them[:-1]]).table()["cut"]


def test_with_many_differences_each_lists_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is not given more than it can show, and at least three of each."""
    monkeypatch.setattr(comparing, "_MOST_IN_TABLE", 100)
    for attributes, listed in ((1, 30), (10, 10), (60, 3)):
        images = [[_shown(str(n), tag=tag) for tag in range(attributes)] for n in range(40)]
        rows = _compared(images).table()["rows"]
        assert {len(row["values"]) for row in rows} == {listed}
        assert {row["distinct"] for row in rows} == {40}


@pytest.mark.usefixtures("_keyed")
def test_an_image_that_cannot_be_read_is_an_error_and_spoils_nothing() -> None:
    """Its code is told; the parts that were given along are still good for the next."""
    good = builders.encode(builders.ct())
    files = [good, good[:700], b"nothing", good]
    first = _asked(files, {"place": 0, "parts": []})["part"]
    assert _asked(files, {"place": 1, "parts": [first]}, 1)["code"] == "truncated"
    assert _asked(files, {"place": 2, "parts": [first]}, 2)["code"] == "not-dicom"
    last = _asked(files, {"place": 3, "parts": [first]}, 3)["part"]
    assert _asked(files, {"parts": [last]})["images"] == 2


@pytest.mark.usefixtures("_keyed")
def test_a_file_that_is_gone_is_unreadable() -> None:
    """What the browser throws when it cannot read is no internal error, here as everywhere."""

    def gone(*_: int) -> _Bytes:
        raise OSError

    browser.connect(gone)
    for answer in (browser.series(1, 900, '{"place": 0, "parts": []}'), browser.inspect(1, 900)):
        assert json.loads(answer)["code"] == "unreadable"


@pytest.mark.usefixtures("_keyed")
def test_what_a_person_asked_to_remove_is_removed_in_the_header() -> None:
    """In the series and in the image alone."""
    files = [builders.encode(builders.ct())]
    part = _asked(files, {"place": 0, "parts": [], "remove": [KERNEL]})["part"]
    browser._State.instance = None
    rows = json.loads(browser.header(0, len(files[0]), json.dumps({"remove": [KERNEL]})))
    for table in ({"rows": rows}, _asked(files, {"parts": [part]})):
        assert _the_row(table, KERNEL)["action"] == "X"


def test_of_no_image_there_is_no_row() -> None:
    """All images of a series could not be read: the table is empty, and says so."""
    assert Comparison().table() == {"images": 0, "cut": False, "rows": []}
