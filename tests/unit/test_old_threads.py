"""Threads that go with the history of the last instance that ran on them, and the instances that wait for that."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.request import AgentRunRequest, RunPolicy
from contracts.status import CustomStatus
from contracts.wire import to_wire
from foundry import errors
from maintenance import old_history, old_threads
from maintenance.left_behind import Traces
from maintenance.old_history import SLICES, purge
from maintenance.old_threads import AT_ONCE, KEPT_FOR, threads_to_delete
from orchestrators.progress import begin
from tests.unit.test_maintenance import Watch, logged

NOW = datetime(2026, 11, 26, 3, 30, tzinfo=UTC)
LIMIT = NOW - timedelta(days=30)


def started(when: str = "with_history", **request: Any) -> str:
    """The input of an instance, as the SDK sends it: JSON text."""
    policy = RunPolicy(agent_id="asst_1", timeout_seconds=60, delete_thread=when)  # type: ignore[arg-type]
    return json.dumps({"request": {"user_message": "hi", **request}, "policy": to_wire(policy)})


def shown(when: str | None = "with_history", **fields: Any) -> dict[str, Any]:
    status = to_wire(CustomStatus(status="Success", thread_id="thread_1", run_id="run_1"))
    return {**status, **({"delete_thread": when} if when else {}), **fields}


class World:
    """A task hub and what Foundry has, both of them fakes: purged and listed by time, as the platform does."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.inputs: dict[str, Any] = {}
        self.threads: dict[str, str | Exception] = {}
        """Of each thread: the instance that used it last, or what Foundry says."""
        self.deleted: list[str] = []
        self.looked_at: list[str] = []
        self.purged_alone: list[str] = []
        self.purges = 0
        self.fail_listing_at: set[int] = set()
        self.listings = 0
        self.at_page = lambda: None

    def add(self, instance_id: str, *, days: float = 31, when: str | None = "with_history", **fields: Any) -> str:
        moment = (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.rows[instance_id] = {
            "name": "agent_run",
            "instanceId": instance_id,
            "runtimeStatus": "Completed",
            "customStatus": shown(when, thread_id=f"thread_{instance_id}"),
            "createdTime": moment,
            "lastUpdatedTime": moment,
            **fields,
        }
        self.inputs[instance_id] = started(when or "never")
        self.threads.setdefault(f"thread_{instance_id}", instance_id)
        return instance_id

    def between(self, start: datetime, end: datetime) -> list[str]:
        found = [(i, datetime.fromisoformat(row["createdTime"])) for i, row in self.rows.items()]
        start, end = start.replace(microsecond=0), end.replace(microsecond=0)
        return [i for i, created in found if start <= created <= end]

    # --- the task hub ---

    async def pages(
        self, *, created_from: datetime, created_to: datetime, statuses: Any
    ) -> AsyncIterator[list[dict[str, Any]]]:
        self.listings += 1
        if self.listings in self.fail_listing_at:
            raise RuntimeError("storage")
        ids = [i for i in self.between(created_from, created_to) if self.rows[i]["runtimeStatus"] in statuses]
        for n in range(0, max(len(ids), 1), 1000):
            yield [self.rows[i] for i in ids[n : n + 1000]]
            self.at_page()

    async def whole(self, instance_id: str) -> dict[str, Any]:
        self.looked_at.append(instance_id)
        return {**self.rows[instance_id], "input": self.inputs[instance_id], "historyEvents": []}

    async def purge(self, instance_id: str) -> int:
        self.purged_alone.append(instance_id)
        return int(self.rows.pop(instance_id, None) is not None)

    # --- the SDK's client ---

    async def purge_instance_history_by(self, start: datetime, end: datetime, statuses: list[Any]) -> Any:
        self.purges += 1
        names = {status.name for status in statuses}
        gone = [i for i in self.between(start, end) if self.rows[i]["runtimeStatus"] in names]
        for instance_id in gone:
            del self.rows[instance_id]
        return SimpleNamespace(instances_deleted=len(gone))

    # --- Foundry ---

    def within(self, seconds: float) -> World:
        return self

    def delete_thread(self, thread_id: str, instance_id: str) -> bool:
        user = self.threads.get(thread_id, instance_id)
        if isinstance(user, Exception):
            raise user
        if user != instance_id:
            return False
        self.threads.pop(thread_id, None)
        self.deleted.append(thread_id)
        return True

    def night(self) -> dict[str, int]:
        return asyncio.run(asyncio.wait_for(purge(self, self, LIMIT), 60))  # type: ignore[arg-type]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> World:
    caplog.set_level("INFO", "agent_run.maintenance")
    made = World()
    monkeypatch.setattr(old_threads, "agent_service", lambda settings, generation: made)
    monkeypatch.setattr(old_threads, "load_settings", lambda: None)
    return made


# --- which threads go ---


def test_a_thread_goes_with_its_instance(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.add("a", days=31)  # of two slices: the platform counts in seconds
    counts = world.night()
    assert counts == {"deleted": 1, "failed": 0, "threads": 1, "waiting": 0, "left": 0}
    assert (world.deleted, world.rows) == (["thread_a"], {})
    assert logged(caplog, "agent_run.purged") == [counts]


@pytest.mark.parametrize("status", ["Completed", "Failed", "Terminated", "Canceled"])
def test_however_the_instance_ended(status: str, world: World) -> None:
    world.add("a", runtimeStatus=status)
    assert world.night()["threads"] == 1


def test_an_instance_that_showed_nothing_is_asked_for_its_input(world: World) -> None:
    for instance_id, when in (("a", "with_history"), ("b", "never")):
        world.add(instance_id, customStatus=None, runtimeStatus="Failed")
        world.inputs[instance_id] = started(when, thread_id=f"thread_{instance_id}")
    assert world.night()["threads"] == 1
    assert (world.deleted, world.rows) == (["thread_a"], {})


@pytest.mark.parametrize("when", [None, "never", "on_success"])
def test_a_thread_that_nobody_wanted_deleted_stays_and_nobody_is_asked(when: str | None, world: World) -> None:
    world.add("a", when=None)
    world.inputs["a"] = started(when or "never")
    assert world.night() == {"deleted": 1, "failed": 0, "threads": 0, "waiting": 0, "left": 0}
    assert (world.deleted, world.looked_at) == ([], [])


def test_instances_within_the_retention_keep_their_threads(world: World) -> None:
    world.add("a", days=29.9)
    assert world.night()["deleted"] == 0
    assert (world.deleted, list(world.rows)) == ([], ["a"])


def test_an_instance_that_goes_on_is_neither_purged_nor_touched(world: World) -> None:
    world.add("a", runtimeStatus="Running")
    world.night()
    assert (world.deleted, list(world.rows)) == ([], ["a"])


def test_instances_of_another_orchestrator_have_no_threads(world: World) -> None:
    world.add("a", name="somebody_elses")
    assert world.night()["deleted"] == 1
    assert world.looked_at == []


def test_a_thread_that_somebody_else_used_last_stays(world: World) -> None:
    world.add("a")
    world.threads["thread_a"] = "b"
    assert world.night() == {"deleted": 1, "failed": 0, "threads": 0, "waiting": 0, "left": 0}


def test_the_last_user_of_a_chain_takes_the_thread_along(world: World) -> None:
    for instance_id, days in (("a", 33), ("b", 32), ("c", 31)):
        world.add(instance_id, days=days)
        world.rows[instance_id]["customStatus"]["thread_id"] = "thread_x"
    world.threads["thread_x"] = "c"
    assert world.night()["deleted"] == 3
    assert world.deleted.count("thread_x") >= 1
    assert "thread_x" not in world.threads


def test_a_thread_that_is_gone_keeps_nobody_waiting(world: World) -> None:
    world.add("a")
    del world.threads["thread_a"]
    assert world.night()["waiting"] == 0
    assert world.rows == {}


WITH_INPUT = {"instanceId": "i1", "customStatus": None}
CREATED = [{"FunctionName": "create_thread", "Result": {"value": {"thread_id": "thread_h"}}}]


@pytest.mark.parametrize(
    ("whole", "traces"),
    [
        ({**WITH_INPUT, "input": started(thread_id="thread_g")}, Traces("i1", ("thread_g",))),
        ({**WITH_INPUT, "input": started(), "historyEvents": CREATED}, Traces("i1", ("thread_h",))),
        ({**WITH_INPUT, "input": started("never", thread_id="thread_g")}, Traces("i1", ())),
        ({**WITH_INPUT, "input": started("on_success", thread_id="thread_g")}, Traces("i1", ())),
        ({**WITH_INPUT, "input": {"user_message": "hi", "thread_id": "t", "delete_thread": "with_history"}},
         Traces("i1", ("t",))),
        ({**WITH_INPUT, "input": {"user_message": "hi", "thread_id": "t"}}, Traces("i1", ())),
        ({**WITH_INPUT, "input": None}, Traces("i1", ())),
        ({**WITH_INPUT, "input": "no json"}, Traces("i1", ())),
        ({}, Traces("i1", ())),
        ({"customStatus": shown(), "input": started()}, Traces("i1", ("thread_1",))),
        ({"customStatus": shown(), "input": started(), "historyEvents": CREATED},
         Traces("i1", ("thread_1", "thread_h"))),
        ({"customStatus": shown(None), "input": started()}, Traces("i1", ())),
        (
            {"customStatus": shown(), "input": {"progress": {"instance_id": "first", "thread_id": "thread_1"}}},
            Traces("first", ("thread_1",)),
        ),
        (
            {"customStatus": None, "input": {"progress": {"instance_id": "first", "thread_id": "t",
             "policy": {"delete_thread": "with_history"}}}},
            Traces("first", ("t",)),
        ),
    ],
)  # fmt: skip
def test_custom_status_input_and_history_tell_which_threads_go(whole: dict[str, Any], traces: Traces) -> None:
    assert threads_to_delete(whole, "i1") == traces


def test_the_stamp_is_cut_as_foundry_keeps_it() -> None:
    assert threads_to_delete({"customStatus": shown(), "input": started()}, "i" * 600).instance_id == "i" * 512


def test_what_is_asked_in_a_start_is_what_the_custom_status_shows() -> None:
    for when, told in (("with_history", "with_history"), ("never", None), ("on_success", None)):
        policy = RunPolicy(agent_id="asst_1", timeout_seconds=60, delete_thread=when)  # type: ignore[arg-type]
        request = AgentRunRequest(user_message="hi")
        status = begin(request, policy, instance_id="i", operation_id="o", now=NOW).custom_status()
        assert to_wire(status).get("delete_thread") == told


# --- what is kept ---

DOWN = errors.UnavailableError("Foundry is down")
REFUSED = errors.PermissionDeniedError("no role")
OLD = 30 + KEPT_FOR.days + 1


@pytest.mark.parametrize("error", [DOWN, REFUSED, errors.ConnectionFailedError("no answer"), RuntimeError("a fault")])
def test_an_instance_whose_thread_cannot_be_deleted_waits_and_the_others_go(
    error: Exception, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(5):
        world.add(f"i{n}", days=31 + n / 10)
    world.add("plain", when=None)
    world.threads["thread_i3"] = error
    assert world.night() == {"deleted": 5, "failed": 0, "threads": 4, "waiting": 1, "left": 0}
    assert list(world.rows) == ["i3"]
    [line] = logged(caplog, "agent_run.thread_not_deleted")
    assert (line["instance_id"], line["kept"]) == ("i3", True)
    assert line["error"] == getattr(error, "code", type(error).__name__)
    world.threads["thread_i3"] = "i3"
    assert world.night()["threads"] == 1
    assert world.rows == {}


def test_one_that_waits_is_purged_by_no_neighbouring_slice(world: World) -> None:
    edge = 30 + SLICES / 2 - 0.5
    for n, days in enumerate((edge, edge + 1, 30 + SLICES, 30)):
        world.add(f"i{n}", days=days)
        world.threads[f"thread_i{n}"] = DOWN
    world.night()
    assert len(world.rows) == 4


def test_slices_without_anybody_who_waits_are_purged_at_once(world: World) -> None:
    world.add("a", days=31.5)
    world.threads["thread_a"] = DOWN
    for n in range(20):
        world.add(f"i{n}", days=33.5, when=None)
        world.add(f"j{n}", days=31.5, when=None)
    assert world.night()["deleted"] == 40
    assert world.purges == SLICES
    assert sorted(world.purged_alone) == sorted(f"j{n}" for n in range(20))


def test_what_foundry_refuses_for_two_weeks_goes_without_its_thread(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.add("a", days=OLD)
    world.threads["thread_a"] = REFUSED
    assert world.night() == {"deleted": 1, "failed": 0, "threads": 0, "waiting": 0, "left": 1}
    assert logged(caplog, "agent_run.thread_not_deleted")[0]["kept"] is False


@pytest.mark.parametrize("error", [DOWN, errors.RateLimitedError("slow down"), RuntimeError("a fault of ours")])
def test_where_foundry_does_not_answer_the_instance_is_kept_until_it_does(error: Exception, world: World) -> None:
    world.add("a", days=OLD + 100)
    world.threads["thread_a"] = error
    assert world.night()["waiting"] == 1
    assert list(world.rows) == ["a"]


def test_a_slice_that_cannot_be_listed_is_not_purged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.add("a", days=30.5)
    world.add("b", days=31.5)
    world.fail_listing_at = {1}
    counts = world.night()
    assert (counts["deleted"], counts["failed"], counts["threads"]) == (1, 1, 1)
    assert list(world.rows) == ["a"]
    assert [line["error"] for line in logged(caplog, "agent_run.purge_failed")] == ["RuntimeError"]
    world.fail_listing_at = set()
    world.night()
    assert world.rows == {}


def test_what_was_listed_in_time_is_purged_one_by_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(2500):
        world.add(f"i{n:04}", days=60, when=None)
    forever = asyncio.Event

    async def hang(**query: Any) -> AsyncIterator[list[dict[str, Any]]]:
        async for page in World.pages(world, **query):
            yield page
            if page and len(page) < 1000:
                await forever().wait()

    monkeypatch.setattr(world, "pages", hang)
    monkeypatch.setattr(old_history, "SLICE_SECONDS", 0.05)
    counts = world.night()
    assert (counts["deleted"], counts["failed"]) == (2500, 1)
    assert len(world.purged_alone) == 2500


def test_an_instance_that_cannot_be_purged_alone_keeps_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("waits", days=31.5)
    world.threads["thread_waits"] = DOWN
    for instance_id in ("a", "b", "c"):
        world.add(instance_id, days=31.5, when=None)

    async def purge_alone(instance_id: str) -> int:
        if instance_id == "b":
            raise RuntimeError("storage")
        return await World.purge(world, instance_id)

    monkeypatch.setattr(world, "purge", purge_alone)
    counts = world.night()
    assert (counts["deleted"], counts["failed"]) == (2, 1)
    assert sorted(world.rows) == ["b", "waits"]


def test_the_scheduler_purges_nothing_that_is_still_kept() -> None:
    bicep = (Path(__file__).parents[2] / "infra" / "modules" / "durable-task.bicep").read_text("utf-8")
    assert f"retentionPeriodInDays: min(historyRetentionDays + {KEPT_FOR.days}, " in bicep


# --- many of them, and the time that there is ---


def test_thousands_of_instances_lose_their_threads_and_none_is_lost(world: World) -> None:
    for n in range(3000):
        world.add(f"i{n:04}", days=30.2 + n % 90 / 10)
    for n in range(0, 3000, 100):
        world.threads[f"thread_i{n:04}"] = DOWN
    assert world.night() == {"deleted": 2970, "failed": 0, "threads": 2970, "waiting": 30, "left": 0}
    assert sorted(world.rows) == [f"i{n:04}" for n in range(0, 3000, 100)]


def test_what_a_night_does_not_get_to_waits_for_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, old_history)
    monkeypatch.setattr(old_threads, "monotonic", lambda: watch.seconds)
    monkeypatch.setattr(old_threads, "AT_ONCE", 4)  # their seconds add up here: of eight none would be left to purge
    for n in range(100):
        world.add(f"i{n:02}")
    one_at_a_time = threading.Lock()

    def slow(thread_id: str, instance_id: str) -> bool:
        with one_at_a_time:
            watch.advance(4)
            return World.delete_thread(world, thread_id, instance_id)

    monkeypatch.setattr(world, "delete_thread", slow)
    first = world.night()
    assert 30 < first["threads"] <= 38 + AT_ONCE
    assert first["waiting"] == 100 - first["threads"] == len(world.rows)
    nights = 1
    while world.rows:
        world.night()
        nights += 1
    assert nights == 3
    assert len(world.deleted) == 100


def test_never_more_than_a_few_threads_are_deleted_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, busy, most = threading.Barrier(AT_ONCE), [0], [0]
    lock = threading.Lock()

    def together(thread_id: str, instance_id: str) -> bool:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        gate.wait(20)
        with lock:
            busy[0] -= 1
        return True

    monkeypatch.setattr(world, "delete_thread", together)
    for n in range(3 * AT_ONCE):
        world.add(f"i{n:02}")
    assert world.night()["threads"] == 3 * AT_ONCE
    assert most[0] == AT_ONCE


def test_a_foundry_that_hangs_costs_the_night_no_more_than_its_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hang(thread_id: str, instance_id: str) -> bool:
        released.wait(30)
        return True

    monkeypatch.setattr(world, "delete_thread", hang)
    monkeypatch.setattr(old_threads, "INSTANCE_SECONDS", 0.05)
    world.add("a")
    world.add("b", when=None)
    try:
        assert world.night() == {"deleted": 1, "failed": 0, "threads": 0, "waiting": 1, "left": 0}
    finally:
        released.set()
    assert list(world.rows) == ["a"]


def test_each_thread_is_deleted_by_the_service_of_its_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    deleted: list[tuple[str, str]] = []

    def service(_: Any, generation: str) -> Any:
        def delete_thread(thread_id: str, _instance_id: str) -> bool:
            deleted.append((generation, thread_id))
            return True

        made = SimpleNamespace(delete_thread=delete_thread, within=lambda _: made)
        return made

    monkeypatch.setattr(old_threads, "load_settings", lambda: None)
    monkeypatch.setattr(old_threads, "agent_service", service)
    assert old_threads.delete_threads_of(Traces("mine", ("thread_1", "conv_1"))) == 2
    assert deleted == [("classic", "thread_1"), ("responses", "conv_1")]
