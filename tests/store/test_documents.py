"""What a store does, on every storage that speaks the protocol."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from local.blob_storage.endpoint import BlobEndpoint
from store.blobs import BlobDocuments
from store.connection import StorageAccount, open_store
from store.documents import DocumentName, StoreError

NAME = DocumentName("threads", "thread_1")


def test_what_is_not_there_is_none(store: BlobDocuments):
    assert store.read(NAME) is None
    assert list(store.listed("threads")) == []


def test_a_document_is_written_read_replaced_and_deleted(store: BlobDocuments):
    first = store.write(NAME, {"line": ["a", "ä", "語"], "n": 1}, None)
    assert first is not None
    assert store.read(NAME) == ({"line": ["a", "ä", "語"], "n": 1}, first)
    second = store.write(NAME, {"n": 2}, first)
    assert second not in (None, first)
    assert store.read(NAME) == ({"n": 2}, second)
    assert store.delete(NAME, second)
    assert store.read(NAME) is None


def test_a_lost_race_is_a_value(store: BlobDocuments):
    first = store.write(NAME, {"n": 1}, None)
    assert store.write(NAME, {"n": 2}, None) is None, "there is one already"
    second = store.write(NAME, {"n": 2}, first)
    assert store.write(NAME, {"n": 3}, first) is None, "another version"
    assert store.delete(NAME, first) is False
    assert store.read(NAME) == ({"n": 2}, second)
    assert store.delete(NAME, second) is True
    assert store.delete(NAME, second) is False, "it is gone"
    assert store.write(NAME, {"n": 4}, second) is None, "what is gone is no version to replace"
    assert store.read(NAME) is None


def test_of_many_writers_one_wins_each_round(store: BlobDocuments):
    rounds = []

    def write(who: int) -> None:
        for _ in range(20):
            while True:
                found = store.read(NAME)
                value = found.value if found else {"by": []}
                if store.write(NAME, {"by": [*value["by"], who]}, found.etag if found else None) is not None:
                    break
        rounds.append(who)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(rounds) == list(range(6))
    found = store.read(NAME)
    assert found is not None
    assert sorted(found.value["by"]) == sorted(list(range(6)) * 20)


def test_kinds_and_hubs_are_apart_and_names_do_not_show(store: BlobDocuments, connection: str):
    other_hub = open_store(StorageAccount(connection_string=connection, hub="another"))
    secret = DocumentName("keys", "geheim/../?x=%00")
    etag = store.write(secret, {"n": 1}, None)
    store.write(NAME, {"n": 2}, None)
    assert other_hub.read(NAME) is None
    [listed] = store.listed("keys")
    assert listed.etag == etag
    assert "geheim" not in listed.path
    assert abs(listed.written - datetime.now(UTC)) < timedelta(minutes=5)
    assert store.read_listed(listed) == store.read(secret)
    assert store.delete_listed(listed._replace(etag='"0x1"')) is False
    assert store.delete_listed(listed) is True
    assert store.read_listed(listed) is None
    assert store.read(secret) is None
    assert store.read(NAME) is not None


def test_a_list_may_have_many_documents(store: BlobDocuments):
    for number in range(120):
        store.write(DocumentName("keys", str(number)), {}, None)
    assert len({listed.path for listed in store.listed("keys")}) == 120


def test_what_is_no_document_is_an_error_that_says_so(store: BlobDocuments):
    store.write(NAME, {}, None)
    blob = store._container.get_blob_client(store._blob(NAME.path))
    blob.upload_blob(b"no json", overwrite=True)
    with pytest.raises(StoreError, match="is none of this app's"):
        store.read(NAME)


def test_a_document_has_at_most_a_megabyte(store: BlobDocuments):
    large = {"line": ["x" * 900_000]}
    etag = store.write(NAME, large, None)
    assert store.read(NAME) == (large, etag)
    with pytest.raises(StoreError, match="too large"):
        store.write(NAME, {"line": ["x" * 1_000_001]}, etag)


def test_the_storage_can_be_checked(store: BlobDocuments):
    store.check()


def test_documents_outlive_the_process(tmp_path):
    file = tmp_path / "state.blobs.db"
    with BlobEndpoint(file) as endpoint:
        etag = open_store(StorageAccount(connection_string=endpoint.connection_string)).write(NAME, {"n": 1}, None)
    with BlobEndpoint(file) as endpoint:
        assert open_store(StorageAccount(connection_string=endpoint.connection_string)).read(NAME) == ({"n": 1}, etag)
    assert file.stat().st_mode & 0o077 == 0
