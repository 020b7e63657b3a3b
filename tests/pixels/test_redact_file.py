"""The file of areas on the command line: by device and size, with all shapes, in compressed images too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from dicomveil.cli import main
from pixels.images import SYNTAXES, Kind, as_file, data_set, decoded, pattern

GREY = Kind("MONOCHROME2", 8, 8)
FRAMES = [pattern(GREY, 40, 48, n) for n in range(2)]


@pytest.mark.parametrize("syntax", ["explicit", "rle", "jpeg-ls", "jpeg-2000-lossless"])
def test_areas_by_device_and_size(syntax: str, tmp_path: Path) -> None:
    """An ellipse to keep and a polygon to cover, in the second frame of all images of a device."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dcm").write_bytes(data_set(syntax, GREY, FRAMES))
    shapes = [
        {"shape": "ellipse", "x": 4, "y": 4, "width": 40, "height": 32, "keep_only": True},
        {"shape": "polygon", "points": [[20, 15], [28, 15], [24, 22]]},
    ]
    select = {"manufacturer": "Maker of Scanners", "model": "MODEL 3000", "rows": 40, "columns": 48}
    areas = {"redactions": [{"select": select, "frames": [1, 1], "shapes": shapes}]}
    (tmp_path / "areas.json").write_text(json.dumps(areas))
    out = tmp_path / "out"
    options = ["--anonymize", "--redact", str(tmp_path / "areas.json")]
    assert (
        main(["clean", str(tmp_path / "in"), "--output", str(out), *options]) == 1
    )  # the first was not looked at
    assert main(["clean", str(tmp_path / "in"), "--output", str(out), *options, "--pixels", "confirmed"]) == 0
    (path,) = out.rglob("*.dcm")
    ds = dcmread(path)
    assert ds.BurnedInAnnotation == "NO"
    assert ds.ImageType[0] == "DERIVED"
    plugin = {"rle": "pydicom", "explicit": ""}.get(syntax, "pylibjpeg")
    if syntax == "jpeg-ls":
        plugin = "gdcm"
    first, second = decoded(ds, plugin, 0), decoded(ds, plugin, 1)
    assert first is not None
    assert second is not None
    assert np.array_equal(first, FRAMES[0])
    assert second[0, 0] == second[39, 47] == second[17, 24] == 0
    assert second[20, 8] == FRAMES[1][20, 8]
    assert second[30, 24] == FRAMES[1][30, 24]


def test_an_image_of_another_size_is_not_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A template of another size leaves the image alone, which is then refused: nobody looked."""
    path = tmp_path / "a.dcm"
    path.write_bytes(data_set("rle", GREY, FRAMES))
    shape = {"shape": "rectangle", "x": 0, "y": 0, "width": 5, "height": 5}
    areas = {"redactions": [{"select": {"rows": 41}, "frames": None, "shapes": [shape]}]}
    (tmp_path / "areas.json").write_text(json.dumps(areas))
    options = ["--anonymize", "--redact", str(tmp_path / "areas.json")]
    assert main(["clean", str(path), "--output", str(tmp_path / "out"), *options]) == 1
    assert "redaction-unmatched" in capsys.readouterr().err


def test_the_same_bytes_for_the_same_key(tmp_path: Path) -> None:
    """Redaction is as deterministic as all else: two runs under one key write the same file."""
    path = tmp_path / "a.dcm"
    path.write_bytes(as_file(dcmread(_written(tmp_path)), SYNTAXES["jpeg-2000-lossless"]))
    (tmp_path / "key").write_bytes(bytes(range(32)))
    shape = {"shape": "ellipse", "x": 0, "y": 0, "width": 15, "height": 9}
    areas = {"redactions": [{"select": {"rows": 40}, "frames": None, "shapes": [shape]}]}
    (tmp_path / "areas.json").write_text(json.dumps(areas))
    outputs = []
    for name in ("one", "two"):
        options = ["--key-file", str(tmp_path / "key"), "--redact", str(tmp_path / "areas.json")]
        assert main(["clean", str(path), "--output", str(tmp_path / name), *options]) == 0
        outputs += [found.read_bytes() for found in (tmp_path / name).rglob("*.dcm")]
    assert len(outputs) == 2
    assert outputs[0] == outputs[1]


def _written(folder: Path) -> Path:
    path = folder / "source"
    path.write_bytes(data_set("jpeg-2000-lossless", GREY, FRAMES))
    return path
