"""The HTTP functions with a fake durable client and a fake agent service."""

import asyncio
import json
import logging
import re
import threading
import types
from datetime import UTC, datetime

import azure.functions as func
import msgspec
import pytest
from azure.durable_functions import DurableOrchestrationClient
from azure.durable_functions.models.DurableOrchestrationStatus import DurableOrchestrationStatus

from app_log import log_event
from contracts.agents import ResolvedAgent
from contracts.generations import CAPABILITIES
from contracts.ids import INSTANCE_PATTERN
from contracts.outcome import Outcome
from contracts.runs import AgentSummary
from contracts.wire import to_wire
from foundry import connection, errors
from foundry.directory import AgentDirectory
from http_api import agents, health, instances, payload_limit, run_control, run_status, runs, starting, waiting
from http_api.request_body import MAX_BODY_BYTES
from settings import DEFAULTS
from tests.unit.scripted import ENDPOINT, PROMPT
from validation.tool_answers import answer_digest
from version import VERSION

ORIGIN = "https://app.azurewebsites.net"
HOST = f"{ORIGIN}/api"


class FakeClient:
    """Stands in for the durable client: instances by id, and what was asked of it."""

    def __init__(self):
        self.instances: dict[str, dict] = {}
        self.asked: list[str] = []
        self.events: list[tuple] = []
        self.started: list[tuple] = []
        self.on_event = lambda *event: None

    async def get_status(self, instance_id, show_input=False, **options):
        self.asked.append(instance_id)
        payload = dict(self.instances.get(instance_id, {}))
        if not show_input:
            payload.pop("input", None)
        return DurableOrchestrationStatus.from_json(payload)

    async def start_new(self, name, instance_id, client_input):
        json.dumps(client_input, allow_nan=False)
        self.started.append((name, instance_id, client_input))
        self.instances[instance_id] = instance(instance_id, input=json.dumps(client_input))
        return instance_id

    async def raise_event(self, instance_id, name, data=None):
        self.events.append((instance_id, name, data))
        self.on_event(instance_id, name, data)

    def create_http_management_payload(self, instance_id):
        base = f"https://inner.example/runtime/webhooks/durabletask/instances/{instance_id}"
        key = "taskHub=h&connection=c&code=system"
        return {
            "id": instance_id,
            "statusQueryGetUri": f"{base}?{key}",
            "sendEventPostUri": f"{base}/raiseEvent/{{eventName}}?{key}",
            "terminatePostUri": f"{base}/terminate?reason={{text}}&{key}",
        }


STOPPED = {"code": "timeout", "message": "not done"}
OUTCOME = to_wire(
    Outcome(
        status="Success",
        response="",
        thread_id="t",
        run_id="r",
        composite_run_id="agent#t#r",
        agent_id="a",
        run_status="completed",
        message_id=None,
        annotations=[],
        attachments=[],
        usage=None,
        model=None,
        monitor_url=None,
        started_at="2026-11-21T10:00:00Z",
        completed_at="2026-11-21T10:00:00Z",
    )
)


def instance(instance_id="i1", status="Running", **fields):
    return {
        "name": "agent_run",
        "instanceId": instance_id,
        "runtimeStatus": status,
        "customStatus": None,
        "output": None,
        "createdTime": "2026-11-21T10:00:00Z",
        "lastUpdatedTime": "2026-11-21T10:00:00Z",
        **fields,
    }


@pytest.fixture(autouse=True)
def environment(monkeypatch, documents):
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FOUNDRY_PROJECT_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("FOUNDRY_DEFAULT_AGENT_ID", "asst_1")
    monkeypatch.setattr(instances, "LOOK_SECONDS", 0)
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0)

    async def known(settings, given):
        return ResolvedAgent(given)

    monkeypatch.setattr(starting, "known_agent", known)

    async def nothing(self, instance_id):
        return {}

    monkeypatch.setattr(instances.TaskHub, "__init__", lambda self, client: None)
    monkeypatch.setattr(instances.TaskHub, "whole", nothing)
    return monkeypatch


@pytest.fixture
def client():
    return FakeClient()


def call(builder, path="/run_agent", body=None, *, method="POST", route=None, query=None, headers=None, client=None):
    """Call an HTTP function as the worker does; return status, JSON body and headers."""
    function = builder._function.get_user_function()
    function = getattr(function, "client_function", function)
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    req = func.HttpRequest(
        method=method,
        url=HOST + path,
        headers={"content-type": "application/json", **(headers or {})},
        params=query or {},
        route_params=route or {},
        body=raw,
    )
    called = function(req=req, client=client) if client else function(req=req)
    answer = asyncio.run(called) if asyncio.iscoroutine(called) else called
    return answer.status_code, json.loads(answer.get_body()), answer.headers


# --- start ------------------------------------------------------------------------------------------------------------


def test_a_start_answers_with_the_standard_payload_and_our_routes(client):
    status, body, headers = call(runs.run_agent, body={"user_message": "hi"}, client=client)
    assert status == 202
    [(name, run, given)] = client.started
    assert (name, body["id"]) == ("agent_run", run)
    assert re.fullmatch(INSTANCE_PATTERN, run)
    assert body["runUri"] == f"{HOST}/runs/{run}"
    assert body["cancelPostUri"] == f"{HOST}/runs/{run}/cancel"
    assert body["statusQueryGetUri"].startswith(f"{ORIGIN}/runtime/webhooks/durabletask/instances/{run}?")
    assert headers["Location"] == body["runUri"]
    assert headers["Retry-After"].isdigit()
    assert given["request"] == {"user_message": "hi"}
    assert given["policy"]["agent_id"] == "asst_1"


def test_the_agent_may_be_in_the_route(client):
    status, _, _ = call(
        runs.start_agent_run, "/agents/asst_7/runs", {"user_message": "hi"}, route={"agent_id": "asst_7"}, client=client
    )
    assert status == 202
    assert client.started[0][2]["policy"]["agent_id"] == "asst_7"


@pytest.mark.parametrize(
    ("body", "status"), [({}, 400), (b"{", 400), (b"x" * (MAX_BODY_BYTES + 1), 413), ({"user_message": 5}, 400)]
)
def test_a_bad_request_starts_nothing(client, body, status):
    assert call(runs.run_agent, body=body, client=client)[0] == status
    assert client.started == []


def test_without_settings_a_start_names_them_and_starts_nothing(client, environment):
    environment.delenv("FOUNDRY_PROJECT_ENDPOINT")
    status, body, _ = call(runs.run_agent, body={"user_message": "hi"}, client=client)
    assert (status, body["error"]["code"]) == (500, "configuration_error")
    assert body["error"]["target"] == "FOUNDRY_PROJECT_ENDPOINT"
    assert client.started == []


