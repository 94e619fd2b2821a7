"""Job discovery, health and readiness, over real HTTP."""

from __future__ import annotations

import pytest

from tests.e2e.world import World, agent

pytestmark = pytest.mark.e2e
RUNS_ONCE = "shows both generations at once"


def test_every_agent_of_all_pages_is_listed() -> None:
    with World(emulator={"filler_agents": 250}) as world:
        agents = world.get("/api/agents").json["agents"]
        ids = [a["id"] for a in agents]
        assert len(ids) == len(set(ids)) >= 270
        assert {"id", "name", "model", "generation", "version", "kind", "enabled"} == set(agents[0])
        assert {agent("history"), "history"} <= set(ids), "of both generations"


def test_foundry_failures_are_502(world: World) -> None:
    for operation in ("list_agents", "list_named_agents"):
        world.emulator.faults.add(kind="html", status=502, operation=operation, times=1)
    answer = world.get("/api/agents")
    assert answer.status == 502
    assert answer.json["error"]["code"] == "service_unavailable"


def test_where_classic_agents_are_no_more_the_others_are_listed_with_a_warning(world: World) -> None:
    world.emulator.faults.add(kind="status", status=404, operation="list_agents", times=1)
    answer = world.get("/api/agents")
    assert answer.status == 200
    assert {a["generation"] for a in answer.json["agents"]} == {"responses"}
    assert [(w["generation"], w["code"]) for w in answer.json["warnings"]] == [("classic", "not_found")]


def test_health_says_nothing_but_the_version(world: World) -> None:
    answer = world.get("/api/health")
    assert answer.status == 200
    assert set(answer.json) == {"status", "version"}


def test_ready(world: World) -> None:
    answer = world.get("/api/health/ready")
    assert answer.status == 200
    assert [(c["name"], c["ok"]) for c in answer.json["checks"]] == [
        ("settings", True),
        ("token", True),
        ("classic", True),
        ("responses", True),
        ("storage", True),
    ]
    world.emulator.faults.add(kind="status", status=403, operation="list_agents", times=1)
    answer = world.get("/api/health/ready")
    assert answer.status == 503
    assert "Foundry User" in answer.json["checks"][2]["message"]
