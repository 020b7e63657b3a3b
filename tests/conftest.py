"""Shared fixtures; builders of instances are in ``builders.py``."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from dicomveil.profile import Profile
from dicomveil.pseudonyms import Key, Pseudonyms

# Machines that run the tests are slow and shared: time limits are the suite's, not an example's.
settings.register_profile("dicomveil", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dicomveil")


@pytest.fixture
def profile() -> Profile:
    """Return the default profile."""
    return Profile.default()


@pytest.fixture
def pseudonyms() -> Pseudonyms:
    """Return pseudonyms under a fixed key."""
    return Pseudonyms(Key(bytes(range(32))))
