"""Made-up instances for the benchmark: nobody's data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
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
