"""Every answer and error code of the table of operations, provoked, and held to the description field by field."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from contracts.codes import ErrorCode
from http_api.file_headers import MOST_FILE_BYTES
from http_api.links import FAILURE_IS_500
from http_api.request_body import MAX_BODY_BYTES
from local.foundry_emulator.scripts import File
from tests.e2e.generations import of_generation
from tests.e2e.somebody import start_run
from tests.e2e.world import PATIENCE_SECONDS, World, agent, until
from tests.functions_host.harness import Answer
from tests.openapi.description import Description, table, with_code

pytestmark = pytest.mark.e2e

GOOD = {"agent_id": agent("instant"), "user_message": "hi"}
RARE = (
    ErrorCode.CONFIGURATION_ERROR,
    ErrorCode.INTERNAL_ERROR,
    ErrorCode.NOT_ACKNOWLEDGED,
    ErrorCode.RECOVERING,
    ErrorCode.STORE_UNAVAILABLE,
    ErrorCode.INSTANCE_NOT_SEEN,
)


class Caller:
    """Calls operations by their names and has every answer judged."""

    def __init__(self, world: World, description: Description, headers: dict[str, str]) -> None:
        self.world = world
        self.description = description
        self.headers = headers

    def __call__(
        self, operation: str, body: Any = None, headers: dict[str, str] | None = None, query: str = "", **route: str
    ) -> Answer:
        method, path, _ = self.description.operations()[operation]
        url = self.description.document["servers"][0]["url"] + path.format(**route) + query
        body = b"" if body is None and method == "POST" else body
        answer = self.world.host.request(method, url, body, headers={**self.headers, **(headers or {})})
        return self.description.conforms(operation, answer)

    def in_chunks(self, operation: str, **route: str) -> Answer:
        """Call an operation with a body that the platform drops."""
        _, path, _ = self.description.operations()[operation]
        url = urlsplit(self.description.document["servers"][0]["url"]).path + path.format(**route)
        return self.description.conforms(operation, self.world.post_in_chunks(url, b"{}", self.headers))

    def purge(self, started: Answer) -> None:
        """Forget a run that has ended, as an operator does."""
        self.until(started.json["id"], ended)
        assert self.world.host.request("DELETE", started.json["purgeHistoryDeleteUri"]).status == 200

    def start(self, name: str, **fields: Any) -> str:
        return str(self("run_agent", {**GOOD, "agent_id": agent(name), **fields}).json["id"])

    def until(self, instance: str, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            document = dict(self("agent_run_status", instance_id=instance).json)
            if condition(document):
                return document
            time.sleep(0.02)
        raise AssertionError(f"does not get there: {document}")


def ended(document: dict[str, Any]) -> bool:
    return document["status"] not in ("Running", "Cancelling")


def provoke_runs_of_every_end(call: Caller) -> None:
    statuses = {call.until(call.start(name), ended)["status"] for name in ("instant", "silent", "fails", "rich")}
    assert statuses == {"Success", "Failed"}
    nowhere = call.until(call.start("instant", thread_id="thread_nowhere"), ended)
    assert nowhere["error"]["code"] == "not_found"
    late = call.until(call.start("forever", timeout_seconds=3), ended)
    assert late["error"]["code"] == "timeout"


def provoke_both_starts(call: Caller) -> None:
    started = call("start_agent_run", {"user_message": "hi"}, agent_id=agent("instant")).json
    call.until(started["id"], ended)
    text = {"Content-Type": "text/plain; charset=utf-8"}
    call("start_agent_run", b"wie geht's?", text, agent_id=agent("instant"))
    call("run_agent", b"hello", text, f"?agent_id={agent('instant')}")
    assert call("run_agent", GOOD, {"Prefer": "wait=20"}).status == 200
    answer = call("start_agent_run", {"user_message": "hi"}, {"Prefer": "wait=20"}, agent_id=agent("instant"))
    assert answer.json["status"] == "Success"
    assert call("run_agent", {**GOOD, "agent_id": agent("forever")}, {"Prefer": "wait=1"}).status == 202
    asks = call("run_agent", {**GOOD, "agent_id": agent("tool")}, {"Prefer": "wait=60"})
    assert (asks.status, asks.json["required_action"]["event"]) == (202, "tool_outputs_1")


def provoke_failures_as_500(call: Caller) -> None:
    query = f"?{FAILURE_IS_500}=true"
    fails = {**GOOD, "agent_id": agent("fails")}
    started = call("run_agent", fails, query=query)
    assert started.headers["Location"] == started.json["runUri"]
    assert started.json["runUri"].endswith(query)
    call.until(started.json["id"], ended)
    seen = call("agent_run_status", query=query, instance_id=started.json["id"])
    assert (seen.status, seen.json["status"]) == (500, "Failed")
    durable = call.world.host.request("GET", started.json["statusQueryGetUri"])
    assert (durable.status, durable.json["runtimeStatus"]) == (500, "Failed")
    waits = {"Prefer": "wait=60"}
    assert call("run_agent", fails, waits, query).status == 500
    assert call("start_agent_run", {"user_message": "hi"}, waits, query, agent_id=agent("fails")).status == 500
    for operation, route in (("run_agent", {}), ("agent_run_status", {"instance_id": seen.json["instanceId"]})):
        body = fails if operation == "run_agent" else None
        assert call(operation, body, query=f"?{FAILURE_IS_500}=yes", **route).status == 400
    assert call("agent_run_status", query="?showInput=true", instance_id=seen.json["instanceId"]).status == 400


def provoke_bad_starts(call: Caller, *, route: bool) -> None:
    def start(body: Any, headers: dict[str, str] | None = None, query: str = "") -> int:
        if not route:
            return call("run_agent", body, headers, query).status
        if isinstance(body, dict):
            body = {name: value for name, value in body.items() if name != "agent_id"}
        return call("start_agent_run", body, headers, query, agent_id=agent("instant")).status

    assert start({**GOOD, "user_message": " ", "colour": "red"}) == 400
    assert start({**GOOD, "timeout_seconds": 90_000}) == 400
    assert start({**GOOD, "thread_id": "thread_a"}, query="?thread_id=thread_b") == 400
    assert start(b"{") == 400
    assert start(b'{"user_message": "\xff"}') == 400
    assert start(b" " * (MAX_BODY_BYTES + 1)) == 413
    assert start(b"<a/>", {"Content-Type": "application/xml"}) == 415
    assert start(GOOD, query=f"?user_message={'x' * 8192}") == 414
    name = "start_agent_run" if route else "run_agent"
    assert call.in_chunks(name, agent_id=agent("instant")).status == 411
    once = {"Idempotency-Key": f"once-{route}"}
    assert start(GOOD, once) == 202
    assert start(GOOD, once) == 202
    assert start({**GOOD, "user_message": "another"}, once) == 409


def busy_thread(call: Caller) -> tuple[str, str, dict[str, str]]:
    """A run that owns a thread, one that failed there before, and what asks to fail on that thread."""
    failed = call.start("fails", if_thread_busy="fail")
    thread_id = call.until(failed, ended)["thread_id"]
    owner = call.start("forever", thread_id=thread_id)
    call.until(owner, lambda d: d["run_id"])
    return owner, failed, {"thread_id": thread_id, "if_thread_busy": "fail"}


def provoke_busy_threads(call: Caller) -> None:
    owner, failed, fields = busy_thread(call)
    by_route = {"agent_id": agent("instant")}
    assert call("run_agent", {**GOOD, **fields}).headers["Location"].endswith(f"/runs/{owner}")
    assert call("start_agent_run", {"user_message": "hi", **fields}, **by_route).status == 409
    assert call("retry_agent_run", instance_id=failed).headers["Location"].endswith(f"/runs/{owner}")
    assert call("cancel_agent_run", instance_id=owner).status == 202


def provoke_starts_of_purged_runs(call: Caller) -> None:
    for operation, more, route in (
        ("run_agent", {"agent_id": agent("instant")}, {}),
        ("start_agent_run", {}, {"agent_id": agent("instant")}),
    ):
        once = {"user_message": "hi", "idempotency_key": f"purged-{operation}", **more}
        call.purge(call(operation, once, **route))
        assert call(operation, once, **route).status == 410
    failed = call.start("fails")
    call.until(failed, ended)
    call.purge(call("retry_agent_run", instance_id=failed))
    assert call("retry_agent_run", instance_id=failed).status == 410


def provoke_bad_agents(call: Caller) -> None:
    def start(given: str) -> int:
        answers = (
            call("start_agent_run", {"user_message": "hi"}, agent_id=given),
            call("run_agent", {**GOOD, "agent_id": given}),
        )
        (status,) = {answer.status for answer in answers}
        return status

    call.world.emulator.faults.add(kind="html", status=502, operation="list_agents", times=2)
    assert start("instant") == 502
    assert start("instand") == 404
    assert start("asst_other") == 400


def provoke_bad_bodies(call: Caller, operation: str, instance: str) -> None:
    assert call(operation, {"colour": "red"}, instance_id=instance).status == 400
    assert call(operation, b"{", instance_id=instance).status == 400
    assert call(operation, b'{"reason": "\xff"}', instance_id=instance).status == 400
    assert call(operation, b" " * (MAX_BODY_BYTES + 1), instance_id=instance).status == 413
    assert call(operation, b"<a/>", {"Content-Type": "application/xml"}, instance_id=instance).status == 415
    assert call.in_chunks(operation, instance_id=instance).status == 411


def provoke_cancel(call: Caller) -> None:
    instance = call.start("forever")
    provoke_bad_bodies(call, "cancel_agent_run", instance)
    assert call("agent_run_status", headers={"Prefer": "wait=1"}, instance_id=instance).status == 202
    assert call("cancel_agent_run", {"reason": "enough"}, instance_id=instance).status == 202
    cancelled = call("agent_run_status", headers={"Prefer": "wait=60"}, instance_id=instance).json
    assert cancelled["output"].startswith("enough")
    assert call("cancel_agent_run", instance_id=instance).status == 200
    ended_otherwise = call.start("instant")
    call.until(ended_otherwise, ended)
    assert call("cancel_agent_run", instance_id=ended_otherwise).status == 409
    assert call("cancel_agent_run", instance_id="nobody").status == 404


def provoke_retry(call: Caller) -> None:
    failed, good = call.start("fails"), call.start("instant")
    call.until(failed, ended)
    call.until(good, ended)
    provoke_bad_bodies(call, "retry_agent_run", failed)
    repetition = call("retry_agent_run", instance_id=failed).json["id"]
    call.until(repetition, ended)
    waits = {"Prefer": "wait=60"}
    assert call("retry_agent_run", {"timeout_seconds": 60}, waits, instance_id=failed).status == 200
    assert call("retry_agent_run", None, waits, f"?{FAILURE_IS_500}=true", instance_id=failed).status == 500
    assert call("retry_agent_run", instance_id=good).status == 409
    assert call("retry_agent_run", instance_id="nobody").status == 404
    faults = call.world.emulator.faults
    faults.add(kind="status", status=400, operation="create_message", times=1)
    unposted = call.start("instant")
    call.until(unposted, ended)
    faults.add(kind="html", status=502, operation="list_messages", times=1)
    assert call("retry_agent_run", instance_id=unposted).status == 502


def provoke_tool_outputs(call: Caller) -> None:
    instance = call.start("tool")
    answer = {"tool_outputs": [{"tool_call_id": "call_other", "output": "rain"}]}
    action = call.until(instance, lambda d: d["required_action"])["required_action"]
    assert call("submit_agent_run_tool_outputs", answer, instance_id=instance).status == 400
    provoke_bad_bodies(call, "submit_agent_run_tool_outputs", instance)
    right = {"tool_outputs": [{"tool_call_id": c["id"], "output": "rain"} for c in action["calls"]]}
    assert call("submit_agent_run_tool_outputs", right, instance_id=instance).status == 202
    assert call.until(instance, ended)["status"] == "Success"
    assert call("submit_agent_run_tool_outputs", right, instance_id=instance).status == 202
    assert call("submit_agent_run_tool_outputs", answer, instance_id=instance).status == 409
    assert call("submit_agent_run_tool_outputs", right, instance_id="nobody").status == 404
    asks_nothing = call.start("forever")
    assert call("submit_agent_run_tool_outputs", right, instance_id=asks_nothing).status == 409
    for name, status in (("picky", 400), ("clicks", 409)):
        instance = call.start(name)
        asked = call.until(instance, lambda d: d["required_action"])["required_action"]
        given = {"tool_outputs": [{"tool_call_id": c["id"], "output": "rain"} for c in asked["calls"]]}
        assert call("submit_agent_run_tool_outputs", given, instance_id=instance).status == status


def provoke_two_answers_to_one_question(call: Caller) -> None:
    """Callers who answer at once: who comes too late is told so, or that nothing is asked any more."""
    too_late = ("submit_agent_run_tool_outputs", 409, ErrorCode.ANSWERED_OTHERWISE)
    deadline = time.monotonic() + PATIENCE_SECONDS
    with ThreadPoolExecutor(4) as pool:
        while too_late not in call.description.seen:
            assert time.monotonic() < deadline
            instance = call.start("tool")
            calls = call.until(instance, lambda d: d["required_action"])["required_action"]["calls"]
            answers = [{"tool_outputs": [{"tool_call_id": c["id"], "output": o} for c in calls]} for o in "abcd"]
            sent = [pool.submit(call, "submit_agent_run_tool_outputs", a, instance_id=instance) for a in answers]
            assert [future.result().status for future in sent].count(202) == 1


def provoke_steps_and_files(call: Caller) -> None:
    instance = call.start("rich")
    document = call.until(instance, ended)
    assert call("agent_run_steps", instance_id=instance).json["steps"]
    assert call("agent_run_steps", instance_id="nobody").status == 404
    image, *others = (a["id"] for a in document["output"]["attachments"] if a["kind"] != "image_url")
    call.world.emulator.add_file(File(filename="a.png", id=image, base64="iVBORw0KGgo="))
    for other in others:
        call.world.emulator.add_file(File(filename="a.csv", id=other, says_bytes=MOST_FILE_BYTES + 1))
        assert call("agent_run_file", instance_id=instance, file_id=other).status == 413
    assert call("agent_run_file", instance_id=instance, file_id=image).body.startswith(b"\x89PNG")
    assert call("agent_run_file", instance_id=instance, file_id="assistant-other").status == 404
    faults = call.world.emulator.faults
    faults.add(kind="html", status=502, operation="get_file", times=1)
    assert call("agent_run_file", instance_id=instance, file_id=image).status == 502
    faults.add(kind="html", status=502, operation="list_steps", times=1)
    assert call("agent_run_steps", instance_id=instance).status == 502


def provoke_events_and_conversations(call: Caller) -> None:
    instance = call.start("rich")
    document = call.until(instance, ended)
    told = call("agent_run_events", instance_id=instance)
    assert told.json["events"]
    assert call("agent_run_events", query=f"?after={told.json['next']}", instance_id=instance).json["events"] == []
    stream = {"Accept": "text/event-stream"}
    assert call("agent_run_events", headers=stream, instance_id=instance).text.startswith("retry: ")
    assert call("agent_run_events", None, stream, f"?after={told.json['next']}", instance_id=instance).status == 204
    assert call("agent_run_events", query="?after=nonsense", instance_id=instance).status == 400
    assert call("agent_run_events", instance_id="nobody").status == 404
    thread = document["thread_id"]
    assert call("thread_messages", query="?limit=1", thread_id=thread).json["next_cursor"]
    assert call("thread_messages", query="?limit=0", thread_id=thread).status == 400
    assert call("thread_messages", thread_id="thread_nowhere").status == 404
    call.world.emulator.faults.add(kind="html", status=502, operation="list_messages", times=1)
    assert call("thread_messages", thread_id=thread).status == 502


def provoke_a_conversation_that_waits_for_somebody_else(call: Caller) -> None:
    """A run has failed there, and then somebody else's agent has asked for the output of a tool."""
    failed = str(call("run_agent", {"agent_id": "fails", "user_message": "hi"}).json["id"])
    conversation = call.until(failed, ended)["thread_id"]
    assert call("thread_messages", thread_id=conversation).json["messages"]
    with of_generation("responses"):
        start_run(call.world, "tool", conversation)
    until(lambda: call.world.thread(conversation)["open_calls"])
    on_it = {"user_message": "and now?", "thread_id": conversation}
    assert call("run_agent", {"agent_id": "history", **on_it}).status == 409
    assert call("start_agent_run", on_it, agent_id="history").status == 409
    assert call("retry_agent_run", instance_id=failed).status == 409