def test_a_client_that_fails_shows_nothing(client, caplog):
    async def fail(*args, **kwargs):
        raise RuntimeError(PROMPT)

    client.start_new = fail
    with caplog.at_level(logging.DEBUG):
        status, body, _ = call(runs.run_agent, body={"user_message": PROMPT}, client=client)
    assert (status, body["error"]["code"]) == (500, "internal_error")
    assert PROMPT not in json.dumps(body) + caplog.text


def test_no_log_line_of_a_start_has_the_prompt(client, caplog):
    with caplog.at_level(logging.DEBUG):
        call(runs.run_agent, body={"user_message": PROMPT}, client=client)
        call(runs.run_agent, body={"user_message": PROMPT, "x": PROMPT}, client=client)
        call(runs.run_agent, body={"user_message": PROMPT, "idempotency_key": "k"}, client=client)
    assert PROMPT not in caplog.text


def test_a_request_runs_within_the_trace_of_its_caller(client, caplog):
    async def start(name, instance_id, client_input):
        log_event(logging.getLogger("agent_run.http"), "started", trace=client._get_current_activity_context()[0])

    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    client.start_new = start
    client._get_current_activity_context = DurableOrchestrationClient._get_current_activity_context
    with caplog.at_level(logging.INFO):
        call(runs.run_agent, body={"user_message": "hi"}, headers={"traceparent": parent}, client=client)
        call(runs.run_agent, body={"user_message": "hi"}, headers={"traceparent": "?"}, client=client)
    lines = [json.loads(m.removeprefix("started ")) for m in caplog.messages if m.startswith("started {")]
    assert lines == [{"trace": parent, "trace_id": "a" * 32}, {"trace": None}]


def test_a_start_that_waits_answers_with_the_end(client):
    start = client.start_new

    async def start_and_end(name, instance_id=None, client_input=None):
        instance_id = await start(name, instance_id, client_input)
        client.instances[instance_id] = instance(instance_id, "Completed", output={**OUTCOME, "response": "blue"})
        return instance_id

    client.start_new = start_and_end
    status, body, headers = call(
        runs.run_agent, body={"user_message": "hi"}, headers={"prefer": "wait=5"}, client=client
    )
    assert (status, body["response"], body["status"]) == (200, "blue", "Success")
    assert headers["Preference-Applied"] == "wait=5"


def test_a_look_that_fails_while_the_caller_waits_does_not_lose_the_run(client):
    async def fail(*args, **options):
        raise RuntimeError("500")

    client.get_status = fail
    status, body, headers = call(
        runs.run_agent, body={"user_message": "hi"}, headers={"prefer": "wait=1"}, client=client
    )
    assert (status, body["id"], headers["Preference-Applied"]) == (202, client.started[0][1], "wait=1")


# --- status -----------------------------------------------------------------------------------------------------------


def status_of(client, instance_id="i1"):
    return call(
        run_status.agent_run_status,
        f"/runs/{instance_id}?code=secret",
        method="GET",
        route={"instance_id": instance_id},
        client=client,
    )


@pytest.mark.parametrize("status", ["Pending", "Running", "ContinuedAsNew", "Suspended"])
def test_a_run_that_goes_on_is_202_and_says_where_to_look_again(client, status):
    client.instances["i1"] = instance(status=status)
    code, body, headers = status_of(client)
    assert (code, body["status"], body["runtimeStatus"]) == (202, "Running", status)
    assert headers["Location"] == f"{HOST}/runs/i1"
    assert int(headers["Retry-After"]) >= 1


@pytest.mark.parametrize("status", ["Completed", "Failed", "Terminated", "Canceled"])
def test_a_run_that_has_ended_is_200(client, status):
    client.instances["i1"] = instance(status=status)
    code, _, headers = status_of(client)
    assert code == 200
    assert "Retry-After" not in headers


def test_the_status_never_shows_the_input(client):
    client.instances["i1"] = instance(input={"user_message": PROMPT})
    assert PROMPT not in json.dumps(status_of(client)[1])


def test_an_unknown_instance_is_404(client):
    code, body, _ = status_of(client, "nobody")
    assert (code, body["error"]["code"], body["error"]["target"]) == (404, "not_found", "instance_id")


def test_an_instance_of_another_orchestrator_is_unknown(client):
    client.instances["i1"] = instance(name="other")
    assert status_of(client)[0] == 404


@pytest.mark.parametrize(
    "instance_id", ["", ".", "..", "...", "a/b", "a?b", "a#b", "a b", "a%2f", "\u00e9", "x" * 101, "a\n"]
)
@pytest.mark.parametrize(
    "function", [run_status.agent_run_status, run_control.cancel_agent_run, run_control.submit_agent_run_tool_outputs]
)
def test_an_id_that_could_change_a_path_is_unknown_and_never_asked_for(client, instance_id, function):
    code, body, _ = call(function, "/runs/x", {}, route={"instance_id": instance_id}, client=client)
    assert (code, body["error"]["code"]) == (404, "not_found")
    assert client.asked == []
    assert client.events == []


# --- cancel and tool outputs ------------------------------------------------------------------------------------------


def cancel(client):
    return call(run_control.cancel_agent_run, "/runs/i1/cancel", route={"instance_id": "i1"}, client=client)


def test_a_cancel_is_answered_once_it_is_acknowledged(client):
    client.instances["i1"] = instance()
    client.on_event = lambda *event: client.instances["i1"].update(customStatus={"status": "Cancelling"})
    code, body, _ = cancel(client)
    assert (code, body["status"]) == (202, "Cancelling")
    assert client.events == [("i1", "cancel", None)]


def test_a_cancel_waits_until_the_instance_runs(client):
    client.instances["i1"] = instance(status="Pending")
    get_status, looks = client.get_status, []

    async def look(instance_id, **options):
        looks.append(client.instances["i1"]["runtimeStatus"])
        assert not client.events or "Running" in looks
        if len(looks) == 5:
            client.instances["i1"]["runtimeStatus"] = "Running"
        return await get_status(instance_id, **options)

    client.get_status = look
    client.on_event = lambda *event: client.instances["i1"].update(customStatus={"status": "Cancelling"})
    assert cancel(client)[0] == 202
    assert len(client.events) == 1


def test_a_cancel_reaches_an_instance_that_was_rewound(client):
    """It shows Pending until its next generation, and its old output."""
    client.instances["i1"] = instance(status="Pending", customStatus={"status": "Running", "step": "get_run"})
    client.on_event = lambda *event: client.instances["i1"].update(customStatus={"status": "Cancelling"})
    code, body, _ = cancel(client)
    assert (code, body["status"], body["runtimeStatus"]) == (202, "Cancelling", "Pending")
    assert len(client.events) == 1


