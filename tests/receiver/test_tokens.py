"""Bearer tokens: made, kept as hashes, found, expired, revoked."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicomveil_receiver.tokens import TokenFile, Tokens
from receiver.support import Endpoint, make_instance


def test_a_token_is_found_by_its_secret_only(tmp_path: Path) -> None:
    """256 random bits; neither the secret nor a part of it is in the file, which is the owner's alone."""
    path = tmp_path / "tokens.json"
    tokens = Tokens(TokenFile(path))
    secret = tokens.add("first")
    found = tokens.find(secret)
    assert found is not None
    assert found.name == "first"
    assert len(secret) >= 43
    assert tokens.find(secret[:-1]) is None
    assert tokens.find("") is None
    assert secret.removeprefix("dicomveil_") not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Tokens(TokenFile(path)).find(secret) == found


def test_a_revoked_token_stops_at_once(endpoint: Endpoint) -> None:
    """Another process revokes it: the running server refuses it from then on, and 401 says so."""
    assert endpoint.store_instances(make_instance()).status_code == 200
    other = Tokens(TokenFile(endpoint.storage / ".dicomveil" / "tokens.json"))
    other.revoke("test-0")
    answer = endpoint.store_instances(make_instance())
    assert (answer.status_code, answer.json()["code"]) == (401, "token-wrong")
    assert len(endpoint.files()) == 1


def test_an_expired_token_is_not_found(tmp_path: Path) -> None:
    """Expiry is a moment in UTC."""
    tokens = Tokens(TokenFile(tmp_path / "tokens.json"))
    late = tokens.add("late", expires=datetime.now(UTC) - timedelta(seconds=2))
    good = tokens.add("good", expires=datetime.now(UTC) + timedelta(hours=1))
    assert tokens.find(late) is None
    assert tokens.find(good) is not None


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65, "n\n", "session"])
def test_names_are_plain(tmp_path: Path, name: str) -> None:
    """Names go into logs, so they hold nothing that could be mistaken."""
    with pytest.raises(ValueError, match="name"):
        Tokens(TokenFile(tmp_path / "tokens.json")).add(name)


def test_a_name_is_used_once(tmp_path: Path) -> None:
    """Also after it was revoked: the audit log refers to names."""
    tokens = Tokens(TokenFile(tmp_path / "tokens.json"))
    tokens.add("one")
    tokens.revoke("one")
    with pytest.raises(ValueError, match="exists"):
        tokens.add("one")
    with pytest.raises(KeyError):
        tokens.revoke("two")


def test_a_session_token_is_never_written(tmp_path: Path) -> None:
    """The token of --page-settings lives in memory only."""
    path = tmp_path / "tokens.json"
    tokens = Tokens(TokenFile(path))
    secret = tokens.open_session()
    assert tokens.find(secret) is not None
    assert not path.exists()
    assert Tokens(TokenFile(path)).find(secret) is None


def test_a_damaged_file_lets_nobody_in(endpoint: Endpoint) -> None:
    """503, not 200 and not 500."""
    (endpoint.storage / ".dicomveil" / "tokens.json").write_text("{")
    assert endpoint.store_instances(make_instance()).status_code == 503
    assert endpoint.files() == []
