"""Every activity of the product, as Microsoft's runtime and as the local host invoke it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.test_functions import ACTIVITIES
from tests.worker.comparison import Both, Player

ME = "instance-1"
STAMP = {"instance_id": ME, "operation_id": "op-1"}
EFFECT = {"stamp": STAMP}
AGENT = "asst_history00000000000000000"
TOOL_AGENT = "asst_tool00000000000000000000"


def _thread(player: Player) -> str:
    return str(player.activity("create_thread", {"runs_as": ME, "stamp": STAMP})["value"]["thread_id"])


def _started(player: Player, agent_id: str = AGENT) -> dict[str, Any]:
    """A run with its thread, as activities name it."""
    thread_id = _thread(player)
    player.activity(
        "create_message", {"runs_as": ME, "thread_id": thread_id, "message": {"content": "Why?"}, "stamp": STAMP}
    )
    wanted = {"runs_as": ME, "thread_id": thread_id, "agent_id": agent_id, "effect": EFFECT}
    run = player.activity("create_run", wanted)["value"]
    return {"runs_as": ME, "thread_id": thread_id, "run_id": run["run_id"]}


def plan_run(player: Player) -> None:
    planned = player.activity("plan_run", {"agent_id": AGENT, "timeout_seconds": None})
    assert planned["value"]["timeout_seconds"] == 1800
    assert player.activity("plan_run", {"agent_id": None, "timeout_seconds": 10})["failure"]["code"]
    for nonsense in ({}, [1], None, 5, "no JSON", '{"agent_id": 1, "timeout_seconds": NaN}'):
        assert "ValidationError" in player.activity("plan_run", nonsense)


def create_thread(player: Player) -> None:
    thread_id = _thread(player)
    assert (
        player.activity("create_thread", {"runs_as": ME, "stamp": STAMP, "repeated": True})["value"]["thread_id"]
        == thread_id
    )
    player.foundry.faults.add("status", operation="create_thread", status=429, headers={"Retry-After": "7"})
    assert player.activity("create_thread", {"runs_as": ME, "stamp": STAMP})["failure"]["retry_after_seconds"] == 7


def create_message(player: Player) -> None:
    player.durable.add(ME)
    thread_id = _thread(player)
    wanted = {
        "runs_as": ME, "thread_id": thread_id, "stamp": STAMP,
        "message": {"content": "Grüße ☀ \u2028", "metadata": {"a": "b"}},
    }  # fmt: skip
    message = player.activity("create_message", wanted)["value"]
    assert player.activity("create_message", wanted)["value"] == message
    player.activity("create_message", {**wanted, "thread_id": "thread_x"})
    other = {**wanted, "runs_as": "other", "stamp": {**STAMP, "instance_id": "other"}}
    assert player.activity("create_message", other)["failure"]["waiting_instance"] == ME
    player.activity("create_message", {**other, "turn": {"if_busy": "replace"}})
    player.durable.add(ME, runtimeStatus="Completed")
    assert player.activity("create_message", other)["value"]
    player.durable.broken = True
    assert player.activity("create_message", wanted)["failure"]["code"] == "instance_not_seen"


def create_message_with_its_run(player: Player) -> None:
    thread_id = _thread(player)
    run = {
        "runs_as": ME, "thread_id": thread_id, "agent_id": AGENT, "effect": EFFECT,
        "message": {"stamp": STAMP, "message_id": None},
    }  # fmt: skip
    wanted = {"runs_as": ME, "thread_id": thread_id, "message": {"content": "Why?"}, "stamp": STAMP, "run": run}
    posted = player.activity("create_message", wanted)["value"]
    assert posted["run"]["value"]["state"] == "active"
    again = player.activity("create_message", wanted)["value"]
    assert (again["message_id"], again["run"]["value"]["run_id"]) == (
        posted["message_id"],
        posted["run"]["value"]["run_id"],
    )
    player.clock.advance(30)
    seen = player.activity(
        "get_run", {"runs_as": ME, "thread_id": thread_id, "run_id": again["run"]["value"]["run_id"]}
    )
    assert seen["value"]["answer"]["messages"]
    other = {**STAMP, "operation_id": "op-2"}
    refused = {**wanted, "stamp": other, "run": {**run, "agent_id": "asst_nobody", "effect": {"stamp": other}}}
    posted = player.activity("create_message", refused)["value"]
    assert posted["message_id"]
    assert posted["run"]["failure"]["code"] == "not_found"
    assert "ValidationError" in player.activity("create_message", {**wanted, "run": {"thread_id": 1}})


def create_run(player: Player) -> None:
    run = _started(player)
    wanted = {
        "runs_as": ME, "thread_id": run["thread_id"], "agent_id": AGENT, "effect": EFFECT,
        "options": {"temperature": 0.5},
    }  # fmt: skip
    assert player.activity("create_run", wanted)["value"]["run_id"] == run["run_id"]
    other = {**wanted, "effect": {"stamp": {**STAMP, "operation_id": "op-2"}}}
    assert player.activity("create_run", other)["failure"]["code"] == "thread_busy"
    player.activity("create_run", {**other, "thread_id": _thread(player), "agent_id": "asst_nobody"})


def get_run(player: Player) -> None:
    run = _started(player)
    assert player.activity("get_run", run)["value"]["state"] == "active"
    player.clock.advance(30)
    assert player.activity("get_run", run)["value"]["answer"]["messages"]
    assert player.activity("get_run", {**run, "run_id": "run_x"})["failure"]["code"] == "not_found"
    assert "ValidationError" in player.activity("get_run", {"thread_id": 1})


def get_response(player: Player) -> None:
    run = _started(player)
    assert player.activity("get_response", run)["value"]["messages"] == []
    player.clock.advance(30)
    answered = player.activity("get_response", {**run, "message": {"stamp": STAMP}})["value"]
    assert answered["messages"][-1]["text"]


def cancel_run(player: Player) -> None:
    run = _started(player)
    assert player.activity("cancel_run", {**run, "run_id": None, "effect": EFFECT})["value"]["run"]
    player.clock.advance(30)
    assert player.activity("cancel_run", {**run, "effect": EFFECT})["value"]["run"]["state"] == "cancelled"
    lost = {**run, "run_id": None, "effect": {"stamp": {**STAMP, "operation_id": "op-9"}}}
    assert player.activity("cancel_run", lost)["value"]["run"] is None


def submit_tool_outputs(player: Player) -> None:
    run = _started(player, TOOL_AGENT)
    player.clock.advance(30)
    [call] = player.activity("get_run", run)["value"]["pending_calls"]
    outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "18 degrees"}]}
    wrong = {"tool_outputs": [{"tool_call_id": "call_x", "output": "?"}]}
    asked = {**run, "agent_id": TOOL_AGENT, "effect": EFFECT}
    player.activity("submit_tool_outputs", {**asked, "answer": wrong})
    assert player.activity("submit_tool_outputs", {**asked, "answer": outputs})["value"]["state"] == "active"
    player.activity("submit_tool_outputs", {**asked, "answer": outputs})


def delete_thread(player: Player) -> None:
    run = _started(player)
    wanted = {"thread_id": run["thread_id"], "instance_id": STAMP["instance_id"]}
    assert player.activity("delete_thread", wanted)["value"] == {"deleted": False}  # its run goes on
    player.clock.advance(30)
    assert player.activity("delete_thread", {**wanted, "instance_id": "another"})["value"] == {"deleted": False}
    assert player.activity("delete_thread", wanted)["value"] == {"deleted": True}
    assert player.activity("delete_thread", wanted)["value"] == {"deleted": True}
    assert "ValidationError" in player.activity("delete_thread", {"thread_id": 1})


def terminate_instance(player: Player) -> None:
    player.durable.add("goes-on")
    wanted = {"instance_id": "goes-on", "reason": "cancelled & done"}
    assert player.activity("terminate_instance", wanted)["failure"] is None
    assert "terminate" in player.durable.calls[-1]["target"]
    player.durable.broken = True
    assert player.activity("terminate_instance", wanted)["failure"]["code"] == "not_terminated"


SCENARIOS: dict[str, Callable[[Player], None]] = {
    function.__name__: function
    for function in (
        plan_run,
        create_thread,
        create_message,
        create_run,
        get_run,
        get_response,
        cancel_run,
        submit_tool_outputs,
        delete_thread,
        terminate_instance,
    )
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_activity_returns_and_fails_alike(name: str, product: Both) -> None:
    assert [note for note in product(SCENARIOS[name]) if note.get("invoked") == name]


def test_a_message_goes_on_with_its_run_alike(product: Both) -> None:
    assert [note for note in product(create_message_with_its_run) if note.get("invoked") == "create_message"]


PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def within_a_trace(player: Player) -> None:
    run = _started(player)
    for name, wanted in {
        "create_thread": {"runs_as": ME, "stamp": {**STAMP, "operation_id": "op-3"}},
        "create_message": {"runs_as": ME, "thread_id": run["thread_id"], "message": {"content": "?"}, "stamp": STAMP},
        "get_run": run,
        "cancel_run": {**run, "effect": EFFECT},
    }.items():
        before = len(player.foundry.ledger().requests)
        player.activity(name, wanted, trace=PARENT)
        assert {entry.trace for entry in player.foundry.ledger().requests[before:]} == {PARENT}, name
    player.activity("get_run", run)
    assert player.foundry.ledger().requests[-1].trace is None  # nothing of it stays in a thread of the worker
    player.foundry.faults.add("status", operation="get_run", status=503)
    player.activity("get_run", run, trace=PARENT)
    assert f'"trace_id":"{"a" * 32}"' in player.notes[-1]["log"][-1]


def test_an_activity_hands_its_trace_on_to_foundry_and_to_the_log(product: Both) -> None:
    assert product(within_a_trace)


def test_every_activity_has_a_scenario() -> None:
    assert set(SCENARIOS) == ACTIVITIES