def test_what_is_being_brought_back_is_not_asked_anything(client, environment):
    died = {"output": "One or more errors occurred. (x exited with code 137 (0x89))", "customStatus": None}
    client.instances["i1"] = instance(status="Failed", **died, lastUpdatedTime=datetime.now(UTC).isoformat())
    history = []

    async def whole(self, instance_id):
        return {**client.instances["i1"], "historyEvents": history}

    environment.setattr(instances.TaskHub, "whole", whole)
    code, body, headers = cancel(client)
    assert (code, body["error"]["code"], headers["Retry-After"]) == (503, "recovering", "60")
    assert client.events == []
    history.append({"EventType": "GenericEvent"})
    assert cancel(client)[1]["error"]["code"] == "already_ended", "it died again after it was brought back"


def test_a_cancel_that_is_lost_is_raised_again(client, environment):
    environment.setattr(instances, "RAISE_AGAIN_SECONDS", 0)
    client.instances["i1"] = instance()

    def acknowledge_the_third(*event):
        if len(client.events) == 3:
            client.instances["i1"]["customStatus"] = {"status": "Cancelling"}

    client.on_event = acknowledge_the_third
    assert cancel(client)[0] == 202
    assert len(client.events) == 3


def test_a_cancel_that_nobody_takes_says_to_ask_again(client, environment):
    environment.setattr(instances, "ACKNOWLEDGE_SECONDS", 0)
    client.instances["i1"] = instance()
    code, body, headers = cancel(client)
    assert (code, body["error"]["code"]) == (503, "not_acknowledged")
    assert headers["Retry-After"].isdigit()


@pytest.mark.parametrize("status", ["Completed", "Failed"])
def test_a_run_that_has_ended_cannot_be_cancelled(client, status):
    client.instances["i1"] = instance(status=status)
    code, body, _ = cancel(client)
    assert (code, body["error"]["code"]) == (409, "already_ended")
    assert client.events == []


def test_a_run_that_ends_just_then_is_no_500(client):
    client.instances["i1"] = instance()

    async def refuse(*event):
        client.instances["i1"] = instance(status="Completed", output={})
        raise Exception("the instance is gone")  # noqa: TRY002 - as the SDK does

    client.raise_event = refuse
    assert cancel(client)[0] == 409


@pytest.mark.parametrize(
    "custom",
    [
        {"status": "Running", "run_state": "completed", "step": "get_response"},
        {
            "status": "Running",
            "run_state": "active",
            "step": "cancel_run",
            "error": {"code": "timeout", "message": "m"},
        },
    ],
)
def test_a_run_that_is_ending_already_cannot_be_cancelled(client, custom):
    client.instances["i1"] = instance(customStatus={"thread_id": "t", "run_id": "r", **custom})
    code, body, _ = cancel(client)
    assert (code, body["error"]["code"]) == (409, "already_ended")
    assert client.events == []


def test_looks_that_fail_for_a_moment_do_not_fail_a_cancel(client):
    client.instances["i1"] = instance()
    client.on_event = lambda *event: client.instances["i1"].update(customStatus={"status": "Cancelling"})
    get_status, looks = client.get_status, []

    async def look(instance_id, **options):
        looks.append(instance_id)
        if len(looks) in (2, 4):
            raise RuntimeError("500")
        return await get_status(instance_id, **options)

    client.get_status = look
    assert cancel(client)[0] == 202


WAITING = {
    "status": "Running",
    "required_action": {"event": "tool_outputs_1", "calls": [{"id": "call_1", "kind": "function", "name": "f"}]},
}


def answer(client, body):
    return call(
        run_control.submit_agent_run_tool_outputs,
        "/runs/i1/tool_outputs",
        body,
        route={"instance_id": "i1"},
        client=client,
    )


OUTPUTS = {"tool_outputs": [{"tool_call_id": "call_1", "output": "42"}]}


def test_tool_outputs_are_raised_under_the_questions_name(client):
    client.instances["i1"] = instance(customStatus=WAITING)
    client.on_event = lambda *event: client.instances["i1"].update(customStatus={"status": "Running", "answered": 1})
    assert answer(client, OUTPUTS)[0] == 202
    [(instance_id, event, data)] = client.events
    assert (instance_id, event) == ("i1", "tool_outputs_1")
    assert data["tool_outputs"] == OUTPUTS["tool_outputs"]


def test_an_answer_that_the_storage_provider_would_not_take_is_not_raised(client, environment):
    environment.setattr(payload_limit, "limit_of_the_app", lambda: payload_limit.PayloadLimit("Some Provider", 100_000))
    client.instances["i1"] = instance(customStatus=WAITING)
    status, body, _ = answer(client, {"tool_outputs": [{"tool_call_id": "call_1", "output": "é" * 20_000}]})
    assert (status, body["error"]["code"]) == (413, "too_large")
    assert "Some Provider" in body["error"]["message"]
    assert client.events == []


@pytest.mark.parametrize(("output", "code"), [("42", 202), ("43", 409)])
def test_of_several_answers_only_the_one_that_was_taken_is_202(client, output, code, environment):
    environment.setattr(instances, "ACKNOWLEDGE_SECONDS", 0.1)  # Foundry does not take it meanwhile
    taken = {"event": "tool_outputs_1", "digest": answer_digest({**OUTPUTS, "approvals": []})}
    client.instances["i1"] = instance(customStatus=WAITING)
    client.on_event = lambda *event: client.instances["i1"].update(
        customStatus={"status": "Running", "answered": 0, "required_action": None, "answer_taken": taken}
    )
    status, body, _ = answer(client, {"tool_outputs": [{"tool_call_id": "call_1", "output": output}]})
    assert status == code
    if code == 409:
        assert body["error"]["code"] == "answered_otherwise"


def test_calls_that_the_status_has_no_room_for_are_the_orchestrators_to_check(client):
    waiting = {"status": "Running", "required_action": {**WAITING["required_action"], "more": 1}}
    client.instances["i1"] = instance(customStatus=waiting)
    client.on_event = lambda *event: client.instances["i1"].update(customStatus={"status": "Running", "answered": 1})
    both = {"tool_outputs": [*OUTPUTS["tool_outputs"], {"tool_call_id": "call_2", "output": "x"}]}
    assert answer(client, both)[0] == 202
    client.instances["i1"] = instance(customStatus=waiting)
    again = {
        **waiting["required_action"],
        "event": "tool_outputs_2",
        "error": "tool_outputs unknown tool call ids: call_9",
    }
    client.on_event = lambda *event: client.instances["i1"].update(
        customStatus={"status": "Running", "required_action": again}
    )
    both["tool_outputs"][1]["tool_call_id"] = "call_9"
    status, body, _ = answer(client, both)
    assert (status, body["error"]["code"], body["error"]["message"]) == (400, "invalid_request", again["error"])


