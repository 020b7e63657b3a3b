"""Instances of every kind of pixels, by pydicom and by encoders other than ours, and decoders to compare.

A :class:`Kind` is a row of the table of photometric interpretation and bits; :data:`SYNTAXES` are its
columns.
"""

from __future__ import annotations

import io
import warnings
import zlib
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from libjpeg import decode  # type: ignore[attr-defined]
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom import uid as uids
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.encoders.base import RLELosslessEncoder

from builders import PATIENT, common
from dicomveil.pixels.decode import FrameReader
from dicomveil.reading import Instance, read_instance
from dicomveil.source import BytesSource, Part, iter_parts

Array = NDArray[Any]
_FOUR = "1.2.840.10008.1.2.4."


@dataclass(frozen=True)
class Kind:
    """One way of storing pixels."""

    photometric: str
    allocated: int
    stored: int
    signed: bool = False
    planar: bool = False

    @property
    def samples(self) -> int:
        """Samples per Pixel."""
        return 1 if self.photometric[:3] in {"MON", "PAL"} else 3

    @property
    def name(self) -> str:
        """Return a short name for the test's id."""
        bits = f"{'s' if self.signed else 'u'}{self.stored}of{self.allocated}"
        return f"{self.photometric.replace(' ', '')}-{bits}{'-planar' * self.planar}"


KINDS = (
    Kind("MONOCHROME2", 1, 1),
    Kind("MONOCHROME2", 8, 8),
    Kind("MONOCHROME1", 8, 8),
    Kind("MONOCHROME2", 16, 10),
    Kind("MONOCHROME2", 16, 12),
    Kind("MONOCHROME1", 16, 12),
    Kind("MONOCHROME2", 16, 16),
    Kind("MONOCHROME2", 16, 12, signed=True),
    Kind("MONOCHROME2", 16, 16, signed=True),
    Kind("MONOCHROME2", 32, 32),
    Kind("MONOCHROME2", 32, 32, signed=True),
    Kind("PALETTE COLOR", 8, 8),
    Kind("PALETTE COLOR", 16, 16),
    Kind("RGB", 8, 8),
    Kind("RGB", 8, 8, planar=True),
    Kind("YBR_FULL", 8, 8),
    Kind("YBR_FULL_422", 8, 8),
    Kind("YBR_RCT", 8, 8),
    Kind("YBR_ICT", 8, 8),
)
SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "big-endian": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "rle": "1.2.840.10008.1.2.5",
    "jpeg-baseline": _FOUR + "50",
    "jpeg-extended": _FOUR + "51",
    "jpeg-lossless": _FOUR + "57",
    "jpeg-lossless-sv1": _FOUR + "70",
    "jpeg-ls": _FOUR + "80",
    "jpeg-ls-near": _FOUR + "81",
    "jpeg-2000-lossless": _FOUR + "90",
    "jpeg-2000": _FOUR + "91",
    "htj2k-lossless": _FOUR + "201",
    "htj2k-rpcl": _FOUR + "202",
    "htj2k": _FOUR + "203",
    "jpeg-xl-lossless": _FOUR + "110",
    "jpeg-xl-recompression": _FOUR + "111",
    "jpeg-xl": _FOUR + "112",
    "deflated-frames": "1.2.840.10008.1.2.8.1",
}
LOSSY_JPEG = ("jpeg-baseline", "jpeg-extended", "jpeg-xl-recompression")
_NATIVE = ("implicit", "explicit", "big-endian", "deflated")


def exists(syntax: str, kind: Kind) -> bool:
    """Tell whether PS3.5 8.2 has this kind of pixels in this transfer syntax, and an encoder is here."""
    if syntax in _NATIVE:
        return kind.photometric not in {"YBR_RCT", "YBR_ICT"}
    if kind.planar:
        return False
    if syntax == "deflated-frames":
        return kind.samples == 1
    if syntax == "rle":
        return kind.photometric not in {"YBR_FULL_422", "YBR_RCT", "YBR_ICT"} and kind.allocated > 1
    if kind.allocated in {1, 32} or (kind.photometric == "PALETTE COLOR" and syntax in LOSSY_JPEG):
        return False
    if syntax in {"jpeg-baseline", "jpeg-xl-recompression"}:
        mono = kind.samples == 1 and kind.stored == 8 and not kind.signed
        return mono or kind.photometric in {"YBR_FULL_422", "YBR_FULL", "RGB"}
    if syntax == "jpeg-extended":
        return kind.samples == 1 and kind.stored in {8, 12} and not kind.signed
    if kind.photometric in {"YBR_RCT", "YBR_ICT"}:
        return "2000" in syntax or syntax.startswith("htj2k")
    if kind.signed and syntax in {"jpeg-xl-lossless", "jpeg-xl", "jpeg-ls-near"}:
        return False
    return kind.photometric != "YBR_FULL_422"


