"""Sealed at rest: nothing readable on the disk, restored with the private key, whatever goes wrong."""

from __future__ import annotations

import contextlib
import itertools
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomveil.source import Source
from dicomveil.verifying import Verified
from dicomveil_receiver.cli import main
from dicomveil_receiver.sealing import SealedSpool, seal
from receiver.marking import marker_verify
from receiver.servers import Shared
from receiver.support import (
    Endpoint,
    both,
    make_instance,
    multipart,
    process,
    running,
    uid_of,
    wait_until,
)

if sys.platform == "win32":
    resource = None
else:
    import resource

RECIPIENT = "age14qw22jgll3vv395g07wju380uacdwuqmz6rfsr83mlsps5ln7eqqzm5qxk"


@pytest.fixture
def key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    """Make a private key, off the server; return its file and its recipient."""
    path = tmp_path / "identity.txt"
    assert main(["identity", "--output", str(path)]) == 0
    return path, capsys.readouterr().out.strip()


@pytest.fixture
def sealed(tmp_path: Path, key: tuple[Path, str], shared: Shared | None) -> Iterator[Endpoint]:
    """Run a server that seals."""
    with running(tmp_path / "storage", shared=shared, seal_to=(key[1],)) as endpoint:
        yield endpoint


def unseal(endpoint: Endpoint, key: Path, output: Path) -> int:
    """Run the command."""
    return main(["unseal", *endpoint.where(), "--identity", str(key), "--output", str(output)])


@both
def test_the_private_key_restores_what_was_sent(
    sealed: Endpoint, key: tuple[Path, str], tmp_path: Path
) -> None:
    """Every instance comes back byte for byte, also one that is larger than a block of anything."""
    instances = [make_instance(size=size) for size in (1, 16, 70_000, 3 << 20)]
    assert sealed.store_instances(*instances).status_code == 200
    assert all(name.endswith(".dcm.age") for name in sealed.files())
    assert unseal(sealed, key[0], tmp_path / "output") == 0
    for instance in instances:
        restored = tmp_path / "output" / "2.25.1" / "2.25.2" / f"{uid_of(instance)}.dcm"
        assert restored.read_bytes() == instance
        assert stat.S_IMODE(restored.stat().st_mode) == 0o600


