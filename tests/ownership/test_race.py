"""A small race, and the proof that each of its checks can fail. `make races` runs a large one."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.runs import METADATA_INSTANCE
from tests.ownership.arrivals import arrived, in_order, served
from tests.ownership.platform import Platform
from tests.ownership.race import Race, one_ended
from tests.store.azurite import required
from tests.store.troubled import Written


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_a_small_race() -> None:
    required()
    with Race(seed=7, threads=20, keys=30, kills=2) as race:
        assert race.run() == []
    assert race.figures["kills"] == 2
    assert race.figures["ends"]["completed"] > 50
    assert race.figures["storage"]["unheard"] > 0


def thread_of(*instances: str) -> dict[str, Any]:
    """A thread with a message and a run of each."""
    stamps = [{METADATA_INSTANCE: instance} for instance in instances]
    messages = [{"role": "user", "metadata": stamp} for stamp in stamps]
    return {"messages": messages, "runs": [{"metadata": stamp} for stamp in stamps]}


@pytest.mark.parametrize(
    ("threads", "state", "answer", "finding"),
    [
        ({"t": thread_of("i")}, "completed", 'You wrote: "hello".', None),
        ({"t": thread_of("i")}, "active", None, "stuck at get_run"),
        ({}, "terminated", None, None),
        ({}, "failed", None, "ended as failed"),
        ({"t": thread_of("i", "i")}, "completed", 'You wrote: "hello".', "2 messages, 2 runs"),
        ({"t": thread_of("i")}, "completed", 'You wrote: "another".', "answer_mismatch"),
    ],
)
def test_each_wrong_end_is_found(threads, state, answer, finding) -> None:
    found = one_ended(threads, "i", "hello", state, "get_run", answer)
    assert (finding is None and not found) or (finding is not None and finding in found[0])


def test_whoever_is_served_too_early_is_found() -> None:
    assert in_order("t", ["a", "b", "c"], served(thread_of("a", "c"))) == []
    assert in_order("t", ["a", "b", "c"], served(thread_of("a", "c", "b"))) != []


def test_the_order_of_arrival_is_that_of_the_versions_not_of_the_answers() -> None:
    path = "/devstoreaccount1/agent-runs/hub/threads/x.json"
    written = [
        Written(path, "1", "2", {"line": ["a", "b"]}),
        Written(path, None, "1", {"line": ["a"]}),
        Written(path, "3", None, {}),
        Written(path, "2", "3", {"line": ["b"]}),
        Written(path, None, "4", {"line": ["c"]}),
    ]
    assert arrived(written) == {"threads/x.json": ["a", "b", "c"]}


def test_two_owners_at_once_are_found(tmp_path) -> None:
    platform = Platform.create(tmp_path / "platform.db")
    for instance in ("a", "b", "c"):
        platform.add(instance, "t", "hello", 0)
    platform.owns("t", "a")
    platform.owns_no_more("t", "a")
    platform.owns("t", "b")
    platform.end("b", "terminated")
    platform.owns("t", "c")
    assert platform.rows("SELECT * FROM findings") == []
    platform.owns("t", "a")
    assert platform.rows("SELECT * FROM findings") == [("a and c own t at once",)]
