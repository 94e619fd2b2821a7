"""The timer triggers' work: what they ask the platform for, and that one failure leaves the rest."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.durable_functions as df
import pytest

from activities import orphans
from contracts import RunSnapshot, RunState
from maintenance import old_history, orphaned_runs
from maintenance.instances import PAGE, instances_created_between
from maintenance.old_history import TERMINAL, purge, purge_by_settings, slices_before
from maintenance.orphaned_runs import AT_ONCE, LOOK_BACK, SETTLED_AFTER, Memory, scan, suspect_of

NOW = datetime.now(UTC)


class FakeClient:
    def __init__(self, created: list[datetime] = [], payloads: list[dict[str, Any]] = []) -> None:  # noqa: B006
        self.created = created
        self.payloads = payloads
        self.purged: list[tuple[Any, ...]] = []
        self.queries: list[tuple[Any, ...]] = []
        self.fail_at: set[int] = set()
        self.hang_at: set[int] = set()
        self.at_purge: Callable[[], None] = lambda: None

    async def get_status_by(self, start: datetime, end: datetime, statuses: list[Any]) -> list[Any]:
        self.queries.append((start, end, statuses))
        if self.payloads:
            return [SimpleNamespace(to_json=lambda p=p: p) for p in self.payloads]
        found = [n for n, moment in enumerate(self.created) if start <= moment < end][:PAGE]
        return [SimpleNamespace(to_json=lambda n=n: {"instanceId": f"i{n}"}) for n in found]

    async def purge_instance_history_by(self, start: datetime, end: datetime, statuses: list[Any]) -> Any:
        self.purged.append((start, end, statuses))
        self.at_purge()
        if len(self.purged) in self.fail_at:
            raise RuntimeError("storage")
        if len(self.purged) in self.hang_at:
            await asyncio.Event().wait()
        return SimpleNamespace(instances_deleted=2)


class Watch:
    """Replaces `monotonic` in a module."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
        self.seconds = 1000.0
        monkeypatch.setattr(module, "monotonic", lambda: self.seconds)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """Return the fields of every line of the event."""
    lines = [message.split(" ", 1) for message in caplog.messages]
    return [json.loads(fields) for name, fields in lines if name == event]


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "agent_run.maintenance")


# --- purging ---


def test_a_purge_always_names_the_terminal_states() -> None:
    client = FakeClient()
    counts = asyncio.run(purge(client, NOW))
    assert counts == {"deleted": 2 * len(client.purged), "failed": 0}
    for _, _, statuses in client.purged:
        assert statuses == list(TERMINAL)
    assert df.OrchestrationRuntimeStatus.Running not in TERMINAL
    assert df.OrchestrationRuntimeStatus.Pending not in TERMINAL


def test_a_slice_that_cannot_be_purged_leaves_the_others() -> None:
    client = FakeClient()
    client.fail_at = {1, 3}
    assert asyncio.run(purge(client, NOW)) == {"deleted": 2 * (len(client.purged) - 2), "failed": 2}


def test_the_slices_cover_everything_before_the_limit_once() -> None:
    slices = slices_before(NOW)
    assert slices[0][1] == NOW
    assert slices[-1][0].year == 2020
    for later, earlier in itertools.pairwise(slices):
        assert earlier[1] == later[0]


