"""Both stores keep the same promises; the second speaks S3 to a server of its own on loopback."""

import socket

import pytest

from tipstaff.evidence.stores import LocalStore, S3Store, open_store
from tipstaff.kernel.errors import InputError, NotFound

NAME = "2026/06/15/0190.pack"


@pytest.fixture(scope="module")
def endpoint():
    from moto.server import ThreadedMotoServer

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(params=["local", "s3"])
def store(request, tmp_path, monkeypatch):
    if request.param == "local":
        return LocalStore(tmp_path / "evidence")
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    found = open_store(f"s3://evidence-{request.node.name.split('[')[0].replace('_', '-')[:40]}/desk?endpoint="
                       + request.getfixturevalue("endpoint"), tmp_path)  # fmt: skip
    assert isinstance(found, S3Store)
    found.client.create_bucket(Bucket=found.bucket)
    return found


def test_what_is_put_comes_back_in_parts(store):
    store.put(NAME, b"0123456789")
    assert store.get(NAME, 0, 10) == b"0123456789" and store.get(NAME, 3, 4) == b"3456"
    assert list(store.names()) == [NAME]


def test_what_is_missing_or_too_short_is_said(store):
    with pytest.raises(NotFound):
        store.get(NAME, 0, 5)
    store.put(NAME, b"0123")
    with pytest.raises(NotFound, match="ends before"):
        store.get(NAME, 2, 5)
    with pytest.raises(NotFound):
        store.get(NAME, 100, 5)


def test_deleting_twice_is_fine(store):
    store.put(NAME, b"x")
    store.delete(NAME)
    store.delete(NAME)
    assert list(store.names()) == []


def test_only_packs_are_listed(store):
    store.put(NAME, b"x")
    store.put("2026/06/15/other.txt", b"x")
    assert list(store.names()) == [NAME]


def test_a_store_that_is_away_is_not_taken_for_lost_evidence(tmp_path, monkeypatch):
    from botocore.exceptions import BotoCoreError

    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(BotoCoreError):
        open_store(f"s3://bucket/desk?endpoint={nobody}", tmp_path).get(NAME, 0, 1)


def test_a_forbidden_bucket_is_not_taken_for_lost_evidence(endpoint, tmp_path, monkeypatch):
    from botocore.exceptions import ClientError

    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ClientError):
        open_store(f"s3://nobodys-bucket/desk?endpoint={endpoint}", tmp_path).get(NAME, 0, 1)


@pytest.mark.parametrize("address", ["ftp://example.org/x", "relative/path", "s3://"])
def test_an_address_that_is_no_store_is_refused(address, tmp_path):
    with pytest.raises(InputError, match="is no store"):
        open_store(address, tmp_path)


def test_the_default_and_a_directory_of_ones_own(tmp_path):
    assert open_store("", tmp_path).root == tmp_path
    assert open_store(f"{tmp_path}/x", tmp_path).root == tmp_path / "x"
