"""ICC profiles: the colours stay, and nothing that somebody wrote into one."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from pydicom import dcmread
from pydicom import uid as uids
from pydicom.dataset import Dataset

import builders
from dicomveil.icc import neutral_profile, srgb_profile
from dicomveil.pipeline import Session, clean_source
from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms
from dicomveil.source import BytesSource, iter_parts
from dicomveil.verifying import verify_instance

SECRET = b"Zwicklhuber^Quirina"
CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
WHOLE_SLIDE = CORPUS / "ImagingDataCommons__highdicom/data/test_files/sm_image.dcm"
PALETTE = (
    CORPUS / "ImagingDataCommons__highdicom/data/test_files/seg_image_sm_control_labelmap_palette_color.dcm"
)
SESSION = Session(Profile.default(), Pseudonyms(Key(bytes(range(32)))))


def profile(tags: dict[bytes, bytes], *, version: bytes = b"\2\x10") -> bytes:
    """Return a display profile of these tags, with a text in every field that can hold one."""
    head = bytearray(
        b"\0\0\0\0" + b"Zwic" + version + b"\0\0mntrRGB XYZ " + struct.pack(">6H", 1947, 8, 13, 0, 0, 0)
    )
    head += b"acspklhu" + bytes(4) + b"ber^Quir" + bytes(8) + struct.pack(">L", 1)
    head += bytes.fromhex("0000f6d6000100000000d32d") + b"ina " + SECRET[:16] + SECRET
    table, data = b"", b""
    start = 132 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sLL", name, start + len(data), len(content))
        data += content + SECRET[: -len(content) % 4]
    whole = bytes(head.ljust(128, b"\0")) + struct.pack(">L", len(tags)) + table + data + SECRET
    return struct.pack(">L", len(whole)) + whole[4:]


def matrix() -> dict[bytes, bytes]:
    """Return the tags of a matrix profile: Adobe RGB's primaries and a gamma of 2.2."""
    xyz = {b"rXYZ": (0.60974, 0.31111, 0.01947), b"gXYZ": (0.20528, 0.62567, 0.06087)}
    xyz |= {b"bXYZ": (0.14919, 0.06322, 0.74457), b"wtpt": (0.9642, 1.0, 0.8249)}
    tags = {
        name: b"XYZ \0\0\0\0" + b"".join(struct.pack(">l", round(v * 65536)) for v in values)
        for name, values in xyz.items()
    }
    return tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv" + struct.pack(">4xLH", 1, 0x233))


def description(text: bytes) -> bytes:
    """Return a textDescriptionType."""
    return b"desc" + struct.pack(">4xL", len(text) + 1) + text + bytes(1 + 4 + 4 + 2 + 1 + 67)


