"""What a kill leaves without a row is removed, in a folder and in a bucket; what counts never is."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicomveil_receiver.audit import AuditError
from dicomveil_receiver.cli import main
from dicomveil_receiver.examining import examine
from dicomveil_receiver.index import Row
from dicomveil_receiver.keeping import Keeping, keeping_of
from dicomveil_receiver.settings import Settings
from dicomveil_receiver.sweeping import IndexNotWholeError, Swept
from receiver.marking import marker_verify
from receiver.servers import Shared
from receiver.support import Endpoint, both, make_instance, running, uid_of, wait_for_stopping


def soon() -> datetime:
    """Return a moment for which all that is there now is old."""
    return datetime.now(UTC) + timedelta(minutes=1)


def leave_without_row(endpoint: Endpoint, instance: bytes) -> Row:
    """Let an instance come as far as it does before its row, as a kill does; return the row."""
    store = endpoint.store
    assert store is not None
    spool = store.spool()
    spool.write([memoryview(instance)])
    staged = store.stage(spool, examine(marker_verify, spool.arrived()))
    store.objects.publish(staged)
    spool.discard()
    return staged.row


def opened(folder: Path, shared: Shared | None) -> Keeping:
    """Return the storage as a command opens it, after its server has stopped."""
    wait_for_stopping(folder)
    places = shared.settings if shared is not None else {}
    return keeping_of(Settings(storage=folder, **places))  # type: ignore[arg-type]


def sweep(folder: Path, shared: Shared | None, before: datetime) -> Swept:
    """Run what the command runs."""
    keeping = opened(folder, shared)
    try:
        return keeping.sweep(before)
    finally:
        keeping.close()


@both
def test_only_old_objects_without_a_row_go(tmp_path: Path, shared: Shared | None) -> None:
    """Young ones stay, stored ones stay, and what is not an instance by its name stays."""
    kept, left = make_instance(), make_instance(study="2.25.5")
    with running(tmp_path, shared=shared) as endpoint:
        assert endpoint.store_instances(kept).status_code == 200
        leave_without_row(endpoint, left)
        assert len(endpoint.files()) == 2
    if shared is None:
        for name in ("notes.txt", "2.25.1/2.25.2/notes.txt", "2.25.1/2.25.2/notes.dcm"):
            (tmp_path / name).write_text("the operator's")
    assert sweep(tmp_path, shared, datetime.now(UTC) - timedelta(days=1)) == Swept()
    first = sweep(tmp_path, shared, soon())
    assert first == (Swept(removed=1) if shared is None else Swept(set_aside=1))
    assert sweep(tmp_path, shared, soon()) == (Swept() if shared is None else Swept(removed=1))
    assert sweep(tmp_path, shared, soon()) == Swept()
    assert not (tmp_path / "2.25.5").exists()
    with running(tmp_path, shared=shared) as endpoint:
        names = [name for name in endpoint.files() if "notes" not in name]
        assert [endpoint.content(name) for name in names] == [kept]
        assert shared is not None or len(endpoint.files()) == 4
        assert endpoint.store_instances(kept, left).status_code == 200
        stored = endpoint.digests([uid_of(kept), uid_of(left)])
        assert stored == {uid_of(one): hashlib.sha256(one).hexdigest() for one in (kept, left)}


def test_what_gets_its_row_while_it_is_aside_is_put_back(tmp_path: Path, replicated: Shared) -> None:
    """A replica that was just about to count it: the next run finds the row, and gives the name back."""
    late, again = make_instance(), make_instance()
    with running(tmp_path, shared=replicated) as endpoint:
        row = leave_without_row(endpoint, late)
        leave_without_row(endpoint, again)
        assert sweep(tmp_path / "other", replicated, soon()) == Swept(set_aside=2)
        assert endpoint.files() == []
        assert endpoint.store is not None
        endpoint.store.index.add([row])
        # What is sent again has its object again: what is aside is only a copy.
        assert endpoint.store_instances(again).status_code == 200
        assert sweep(tmp_path / "other", replicated, soon()) == Swept(put_back=1)
        assert sorted(map(endpoint.content, endpoint.files())) == sorted([late, again])
        assert sweep(tmp_path / "other", replicated, soon()) == Swept()


@both
def test_nothing_goes_when_the_index_is_not_whole(
    tmp_path: Path, shared: Shared | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the audit log tells of was acknowledged: an index without it is to be mended, not believed."""
    with running(tmp_path, shared=shared) as endpoint:
        endpoint.store_instances(make_instance())
        leave_without_row(endpoint, make_instance())
        assert endpoint.store is not None
        with endpoint.store.index._database.transaction() as transaction:
            transaction.run("DELETE FROM instance")
        files = endpoint.files()
        where = endpoint.where()
    with pytest.raises(IndexNotWholeError):
        sweep(tmp_path, shared, soon())
    with running(tmp_path, shared=shared) as endpoint:
        assert endpoint.files() == files
    wait_for_stopping(tmp_path)
    # Nothing is old enough for the command.
    assert main(["sweep", *where]) == 0
    assert capsys.readouterr().out == "0 removed, 0 set aside, 0 put back\n"
    assert main(["sweep", "--days", "0", *where]) == 2


def test_nothing_goes_while_a_server_runs_on_the_folder(
    endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2: it may be about to give such a file its row."""
    leave_without_row(endpoint, make_instance())
    assert main(["sweep", *endpoint.where()]) == 2
    assert "in use" in capsys.readouterr().err
    assert len(endpoint.files()) == 1


def test_a_changed_log_is_not_believed(tmp_path: Path) -> None:
    """Nothing is removed when what was acknowledged cannot be known."""
    with running(tmp_path) as endpoint:
        endpoint.store_instances(make_instance())
        leave_without_row(endpoint, make_instance())
    wait_for_stopping(tmp_path)
    log = tmp_path / ".dicomveil" / "audit.log"
    log.write_bytes(log.read_bytes().replace(b"upload", b"uplOad"))
    with pytest.raises(AuditError):
        sweep(tmp_path, None, soon())
    assert len(list(tmp_path.glob("*/*/*.dcm"))) == 2
