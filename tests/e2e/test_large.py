"""What Foundry says may be large: the history, the worker's memory and the caller's patience stay bounded."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from activities.bounds import MOST_ANSWER_BYTES, MOST_LOOK_BYTES
from local.foundry_emulator.scripts import Agent, Call, Phase, Script
from orchestrators.steps import TIMERS_PER_GENERATION
from tests.e2e.world import World, agent

_sessions = threading.local()

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
    thread = world.document(instance_id)["thread_id"]
    [run] = world.emulator.state.threads[thread].runs
    ids = [call["id"] for call in pending_at_foundry(world, thread, run.id)]
    outputs = [{"tool_call_id": i, "output": "1"} for i in ids]
    answer = world.post(f"/api/runs/{instance_id}/tool_outputs", {"tool_outputs": outputs})
    assert answer.status == 202, answer.text
    assert world.end(instance_id)["status"] == "Success"


def pending_at_foundry(world: World, thread: str, run: str) -> list[dict[str, Any]]:
    answer = foundry("GET", world, f"/threads/{thread}/runs/{run}").json()
    return list(answer["required_action"]["submit_tool_outputs"]["tool_calls"])


def foundry(method: str, world: World, path: str, **options: Any) -> requests.Response:
    session = _sessions.__dict__.setdefault("session", requests.Session())
    return session.request(
        method,
        f"{world.emulator.endpoint}{path}",
        params={"api-version": "v1"},
        headers={"Authorization": "Bearer x"},
        timeout=30,
        **options,
    )


def annotated(size: int) -> Any:
    """Return what adds so many bytes of annotations to every answer."""
    note = {"type": "url_citation", "text": "", "url": "https://example.org/" + "a" * 980}
    notes = [note] * (size // 1000)

    def spoil(_method: str, path: str, answer: Any) -> Any:
        if path.endswith("/messages") and "data" in answer:
            for message in answer["data"]:
                if message["role"] == "assistant":
                    message["content"][0]["text"]["annotations"] = notes
        return answer

    return spoil


def long_winded(size: int) -> Any:
    """Return what makes every answer so long."""

    def spoil(_method: str, path: str, answer: Any) -> Any:
        if path.endswith("/messages") and "data" in answer:
            for message in answer["data"]:
                if message["role"] == "assistant":
                    message["content"][0]["text"]["value"] = "x" * size
        return answer

    return spoil


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
    message_id = next(word for word in document["error"]["message"].split() if word.startswith("msg_"))
    kept = foundry("GET", world, f"/threads/{document['thread_id']}/messages/{message_id}").json()
    assert kept["content"][0]["text"]["value"]
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
    thread = foundry("POST", world, "/threads", json={}).json()["id"]
    text = {"role": "user", "content": "x" * 200}
    with ThreadPoolExecutor(4) as pool:
        codes = pool.map(
            lambda _: foundry("POST", world, f"/threads/{thread}/messages", json=text).status_code, range(10_000)
        )
        assert set(codes) == {200}
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
    listed = foundry("GET", world, f"/threads/{document['thread_id']}/messages").json()["data"]
    assert [m["content"][0]["text"]["value"] == message for m in listed if m["role"] == "user"] == [True]
    assert message[:10] not in json.dumps(document["customStatus"], ensure_ascii=False)