def test_an_answer_of_very_many_calls_is_refused_at_once(client):
    client.instances["i1"] = instance(customStatus=WAITING)
    many = [{"tool_call_id": f"call_{n % 15_000}", "output": ""} for n in range(20_000)]
    status, body, _ = answer(client, {"tool_outputs": many})
    assert status == 400
    assert len(json.dumps(body)) < 10_000


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "call_1"),
        ({"tool_outputs": []}, "call_1"),
        ({"tool_outputs": [{"tool_call_id": "call_9", "output": "x"}]}, "call_9"),
        ({"tool_outputs": OUTPUTS["tool_outputs"] * 2}, "call_1"),
        ({"approvals": [{"tool_call_id": "call_1", "approve": True}]}, "call_1"),
        ({"tool_outputs": [{"tool_call_id": "call_1", "output": 42}]}, "output"),
        ({"tool_outputs": [{"tool_call_id": "call_1"}]}, "output"),
        ({"tool_outputs": {}}, "tool_outputs"),
        ({**OUTPUTS, "x": 1}, "x"),
    ],
)
def test_an_answer_to_other_calls_than_those_that_wait_is_refused(client, body, named):
    client.instances["i1"] = instance(customStatus=WAITING)
    code, refusal, _ = answer(client, body)
    assert (code, refusal["error"]["code"]) == (400, "invalid_request")
    assert named in json.dumps(refusal)
    assert client.events == []


@pytest.mark.parametrize("place", ["tool_call_id", "output"])
def test_half_a_surrogate_pair_in_an_answer_is_refused(client, place):
    # json.loads takes it; what is sent to Foundry could not hold it, and neither could the refusal.
    client.instances["i1"] = instance(customStatus=WAITING)
    client.on_event = lambda *event: client.instances["i1"].update(customStatus={"status": "Running", "answered": 1})
    item = {"tool_call_id": "call_1", "output": "42", place: "\ud800"}
    assert answer(client, {"tool_outputs": [item]})[0] == 400
    assert client.events == []


def test_where_nothing_waits_there_is_nothing_to_answer(client):
    client.instances["i1"] = instance()
    assert answer(client, OUTPUTS)[0] == 409


@pytest.mark.parametrize(("body", "code"), [(b"", 400), (b"[]", 400), (b"{", 400), (b"x" * 2**23, 413)])
def test_an_answer_that_is_no_json_object_is_refused(client, body, code):
    client.instances["i1"] = instance(customStatus=WAITING)
    assert answer(client, body)[0] == code


# --- agents and health ------------------------------------------------------------------------------------------------


def fake_service():
    fake = types.SimpleNamespace(check=lambda: None, list_agents=lambda: iter(()), within=lambda seconds: fake)
    return fake


@pytest.fixture
def generations(monkeypatch):
    services = {generation: fake_service() for generation in CAPABILITIES}
    monkeypatch.setattr(agents, "agent_service", lambda settings, generation: services[generation])
    return services


@pytest.fixture
def foundry(generations):
    """The service of classic agents, beside which there is one of the second generation, without agents."""
    return generations["classic"]


def failing(error):
    def fail():
        raise error

    return fail


def test_agents_are_listed_by_name_with_id_and_model(foundry):
    foundry.list_agents = lambda: iter(
        [
            AgentSummary(id="asst_3", name=None, model=None),
            AgentSummary(id="asst_2", name="beta", model="m"),
            AgentSummary(id="asst_1", name="Alpha", model="m"),
        ]
    )
    status, body, _ = call(agents.list_agents, "/agents", method="GET")
    assert status == 200
    assert [a["id"] for a in body["agents"]] == ["asst_3", "asst_1", "asst_2"]
    assert body["agents"][1] == {
        "id": "asst_1",
        "name": "Alpha",
        "model": "m",
        "generation": "classic",
        "version": None,
        "kind": None,
        "enabled": True,
    }
    assert body["warnings"] == []


HELPER = AgentSummary(id="helper", name="helper", model="m", generation="responses", version="7", kind="prompt")


def test_agents_of_both_generations_are_listed(generations):
    generations["classic"].list_agents = lambda: iter([AgentSummary(id="asst_1", name="Zeta", model="m")])
    generations["responses"].list_agents = lambda: iter([HELPER])
    body = call(agents.list_agents, "/agents", method="GET")[1]
    assert [(a["id"], a["generation"], a["version"], a["kind"]) for a in body["agents"]] == [
        ("helper", "responses", "7", "prompt"),
        ("asst_1", "classic", None, None),
    ]


@pytest.mark.parametrize("failing_one", CAPABILITIES)
def test_where_one_generation_cannot_be_listed_the_others_agents_are_and_why(generations, failing_one):
    for generation, service in generations.items():
        agent = AgentSummary(id=generation, name=generation, model="m", generation=generation)
        service.list_agents = lambda agent=agent: iter([agent])
    generations[failing_one].list_agents = failing(errors.PermissionDeniedError("switched off"))
    status, body, _ = call(agents.list_agents, "/agents", method="GET")
    assert (status, body["warnings"]) == (
        200,
        [{"generation": failing_one, "code": "forbidden", "message": "switched off"}],
    )
    assert [a["id"] for a in body["agents"]] == [generation for generation in CAPABILITIES if generation != failing_one]


def test_a_generation_that_is_switched_off_is_not_asked_for_its_agents(generations, environment):
    environment.setenv("FOUNDRY_GENERATIONS", "responses")
    generations["classic"].list_agents = failing(AssertionError("asked"))
    generations["responses"].list_agents = lambda: iter([HELPER])
    status, body, _ = call(agents.list_agents, "/agents", method="GET")
    assert (status, [a["id"] for a in body["agents"]], body["warnings"]) == (200, ["helper"], [])


def test_of_an_agent_that_is_allowed_in_some_versions_just_these_are_listed(generations, environment):
    environment.setenv("FOUNDRY_ALLOWED_AGENT_IDS", "helper:5,helper:7")
    environment.delenv("FOUNDRY_DEFAULT_AGENT_ID")
    generations["responses"].list_agents = lambda: iter([HELPER])
    found = call(agents.list_agents, "/agents", method="GET")[1]["agents"]
    assert [(a["id"], a["version"], a["model"]) for a in found] == [("helper:5", "5", None), ("helper:7", "7", "m")]