def provoke_the_other_routes(call: Caller) -> None:
    listed = call("list_agents").json
    assert {"id", "name", "model", "generation", "version", "kind", "enabled"} == set(listed["agents"][0])
    assert listed["warnings"] == []
    assert call("health").status == 200
    assert call("ready").status == 200
    assert call("openapi").json["openapi"] == call("openapi", query="?version=3.1").json["openapi"] == "3.1.0"
    assert call("openapi", query="?version=3.0").json["openapi"] == "3.0.3"
    assert call("openapi", query="?version=2.0").status == call("openapi", query="?versions=3.0").status == 400
    assert call("agent_run_status", instance_id="nobody").status == 404
    faults = call.world.emulator.faults
    faults.add(kind="html", status=502, operation="list_agents", times=1)
    assert [warning["generation"] for warning in call("list_agents").json["warnings"]] == ["classic"]
    for operation in ("list_agents", "list_named_agents"):
        faults.add(kind="html", status=502, operation=operation, times=1)
    assert call("list_agents").status == 502
    faults.add(kind="status", status=403, operation="list_agents", times=1)
    assert call("ready").status == 503


def provoke_lists(call: Caller) -> None:
    page = call("list_runs", query="?limit=2&status=Success,Failed&status=Cancelled")
    assert len(page.json["runs"]) == 2
    assert call("list_runs", query=f"?limit=1&cursor={page.json['next_cursor']}").status == 400
    of_version = call("run_agent", {"agent_id": "history:1", "user_message": "hi"}).json["id"]
    call.until(of_version, ended)
    listed = call("list_runs", query="?agent_id=history:1").json["runs"]
    assert [(run["instanceId"], run["agent_version"]) for run in listed] == [(of_version, "1")]
    asking = call.start("tool")
    call.until(asking, lambda d: d["required_action"])
    assert asking in [run["instanceId"] for run in call("list_runs", query="?needs_answer=true").json["runs"]]
    assert call("count_runs").json["last_hour"]["Running"]
    assert call("count_runs", query="?a=b").status == 400
    picked = {"agent_id": agent("tool"), "reason": "no more questions"}
    assert call("cancel_runs", picked).json["cancelled"]
    assert call.until(asking, ended)["output"].startswith("no more questions")
    assert call("cancel_runs", {"reason": "x"}).status == 400
    assert call("cancel_runs", b"{").status == 400
    assert call("cancel_runs", b"\xff").status == 400
    assert call("cancel_runs", b" " * (MAX_BODY_BYTES + 1)).status == 413
    assert call("cancel_runs", b"<a/>", {"Content-Type": "text/xml"}).status == 415
    assert call.in_chunks("cancel_runs").status == 411


