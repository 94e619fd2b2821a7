"""Who stood alone leaves without a look at the line, and takes nobody else's place along."""

from __future__ import annotations

import pytest

from ownership import alone
from ownership.threads import document_of, leave, take_place
from tests.store.memory import MemoryStore


def come(store: MemoryStore, instance: str, *, thread: str = "thread_1", is_new: bool = False) -> None:
    take_place(store, thread, instance, lambda _: False, is_new=is_new)


def line_of(store: MemoryStore) -> list[str]:
    found = store.read(document_of("thread_1"))
    return found.value["line"] if found else []


@pytest.mark.parametrize("times", [1, 2])
def test_who_stood_alone_leaves_with_one_request(times: int) -> None:
    store = MemoryStore()
    come(store, "one", is_new=True)
    for _ in range(times - 1):
        come(store, "one")  # a later step
    before = store.requests
    leave(store, "thread_1", "one")
    assert store.requests - before == 1
    assert line_of(store) == []


def test_whoever_has_come_since_stays() -> None:
    store = MemoryStore()
    come(store, "one", is_new=True)
    come(store, "two")
    leave(store, "thread_1", "one")
    assert line_of(store) == ["two"]


def test_who_waits_behind_another_takes_only_its_own_place_along() -> None:
    store = MemoryStore()
    come(store, "one", is_new=True)
    come(store, "two")
    leave(store, "thread_1", "two")
    assert line_of(store) == ["one"]


def test_a_place_that_another_worker_has_seen_is_left_too() -> None:
    store, other = MemoryStore(), MemoryStore()
    come(store, "one", is_new=True)
    other.documents = store.documents
    leave(other, "thread_1", "one")
    assert line_of(store) == []


def test_what_was_written_since_is_nobodys_to_delete() -> None:
    """Both were passed over meanwhile, and another one stands there alone."""
    store = MemoryStore()
    come(store, "one", is_new=True)
    take_place(store, "thread_1", "two", lambda _: True)
    leave(store, "thread_1", "one")
    assert line_of(store) == ["two"]
    leave(store, "thread_1", "two")
    assert line_of(store) == []


def test_a_delete_whose_answer_is_lost_is_no_error_and_forgotten() -> None:
    store = MemoryStore()
    come(store, "one", is_new=True)
    store.faults = ["unheard"]
    leave(store, "thread_1", "one")
    assert alone.take_version(store, "thread_1", "one") is None
    assert line_of(store) == []


def test_the_oldest_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "MOST", 2)
    store = MemoryStore()
    for number in range(3):
        come(store, "one", thread=f"thread_{number}", is_new=True)
    assert [alone.take_version(store, f"thread_{number}", "one") is None for number in range(3)] == [True, False, False]