def test_only_agents_that_callers_may_run_are_listed(foundry, environment):
    environment.setenv("FOUNDRY_ALLOWED_AGENT_IDS", "asst_2")
    foundry.list_agents = lambda: iter([AgentSummary(id=f"asst_{n}", name="n", model="m") for n in (1, 2)])
    assert [a["id"] for a in call(agents.list_agents, "/agents", method="GET")[1]["agents"]] == ["asst_2"]


@pytest.mark.parametrize("error", [errors.AuthenticationError("why"), errors.UnavailableError("why")])
def test_foundrys_failures_are_502(generations, error):
    for service in generations.values():
        service.list_agents = failing(error)
    status, body, _ = call(agents.list_agents, "/agents", method="GET")
    assert (status, body["error"]["code"], body["error"]["message"]) == (502, error.code, "why")


def test_health_says_the_version_and_nothing_else(environment):
    environment.delenv("FOUNDRY_PROJECT_ENDPOINT")
    assert call(health.health, "/health", method="GET")[:2] == (200, {"status": "ok", "version": VERSION})


def checks():
    status, body, _ = call(health.ready, "/health/ready", method="GET")
    assert (status == 200) is body["ready"] is all(c["ok"] for c in body["checks"])
    assert [c["name"] for c in body["checks"]] == ["settings", "token", "classic", "responses", "storage"]
    return {c["name"]: (c["ok"], c["message"]) for c in body["checks"]}


def test_an_app_that_can_work_is_ready(foundry):
    assert [ok for ok, _ in checks().values()] == [True] * 5


@pytest.mark.parametrize(("failing_one", "other"), [("classic", "responses"), ("responses", "classic")])
def test_ready_names_the_generation_that_cannot_be_asked_and_how_to_do_without(generations, failing_one, other):
    generations[failing_one].check = failing(errors.PermissionDeniedError("assign the role."))
    found = checks()
    assert found[other] == (True, "reachable")
    assert found[failing_one] == (False, f"assign the role. To do without: FOUNDRY_GENERATIONS={other}")


def test_ready_does_not_ask_a_generation_that_is_switched_off(generations, environment):
    environment.setenv("FOUNDRY_GENERATIONS", "responses")
    generations["classic"].check = failing(AssertionError("asked"))
    body = call(health.ready, "/health/ready", method="GET")[1]
    assert [c["name"] for c in body["checks"]] == ["settings", "token", "responses", "storage"]
    generations["responses"].check = failing(errors.PermissionDeniedError("assign the role."))
    body = call(health.ready, "/health/ready", method="GET")[1]
    assert body["checks"][2]["message"] == "assign the role."


def test_ready_names_a_storage_that_cannot_be_used_with_its_remedy(foundry, documents):
    documents.faults = ["lost"]
    found = checks()
    assert found["storage"] == (False, "away")
    assert found["classic"][0]


def test_a_storage_that_hangs_does_not_keep_ready_from_answering(foundry, documents, environment):
    released = threading.Event()
    documents.check = lambda: released.wait(60)
    environment.setattr(health, "STORAGE_SECONDS", 0.05)
    try:
        found = checks()
    finally:
        released.set()
    assert found["storage"] == (False, "not checked in time: the storage account is slow; ask again")
    assert found["classic"][0]


def test_ready_names_every_wrong_setting_with_its_remedy(foundry, environment):
    environment.delenv("FOUNDRY_PROJECT_ENDPOINT")
    environment.setenv("RUN_TIMEOUT_SECONDS", "s3cr3t")
    found = checks()
    ok, message = found["settings"]
    assert not ok
    assert "FOUNDRY_PROJECT_ENDPOINT is not set" in message
    assert "RUN_TIMEOUT_SECONDS is malformed" in message
    assert "s3cr3t" not in message
    assert "not checked" in found["token"][1]


def of_token(error):
    error.before_token = True
    return error


@pytest.mark.parametrize(
    ("error", "token", "generation"),
    [
        (errors.AuthenticationError("az login", code="no_token"), (False, "az login"), (False, "not checked")),
        (errors.ConnectionFailedError("slow", code="token_unavailable"), (False, "slow"), (False, "not checked")),
        (of_token(errors.CertificateError("issuer")), (False, "issuer"), (False, "not checked")),
        (errors.CertificateError("issuer"), (True, "obtained"), (False, "issuer")),
        (errors.AuthenticationError("wrong scope"), (True, "obtained"), (False, "wrong scope")),
        (errors.PermissionDeniedError("role"), (True, "obtained"), (False, "role")),
        (errors.ConnectionFailedError("no answer"), (True, "obtained"), (False, "no answer")),
    ],
)
def test_ready_tells_token_and_service_apart(generations, error, token, generation):
    for service in generations.values():
        service.check = failing(error)
    found = checks()
    for name, (ok, text) in {"token": token, "classic": generation, "responses": generation}.items():
        assert found[name][0] is ok
        assert text in found[name][1]


def test_slow_listings_keep_neither_a_health_check_nor_the_loops_threads_waiting(generations, environment):
    environment.setattr(agents, "LISTING_SECONDS", 1.0)
    released, started = threading.Event(), threading.Semaphore(0)

    def hang():
        started.release()
        released.wait(60)
        return iter(())

    for service in generations.values():
        service.list_agents = hang

    async def all_at_once():
        listings = [
            asyncio.ensure_future(function_of(agents.list_agents)(req=func.HttpRequest("GET", "/api/agents", body=b"")))
            for _ in range(12)
        ]
        await asyncio.to_thread(started.acquire)  # the scan for orphans works in these threads
        ready = await function_of(health.ready)(req=func.HttpRequest("GET", "/api/health/ready", body=b""))
        assert not any(listing.done() for listing in listings)
        answers = await asyncio.gather(*listings)
        released.set()
        return ready, answers

    try:
        ready, answers = asyncio.run(all_at_once())
    finally:
        released.set()
    assert ready.status_code == 200
    assert {a.status_code for a in answers} == {502}
    assert "ask again" in json.loads(answers[0].get_body())["error"]["message"]


def function_of(builder):
    return builder._function.get_user_function()


def test_what_was_brought_back_between_two_looks_goes_on(client, environment):
    died = {"output": "One or more errors occurred. (x exited with code 137 (0x89))", "customStatus": None}
    client.instances["i1"] = instance(status="Failed", **died)

    async def whole(self, instance_id):
        rewound = {**client.instances["i1"], "runtimeStatus": "Pending"}
        return {**rewound, "historyEvents": [{"EventType": "GenericEvent"}]}

    environment.setattr(instances.TaskHub, "whole", whole)
    code, body, _ = call(run_status.agent_run_status, "/runs/i1", route={"instance_id": "i1"}, client=client)
    assert (code, body["status"], body["runtimeStatus"]) == (202, "Running", "Pending")


