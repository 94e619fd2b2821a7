"""Everything a caller can get wrong, over real HTTP: an answer that says what is wrong, and nothing is started."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.world import World, agent

pytestmark = pytest.mark.e2e

GOOD = {"agent_id": agent("instant"), "user_message": "hi"}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "targets"),
    [
        ("/api/run_agent", {**GOOD, "user_message": "  "}, {}, 400, ["user_message"]),
        ("/api/run_agent", {"user_message": "hi"}, {}, 400, ["agent_id"]),
        ("/api/run_agent", {**GOOD, "agent_id": " x", "thread_id": "a b"}, {}, 400, ["agent_id", "thread_id"]),
        ("/api/run_agent", {**GOOD, "user_message": "x" * 256_001}, {}, 400, ["user_message"]),
        ("/api/run_agent", {**GOOD, "timeout_seconds": 0}, {}, 400, ["timeout_seconds"]),
        ("/api/run_agent", {**GOOD, "timeout_seconds": 90_000}, {}, 400, ["timeout_seconds"]),
        ("/api/run_agent", {**GOOD, "run_options": {"stream": True}}, {}, 400, ["run_options.stream"]),
        ("/api/run_agent", {**GOOD, "metadata": {"a": 1}}, {}, 400, ["metadata"]),
        ("/api/run_agent", {**GOOD, "colour": "red", "user_message": 5}, {}, 400, ["colour", "user_message"]),
        ("/api/run_agent?thread_id=thread_a", {**GOOD, "thread_id": "thread_b"}, {}, 400, ["thread_id"]),
        (f"/api/agents/{agent('slow')}/runs", GOOD, {}, 400, ["agent_id"]),
        ("/api/run_agent", b"{not json", {}, 400, None),
        ("/api/run_agent", b"[1]", {}, 400, None),
        ("/api/run_agent", b"", {}, 400, ["agent_id", "user_message"]),
        ("/api/run_agent", b"<a/>", {"Content-Type": "application/xml"}, 415, None),
        ("/api/run_agent", b"x" * 4_000_001, {"Content-Type": "text/plain"}, 413, None),
    ],
)
def test_bad_starts(
    world: World, path: str, body: Any, headers: dict[str, str], status: int, targets: list[str] | None
) -> None:
    before = len(world.emulator.ledger().requests)
    answer = world.post(path, body, headers)
    assert answer.status == status, answer.text
    error = answer.json["error"]
    assert error["code"]
    assert error["message"]
    if targets is not None:
        assert sorted({d["target"] for d in error["details"]}) == targets
    assert len(world.emulator.ledger().requests) == before


@pytest.mark.parametrize("instance", ["none", "a%2Fb", "x" * 300, ".."])
def test_unknown_instances_are_404(world: World, instance: str) -> None:
    answer = world.get(f"/api/runs/{instance}")
    assert answer.status == 404


def test_the_only_orchestrator_that_counts_is_ours(world: World) -> None:
    world.host.launch("no_such_orchestrator", "stranger", {})
    assert world.get("/api/runs/stranger").status == 404


def test_unknown_agent_and_thread_fail_with_what_was_not_found(world: World) -> None:
    for given in ("asst_nobody", "instand"):
        answer = world.post("/api/run_agent", {"agent_id": given, "user_message": "hi"})
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
        assert given in answer.json["error"]["message"]
    assert "did you mean instant" in answer.json["error"]["message"]
    instance = world.host.launch("agent_run", "unknown-agent", {"agent_id": "asst_nobody", "user_message": "hi"})
    document = world.end(instance)
    assert document["error"]["code"] == "not_found"
    assert "asst_nobody" in document["error"]["message"]
    document = world.run("instant", thread_id="thread_nowhere")
    assert document["error"]["code"] == "not_found"
    assert "thread_nowhere" in document["error"]["message"]


def test_an_agent_may_be_meant_by_its_name(world: World) -> None:
    answer = world.post("/api/agents/instant/runs", {"user_message": "hi"})
    assert answer.status == 202, answer.text
    document = world.end(answer.json["id"])
    assert (document["status"], document["agent_id"]) == ("Success", agent("instant"))


def test_no_answer_log_or_history_holds_the_token_or_an_internal_name(world: World) -> None:
    instance = world.start("history", "a message nobody logs 77f1")
    world.end(instance)
    history = world.host.request(
        "GET", f"{world.host.webhook}/instances/{instance}?showHistory=true&showHistoryOutput=true"
    )
    assert "planted-token-5f2c-9d81e0" not in history.text
    assert "planted-token-5f2c-9d81e0" not in world.host.log
    assert "a message nobody logs 77f1" not in world.host.log