def test_nothing_of_an_instance_is_on_the_disk_in_the_clear(tmp_path: Path, key: tuple[Path, str]) -> None:
    """Not while it arrives, not while it is verified, and not afterwards."""
    instance = make_instance(size=1 << 20)
    secret = instance[-4096:]
    seen: list[bool] = []

    def looking(source: Source) -> Verified:
        seen.extend(secret in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert source.read(source.size - 4096, 4096) == secret
        assert source.read(source.size - 10, 100) == secret[-10:]
        return marker_verify(source)

    with running(tmp_path / "storage", looking, seal_to=(key[1],)) as endpoint:
        assert endpoint.store_instances(instance).status_code == 200
    assert seen
    assert not any(seen)
    assert not any(secret in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@both
def test_asking_twice_stores_once_sealed_too(sealed: Endpoint) -> None:
    """The index knows the digest of what was received."""
    instance = make_instance()
    assert sealed.store_instances(instance).status_code == 200
    before = sealed.content(sealed.files()[0])
    assert sealed.store_instances(instance).status_code == 200
    assert sealed.content(sealed.files()[0]) == before
    assert sealed.store_instances(make_instance(uid=uid_of(instance))).status_code == 409


@both
def test_what_was_stored_unsealed_is_not_stored_again(
    tmp_path: Path, key: tuple[Path, str], shared: Shared | None
) -> None:
    """Sealing can be switched on, or off, later: what is there counts, either way."""
    first, second = make_instance(), make_instance()
    with running(tmp_path / "storage", shared=shared) as endpoint:
        endpoint.store_instances(first)
    with running(tmp_path / "storage", shared=shared, seal_to=(key[1],)) as endpoint:
        assert endpoint.store_instances(first, second).status_code == 200
    with running(tmp_path / "storage", shared=shared) as endpoint:
        assert endpoint.store_instances(first, second).status_code == 200
        assert sorted(Path(name).suffixes[-1] for name in endpoint.files()) == [".age", ".dcm"]


def test_two_objects_have_two_keys(sealed: Endpoint) -> None:
    """The same bytes sealed twice have nothing in common behind the header of the format."""
    instance = make_instance()
    sealed.store_instances(instance)
    stored = sealed.storage / sealed.files()[0]
    first = stored.read_bytes()
    stored.unlink()
    sealed.store_instances(instance)
    assert first[-200:] != stored.read_bytes()[-200:]


def test_another_key_or_a_changed_object_opens_nothing(
    sealed: Endpoint, key: tuple[Path, str], tmp_path: Path
) -> None:
    """Exit status 1, and no half file is left."""
    sealed.store_instances(make_instance())
    other = tmp_path / "other.txt"
    assert main(["identity", "--output", str(other)]) == 0
    assert unseal(sealed, other, tmp_path / "output") == 1
    stored = sealed.storage / sealed.files()[0]
    stored.write_bytes(stored.read_bytes()[:-20] + bytes(20))
    assert unseal(sealed, key[0], tmp_path / "output") == 1
    assert [path for path in (tmp_path / "output").rglob("*") if path.is_file()] == []


def test_a_key_is_never_overwritten_and_is_the_owners(key: tuple[Path, str]) -> None:
    """Exit status 2 for a file that exists; mode 0600."""
    before = key[0].read_bytes()
    assert main(["identity", "--output", str(key[0])]) == 2
    assert key[0].read_bytes() == before
    assert stat.S_IMODE(key[0].stat().st_mode) == 0o600


def test_wrong_keys_are_told(sealed: Endpoint, tmp_path: Path) -> None:
    """Exit status 2 for a file without an identity, and for a recipient that is none."""
    rubbish = tmp_path / "rubbish.txt"
    rubbish.write_text("AGE-SECRET-KEY-1NONE")
    assert unseal(sealed, rubbish, tmp_path / "output") == 2
    assert unseal(sealed, tmp_path / "nowhere", tmp_path / "output") == 2
    assert main(["--storage", str(tmp_path / "x"), "--seal-to", "age1none"]) == 2


def test_a_kill_leaves_nothing_in_the_clear(tmp_path: Path, key: tuple[Path, str]) -> None:
    """What is left of a torn upload is noise, and a restart removes it."""
    instance = make_instance(size=4 << 20)
    killed = threading.Event()
    with process(tmp_path / "storage", "--seal-to", key[1]) as (endpoint, server):
        sending = threading.Thread(target=_send_until, args=(killed, endpoint, instance))
        sending.start()
        wait_until(lambda: any(path.stat().st_size >= 1 << 20 for path in endpoint.spooled()))
        server.kill()
        server.wait(60)
        killed.set()
        sending.join(60)
        (left,) = endpoint.spooled()
        assert instance[10_000:10_064] not in left.read_bytes()
    with process(tmp_path / "storage", "--seal-to", key[1]) as (endpoint, _):
        assert endpoint.spooled() == []


def _send_until(killed: threading.Event, endpoint: Endpoint, instance: bytes) -> None:
    """Send most of an instance, and the rest when nobody is there any more."""

    def pieces() -> Iterator[bytes]:
        body = multipart(instance)
        yield body[: 3 << 20]
        killed.wait(60)
        yield body[3 << 20 :]

    with contextlib.suppress(httpx.TransportError):
        endpoint.post(pieces())


@pytest.mark.skipif(resource is None, reason="limits the size of files")
@pytest.mark.parametrize("size", [1 << 20, 17 << 20], ids=["short", "long"])
def test_a_disk_that_takes_but_a_part_is_full(tmp_path: Path, size: int) -> None:
    """What cannot be sealed whole is an error: half an object is never taken for one."""
    spool = SealedSpool(tmp_path, [RECIPIENT])
    spool.write([memoryview(bytes(size))])
    spool.end()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
    try:
        with spool.source() as source, pytest.raises(OSError, match="too large"):
            seal(source, str(tmp_path / "sealed"), [RECIPIENT])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(
    content=st.binary(max_size=200),
    cuts=st.lists(st.integers(0, 200), max_size=4),
    offset=st.integers(0, 220),
    length=st.integers(0, 220),
)
def test_any_range_reads_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cuts: list[int], offset: int, length: int
) -> None:
    """The source of a sealed spool is the bytes that were written, at every offset."""
    spool = SealedSpool(tmp_path_factory.mktemp("spool"), [RECIPIENT])
    edges = sorted({0, len(content), *(min(cut, len(content)) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        spool.write([memoryview(content)[start:end]])
    with spool.source() as source:
        assert source.size == len(content)
        assert source.read(offset, length) == content[offset : offset + length]
    spool.discard()
