"""The receiver's settings: from the command line, the environment (``DICOMVEIL_...``) and a TOML file.

The command line wins over the environment, the environment over the file. Whatever is wrong is told by the
name of the setting, before anything is opened.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dicomveil_receiver.sealing import recipients_of

__all__ = ["WHERE", "Settings", "SettingsError", "is_loopback", "load_settings"]

#: The settings that say where everything is kept: the operator's commands take them, too.
WHERE = frozenset(
    {
        "storage",
        "bucket",
        "bucket_endpoint",
        "bucket_region",
        "database",
        "database_password",
        "database_ca",
    }
)
_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30


class SettingsError(Exception):
    """A setting is wrong; the message names the setting and the remedy, and is for the operator only."""


def _about(help_text: str, kind: type = str, *, many: bool = False) -> dict[str, Any]:
    return {"help": help_text, "kind": kind, "many": many}


@dataclass(frozen=True)
class Settings:
    """What an operator can choose. Sizes are bytes, times seconds."""

    storage: Path = field(
        metadata=_about(
            "folder that keeps the instances, or with a bucket what arrives (made if missing)", Path
        )
    )
    bucket: str | None = field(
        default=None,
        metadata=_about("keep the instances in S3-compatible storage: s3://bucket/prefix; needs database"),
    )
    bucket_endpoint: str | None = field(
        default=None, metadata=_about("URL of S3-compatible storage that is not Amazon's")
    )
    bucket_region: str = field(default="us-east-1", metadata=_about("region of the bucket"))
    database: str | None = field(
        default=None,
        metadata=_about("PostgreSQL that replicas share: postgresql://user@host/name; needs bucket"),
    )
    database_password: Path | None = field(
        default=None, metadata=_about("file with the password for the database", Path)
    )
    database_ca: Path | None = field(
        default=None, metadata=_about("certificates to trust for the database beside the system's, PEM", Path)
    )
    host: str = field(
        default="127.0.0.1", metadata=_about("address to listen on; other than loopback needs TLS")
    )
    port: int = field(default=8042, metadata=_about("port to listen on; 0 takes a free one", int))
    certificate: Path | None = field(default=None, metadata=_about("TLS certificate chain, PEM", Path))
    key: Path | None = field(default=None, metadata=_about("TLS private key, PEM", Path))
    seal_to: tuple[str, ...] = field(
        default=(), metadata=_about("encrypt what is stored to this age recipient (age1...)", many=True)
    )
    forward_to: str | None = field(
        default=None, metadata=_about("DICOMweb URL of an archive to forward to (STOW-RS: .../studies)")
    )
    forward_ca: Path | None = field(
        default=None, metadata=_about("certificates to trust for the archive beside the system's, PEM", Path)
    )
    forward_authorization: Path | None = field(
        default=None, metadata=_about("file with the Authorization header for the archive", Path)
    )
    metrics: bool = field(
        default=False, metadata=_about("serve GET /metrics (Prometheus) to anybody who can connect", bool)
    )
    page: Path | None = field(default=None, metadata=_about("folder of the built page to serve (dist)", Path))
    page_settings: bool = field(
        default=False,
        metadata=_about("serve /settings.json with an upload token made for this run (loopback only)", bool),
    )
    allow_origin: tuple[str, ...] = field(
        default=(), metadata=_about("origin of a page elsewhere that may upload here", many=True)
    )
    allow_endpoint: tuple[str, ...] = field(
        default=(), metadata=_about("origin that the served page may upload to", many=True)
    )
    behind_proxy: bool = field(
        default=False,
        metadata=_about("believe a proxy on this computer that says X-Forwarded-Proto: https", bool),
    )
    allow_host: tuple[str, ...] = field(
        default=(), metadata=_about("further host name to answer to on loopback", many=True)
    )
    verifiers: int = field(
        default=min(os.cpu_count() or 1, 8), metadata=_about("processes that verify what arrives", int)
    )
    max_instance_bytes: int = field(default=8 * _GIB, metadata=_about("largest instance", int))
    max_request_bytes: int = field(default=64 * _GIB, metadata=_about("largest request", int))
    max_parts: int = field(default=1000, metadata=_about("most instances in a request", int))
    max_uploads: int = field(default=128, metadata=_about("most uploads at once", int))
    max_token_uploads: int = field(default=96, metadata=_about("most uploads at once with one token", int))
    max_connections: int = field(default=1024, metadata=_about("most open connections", int))
    max_requests: int = field(default=1200, metadata=_about("most requests a minute with one token", int))
    min_free_bytes: int = field(
        default=64 * _MIB, metadata=_about("room on the disk below which nothing is taken", int)
    )
    idle_timeout: int = field(default=30, metadata=_about("longest silence of a sender", int))
    min_rate: int = field(
        default=_KIB,
        metadata=_about("lowest average bytes a second of a sender, after the first minute", int),
    )
    stop_timeout: int = field(default=60, metadata=_about("longest wait for running uploads at a stop", int))

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.certificate is not None

    @property
    def loopback(self) -> bool:
        """Whether only this computer can connect."""
        return is_loopback(self.host)

    def check(self) -> None:
        """Raise :class:`SettingsError` when settings are wrong or contradict each other."""
        if (self.certificate is None) != (self.key is None):
            raise SettingsError("certificate and key belong together: give both or none")
        try:
            ipaddress.ip_address("127.0.0.1" if self.host == "localhost" else self.host)
        except ValueError:
            raise SettingsError("host must be an IP address or localhost") from None
        if not self.tls and not self.loopback:
            raise SettingsError(
                "host is not a loopback address: plain HTTP is only for this computer. "
                "Give certificate and key, or listen on 127.0.0.1"
            )
        if self.behind_proxy and (self.tls or not self.loopback):
            raise SettingsError("behind-proxy is for plain HTTP on loopback, from a proxy on this computer")
        if self.page_settings and (not self.loopback or self.page is None):
            raise SettingsError("page-settings needs a page, and a loopback host: it hands out a token")
        for name in ("certificate", "key"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise SettingsError(f"{name}: there is no such file")
        if self.page is not None and not (self.page / "index.html").is_file():
            raise SettingsError("page: the folder has no index.html; build the page first")
        for name in ("allow_origin", "allow_endpoint"):
            for origin in getattr(self, name):
                if not _is_origin(origin):
                    raise SettingsError(f"{_flag(name)} must be an origin such as https://example.org")
        self._check_shared()
        self._check_forwarding()
        try:
            recipients_of(self.seal_to)
        except ValueError:
            raise SettingsError("seal-to must be a recipient of age: age1...") from None
        lowest = {"port": 0}
        for item in fields(self):
            if item.metadata["kind"] is int and getattr(self, item.name) < lowest.get(item.name, 1):
                raise SettingsError(f"{_flag(item.name)} is too small")
        if self.port > 0xFFFF:
            raise SettingsError("port is too large")

    def _check_shared(self) -> None:
        if (self.bucket is None) != (self.database is None):
            raise SettingsError("bucket and database belong together: give both or none")
        for name in ("database_password", "database_ca"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise SettingsError(f"{_flag(name)}: there is no such file")
        if self.bucket is not None:
            parts = urlsplit(self.bucket)
            if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
                raise SettingsError("bucket must be s3://bucket or s3://bucket/prefix")
        if self.bucket_endpoint is not None and not _is_origin(self.bucket_endpoint):
            raise SettingsError("bucket-endpoint must be an origin such as https://s3.example.org")
        if self.database is not None:
            _check_database(self.database)

    def _check_forwarding(self) -> None:
        if self.forward_authorization is not None and not self.forward_authorization.is_file():
            raise SettingsError("forward-authorization: there is no such file")
        if self.forward_ca is not None and not self.forward_ca.is_file():
            raise SettingsError("forward-ca: there is no such file")
        if self.forward_to is None:
            return
        if self.seal_to:
            raise SettingsError(
                "forward-to and seal-to exclude each other: what is sealed is not readable here"
            )
        parts = urlsplit(self.forward_to)
        origin = f"{parts.scheme}://{parts.netloc}"
        if not _is_origin(origin) or parts.query or parts.fragment:
            raise SettingsError("forward-to must be a URL such as https://archive.example/dicom-web")


def _check_database(url: str) -> None:
    try:
        parts = urlsplit(url)
        complete = parts.port != 0 and bool(parts.username) and len(parts.path) > 1
    except ValueError:
        complete = False
        parts = urlsplit("")
    query = parse_qs(parts.query)
    if (
        parts.scheme != "postgresql"
        or not complete
        or bool(parts.hostname) == ("host" in query)
        or query.keys() - {"host"}
    ):
        raise SettingsError(
            "database must be postgresql://user@host:port/name, or postgresql://user@/name?host=/folder/of/socket"
        )
    if parts.password is not None:
        raise SettingsError("database must not hold the password: put it into a file, database-password")


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this computer only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_origin(text: str) -> bool:
    # Nothing else may reach a response header: no path, no blank, no separator of a CSP.
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return False
    host = parts.hostname or ""
    plain = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host.strip("[]")))
    named = bool(host) and all(c.isascii() and (c.isalnum() or c in ".-:") for c in host)
    bracketed = f"[{host}]" if ":" in host else host
    return plain and named and text == f"{parts.scheme}://{bracketed}{port}"


def _flag(name: str) -> str:
    return name.replace("_", "-")


def _converted(name: str, kind: type, many: bool, value: object) -> object:  # noqa: FBT001
    if many:
        items = value.split() if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            raise SettingsError(f"{_flag(name)} must be a list of texts")
        return tuple(items)
    if kind is bool:
        if isinstance(value, bool):
            return value
        if value in {"0", "1"}:
            return value == "1"
        raise SettingsError(f"{_flag(name)} must be true or false (1 or 0 in the environment)")
    if kind is int:
        try:
            return int(str(value))  # so that neither True nor 1.5 is a number
        except ValueError:
            raise SettingsError(f"{_flag(name)} must be a whole number") from None
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{_flag(name)} must be a text")
    return kind(value)


def load_settings(
    given: Mapping[str, object],
    environment: Mapping[str, str],
    file: Path | None = None,
    *,
    receiving: bool = True,
) -> Settings:
    """Join command line (``given``, without what was not given), environment and file; check the result.

    Who is not ``receiving`` needs no folder for what arrives.
    """
    named = {item.name: item for item in fields(Settings)}
    from_file: Mapping[str, object] = {}
    if file is not None:
        try:
            from_file = tomllib.loads(file.read_text("utf-8"))
        except OSError:
            raise SettingsError("settings: the file cannot be read") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            raise SettingsError("settings: the file is not valid TOML") from None
        from_file = {name.replace("-", "_"): value for name, value in from_file.items()}
        if unknown := sorted(set(from_file) - set(named)):
            raise SettingsError(f"settings: {_flag(unknown[0])} is not a setting")
    values: dict[str, Any] = {}
    for name, item in named.items():
        kind, many = item.metadata["kind"], item.metadata["many"]
        for value in (given.get(name), environment.get(f"DICOMVEIL_{name.upper()}"), from_file.get(name)):
            if value is not None:
                values[name] = _converted(name, kind, many, value)
                break
    if "storage" not in values and not receiving and "database" in values:
        values["storage"] = Path()
    if "storage" not in values:
        raise SettingsError("storage is missing: name the folder that keeps the instances")
    settings = Settings(**values)
    settings.check()
    return settings
