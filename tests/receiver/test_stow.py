"""Store transactions over HTTP: every status, every failure reason, and what is stored afterwards."""

from __future__ import annotations

import hashlib
import io
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pydicom
import pytest
from dicomweb_client import DICOMwebClient

from dicomveil.source import Source
from dicomveil.verifying import Verified
from receiver.marking import NOT_CLEAN, marker_verify
from receiver.servers import Shared
from receiver.support import (
    BOUNDARY,
    Endpoint,
    both,
    content_type,
    make_instance,
    multipart,
    new_uid,
    running,
    uid_of,
    values,
    wait_until,
)

REFERENCED, FAILED, OTHER = "00081199", "00081198", "0008119A"
REASON, COMMENT, INSTANCE_UID = "00081197", "00000902", "00081155"


@both
def test_stores_every_instance_and_says_so(endpoint: Endpoint) -> None:
    """200: a ReferencedSOPSequence names each instance, and its bytes are in the folder under its UIDs."""
    instances = [make_instance() for _ in range(3)]
    answer = endpoint.store_instances(*instances)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert values(answer, REFERENCED, INSTANCE_UID) == list(map(uid_of, instances))
    assert FAILED not in answer.json()
    for instance in instances:
        assert endpoint.content(f"2.25.1/2.25.2/{uid_of(instance)}.dcm") == instance
    assert endpoint.spooled() == []


@both
def test_stores_into_the_study_of_the_path(endpoint: Endpoint) -> None:
    """POST /studies/{study} takes instances of that study and refuses the others with 0xA901."""
    fits, strays = make_instance(study="2.25.7"), make_instance(study="2.25.8")
    answer = endpoint.store_instances(fits, strays, path="studies/2.25.7")
    assert answer.status_code == 202
    assert values(answer, REFERENCED, INSTANCE_UID) == [uid_of(fits)]
    assert values(answer, FAILED, INSTANCE_UID) == [uid_of(strays)]
    assert values(answer, FAILED, REASON) == [0xA901]
    assert values(answer, FAILED, COMMENT) == ["study-mismatch"]
    assert len(endpoint.files()) == 1
    assert endpoint.store_instances(strays, path="studies/2.25.7").status_code == 409


def test_refuses_an_uncleaned_instance(endpoint: Endpoint) -> None:
    """409 with 0xA900, the verification's code and the offending element; nothing of it is kept."""
    answer = endpoint.store_instances(make_instance(clean=False))
    assert answer.status_code == 409
    assert values(answer, FAILED, REASON) == [0xA900]
    assert values(answer, FAILED, COMMENT) == [NOT_CLEAN]
    assert values(answer, FAILED, "00000901") == ["00120062"]
    assert endpoint.files() == []
    assert endpoint.spooled() == []


@both
def test_stores_the_clean_ones_among_uncleaned(endpoint: Endpoint) -> None:
    """202: each instance has its own result."""
    clean = make_instance()
    answer = endpoint.store_instances(make_instance(clean=False), clean, b"not DICOM")
    assert answer.status_code == 202
    assert values(answer, REFERENCED, INSTANCE_UID) == [uid_of(clean)]
    assert values(answer, FAILED, COMMENT) == [NOT_CLEAN]
    assert values(answer, OTHER, COMMENT) == ["not-dicom"]
    assert values(answer, OTHER, REASON) == [0xC000]


@both
def test_asking_twice_stores_once(endpoint: Endpoint) -> None:
    """The same bytes again are a success, and leave the stored file as it is."""
    instance = make_instance()
    assert endpoint.store_instances(instance).status_code == 200
    (name,) = endpoint.files()
    before = endpoint.stamp(name)
    assert endpoint.store_instances(instance, instance).status_code == 200
    assert endpoint.stamp(name) == before
    assert endpoint.files() == [name]


@pytest.mark.parametrize("study", ["2.25.1", "2.25.99"])
@both
def test_other_bytes_under_the_same_uid_are_a_conflict(endpoint: Endpoint, study: str) -> None:
    """409 with 0x0111; what is stored is not replaced, not even when the study differs."""
    uid = new_uid()
    first = make_instance(uid=uid)
    endpoint.store_instances(first)
    answer = endpoint.store_instances(make_instance(uid=uid, study=study))
    assert answer.status_code == 409
    assert values(answer, FAILED, REASON) == [0x0111]
    assert values(answer, FAILED, COMMENT) == ["instance-conflict"]
    assert [endpoint.content(name) for name in endpoint.files()] == [first]


