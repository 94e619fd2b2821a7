"""What Foundry says may be large: the history, the worker's memory and the caller's patience stay bounded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from activities.bounds import MOST_ANSWER_BYTES, MOST_LOOK_BYTES
from local.foundry_emulator.scripts import Agent, Call, Phase, Script
from orchestrators.steps import TIMERS_PER_GENERATION
from tests.e2e.generations import present
from tests.e2e.somebody import asked, new_thread, runs_path, say, written_on
from tests.e2e.world import World, agent

pytestmark = pytest.mark.e2e

CALLS, ARGUMENT_BYTES = 60, 48_000
GREEDY = Agent(
    name="greedy",
    script=Script(
        phases=(
            Phase(seconds=0.1),
            Phase(calls=tuple(Call(name=f"f{n}", arguments={"x": "y" * ARGUMENT_BYTES}) for n in range(CALLS))),
        )
    ),
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(emulator={"agents": [GREEDY]}, spoiled=True) as made:
        yield made


def history_of(world: World, instance_id: str) -> list[str]:
    """The events of the present generation, as JSON text."""
    status = world.host.status(instance_id, "?showHistory=true&showHistoryOutput=true")
    return [json.dumps(event) for event in status["historyEvents"]]


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("this machine does not tell how much memory a process has")
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def test_large_arguments_stay_out_of_the_history(world: World) -> None:
    world.run("instant")
    before = resident_bytes(world.host.pid)
    instance_id = world.start("greedy")
    document = world.until(instance_id, lambda d: d["required_action"] and d["customStatus"]["polls"] >= 6)
    looks = [event for event in history_of(world, instance_id) if "get_run" in event]
    assert looks
    assert max(map(len, looks)) <= MOST_LOOK_BYTES
    assert sum(map(len, history_of(world, instance_id))) < (TIMERS_PER_GENERATION + 2) * MOST_LOOK_BYTES
    assert len(document["required_action"]["calls"]) + document["required_action"].get("more", 0) == CALLS
    answer = world.post(f"/api/runs/{instance_id}/cancel", None)
    assert answer.status == 202, answer.text
    assert world.end(instance_id)["status"] == "Cancelled"
    assert resident_bytes(world.host.pid) - before < 100_000_000


def test_all_of_many_large_calls_can_be_answered(world: World) -> None:
    instance_id = world.start("greedy")
    world.until(instance_id, lambda d: d["required_action"])
    document = world.document(instance_id)
    ids = pending_at_foundry(world, document["thread_id"], document["run_id"])
    assert len(ids) == CALLS
    outputs = [{"tool_call_id": i, "output": "1"} for i in ids]
    answer = world.post(f"/api/runs/{instance_id}/tool_outputs", {"tool_outputs": outputs})
    assert answer.status == 202, answer.text
    assert world.end(instance_id)["status"] == "Success"


def pending_at_foundry(world: World, thread_id: str, run_id: str) -> list[str]:
    """The ids of the calls for which a run waits, or with which a response has ended."""
    run = asked(world, "GET", f"{runs_path(thread_id)}/{run_id}").json()
    if present() == "classic":
        return [call["id"] for call in run["required_action"]["submit_tool_outputs"]["tool_calls"]]
    return [item["call_id"] for item in run["output"] if item["type"] == "function_call"]


def changing_answers(change: Callable[[dict[str, Any]], None]) -> Any:
    """Return what changes the first part of every answer: `content` of a message, or of an item of a response."""

    def spoil(_method: str, path: str, answer: Any) -> Any:
        listed = answer.get("data", []) if path.endswith("/messages") else answer.get("output", [])
        for message in listed:
            if message.get("role") == "assistant":
                change(message["content"][0])
        return answer

    return spoil


def annotated(size: int) -> Any:
    """Return what adds so many bytes of annotations to every answer."""
    note = {"type": "url_citation", "text": "", "url": "https://example.org/" + "a" * 980}
    notes = [note] * (size // 1000)

    def annotate(part: dict[str, Any]) -> None:
        text = part["text"] if isinstance(part["text"], dict) else part
        text["annotations"] = notes

    return changing_answers(annotate)


def long_winded(size: int) -> Any:
    """Return what makes every answer so long."""

    def lengthen(part: dict[str, Any]) -> None:
        if isinstance(part["text"], dict):
            part["text"]["value"] = "x" * size
        else:
            part["text"] = "x" * size

    return changing_answers(lengthen)


def test_annotations_that_are_too_large_cost_no_answer(world: World) -> None:
    world.spoil(annotated(MOST_ANSWER_BYTES + 50_000))
    document = world.run("instant", "hello")
    assert document["status"] == "Success", document["error"]
    assert document["response"]
    assert document["output"]["annotations"] == []
    assert any("annotations" in what for what in document["output"]["left_out"])
    assert sum(map(len, history_of(world, document["instanceId"]))) < 3 * MOST_LOOK_BYTES


def test_an_answer_that_is_too_large_ends_clearly_and_stays_in_foundry(world: World) -> None:
    world.spoil(long_winded(MOST_ANSWER_BYTES + 50_000))
    document = world.run("instant", "hello")
    assert document["status"] == "Failed"
    assert document["error"]["code"] == "response_too_large"
    assert document["thread_id"] in document["error"]["message"]
    assert next(word for word in document["error"]["message"].split() if word.startswith("msg_"))
    assert [bool(text) for role, text in written_on(world, document["thread_id"]) if role == "assistant"] == [True]
    assert sum(map(len, history_of(world, document["instanceId"]))) < 3 * MOST_LOOK_BYTES


def test_a_large_answer_is_written_once_into_the_history(world: World) -> None:
    size = MOST_ANSWER_BYTES // 2 - 100_000
    world.spoil(annotated(size))
    document = world.run("instant", "hello")
    assert document["status"] == "Success", document["error"]
    assert len(document["output"]["annotations"]) == size // 1000
    looks = [e for e in history_of(world, document["instanceId"]) if len(e) > MOST_LOOK_BYTES]
    assert len(looks) == 2, "as the look's result, and as the instance's"
    assert "aaaa" not in json.dumps(document["customStatus"])


@pytest.mark.slow
def test_a_thread_of_ten_thousand_messages(world: World) -> None:
    world.spoil(None)
    thread = new_thread(world)
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda _: say(world, thread, *["x" * 200] * 20), range(500)):
            pass
    before = resident_bytes(world.host.pid)
    document = world.end(world.start("instant", "the last word", thread_id=thread))
    assert document["status"] == "Success"
    assert "the last word" in document["response"]
    assert sum(map(len, history_of(world, document["instanceId"]))) < 3 * MOST_LOOK_BYTES
    assert resident_bytes(world.host.pid) - before < 100_000_000
    assert agent("instant") == document["agent_id"]


def test_the_longest_legal_message_passes_in_any_encoding(world: World) -> None:
    """256,000 characters, twelve bytes each as escaped JSON."""
    world.spoil(None)
    message = "\U0001f600" * 256_000
    body = json.dumps({"agent_id": agent("instant"), "user_message": message}).encode()
    assert len(body) > 3_000_000
    answer = world.host.request("POST", "/api/run_agent", body, headers={"Content-Type": "application/json"})
    assert answer.status == 202, answer.text
    document = world.end(answer.json["id"])
    assert document["status"] == "Success"
    said = written_on(world, document["thread_id"])
    assert [text == message for role, text in said if role == "user"] == [True]
    assert message[:10] not in json.dumps(document["customStatus"], ensure_ascii=False)
