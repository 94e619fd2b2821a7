"""The timer triggers of the product, as Microsoft's runtime and as the local host invoke them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.contract.test_functions import TIMERS
from tests.worker.comparison import Both, Player

ME = "left"
STAMP = {"instance_id": ME, "operation_id": "op-1"}
EFFECT = {"stamp": STAMP}
DEATH = "One or more errors occurred. (python exited with code 137 (0x89))"
AGENT = "asst_forever00000000000000000"


def cancel_orphaned_runs(player: Player) -> None:
    """An instance has died with its worker, and comes back; another one was terminated, and its run goes on."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    times = {"createdTime": now, "lastUpdatedTime": now}
    player.durable.add("died", runtimeStatus="Failed", output=DEATH, historyEvents=[], **times)
    player.timer("cancel_orphaned_runs")
    assert [c for c in player.durable.calls if c["method"] == "POST" and "/died/rewind" in c["target"]]
    del player.durable.instances["died"]

    thread_id = player.activity("create_thread", {"runs_as": ME, "stamp": STAMP})["value"]["thread_id"]
    player.activity(
        "create_message", {"runs_as": ME, "thread_id": thread_id, "message": {"content": "x"}, "stamp": STAMP}
    )
    wanted = {"runs_as": ME, "thread_id": thread_id, "agent_id": AGENT, "effect": EFFECT}
    run = player.activity("create_run", wanted)["value"]
    shown = {"status": "Running", "thread_id": thread_id, "run_id": run["run_id"], "run_requested": True}
    player.durable.add("left", runtimeStatus="Terminated", customStatus=shown, **times)
    player.timer("cancel_orphaned_runs")
    player.clock.advance(30)
    left = player.activity("get_run", {"runs_as": ME, "thread_id": thread_id, "run_id": run["run_id"]})["value"]
    assert left["state"] == "cancelled"
    player.foundry.faults.add("status", operation="list_runs", status=500)
    player.timer("cancel_orphaned_runs")
    player.durable.broken = True
    player.timer("cancel_orphaned_runs")


def purge_history(player: Player) -> None:
    wanted = {"runs_as": "old", "stamp": {**STAMP, "instance_id": "old"}}
    thread_id = player.activity("create_thread", wanted)["value"]["thread_id"]
    shown = {"status": "Success", "thread_id": thread_id, "delete_thread": "with_history"}
    times = {"createdTime": "2024-01-01T00:00:00Z", "lastUpdatedTime": "2024-01-01T00:00:00Z"}
    player.durable.add("old", runtimeStatus="Completed", customStatus=shown, historyEvents=[], **times)
    player.timer("purge_history")
    assert [e for e in player.foundry.ledger().requests if e.operation == "delete_thread"]
    purged = [call for call in player.durable.calls if call["method"] == "DELETE"]
    assert len(purged) > 1
    assert all("runtimeStatus=Completed,Failed,Terminated,Canceled" in call["target"] for call in purged)
    player.durable.broken = True
    player.timer("purge_history")


SCENARIOS: dict[str, Callable[[Player], None]] = {f.__name__: f for f in (cancel_orphaned_runs, purge_history)}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_timer_does_alike(name: str, product: Both) -> None:
    ran = [note for note in product(SCENARIOS[name]) if note.get("invoked") == name]
    assert len(ran) > 1
    for note in ran:
        assert note["result"] is None
        assert note["log"], "a timer says what it did"


def test_every_timer_has_a_scenario() -> None:
    assert set(SCENARIOS) == set(TIMERS)