def test_a_history_that_cannot_be_read_fails_no_look(client, environment):
    async def broken(self, instance_id):
        raise instances.TaskHubError("500")

    environment.setattr(instances.TaskHub, "whole", broken)
    client.instances["i1"] = instance(status="Failed", output="One or more errors occurred. (x exited with code 1)")
    code, body, _ = call(run_status.agent_run_status, "/runs/i1", route={"instance_id": "i1"}, client=client)
    assert (code, body["error"]["code"]) == (200, "worker_died")


# --- what a user stumbles over ---


def test_a_cancel_of_what_is_cancelled_answers_with_the_document(client):
    client.instances["i1"] = instance(status="Terminated", output="cancelled on request")
    code, body, _ = cancel(client)
    assert (code, body["status"], client.events) == (200, "Cancelled", [])


def test_a_cancel_takes_a_reason_and_nothing_else(client):
    def cancel_with(body):
        return call(run_control.cancel_agent_run, "/runs/i1/cancel", body, route={"instance_id": "i1"}, client=client)

    client.instances["i1"] = instance()
    client.on_event = lambda *event: client.instances["i1"].update(customStatus={"status": "Cancelling"})
    for bad in ({"why": "x"}, {"reason": 5}, {"reason": "x" * 501}, {"reason": "\ud800"}):
        code, body, _ = cancel_with(bad)
        assert (code, body["error"]["code"], client.events) == (400, "invalid_request", [])
    assert cancel_with({"reason": "enough"})[0] == 202
    assert client.events == [("i1", "cancel", {"reason": "enough"})]


def test_the_same_answer_sent_again_is_taken_again(client):
    given = {"tool_outputs": [{"tool_call_id": "call_1", "output": "42"}], "approvals": []}
    taken = {"event": "tool_outputs_1", "digest": answer_digest(given)}
    shown = {"status": "Running", "answered": 1, "answer_taken": taken}
    for state in ({}, {"status": "Completed", "output": OUTCOME}):
        client.instances["i1"] = instance(customStatus=shown, **state)
        assert answer(client, {"tool_outputs": given["tool_outputs"]})[0] == 202
        code, body, _ = answer(client, {"tool_outputs": [{"tool_call_id": "call_1", "output": "43"}]})
        assert (code, body["error"]["code"]) == (409, "already_ended" if state else "nothing_pending")
    assert client.events == []


def test_who_waits_is_told_what_the_run_asks(client, environment):
    client.instances["i1"] = instance(customStatus=WAITING)
    headers = {"Prefer": "wait=100"}
    code, body, answered = call(
        run_status.agent_run_status, "/runs/i1", route={"instance_id": "i1"}, client=client, headers=headers
    )
    assert (code, body["required_action"]["event"]) == (202, "tool_outputs_1")
    assert answered["Preference-Applied"] == "wait=100"


def test_a_look_can_wait_for_the_end(client):
    client.instances["i1"] = instance()
    get_status, looks = client.get_status, []

    async def look(instance_id, **options):
        looks.append(instance_id)
        if len(looks) == 4:
            client.instances["i1"].update(runtimeStatus="Completed", output={**OUTCOME, "response": "blue"})
        return await get_status(instance_id, **options)

    client.get_status = look
    code, body, _ = call(
        run_status.agent_run_status,
        "/runs/i1",
        route={"instance_id": "i1"},
        client=client,
        headers={"Prefer": "wait=100"},
    )
    assert (code, body["response"], len(looks)) == (200, "blue", 4)


def test_a_look_that_waits_in_vain_is_202(client, environment):
    client.instances["i1"] = instance()
    code, body, _ = call(
        run_status.agent_run_status,
        "/runs/i1",
        route={"instance_id": "i1"},
        client=client,
        headers={"Prefer": "wait=1"},
    )
    assert (code, body["status"]) == (202, "Running")


@pytest.mark.parametrize("host", ["http://[::1", "http://\u00e9.com", "http://a b", "http://"])
def test_a_host_that_is_none_is_refused_before_anything_is_started(client, host, environment):
    environment.setitem(globals(), "HOST", f"{host}/api")
    code, body, _ = call(runs.run_agent, body={"user_message": "hi"}, client=client)
    assert (code, body["error"]["target"], client.started) == (400, "Host", [])
    client.instances["i1"] = instance()
    code, body, _ = call(run_status.agent_run_status, "/runs/i1", route={"instance_id": "i1"}, client=client)
    assert (code, body["error"]["target"]) == (400, "Host")


def test_ready_tells_why_there_was_no_answer_and_a_setting_that_was_not_understood(foundry, environment):
    foundry.check = failing(errors.CertificateError("the certificate of account.services.ai.azure.com is not trusted"))
    environment.setenv("HTTP_AUTH_LEVEL", "FUNCTIONS")
    code, body, _ = call(health.ready, "/health/ready", method="GET")
    settings, _, classic, _, _ = body["checks"]
    assert code == 503
    assert "HTTP_AUTH_LEVEL is not understood and counts as FUNCTION" in settings["message"]
    assert classic["message"].startswith("the certificate of account.services.ai.azure.com is not trusted. To do")


# --- whoever polls by HTTP ---

FLAG = "returnInternalServerErrorOnFailure"
LOOK = {"path": "/runs/i1", "method": "GET", "route": {"instance_id": "i1"}}


def look(client, **given):
    return call(run_status.agent_run_status, **LOOK, client=client, **given)


@pytest.mark.parametrize(
    ("given", "code"), [("true", 500), ("True", 500), (" TRUE ", 500), ("false", 200), ("FALSE", 200), (None, 200)]
)
@pytest.mark.parametrize("name", [FLAG, FLAG.upper()])
def test_a_failed_run_is_a_500_where_the_caller_wants_that(client, name, given, code):
    client.instances["i1"] = instance(status="Failed", output="timeout: not done")
    query = {} if given is None else {name: given}
    status, body, _ = look(client, query=query)
    assert (status, body["status"], body["instanceId"]) == (code, "Failed", "i1")


@pytest.mark.parametrize(
    "ended", [{"status": "Completed", "output": OUTCOME}, {"status": "Terminated", "output": "cancelled on request"}]
)
def test_a_run_that_has_not_failed_is_no_500(client, ended):
    client.instances["i1"] = instance(**ended)
    assert look(client, query={FLAG: "true"})[0] == 200


