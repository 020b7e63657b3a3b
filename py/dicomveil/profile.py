"""A profile: which options of PS3.15 E.3 are on, and the salt that makes a passphrase the project's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dicomveil.errors import WrongUse

__all__ = ["OPTIONS", "Profile"]

#: The options of PS3.15 E.3, by the standard's names.
OPTIONS = (
    "clean_pixel_data",
    "clean_recognizable_visual_features",
    "clean_graphics",
    "clean_structured_content",
    "clean_descriptors",
    "retain_longitudinal_full_dates",
    "retain_longitudinal_modified_dates",
    "retain_patient_characteristics",
    "retain_device_identity",
    "retain_institution_identity",
    "retain_uids",
    "retain_safe_private",
)
_DEFAULT_OPTIONS = frozenset({"clean_pixel_data", "retain_longitudinal_modified_dates"})
# Not a secret: it only keeps one table of guessed passphrases from serving every product.
_DEFAULT_SALT = b"dicomveil default profile, salt 1"
_SALT_BYTES = range(8, 65)


_MEMBERS = frozenset({"dicomveil_profile", "name", "options", "salt", "safe_private"})
_PRIVATE_KEY = re.compile(r"[0-9A-F]{3}[13579BDF][0-9A-F]{2}")
_SAFE_VRS = frozenset({"CS", "DS", "FD", "FL", "IS", "LO", "SH", "SL", "SQ", "SS", "UI", "UL", "US"})


def _private_list(data: object) -> dict[str, dict[str, str]]:
    """Check a site's own list of safe private elements."""
    if not isinstance(data, dict):
        raise WrongUse("profile-invalid")
    for creator, elements in data.items():
        if not creator.strip() or not isinstance(elements, dict):
            raise WrongUse("profile-invalid")
        if not all(_PRIVATE_KEY.fullmatch(key) and vr in _SAFE_VRS for key, vr in elements.items()):
            raise WrongUse("profile-invalid")
    return data


@dataclass(frozen=True, slots=True)
class Profile:
    """Options beside the Basic Application Level Confidentiality Profile (PS3.15 E.2), which always applies.

    ``salt`` (8 to 64 bytes) goes into the derivation of the key from a passphrase: the same passphrase and
    the same salt give the same pseudonyms.

    Raises:
        WrongUse: ``option-unknown``, ``option-conflict`` or ``profile-invalid``.
    """

    name: str
    options: frozenset[str]
    salt: bytes = _DEFAULT_SALT
    safe_private: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.options <= frozenset(OPTIONS):
            raise WrongUse("option-unknown")
        if {"retain_longitudinal_full_dates", "retain_longitudinal_modified_dates"} <= self.options:
            raise WrongUse("option-conflict")
        if len(self.salt) not in _SALT_BYTES:
            raise WrongUse("profile-invalid")

    @classmethod
    def default(cls) -> Profile:
        """Return Basic + Clean Pixel Data + Retain Longitudinal with Modified Dates, no private elements."""
        return cls("default", _DEFAULT_OPTIONS)

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read ``{"dicomveil_profile": 1, "name": "...", "options": [...], "salt": "<hex>", ...}``.

        ``salt`` may be left out, and ``safe_private``: a site's own list of safe private elements,
        ``{"<private creator>": {"<ggggee>": "<VR>"}}`` (group and element in hexadecimal, the block left
        out). Unknown members are refused: what a profile asks for must not be ignored.
        """
        try:
            data = json.loads(text)
        except ValueError:
            raise WrongUse("profile-invalid") from None
        if not isinstance(data, dict) or not data.keys() <= _MEMBERS:
            raise WrongUse("profile-invalid")
        name, options, salt = data.get("name"), data.get("options"), data.get("salt", _DEFAULT_SALT.hex())
        if data.get("dicomveil_profile") != 1 or not isinstance(name, str) or not isinstance(salt, str):
            raise WrongUse("profile-invalid")
        if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
            raise WrongUse("profile-invalid")
        try:
            return cls(
                name, frozenset(options), bytes.fromhex(salt), _private_list(data.get("safe_private", {}))
            )
        except ValueError:
            raise WrongUse("profile-invalid") from None

    def with_options(self, options: list[str]) -> Profile:
        """Return this profile with more options; a date option given here takes the other one's place."""
        kept = set(self.options)
        for option in options:
            if option.startswith("retain_longitudinal_"):
                kept -= {"retain_longitudinal_full_dates", "retain_longitudinal_modified_dates"} - set(
                    options
                )
            kept.add(option)
        return replace(self, options=frozenset(kept))

    def to_json(self) -> str:
        """Write the form that :meth:`from_json` reads."""
        data: dict[str, object] = {
            "dicomveil_profile": 1,
            "name": self.name,
            "options": sorted(self.options),
            "salt": self.salt.hex(),
        }
        if self.safe_private:
            data["safe_private"] = self.safe_private
        return json.dumps(data, indent=1)
