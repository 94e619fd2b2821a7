"""Every HTTP function of the product, as Microsoft's runtime and as the local host invoke it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts.durable import ORCHESTRATOR_VERSION
from local.foundry_emulator.agents import builtin_agents
from tests.contract.test_functions import HTTP
from tests.worker.comparison import REPOSITORY, Both, Json, Player, body_of

SUCCESS = REPOSITORY / "tests" / "histories" / ORCHESTRATOR_VERSION / "success.json"
AGENT = "asst_history00000000000000000"
[CHART_AGENT] = [agent for agent in builtin_agents() if agent.name == "chart"]
CHART_FILES = [file.id for file in CHART_AGENT.script.files]
ME = "charted"
STAMP = {"instance_id": ME, "operation_id": "op-1"}
EFFECT = {"stamp": STAMP}
QUESTION = {"agent_id": AGENT, "user_message": "Why is the sky blue?"}
POLICY = {"agent_id": AGENT, "timeout_seconds": 60}
KEY = {"idempotency-key": "the-key", "content-type": "application/json"}
CALL = {"id": "call_1", "kind": "function", "name": "get_weather", "arguments": "{}"}
ASKS = {"status": "Running", "required_action": {"event": "tool_outputs_1", "calls": [CALL]}}
OUTPUTS = {"tool_outputs": [{"tool_call_id": "call_1", "output": "18 degrees"}]}


def run_agent(player: Player) -> None:
    started = player.http("run_agent", "POST", body=QUESTION)
    assert started["result"]["status"] == 202
    given = json.loads(player.durable.instances[body_of(started)["id"]]["input"])  # the SDK sends JSON text as JSON
    assert given["request"]["user_message"] == QUESTION["user_message"]
    for status, request in {
        400: {"body": {"agent_id": "../x", "user_message": "", "more": 1}},
        413: {"body": b"x" * 4_000_001},
        415: {"body": b"<a/>", "headers": {"content-type": "application/xml"}},
    }.items():
        assert player.http("run_agent", "POST", **request)["result"]["status"] == status
    # The body as text, the agent in the query, an answer that is waited for.
    asked = {"headers": {"content-type": "text/plain; charset=utf-8"}, "body": "Größe?".encode()}
    assert (
        player.http("run_agent", "POST", query={"agent_id": AGENT, "code": "key"}, **asked)["result"]["status"] == 202
    )
    player.http("run_agent", "POST", body=b"{")
    player.http("run_agent", "POST", body=b"")
    player.http("run_agent", "POST", body=b"\xff\xfe\x00")
    # The same key: the same instance, and a conflict for another request.
    first = player.http("run_agent", "POST", headers=KEY, body=QUESTION)
    again = player.http("run_agent", "POST", headers=KEY, body=QUESTION)
    assert body_of(again)["id"] == body_of(first)["id"]
    assert (
        player.http("run_agent", "POST", headers=KEY, body={**QUESTION, "user_message": "?"})["result"]["status"] == 409
    )


def starts_within_a_trace(player: Player) -> None:
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    traces = {}
    for given, key in ((parent, "one"), ("nothing", "another")):
        headers = {"content-type": "application/json", "traceparent": given, "idempotency-key": key}
        assert player.http("run_agent", "POST", headers=headers, body=QUESTION)["result"]["status"] == 202
        [*_, start] = [call for call in player.durable.calls if "orchestrators" in call["target"]]
        traces[given] = start["trace"]
    assert traces == {parent: parent, "nothing": None}


def test_a_start_hands_on_the_trace_of_its_caller(product: Both) -> None:
    assert product(starts_within_a_trace)


def start_agent_run(player: Player) -> None:
    path, params = f"agents/{AGENT}/runs", {"agent_id": AGENT}
    asked = {"path": path, "params": params, "headers": {"prefer": "wait=5", "content-type": "application/json"}}
    player.durable.broken = True
    assert player.http("start_agent_run", "POST", body={"user_message": "x"}, **asked)["result"]["status"] == 500
    player.durable.broken = False
    started = player.http("start_agent_run", "POST", path, params=params, body={"user_message": "x"})
    assert started["result"]["status"] == 202
    assert player.http("start_agent_run", "POST", path, params=params, body=QUESTION)["result"]["status"] == 202
    other = {**QUESTION, "agent_id": "asst_other"}
    assert player.http("start_agent_run", "POST", path, params=params, body=other)["result"]["status"] == 400


def agent_run_status(player: Player) -> None:
    [generation] = json.loads(SUCCESS.read_text("utf-8"))
    outcome = {**generation["answer"]["output"], "response": "Grüße ☀"}
    player.durable.add("runs", customStatus={"status": "Running", "thread_id": "thread_1"})
    player.durable.add("done", runtimeStatus="Completed", output=outcome, customStatus={"status": "Success"})
    player.durable.add(
        "failed", runtimeStatus="Failed", output="Orchestrator function 'agent_run' failed: timeout: late"
    )
    player.durable.add("another", name="somebody_elses")

    def look(instance_id: str) -> Json:
        return player.http("agent_run_status", path=f"runs/{instance_id}", params={"instance_id": instance_id})

    assert look("runs")["result"]["status"] == 202
    assert body_of(look("done"))["response"] == "Grüße ☀"
    assert body_of(look("failed"))["error"] == {"code": "timeout", "message": "late"}
    for unknown in ("another", "nowhere", "a%2Fb", ".."):
        assert look(unknown)["result"]["status"] == 404
    player.durable.broken = True
    assert look("runs")["result"]["status"] == 500


def cancel_agent_run(player: Player) -> None:
    def cancel(instance_id: str) -> Any:
        asked = {"path": f"runs/{instance_id}/cancel", "params": {"instance_id": instance_id}}
        return player.http("cancel_agent_run", "POST", **asked)["result"]["status"]

    player.durable.add("runs", customStatus={"status": "Running"})
    player.durable.add("done", runtimeStatus="Completed")
    player.durable.on_event = lambda row, event, data: row.update(customStatus={"status": "Cancelling"})
    assert cancel("runs") == 202
    assert cancel("runs") == 202
    assert cancel("done") == 409
    assert cancel("nowhere") == 404


def list_runs(player: Player) -> None:
    player.durable.add("asks", customStatus=ASKS)
    player.durable.add("fe5de8eab97f-5f4d3d0b3e6d2d0c8f6c", runtimeStatus="Completed")
    player.durable.add("another", name="somebody_elses")
    assert len(body_of(player.http("list_runs", path="runs"))["runs"]) == 2
    first = body_of(player.http("list_runs", path="runs", query={"limit": "1", "code": "key"}))
    second = body_of(player.http("list_runs", path="runs", query={"limit": "1", "cursor": first["next_cursor"]}))
    assert (len(first["runs"]), len(second["runs"])) == (1, 1)
    asking = body_of(player.http("list_runs", path="runs", query={"needs_answer": "true"}))["runs"]
    assert [run["required_action"]["calls"] for run in asking] == [1]
    assert player.http("list_runs", path="runs", query={"status": "red"})["result"]["status"] == 400
    player.durable.broken = True
    assert player.http("list_runs", path="runs")["result"]["status"] == 503


def count_runs(player: Player) -> None:
    player.durable.add("runs")
    # The scripted platform knows no windows: each shows the run anew.
    assert body_of(player.http("count_runs", path="runs/counts"))["last_week"]["Running"] == 3
    assert player.http("count_runs", path="runs/counts", query={"a": "b"})["result"]["status"] == 400


def cancel_runs(player: Player) -> None:
    player.durable.add("runs", customStatus={"status": "Running"})
    player.durable.add("done", runtimeStatus="Completed")
    player.durable.on_event = lambda row, event, data: row.update(customStatus={"status": "Cancelling"})
    other = {"origin": "https://other.example", "content-type": "text/plain"}
    asked: Json = {"path": "runs/cancel", "body": {"reason": "why", "all": True}}
    assert player.http("cancel_runs", "POST", headers=other, **asked)["result"]["status"] == 403
    done = body_of(player.http("cancel_runs", "POST", **asked))
    assert (done["matched"], done["cancelled"]) == (1, 1)
    assert player.http("cancel_runs", "POST", path="runs/cancel", body={"reason": "why"})["result"]["status"] == 400


def submit_agent_run_tool_outputs(player: Player) -> None:
    def answer(instance_id: str, body: Any) -> Any:
        asked = {"path": f"runs/{instance_id}/tool_outputs", "params": {"instance_id": instance_id}, "body": body}
        return player.http("submit_agent_run_tool_outputs", "POST", **asked)["result"]["status"]

    player.durable.add("asks", customStatus=ASKS)
    player.durable.add("runs", customStatus={"status": "Running"})
    player.durable.on_event = lambda row, event, data: row.update(customStatus={"status": "Running", "answered": 1})
    assert answer("asks", {"tool_outputs": [{"tool_call_id": "call_x", "output": "?"}]}) == 400
    assert answer("asks", b"[") == 400
    assert answer("runs", OUTPUTS) == 409
    assert answer("nowhere", OUTPUTS) == 404
    assert answer("asks", OUTPUTS) == 202


def retry_agent_run(player: Player) -> None:
    def retry(instance_id: str, body: Any = b"") -> Any:
        asked = {"path": f"runs/{instance_id}/retry", "params": {"instance_id": instance_id}, "body": body}
        return player.http("retry_agent_run", "POST", **asked)["result"]["status"]

    failure = {"runtimeStatus": "Failed", "output": "Orchestrator function 'agent_run' failed: timeout: late"}
    player.durable.add("failed", input={"request": QUESTION, "policy": POLICY}, historyEvents=[], **failure)
    player.durable.add("runs", customStatus={"status": "Running"})
    assert retry("failed") == 202
    assert retry("failed", {"colour": "red"}) == 400
    assert retry("runs") == 409
    assert retry("nowhere") == 404


def _charted(player: Player) -> dict[str, str]:
    """An instance whose run has made files, and its parameters."""
    thread_id = player.activity("create_thread", {"runs_as": ME, "stamp": STAMP})["value"]["thread_id"]
    player.activity(
        "create_message", {"runs_as": ME, "thread_id": thread_id, "message": {"content": "Draw."}, "stamp": STAMP}
    )
    wanted = {"runs_as": ME, "thread_id": thread_id, "agent_id": CHART_AGENT.id, "effect": EFFECT}
    run_id = player.activity("create_run", wanted)["value"]["run_id"]
    player.clock.advance(30)
    shown = {"status": "Running", "thread_id": thread_id, "run_id": run_id}
    player.durable.add("charted", customStatus=shown)
    player.durable.add("new", customStatus={"status": "Running"})
    return {"instance_id": "charted"}


def agent_run_steps(player: Player) -> None:
    params = _charted(player)

    def steps(instance_id: str) -> Json:
        return player.http("agent_run_steps", path=f"runs/{instance_id}/steps", params={"instance_id": instance_id})

    found = body_of(steps(params["instance_id"]))["steps"]
    assert {call["type"] for step in found for call in step["tool_calls"]} == {"code_interpreter"}
    assert body_of(steps("new"))["steps"] == []
    assert steps("nowhere")["result"]["status"] == 404
    player.foundry.faults.add("status", operation="list_steps", status=500)
    assert steps("charted")["result"]["status"] == 502


def agent_run_file(player: Player) -> None:
    params = _charted(player)

    def file(file_id: str, instance_id: str = "charted") -> Any:
        asked = {"path": f"runs/{instance_id}/files/{file_id}", "params": {**params, "file_id": file_id}}
        asked["params"]["instance_id"] = instance_id
        return player.http("agent_run_file", **asked)["result"]

    for made in CHART_FILES:
        found = file(made)
        assert found["status"] == 200
        assert {k.lower(): v for k, v in found["headers"].items()}["content-disposition"].startswith("attachment; ")
    assert file("assistant-other")["status"] == 404
    assert file(CHART_FILES[0], "nowhere")["status"] == 404
    player.foundry.faults.add("status", operation="get_file", status=500)
    assert file(CHART_FILES[0])["status"] == 502


def agent_run_events(player: Player) -> None:
    took = {"EventType": "TaskCompleted", "FunctionName": "create_thread", "Timestamp": "2026-11-26T10:00:01.5Z"}
    player.durable.add("told", historyEvents=[{**took, "ScheduledTime": "2026-11-26T10:00:00.5Z"}])
    asked: Json = {"path": "runs/told/events", "params": {"instance_id": "told"}}
    told = body_of(player.http("agent_run_events", **asked))
    assert [event["duration_seconds"] for event in told["events"]] == [1.0]
    assert body_of(player.http("agent_run_events", **asked, query={"after": told["next"]}))["events"] == []
    stream = player.http("agent_run_events", **asked, headers={"accept": "text/event-stream"})["result"]
    assert stream["status"] == 200
    params = {"instance_id": "nowhere"}
    assert player.http("agent_run_events", path="runs/nowhere/events", params=params)["result"]["status"] == 404


def thread_messages(player: Player) -> None:
    thread_id = player.activity("create_thread", {"runs_as": ME, "stamp": STAMP})["value"]["thread_id"]
    player.activity(
        "create_message", {"runs_as": ME, "thread_id": thread_id, "message": {"content": "Draw."}, "stamp": STAMP}
    )
    wanted = {"runs_as": ME, "stamp": STAMP, "generation": "responses", "message": {"content": "Draw."}}
    conversation_id = player.activity("create_thread", wanted)["value"]["thread_id"]
    assert conversation_id.startswith("conv_")
    for known in (thread_id, conversation_id):
        asked: Json = {"path": f"threads/{known}/messages", "params": {"thread_id": known}}
        assert [m["text"] for m in body_of(player.http("thread_messages", **asked))["messages"]] == ["Draw."]
    params = {"thread_id": "thread_nowhere"}
    answer = player.http("thread_messages", path="threads/thread_nowhere/messages", params=params)
    assert answer["result"]["status"] == 404


def list_agents(player: Player) -> None:
    listed = body_of(player.http("list_agents", path="agents"))
    assert {agent["generation"] for agent in listed["agents"]} == {"classic", "responses"}
    player.foundry.faults.add("status", operation="list_agents", status=403, times=2)
    half = body_of(player.http("list_agents", path="agents"))
    assert [warning["generation"] for warning in half["warnings"]] == ["classic"]
    player.foundry.faults.add("status", operation="list_named_agents", status=403)
    assert player.http("list_agents", path="agents")["result"]["status"] == 502


def health(player: Player) -> None:
    assert body_of(player.http("health"))["status"] == "ok"


def ready(player: Player) -> None:
    assert body_of(player.http("ready", path="health/ready"))["ready"] is True
    player.foundry.faults.add("status", operation="list_agents", status=401, times=None)
    assert player.http("ready", path="health/ready")["result"]["status"] == 503


def openapi(player: Player) -> None:
    assert body_of(player.http("openapi", path="openapi.json"))["openapi"].startswith("3.1")


def console(player: Player) -> None:
    page = player.http("console", path="console")["result"]
    assert page["status"] == 200
    tag = {name.lower(): value for name, value in page["headers"].items()}["etag"]
    assert player.http("console", path="console", headers={"if-none-match": tag})["result"]["status"] == 304


def console_file(player: Player) -> None:
    for name, status in (("app.mjs", 200), ("vendored.json", 404)):
        asked = {"path": f"console/{name}", "params": {"file": name}}
        assert player.http("console_file", **asked)["result"]["status"] == status


SCENARIOS: dict[str, Callable[[Player], None]] = {
    function.__name__: function
    for function in (
        run_agent,
        start_agent_run,
        list_runs,
        count_runs,
        cancel_runs,
        agent_run_status,
        cancel_agent_run,
        submit_agent_run_tool_outputs,
        retry_agent_run,
        agent_run_steps,
        agent_run_file,
        agent_run_events,
        thread_messages,
        list_agents,
        health,
        ready,
        openapi,
        console,
        console_file,
    )
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_http_function_answers_alike(name: str, product: Both) -> None:
    notes = product(SCENARIOS[name])
    answers = [note for note in notes if note.get("invoked") == name]
    assert answers
    assert all("result" in answer for answer in answers)


def test_every_http_function_has_a_scenario() -> None:
    assert set(SCENARIOS) == set(HTTP)