@both
def test_the_same_instance_at_once_is_stored_once(endpoint: Endpoint) -> None:
    """Of different bytes under one UID, sent at the same time, exactly one wins."""
    uid = new_uid()
    rivals = [make_instance(uid=uid) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status_code for answer in pool.map(endpoint.store_instances, rivals)]
    assert sorted(statuses) == [200] + [409] * 7
    winner = rivals[statuses.index(200)]
    assert endpoint.content(endpoint.files()[0]) == winner


@both
def test_an_object_that_was_lost_is_taken_again(endpoint: Endpoint) -> None:
    """When the index knows an instance but its file is gone, the same bytes restore it."""
    instance = make_instance()
    endpoint.store_instances(instance)
    (name,) = endpoint.files()
    endpoint.lose(name)
    assert endpoint.store_instances(instance).status_code == 200
    assert endpoint.content(name) == instance


@pytest.mark.parametrize(
    "uids",
    [
        ("../../../etc", "2.25.2", "2.25.3"),
        ("2.25.1/../../x", "2.25.2", "2.25.3"),
        ("2.25.1", "..", "2.25.3"),
        ("2.25.1", "2.25.02", "2.25.3"),
        ("2.25.1", "", "2.25.3"),
        ("2.25.1", "2.25.2", "2.25.3\x00"),
        ("2.25.1", "2.25.2", "2.25.3\n"),
        ("2.25.1", "2.25.2", "x"),
        ("2.25.1", "2.25.2", "2." + "1" * 64),
        ("2.25.1", "2.25.2", "٢.٢"),
    ],
)
@both
def test_a_uid_never_leads_out_of_the_storage(
    tmp_path: Path, shared: Shared | None, uids: tuple[str, str, str]
) -> None:
    """Whatever a verification lets pass, only UIDs of PS3.5 Section 9.1 become names."""
    folder = tmp_path / "outer" / "storage"

    def lax(source: Source) -> Verified:
        study, series, uid = uids
        return marker_verify(source)._replace(study_uid=study, series_uid=series, sop_instance_uid=uid)

    with running(folder, lax, shared=shared) as endpoint:
        answer = endpoint.store_instances(make_instance())
        assert answer.status_code == 409
        assert "uid-invalid" in answer.text
        assert endpoint.files() == []
    assert [path.name for path in (tmp_path / "outer").iterdir()] == ["storage"]


@pytest.mark.parametrize(
    "path", ["studies/..", "studies/%2e%2e%2fx", "studies/abc", "studies/1..2", "studies/01.2"]
)
def test_refuses_a_path_that_is_no_study(endpoint: Endpoint, path: str) -> None:
    """400 for a study that is no UID, and never a file for it."""
    answer = _raw(endpoint, f"POST /{path} HTTP/1.1", multipart(make_instance()))
    assert answer in {400, 404, 405}
    assert endpoint.files() == []


