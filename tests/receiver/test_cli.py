"""``dicomveil receive`` as a process: first start, TLS, wrong use."""

from __future__ import annotations

import signal
import socket
import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from dicomveil_receiver.cli import main
from receiver.support import content_type, make_instance, multipart, process, wait_until


def test_the_token_is_shown_once(tmp_path: Path) -> None:
    """The first start prints the upload token, a later one does not; it goes on being good."""
    with process(tmp_path) as (endpoint, _):
        token = endpoint.token
        assert token.startswith("dicomveil_")
        assert endpoint.store_instances(make_instance()).status_code == 200
    with process(tmp_path) as (endpoint, _):
        assert endpoint.token == ""
        endpoint.token = token
        assert endpoint.store_instances(make_instance()).status_code == 200


@pytest.fixture
def tls(tmp_path: Path) -> tuple[trustme.CA, Path, Path]:
    """Make a certificate for localhost by a CA of this test."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for blob in issued.cert_chain_pems:
        blob.write_to_path(certificate, append=True)
    issued.private_key_pem.write_to_path(key)
    return authority, certificate, key


def test_serves_https(tmp_path: Path, tls: tuple[trustme.CA, Path, Path]) -> None:
    """With a certificate: TLS 1.2 or newer, HSTS, and also on an address that is not loopback."""
    authority, certificate, key = tls
    context = ssl.create_default_context()
    authority.configure_trust(context)
    options = ("--host", "0.0.0.0", "--certificate", str(certificate), "--key", str(key))  # noqa: S104
    with process(tmp_path / "storage", *options) as (endpoint, _):
        port = int(endpoint.url.rstrip("/").rpartition(":")[2])
        assert endpoint.url.startswith("https://")
        headers = {"authorization": f"Bearer {endpoint.token}", "content-type": content_type()}
        answer = httpx.post(
            f"https://localhost:{port}/studies",
            content=multipart(make_instance()),
            headers=headers,
            verify=context,
        )
        assert answer.status_code == 200
        assert "max-age" in answer.headers["strict-transport-security"]
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"https://localhost:{port}/health")  # a client that does not know the CA
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLS"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection(("127.0.0.1", port), 10) as plain,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):
            context.wrap_socket(plain, server_hostname="localhost")


def test_a_renewed_certificate_is_read_at_a_hangup(
    tmp_path: Path, tls: tuple[trustme.CA, Path, Path]
) -> None:
    """SIGHUP: new connections get the new certificate; a broken one leaves the old in place."""
    _, certificate, key = tls
    options = ("--certificate", str(certificate), "--key", str(key))
    with process(tmp_path / "storage", *options) as (endpoint, server):
        port = int(endpoint.url.rstrip("/").rpartition(":")[2])

        def served() -> str:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)

        first = served()
        renewed = trustme.CA().issue_cert("localhost")
        renewed.cert_chain_pems[0].write_to_path(certificate)
        renewed.private_key_pem.write_to_path(key)
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: served() != first)
        second = served()
        certificate.write_text("broken")
        server.send_signal(signal.SIGHUP)
        log = tmp_path / "storage.stderr"
        wait_until(lambda: "certificate-wrong" in log.read_text())
        assert served() == second


def test_plain_http_is_for_loopback_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and a remedy; nothing is made."""
    assert main(["--storage", str(tmp_path / "storage"), "--host", "0.0.0.0"]) == 2  # noqa: S104
    assert "certificate" in capsys.readouterr().err
    assert not (tmp_path / "storage").exists()


def test_a_wrong_certificate_is_told(
    tmp_path: Path, tls: tuple[trustme.CA, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2 for a key of another certificate, and for a file that is no PEM."""
    _, certificate, key = tls
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(other)
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    storage = str(tmp_path / "storage")
    for pair in ((certificate, other), (rubbish, key)):
        assert (
            main(["--storage", storage, "--port", "0", "--certificate", str(pair[0]), "--key", str(pair[1])])
            == 2
        )
        assert "certificate and key" in capsys.readouterr().err


def test_a_port_or_storage_in_use_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and what to change."""
    with process(tmp_path / "storage") as (endpoint, _):
        port = endpoint.url.rstrip("/").rpartition(":")[2]
        assert main(["--storage", str(tmp_path / "other"), "--port", port]) == 2
        assert "port" in capsys.readouterr().err
        assert main(["--storage", str(tmp_path / "storage"), "--port", "0"]) == 2
        assert "storage is in use" in capsys.readouterr().err


def test_damaged_files_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 for tokens or an audit log that are not as they were written."""
    with process(tmp_path) as (endpoint, _):
        endpoint.store_instances(make_instance())
    control = tmp_path / ".dicomveil"
    tokens = (control / "tokens.json").read_bytes()
    for damage in (b"{", b"[1]", b"\xff", b'[{"name": "x"}]'):
        (control / "tokens.json").write_bytes(damage)
        assert main(["--storage", str(tmp_path), "--port", "0"]) == 2
        assert "tokens.json" in capsys.readouterr().err
        assert main(["token", "list", "--storage", str(tmp_path)]) == 2
    (control / "tokens.json").write_bytes(tokens)
    (control / "audit.log").write_bytes(b"rubbish\n")
    assert main(["--storage", str(tmp_path), "--port", "0"]) == 2
    assert "audit" in capsys.readouterr().err


def test_a_storage_that_is_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2."""
    (tmp_path / "file").write_text("")
    assert main(["--storage", str(tmp_path / "file"), "--port", "0"]) == 2
    assert "storage" in capsys.readouterr().err
