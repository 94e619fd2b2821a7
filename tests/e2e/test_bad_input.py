"""Everything a caller can get wrong, over real HTTP: an answer that says what is wrong, and nothing is started."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest

from tests.e2e.generations import NOWHERE, OPTIONS, present
from tests.e2e.world import World, agent, classic_agent

pytestmark = pytest.mark.e2e

AGENT = "<agent>"
"""Stands for an agent of the present generation, which is not known when tests are collected."""
GOOD = {"agent_id": AGENT, "user_message": "hi"}


def filled(given: Any) -> Any:
    """Put the agent into a path or a body."""
    if isinstance(given, dict):
        return {name: filled(value) if name == "agent_id" else value for name, value in given.items()}
    return given.replace(AGENT, agent("instant")) if isinstance(given, str) else given


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
        ("/api/run_agent", {**GOOD, "content": [{"type": "x"}, 5]}, {}, 400, ["content[0].type", "content[1]"]),
        (
            "/api/run_agent",
            {**GOOD, "attachments": [{"tools": []}]},
            {},
            400,
            [f"attachments[0].{n}" for n in ("file_id", "tools")],
        ),
        ("/api/run_agent", {**GOOD, "run_options": {"include": ["x"]}}, {}, 400, ["run_options.include[0]"]),
        ("/api/run_agent", {"agent_id": AGENT}, {}, 400, ["user_message"]),
        ("/api/run_agent", {**GOOD, "metadata": {"a": 1}}, {}, 400, ["metadata"]),
        ("/api/run_agent", {**GOOD, "colour": "red", "user_message": 5}, {}, 400, ["colour", "user_message"]),
        ("/api/run_agent?thread_id=thread_a", {**GOOD, "thread_id": "thread_b"}, {}, 400, ["thread_id"]),
        ("/api/agents/another/runs", GOOD, {}, 400, ["agent_id"]),
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
    answer = world.post(path, filled(body), headers)
    assert answer.status == status, answer.text
    error = answer.json["error"]
    assert error["code"]
    assert error["message"]
    if targets is not None:
        assert sorted({d["target"] for d in error["details"]}) == targets
    assert len(world.emulator.ledger().requests) == before


ROUTES = ("run_agent", f"agents/{AGENT}/runs", "runs/x/cancel", "runs/x/tool_outputs", "runs/x/retry")
"""All that have a body."""


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("query", ["", f"?user_message=hi&agent_id={AGENT}"])
def test_a_chunked_body_is_told_on_every_route(world: World, route: str, query: str) -> None:
    before = len(world.emulator.ledger().requests)
    answer = world.post_in_chunks(filled(f"/api/{route}{query}"), json.dumps(filled(GOOD)).encode())
    error = answer.json["error"]
    assert (answer.status, error["code"], error["target"]) == (411, "length_required", "Content-Length")
    assert "send it with a Content-Length" in error["message"]
    assert len(world.emulator.ledger().requests) == before


@pytest.mark.parametrize("route", ROUTES)
def test_an_encoded_body_is_told_on_every_route(world: World, route: str) -> None:
    body = gzip.compress(json.dumps(filled(GOOD)).encode())
    answer = world.post(filled(f"/api/{route}"), body, {"Content-Encoding": "gzip"})
    assert (answer.status, answer.json["error"]["target"]) == (415, "Content-Encoding")


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        ("thread_id", "run_abc123", "the id of a run was given"),
        ("thread_id", classic_agent("instant"), "the id of an agent was given"),
        ("thread_id", "null", "the text of an empty variable was given"),
        ("thread_id", "agent#thread_a#run_b", "a composite_run_id was given"),
        ("agent_id", "thread_abc123", "the id of a thread was given"),
        ("agent_id", "f603d2d291ae4a9a86935293eefe2313", "the instance id of a run was given"),
    ],
)
def test_an_id_in_the_wrong_field_is_told_at_once(world: World, field: str, given: str, said: str) -> None:
    answer = world.post("/api/run_agent", {**filled(GOOD), field: given})
    assert (answer.status, answer.json["error"]["target"]) == (400, field)
    assert said in answer.json["error"]["message"]


def test_a_thread_of_the_other_generation_is_told_with_what_to_do(world: World) -> None:
    [other] = NOWHERE.keys() - {present()}
    before = len(world.emulator.ledger().requests)
    answer = world.post("/api/run_agent", {**filled(GOOD), "thread_id": NOWHERE[other]})
    assert (answer.status, answer.json["error"]["target"]) == (400, "thread_id")
    assert re.search(r"second.generation", answer.json["error"]["message"])
    for said in ("classic", "without thread_id"):
        assert said in answer.json["error"]["message"]
    asked = {entry.operation for entry in world.emulator.ledger().requests[before:]}
    assert asked <= {"get_named_agent", "get_agent"}


def test_options_that_the_generation_does_not_take_are_told_with_what_to_do(world: World) -> None:
    [other] = OPTIONS.keys() - {present()}
    before = len(world.emulator.ledger().requests)
    answer = world.post("/api/run_agent", {**filled(GOOD), "run_options": OPTIONS[other]})
    assert answer.status == 400
    details = answer.json["error"]["details"]
    assert {detail["target"] for detail in details} == {f"run_options.{name}" for name in OPTIONS[other]}
    assert all(re.search("is not taken by .* agents: ", detail["message"]) for detail in details), details
    asked = {entry.operation for entry in world.emulator.ledger().requests[before:]}
    assert asked <= {"get_named_agent", "get_agent"}


def test_an_id_in_the_wrong_place_of_a_route_is_told(world: World) -> None:
    answer = world.get("/api/runs/run_abc123")
    assert answer.status == 404
    assert "the id of a run was given" in answer.json["error"]["message"]
    answer = world.post("/api/agents/thread_1/runs", {"user_message": "hi"})
    assert answer.status == 404
    assert "the id of a thread was given" in answer.json["error"]["message"]


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
    document = world.run("instant", thread_id=NOWHERE[present()])
    assert document["error"]["code"] == "not_found"
    assert NOWHERE[present()] in document["error"]["message"]


def test_an_agent_may_be_meant_by_its_name() -> None:
    """A name that both generations know is the second one's, while that is switched on."""
    with World(env={"FOUNDRY_GENERATIONS": present()}) as world:
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