def _raw(endpoint: Endpoint, line: str, body: bytes, **headers: str) -> int:
    """Send a request as it is written, and return the status."""
    port = urlsplit(endpoint.url).port
    named = {**endpoint.headers(), "host": f"127.0.0.1:{port}", "content-length": str(len(body)), **headers}
    head = "\r\n".join([line, *(f"{name}: {value}" for name, value in named.items()), "", ""])
    with socket.create_connection(("127.0.0.1", port or 0), 10) as connection:
        connection.sendall(head.encode() + body)
        return int(connection.recv(65536).split()[1])


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "token-missing"),
        ("Basic YTpi", "token-missing"),
        ("Bearer", "token-missing"),
        ("Bearer wrong", "token-wrong"),
        ("Bearer " + "x" * 5000, "token-wrong"),
        ("Bearer \xe9\xff", "token-wrong"),
    ],
)
def test_needs_the_right_token(endpoint: Endpoint, header: str | None, code: str) -> None:
    """401 with WWW-Authenticate (RFC 6750), and nothing is stored."""
    headers = {"content-type": content_type()}
    if header is not None:
        headers["authorization"] = header.encode("latin-1")  # type: ignore[assignment]
    answer = httpx.post(endpoint.url + "studies", content=multipart(make_instance()), headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == code
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert endpoint.files() == []


@both
def test_the_scheme_of_the_token_has_no_case(endpoint: Endpoint) -> None:
    """RFC 9110: "bearer" is "Bearer"."""
    body = multipart(make_instance())
    assert endpoint.post(body, authorization=f"bearer {endpoint.token}").status_code == 200


@pytest.mark.parametrize(
    "kind",
    [
        "application/dicom",
        "multipart/form-data; boundary=x",
        'multipart/related; type="application/dicom+json"; boundary=x',
        "",
        "\xff",
    ],
)
def test_takes_only_multipart_related_dicom(endpoint: Endpoint, kind: str) -> None:
    """415 for every other media type."""
    answer = endpoint.post(multipart(make_instance()), content_type=kind.encode("latin-1"))  # type: ignore[arg-type]
    assert answer.status_code == 415
    assert answer.json()["code"] == "media-type"


@pytest.mark.parametrize("boundary", ["", "a" * 71, '"a\\"b"', "a@b"])
def test_refuses_a_bad_boundary(endpoint: Endpoint, boundary: str) -> None:
    """400: RFC 2046 says what a boundary may be."""
    answer = endpoint.post(
        b"", content_type=f'multipart/related; type="application/dicom"; boundary={boundary}'
    )
    assert answer.status_code == 400
    assert answer.json()["code"] == "boundary-invalid"


def test_refuses_a_content_encoding(endpoint: Endpoint) -> None:
    """415: a compressed body would have to be inflated without a limit."""
    assert endpoint.post(multipart(make_instance()), content_encoding="gzip").status_code == 415


def test_refuses_parts_of_another_media_type(endpoint: Endpoint) -> None:
    """415 when no part is DICOM; a part without a type is believed."""
    instance = make_instance()
    answer = endpoint.post(multipart(instance, part_type="application/dicom+json"))
    assert answer.status_code == 415
    assert values(answer, OTHER, COMMENT) == ["part-media-type"]
    assert endpoint.post(multipart(instance, part_type=None)).status_code == 200


def test_answers_only_in_dicom_json(endpoint: Endpoint) -> None:
    """406 for a client that wants nothing but XML."""
    body = multipart(make_instance())
    assert endpoint.post(body, accept="application/dicom+xml").status_code == 406
    assert (
        endpoint.post(body, accept="application/dicom+xml, application/dicom+json;q=0.5").status_code == 200
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"nothing", "malformed"),
        (f"--{BOUNDARY}--\r\n".encode(), "no-instances"),
        (f"--{BOUNDARY}\r\nA\r\n\r\nx\r\n--{BOUNDARY}--".encode(), "malformed"),
        (f"--{BOUNDARY}\r\n{'A: b' * 3000}\r\n\r\n".encode(), "malformed"),
        (f"--{BOUNDARY}\r\n".encode() + b"A: b\r\n" * 50 + b"\r\n", "malformed"),
    ],
)
def test_refuses_a_malformed_body(endpoint: Endpoint, body: bytes, code: str) -> None:
    """400 for bad syntax, by a stable code."""
    answer = endpoint.post(body)
    assert answer.status_code == 400
    assert values(answer, OTHER, COMMENT) == [code]


@both
def test_a_body_that_ends_early_keeps_what_was_whole(endpoint: Endpoint) -> None:
    """202: the whole part is stored, the torn one is not."""
    first, second = make_instance(), make_instance()
    answer = endpoint.post(multipart(first, second)[:-100])
    assert answer.status_code == 202
    assert values(answer, REFERENCED, INSTANCE_UID) == [uid_of(first)]
    assert values(answer, OTHER, COMMENT) == ["malformed"]
    assert len(endpoint.files()) == 1
    assert endpoint.spooled() == []


def test_limits_the_size_of_an_instance(tmp_path: Path) -> None:
    """413 alone; 202 among others, which are stored."""
    with running(tmp_path, max_instance_bytes=4000) as endpoint:
        large, small = make_instance(size=4000), make_instance()
        answer = endpoint.store_instances(large)
        assert answer.status_code == 413
        assert values(answer, OTHER, COMMENT) == ["instance-too-large"]
        assert endpoint.store_instances(large, small).status_code == 202
        assert len(endpoint.files()) == 1
        assert endpoint.spooled() == []


