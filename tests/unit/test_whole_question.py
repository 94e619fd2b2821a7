"""What a run asks, whole: read from Foundry beside the document, where the custom status had no room for it."""

import asyncio
import json
import threading
from concurrent.futures import Future
from types import SimpleNamespace

import azure.functions as func
import msgspec
import pytest

from contracts.runs import RunSnapshot, RunState
from contracts.wire import to_wire
from foundry import errors
from http_api import beside_document, run_control, run_status, runs, whole_question
from orchestrators.question import Question
from orchestrators.shown_status import with_question
from tests.unit.test_http_functions import (
    FakeClient,
    call,
    environment,  # noqa: F401 - for every test
    instance,
)
from tests.unit.test_shown_status import INSTANCE, STATUS, as_arguments
from tests.unit.test_shown_status import call as pending

SQL = "SELECT name, sum(amount) FROM invoices WHERE customer = 'Müller & \"Söhne\"' " + "AND year = 2026 " * 9


class FakeFoundry:
    """Stands in for the agent service: one run, its calls as they are there, and how often it was asked."""

    def __init__(self, calls):
        self.calls = tuple(calls)
        self.looks = 0
        self.error = None
        self.hold = threading.Event()
        self.hold.set()
        self.asked = threading.Semaphore(0)

    def within(self, seconds):
        return self

    def get_run(self, thread_id, run_id):
        self.looks += 1
        self.asked.release()
        self.hold.wait(60)
        if self.error:
            raise self.error
        return RunSnapshot(
            run_id=run_id,
            thread_id=thread_id,
            state=RunState.REQUIRES_ACTION,
            raw_status="requires_action",
            pending_calls=self.calls,
        )


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def asked_of(monkeypatch):
    """Return a function that makes Foundry one with these calls; what the worker keeps is forgotten before."""

    def make(*calls):
        made = FakeFoundry(calls)
        monkeypatch.setattr(beside_document, "agent_service", lambda settings, generation: made)
        return made

    monkeypatch.setattr(whole_question, "_questions", whole_question._Questions())
    return make


def asking(*calls, event=1):
    """Return the instance as the orchestrator shows it while it asks for these."""
    bounded = [c if len(c.arguments or "") < 1000 else msgspec.structs.replace(c, arguments=None) for c in calls]
    question = Question(number=event, calls=tuple(bounded))
    return instance(INSTANCE, customStatus=to_wire(with_question(STATUS, question, INSTANCE)))


def look(client, **headers):
    return call(
        run_status.agent_run_status,
        f"/runs/{INSTANCE}",
        method="GET",
        route={"instance_id": INSTANCE},
        headers=headers,
        client=client,
    )[:2]


def executed(action):
    """Do what a caller does: run the function that is named, with the arguments that are shown."""
    functions = {"run_sql": lambda query: f"{len(query)} characters of SQL"}
    return [functions[each["name"]](**json.loads(each["arguments"])) for each in action["calls"]]


@pytest.mark.parametrize(
    ("count", "query"),
    [(1, SQL[:224]), (1, "数" * 52), (8, "x" * 110), (12, "x" * 110), (20, "x" * 110), (200, "x" * 110)],
)
def test_a_caller_can_execute_what_he_is_asked(client, asked_of, count, query):
    calls = [pending(n, arguments=as_arguments(query=query)) for n in range(count)]
    asked_of(*calls)
    client.instances[INSTANCE] = asking(*calls)
    for headers in ({}, {"prefer": "wait=30"}):
        status, document = look(client, **headers)
        assert status == 202
        assert executed(document["required_action"]) == [f"{len(query)} characters of SQL"] * count
        assert not {"truncated", "see", "more"} & set(document["required_action"])


def test_a_question_that_is_shown_whole_is_not_read_again(client, asked_of):
    foundry = asked_of(pending())
    client.instances[INSTANCE] = asking(pending())
    assert look(client)[1]["required_action"]["calls"][0]["arguments"] == "{}"
    assert foundry.looks == 0


