"""Settings: where they come from, and what is refused before anything is opened."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from dicomveil_receiver.postgres import connection_arguments
from dicomveil_receiver.settings import Settings, SettingsError, is_loopback, load_settings

SHARED = {"storage": "x", "bucket": "s3://cases/prefix", "database": "postgresql://u@h/d"}
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
        ({**SHARED, "storage": None}, "storage"),
        ({**SHARED, "database": None}, "bucket and database"),
        ({**SHARED, "bucket": None}, "bucket and database"),
        ({**SHARED, "bucket": "cases"}, "bucket"),
        ({**SHARED, "bucket": "https://cases"}, "bucket"),
        ({**SHARED, "bucket": "s3:///prefix"}, "bucket"),
        ({**SHARED, "bucket_endpoint": "http://s3.example"}, "bucket-endpoint"),
        ({**SHARED, "bucket_endpoint": "https://s3.example/x"}, "bucket-endpoint"),
        ({**SHARED, "database": "sqlite://u@h/d"}, "database"),
        ({**SHARED, "database": "postgresql://h/d"}, "database"),
        ({**SHARED, "database": "postgresql://u@h"}, "database"),
        ({**SHARED, "database": "postgresql://u@h:port/d"}, "database"),
        ({**SHARED, "database": "postgresql://u@h/d?sslmode=disable"}, "database"),
        ({**SHARED, "database": "postgresql://u:SECRET@h/d"}, "database-password"),
        ({**SHARED, "database_password": "nowhere"}, "database-password"),
        ({**SHARED, "database_ca": "nowhere"}, "database-ca"),
    ],
)
def test_a_wrong_setting_is_told_by_its_name(given: dict[str, object], name: str) -> None:
    """SettingsError names the setting, and nothing that is secret."""
    with pytest.raises(SettingsError, match=name) as told:
        load_settings(given, {})
    assert "SECRET" not in str(told.value)


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


def test_commands_need_no_folder_where_there_is_a_database() -> None:
    """Who receives does: for what is arriving."""
    shared: dict[str, object] = {name: value for name, value in SHARED.items() if name != "storage"}
    assert load_settings(shared, {}, receiving=False).database == SHARED["database"]
    with pytest.raises(SettingsError, match="storage"):
        load_settings(shared, {})
    with pytest.raises(SettingsError, match="storage"):
        load_settings({}, {}, receiving=False)


@pytest.mark.parametrize(
    ("url", "authorities", "tls"),
    [
        ("postgresql://u@db.example/d", False, True),
        ("postgresql://u@192.0.2.1:5433/d", False, True),
        ("postgresql://u@127.0.0.1/d", False, False),
        ("postgresql://u@127.0.0.1/d", True, True),
        ("postgresql://u@/d?host=/run/postgresql", False, False),
    ],
)
def test_a_database_elsewhere_is_reached_by_tls(
    tmp_path: Path,
    url: str,
    authorities: bool,  # noqa: FBT001
    tls: bool,  # noqa: FBT001
) -> None:
    """With a certificate that is checked, and the name in it."""
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    context = connection_arguments(url, None, file if authorities else None).get("ssl_context")
    assert (context is not None) is tls
    if context is not None:
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
