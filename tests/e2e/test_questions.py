"""Whatever a run asks, a caller can read it, execute it, and learn what became of his answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.runs import MOST_OUTPUT_BYTES
from local.foundry_emulator.scripts import Agent, Answer, Call, Phase, Refusal, Script
from tests.e2e.world import World, of_own

pytestmark = pytest.mark.e2e

SQL = ("SELECT customer, sum(amount) AS total FROM invoices WHERE note LIKE '%\"é\"%' AND year = 2026 " * 3)[:224]
LONG_NAME = "look_up_the_" + "very_" * 57 + "long_name"
WHY = "Tool outputs cannot be larger than this agent likes."


def asking(name: str, *calls: Call, refuses: Refusal | None = None) -> Agent:
    """An agent that asks for these calls, and then quotes what they were answered with."""
    phases = (Phase(seconds=0.1), Phase(calls=calls, refuses=refuses), Phase(seconds=0.1))
    return Agent(name=name, script=Script(phases=phases, answer=Answer(kind="tools")))


def queries(count: int, query: str) -> tuple[Call, ...]:
    return tuple(Call(name="run_sql", arguments={"query": query}) for _ in range(count))


QUESTIONS = {
    "oneSql": (1, SQL),
    "chinese": (1, "数" * 52),
    "eight": (8, "x" * 110),
    "twelve": (12, "x" * 110),
    "twenty": (20, "x" * 110),
    "twoHundred": (200, "x" * 110),
    "twentyMegabytes": (200, "y" * 100_000),
}
AGENTS = [
    *(asking(name, *queries(count, query)) for name, (count, query) in QUESTIONS.items()),
    asking("longNames", *(Call(name=f"{LONG_NAME}_{n}", arguments={"n": n}) for n in range(6))),
    asking("approves", Call(type="mcp", name="create_issue", arguments={"title": "t" * 900}, server_label="github")),
    asking("picky", *queries(1, SQL), refuses=Refusal(message=WHY)),
    Agent(
        name="clicks",
        script=Script(phases=(Phase(seconds=0.1), Phase(calls=(Call(type="computer_use_preview"),)))),
    ),
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(emulator={"agents": AGENTS}) as made:
        yield made


def start(world: World, name: str) -> str:
    answer = world.post("/api/run_agent", {"agent_id": of_own(AGENTS, name), "user_message": "hello"})
    assert answer.status == 202, answer.text
    return str(answer.json["id"])


def question_of(world: World, instance: str) -> dict[str, Any]:
    return dict(world.until(instance, lambda d: d["required_action"])["required_action"])


def outputs_of(action: dict[str, Any]) -> list[dict[str, str]]:
    """Do what a caller does: execute every function with the arguments that are shown."""
    found = []
    for call in action["calls"]:
        arguments = json.loads(call["arguments"])
        found.append({"tool_call_id": call["id"], "output": f"{call['name']} of {len(arguments['query'])} characters"})
    return found


def submit(world: World, instance: str, **answer: Any) -> Any:
    return world.post(f"/api/runs/{instance}/tool_outputs", answer)


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_is_asked_can_be_executed(world: World, name: str) -> None:
    count, query = QUESTIONS[name]
    instance = start(world, name)
    action = question_of(world, instance)
    assert not {"truncated", "see", "more"} & set(action)
    outputs = outputs_of(action)
    assert [o["output"] for o in outputs] == [f"run_sql of {len(query)} characters"] * count
    waited = world.host.request("GET", f"/api/runs/{instance}", headers={"Prefer": "wait=5"})
    assert waited.json["required_action"] == action
    for durable in (world.document(instance)["customStatus"], world.host.status(instance)["customStatus"]):
        shown = durable["required_action"]
        whole = all("arguments" in call for call in shown["calls"]) and "more" not in shown
        assert (shown.get("see"), shown.get("truncated")) == (
            (None, None) if whole else (f"GET /api/runs/{instance}", True)
        )
        assert all(json.loads(call["arguments"])["query"] == query for call in shown["calls"] if "arguments" in call)
    answer = submit(world, instance, tool_outputs=outputs)
    assert answer.status == 202, answer.text
    done = world.end(instance)
    assert done["status"] == "Success", done["error"]
    assert f"run_sql of {len(query)} characters" in done["response"]


def test_names_are_whole(world: World) -> None:
    instance = start(world, "longNames")
    action = question_of(world, instance)
    assert [c["name"] for c in action["calls"]] == [f"{LONG_NAME}_{n}" for n in range(6)]
    world.post(f"/api/runs/{instance}/cancel", None)
    world.end(instance)


def test_a_caller_learns_whom_he_approves_and_may_say_it_in_the_services_words(world: World) -> None:
    instance = start(world, "approves")
    action = question_of(world, instance)
    [call] = action["calls"]
    assert (call["kind"], call["name"], call["server_label"]) == ("approval", "create_issue", "github")
    assert json.loads(call["arguments"]) == {"title": "t" * 900}
    approval = {"tool_call_id": call["id"], "approve": True}
    both = submit(world, instance, approvals=[approval], tool_approvals=[approval])
    assert (both.status, both.json["error"]["details"][0]["code"]) == (400, "conflict")
    secret = "Bearer planted-header-7c1d"
    with_headers = submit(world, instance, approvals=[{**approval, "headers": {"Authorization": secret}}])
    assert with_headers.status == 400
    assert "MCP_HEADERS_<NAME>" in with_headers.json["error"]["message"]
    assert secret not in with_headers.text + world.host.log
    taken = submit(world, instance, tool_approvals=[approval])
    assert taken.status == 202, taken.text
    assert submit(world, instance, approvals=[{**approval, "headers_ref": None}]).status == 202, "the same answer"
    assert world.end(instance)["status"] == "Success"


def test_an_event_may_bring_the_services_words_too(world: World) -> None:
    instance = start(world, "approves")
    [call] = question_of(world, instance)["calls"]
    approval = {"tool_call_id": call["id"], "approve": False}
    secret = "Bearer planted-header-88e0"
    with_headers = {"tool_approvals": [{**approval, "headers": {"Authorization": secret}}]}
    assert world.host.raise_event(instance, "tool_outputs_1", with_headers) == 202
    asked = world.until(instance, lambda d: (d["required_action"] or {}).get("error"))["required_action"]
    assert "MCP_HEADERS_<NAME>" in asked["error"]
    assert secret not in json.dumps(world.document(instance))
    assert world.host.raise_event(instance, asked["event"], {"tool_approvals": [approval]}) == 202
    assert world.end(instance)["status"] == "Success"


def test_what_foundry_refuses_is_asked_again_with_its_words(world: World) -> None:
    instance = start(world, "picky")
    outputs = outputs_of(question_of(world, instance))
    refused = submit(world, instance, tool_outputs=outputs)
    assert (refused.status, refused.json["error"]["code"]) == (400, "answer_refused")
    assert WHY in refused.json["error"]["message"]
    action = question_of(world, instance)
    assert action["event"] == "tool_outputs_2"
    assert WHY in action["error"]
    assert outputs_of(action) == outputs
    again = submit(world, instance, tool_outputs=outputs)
    assert again.status == 202, again.text
    assert world.end(instance)["status"] == "Success"


def test_outputs_that_are_too_large_are_never_sent(world: World) -> None:
    instance = start(world, "oneSql")
    [output] = outputs_of(question_of(world, instance))
    for size, text in ((600_000, "x" * 600_000), (524_289, "x" + "é" * 262_144)):
        refused = submit(world, instance, tool_outputs=[{**output, "output": text}])
        assert refused.status == 400
        [detail] = refused.json["error"]["details"]
        assert (detail["code"], detail["target"]) == ("too_large", "tool_outputs")
        assert f"{size:,}" in detail["message"]
        assert f"{MOST_OUTPUT_BYTES:,}" in detail["message"]
    over = {"tool_outputs": [{**output, "output": "x" * 600_000}]}
    assert world.host.raise_event(instance, "tool_outputs_1", over) == 202
    asked = world.until(instance, lambda d: (d["required_action"] or {}).get("error"))["required_action"]
    assert asked["event"] == "tool_outputs_2"
    assert "600,000" in asked["error"]
    taken = submit(world, instance, tool_outputs=[{**output, "output": "x" * MOST_OUTPUT_BYTES}])
    assert taken.status == 202, taken.text
    assert world.end(instance)["status"] == "Success"


def test_what_nobody_can_answer_here_is_said_to_be(world: World) -> None:
    instance = start(world, "clicks")
    [call] = question_of(world, instance)["calls"]
    assert (call["kind"], call["name"]) == ("unsupported", "computer_use_preview")
    refused = submit(world, instance, tool_outputs=[{"tool_call_id": call["id"], "output": "clicked"}])
    assert (refused.status, refused.json["error"]["code"]) == (409, "unsupported_action")
    assert "computer_use_preview" in refused.json["error"]["message"]
    assert world.end(instance)["error"]["code"] == "unsupported_action"