def test_a_run_that_is_being_brought_back_is_no_500(client, environment):
    died = "One or more errors occurred. (x exited with code 137 (0x89))"
    now = datetime.now(UTC).isoformat()
    client.instances["i1"] = instance(status="Failed", output=died, lastUpdatedTime=now)
    status, body, headers = look(client, query={FLAG: "true"})
    assert (status, body["step"]) == (202, "recovering")
    assert headers["Location"] == f"{HOST}/runs/i1?{FLAG}=true"


@pytest.mark.parametrize("value", ["yes", "1", "true,false", "true,true", "wahr", "truee"])
def test_a_word_that_is_neither_true_nor_false_is_refused(client, value):
    client.instances["i1"] = instance()
    for code, body, _ in (
        look(client, query={FLAG: value}),
        call(runs.run_agent, body={"user_message": "hi"}, query={FLAG: value}, client=client),
    ):
        assert (code, body["error"]["target"]) == (400, FLAG)
        assert "true or false" in body["error"]["message"]
    assert client.started == []


def test_a_look_knows_one_query_parameter_and_names_it(client):
    client.instances["i1"] = instance()
    for name in ("showInput", "taskHub", "returnInternalServerErrorOnFailur", "x" * 5000, "\ud800"):
        code, body, _ = look(client, query={name: "true", "code": "k", "clientId": "default"})
        assert (code, body["error"]["code"], body["error"]["details"][0]["code"]) == (
            400,
            "invalid_request",
            "unknown_field",
        )
        assert FLAG in body["error"]["message"]
    assert look(client, query={"CODE": "k", "clientid": "default", FLAG.lower(): "true"})[0] == 202


def start(client, **given):
    return call(runs.run_agent, body={"user_message": "hi", "idempotency_key": "k"}, client=client, **given)


def test_a_start_hands_the_wish_on_and_it_is_no_part_of_the_request(client):
    status, body, headers = start(client, query={FLAG: "true"})
    assert status == 202
    assert headers["Location"] == body["runUri"] == f"{HOST}/runs/{body['id']}?{FLAG}=true"
    assert body["statusQueryGetUri"].endswith(f"&code=system&{FLAG}=true")
    assert FLAG not in body["cancelPostUri"] + body["toolOutputsPostUri"] + body["terminatePostUri"]
    again, plain, _ = start(client)
    assert (again, plain["id"]) == (202, body["id"]), "the same request"
    assert FLAG not in json.dumps(plain)
    assert len(client.started) == 1
    assert FLAG not in json.dumps(client.started)
    code, refused, _ = call(runs.run_agent, body={"user_message": "hi", FLAG: True}, client=client)
    assert (code, refused["error"]["target"]) == (400, FLAG), "no field of the body"


def test_a_start_that_waits_says_500_too(client):
    start_new = client.start_new

    async def start_and_fail(name, instance_id=None, client_input=None):
        instance_id = await start_new(name, instance_id, client_input)
        client.instances[instance_id].update(runtimeStatus="Failed", output="timeout: not done")
        return instance_id

    client.start_new = start_and_fail
    status, body, headers = start(client, query={FLAG: "true"}, headers={"prefer": "wait=5"})
    assert (status, body["status"], headers["Preference-Applied"]) == (500, "Failed", "wait=5")
    assert start(client, headers={"prefer": "wait=5"})[0] == 200


@pytest.mark.parametrize(
    ("headers", "query", "ours"),
    [
        ({"x-functions-key": "k"}, {}, True),
        ({"x-functions-key": "k"}, {"code": "k"}, True),
        ({"X-Functions-Key": ""}, {"code": "k"}, True),
        ({"authorization": "Bearer t"}, {}, True),
        ({}, {}, True),
        ({}, {"code": "k"}, False),
        ({}, {"Code": "k", "clientId": "default"}, False),
        ({"authorization": "Bearer t"}, {"code": "k"}, False),
    ],
)
def test_location_is_what_the_caller_can_follow_with_what_it_has_sent(client, headers, query, ours):
    _, body, answered = start(client, headers=headers, query=query)
    assert answered["Location"] == body["runUri" if ours else "statusQueryGetUri"]
    client.instances["i1"] = instance(customStatus=WAITING)
    durable = client.create_http_management_payload("i1")["statusQueryGetUri"]
    there = f"{HOST}/runs/i1" if ours else durable.replace("https://inner.example", ORIGIN)
    assert look(client, headers=headers, query=query)[2]["Location"] == there
    taken = call(
        run_control.submit_agent_run_tool_outputs,
        "/runs/i1/tool_outputs",
        {"tool_outputs": []},
        route={"instance_id": "i1"},
        client=client,
        headers=headers,
        query=query,
    )
    assert taken[0] == 400, "not all calls are answered"
    client.on_event = lambda *event: client.instances["i1"].update(customStatus={"status": "Cancelling"})
    cancelled = call(
        run_control.cancel_agent_run,
        "/runs/i1/cancel",
        route={"instance_id": "i1"},
        client=client,
        headers=headers,
        query=query,
    )
    assert (cancelled[0], cancelled[2]["Location"]) == (202, there)


def test_every_url_names_the_address_that_callers_know(client, environment):
    environment.setenv("PUBLIC_BASE_URL", "https://agents.contoso.com/foundry/")
    _, body, headers = start(client, query={"code": "k"})
    urls = {name: value for name, value in body.items() if name != "id"}
    assert len(urls) == 7
    assert all(url.startswith("https://agents.contoso.com/foundry/") for url in (*urls.values(), headers["Location"]))
    assert body["runUri"] == f"https://agents.contoso.com/foundry/api/runs/{body['id']}"
    hook = "https://agents.contoso.com/foundry/runtime/webhooks/durabletask/instances"
    assert body["sendEventPostUri"].startswith(f"{hook}/{body['id']}/raiseEvent/{{eventName}}?")


