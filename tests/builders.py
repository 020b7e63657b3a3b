"""Builders of DICOM instances for the tests, by pydicom alone, and the way to the corpus of real files.

Every instance carries the identifiers of :class:`Patient`, distinctive enough to be found in an output.
"""

from __future__ import annotations

import gzip
import io
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import uid as uids
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence

from dicomveil.source import BytesSource

#: The folder of shared facts and files: beside the project, or where the environment says.
SHARED = Path(os.environ.get("DICOMVEIL_SHARED", Path(__file__).parents[2] / "shared"))
CORPUS = SHARED / "corpus"

IMPLICIT = uids.ImplicitVRLittleEndian
EXPLICIT = uids.ExplicitVRLittleEndian
BIG_ENDIAN = uids.ExplicitVRBigEndian
DEFLATED = uids.DeflatedExplicitVRLittleEndian
JPEG = uids.JPEGBaseline8Bit
NATIVE_SYNTAXES = (IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED)
SYNTAXES = (*NATIVE_SYNTAXES, JPEG)

#: A JPEG of one grey pixel, enough to be a fragment.
TINY_JPEG = bytes.fromhex(
    "ffd8ffdb004300080606070605080707070909080a0c140d0c0b0b0c1912130f141d1a1f1e1d1a1c1c20242e2720222c231c1c28"
    "37292c30313434341f27393d38323c2e333432ffc0000b080001000101011100ffc4001400010000000000000000000000000000"
    "0009ffc40014100100000000000000000000000000000000ffda0008010100003f0054dfffd9"
)

#: What says in a header that an instance is de-identified, and how far (PS3.15 E.1.1, E.3.6, E.3.1).
MARKERS = (
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "BurnedInAnnotation",
)


class WatchedSource(BytesSource):
    """Bytes in memory; ``reads`` are the lengths that were asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads: list[int] = []

    def read(self, offset: int, length: int) -> bytes:
        """Return what exists of ``[offset, offset + length)``."""
        self.reads.append(length)
        return super().read(offset, length)


@dataclass(frozen=True)
class Patient:
    """One made-up patient's identifiers: every string is one that must never come out."""

    name: str = "Zwicklhuber^Quirina"
    patient_id: str = "PID-7731904"
    other_id: str = "OTH-5566778"
    birth_date: str = "19470319"
    address: str = "Xaverlweg 17, 4711 Hinterstoder"
    phone: str = "+43 7564 99887"
    accession: str = "ACC-9081726"
    study_id: str = "STD-33441"
    physician: str = "Dr. Grantlbauer^Wendelin"
    operator: str = "Oberschwester^Kunigunde"
    institution: str = "Klinikum Fantasiestadt West"
    institution_address: str = "Spitalgasse 99, Fantasiestadt"
    station: str = "STATION-QX7"
    serial: str = "SER-998877665"
    study_date: str = "20210523"
    study_time: str = "134501.25"
    root: str = "1.2.826.0.1.3680043.10.9999"

    def uid(self, *arcs: int) -> str:
        """Return a UID of this patient."""
        return ".".join([self.root, *map(str, arcs)])

    def secrets(self) -> list[str]:
        """Return the texts that must not be found in an output; parts of names stand alone."""
        names = [part for name in (self.name, self.physician, self.operator) for part in name.split("^")]
        return [
            *names,
            self.patient_id,
            self.other_id,
            self.birth_date,
            self.address,
            self.phone,
            self.accession,
            self.study_id,
            self.institution,
            self.institution_address,
            self.station,
            self.serial,
            self.study_date,
            self.root,
        ]


PATIENT = Patient()


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return an item of a code sequence (PS3.3 section 8.8)."""
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def reference(sop_class: str, instance: str) -> Dataset:
    """Return an item that refers to an instance."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = instance
    return item


