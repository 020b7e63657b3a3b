"""Settings: where they come from, and what is refused before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomveil_receiver.settings import Settings, SettingsError, is_loopback, load_settings

RECIPIENT = "age14qw22jgll3vv395g07wju380uacdwuqmz6rfsr83mlsps5ln7eqqzm5qxk"


def test_the_command_line_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    """Each setting comes from the first place that has it."""
    file = tmp_path / "settings.toml"
    file.write_text('storage = "from-file"\nport = 1\nmax-parts = 3\nallow-origin = ["https://a.example"]\n')
    environment = {"DICOMVEIL_PORT": "2", "DICOMVEIL_STORAGE": "from-environment", "PORT": "9"}
    settings = load_settings({"storage": "from-command-line", "port": None}, environment, file)
    assert settings.storage == Path("from-command-line")
    assert settings.port == 2
    assert settings.max_parts == 3
    assert settings.allow_origin == ("https://a.example",)
    assert settings.idle_timeout == Settings(storage=tmp_path).idle_timeout


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "storage"),
        ({"storage": "x", "port": "many"}, "port"),
        ({"storage": "x", "port": "1.5"}, "port"),
        ({"storage": "x", "port": "65536"}, "port"),
        ({"storage": "x", "port": "-1"}, "port"),
        ({"storage": "x", "max_parts": "0"}, "max-parts"),
        ({"storage": "x", "host": "example.org"}, "host"),
        ({"storage": "x", "host": "0.0.0.0"}, "host"),  # noqa: S104
        ({"storage": "x", "host": "192.0.2.1"}, "host"),
        ({"storage": "x", "host": "::"}, "host"),
        ({"storage": "x", "certificate": "c.pem"}, "key"),
        ({"storage": "x", "certificate": "c.pem", "key": "k.pem"}, "certificate"),
        ({"storage": "x", "page": "nowhere"}, "page"),
        ({"storage": "x", "page_settings": True}, "page-settings"),
        ({"storage": "x", "page_settings": "yes"}, "page-settings"),
        ({"storage": "x", "behind_proxy": True, "certificate": __file__, "key": __file__}, "behind-proxy"),
        ({"storage": "x", "allow_origin": ["*"]}, "allow-origin"),
        ({"storage": "x", "allow_origin": ["https://a.example/"]}, "allow-origin"),
        ({"storage": "x", "allow_origin": [1]}, "allow-origin"),
        ({"storage": "x", "allow_endpoint": ["https://a.example; script-src *"]}, "allow-endpoint"),
        ({"storage": "x", "allow_endpoint": ["http://a.example"]}, "allow-endpoint"),
        ({"storage": "x", "allow_endpoint": ["https://*"]}, "allow-endpoint"),
        ({"storage": "x", "allow_endpoint": ["https://a.example:port"]}, "allow-endpoint"),
        ({"storage": "x", "forward_to": "http://archive.example/dicom-web"}, "forward-to"),
        ({"storage": "x", "forward_to": "archive.example"}, "forward-to"),
        ({"storage": "x", "forward_to": "https://archive.example/?a=b"}, "forward-to"),
        ({"storage": "x", "forward_to": "https://a.example", "forward_authorization": "no"}, "forward-auth"),
        ({"storage": "x", "forward_to": "https://a.example", "seal_to": [RECIPIENT]}, "seal-to"),
        ({"storage": "x", "seal_to": ["age1x"]}, "seal-to"),
    ],
)
def test_a_wrong_setting_is_told_by_its_name(given: dict[str, object], name: str) -> None:
    """SettingsError names the setting."""
    with pytest.raises(SettingsError, match=name):
        load_settings(given, {})


@pytest.mark.parametrize("text", ["storage = ", "\xff", "unknown-setting = 1"])
def test_a_wrong_file_is_told(tmp_path: Path, text: str) -> None:
    """Bad TOML, bad text and unknown names are errors, and so is no file at all."""
    file = tmp_path / "settings.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match="settings"):
        load_settings({"storage": "x"}, {}, file)
    with pytest.raises(SettingsError, match="settings"):
        load_settings({"storage": "x"}, {}, tmp_path / "not-there")


@pytest.mark.parametrize(
    "origin", ["https://a.example", "https://a.example:8443", "http://localhost:8042", "http://[::1]:1"]
)
def test_origins_are_taken_as_browsers_write_them(tmp_path: Path, origin: str) -> None:
    """Scheme, host and port, nothing behind; plain HTTP for loopback only."""
    assert load_settings({"storage": str(tmp_path), "allow_origin": [origin]}, {}).allow_origin == (origin,)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_loopback_is_this_computer_only(host: str, loopback: bool) -> None:  # noqa: FBT001
    """Plain HTTP hangs on this."""
    assert is_loopback(host) is loopback
