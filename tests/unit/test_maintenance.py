"""The timer triggers' work: what they ask the platform for, and that one failure leaves the rest."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.durable_functions as df
import pytest

from contracts.generations import CAPABILITIES, Generation
from contracts.runs import RunSnapshot, RunState
from foundry.errors import FoundryError, NotFoundError, PermissionDeniedError, RefusedForNowError
from maintenance import left_behind, old_history, old_threads, orphaned_runs
from maintenance.left_behind import Traces, traces_of
from maintenance.old_history import TERMINAL, purge, purge_by_settings, slices_before
from maintenance.orphaned_runs import AT_ONCE, LOOK_BACK, SETTLED_AFTER, Memory, scan, suspect_of
from ownership.threads import front_of, take_place
from recovery import NOT_BROUGHT_BACK
from task_hub import RewindUnsupportedError, TaskHubError
from tests.store.memory import MemoryStore

NOW = datetime.now(UTC)


class FakeClient:
    def __init__(self) -> None:
        self.purged: list[tuple[Any, ...]] = []
        self.fail_at: set[int] = set()
        self.hang_at: set[int] = set()
        self.at_purge: Callable[[], None] = lambda: None

    async def purge_instance_history_by(self, start: datetime, end: datetime, statuses: list[Any]) -> Any:
        self.purged.append((start, end, statuses))
        self.at_purge()
        if len(self.purged) in self.fail_at:
            raise RuntimeError("storage")
        if len(self.purged) in self.hang_at:
            await asyncio.Event().wait()
        return SimpleNamespace(instances_deleted=2)


class FakeHub:
    """The task hub: lists these payloads in pages of three, and remembers what it was asked to rewind."""

    def __init__(self, *payloads: dict[str, Any], **wholes: dict[str, Any]) -> None:
        self.payloads = list(payloads)
        self.wholes = wholes
        self.queries: list[dict[str, Any]] = []
        self.rewound: list[str] = []
        self.terminated: list[tuple[str, str]] = []
        self.at_rewind: Callable[[], bool] = lambda: True

    async def pages(self, **query: Any) -> AsyncIterator[list[dict[str, Any]]]:
        self.queries.append(query)
        rows = [p for p in self.payloads if p["runtimeStatus"] in query["statuses"]]
        for n in range(0, len(rows), 3):
            yield rows[n : n + 3]

    async def whole(self, instance_id: str) -> dict[str, Any]:
        return self.wholes.get(instance_id, {})

    async def terminate(self, instance_id: str, reason: str) -> None:
        self.terminated.append((instance_id, reason))

    async def rewind(self, instance_id: str, reason: str) -> bool:
        self.rewound.append(instance_id)
        return self.at_rewind()


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


# --- purging: test_old_threads.py has the threads that go with it ---

NO_THREADS = {"threads": 0, "waiting": 0, "left": 0}


def test_a_purge_always_names_the_terminal_states() -> None:
    client = FakeClient()
    counts = asyncio.run(purge(client, FakeHub(), NOW))
    assert counts == {**NO_THREADS, "deleted": 2 * len(client.purged), "failed": 0}
    for _, _, statuses in client.purged:
        assert statuses == list(TERMINAL)
    assert df.OrchestrationRuntimeStatus.Running not in TERMINAL
    assert df.OrchestrationRuntimeStatus.Pending not in TERMINAL


def test_a_slice_that_cannot_be_purged_leaves_the_others() -> None:
    client = FakeClient()
    client.fail_at = {1, 3}
    assert asyncio.run(purge(client, FakeHub(), NOW)) == {
        **NO_THREADS,
        "deleted": 2 * (len(client.purged) - 2),
        "failed": 2,
    }


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
    asyncio.run(purge_by_settings(client, FakeHub(), NOW))
    assert max(end for _, end, _ in client.purged) == NOW - timedelta(days=days)
    assert min(start for start, _, _ in client.purged).year == 2020
    assert {s.name for _, _, statuses in client.purged for s in statuses} == {
        "Completed",
        "Failed",
        "Terminated",
        "Canceled",
    }
    assert logged(caplog, "agent_run.purged") == [{"deleted": 2 * len(client.purged), "failed": 0, **NO_THREADS}]


def test_a_retention_of_no_days_keeps_everything_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(old_history, "load_settings", lambda: SimpleNamespace(history_retention_days=0))
    client = FakeClient()
    asyncio.run(purge_by_settings(client, FakeHub(), NOW))
    assert not client.purged
    assert logged(caplog, "agent_run.purged") == [{"deleted": 0, "failed": 0, "kept": "everything"}]


def test_a_slice_that_hangs_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(old_history, "SLICE_SECONDS", 0.02)
    client = FakeClient()
    client.hang_at = {2}
    assert asyncio.run(asyncio.wait_for(purge(client, FakeHub(), NOW), 20)) == {
        **NO_THREADS,
        "deleted": 2 * 7,
        "failed": 1,
    }
    assert [line["error"] for line in logged(caplog, "agent_run.purge_failed")] == ["TimeoutError"]


def test_a_purge_starts_nothing_that_could_exceed_the_functions_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch, client = Watch(monkeypatch, old_history), FakeClient()
    client.at_purge = lambda: watch.advance(60)
    assert asyncio.run(purge(client, FakeHub(), NOW)) == {**NO_THREADS, "deleted": 2 * 3, "failed": 5}
    assert len(client.purged) == 3
    assert [line["error"] for line in logged(caplog, "agent_run.purge_failed")] == ["no time left"] * 5
    assert logged(caplog, "agent_run.purged") == [{"deleted": 6, "failed": 5, **NO_THREADS}]


def test_the_timers_end_before_the_platform_kills_their_worker() -> None:
    host = json.loads((Path(__file__).parents[2] / "host.json").read_text(encoding="utf-8"))
    hours, minutes, seconds = map(int, host["functionTimeout"].split(":"))
    limit = hours * 3600 + minutes * 60 + seconds
    assert limit - 20 > old_history.START_NONE_AFTER_SECONDS + old_history.SLICE_SECONDS
    assert old_history.LISTING_SECONDS < old_history.DELETE_NO_THREAD_AFTER_SECONDS
    slowest = old_history.DELETE_NO_THREAD_AFTER_SECONDS + old_threads.INSTANCE_SECONDS
    assert slowest <= old_history.START_NONE_AFTER_SECONDS
    assert limit - 20 > orphaned_runs.START_NONE_AFTER_SECONDS + orphaned_runs.LOOK_SECONDS
    assert orphaned_runs.LISTING_SECONDS < orphaned_runs.START_NONE_AFTER_SECONDS


# --- orphaned runs ---


def ended(instance_id: str = "i1", *, minutes_ago: float = 1, **custom: Any) -> dict[str, Any]:
    moment = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    status = {"thread_id": "thread_1", "run_requested": True, "run_id": "run_1", "run_state": "active", **custom}
    return {
        "name": "agent_run",
        "instanceId": instance_id,
        "runtimeStatus": "Terminated",
        "customStatus": status,
        "output": "outside",
        "lastUpdatedTime": moment,
    }


DEAD = {"runtimeStatus": "Failed", "output": "One or more errors occurred. (python exited with code 137 (0x89))"}


@pytest.mark.parametrize(
    ("payload", "suspected"),
    [
        (ended(), True),
        (ended(run_state="cancelling"), True),
        (ended(run_id=None, run_state=None), True),
        (ended(run_id=None, run_state=None, run_requested=False, step="create_message"), True),
        (ended(run_id=None, run_state=None, run_requested=False, step="create_run"), True),
        (ended(run_id=None, run_state=None, run_requested=False, step="create_thread"), True),
        (ended(run_id=None, run_state=None, run_requested=False, step="create_thread", thread_id=None), True),
        (ended(run_id=None, run_state=None, run_requested=False, step="validate_input", thread_id=None), False),
        (ended(run_state="completed"), False),
        (ended(run_state="cancelled"), False),
        ({**ended(), "name": "another"}, False),
        ({**ended(), "customStatus": None}, True),
        ({**ended(), "customStatus": "text"}, True),
        ({**ended(run_id=None, run_state=None, run_requested=False, step="create_thread"), **DEAD}, True),
        ({**ended(run_state="completed"), **DEAD}, True),
        ({**ended(run_state="completed", status="Failed"), **DEAD}, False),
    ],
)
def test_who_may_have_left_a_run(payload: dict[str, Any], suspected: bool) -> None:
    assert (suspect_of(payload, NOW) is not None) == suspected


class FakeFoundry:
    """Replaces `cancel_runs_of`: what it does is up to `looks`, by instance id; else it cancels one run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **looks: Callable[[], int]) -> None:
        self.looks = looks
        self.asked: list[str] = []
        self.otherwise: Callable[[], int] = lambda: 1
        monkeypatch.setattr(orphaned_runs, "cancel_runs_of", self.cancel)

    def cancel(self, traces: Traces) -> int:
        assert traces.thread_ids == ("thread_1",)
        self.asked.append(traces.instance_id)
        return self.looks.get(traces.instance_id, self.otherwise)()