def common(sop_class: str, modality: str, patient: Patient, number: int) -> Dataset:
    """Return the attributes that every composite instance has, with every identifier of the patient."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = patient.uid(3, number)
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = patient.study_date
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = patient.study_time
    ds.InstanceCreationDate = patient.study_date
    ds.InstanceCreationTime = patient.study_time
    ds.AccessionNumber = patient.accession
    ds.Modality = modality
    ds.Manufacturer = "Maker of Scanners"
    ds.ManufacturerModelName = "Model 3000"
    ds.SoftwareVersions = "5.4.1"
    ds.InstitutionName = patient.institution
    ds.InstitutionAddress = patient.institution_address
    ds.StationName = patient.station
    ds.DeviceSerialNumber = patient.serial
    ds.ReferringPhysicianName = patient.physician
    ds.OperatorsName = patient.operator
    ds.StudyDescription = f"Study of {patient.name}"
    ds.SeriesDescription = f"Series for {patient.patient_id}"
    ds.PatientName = patient.name
    ds.PatientID = patient.patient_id
    ds.OtherPatientIDs = patient.other_id
    ds.PatientBirthDate = patient.birth_date
    ds.PatientSex = "F"
    ds.PatientAge = "074Y"
    ds.PatientAddress = patient.address
    ds.PatientTelephoneNumbers = patient.phone
    ds.StudyInstanceUID = patient.uid(1)
    ds.SeriesInstanceUID = patient.uid(2)
    ds.FrameOfReferenceUID = patient.uid(4)
    ds.StudyID = patient.study_id
    ds.SeriesNumber = "3"
    ds.InstanceNumber = str(number)
    ds.PositionReferenceIndicator = ""
    ds.PatientComments = f"Call {patient.phone}"
    request = Dataset()
    request.RequestedProcedureDescription = f"for {patient.physician}"
    request.ScheduledProcedureStepID = patient.accession
    ds.RequestAttributesSequence = Sequence([request])
    block = ds.private_block(0x0011, f"PRIVATE {patient.institution}", create=True)
    block.add_new(0x01, "LO", patient.name)
    return ds


def pixels(
    ds: Dataset, *, rows: int = 4, columns: int = 6, bits: int = 16, samples: int = 1, frames: int = 1
) -> None:
    """Add native pixels whose bytes are all different from one frame to the next."""
    ds.SamplesPerPixel = samples
    ds.PhotometricInterpretation = "RGB" if samples == 3 else "MONOCHROME2"
    if samples == 3:
        ds.PlanarConfiguration = 0
    if frames > 1:
        ds.NumberOfFrames = str(frames)
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = 0
    size = rows * columns * samples * frames * bits // 8
    value = bytes((7 * n + n // 251) % 256 for n in range(size))
    ds.add(DataElement(0x7FE00010, "OW" if bits == 16 else "OB", value + b"\0" * (size % 2)))


def ct(patient: Patient = PATIENT, number: int = 1) -> Dataset:
    """Return a CT slice with nested references."""
    ds = common(uids.CTImageStorage, "CT", patient, number)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.AcquisitionDate = patient.study_date
    ds.AcquisitionTime = "134530.5"
    ds.AcquisitionDateTime = f"{patient.study_date}134530.500000+0200"
    ds.KVP = "120"
    ds.ConvolutionKernel = "B30f"
    ds.SliceThickness = "1.25"
    ds.PatientPosition = "HFS"
    ds.ImagePositionPatient = ["-100", "-100", str(number)]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing = ["0.5", "0.5"]
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "40", "400"
    ds.ReferencedImageSequence = Sequence([reference(uids.CTImageStorage, patient.uid(3, 99))])
    source = reference(uids.CTImageStorage, patient.uid(3, 98))
    source.PurposeOfReferenceCodeSequence = Sequence([code("121322", "DCM", "Source image")])
    ds.SourceImageSequence = Sequence([source])
    ds.AnatomicRegionSequence = Sequence([code("69536005", "SCT", "Head")])
    pixels(ds)
    return ds


def mr(patient: Patient = PATIENT, number: int = 1) -> Dataset:
    """Return an MR slice."""
    ds = common(uids.MRImageStorage, "MR", patient, number)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "GR", "SK", "", "3D"
    ds.SequenceName = "*tfl3d1"
    ds.EchoTime, ds.RepetitionTime, ds.EchoTrainLength, ds.FlipAngle = "2.98", "2300", "1", "9"
    ds.TransmitCoilName, ds.ReceiveCoilName = "Body", "HeadMatrix"
    pixels(ds)
    return ds


def us(patient: Patient = PATIENT, number: int = 1) -> Dataset:
    """Return an ultrasound cine of three RGB frames."""
    ds = common(uids.UltrasoundMultiFrameImageStorage, "US", patient, number)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.FrameTime = "33.3"
    ds.add_new("FrameIncrementPointer", "AT", 0x00181063)
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 5, 3
    ds.SequenceOfUltrasoundRegions = Sequence([region])
    pixels(ds, bits=8, samples=3, frames=3)
    return ds


def sc(patient: Patient = PATIENT, number: int = 1) -> Dataset:
    """Return a secondary capture that has text burned in."""
    ds = common(uids.SecondaryCaptureImageStorage, "OT", patient, number)
    ds.ConversionType = "WSD"
    ds.BurnedInAnnotation = "YES"
    pixels(ds, bits=8)
    return ds


def enhanced_mr(patient: Patient = PATIENT, number: int = 1) -> Dataset:
    """Return an enhanced MR image of two frames with functional groups and dimensions."""
    ds = common(uids.EnhancedMRImageStorage, "MR", patient, number)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.AcquisitionDateTime = f"{patient.study_date}134530"
    organization = Dataset()
    organization.DimensionOrganizationUID = patient.uid(5)
    ds.DimensionOrganizationSequence = Sequence([organization])
    index = Dataset()
    index.DimensionOrganizationUID = patient.uid(5)
    index.add_new("DimensionIndexPointer", "AT", 0x00209057)
    index.DimensionDescriptionLabel = "In-Stack Position"
    ds.DimensionIndexSequence = Sequence([index])
    frames = []
    for position in (1, 2):
        content = Dataset()
        content.FrameAcquisitionDateTime = f"{patient.study_date}1345{position:02}"
        content.StackID = "1"
        content.InStackPositionNumber = position
        content.FrameComments = f"frame of {patient.name}"
        frame = Dataset()
        frame.FrameContentSequence = Sequence([content])
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    ds.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    pixels(ds, frames=2)
    return ds


def sr(patient: Patient = PATIENT, number: int = 1) -> Dataset:
    """Return a comprehensive SR with text, a name, a date and a UID among nested content items."""
    ds = common(uids.ComprehensiveSRStorage, "SR", patient, number)
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.ConceptNameCodeSequence = Sequence([code("126000", "DCM", "Imaging Measurement Report")])
    observer = _content("PNAME", "HAS OBS CONTEXT", "121008", "Person Observer Name")
    observer.PersonName = patient.physician
    finding = _content("TEXT", "CONTAINS", "121071", "Finding")
    finding.TextValue = f"{patient.name} came on {patient.study_date}"
    image = _content("IMAGE", "CONTAINS", "121112", "Source of Measurement")
    image.ReferencedSOPSequence = Sequence([reference(uids.CTImageStorage, patient.uid(3, 99))])
    section = _content("CONTAINER", "CONTAINS", "121070", "Findings")
    section.ContinuityOfContent = "SEPARATE"
    section.ContentSequence = Sequence([finding, image])
    ds.ContentSequence = Sequence([observer, section])
    return ds


def _content(value_type: str, relationship: str, value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.RelationshipType = relationship
    item.ValueType = value_type
    item.ConceptNameCodeSequence = Sequence([code(value, "DCM", meaning)])
    return item


def presentation_state(patient: Patient = PATIENT, number: int = 1) -> Dataset:
    """Return a greyscale presentation state with a text annotation."""
    ds = common(uids.GrayscaleSoftcopyPresentationStateStorage, "PR", patient, number)
    ds.ContentLabel, ds.ContentDescription = "LABEL", f"of {patient.name}"
    ds.ContentCreatorName = patient.operator
    ds.PresentationCreationDate, ds.PresentationCreationTime = patient.study_date, patient.study_time
    series = Dataset()
    series.SeriesInstanceUID = patient.uid(2)
    series.ReferencedImageSequence = Sequence([reference(uids.CTImageStorage, patient.uid(3, 1))])
    ds.ReferencedSeriesSequence = Sequence([series])
    text = Dataset()
    text.UnformattedTextValue = patient.name
    annotation = Dataset()
    annotation.GraphicLayer = "LAYER"
    annotation.TextObjectSequence = Sequence([text])
    ds.GraphicAnnotationSequence = Sequence([annotation])
    ds.PresentationLUTShape = "IDENTITY"
    return ds


def rt_plan(patient: Patient = PATIENT, number: int = 1) -> Dataset:
    """Return an RT plan."""
    ds = common(uids.RTPlanStorage, "RTPLAN", patient, number)
    ds.RTPlanLabel, ds.RTPlanName = patient.study_id, f"Plan {patient.name}"
    ds.RTPlanDate, ds.RTPlanTime = patient.study_date, patient.study_time
    ds.RTPlanGeometry, ds.ApprovalStatus = "PATIENT", "APPROVED"
    ds.ReviewDate, ds.ReviewTime, ds.ReviewerName = patient.study_date, patient.study_time, patient.physician
    beam = Dataset()
    beam.BeamNumber, beam.BeamName, beam.BeamType = "1", f"beam {patient.name}", "STATIC"
    beam.TreatmentMachineName, beam.RadiationType = patient.station, "PHOTON"
    ds.BeamSequence = Sequence([beam])
    return ds


def ecg(patient: Patient = PATIENT, number: int = 1) -> Dataset:
    """Return a one-channel ECG."""
    ds = common(uids.TwelveLeadECGWaveformStorage, "ECG", patient, number)
    ds.AcquisitionDateTime = f"{patient.study_date}134530"
    channel = Dataset()
    channel.ChannelLabel = "Lead I"
    channel.ChannelSourceSequence = Sequence([code("2:1", "MDC", "Lead I")])
    channel.ChannelSampleSkew, channel.WaveformBitsStored = "0", 16
    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = 1, 4
    group.SamplingFrequency = "500"
    group.ChannelDefinitionSequence = Sequence([channel])
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.add_new("WaveformData", "OW", bytes(range(8)))
    ds.WaveformSequence = Sequence([group])
    note = Dataset()
    note.UnformattedTextValue = f"{patient.name} was restless"
    ds.WaveformAnnotationSequence = Sequence([note])
    return ds


def segmentation(patient: Patient = PATIENT, number: int = 1) -> Dataset:
    """Return a fractional segmentation of one frame."""
    ds = common(uids.SegmentationStorage, "SEG", patient, number)
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.ContentLabel, ds.ContentCreatorName = "SEG", patient.operator
    ds.SegmentationType, ds.SegmentationFractionalType, ds.MaximumFractionalValue = (
        "FRACTIONAL",
        "OCCUPANCY",
        255,
    )
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, f"liver of {patient.name}"
    segment.SegmentAlgorithmType, segment.SegmentAlgorithmName = "SEMIAUTOMATIC", "Algorithm"
    segment.SegmentedPropertyCategoryCodeSequence = Sequence(
        [code("123037004", "SCT", "Anatomical structure")]
    )
    segment.SegmentedPropertyTypeCodeSequence = Sequence([code("10200004", "SCT", "Liver")])
    segment.TrackingID, segment.TrackingUID = patient.patient_id, patient.uid(6)
    ds.SegmentSequence = Sequence([segment])
    pixels(ds, bits=8)
    return ds


BUILDERS: dict[str, Callable[[Patient, int], Dataset]] = {
    "ct": ct,
    "mr": mr,
    "us": us,
    "sc": sc,
    "enhanced-mr": enhanced_mr,
    "sr": sr,
    "presentation-state": presentation_state,
    "rt-plan": rt_plan,
    "ecg": ecg,
    "segmentation": segmentation,
}


def use_undefined_lengths(ds: Dataset) -> None:
    """Encode every sequence and every item with undefined length (PS3.5 section 7.5)."""
    for elem in ds:
        if elem.VR == "SQ":
            elem.is_undefined_length = True
            for item in elem.value:
                item.is_undefined_length_sequence_item = True
                use_undefined_lengths(item)


def encode(
    ds: Dataset,
    transfer_syntax: str = EXPLICIT,
    *,
    undefined_lengths: bool = False,
    preamble: bytes = bytes(128),
    fragments: list[bytes] | None = None,
) -> bytes:
    """Return an instance as a DICOM file (PS3.10 section 7); JPEG takes one tiny picture a frame.

    ``fragments`` are those of encapsulated Pixel Data, instead of JPEG.
    """
    if undefined_lengths:
        use_undefined_lengths(ds)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = uids.UID(transfer_syntax)
    meta.SourceApplicationEntityTitle = PATIENT.station
    out = FileDataset("", Dataset(), preamble=preamble, file_meta=meta)
    out.update({elem.tag: elem for elem in ds})
    if meta.TransferSyntaxUID.is_encapsulated and transfer_syntax != DEFLATED and "PixelData" in ds:
        value = encapsulate(fragments or [TINY_JPEG] * int(ds.get("NumberOfFrames", 1)))
        out.add(DataElement(0x7FE00010, "OB", value, is_undefined_length=True))
    buffer = io.BytesIO()
    dcmwrite(buffer, out, enforce_file_format=True)
    return buffer.getvalue()


def corpus_files() -> list[Path]:
    """Return the files of the shared corpus in a fixed order; none where it is not there."""
    if not CORPUS.exists():
        return []
    return sorted(path for path in CORPUS.rglob("*") if path.is_file() and path.name != "manifest.csv")


def corpus_bytes(path: Path) -> bytes:
    """Return a corpus file's bytes; large ones are stored by gzip."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def walk(ds: Dataset, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], DataElement]]:
    """Yield (tags and item numbers to the element, element) for every element at every depth."""
    for elem in ds:
        here = (*path, int(elem.tag))
        yield here, elem
        if elem.VR == "SQ":
            for number, item in enumerate(elem.value):
                yield from walk(item, (*here, number))