@pytest.mark.parametrize("days", [1, 30])
def test_what_is_purged_ended_before_the_retention_and_nothing_else(
    days: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(old_history, "load_settings", lambda: SimpleNamespace(history_retention_days=days))
    client = FakeClient()
    asyncio.run(purge_by_settings(client, NOW))
    assert max(end for _, end, _ in client.purged) == NOW - timedelta(days=days)
    assert min(start for start, _, _ in client.purged).year == 2020
    assert {s.name for _, _, statuses in client.purged for s in statuses} == {
        "Completed",
        "Failed",
        "Terminated",
        "Canceled",
    }
    assert logged(caplog, "agent_run.purged") == [{"deleted": 2 * len(client.purged), "failed": 0}]


def test_a_retention_of_no_days_keeps_everything_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(old_history, "load_settings", lambda: SimpleNamespace(history_retention_days=0))
    client = FakeClient()
    asyncio.run(purge_by_settings(client, NOW))
    assert not client.purged
    assert logged(caplog, "agent_run.purged") == [{"deleted": 0, "failed": 0, "kept": "everything"}]


def test_a_slice_that_hangs_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(old_history, "SLICE_SECONDS", 0.02)
    client = FakeClient()
    client.hang_at = {2}
    assert asyncio.run(asyncio.wait_for(purge(client, NOW), 20)) == {"deleted": 2 * 7, "failed": 1}
    assert [line["error"] for line in logged(caplog, "agent_run.purge_failed")] == ["TimeoutError"]


def test_a_purge_starts_nothing_that_could_exceed_the_functions_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch, client = Watch(monkeypatch, old_history), FakeClient()
    client.at_purge = lambda: watch.advance(60)
    assert asyncio.run(purge(client, NOW)) == {"deleted": 2 * 3, "failed": 5}
    assert len(client.purged) == 3
    assert [line["error"] for line in logged(caplog, "agent_run.purge_failed")] == ["no time left"] * 5
    assert logged(caplog, "agent_run.purged") == [{"deleted": 6, "failed": 5}]


def test_the_timers_end_before_the_platform_kills_their_worker() -> None:
    host = json.loads((Path(__file__).parents[2] / "host.json").read_text(encoding="utf-8"))
    hours, minutes, seconds = map(int, host["functionTimeout"].split(":"))
    limit = hours * 3600 + minutes * 60 + seconds
    assert limit - 20 > old_history.START_NONE_AFTER_SECONDS + old_history.SLICE_SECONDS
    assert limit - 20 > orphaned_runs.START_NONE_AFTER_SECONDS + orphaned_runs.LOOK_SECONDS
    assert orphaned_runs.LISTING_SECONDS < orphaned_runs.START_NONE_AFTER_SECONDS


# --- orphaned runs ---


@pytest.mark.parametrize("count", [0, 99, 100, 101, 1000])
def test_a_full_page_is_split_until_everything_is_listed(count: int) -> None:
    client = FakeClient([NOW + timedelta(seconds=n) for n in range(count)])
    found = asyncio.run(instances_created_between(client, NOW, NOW + timedelta(hours=3), ()))
    assert {p["instanceId"] for p in found} == {f"i{n}" for n in range(count)}


def ended(instance_id: str = "i1", *, minutes_ago: float = 1, **custom: Any) -> dict[str, Any]:
    moment = (NOW - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    status = {"thread_id": "thread_1", "run_requested": True, "run_id": "run_1", "run_status": "in_progress", **custom}
    return {"name": "agent_run", "instanceId": instance_id, "customStatus": status, "lastUpdatedTime": moment}


@pytest.mark.parametrize(
    ("payload", "suspected"),
    [
        (ended(), True),
        (ended(run_status="cancelling"), True),
        (ended(run_id=None, run_status=None), True),
        (ended(run_id=None, run_status=None, run_requested=False, step="create_message"), True),
        (ended(run_id=None, run_status=None, run_requested=False, step="create_run"), True),
        (ended(run_id=None, run_status=None, run_requested=False, step="create_thread"), False),
        (ended(run_status="completed"), False),
        (ended(run_status="cancelled"), False),
        (ended(thread_id=None), False),
        ({**ended(), "name": "another"}, False),
        ({**ended(), "customStatus": None}, False),
        ({**ended(), "customStatus": "text"}, False),
    ],
)
def test_who_may_have_left_a_run(payload: dict[str, Any], suspected: bool) -> None:
    assert (suspect_of(payload) is not None) == suspected


class FakeFoundry:
    """Replaces `cancel_runs_of_instance`: what it does is up to `looks`, by instance id; else it cancels one run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **looks: Callable[[], int]) -> None:
        self.looks = looks
        self.asked: list[str] = []
        self.otherwise: Callable[[], int] = lambda: 1
        monkeypatch.setattr(orphaned_runs, "cancel_runs_of_instance", self.cancel)

    def cancel(self, thread_id: str, instance_id: str) -> int:
        assert thread_id == "thread_1"
        self.asked.append(instance_id)
        return self.looks.get(instance_id, self.otherwise)()


def boom() -> int:
    raise RuntimeError("boom")


def test_the_scan_asks_for_terminated_and_failed_instances_of_the_last_hours() -> None:
    client = FakeClient()
    asyncio.run(scan(client, Memory()))
    [(start, end, statuses)] = client.queries
    assert {s.name for s in statuses} == {"Terminated", "Failed"}
    assert abs(start - (datetime.now(UTC) - LOOK_BACK)) < timedelta(minutes=1)
    assert end > datetime.now(UTC)


def test_one_failure_keeps_no_other_run_from_being_cancelled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [f"bad{n}" for n in range(AT_ONCE + 1)]
    good = [f"good{n}" for n in range(2 * AT_ONCE)]
    foundry = FakeFoundry(monkeypatch, **dict.fromkeys(bad, boom))
    client = FakeClient(payloads=[ended(i) for i in (*good[:1], *bad, *good[1:])])
    counts = {"scanned": len(bad + good), "cancelled": len(good), "failed": len(bad), "left": 0}
    assert asyncio.run(scan(client, Memory())) == counts
    assert sorted(foundry.asked) == sorted(bad + good)
    assert logged(caplog, "agent_run.orphans") == [counts]
    assert {line["instance_id"] for line in logged(caplog, "agent_run.orphan_not_cancelled")} == set(bad)


def test_a_look_that_hangs_keeps_no_other_run_from_being_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphaned_runs, "LOOK_SECONDS", 0.5)
    released = threading.Event()
    FakeFoundry(monkeypatch, hangs=lambda: int(released.wait(60)))

    async def scan_once() -> dict[str, int]:
        try:
            return await scan(FakeClient(payloads=[ended("hangs"), ended("a"), ended("b")]), Memory())
        finally:
            released.set()  # the end of the loop waits for its threads

    assert asyncio.run(scan_once()) == {"scanned": 3, "cancelled": 2, "failed": 1, "left": 0}
    assert AT_ONCE < 5, "asyncio's threads on a machine with one core"


def test_a_few_are_looked_at_at_once_and_what_is_left_comes_first_in_the_next_scan(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch, together = Watch(monkeypatch, orphaned_runs), threading.Barrier(AT_ONCE)

    def slow_failure() -> int:
        together.wait(20)  # BrokenBarrierError unless so many are looked at at once
        watch.seconds = 1000 + orphaned_runs.START_NONE_AFTER_SECONDS
        return boom()

    foundry, memory = FakeFoundry(monkeypatch), Memory()
    foundry.otherwise = slow_failure
    names = [f"i{n:02}" for n in range(3 * AT_ONCE)]
    client = FakeClient(payloads=[ended(name, minutes_ago=30 - n) for n, name in enumerate(names)][::-1])
    turns = []
    for _ in range(5):
        watch.seconds = 1000.0
        foundry.asked.clear()
        counts = asyncio.run(scan(client, memory))
        assert counts == {"scanned": AT_ONCE, "cancelled": 0, "failed": AT_ONCE, "left": 2 * AT_ONCE}
        assert logged(caplog, "agent_run.orphans")[-1] == counts
        turns.append(set(foundry.asked))
        if len(turns) == 3:  # one that nobody has looked at yet does not wait for those that have had their turn
            client.payloads = [*client.payloads[1:], ended("new", minutes_ago=0)]
    first, second, third = (set(names[n : n + AT_ONCE]) for n in range(0, len(names), AT_ONCE))
    assert turns[:3] == [first, second, third]
    assert "new" in turns[3]
    assert turns[3] <= first | {"new"}
    assert first - turns[3] <= turns[4]


def test_never_more_than_a_few_are_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def counted() -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.02)
        with lock:
            now -= 1
        return 1

    FakeFoundry(monkeypatch).otherwise = counted
    assert asyncio.run(scan(FakeClient(payloads=[ended(f"i{n}") for n in range(20)]), Memory()))["cancelled"] == 20
    assert most <= AT_ONCE == 4


def test_an_instance_is_looked_at_until_nothing_can_come_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    foundry, memory = FakeFoundry(monkeypatch), Memory()
    foundry.otherwise = lambda: 0
    long_ago = SETTLED_AFTER.total_seconds() / 60 + 1
    client = FakeClient(payloads=[ended("fresh"), ended("old", minutes_ago=long_ago)])
    assert asyncio.run(scan(client, memory))["scanned"] == 2
    assert asyncio.run(scan(client, memory))["scanned"] == 1
    assert foundry.asked[2:] == ["fresh"]


def test_an_old_instance_is_not_settled_by_a_look_that_failed_or_found_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeFoundry(monkeypatch, bad=boom)
    memory, client = Memory(), FakeClient(payloads=[ended("bad", minutes_ago=60), ended("had", minutes_ago=60)])
    for _ in range(2):
        assert asyncio.run(scan(client, memory))["scanned"] == 2


@pytest.mark.parametrize("hangs", [False, True])
def test_a_hub_that_cannot_be_listed_is_logged_and_survived(
    hangs: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(orphaned_runs, "LISTING_SECONDS", 0.02)

    class Broken(FakeClient):
        async def get_status_by(self, *_: Any) -> list[Any]:
            if hangs:
                await asyncio.Event().wait()
            raise RuntimeError("storage")

    counts = {"scanned": 0, "cancelled": 0, "failed": 0, "left": 0}
    assert asyncio.run(asyncio.wait_for(scan(Broken(), Memory()), 20)) == counts
    [line] = logged(caplog, "agent_run.orphans")
    assert line == {**counts, "error": "TimeoutError" if hangs else "RuntimeError"}


# --- whose runs are cancelled ---


def run(run_id: str, instance_id: str | None, state: RunState = RunState.ACTIVE) -> RunSnapshot:
    return RunSnapshot(run_id=run_id, thread_id="thread_1", state=state, raw_status="any", instance_id=instance_id)


def cancelled_for(monkeypatch: pytest.MonkeyPatch, instance_id: str, *runs: RunSnapshot) -> list[str]:
    """Return the ids of the runs that are cancelled for the instance, of those on its thread."""
    cancelled: list[str] = []
    service = SimpleNamespace(
        list_runs=lambda thread_id: list(runs), cancel_run=lambda thread_id, run_id: cancelled.append(run_id)
    )
    monkeypatch.setattr(orphans, "load_settings", lambda: None)
    monkeypatch.setattr(orphans, "agent_service", lambda settings: service)
    assert orphans.cancel_runs_of_instance("thread_1", instance_id) == len(cancelled)
    return cancelled


def test_only_runs_with_the_instances_stamp_are_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [run("unstamped", None), run("stranger", "another"), run("longer", "mine-2"), run("shorter", "min")]
    assert cancelled_for(monkeypatch, "mine", *others, run("own", "mine")) == ["own"]
    assert cancelled_for(monkeypatch, "mine", *others) == []


def test_a_stamp_is_cut_where_foundry_takes_no_longer_value(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cancelled_for(monkeypatch, "i" * 600, run("own", "i" * 512)) == ["own"]


def test_only_runs_that_can_be_stopped_are_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run(state.name, "mine", state) for state in RunState]
    assert set(cancelled_for(monkeypatch, "mine", *runs)) == {"ACTIVE", "REQUIRES_ACTION"}