def boom() -> int:
    raise RuntimeError("boom")


def test_the_scan_asks_for_terminated_and_failed_instances_of_the_last_hours() -> None:
    hub = FakeHub()
    asyncio.run(scan(hub, Memory()))
    assert {tuple(q["statuses"]) for q in hub.queries} == {("Terminated",), ("Failed", "Pending")}
    for query in hub.queries:
        back = LOOK_BACK[tuple(query["statuses"])]
        assert abs(query["created_from"] - (datetime.now(UTC) - back)) < timedelta(minutes=1)
        assert query["created_to"] > datetime.now(UTC)


def test_one_failure_keeps_no_other_run_from_being_cancelled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [f"bad{n}" for n in range(AT_ONCE + 1)]
    good = [f"good{n}" for n in range(2 * AT_ONCE)]
    foundry = FakeFoundry(monkeypatch, **dict.fromkeys(bad, boom))
    hub = FakeHub(*(ended(i) for i in (*good[:1], *bad, *good[1:])))
    counts = {"scanned": len(bad + good), "rewound": 0, "cancelled": len(good), "failed": len(bad), "left": 0}
    assert asyncio.run(scan(hub, Memory())) == counts
    assert sorted(foundry.asked) == sorted(bad + good)
    assert logged(caplog, "agent_run.orphans") == [counts]
    assert {line["instance_id"] for line in logged(caplog, "agent_run.orphan_not_cancelled")} == set(bad)