#: Elements for :func:`raw_data_set`: tag, VR and value bytes, or a list of items.
RawElements = list[tuple[int, str, "bytes | list[RawElements]"]]
_LONG_VRS = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])


def raw_data_set(elements: RawElements, *, explicit: bool = True) -> bytes:
    """Encode elements in little endian just as they are given: no order, no check, no padding."""
    out = bytearray()
    for tag, vr, value in elements:
        if isinstance(value, list):
            items = (raw_data_set(item, explicit=explicit) for item in value)
            content = b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)
        else:
            content = value
        if not explicit:
            out += struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(content))
        elif vr in _LONG_VRS:
            out += struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr.encode(), 0, len(content))
        else:
            out += struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(content))
        out += content
    return bytes(out)


def raw_file(elements: RawElements, *, explicit: bool = True, sop_class: str = uids.CTImageStorage) -> bytes:
    """Return a DICOM file around :func:`raw_data_set`, with the least File Meta Information."""
    syntax = EXPLICIT if explicit else IMPLICIT
    meta = raw_data_set(
        [(0x00020002, "UI", even(sop_class, "\0")), (0x00020010, "UI", even(syntax, "\0"))], explicit=True
    )
    length = raw_data_set([(0x00020000, "UL", struct.pack("<L", len(meta)))])
    return bytes(128) + b"DICM" + length + meta + raw_data_set(elements, explicit=explicit)


def even(text: str, padding: str = " ") -> bytes:
    """Encode text, padded to even length (PS3.5 section 6.2)."""
    return (text + padding * (len(text) % 2)).encode()
