"""The nightly purge of documents: old keys, and threads that nobody uses."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maintenance import old_documents, old_history
from maintenance.old_documents import BATCH, purge_documents
from ownership import keys, threads
from ownership.instances import InstanceNotSeenError
from settings import DEFAULTS
from store.documents import DocumentName, StoreError
from tests.store.memory import MemoryStore
from tests.unit.scripted import ENDPOINT
from tests.unit.test_http_functions import FakeClient, instance
from tests.unit.test_maintenance import FakeClient as PurgingClient
from tests.unit.test_maintenance import FakeHub, Watch, logged

NOW = datetime.now(UTC)
NOTHING = {"keys": 0, "threads": 0, "failed": 0, "left": 0}


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agent_run.maintenance")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def write(store: MemoryStore, name: DocumentName, value: dict[str, Any], *, days: float) -> str:
    store.write(name, value, None)
    store.written[name.path] = NOW - timedelta(days=days)
    return name.path


def key(store: MemoryStore, of: str, *, days: float) -> str:
    return write(store, keys.document_of(of), {"instance": "i-1"}, days=days)


def thread(store: MemoryStore, of: str, *line: str, days: float) -> str:
    return write(store, threads.document_of(of), {"line": list(line)}, days=days)


def night(store: MemoryStore, *, ended: tuple[str, ...] = (), days: int = 30) -> dict[str, Any]:
    return purge_documents(lambda: store, ended.__contains__, NOW, days)


def test_keys_go_when_they_are_old_and_not_before(store: MemoryStore) -> None:
    key(store, "old", days=30.1)
    young = key(store, "young", days=29.9)
    assert night(store) == {**NOTHING, "keys": 1}
    assert set(store.documents) == {young}
    assert night(store, days=29) == {**NOTHING, "keys": 1}


def test_threads_go_when_all_of_their_instances_have_ended(store: MemoryStore) -> None:
    thread(store, "done", "i-1", "i-2", days=1.1)
    thread(store, "empty", days=1.1)
    kept = {
        thread(store, "written lately", "i-1", days=0.9),
        thread(store, "owned", "i-3", "i-1", days=9),
        thread(store, "waited for", "i-1", "i-3", days=9),
    }
    assert night(store, ended=("i-1", "i-2")) == {**NOTHING, "threads": 2}
    assert set(store.documents) == kept


def test_what_is_written_meanwhile_stays(store: MemoryStore) -> None:
    kept = thread(store, "t", "i-1", days=2)
    name = threads.document_of("t")

    def ended_but_somebody_came(_: str) -> bool:
        store.write(name, {"line": ["i-1", "i-2"]}, store.documents[name.path][1])
        return True

    assert purge_documents(lambda: store, ended_but_somebody_came, NOW, 30) == NOTHING
    assert set(store.documents) == {kept}


def test_one_that_fails_leaves_the_others(store: MemoryStore) -> None:
    for n in range(3):
        thread(store, f"t{n}", f"i-{n}", days=2)

    def look(instance_id: str) -> bool:
        if instance_id == "i-1":
            raise InstanceNotSeenError("the platform did not say")
        return True

    error = "the platform did not say"
    assert purge_documents(lambda: store, look, NOW, 30) == {**NOTHING, "threads": 2, "failed": 1, "error": error}


def test_a_store_that_does_not_list_is_told(store: MemoryStore) -> None:
    store.faults = ["lost"]
    assert night(store) == {**NOTHING, "error": "away"}


def test_what_there_is_no_time_for_is_left(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(BATCH + 10):
        key(store, f"k{n}", days=31)
    watch = Watch(monkeypatch, old_documents)
    deleted = store.delete_listed

    def slow(document: Any) -> bool:
        watch.advance(old_documents.START_NONE_AFTER_SECONDS)
        return deleted(document)

    monkeypatch.setattr(store, "delete_listed", slow)
    counts = night(store)
    assert 1 <= counts["keys"] <= old_documents.AT_ONCE
    assert counts["keys"] + counts["left"] == BATCH, "the next batch is not begun"


def test_there_may_be_many(store: MemoryStore) -> None:
    for n in range(2 * BATCH + 1):
        key(store, f"k{n}", days=31)
    assert night(store) == {**NOTHING, "keys": 2 * BATCH + 1}


# --- beside the history ---


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FOUNDRY_PROJECT_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("IDEMPOTENCY_DAYS", "2")
    return monkeypatch


def test_it_is_done_as_the_settings_say_and_asks_the_platform(
    store: MemoryStore, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(old_history, "document_store", lambda: store)
    client = FakeClient()
    client.instances["i-1"] = instance("i-1")
    key(store, "old", days=2.1)
    owned = thread(store, "owned", "i-1", days=2)
    thread(store, "gone", "i-2", days=2)
    counts = asyncio.run(old_history.purge_documents_by_settings(client, NOW))
    assert counts == {**NOTHING, "keys": 1, "threads": 1}
    assert set(store.documents) == {owned}


def test_settings_that_are_wrong_purge_nothing_and_say_so(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("IDEMPOTENCY_DAYS", "0")
    told = asyncio.run(old_history.purge_documents_by_settings(FakeClient(), NOW))
    assert list(told) == ["error"]
    assert "IDEMPOTENCY_DAYS" in told["error"]


@pytest.mark.parametrize(
    ("fields", "level"),
    [(NOTHING, logging.INFO), ({**NOTHING, "left": 1}, logging.WARNING), ({"error": "away"}, logging.WARNING)],
)
def test_trouble_is_a_warning(fields: dict[str, Any], level: int, caplog: pytest.LogCaptureFixture) -> None:
    old_history.log_documents(fields)
    assert logged(caplog, "agent_run.documents_purged") == [fields]
    assert caplog.records[-1].levelno == level


@pytest.mark.parametrize("error", [StoreError("no account", retryable=False), RuntimeError("a fault")])
def test_whatever_goes_wrong_with_documents_the_history_is_purged(
    error: Exception, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Any:
        raise error

    environment.setattr(old_history, "document_store", fail)
    client = PurgingClient()
    environment.setattr(old_history, "TaskHub", lambda _: FakeHub())
    asyncio.run(old_history.purge_history._function.get_user_function().client_function(timer=None, client=client))
    assert client.purged
    [line] = logged(caplog, "agent_run.documents_purged")
    assert line["error"] in ("no account", "RuntimeError")
    assert len(logged(caplog, "agent_run.purged")) == 1
