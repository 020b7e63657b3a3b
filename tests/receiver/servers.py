"""Real servers for replicas: PostgreSQL as Debian has it, OpenStack Swift with its S3 API as PyPI has it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import obstore
import pytest
import trustme
from obstore.store import S3Store
from pg8000.native import Connection

from ports import free_port

SWIFT = Path(__file__).parents[2] / ".cache" / "swift" / "bin"
KEYS = {"AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "testing"}
BUCKET = "cases"


def _wait(true: Callable[[], object], process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("a server did not start")
        time.sleep(0.05)


class Postgres:
    """A PostgreSQL that can be stopped and started again."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        # It refuses to run as root.
        self._as = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        if self._as:
            shutil.chown(folder, "postgres", "postgres")
        initdb = [*self._as, str(programs / "initdb"), "-D", str(folder / "data")]
        options = ["-A", "trust", "-U", "tester", "-N", "-E", "UTF8"]
        subprocess.run([*initdb, *options], check=True, cwd=folder, capture_output=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [*self._as, str(self._programs / "postgres"), "-D", str(self._folder / "data")]
        self._process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder)],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        _wait(lambda: subprocess.run(ready, check=False).returncode == 0, self._process)

    def stop(self) -> None:
        """Stop it at once, whoever is connected."""
        pid = self._folder / "data" / "postmaster.pid"
        os.kill(int(pid.read_text().split()[0]), signal.SIGINT)
        assert self._process is not None
        self._process.wait(60)

    def run(self, sql: str, database: str = "postgres") -> list[Any]:
        """Run a statement."""
        with closing(Connection("tester", host="127.0.0.1", port=self.port, database=database)) as connection:
            return connection.run(sql) or []

    def secure(self, issued: trustme.LeafCert, role: str, password: str) -> None:
        """Serve TLS, and let a role in by it only."""
        data = self._folder / "data"
        for name, blob in (
            ("server.crt", issued.cert_chain_pems[0]),
            ("server.key", issued.private_key_pem),
        ):
            blob.write_to_path(data / name)
            (data / name).chmod(0o600)
            if self._as:
                shutil.chown(data / name, "postgres", "postgres")
        rules = (data / "pg_hba.conf").read_text()
        rule = f"hostssl all {role} 127.0.0.1/32 scram-sha-256\nhost all {role} 127.0.0.1/32 reject\n"
        (data / "pg_hba.conf").write_text(rule + rules)
        self.run(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        self.run("ALTER SYSTEM SET ssl = on")
        self.run("SELECT pg_reload_conf()")
        assert self._process is not None
        _wait(lambda: self.run("SHOW ssl") == [["on"]], self._process)  # it is told, and then does it

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://tester@127.0.0.1:{self.port}/{database}"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run PostgreSQL, or skip."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    program = shutil.which("postgres")
    if not found and program is None:
        pytest.skip("needs PostgreSQL (Debian: postgresql)")
    programs = found[-1].parent if found else Path(str(program)).resolve().parent
    if os.geteuid() == 0:
        import pwd  # not on Windows

        try:
            pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no account postgres")
    with tempfile.TemporaryDirectory() as name:
        server = Postgres(programs, Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop()


_SERVER = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
[pipeline:main]
pipeline = catch_errors cache s3api tempauth bulk slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
check_bucket_owner = no
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
"""
_CONF = """
[swift-hash]
swift_hash_path_prefix = of
swift_hash_path_suffix = tests
[storage-policy:0]
name = Policy-0
default = yes
"""


class Swift:
    """An OpenStack Swift of one disk; its S3 API can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._stack = ExitStack()
        self._proxy: subprocess.Popen[bytes] | None = None
        (folder / "devices" / "d1").mkdir(parents=True)
        (folder / "swift.conf").write_text(_CONF)
        begun = [self._begin(kind) for kind in ("account", "container", "object")]
        for port, process in begun:
            _wait(partial(_listens, port), process)
        self._write("proxy", _PROXY, self.port)

    def _write(self, kind: str, text: str, port: int) -> Path:
        path = self._folder / f"{kind}-server.conf"
        import pwd

        user = pwd.getpwuid(os.geteuid()).pw_name
        path.write_text(text.format(kind=kind, port=port, user=user, folder=self._folder))
        return path

    def _begin(self, kind: str) -> tuple[int, subprocess.Popen[bytes]]:
        port = free_port()
        builder = self._folder / f"{kind}.builder"
        for words in (
            ("create", "2", "1", "0"),
            ("add", f"r1z1-127.0.0.1:{port}/d1", "1"),
            ("rebalance",),
        ):
            done = subprocess.run(
                [SWIFT / "swift-ring-builder", builder, *words], check=False, capture_output=True
            )
            assert done.returncode < 2, done.stdout
        process = self._start(kind, self._write(kind, _SERVER, port))
        self._stack.callback(_end, process)
        return port, process

    def _start(self, kind: str, settings: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [SWIFT / f"swift-{kind}-server", settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "SWIFT_DIR": str(self._folder)},
        )

    def start(self) -> None:
        """Start the S3 API, and wait until it answers."""
        self._proxy = self._start("proxy", self._folder / "proxy-server.conf")
        _wait(self._answers, self._proxy)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/info", timeout=2):  # noqa: S310 - loopback
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def stop(self) -> None:
        """Stop the S3 API at once."""
        assert self._proxy is not None
        _end(self._proxy)

    def close(self) -> None:
        """Stop everything."""
        self.stop()
        self._stack.close()

    def bucket(self, prefix: str | None = None) -> S3Store:
        """Return the bucket."""
        return S3Store(
            BUCKET,
            prefix=prefix,
            config={
                "endpoint": self.url,
                "region": "us-east-1",
                "virtual_hosted_style_request": False,
                "access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
                "secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
            },
            client_options={"allow_http": True},
        )


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(60)


@contextmanager
def swift() -> Iterator[Swift]:
    """Run Swift, or skip."""
    if sys.platform != "linux" or not (SWIFT / "swift-proxy-server").is_file():
        pytest.skip("needs OpenStack Swift in .cache/swift (python build.py test sets it up on Linux)")
    with tempfile.TemporaryDirectory() as name:
        server = Swift(Path(name))
        server.start()
        try:
            # What is signed for an object without a name is a request for the bucket itself.
            url = obstore.sign(server.bucket(), "PUT", "", timedelta(minutes=1))
            with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=30):  # noqa: S310 - loopback
                pass
            yield server
        finally:
            server.close()


_DIGEST = re.compile(r"\.[0-9a-f]{64}(?=\.dcm)")


class Shared:
    """An empty database and an empty part of a bucket, for the replicas of one test."""

    def __init__(self, postgres: Postgres, swift: Swift) -> None:
        self.postgres, self.swift = postgres, swift
        self.name = f"test_{secrets.token_hex(8)}"
        postgres.run(f"CREATE DATABASE {self.name}")
        self.settings = {
            "bucket": f"s3://{BUCKET}/{self.name}",
            "bucket_endpoint": swift.url,
            "database": postgres.url(self.name),
        }

    def arguments(self) -> list[str]:
        """Return the settings as a command line has them."""
        words = [(f"--{name.replace('_', '-')}", value) for name, value in self.settings.items()]
        return [word for pair in words for word in pair]

    def paths(self) -> list[str]:
        """Return the names of the objects."""
        listed = [one["path"] for page in obstore.list(self.swift.bucket(self.name)) for one in page]
        return sorted(path for path in listed if not path.startswith(".dicomveil/"))

    def files(self) -> list[str]:
        """Return the names of the objects as a folder has them."""
        return sorted(_DIGEST.sub("", path) for path in self.paths())

    def content(self, name: str) -> bytes:
        """Return an object by the name that it has in a folder."""
        return bytes(obstore.get(self.swift.bucket(self.name), self._path(name)).bytes())

    def stamp(self, name: str) -> tuple[object, ...]:
        """Return what changes when an object is written."""
        known = obstore.head(self.swift.bucket(self.name), self._path(name))
        return known["e_tag"], known["last_modified"]

    def lose(self, name: str) -> None:
        """Remove an object."""
        obstore.delete(self.swift.bucket(self.name), self._path(name))

    def _path(self, name: str) -> str:
        (path,) = (path for path in self.paths() if _DIGEST.sub("", path) == name)
        return path

    def secure(self, issued: trustme.LeafCert, role: str, password: str) -> None:
        """Let a role in by TLS and password only, and give it the database."""
        self.postgres.secure(issued, role, password)
        self.run(f"ALTER DATABASE {self.name} OWNER TO {role}")
        self.settings["database"] = self.settings["database"].replace("//tester@", f"//{role}@")

    def run(self, sql: str) -> list[Any]:
        """Run a statement in the database."""
        return self.postgres.run(sql, self.name)