def test_a_look_that_hangs_keeps_no_other_run_from_being_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphaned_runs, "LOOK_SECONDS", 0.5)
    released = threading.Event()
    FakeFoundry(monkeypatch, hangs=lambda: int(released.wait(60)))

    async def scan_once() -> dict[str, int]:
        try:
            return await scan(FakeHub(ended("hangs"), ended("a"), ended("b")), Memory())
        finally:
            released.set()  # the end of the loop waits for its threads

    assert asyncio.run(scan_once()) == {"scanned": 3, "rewound": 0, "cancelled": 2, "failed": 1, "left": 0}
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
    hub = FakeHub(*[ended(name, minutes_ago=30 - n) for n, name in enumerate(names)][::-1])
    turns = []
    for _ in range(5):
        watch.seconds = 1000.0
        foundry.asked.clear()
        counts = asyncio.run(scan(hub, memory))
        assert counts == {"scanned": AT_ONCE, "rewound": 0, "cancelled": 0, "failed": AT_ONCE, "left": 2 * AT_ONCE}
        assert logged(caplog, "agent_run.orphans")[-1] == counts
        turns.append(set(foundry.asked))
        if len(turns) == 3:  # one that nobody has looked at yet does not wait for those that have had their turn
            hub.payloads = [*hub.payloads[1:], ended("new", minutes_ago=0)]
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
    assert asyncio.run(scan(FakeHub(*(ended(f"i{n}") for n in range(20))), Memory()))["cancelled"] == 20
    assert most <= AT_ONCE == 4


