"""The proxy that loses requests and answers does so, and nothing else."""

from __future__ import annotations

import pytest

from store.blobs import BlobDocuments
from store.connection import StorageAccount, open_store
from store.documents import DocumentName, StoreError
from tests.store.troubled import Trouble, TroubledStorage

NAME = DocumentName("threads", "thread_1")


def store_behind(proxy: TroubledStorage, seconds: float = 5) -> BlobDocuments:
    return open_store(StorageAccount(connection_string=proxy.connection_string, hub="troubled"), seconds)


def test_without_trouble_everything_passes_and_writes_are_noted(connection: str):
    with TroubledStorage(connection, Trouble(latency=0.01), seed=1) as proxy:
        store = store_behind(proxy)
        first = store.write(NAME, {"n": "ä"}, None)
        assert store.write(NAME, {"n": 2}, None) is None
        second = store.write(NAME, {"n": 2}, first)
        assert store.read(NAME) == ({"n": 2}, second)
        assert len(list(store.listed("threads"))) == 1
        assert store.delete(NAME, second)
        noted = [(w.replaced, w.made, w.value) for w in proxy.written]
        assert noted == [(None, first, {"n": "ä"}), (first, second, {"n": 2}), (second, None, {})]


@pytest.mark.parametrize(("name", "done"), [("lost", False), ("unheard", True), ("busy", False)])
def test_what_is_lost_did_not_happen_and_what_is_unheard_did(connection: str, name: str, done: bool):
    with TroubledStorage(connection, Trouble(), seed=1) as proxy:
        store = store_behind(proxy)
        etag = store.write(NAME, {"n": 1}, None)
        proxy.trouble = Trouble(**{name: 1})
        with pytest.raises(StoreError):
            store.write(NAME, {"n": 2}, etag)
        proxy.trouble = Trouble()
        assert proxy.happened[name] == 1
        found = store.read(NAME)
        assert found is not None
        assert (found.value == {"n": 2}) is done
        assert [w.value for w in proxy.written] == [{"n": 1}, *([{"n": 2}] if done else [])]
        assert store.delete(NAME, found.etag)


@pytest.mark.parametrize("how", ["refused", "503", "403", "slow"])
def test_a_storage_that_was_away_comes_back(connection: str, how):
    with TroubledStorage(connection, Trouble(), seed=1) as proxy:
        store = store_behind(proxy, seconds=0.5)
        proxy.go_away(how)
        with pytest.raises(StoreError):
            store.read(NAME)
        proxy.come_back()
        assert store.read(NAME) is None
