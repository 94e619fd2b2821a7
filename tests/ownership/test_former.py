"""What an owner leaves on its thread is noted for the next one, where that is asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.runs import FormerRun
from ownership.threads import document_of, former_of, leave, take_place
from tests.store.memory import MemoryStore

LEFT = FormerRun(run_ids=("resp_1",), left_at=datetime(2026, 1, 1, tzinfo=UTC), shows_items=True)
OTHER = FormerRun(run_ids=("resp_2",), left_at=datetime(2026, 1, 2, tzinfo=UTC), shows_items=False)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def come(store: MemoryStore, instance: str, *ended: str, run: FormerRun | None = None) -> FormerRun | None:
    return take_place(store, "conv_1", instance, ended.__contains__, run_of=lambda _: run).former


def test_the_run_of_whoever_has_left_last_stays_noted(store: MemoryStore) -> None:
    assert come(store, "a") is None
    leave(store, "conv_1", "a", LEFT)
    assert come(store, "b") == LEFT
    assert come(store, "c") == LEFT
    leave(store, "conv_1", "b")  # it had no run
    assert come(store, "c") == LEFT
    leave(store, "conv_1", "c", OTHER)
    assert former_of(store, "conv_1") == OTHER


def test_the_run_of_whoever_is_passed_over_is_noted_too(store: MemoryStore) -> None:
    come(store, "a")
    assert come(store, "b", "a", run=LEFT) == LEFT
    assert come(store, "c") == LEFT
    leave(store, "conv_1", "a", OTHER)  # it comes too late
    assert former_of(store, "conv_1") == LEFT
    assert come(store, "c", "b") == LEFT, "who has shown no run does not make the one before forgotten"


def test_nothing_stays_where_nothing_is_noted(store: MemoryStore) -> None:
    come(store, "a")
    leave(store, "conv_1", "a")
    assert store.documents == {}
    assert former_of(store, "conv_1") is None


def test_a_note_that_cannot_be_read_is_none(store: MemoryStore) -> None:
    store.write(document_of("conv_1"), {"line": ["a"], "former": {"run_ids": 1}}, None)
    assert come(store, "a") is None
