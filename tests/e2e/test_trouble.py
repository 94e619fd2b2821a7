"""Foundry refuses, is down, or the host dies: what the caller sees then."""

from __future__ import annotations

import time

import pytest

from tests.e2e.generations import operation, present
from tests.e2e.world import World, agent, one_message_one_run

pytestmark = pytest.mark.e2e

NOT_ALLOWED = {"classic": (400, "FOUNDRY_ALLOWED_AGENT_IDS"), "responses": (404, "there is no agent 'history'")}
"""An id is looked up in the list; a name, of either generation, names no agent but those of the list."""


@pytest.mark.parametrize(
    ("status", "code", "advice"), [(401, "unauthorized", "Entra tokens"), (403, "forbidden", "Foundry User")]
)
def test_refusals_say_what_to_do(world: World, status: int, code: str, advice: str) -> None:
    world.emulator.faults.add(kind="status", status=status, operation=operation("create_thread"), times=2)
    document = world.run("instant")
    assert document["error"]["code"] == code
    assert advice in document["error"]["message"]
    world.emulator.faults.clear()


def test_an_outage_is_waited_out(world: World) -> None:
    instance = world.start("history", "are you there?")
    world.until(instance, lambda d: d["run_id"])
    world.emulator.outage(1.5)
    document = world.end(instance)
    assert document["status"] == "Success"
    one_message_one_run(world, document)


def test_an_outage_beyond_the_deadline_ends_as_timeout_and_names_the_error(world: World) -> None:
    world.emulator.faults.add(kind="status", status=503, operation=operation("create_thread"), times=None)
    document = world.run("instant", timeout_seconds=10)
    world.emulator.faults.clear()
    assert document["error"]["code"] == "timeout"
    assert "503" in document["error"]["message"]


def test_retry_after_is_honoured(world: World) -> None:
    world.emulator.faults.add(
        kind="status", status=429, headers={"Retry-After": "20"}, operation=operation("create_thread"), times=1
    )
    document = world.run("instant")
    assert document["status"] == "Success"
    history = world.host.request(
        "GET", f"{world.host.webhook}/instances/{document['instanceId']}?showHistory=true"
    ).json
    assert any(e["EventType"] == "TimerFired" for e in history["historyEvents"])


def test_a_host_killed_in_the_middle_goes_on_where_it_was() -> None:
    with World(speed=5) as world:
        instance = world.start("slow", "survive")
        world.until(instance, lambda d: d["run_id"])
        world.host.kill()
        world.host.restart()
        document = world.end(instance)
        assert document["status"] == "Success"
        assert "survive" in document["response"]
        one_message_one_run(world, document)


def test_a_host_killed_at_any_step_posts_one_message_and_one_run() -> None:
    with World(speed=20, emulator={"latency": 0.05}) as world:
        instances = []
        for wait in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3):
            instances.append(world.start("history", f"after {wait}"))
            time.sleep(wait)
            world.host.kill()
            world.host.restart()
        for instance in instances:
            document = world.end(instance)
            assert document["status"] == "Success", document
            one_message_one_run(world, document)


def test_without_settings_the_app_loads_and_says_what_is_missing() -> None:
    with World(env={"FOUNDRY_PROJECT_ENDPOINT": "", "RUN_TIMEOUT_SECONDS": "soon"}) as world:
        assert world.get("/api/health").status == 200
        ready = world.get("/api/health/ready")
        assert ready.status == 503
        assert ready.json["checks"][0]["settings"] == ["RUN_TIMEOUT_SECONDS", "FOUNDRY_PROJECT_ENDPOINT"]
        for answer in (
            world.post("/api/run_agent", {"agent_id": agent("instant"), "user_message": "hi"}),
            world.get("/api/agents"),
        ):
            assert answer.status == 500
            error = answer.json["error"]
            assert error["code"] == "configuration_error"
            assert {d["target"] for d in error["details"]} == {"RUN_TIMEOUT_SECONDS", "FOUNDRY_PROJECT_ENDPOINT"}
        instance = world.host.launch("agent_run", "i1", {"agent_id": "asst_x", "user_message": "hi"})
        assert world.end(instance)["error"]["code"] == "configuration_error"


def test_the_allow_list_holds_for_every_way_to_start() -> None:
    with World(env={"FOUNDRY_ALLOWED_AGENT_IDS": agent("instant")}) as world:
        assert world.run("instant")["status"] == "Success"
        refused = world.post("/api/run_agent", {"agent_id": agent("history"), "user_message": "hi"})
        status, said = NOT_ALLOWED[present()]
        assert refused.status == status
        assert said in refused.text
        forged = {
            "request": {"user_message": "hi"},
            "policy": {"agent_id": agent("history"), "timeout_seconds": 60},
        }
        assert world.end(world.host.launch("agent_run", "forged", forged))["error"]["code"] == "invalid_request"
        assert [a["id"] for a in world.get("/api/agents").json["agents"]] == [agent("instant")]
        asked = [e.body for e in world.emulator.ledger().of(operation("create_run"))]
        assert [b["assistant_id"] if "assistant_id" in b else b["agent_reference"]["name"] for b in asked] == [
            agent("instant")
        ]
