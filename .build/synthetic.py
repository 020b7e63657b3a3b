"""Made-up instances for the benchmark: nobody's data."""

from __future__ import annotations

import io
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

ROWS = COLUMNS = 512


def _instance(sop_class: UID, number: int) -> FileDataset:
    """Make the header that both kinds share, as full as a scanner's."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["benchmark", str(number)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    ds.PatientName, ds.PatientID = "Bench^Mark", "BENCH-0001"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19500101", "O", "075Y"
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["benchmark study"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["benchmark series"])
    ds.FrameOfReferenceUID = generate_uid(entropy_srcs=["benchmark frame of reference"])
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20250203"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "101112.131415"
    ds.AccessionNumber, ds.StudyID = "ACC-77001", "S77"
    ds.ReferringPhysicianName, ds.OperatorsName = "Doctor^Refer", "Operate^Tor"
    ds.InstitutionName, ds.StationName = "Benchmark General Hospital", "STATION9"
    ds.Manufacturer, ds.ManufacturerModelName, ds.DeviceSerialNumber = "ACME", "Scan 3000", "SN-4711"
    ds.StudyDescription, ds.SeriesDescription = "CT ABDOMEN", "AXIAL 2.0 B30f"
    ds.BodyPartExamined, ds.ProtocolName, ds.PatientPosition = "ABDOMEN", "Abdomen Routine", "HFS"
    ds.SeriesNumber, ds.InstanceNumber = 3, number
    reference = Dataset()
    reference.ReferencedSOPClassUID = CTImageStorage
    reference.ReferencedSOPInstanceUID = generate_uid(entropy_srcs=["benchmark", str(number + 1)])
    ds.ReferencedImageSequence = [reference]
    block = ds.private_block(0x0029, "ACME HEADER", create=True)
    block.add_new(0x10, "OB", bytes(range(256)) * 40)
    block.add_new(0x11, "LO", "PRIVATE NAME")
    ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    return ds


def write_ct_series(folder: Path, count: int) -> None:
    """Write a CT series of slices of half a megabyte each."""
    folder.mkdir()
    image = (np.add.outer(np.arange(ROWS), np.arange(COLUMNS)) % 4096).astype("<u2")
    for number in range(1, count + 1):
        ds = _instance(CTImageStorage, number)
        ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.PixelSpacing, ds.SliceThickness = [0.7, 0.7], 2
        ds.ImagePositionPatient = [0, 0, number * 2]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.KVP, ds.ConvolutionKernel = 120, "B30f"
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
        ds.WindowCenter, ds.WindowWidth = 40, 400
        ds.PixelData = image.tobytes()
        ds.save_as(folder / f"IM{number:05}", enforce_file_format=True)


def write_multiframe(path: Path, frames: int) -> None:
    """Write a multi-frame image of half a megabyte a frame. Its pixels are a hole in the file."""
    ds = _instance(EnhancedCTImageStorage, 1)
    # A modality and a type without risk of burned-in text: nothing has to be confirmed.
    ds.Modality, ds.ImageType, ds.BurnedInAnnotation = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"], "NO"
    ds.NumberOfFrames = frames
    ds.PixelData = b""
    length = frames * ROWS * COLUMNS * 2
    ds.save_as(path, enforce_file_format=True)
    with path.open("r+b") as file:
        file.seek(-4, 2)
        file.write(length.to_bytes(4, "little"))
        file.truncate(file.tell() + length)


#: Images of a series, and files that are not DICOM for each hundred images, in a made-up archive.
SERIES_LENGTH = 250
JUNK_PER_HUNDRED = 1


def write_archive(folder: Path, images: int) -> int:
    """Write small images of many patients as an archive exports them; return how many need a look.

    Series of 250 images of 16 by 16 pixels, two series a study, two studies a patient; every tenth series is
    of screen captures, which need a look. Among them lie files that are not DICOM. The bytes of a series come
    from one template, in which the numbers of the image are put: 10,000 files are written in a second.
    """
    marks = ("1.2.826.0.1.3680043.10.9999.7777777.55555.1", 55555)
    attention = 0
    for first in range(0, images, SERIES_LENGTH):
        series = first // SERIES_LENGTH
        risky = _is_risky(series)
        template = _template(series, *marks)
        place = folder / f"PAT{series // 4:03}" / f"ST{series // 2:03}" / f"SE{series:03}"
        place.mkdir(parents=True)
        for number in range(first, min(first + SERIES_LENGTH, images)):
            uid = marks[0].replace("7777777.55555", f"{7000000 + series}.{10000 + number % SERIES_LENGTH}")
            content = template.replace(marks[0].encode(), uid.encode())
            shown = f"{number % SERIES_LENGTH + 1:<6}"
            content = content.replace(f"{marks[1]} ".encode(), shown.encode())
            (place / f"IM{number:05}").write_bytes(content)
            attention += risky
            if number % 100 < JUNK_PER_HUNDRED:
                (place / f"viewer-{number:05}.txt").write_bytes(b"not an image\r\n" * 20)
    return attention


def _is_risky(series: int) -> bool:
    return series % 10 == 9


def _template(series: int, uid: str, number: int) -> bytes:
    """Encode an image of a series; `uid` and `number` stand for those of each."""
    risky = _is_risky(series)
    ds = _instance(SecondaryCaptureImageStorage if risky else CTImageStorage, number)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    ds.PatientName, ds.PatientID = f"Bench^Number{series // 4}", f"BENCH-{series // 4:04}"
    for keyword, of in (("StudyInstanceUID", series // 2), ("SeriesInstanceUID", series)):
        setattr(ds, keyword, generate_uid(entropy_srcs=["archive", keyword, str(of)]))
    ds.StudyDate = f"{date(2020, 1, 1) + timedelta(days=series // 2):%Y%m%d}"
    ds.AccessionNumber, ds.StudyID = f"ACC-{series // 2:05}", f"S{series // 2:05}"
    ds.SeriesNumber, ds.SeriesDescription = series % 2 + 1, "CAPTURES" if risky else "AXIAL 2.0 B30f"
    ds.Modality, ds.ImageType = ("OT" if risky else "CT"), ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Rows = ds.Columns = 16
    ds.PixelData = bytes(range(256)) * 2
    ds.remove_private_tags()
    with io.BytesIO() as file:
        ds.save_as(file, enforce_file_format=True)
        return file.getvalue()
