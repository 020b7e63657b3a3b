"""A profile: which options of PS3.15 E.3 are on, and the salt that makes a passphrase the project's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dicomveil.errors import WrongUse
from dicomveil.overrides import Override, named, overrides_of
from dicomveil.schema import loads_once, profile_schema, violations

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
_IN_OPTIONS = re.compile(r"/options/\d+")


@dataclass(frozen=True, slots=True)
class Profile:
    """Options beside the Basic Application Level Confidentiality Profile (PS3.15 E.2), which always applies.

    ``salt`` (8 to 64 bytes) goes into the derivation of the key from a passphrase: the same passphrase and
    the same salt give the same pseudonyms. ``safe_private`` is a site's own list of safe private elements:
    private creator -> ``ggggee`` (the block left out) -> VR. ``overrides`` has actions for single attributes.

    Raises:
        WrongUse: ``option-unknown``, ``option-conflict`` or ``profile-invalid``.
    """

    name: str
    options: frozenset[str]
    salt: bytes = _DEFAULT_SALT
    safe_private: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    overrides: Mapping[int, Override] = field(default_factory=dict, hash=False)

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

        ``data/profile.schema.json`` describes the form. Unknown members are refused: what a profile asks for
        must not be ignored.
        """
        try:
            data = loads_once(text)
        except ValueError:
            raise WrongUse("profile-invalid") from None
        for pointer in violations(data, profile_schema()):
            code = "option-unknown" if _IN_OPTIONS.fullmatch(pointer) else "profile-invalid"
            raise WrongUse(code, pointer=pointer)
        return cls(
            data["name"],
            frozenset(data["options"]),
            bytes.fromhex(data.get("salt", _DEFAULT_SALT.hex())),
            data.get("safe_private", {}),
            overrides_of(data.get("overrides", {})),
        )

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
        if self.overrides:
            data["overrides"] = {
                named(tag): {"action": override.action, "reason": override.reason}
                | ({"accepted": True} if override.accepted else {})
                for tag, override in sorted(self.overrides.items())
            }
        return json.dumps(data, indent=1)