def test_the_service_of_the_threads_generation_is_read(monkeypatch):
    monkeypatch.setattr(beside_document, "load_settings", lambda: None)
    monkeypatch.setattr(
        beside_document, "agent_service", lambda settings, generation: SimpleNamespace(within=lambda _: generation)
    )
    assert [beside_document.service_of(i) for i in ("thread_1", "conv_1")] == ["classic", "responses"]


def test_names_and_servers_are_whole_however_long(client, asked_of):
    calls = [pending(n, name=f"{n}_" + "n" * 300, kind="approval", server_label="github") for n in range(9)]
    asked_of(*calls)
    client.instances[INSTANCE] = asking(*calls)
    shown = look(client)[1]["required_action"]["calls"]
    assert [(c["name"], c["server_label"]) for c in shown] == [(c.name, "github") for c in calls]


def test_very_large_calls_are_read_once_for_as_long_as_the_question_lasts(client, asked_of):
    calls = [pending(n, arguments=as_arguments(query="y" * 100_000)) for n in range(200)]
    foundry = asked_of(*calls)
    client.instances[INSTANCE] = asking(*calls)
    for _ in range(3):
        assert executed(look(client)[1]["required_action"]) == ["100000 characters of SQL"] * 200
    assert foundry.looks == 1
    client.instances[INSTANCE] = asking(*calls, event=2)
    assert look(client)[1]["required_action"]["event"] == "tool_outputs_2"
    assert foundry.looks == 2
    client.instances[INSTANCE] = instance(INSTANCE, customStatus=to_wire(STATUS))
    assert look(client)[1]["required_action"] is None
    assert not whole_question._questions._of_run


LARGE = [pending(n, arguments=as_arguments(query="y" * 2_000)) for n in range(3)]


@pytest.mark.parametrize(
    ("at_foundry", "error"),
    [
        (LARGE[:2], None),
        ([*LARGE, pending(9)], None),
        ([*LARGE[:2], pending(9)], None),
        ([], None),
        (LARGE, errors.UnavailableError("503")),
        (LARGE, errors.NotFoundError("404")),
    ],
)
def test_where_foundry_does_not_tell_the_document_says_so(client, asked_of, at_foundry, error):
    foundry = asked_of(*at_foundry)
    foundry.error = error
    client.instances[INSTANCE] = asking(*LARGE)
    for _ in range(2):
        status, document = look(client)
        action = document["required_action"]
        assert (status, action["truncated"]) == (202, True)
        assert action["see"].startswith(f"GET /api/runs/{INSTANCE}, again: Foundry ")
        assert [c["id"] for c in action["calls"]] == [c.id for c in LARGE]
        assert not [c for c in action["calls"] if "arguments" in c]
    assert foundry.looks == 1, "not asked again within five seconds"


def test_foundry_is_asked_again_after_a_while(client, asked_of, monkeypatch):
    foundry = asked_of(*LARGE)
    foundry.error = errors.UnavailableError("503")
    monkeypatch.setattr(whole_question, "ASK_AGAIN_SECONDS", 0)
    client.instances[INSTANCE] = asking(*LARGE)
    assert look(client)[1]["required_action"]["truncated"]
    foundry.error = None
    assert executed(look(client)[1]["required_action"]) == ["2000 characters of SQL"] * 3


def test_without_settings_a_run_is_shown_all_the_same(client, asked_of, monkeypatch):
    asked_of(*LARGE)
    monkeypatch.delenv("FOUNDRY_PROJECT_ENDPOINT")
    client.instances[INSTANCE] = asking(*LARGE)
    status, document = look(client)
    assert (status, document["required_action"]["truncated"]) == (202, True)