def test_limits_the_size_of_a_request(tmp_path: Path) -> None:
    """413, whether the length is told before or not."""
    body = multipart(make_instance(size=4000))
    with running(tmp_path, max_request_bytes=2000) as endpoint:
        assert endpoint.post(body).status_code == 413
        assert endpoint.post(iter([body[:3000], body[3000:]])).status_code == 413
        assert endpoint.files() == []


def test_limits_the_number_of_parts(tmp_path: Path) -> None:
    """202 with a failure: the instances up to the limit are stored."""
    with running(tmp_path, max_parts=2) as endpoint:
        answer = endpoint.store_instances(*(make_instance() for _ in range(4)))
        assert answer.status_code == 202
        assert values(answer, OTHER, COMMENT) == ["too-many-parts"]
        assert len(endpoint.files()) == 2


def test_an_unexpected_error_tells_nothing(tmp_path: Path) -> None:
    """500 with a code; neither the answer nor the log holds the text of the exception."""

    def broken(_source: object) -> None:
        raise RuntimeError("SECRET")

    with running(tmp_path, broken) as endpoint:  # type: ignore[arg-type]
        answer = endpoint.store_instances(make_instance())
        assert answer.status_code == 500
        assert endpoint.spooled() == []
        assert endpoint.log is not None
        log = endpoint.log
        wait_until(lambda: "internal-error" in log.getvalue())  # it is written after the answer
        assert "SECRET" not in answer.text + log.getvalue()


def test_any_cut_of_the_body_gives_the_same(endpoint: Endpoint) -> None:
    """However the network cuts the body, boundaries are found: here byte by byte."""
    instances = [make_instance(size=64) + b"\r\n--the-boundar", make_instance(size=64) + b"\r\r\n"]
    body = multipart(*instances)
    answer = endpoint.post(iter([body[i : i + 1] for i in range(len(body))]))
    assert answer.status_code == 200
    digests = {hashlib.sha256(endpoint.content(name)).hexdigest() for name in endpoint.files()}
    assert digests == {hashlib.sha256(instance).hexdigest() for instance in instances}


@both
def test_the_log_holds_no_value(endpoint: Endpoint) -> None:
    """No UID, token, path or header of a request reaches the log; counts and codes do."""
    good, bad = make_instance(), make_instance(clean=False)
    endpoint.store_instances(good, bad, path="studies/2.25.1")
    endpoint.post(b"x", path="studies/SECRET?SECRET", content_type="multipart/related; boundary=SECRET")
    _raw(endpoint, "SECRET garbage", b"SECRET")
    assert endpoint.log is not None
    log = endpoint.log.getvalue()
    assert NOT_CLEAN in log
    assert re.search(r'"stored": 1', log)
    for value in (uid_of(good), uid_of(bad), "2.25.", endpoint.token, "SECRET", "studies"):
        assert value not in log


@both
def test_serves_a_dicomweb_client_of_others(endpoint: Endpoint) -> None:
    """PyPI's dicomweb-client stores instances here, and understands the answer."""
    client = DICOMwebClient(endpoint.url.rstrip("/"), headers={"Authorization": f"Bearer {endpoint.token}"})
    datasets = [pydicom.dcmread(io.BytesIO(make_instance(study="2.25.5"))) for _ in range(2)]
    answer = client.store_instances(datasets, study_instance_uid="2.25.5")
    stored = [str(item.ReferencedSOPInstanceUID) for item in answer.ReferencedSOPSequence]
    assert stored == [ds.SOPInstanceUID for ds in datasets]
    assert len(endpoint.files()) == 2


@both
def test_tells_its_health(endpoint: Endpoint) -> None:
    """GET /health needs no token and tells nothing else."""
    answer = httpx.get(endpoint.url + "health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_other_methods_and_paths_are_not_there(endpoint: Endpoint) -> None:
    """405 and 404, without a page."""
    assert httpx.get(endpoint.url + "studies", headers=endpoint.headers()).status_code == 405
    assert httpx.delete(endpoint.url + "studies/2.25.1", headers=endpoint.headers()).status_code == 405
    assert httpx.get(endpoint.url + "instances").status_code == 404
    assert httpx.get(endpoint.url).status_code == 404