def through(data: bytes) -> NDArray[np.int64]:
    """Transform all colours of a coarse cube to sRGB by LittleCMS."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(18, -1, 3)
    source = ImageCms.ImageCmsProfile(io.BytesIO(data))
    found = ImageCms.profileToProfile(Image.fromarray(cube), source, ImageCms.createProfile("sRGB"))
    return np.asarray(found).astype(np.int64)


def cleaned(data: bytes) -> bytes:
    """Clean under the default profile."""
    source = BytesSource(data)
    return b"".join(iter_parts(source, clean_source(source, SESSION, pixels="confirmed").parts))


def with_profile(data: bytes) -> bytes:
    """Return a photograph, whose ICC Profile is Type 1C, with this one."""
    ds = builders.ct()
    ds.SOPClassUID = uids.VLPhotographicImageStorage
    ds.Modality = "XC"
    ds.PhotometricInterpretation, ds.SamplesPerPixel, ds.PlanarConfiguration = "RGB", 3, 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelData = bytes(ds.Rows * ds.Columns * 3)
    ds["PixelData"].VR = "OB"
    ds.ICCProfile = data + b"\0" * (len(data) & 1)
    return builders.encode(ds)


def test_texts_makers_and_days_go_and_colours_stay() -> None:
    """Texts in tags, header fields, gaps and behind the end go; LittleCMS sees no difference."""
    texts = dict.fromkeys((b"desc", b"dmnd", b"dmdd", b"vued"), description(SECRET))
    texts |= {b"cprt": b"text\0\0\0\0" + SECRET, b"targ": b"text\0\0\0\0" + SECRET, b"Zwic": b"data" + SECRET}
    colours = matrix()
    colours[b"wtpt"] += SECRET  # longer than its type
    colours[b"lumi"] = b"XYZ " + SECRET[:4] + bytes(12)  # in what is reserved
    dirty = profile({**texts, **colours})
    found = neutral_profile(dirty)
    assert found is not None
    assert b"Zwic" not in found
    assert b"Quir" not in found
    assert struct.pack(">3H", 1947, 8, 13) not in found
    assert np.array_equal(through(found), through(dirty))
    assert neutral_profile(found) == found


@pytest.mark.parametrize("old", [True, False])
def test_a_profile_in_a_file_is_cleaned_and_verified(old: bool) -> None:  # noqa: FBT001 - parametrized
    """What leaves holds the neutral profile; verification stops the one that was there."""
    dirty = profile(matrix() | {b"desc": description(SECRET)}, version=b"\2\x10" if old else b"\4\x20")
    found = cleaned(with_profile(dirty))
    assert SECRET[:9] not in found
    assert np.array_equal(through(dcmread(io.BytesIO(found)).ICCProfile), through(dirty))
    assert not verify_instance(BytesSource(found)).problems
    neutral = neutral_profile(dirty)
    assert neutral is not None
    for part in (
        (b"ICC profile\0", b"None\0") if old else ("ICC".encode("utf-16-be"), "None".encode("utf-16-be"))
    ):
        bad = found.replace(part, part[:-3] + b"Zw\0")
        assert bad != found
        assert ("attribute-not-replaced", 0x00282000) in {
            p[:2] for p in verify_instance(BytesSource(bad)).problems
        }


@pytest.mark.parametrize("bad", [SECRET * 20, b"", profile({b"desc": description(SECRET)}), bytes(2000)])
def test_a_profile_that_cannot_be_read_is_none(bad: bytes) -> None:
    """Where the colours cannot be taken out, sRGB stands if a profile is required, else there is none."""
    assert neutral_profile(bad) is None
    found = cleaned(with_profile(bad))
    assert SECRET[:9] not in found
    ds: Dataset = dcmread(io.BytesIO(found))
    assert ds.ICCProfile == srgb_profile()
    optional = dcmread(io.BytesIO(with_profile(bad)))
    optional.SOPClassUID = optional.file_meta.MediaStorageSOPClassUID = uids.CTImageStorage
    assert "ICCProfile" not in dcmread(io.BytesIO(cleaned(builders.encode(optional))))


def test_srgb_is_srgb() -> None:
    """The profile that stands in changes no colour by more than rounding."""
    own = through(srgb_profile())
    assert (
        np.abs(own - through(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())).max() <= 1
    )
    assert neutral_profile(srgb_profile()) == srgb_profile()


@pytest.mark.skipif(not WHOLE_SLIDE.exists(), reason="the corpus is not here")
@pytest.mark.parametrize("path", [WHOLE_SLIDE, PALETTE], ids=["matrix of version 2", "tables of version 4"])
def test_profiles_of_real_files_keep_their_colours(path: Path) -> None:
    """Profiles in an optical path and at the top level keep every colour and lose their texts."""

    def of(data: bytes) -> bytes:
        ds = dcmread(io.BytesIO(data))
        item = ds.OpticalPathSequence[0] if "OpticalPathSequence" in ds else ds
        return bytes(item.ICCProfile)

    before, after = of(path.read_bytes()), of(cleaned(path.read_bytes()))
    assert before != after
    assert np.array_equal(through(before), through(after))
    assert b"dmnd" not in after
    assert b"Hewlett" not in after