def test_pollers_share_one_reading_and_none_waits_longer_than_its_time(client, asked_of, monkeypatch):
    monkeypatch.setattr(beside_document, "READING_SECONDS", 0.2)
    foundry = asked_of(*LARGE)
    foundry.hold.clear()
    client.instances[INSTANCE] = asking(*LARGE)
    request = func.HttpRequest(
        "GET", f"https://app.example/api/runs/{INSTANCE}", route_params={"instance_id": INSTANCE}, body=b""
    )
    status_of = run_status.agent_run_status._function.get_user_function().client_function

    async def poll():
        answers = await asyncio.gather(*(status_of(req=request, client=client) for _ in range(8)))
        foundry.hold.set()
        return [json.loads(answer.get_body())["required_action"].get("truncated") for answer in answers]

    try:
        assert asyncio.run(poll()) == [True] * 8
    finally:
        foundry.hold.set()
    assert foundry.looks == 1


def test_who_waits_no_longer_takes_the_reading_from_nobody(monkeypatch):
    monkeypatch.setattr(beside_document, "READING_SECONDS", 0.01)
    reading = Future()  # no thread has begun with it yet
    assert asyncio.run(beside_document.told(reading, "it")) is None
    assert not reading.cancelled()


def test_what_a_worker_keeps_is_bounded(client, asked_of, monkeypatch):
    asked_of(*LARGE)
    monkeypatch.setattr(whole_question, "MOST_QUESTIONS", 3)

    def ask(run_id):
        shown = asking(*LARGE)
        shown["customStatus"]["run_id"] = run_id
        client.instances[INSTANCE] = shown
        assert "truncated" not in look(client)[1]["required_action"]
        return list(whole_question._questions._of_run)

    assert [ask(f"run_{n}") for n in range(5)][-1] == ["run_2", "run_3", "run_4"]
    monkeypatch.setattr(whole_question, "MOST_CHARACTERS", 1)
    assert ask("run_9") == ["run_9"]


def test_a_start_that_waits_tells_the_question_whole(client, asked_of):
    asked_of(*LARGE)
    start = client.start_new

    async def start_and_ask(name, instance_id=None, client_input=None):
        instance_id = await start(name, instance_id, client_input)
        client.instances[instance_id] = {**asking(*LARGE), "instanceId": instance_id}
        return instance_id

    client.start_new = start_and_ask
    status, document, _ = call(runs.run_agent, body={"user_message": "hi"}, headers={"prefer": "wait=5"}, client=client)
    assert status == 202
    assert executed(document["required_action"]) == ["2000 characters of SQL"] * 3


def test_the_document_that_answers_a_cancel_tells_it_whole(client, asked_of):
    asked_of(*LARGE)
    client.instances[INSTANCE] = {**asking(*LARGE), "runtimeStatus": "Suspended"}
    status, document, _ = call(
        run_control.cancel_agent_run, f"/runs/{INSTANCE}/cancel", route={"instance_id": INSTANCE}, client=client
    )
    assert status == 202
    assert executed(document["required_action"]) == ["2000 characters of SQL"] * 3


def test_an_answer_to_calls_that_had_no_room_is_checked_against_all_of_them(client, asked_of):
    calls = [pending(n, arguments=as_arguments(query="y" * 2_000)) for n in range(200)]
    asked_of(*calls)
    client.instances[INSTANCE] = asking(*calls)
    outputs = [{"tool_call_id": c.id, "output": "1"} for c in calls[:-1]]
    status, refusal, _ = call(
        run_control.submit_agent_run_tool_outputs,
        f"/runs/{INSTANCE}/tool_outputs",
        {"tool_outputs": [*outputs, {"tool_call_id": "call_other", "output": "1"}]},
        route={"instance_id": INSTANCE},
        client=client,
    )
    assert (status, client.events) == (400, [])
    assert {d["code"] for d in refusal["error"]["details"]} == {"missing", "unknown"}
    assert calls[-1].id in refusal["error"]["message"]
