"""The timer triggers' work: what they ask the platform for, and that one failure leaves the rest."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import azure.durable_functions as df
import pytest

from maintenance import orphaned_runs
from maintenance.instances import PAGE, instances_created_between
from maintenance.old_history import TERMINAL, purge, slices_before
from maintenance.orphaned_runs import SETTLED_AFTER, Settled, scan, suspect_of

NOW = datetime.now(UTC)


class FakeClient:
    def __init__(self, created: list[datetime] = [], payloads: list[dict[str, Any]] = []) -> None:  # noqa: B006
        self.created = created
        self.payloads = payloads
        self.purged: list[tuple[Any, ...]] = []
        self.queries = 0
        self.fail_at: set[int] = set()

    async def get_status_by(self, start: datetime, end: datetime, statuses: list[Any]) -> list[Any]:
        self.queries += 1
        if self.payloads:
            return [SimpleNamespace(to_json=lambda p=p: p) for p in self.payloads]
        found = [n for n, moment in enumerate(self.created) if start <= moment < end][:PAGE]
        return [SimpleNamespace(to_json=lambda n=n: {"instanceId": f"i{n}"}) for n in found]

    async def purge_instance_history_by(self, start: datetime, end: datetime, statuses: list[Any]) -> Any:
        self.purged.append((start, end, statuses))
        if len(self.purged) in self.fail_at:
            raise RuntimeError("storage")
        return SimpleNamespace(instances_deleted=2)


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


def test_one_failure_keeps_no_other_run_from_being_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def cancel(thread_id: str, instance_id: str) -> int:
        asked.append(instance_id)
        if instance_id == "bad":
            raise RuntimeError("boom")
        return 1

    monkeypatch.setattr(orphaned_runs, "cancel_runs_of_instance", cancel)
    client = FakeClient(payloads=[ended("a"), ended("bad"), ended("b")])
    assert asyncio.run(scan(client, Settled())) == {"scanned": 3, "cancelled": 2, "failed": 1}
    assert asked == ["a", "bad", "b"]


def test_an_instance_is_looked_at_until_nothing_can_come_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphaned_runs, "cancel_runs_of_instance", lambda thread, instance: 0)
    settled = Settled()
    long_ago = SETTLED_AFTER.total_seconds() / 60 + 1
    client = FakeClient(payloads=[ended("fresh"), ended("old", minutes_ago=long_ago)])
    assert asyncio.run(scan(client, settled))["scanned"] == 2
    assert asyncio.run(scan(client, settled))["scanned"] == 1
    assert "fresh" not in settled


def test_a_hub_that_cannot_be_listed_is_logged_and_survived() -> None:
    class Broken(FakeClient):
        async def get_status_by(self, *_: Any) -> list[Any]:
            raise RuntimeError("storage")

    assert asyncio.run(scan(Broken(), Settled())) == {"scanned": 0, "cancelled": 0, "failed": 0}