def test_an_instance_is_looked_at_until_nothing_can_come_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    foundry, memory = FakeFoundry(monkeypatch), Memory()
    foundry.otherwise = lambda: 0
    long_ago = SETTLED_AFTER.total_seconds() / 60 + 1
    hub = FakeHub(ended("fresh"), ended("old", minutes_ago=long_ago))
    assert asyncio.run(scan(hub, memory))["scanned"] == 2
    assert asyncio.run(scan(hub, memory))["scanned"] == 1
    assert foundry.asked[2:] == ["fresh"]


def test_an_old_instance_is_not_settled_by_a_look_that_failed_or_found_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeFoundry(monkeypatch, bad=boom)
    memory, hub = Memory(), FakeHub(ended("bad", minutes_ago=60), ended("had", minutes_ago=60))
    for _ in range(2):
        assert asyncio.run(scan(hub, memory))["scanned"] == 2


@pytest.mark.parametrize("hangs", [False, True])
def test_a_hub_that_cannot_be_listed_is_logged_and_survived(
    hangs: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(orphaned_runs, "LISTING_SECONDS", 0.02)

    class Broken(FakeHub):
        async def pages(self, **_: Any) -> AsyncIterator[list[dict[str, Any]]]:
            yield [ended()]
            if hangs:
                await asyncio.Event().wait()
            raise RuntimeError("storage")

    counts = {"scanned": 0, "rewound": 0, "cancelled": 0, "failed": 0, "left": 0}
    assert asyncio.run(asyncio.wait_for(scan(Broken(), Memory()), 20)) == counts
    [line] = logged(caplog, "agent_run.orphans")
    assert line == {**counts, "error": "TimeoutError" if hangs else "RuntimeError"}


# --- whose runs are cancelled ---


def run(run_id: str, instance_id: str | None, state: RunState = RunState.ACTIVE) -> RunSnapshot:
    return RunSnapshot(run_id=run_id, thread_id="thread_1", state=state, raw_status="any", instance_id=instance_id)


def cancelled_for(
    monkeypatch: pytest.MonkeyPatch,
    traces: Traces,
    *runs: RunSnapshot,
    threads: tuple[str, ...] = (),
    hidden: Sequence[RunSnapshot] = (),
    generation: Generation = "classic",
) -> list[str]:
    """Return the ids of the runs that are cancelled for the instance, of those on its threads."""
    cancelled: list[str] = []

    def list_runs(thread_id: str) -> list[RunSnapshot]:
        if thread_id == "thread_gone":
            raise NotFoundError("no such thread", names_it=True)
        return list(runs)

    service = SimpleNamespace(
        list_runs=list_runs,
        cancel_run=lambda thread_id, run_id: cancelled.append(run_id),
        threads_of_instance=lambda instance_id: list(threads),
        within=lambda seconds: service,
        capabilities=CAPABILITIES[generation],
        get_run=lambda thread_id, run_id: next(r for r in hidden if r.run_id == run_id),
    )
    monkeypatch.setattr(left_behind, "load_settings", lambda: None)
    monkeypatch.setattr(left_behind, "agent_service", lambda settings, generation: service)
    assert left_behind.cancel_runs_of(traces) == len(cancelled)
    return cancelled


MINE = Traces("mine", ("thread_1",))


def test_only_runs_with_the_instances_stamp_are_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [run("unstamped", None), run("stranger", "another"), run("longer", "mine-2"), run("shorter", "min")]
    assert cancelled_for(monkeypatch, MINE, *others, run("own", "mine")) == ["own"]
    assert cancelled_for(monkeypatch, MINE, *others) == []


def test_where_no_stamps_are_shown_what_the_instance_has_seen_as_its_own_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traces = Traces("mine", ("conv_1",), run_ids=("listed", "hidden"))
    listed = [run("listed", None), run("strange", None), run("stranger", "another")]
    hidden = [run("hidden", None)]
    assert cancelled_for(monkeypatch, traces, *listed, hidden=hidden, generation="responses") == ["listed", "hidden"]


def test_the_runs_that_an_instance_has_seen_are_in_its_custom_status_and_in_its_history() -> None:
    result = json.dumps({"value": {"run_id": "resp_2"}, "failure": None})
    history = [{"EventType": "TaskCompleted", "FunctionName": "submit_tool_outputs", "Result": result}]
    shown = {"status": "Running", "run_id": "resp_1"}
    traces = left_behind.traces_of({"instanceId": "i", "customStatus": shown, "historyEvents": history})
    assert traces.run_ids == ("resp_1", "resp_2")


def test_a_stamp_is_cut_where_foundry_takes_no_longer_value(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = Traces("i" * 600, ("thread_1",))
    assert cancelled_for(monkeypatch, traces, run("own", "i" * 512)) == ["own"]


def test_only_runs_that_can_be_stopped_are_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run(state.name, "mine", state) for state in RunState]
    assert set(cancelled_for(monkeypatch, MINE, *runs)) == {"ACTIVE", "REQUIRES_ACTION"}


def test_a_thread_that_foundry_has_deleted_has_no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cancelled_for(monkeypatch, Traces("mine", ("thread_gone", "thread_1")), run("own", "mine")) == ["own"]
    assert cancelled_for(monkeypatch, Traces("mine", ("thread_gone",)), run("own", "mine")) == []


def test_a_thread_whose_id_got_lost_is_found_by_its_stamp(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Traces("mine", (), made_one=True)
    assert cancelled_for(monkeypatch, lost, run("own", "mine"), threads=("thread_7",)) == ["own"]
    assert cancelled_for(monkeypatch, Traces("mine", ()), run("own", "mine"), threads=("thread_7",)) == []


def test_each_thread_is_looked_at_by_the_service_of_its_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def service(_: Any, generation: str) -> Any:
        def list_runs(thread_id: str) -> list[RunSnapshot]:
            asked.append((generation, thread_id))
            return []

        made = SimpleNamespace(
            list_runs=list_runs,
            threads_of_instance=lambda _: [f"found_by_{generation}"],
            within=lambda _: made,
            capabilities=CAPABILITIES["classic"],
        )
        return made

    monkeypatch.setattr(left_behind, "load_settings", lambda: None)
    monkeypatch.setattr(left_behind, "agent_service", service)
    left_behind.cancel_runs_of(Traces("mine", ("thread_1", "conv_1")))
    assert asked == [("classic", "thread_1"), ("responses", "conv_1")]
    asked.clear()
    left_behind.cancel_runs_of(Traces("mine", (), made_one=True, generation="responses"))
    assert asked == [("classic", "found_by_responses")]


def test_a_deleted_thread_is_settled_and_warned_about_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    service = SimpleNamespace(
        list_runs=lambda _: (_ for _ in ()).throw(NotFoundError("gone", names_it=True)), within=lambda seconds: service
    )
    monkeypatch.setattr(left_behind, "load_settings", lambda: None)
    monkeypatch.setattr(left_behind, "agent_service", lambda settings, generation: service)
    hub, memory = FakeHub(ended(minutes_ago=60)), Memory()
    counts = {"scanned": 1, "rewound": 0, "cancelled": 0, "failed": 0, "left": 0}
    assert asyncio.run(scan(hub, memory)) == counts
    assert asyncio.run(scan(hub, memory)) == {**counts, "scanned": 0}


@pytest.mark.parametrize(
    "refusal", [NotFoundError("Project not found"), PermissionDeniedError("no"), RefusedForNowError("409")]
)
@pytest.mark.parametrize("at", ["list_runs", "cancel_run"])
def test_a_refused_cancel_is_tried_again_by_the_next_scan_and_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch, at: str, refusal: FoundryError
) -> None:
    refused, cancelled = [refusal], []

    def refuse_once(name: str) -> None:
        if name == at and refused:
            raise refused.pop()

    def list_runs(thread_id: str) -> list[RunSnapshot]:
        refuse_once("list_runs")
        return [run(f"{thread_id}-{n}", "i1") for n in range(2)]

    def cancel_run(_thread_id: str, run_id: str) -> None:
        refuse_once("cancel_run")
        cancelled.append(run_id)

    service = SimpleNamespace(
        list_runs=list_runs,
        cancel_run=cancel_run,
        within=lambda seconds: service,
        capabilities=CAPABILITIES["classic"],
    )
    monkeypatch.setattr(left_behind, "load_settings", lambda: None)
    monkeypatch.setattr(left_behind, "agent_service", lambda settings, generation: service)
    traces = Traces("i1", ("thread_1", "thread_2"))
    with pytest.raises(type(refusal)):
        left_behind.cancel_runs_of(traces)
    assert (
        cancelled
        == {
            "list_runs": ["thread_2-0", "thread_2-1"],
            "cancel_run": ["thread_1-1", "thread_2-0", "thread_2-1"],
        }[at]
    )
    refused.append(refusal)
    hub, memory = FakeHub(ended(minutes_ago=60)), Memory()
    first, second = (asyncio.run(scan(hub, memory)) for _ in range(2))
    assert (first["failed"], second["failed"], second["cancelled"]) == (1, 0, 2)


# --- what input and history tell ---

RESULT = {"value": {"thread_id": "thread_h"}}
CREATED = {"EventType": "TaskCompleted", "FunctionName": "create_thread", "Result": RESULT}
SECOND = {"generation": "responses"}
PLANNED = {"EventType": "TaskCompleted", "FunctionName": "plan_run", "Result": {"value": SECOND}}
UNFINISHED = {"EventType": "TaskScheduled", "Name": "create_thread"}


@pytest.mark.parametrize(
    ("given", "history", "traces"),
    [
        ({"request": {"thread_id": "thread_r"}, "policy": {}}, [], Traces("i1", ("thread_r",))),
        ({"user_message": "hi", "thread_id": "thread_r"}, [], Traces("i1", ("thread_r",))),
        ({"progress": {"thread_id": "thread_p", "instance_id": "i0"}}, [], Traces("i0", ("thread_p",))),
        ('{"progress": {"thread_id": "thread_p"}}', [], Traces("i1", ("thread_p",))),
        ({"request": {}}, [CREATED], Traces("i1", ("thread_h",))),
        ({"request": {}}, [{**CREATED, "Result": json.dumps(RESULT)}], Traces("i1", ("thread_h",))),
        ({"request": {}}, [UNFINISHED], Traces("i1", (), made_one=True)),
        ({"request": {}}, [{**CREATED, "Result": None}], Traces("i1", (), made_one=True)),
        ({"request": {}}, [], Traces("i1", ())),
        (None, None, Traces("i1", ())),
        ("no JSON", "none", Traces("i1", ())),
        ({"request": {}, "policy": SECOND}, [UNFINISHED], Traces("i1", (), made_one=True, generation="responses")),
        ({"progress": {"policy": SECOND}}, [UNFINISHED], Traces("i1", (), made_one=True, generation="responses")),
        ({"user_message": "x"}, [PLANNED, UNFINISHED], Traces("i1", (), made_one=True, generation="responses")),
    ],
)
def test_input_and_history_tell_the_threads(given: Any, history: Any, traces: Traces) -> None:
    assert traces_of({"instanceId": "i1", "input": given, "historyEvents": history}) == traces


# --- healing ---


def died(instance_id: str = "i1", *, minutes_ago: float = 1, **fields: Any) -> dict[str, Any]:
    return {**ended(instance_id, minutes_ago=minutes_ago), **DEAD, **fields}


def test_what_is_said_of_an_instance_names_its_trace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    FakeFoundry(monkeypatch)
    shown = {"status": "Running", "step": "get_run", "thread_id": "thread_1", "run_requested": True}
    row = died(customStatus={**shown, "trace_id": "a" * 32})
    asyncio.run(scan(FakeHub(row), Memory()))
    assert logged(caplog, "agent_run.rewound") == [{"instance_id": "i1", "trace_id": "a" * 32}]


def test_an_instance_that_died_with_its_worker_is_rewound_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    foundry, hub, memory = FakeFoundry(monkeypatch), FakeHub(died(), ended("i2")), Memory()
    counts = asyncio.run(scan(hub, memory))
    assert counts == {"scanned": 2, "rewound": 1, "cancelled": 1, "failed": 0, "left": 0}
    assert hub.rewound == ["i1"]
    assert foundry.asked == ["i2"]
    assert logged(caplog, "agent_run.rewound") == [{"instance_id": "i1"}]
    asyncio.run(scan(hub, memory))
    assert hub.rewound == ["i1"]
    assert sorted(foundry.asked) == ["i1", "i2", "i2"], "it failed again: its run is stopped"
    hub.payloads = [died(createdTime="2026-11-21T11:00:00Z")]
    asyncio.run(scan(hub, memory))
    assert hub.rewound == ["i1", "i1"], "a later generation has a rewind of its own"


def test_an_instance_that_is_listed_twice_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub(died(), *(ended(f"other{n}") for n in range(3)), died())
    FakeFoundry(monkeypatch)
    assert asyncio.run(scan(hub, Memory()))["scanned"] == 4
    assert hub.rewound == ["i1"]


def test_a_worker_that_knows_nothing_of_the_rewind_reads_it_in_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    foundry = FakeFoundry(monkeypatch)
    hub = FakeHub(died(), i1={"instanceId": "i1", "historyEvents": [{"EventType": "GenericEvent"}]})
    assert asyncio.run(scan(hub, Memory()))["cancelled"] == 1
    assert hub.rewound == []
    assert foundry.asked == ["i1"]


def test_an_instance_that_is_not_brought_back_leaves_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeFoundry(monkeypatch)
    store = MemoryStore()
    monkeypatch.setattr(left_behind, "document_store", lambda: store)
    for instance in ("dead", "waiting"):
        take_place(store, "thread_1", instance, lambda _: False)
    hub, memory = FakeHub({**ended("dead"), **DEAD}), Memory()
    asyncio.run(scan(hub, memory))
    assert (hub.rewound, front_of(store, "thread_1")) == (["dead"], "dead")
    asyncio.run(scan(hub, memory))
    assert (hub.rewound, front_of(store, "thread_1")) == (["dead"], "waiting")


def test_what_ended_too_long_ago_is_stopped_and_not_rewound(monkeypatch: pytest.MonkeyPatch) -> None:
    foundry, hub = FakeFoundry(monkeypatch), FakeHub(died(minutes_ago=13))
    assert asyncio.run(scan(hub, Memory()))["cancelled"] == 1
    assert hub.rewound == []
    assert foundry.asked == ["i1"]


def test_where_the_provider_knows_no_rewind_the_runs_are_stopped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported() -> bool:
        raise RewindUnsupportedError("no")

    foundry, hub, memory = FakeFoundry(monkeypatch), FakeHub(died("i1"), died("i2")), Memory()
    hub.at_rewind = unsupported
    assert asyncio.run(scan(hub, memory))["cancelled"] == 2
    assert sorted(foundry.asked) == ["i1", "i2"]
    assert {line["error"] for line in logged(caplog, "agent_run.not_rewound")} == {"unsupported"}
    tried = len(hub.rewound)
    asyncio.run(scan(hub, memory))
    assert len(hub.rewound) == tried


def test_a_rewind_that_the_platform_does_not_take_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy() -> bool:
        raise TaskHubError("500")

    foundry, hub, memory = FakeFoundry(monkeypatch), FakeHub(died()), Memory()
    hub.at_rewind = busy
    assert asyncio.run(scan(hub, memory))["failed"] == 1
    hub.at_rewind = lambda: True
    assert asyncio.run(scan(hub, memory))["rewound"] == 1
    assert foundry.asked == []


def rewound_row(minutes: float, **custom: Any) -> dict[str, Any]:
    return {**ended(minutes_ago=minutes, **custom), "runtimeStatus": "Pending", "output": DEAD["output"]}


def timer(minutes: float) -> dict[str, Any]:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    return {"EventType": "TimerCreated", "FireAt": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}


@pytest.mark.parametrize(
    ("minutes", "custom", "history", "stands"),
    [
        (9, {}, [], False),
        (11, {}, [], True),
        (11, {"run_id": None, "run_state": None, "run_requested": False, "step": "create_thread"}, [], True),
        (11, {"run_state": "completed", "step": "get_response"}, [], True),
        (11, {"thread_id": None, "run_state": None}, [], True),
        (11, {"retrying": "rate_limited"}, [timer(180)], False),
        (200, {"retrying": "rate_limited"}, [timer(180)], False),
        (11, {}, [timer(-5)], False),
        (15, {}, [timer(-11)], True),
    ],
)
def test_a_rewound_instance_that_stands_still_is_ended_and_its_run_stopped(
    minutes: float, custom: dict[str, Any], history: list[Any], stands: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphaned_runs, "STILL_FOR", timedelta(0))
    monkeypatch.setattr(orphaned_runs, "cancel_runs_of", lambda traces: 1)
    new = {**ended("i2", minutes_ago=minutes), "runtimeStatus": "Pending", "customStatus": None, "output": None}
    hub = FakeHub(rewound_row(minutes, **custom), new, i1={"historyEvents": history})
    counts = asyncio.run(scan(hub, Memory()))
    assert hub.terminated == ([("i1", NOT_BROUGHT_BACK)] if stands else [])
    assert counts["cancelled"] == int(stands)


def test_one_look_is_not_enough_to_end_what_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app may have been down, and what the instance waits for may be on its way."""
    FakeFoundry(monkeypatch)
    hub, memory = FakeHub(rewound_row(11)), Memory()
    asyncio.run(scan(hub, memory))
    assert hub.terminated == []
    monkeypatch.setattr(orphaned_runs, "STILL_FOR", timedelta(0))
    asyncio.run(scan(hub, memory))
    assert len(hub.terminated) == 1


def test_an_instance_that_was_started_again_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    foundry, memory = FakeFoundry(monkeypatch), Memory()
    foundry.otherwise = lambda: 0
    hub = FakeHub({**ended(minutes_ago=60), "createdTime": "2026-11-21T10:00:00Z"})
    for _ in range(2):
        asyncio.run(scan(hub, memory))
    assert foundry.asked == ["i1"]
    hub.payloads = [{**ended(minutes_ago=30), "createdTime": "2026-11-21T11:00:00Z"}]
    asyncio.run(scan(hub, memory))
    assert foundry.asked == ["i1", "i1"]


def test_the_run_of_a_restarted_copy_carries_the_stamp_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    foundry = FakeFoundry(monkeypatch)
    hub = FakeHub(ended("copy"), copy={"input": {"progress": {"instance_id": "orig", "thread_id": "thread_1"}}})
    asyncio.run(scan(hub, Memory()))
    assert foundry.asked == ["orig"]


def test_a_null_custom_status_leaves_input_and_history_to_tell_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    foundry = FakeFoundry(monkeypatch)
    payload = {**ended(), "runtimeStatus": "Failed", "customStatus": None, "output": "The event cannot be decoded"}
    whole = {**payload, "input": {"request": {"thread_id": "thread_1"}, "policy": {}}, "historyEvents": []}
    assert asyncio.run(scan(FakeHub(payload, i1=whole), Memory()))["cancelled"] == 1
    assert foundry.asked == ["i1"]
