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
        assert log.count("agent_run.rewound ") >= RUNS // 10, "the host let too few die for this to say anything"
        assert Counter(document["status"] for document, _ in ended) == {"Success": RUNS}
        for document, told in ended:
            assert told <= {"Running", "Success"}, "a caller was told an end that was none"
            one_message_one_run(world, document)
        world.until(started[0], lambda _: world.active_runs() == [])


def brought_back(world: World, name: str) -> str:
    """Start runs until one has died and been brought back; return its instance, which shows Pending and goes on."""
    for _ in range(300):
        instance_id = world.start(name)
        document = world.until(instance_id, lambda d: d["step"] in ("get_run", "recovering"))
        if document["step"] != "recovering":
            continue
        document = world.until(instance_id, lambda d: d["step"] != "recovering")
        if (document["status"], document["runtimeStatus"]) == ("Running", "Pending"):
            return instance_id
    raise AssertionError("no instance has died")


def test_a_cancel_reaches_an_instance_that_was_brought_back() -> None:
    with World(args=DYING, env=OFTEN) as world:
        instance_id = brought_back(world, "forever")
        answer = world.post(f"/api/runs/{instance_id}/cancel", {"reason": "enough"})
        assert answer.status == 202, answer.text
        document = world.end(instance_id)
        assert (document["status"], document["output"].startswith("enough")) == ("Cancelled", True)
        world.until(instance_id, lambda _: document["run_id"] not in world.active_runs())


def test_an_answer_reaches_an_instance_that_was_brought_back() -> None:
    with World(args=DYING, env=OFTEN) as world:
        instance_id = brought_back(world, "tool")
        document = world.until(instance_id, lambda d: d["required_action"])
        outputs = [{"tool_call_id": call["id"], "output": "18"} for call in document["required_action"]["calls"]]
        answer = world.post(f"/api/runs/{instance_id}/tool_outputs", {"tool_outputs": outputs})
        assert answer.status == 202, answer.text
        document = world.end(instance_id)
        assert document["status"] == "Success"
        one_message_one_run(world, document)
