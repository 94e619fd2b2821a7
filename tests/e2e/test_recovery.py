"""Workers that die while an orchestrator runs: the platform ends those instances, and the app brings them back."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.e2e.world import World, one_message_one_run

pytestmark = pytest.mark.e2e

RUNS = 60
DYING = ["--hostile", "11:dead-worker-episode"]
OFTEN = {"ORPHAN_SCAN_SCHEDULE": "*/10 * * * * *"}


def until_told(world: World, instance_id: str) -> tuple[dict[str, Any], set[str]]:
    """Return the last document, and every status that a caller was told until then."""
    told: set[str] = set()

    def over(document: dict[str, Any]) -> bool:
        told.add(document["status"])
        return document["status"] not in ("Running", "Cancelling")

    return world.until(instance_id, over), told


def test_runs_survive_the_death_of_their_worker_and_nothing_is_doubled() -> None:
    with World(args=DYING, env=OFTEN) as world:
        started = [world.start("instant" if n % 2 else "slow", f"run {n}") for n in range(RUNS)]
        ended = [until_told(world, instance) for instance in started]
        log = world.host.log
        counts = Counter(document["status"] for document, _ in ended)
        assert log.count("agent_run.rewound ") >= RUNS // 10, "the host let too few die for this to say anything"
        assert counts["Success"] >= RUNS * 2 // 3, counts
        for document, told in ended:
            assert told <= {"Running", document["status"]}, "a caller was told an end that was none"
            if document["status"] == "Success":
                one_message_one_run(world, document)
            else:  # it died again in the same generation: once is what the app tries
                assert document["error"]["code"] == "worker_died"
                assert document["thread_id"] is None or len(world.thread(document["thread_id"])["runs"]) <= 1
        world.until(started[0], lambda _: active_runs(world) == [])


def active_runs(world: World) -> list[str]:
    """Return the runs that are still active at Foundry."""
    runs = [run for thread in world.emulator.ledger().threads.values() for run in thread["runs"]]
    return [run["id"] for run in runs if run["status"] in ("queued", "in_progress", "requires_action")]


def rewound(world: World, name: str, until: str) -> str:
    """Start runs until one has died, and has been brought back to this step; return its instance."""
    for _ in range(200):
        instance_id = world.start(name)
        document = world.until(instance_id, lambda d: d["step"] in (until, "recovering") or d["status"] == "Failed")
        if document["step"] != "recovering":
            continue
        document = world.until(instance_id, lambda d: d["runtimeStatus"] == "Pending" or d["status"] == "Failed")
        if document["runtimeStatus"] == "Pending":
            return instance_id
    raise AssertionError("no instance has died")


def test_a_cancel_reaches_an_instance_that_was_brought_back() -> None:
    with World(args=DYING, env=OFTEN) as world:
        for _ in range(50):
            instance_id = rewound(world, "forever", "get_run")
            answer = world.post(f"/api/runs/{instance_id}/cancel", None)
            if answer.status == 202:
                break
            assert answer.json["error"]["code"] in ("recovering", "already_ended"), "it has died again meanwhile"
        document = world.end(instance_id)
        assert document["status"] in ("Cancelled", "Failed")
        world.until(instance_id, lambda _: all(r not in active_runs(world) for r in [document["run_id"]]))
