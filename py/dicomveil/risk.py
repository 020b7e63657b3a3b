"""Which images may have text burned into their pixels, told from a few attributes (a list of facts, no I/O).

A risk never says that there is text; the empty answer never says that there is none. It decides whether a
person has to look before the image may leave (PS3.15 E.3.1 asks for such a judgement, and gives no list).
"""

from __future__ import annotations

__all__ = ["VIDEO_TRANSFER_SYNTAXES", "pixel_risks"]

_SC = "1.2.840.10008.5.1.4.1.1.7"
_ULTRASOUND = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.3",
        "1.2.840.10008.5.1.4.1.1.3.1",
        "1.2.840.10008.5.1.4.1.1.6",
        "1.2.840.10008.5.1.4.1.1.6.1",
        "1.2.840.10008.5.1.4.1.1.6.3",
    }
)
#: Endoscopy, microscopy (not whole slide), photography and their videos, PS3.4 B.5.
_VISIBLE_LIGHT = "1.2.840.10008.5.1.4.1.1.77.1."
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_OPHTHALMIC = "1.2.840.10008.5.1.4.1.1.77.1.5."
_MODALITIES = frozenset(
    [
        "US",
        "IVUS",
        "BDUS",
        "EC",
        "OT",
        "SC",
        "ES",
        "XC",
        "GM",
        "DOC",
        "HC",
        "LP",
        "DMS",
        "VF",
        "IO",
        "AU",
        "PLAN",
    ]
)
#: Image Type values that name screens, pages and reports.
_SCREENS = frozenset(
    [
        "SCREEN",
        "SAVE",
        "SCREENSAVE",
        "SCREENSHOT",
        "SNAPSHOT",
        "CAPTURE",
        "DOSE",
        "DOSE_INFO",
        "REPORT",
        "PROTOCOL",
        "PROT",
        "SCANNED",
        "PAGE",
        "RESULT_TABLE",
        "TABLE",
        "CURVE",
        "CHART",
        "PLOT",
    ]
)
#: Image Type values of reconstructions that a scanner computes from its own data: no text is drawn there.
_COMPUTED = frozenset(
    [
        "AXIAL",
        "MPR",
        "MIP",
        "MINIP",
        "AVERAGE",
        "AVG",
        "ADC",
        "TRACEW",
        "TRACE",
        "FA",
        "PERFUSION",
        "REFORMATTED",
        "LOCALIZER",
        "CPR",
        "DIFFUSION",
        "NORM",
        "M",
        "P",
        "MNLT",
        "SUBTRACTION",
        "SUB",
        "PROJECTION",
        "IMAGE",
        "RESAMPLED",
        "STATIC",
        "DYNAMIC",
        "GATED",
        "TOMO",
        "EMISSION",
        "VOLUME",
        "QUANTITY",
        "T1",
        "T2",
        "R2",
        "R2_STAR",
        "T2_STAR",
        "FAT",
        "WATER",
        "IN_PHASE",
        "OUT_PHASE",
        "OPP_PHASE",
        "DRG",
    ]
)
_COLOURS = ("RGB", "YBR", "PALETTE")
_COLOURLESS_MODALITIES = frozenset(["CT", "MR", "PT", "CR", "DX", "MG", "RG", "RF", "XA", "NM"])
_FILM_OR_SCREEN = frozenset(["DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN"])
_NO_PICTURES = (
    "1.2.840.10008.5.1.4.1.1.66",  # segmentation, registration, fiducials
    "1.2.840.10008.5.1.4.1.1.481.2",  # RT Dose
    "1.2.840.10008.5.1.4.1.1.30",  # Parametric Map
)

VIDEO_TRANSFER_SYNTAXES = frozenset(
    f"1.2.840.10008.1.2.4.{n}" for n in ("100", "100.1", "101", "101.1", "102", "102.1", "103", "103.1")
) | frozenset(
    f"1.2.840.10008.1.2.4.{n}" for n in ("104", "104.1", "105", "105.1", "106", "106.1", "107", "108")
)


def pixel_risks(
    *,
    sop_class: str,
    transfer_syntax: str,
    modality: str,
    image_type: tuple[str, ...],
    photometric: str,
    burned_in_annotation: str,
    conversion_type: str,
    specimen_label_in_image: str,
) -> tuple[str, ...]:
    """Return the reasons for which a person has to look at an instance with Pixel Data; empty for none.

    All arguments are attribute values without padding (Image Type split into its values).
    """
    risks = []
    kinds = {value.strip().upper() for value in image_type}
    words = {word for kind in kinds for word in kind.replace("-", " ").replace("_", " ").split()} | kinds
    if burned_in_annotation.upper() not in {"", "NO"}:
        risks.append("burned-in-annotation")
    if transfer_syntax in VIDEO_TRANSFER_SYNTAXES:
        risks.append("video")
    if specimen_label_in_image.upper() == "YES" or kinds & {"LABEL", "OVERVIEW", "THUMBNAIL"}:
        risks.append("slide-label")
    if sop_class.startswith(_NO_PICTURES):
        return tuple(risks)
    visible_light = sop_class.startswith(_VISIBLE_LIGHT) and not sop_class.startswith(
        (_WHOLE_SLIDE, _OPHTHALMIC)
    )
    if sop_class in _ULTRASOUND or sop_class == _SC or sop_class.startswith(_SC + ".") or visible_light:
        risks.append("sop-class")
    if modality.upper() in _MODALITIES or not modality:
        risks.append("modality")
    if words & _SCREENS or ("SECONDARY" in kinds and not words & _COMPUTED):
        risks.append("image-type")
    if conversion_type.upper() in _FILM_OR_SCREEN:
        risks.append("conversion-type")
    if modality.upper() in _COLOURLESS_MODALITIES and photometric.upper().startswith(_COLOURS):
        risks.append("colour")
    return tuple(risks)
