"""The one exception family, and every stable code with its cause and remedy.

Messages are fixed texts: they never hold an attribute value or the name of an input file, since both are
patient data. ``str(error)`` is safe to log, to show and to put into the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CODES", "DicomveilError", "Refused", "WrongUse", "format_tag"]

#: code -> (cause, remedy). Codes are stable: others match on them, so one is added but never renamed.
CODES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # reading
        "not-dicom": ("This is not a DICOM file.", "Leave it out, or export it from the archive again."),
        "dicomdir": (
            "This is a DICOMDIR: an index that names patients, not an image.",
            "Leave it out; open the files that it lists.",
        ),
        "truncated": ("The file ends before its data do.", "Export it from the archive again."),
        "undecodable": (
            "The data elements cannot be read: their encoding is broken.",
            "Export it from the archive again, if possible in another transfer syntax.",
        ),
        "unsupported-transfer-syntax": (
            "The transfer syntax is unknown.",
            "Export it in a transfer syntax of the standard.",
        ),
        "header-too-large": (
            "The data before the pixels are larger than can be checked.",
            "Leave it out: it is not an ordinary image.",
        ),
        "unreadable": ("The file could not be read.", "Check the disk or medium, and open it again."),
        # a ZIP that is opened
        "zip-encrypted": (
            "This is encrypted in its ZIP.",
            "Unpack the ZIP with its password, and open the folder.",
        ),
        "zip-unsupported": (
            "This is compressed in its ZIP in a way that is not read here.",
            "Unpack the ZIP, and open the folder.",
        ),
        "zip-nested": ("This is a ZIP in a ZIP.", "Unpack the outer one, and open the folder."),
        "zip-damaged": (
            "This ZIP is damaged, or what is in it does not agree with what it says of it.",
            "Export it from the archive again, or unpack it and open the folder.",
        ),
        "zip-too-large": (
            "This ZIP has over 100,000 files or 8 GiB of compressed content, or this file in it over 1 GiB.",
            "Unpack it, and open the folder.",
        ),
        "zip-empty": ("There is no file in this ZIP.", "Leave it out, or export it from the archive again."),
        # inspecting and planning
        "no-sop-class": ("SOP Class UID is missing or empty.", "Export it from the archive again."),
        "private-sop-class": (
            "This is a private kind of object: the standard does not define how to de-identify it.",
            "Leave it out.",
        ),
        "encapsulated-document": (
            "This holds a document (PDF, CDA, 3D model) or a sound recording that cannot be cleaned.",
            "Leave it out, or clean the content itself and share it apart.",
        ),
        "video-unchecked": (
            "This is a video: its pictures cannot be checked here.",
            "Leave it out, or confirm that nothing is burned in.",
        ),
        "pixels-need-review": (
            "Text may be burned into the image.",
            "Look at the image; redact what identifies, or confirm that nothing does.",
        ),
        "embedded-overlay": (
            "An overlay is stored inside compressed pixel data, where it cannot be removed.",
            "Export it uncompressed.",
        ),
        # redacting
        "redaction-unsupported": (
            "The pixels of this image cannot be redacted: their encoding is not supported.",
            "Export it uncompressed, or leave it out.",
        ),
        "redaction-invalid": (
            "A redaction does not fit this image.",
            "Draw it again, inside the image and its frames.",
        ),
        "pixels-not-in-iod": (
            "There are pixels in an object that has none by its kind.",
            "Leave it out, or export it from the archive again.",
        ),
        "attribute-invalid": (
            "An attribute without which the image cannot be shown has an invalid value.",
            "Export it from the archive again.",
        ),
        "pixels-undecodable": ("The pixels cannot be decoded.", "Export it from the archive again."),
        "pixel-stream-unclean": (
            "A frame holds more than its image, in a place from which it cannot be taken out.",
            "Export it from the archive again, if possible uncompressed.",
        ),
        "pixels-not-loaded": (
            "What decodes pixels is not loaded.",
            "Install dicomveil[pixels]; the page loads it by itself.",
        ),
        # verifying
        "identifier-remains": (
            "Verification found an identifier of the patient in the cleaned file.",
            "Do not share it; report the named attribute, or remove it at the source.",
        ),
        "verification-failed": (
            "The cleaned file did not pass verification.",
            "Do not share it; report the code and the attribute.",
        ),
        "output-malformed": (
            "The cleaned file is not written as the standard wants it.",
            "Do not share it; report the code and the attribute.",
        ),
        "not-from-dicomveil": (
            "The file does not say that dicomveil wrote it.",
            "Clean it with dicomveil.",
        ),
        "marker-missing": (
            "The file does not say that it was de-identified, or how.",
            "Clean it with dicomveil.",
        ),
        "marker-untrue": (
            "What the file says about its de-identification is contradictory.",
            "Do not share it; clean the original again.",
        ),
        "attribute-not-removed": (
            "An attribute is there that the profile removes.",
            "Do not share it; clean the original again.",
        ),
        "attribute-not-replaced": (
            "An attribute has a value that the profile replaces or empties.",
            "Do not share it; clean the original again.",
        ),
        "attribute-unknown": (
            "An attribute is there that the standard does not know.",
            "Do not share it; clean the original again.",
        ),
        "text-not-reviewed": (
            "Free text is there in an attribute that is not known to be safe.",
            "Do not share it; clean the original again.",
        ),
        "date-not-removed": (
            "A date is there although no option keeps dates.",
            "Do not share it; clean the original again.",
        ),
        "date-not-shifted": (
            "A date is there that is not one of the original's, moved.",
            "Do not share it; report the code and the attribute.",
        ),
        "uid-not-replaced": (
            "A UID is there that is neither the standard's nor ours.",
            "Do not share it; clean the original again.",
        ),
        "pixels-unclaimed": (
            "Text may be burned into the image, and nobody said that it is not.",
            "Look at the image; redact what identifies, or confirm that nothing does.",
        ),
        "pixel-stream-remains": (
            "A frame of the cleaned file holds more than its image.",
            "Do not share it; clean the original again.",
        ),
        "input-unchecked": (
            "A part of the input could not be searched for identifiers.",
            "Export it from the archive again.",
        ),
        # writing
        "output-failed": (
            "The cleaned file could not be written.",
            "Check the free space and the permissions of the output folder, and clean it again.",
        ),
        "output-exists": (
            "Another file of the same name is already in the output folder.",
            "Choose an empty output folder.",
        ),
        "duplicate-instance": (
            "Another input has the same SOP Instance UID and other contents.",
            "Both were cleaned; an archive will take only one of them.",
        ),
        # use
        "input-missing": ("An input does not exist.", "Check the names that were given."),
        "no-input": ("There is no file in what was given.", "Give files, or a folder that holds some."),
        "output-holds-input": (
            "An input lies in the output folder, where it could be taken for a cleaned file.",
            "Choose another output folder.",
        ),
        "option-file-unreadable": (
            "A file that an option names cannot be read.",
            "Check its name, its permissions and its size.",
        ),
        "redactions-invalid": (
            "The file of redactions is not valid.",
            "Check it against the description in the manual.",
        ),
        "redaction-unmatched": (
            "A redaction is for no image of the input.",
            "Check the UID that it selects; the images were handled without it.",
        ),
        "option-unknown": ("An option is not one of PS3.15.", "Use an option's name as the manual lists it."),
        "option-conflict": ("Two options exclude each other.", "Give one of them."),
        "profile-invalid": ("The profile is not valid.", "Check it against the description in the manual."),
        "override-invalid": (
            "An override names no attribute that can be overridden, or one twice.",
            "Name attributes of PS3.6, by keyword or hexadecimal, not what every instance needs as it is.",
        ),
        "override-impossible": (
            "An override asks for what this attribute cannot have under the options of the profile.",
            "Clean text or sequences, give new values to UIDs only; dates and UIDs are kept by options.",
        ),
        "override-not-accepted": (
            "An override is weaker than PS3.15 with the options of the profile.",
            'Take it out, or say "accepted": true: the Basic Profile is not claimed then.',
        ),
        "patient-id-shared": (
            "Inputs with one Patient ID have different names.",
            "Decide whose they are; as they stand they got one pseudonym.",
        ),
        "patient-split": (
            "Inputs of the same birth date and similar names have different Patient IDs.",
            "If they are one person's, correct the IDs at the source: their pseudonyms differ.",
        ),
        "media-left-out": (
            "A DICOMDIR cannot list this output.",
            "It keeps its own name, in the output folder or the ZIP: open it by that where it is needed.",
        ),
        "media-folder-in-use": (
            "The folder for a DICOMDIR is not empty, or is not apart from the output folder.",
            "Name a new or empty folder beside the output folder.",
        ),
        "crosswalk-key-invalid": (
            "What is to encrypt the crosswalk is no recipient of age, nor a long passphrase.",
            "Give age1... as age-keygen prints it, or a passphrase of at least 8 characters, not both.",
        ),
        "crosswalk-missing": (
            "There is an encryption for a crosswalk, and no folder for one.",
            "Give --crosswalk DIR too.",
        ),
        "crosswalk-not-installed": (
            "What encrypts the crosswalk is not installed.",
            "Install dicomveil[crosswalk].",
        ),
        "option-file-unwritable": (
            "A file that an option names cannot be written.",
            "Check its folder and permissions.",
        ),
        "import-invalid": (
            "The file to import is neither a script of CTP's anonymizer nor Pacsbin's rules.",
            "Give the XML of the script, or the JSON of the rules, as the other tool saves it.",
        ),
        "import-unsupported": (
            "The script sets files aside by @quarantine or @skip, which no profile can do.",
            "Import it with --without-quarantine, and sort these files out before cleaning.",
        ),
        "features-recognizable": (
            "Recognizable features were to be cleaned, but nothing here changes them: a face may stay.",
            "Remove faces with another tool before cleaning; the output does not claim the option.",
        ),
        "weaker-than-basic": (
            "An override of the profile left what PS3.15 removes, so the Basic Profile is not claimed.",
            "Nothing, if that is what the profile is for; the report lists its overrides.",
        ),
        "case-invalid": (
            "The description of the case is not valid: a text is too long, or the title is missing.",
            "Give it a title of at most 64 characters, and shorten what is too long.",
        ),
        "case-identifies": (
            "The description of the case contains what identifies the patient.",
            "Take names, numbers, dates and places out of the named field, and check it again.",
        ),
        "case-unchecked": (
            "The case could not be checked against every open file, so it does not leave.",
            "Check it again, or leave it out.",
        ),
        "case-without-files": (
            "Nothing was cleaned that the case could be about, so it was not written.",
            "See why the files were refused.",
        ),
        "key-invalid": (
            "The key or passphrase is not valid.",
            "Give a key of 32 bytes or a longer passphrase.",
        ),
        "internal-error": (
            "Something unexpected went wrong with this file; it was not cleaned.",
            "Leave it out, and report the code.",
        ),
    }
)


def format_tag(tag: int) -> str:
    """Write a tag as PS3.6 does: ``(gggg,eeee)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


class DicomveilError(Exception):
    """Base of all errors; ``code`` is a key of :data:`CODES`, ``tag`` the data element, if one is meant."""

    def __init__(self, code: str, tag: int | None = None) -> None:
        cause, remedy = CODES[code]
        super().__init__(f"{format_tag(tag)}: {cause} {remedy}" if tag is not None else f"{cause} {remedy}")
        self.code = code
        self.tag = tag


class Refused(DicomveilError):
    """This input cannot be cleaned, or must not leave; the other inputs go on."""


class WrongUse(DicomveilError):
    """The options, the profile or the key are wrong: nothing can be cleaned with them.

    ``pointer`` says where in a profile (a JSON pointer, RFC 6901; names of members, never a value).
    """

    def __init__(self, code: str, tag: int | None = None, *, pointer: str | None = None) -> None:
        super().__init__(code, tag)
        self.pointer = pointer

    def __str__(self) -> str:
        return super().__str__() if self.pointer is None else f"at {self.pointer or '/'}: {super().__str__()}"