def test_a_gateway_is_believed_where_its_host_is_trusted(client, environment):
    said = {"X-Forwarded-Host": "agents.contoso.com", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/f"}
    assert start(client, headers=said)[1]["runUri"].startswith(f"{HOST}/runs/")
    environment.setenv("TRUSTED_FORWARDED_HOSTS", "agents.contoso.com")
    _, body, _ = start(client, headers=said)
    assert body["runUri"].startswith("https://agents.contoso.com/f/api/runs/")
    assert body["terminatePostUri"].startswith("https://agents.contoso.com/f/runtime/webhooks/durabletask/")
    assert start(client, headers={**said, "X-Forwarded-Host": "evil.example"})[1]["runUri"].startswith(HOST)


def test_a_broken_address_keeps_no_run_from_being_seen_and_starts_none(client, environment):
    environment.setenv("PUBLIC_BASE_URL", "https://agents.contoso.com/../x")
    client.instances["i1"] = instance()
    code, _, headers = look(client)
    assert (code, headers["Location"]) == (202, f"{HOST}/runs/i1")
    code, body, _ = start(client)
    assert (code, body["error"]["code"], body["error"]["target"]) == (500, "configuration_error", "PUBLIC_BASE_URL")
    assert client.started == []


@pytest.mark.parametrize("host", ["http://[::1", "http://a b", "http://"])
def test_with_a_public_address_the_host_header_does_not_matter(client, host, environment):
    environment.setenv("PUBLIC_BASE_URL", "https://agents.contoso.com")
    environment.setitem(globals(), "HOST", f"{host}/api")
    assert start(client)[1]["runUri"].startswith("https://agents.contoso.com/api/runs/")


# --- which agent is meant ---


def summaries(**names):
    return [AgentSummary(id=f"asst_{key}", name=name, model="m") for key, name in names.items()]


def knowing(service, *summaries):
    """Let the service have these agents, and note which it is asked for."""

    def get_agent(agent_id):
        service.asked.append(agent_id)
        found = [a for a in service.agents if a.id == agent_id.partition(":")[0]]
        if not found:
            raise errors.NotFoundError("no such agent")
        return found[0]

    service.agents, service.asked, service.get_agent = list(summaries), [], get_agent
    service.list_agents = lambda: iter(service.agents)


@pytest.fixture
def directory(generations, environment):
    environment.setattr(starting, "known_agent", agents.known_agent)
    environment.setattr(connection, "agent_directory", lambda settings: made)
    environment.setattr(connection, "agent_service", lambda settings, generation: generations[generation])
    made = AgentDirectory()
    knowing(generations["classic"], *summaries(a="weather", b="news", c="news"))
    knowing(generations["responses"])
    return made


def start_of(client, agent_id, **more):
    return call(runs.run_agent, body={"user_message": "hi", "agent_id": agent_id, **more}, client=client)


def test_an_agent_is_meant_by_its_id_or_its_name(client, foundry, directory):
    for given in ("asst_a", "weather", "asst_a"):
        assert start_of(client, given)[0] == 202
    assert {policy["policy"]["agent_id"] for _, _, policy in client.started} == {"asst_a"}
    assert foundry.asked == ["asst_a"], "once in ten minutes"


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ("asst_z", 404, "there is no agent 'asst_z' in this project: did you mean"),
        ("wether", 404, "did you mean weather?"),
        ("qqqqqq", 404, "GET /api/agents lists them"),
        ("news", 400, "2 agents have the name 'news': name one by its id, asst_b or asst_c"),
    ],
)
def test_an_agent_that_is_none_or_several_starts_nothing(client, directory, given, code, says):
    status, body, _ = start_of(client, given)
    assert (status, body["error"]["target"], client.started) == (code, "agent_id", [])
    assert says in body["error"]["message"]


def test_where_foundry_does_not_tell_an_id_is_taken_and_a_name_is_not(client, generations, directory):
    def down(*_):
        raise errors.UnavailableError("503")

    for service in generations.values():
        service.get_agent = service.list_agents = down
    assert start_of(client, "asst_a")[0] == 202
    assert start_of(client, "helper:5")[0] == 202
    assert client.started[-1][2]["policy"]["agent_version"] == "5"
    code, body, _ = start_of(client, "weather")
    assert (code, body["error"]["code"]) == (502, "service_unavailable")
    assert "name it by its id" in body["error"]["message"]


def test_a_name_does_not_lead_past_the_list_of_allowed_agents(client, foundry, directory, environment):
    environment.setenv("FOUNDRY_ALLOWED_AGENT_IDS", "asst_a")
    environment.delenv("FOUNDRY_DEFAULT_AGENT_ID")
    foundry.agents = summaries(a="weather report", b="weather deport")
    assert start_of(client, "weather report")[0] == 202
    code, body, _ = start_of(client, "asst_b")
    assert (code, body["error"]["details"][0]["code"]) == (400, "not_allowed")
    code, body, _ = start_of(client, "weather deport")
    assert (code, body["error"]["code"]) == (404, "not_found")
    assert body["error"]["message"].endswith("did you mean weather report?"), "no word of the other"
    assert len(client.started) == 1


def test_a_start_fixes_the_version_that_its_agent_has_now(client, generations, directory):
    generations["responses"].agents = [HELPER]
    assert start_of(client, "helper", thread_id="conv_1")[0] == 202
    policy = client.started[0][2]["policy"]
    assert (policy["agent_id"], policy["generation"], policy["agent_version"]) == ("helper", "responses", "7")


def test_an_agent_that_is_disabled_starts_nothing(client, generations, directory):
    generations["responses"].agents = [msgspec.structs.replace(HELPER, enabled=False)]
    status, body, _ = start_of(client, "helper")
    assert (status, body["error"]["target"], client.started) == (400, "agent_id", [])
    assert "enable it in Foundry" in body["error"]["message"]


@pytest.mark.parametrize(
    ("agent_id", "fields", "target"),
    [
        ("helper", {"thread_id": "thread_1"}, "thread_id"),
        ("weather", {"thread_id": "conv_1"}, "thread_id"),
        ("helper", {"run_options": {"temperature": 0}}, "run_options.temperature"),
        ("weather", {"run_options": {"structured_inputs": {}}}, "run_options.structured_inputs"),
    ],
)
def test_what_the_agents_generation_does_not_take_starts_nothing(
    client, generations, directory, agent_id, fields, target
):
    generations["responses"].agents = [HELPER]
    status, body, _ = start_of(client, agent_id, **fields)
    assert (status, [d["target"] for d in body["error"]["details"]], client.started) == (400, [target], [])


def test_the_default_agent_may_be_a_name(client, generations, directory, environment):
    environment.setenv("FOUNDRY_DEFAULT_AGENT_ID", "helper")
    environment.setenv("FOUNDRY_ALLOWED_AGENT_IDS", "helper:7")
    generations["responses"].agents = [HELPER]
    assert start_of(client, None)[0] == 202
    assert client.started[0][2]["policy"]["agent_version"] == "7"


def test_an_agent_of_a_generation_that_is_switched_off_starts_nothing(client, generations, directory, environment):
    environment.setenv("FOUNDRY_GENERATIONS", "responses")
    status, body, _ = start_of(client, "asst_a")
    assert (status, body["error"]["details"][0]["code"]) == (400, "not_allowed")
    assert "FOUNDRY_GENERATIONS" in body["error"]["details"][0]["message"]
    assert generations["classic"].asked == client.started == []