def provoke_refusals_of_keys(call: Caller) -> None:
    stranger = Caller(call.world, call.description, {})
    wrong = Caller(call.world, call.description, {"x-functions-key": "wrong"})
    for name, (method, _, operation) in call.description.operations().items():
        body = {"user_message": "hi"} if method == "POST" else None
        route = {"instance_id": "nobody", "file_id": "nothing", "thread_id": "nothing"}
        for caller in (stranger, wrong):
            answer = caller(name, body, agent_id=agent("instant"), **route)
            assert answer.status == (200 if operation.get("security") == [] else 401), name
    in_query = f"?code={call.world.host.ready['function_key']}"
    assert stranger("list_agents", query=in_query).status == 200


def provoke_requests_of_other_sites(call: Caller) -> None:
    """The local host takes any name of this machine for its own, the app takes a page of another name for another."""
    other = {"Origin": call.world.host.url.replace("127.0.0.1", "localhost"), "Content-Type": "text/plain"}
    for name, (method, _, _) in call.description.operations().items():
        if method == "POST":
            assert call(name, b"hi", other, agent_id=agent("instant"), instance_id="nobody").status == 403, name


def test_every_described_answer(world: World, description: Description, key: dict[str, str]) -> None:
    call = Caller(world, description, key)
    provoke_runs_of_every_end(call)
    provoke_both_starts(call)
    provoke_failures_as_500(call)
    provoke_bad_starts(call, route=False)
    provoke_bad_starts(call, route=True)
    provoke_busy_threads(call)
    provoke_starts_of_purged_runs(call)
    provoke_bad_agents(call)
    provoke_cancel(call)
    provoke_retry(call)
    provoke_tool_outputs(call)
    provoke_two_answers_to_one_question(call)
    provoke_steps_and_files(call)
    provoke_events_and_conversations(call)
    provoke_a_conversation_that_waits_for_somebody_else(call)
    provoke_the_other_routes(call)
    provoke_lists(call)
    provoke_refusals_of_keys(call)
    provoke_requests_of_other_sites(call)
    # test_rare_answers.py provokes what a healthy app does not answer
    assert table() - description.seen == with_code(table(), *RARE)
