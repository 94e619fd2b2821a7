"""Lists, counts and the cancel of many, over HTTP: the app on the local host."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.world import World, agent

pytestmark = pytest.mark.e2e


def start_over_the_webhook(world: World, instance_id: str, name: str) -> None:
    url = f"{world.host.webhook}/orchestrators/agent_run/{instance_id}"
    body = {"agent_id": agent(name), "user_message": "a secret question"}
    assert world.host.request("POST", url, body).status == 202


def listed(world: World, query: str = "") -> list[dict[str, Any]]:
    """All runs, two at a time."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = world.get(f"/api/runs?limit=2{query}{cursor}")
        assert answer.status == 200, answer.text
        page = answer.json
        found += page["runs"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def ids(runs: list[dict[str, Any]]) -> list[str]:
    return [run["instanceId"] for run in runs]


def test_runs_are_listed_counted_and_cancelled_together() -> None:
    with World() as world:
        world.only_here("counts all runs of the host")
        done = world.start("instant", "a secret question")
        world.end(done)
        start_over_the_webhook(world, "order-4711", "instant")
        world.end("order-4711")
        waiting = [world.start("forever") for _ in range(3)]
        asking = world.start("tool")
        question = world.until(asking, lambda d: d["required_action"])
        for instance_id in waiting:
            world.until(instance_id, lambda d: d["run_id"])

        everything = listed(world)
        assert ids(everything) == [asking, *reversed(waiting), "order-4711", done]
        assert ids(listed(world, "&status=Running")) == [asking, *reversed(waiting)]
        assert ids(listed(world, "&status=Success")) == ["order-4711", done]
        assert ids(listed(world, "&needs_answer=true")) == [asking]
        assert ids(listed(world, f"&agent_id={agent('instant')}")) == ["order-4711", done]
        assert ids(listed(world, f"&thread_id={question['thread_id']}")) == [asking]
        assert "secret" not in world.get("/api/runs").text
        assert "Oslo" not in world.get("/api/runs").text  # the model's argument

        shown = {run["instanceId"]: run for run in everything}
        document = world.document(done)
        assert {name: document[name] for name in shown[done] if name in document and name not in MOVES} == {
            name: value for name, value in shown[done].items() if name in document and name not in MOVES
        }
        assert world.get(shown[done]["runUri"].removeprefix(world.host.url)).json["instanceId"] == done

        counts = world.get("/api/runs/counts").json
        assert counts["last_week"] == {"Running": 4, "Success": 2, "Failed": 0, "Cancelled": 0, "complete": True}

        cancelled = world.post("/api/runs/cancel", {"agent_id": agent("forever"), "reason": "the tenant has left"})
        assert cancelled.json == {"matched": 3, "cancelled": 3, "already_ended": 0, "failed": [], "more": False}
        for instance_id in waiting:
            assert world.end(instance_id)["output"].startswith("the tenant has left")
        assert ids(listed(world, "&status=Cancelled")) == [*reversed(waiting)]
        assert ids(listed(world, "&status=Running")) == [asking]


MOVES = ("createdTime", "lastUpdatedTime", "required_action")
"""The SDK writes times with microseconds, the platform without."""


def test_an_instance_that_is_called_as_a_route_does_no_harm() -> None:
    with World() as world:
        for name in ("counts", "cancel"):
            start_over_the_webhook(world, name, "forever")
        world.until("cancel", lambda d: d["run_id"])
        assert set(ids(listed(world))) >= {"counts", "cancel"}
        assert "last_hour" in world.get("/api/runs/counts").json
        assert world.post("/api/runs/counts/cancel", b"").status == 202
        assert world.post("/api/runs/cancel/cancel", b"").status == 202
        assert world.end("cancel")["status"] == "Cancelled"