def pattern(kind: Kind, rows: int, columns: int, frame: int) -> Array:
    """Return stored values with edges, gradients and noise, as ``(rows, columns[, samples])``."""
    noise: Any = np.random.default_rng(frame + 7)
    y, x = np.mgrid[:rows, :columns]
    high = (1 << kind.stored) - 1
    planes = []
    for sample in range(kind.samples):
        wave = np.sin((x + 11 * sample) / 9) * 0.25 + np.cos((y + 5 * frame) / 7) * 0.2 + 0.5
        wave = wave + noise.normal(0, 0.03, (rows, columns)) + 0.2 * ((x // 16 + y // 16) % 2)
        planes.append(np.clip(wave * high, high // 50, high - high // 50))
    values = np.stack(planes, axis=-1) if kind.samples > 1 else planes[0]
    stored: Array = np.rint(values).astype(np.int64)
    if kind.photometric == "YBR_FULL_422":
        stored[:, 1::2, 1:] = stored[:, ::2, 1:]
    if kind.signed:
        stored -= 1 << kind.stored - 1
    return stored


def cells(kind: Kind, stored: Array) -> Array:
    """Return stored values as cells of Bits Allocated."""
    size = max(kind.allocated // 8, 1)
    return stored.astype(f"<{'i' if kind.signed else 'u'}{size}")


def native_frame(kind: Kind, stored: Array, *, little: bool) -> bytes:
    """Return a native frame's bytes."""
    if kind.allocated == 1:
        return np.packbits(stored.astype(np.uint8).reshape(-1), bitorder="little").tobytes()
    frame = cells(kind, stored)
    if kind.photometric == "YBR_FULL_422":
        pairs = np.empty((frame.shape[0], frame.shape[1] // 2, 4), frame.dtype)
        pairs[..., 0], pairs[..., 1] = frame[:, ::2, 0], frame[:, 1::2, 0]
        pairs[..., 2:] = frame[:, ::2, 1:]
        frame = pairs
    elif kind.planar:
        frame = np.moveaxis(frame, -1, 0)
    return frame.astype(frame.dtype.newbyteorder("<" if little else ">")).tobytes()


def stream(syntax: str, kind: Kind, stored: Array) -> bytes:
    """Encode a frame with an encoder that is not part of the product."""
    unsigned = cells(kind, stored).view(f"<u{max(kind.allocated // 8, 1)}")
    masked = unsigned & unsigned.dtype.type((1 << kind.stored) - 1)
    colour = kind.samples == 3
    if syntax == "deflated-frames":
        deflate = zlib.compressobj(wbits=-15)
        return deflate.compress(native_frame(kind, stored, little=True)) + deflate.flush()
    if syntax == "rle":
        runner: dict[str, Any] = {
            "rows": stored.shape[0],
            "columns": stored.shape[1],
            "samples_per_pixel": kind.samples,
            "number_of_frames": 1,
            "bits_allocated": kind.allocated,
            "bits_stored": kind.stored,
            "pixel_representation": int(kind.signed),
            "photometric_interpretation": kind.photometric,
            "planar_configuration": 0,
        }
        return RLELosslessEncoder.encode(
            cells(kind, stored).tobytes(), encoding_plugin="pydicom", validate=False, **runner
        )
    if syntax in LOSSY_JPEG:
        if kind.stored > 8:
            jpeg = bytes(imagecodecs.jpeg8_encode(masked, level=95, bitspersample=12))
        else:
            jpeg = _jpeg(kind, masked.astype(np.uint8))
        return bytes(imagecodecs.jpegxl_encode_jpeg(jpeg)) if "xl" in syntax else jpeg
    if syntax.startswith("jpeg-lossless"):
        space = "RGB" if colour else None  # no transformation
        return bytes(
            imagecodecs.jpeg8_encode(
                masked,
                lossless=True,
                predictor=1,
                bitspersample=kind.stored,
                colorspace=space,
                outcolorspace=space,
            )
        )
    if syntax.startswith("jpeg-ls"):
        near = 2 if syntax == "jpeg-ls-near" else 0
        return bytes(imagecodecs.jpegls_encode(masked, level=near, out=4 * masked.nbytes + 4096))
    if syntax.startswith("jpeg-2000"):
        lossy = syntax == "jpeg-2000" and not kind.signed
        return bytes(
            imagecodecs.jpeg2k_encode(
                cells(kind, stored),
                codecformat="J2K",
                reversible=not lossy,
                level=45 if lossy else 0,
                bitspersample=kind.stored,
                mct=kind.photometric in {"YBR_RCT", "YBR_ICT"},
            )
        )
    if syntax.startswith("htj2k"):
        transform = kind.photometric in {"YBR_RCT", "YBR_ICT"}
        return bytes(imagecodecs.htj2k_encode(cells(kind, stored), reversible=True, rgb=transform))
    return bytes(imagecodecs.jpegxl_encode(masked, lossless=True, usecontainer=syntax == "jpeg-xl"))


def _jpeg(kind: Kind, pixels: Array) -> bytes:
    out = io.BytesIO()
    if kind.samples == 1:
        Image.fromarray(pixels).save(out, "jpeg", quality=92)
    elif kind.photometric == "RGB":
        return bytes(imagecodecs.jpeg8_encode(pixels, level=92, colorspace="RGB", outcolorspace="RGB"))
    else:
        subsampling = 1 if kind.photometric == "YBR_FULL_422" else 0
        Image.fromarray(pixels, "YCbCr").save(out, "jpeg", quality=92, subsampling=subsampling)
    return out.getvalue()


def as_file(ds: Dataset, transfer_syntax: str) -> bytes:
    """Write a data set that has its pixels already; also in transfer syntaxes newer than pydicom's."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = uids.UID(transfer_syntax)
    little = transfer_syntax != SYNTAXES["big-endian"]
    fp = DicomBytesIO()
    fp.is_little_endian, fp.is_implicit_VR = little, transfer_syntax == SYNTAXES["implicit"]
    write_dataset(fp, ds)
    body = fp.getvalue()
    if transfer_syntax == SYNTAXES["deflated"]:
        deflate = zlib.compressobj(wbits=-15)
        body = deflate.compress(body) + deflate.flush()
    head = DicomBytesIO()
    head.write(bytes(128) + b"DICM")
    write_file_meta_info(head, meta)
    return head.getvalue() + body


def data_set(syntax: str, kind: Kind, frames: list[Array]) -> bytes:
    """Return a secondary capture of these frames as a file."""
    ds = common(uids.MultiFrameGrayscaleWordSecondaryCaptureImageStorage, "OT", PATIENT, 1)
    ds.SamplesPerPixel = kind.samples
    ds.PhotometricInterpretation = kind.photometric
    ds.Rows, ds.Columns = frames[0].shape[:2]
    ds.NumberOfFrames = str(len(frames))
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = kind.allocated, kind.stored, kind.stored - 1
    ds.PixelRepresentation = int(kind.signed)
    if kind.samples == 3:
        ds.PlanarConfiguration = int(kind.planar)
    if kind.photometric == "PALETTE COLOR":
        ramp = np.arange(255, -1, -1, dtype="<u2") * 257
        for colour in ("Red", "Green", "Blue"):
            setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
            setattr(ds, f"{colour}PaletteColorLookupTableData", ramp.tobytes())
    little = syntax != "big-endian"
    if syntax not in _NATIVE:
        value = encapsulate([stream(syntax, kind, frame) for frame in frames])
    elif kind.allocated == 1:
        value = native_frame(kind, np.concatenate([frame.reshape(-1) for frame in frames]), little=True)
    else:
        value = b"".join(native_frame(kind, frame, little=little) for frame in frames)
    wide = kind.allocated > 8 and syntax in _NATIVE
    ds.add_new(0x7FE00010, "OW" if wide or syntax == "implicit" else "OB", value + b"\0" * (len(value) % 2))
    ds["PixelData"].is_undefined_length = syntax not in _NATIVE
    return as_file(ds, SYNTAXES[syntax])


def opened(data: bytes) -> Instance:
    """Read an instance from memory."""
    return read_instance(BytesSource(data))


def with_pixels(data: bytes, instance: Instance, parts: list[Part]) -> Dataset:
    """Return the data set with another value of Pixel Data, read by pydicom."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(io.BytesIO(data), force=True)
        if "TransferSyntaxUID" not in ds.file_meta:
            ds.file_meta.TransferSyntaxUID = uids.UID(instance.transfer_syntax)
        for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            if keyword in ds:
                del ds[keyword]
        ds["PixelData"].value = b"".join(iter_parts(instance.source, parts))
    return ds


def decoders(transfer_syntax: str) -> list[str]:
    """Name the decoders of pydicom that can be compared with ("": pydicom itself); none is imagecodecs."""
    if transfer_syntax in {SYNTAXES[name] for name in _NATIVE}:
        return [""]
    try:
        names = get_decoder(transfer_syntax)._available  # private, and stable within pydicom 3.0
    except NotImplementedError:
        return []
    return sorted(names)


def decoded(ds: Dataset, plugin: str, index: int) -> Array | None:
    """Decode a frame without any colour transformation by a decoder of pydicom's; ``None`` if it cannot."""
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            array, _ = decoder.as_array(ds, index=index, raw=True, decoding_plugin=plugin)
        except Exception:  # noqa: BLE001 - every decoder has errors of its own
            return None
    return np.asarray(array)


def jpeg_inside(data: bytes, index: int) -> Array:
    """Decode by libjpeg the JPEG from which a frame of JPEG XL was made, its components as they are coded."""
    reader = FrameReader(opened(data))
    jpeg = bytes(imagecodecs.jpegxl_decode_jpeg(reader.stream(index), numthreads=1))
    array: Array = decode(jpeg, colour_transform=0)
    return array
