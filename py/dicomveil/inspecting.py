"""Inspect: what an instance is, whose it is, and what about it needs a person's eyes. Nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from dicomveil.errors import Refused
from dicomveil.reading import Instance
from dicomveil.risk import VIDEO_TRANSFER_SYNTAXES, pixel_risks

__all__ = ["Inspection", "inspect", "is_video", "patient_identity"]

_INSTANCE, _STUDY, _SERIES = 0x00080018, 0x0020000D, 0x0020000E


@dataclass(frozen=True, slots=True)
class Inspection:
    """Facts about an instance. ``patient`` is an identity, and the UIDs are the input's: never show or store.

    Where SOP Instance, Series or Study Instance UID is missing (``missing_uids`` has the tags) a text that is
    the same for the same patient, study or content stands in, so that pseudonyms can be made of it.
    ``risks`` are the reasons for which its pixels need a look (see ``risk``); ``frames`` counts at least 1.
    """

    sop_class: str
    transfer_syntax: str
    modality: str
    patient: str
    study_uid: str
    series_uid: str
    instance_uid: str
    missing_uids: tuple[int, ...]
    has_pixels: bool
    risks: tuple[str, ...]
    rows: int
    columns: int
    frames: int


def patient_identity(instance: Instance) -> str:
    """Return the string that stands for the patient: Patient ID, else name and birth date, else the study.

    Padding, case and trailing ``^`` of a name do not make another person of one.
    """
    head = instance.head
    patient_id = head.text(0x00100020).casefold()
    if patient_id:
        return f"id\0{patient_id}"
    parts = head.text(0x00100010).rstrip("^= ").split("^")
    name = "^".join(" ".join(part.split()) for part in parts).casefold()
    if name:
        return f"name\0{name}\0{head.text(0x00100030)}"
    return f"study\0{head.text(0x0020000D)}"


def inspect(instance: Instance) -> Inspection:
    """Inspect one instance.

    Raises:
        Refused: ``undecodable`` where a UID that names the instance has several values.
    """
    head = instance.head

    def text(tag: int) -> str:
        """Return a value of the data set; where a tag stands behind Pixel Data, that one counts."""
        return instance.tail.text(tag) or head.text(tag)

    modality = text(0x00080060)
    patient = patient_identity(instance)
    study_uid = head.text(_STUDY) or f"study of {patient}"
    series_uid = head.text(_SERIES) or f"series of {study_uid} {modality} {head.text(0x00200011)}"
    instance_uid = head.text(_INSTANCE) or instance.file_meta.text(0x00020003)
    risks: tuple[str, ...] = ()
    if instance.pixels is not None:
        risks = pixel_risks(
            sop_class=instance.sop_class,
            transfer_syntax=instance.transfer_syntax,
            modality=modality,
            image_type=tuple(text(0x00080008).split("\\")),
            photometric=text(0x00280004),
            burned_in_annotation=text(0x00280301),
            conversion_type=text(0x00080064),
            specimen_label_in_image=text(0x00480010),
        )
    if any("\\" in uid for uid in (study_uid, series_uid, instance_uid)):
        raise Refused("undecodable")  # two UIDs where one is: whose file would it be?
    return Inspection(
        sop_class=instance.sop_class,
        transfer_syntax=instance.transfer_syntax,
        modality=modality,
        patient=patient,
        study_uid=study_uid,
        series_uid=series_uid,
        instance_uid=instance_uid or f"instance {sha256(head.buffer).hexdigest()}",
        missing_uids=tuple(tag for tag in (_INSTANCE, _STUDY, _SERIES) if not head.text(tag)),
        has_pixels=instance.pixels is not None,
        risks=risks,
        rows=head.number(0x00280010),
        columns=head.number(0x00280011),
        frames=max(head.number(0x00280008, 1), 1),
    )


def is_video(inspection: Inspection) -> bool:
    """Tell whether the pixels are a video stream, which nothing here can look into."""
    return inspection.transfer_syntax in VIDEO_TRANSFER_SYNTAXES
