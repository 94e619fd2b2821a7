"""What becomes of an answer to tool calls, as the route tells it: Foundry has it, refuses it, or takes longer."""

import json
import logging

import pytest

from http_api import instances, run_control
from tests.unit.test_http_functions import (
    OUTPUTS,
    WAITING,
    FakeClient,
    call,
    environment,  # noqa: F401 - for every test
    instance,
)
from validation.tool_answers import answer_digest

WHY = "Foundry refuses the answer: tool outputs are larger than 512 KB"
TAKEN = {"event": "tool_outputs_1", "digest": answer_digest(OUTPUTS)}
HELD = {"status": "Running", "step": "submit_tool_outputs", "answered": 0, "answer_taken": TAKEN}
DONE = {"status": "Running", "answered": 1, "answer_taken": TAKEN}
ASKED_AGAIN = {
    **HELD,
    "required_action": {**WAITING["required_action"], "event": "tool_outputs_2", "error": WHY},
}
ASKED_ANEW = {
    **HELD,
    "answer_taken": None,
    "required_action": {"event": "tool_outputs_2", "calls": [{"id": "call_7", "kind": "function", "name": "g"}]},
}


class LivelyClient(FakeClient):
    """Shows another custom status at every look once an event was raised (`at_once`: from the second look on)."""

    def __init__(self, shown, then, *, at_once=False):
        super().__init__()
        self.instances["i1"] = instance(customStatus=shown)
        self.then = list(then)
        self.lively = at_once

    async def raise_event(self, instance_id, name, data=None):
        await super().raise_event(instance_id, name, data)
        self.lively = True

    async def get_status(self, instance_id, show_input=False, **options):
        if self.lively and self.asked and self.then:
            change = self.then.pop(0)
            self.instances["i1"].update(change if "runtimeStatus" in change else {"customStatus": change})
        return await super().get_status(instance_id, show_input, **options)


def answer(client, body=OUTPUTS):
    route = {"instance_id": "i1"}
    status, said, _ = call(
        run_control.submit_agent_run_tool_outputs, "/runs/i1/tool_outputs", body, route=route, client=client
    )
    return status, said


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Nobody waits ten seconds here for what does not come."""
    monkeypatch.setattr(instances, "ACKNOWLEDGE_SECONDS", 0.3)
    monkeypatch.setattr(instances, "RAISE_AGAIN_SECONDS", 0)


def test_it_is_taken_once_foundry_has_it(monkeypatch):
    monkeypatch.setattr(instances, "ACKNOWLEDGE_SECONDS", 60)
    client = LivelyClient(WAITING, [HELD, HELD, HELD, DONE])
    status, document = answer(client)
    assert (status, document["customStatus"]["answered"]) == (202, 1)
    assert [event for _, event, _ in client.events] == ["tool_outputs_1"], "not raised again while it is held"


def test_what_foundry_refuses_is_told_in_its_words(monkeypatch):
    monkeypatch.setattr(instances, "ACKNOWLEDGE_SECONDS", 60)
    client = LivelyClient(WAITING, [HELD, HELD, ASKED_AGAIN])
    status, said = answer(client)
    assert (status, said["error"]) == (400, {"code": "answer_refused", "message": WHY, "target": "body"})


def test_where_foundry_is_down_the_orchestrator_holds_it():
    status, document = answer(LivelyClient(WAITING, [HELD]))
    assert (status, document["customStatus"]["answered"]) == (202, 0)


@pytest.mark.parametrize(
    ("then", "status", "code"), [([DONE], 202, None), ([HELD, ASKED_AGAIN], 400, "answer_refused")]
)
def test_who_repeats_an_answer_that_is_held_learns_the_same(then, status, code):
    client = LivelyClient(HELD, then, at_once=True)
    found, said = answer(client)
    assert (found, (said["error"] or {}).get("code"), client.events) == (status, code, [])


def test_after_a_refusal_the_same_answer_is_a_new_one():
    taken = {"event": "tool_outputs_2", "digest": TAKEN["digest"]}
    client = LivelyClient(ASKED_AGAIN, [{**DONE, "answered": 2, "answer_taken": taken}])
    assert answer(client)[0] == 202
    assert [event for _, event, _ in client.events] == ["tool_outputs_2"]


@pytest.mark.parametrize("name", ["approvals", "tool_approvals"])
def test_the_answer_travels_under_one_name(name):
    asked = {"event": "tool_outputs_1", "calls": [{"id": "call_1", "kind": "approval", "name": "t"}]}
    client = LivelyClient({"status": "Running", "required_action": asked}, [{"status": "Running", "answered": 1}])
    approval = {"tool_call_id": "call_1", "approve": True, "headers_ref": "GITHUB"}
    assert answer(client, {name: [approval]})[0] == 202
    assert [data for _, _, data in client.events] == [{"tool_outputs": [], "approvals": [approval]}]


@pytest.mark.parametrize(
    ("then", "code"),
    [
        ([ASKED_ANEW], "nothing_pending"),
        ([{"status": "Running"}], "nothing_pending"),
        ([{**HELD, "answer_taken": {**TAKEN, "digest": "0" * 16}}], "answered_otherwise"),
        ([{**ASKED_AGAIN, "answer_taken": {**TAKEN, "digest": "0" * 16}}], "answered_otherwise"),
        ([HELD, {"runtimeStatus": "Terminated", "output": "cancelled on request"}], "already_ended"),
    ],
)
def test_an_answer_that_counts_for_nothing_is_a_409(then, code):
    status, said = answer(LivelyClient(WAITING, then))
    assert (status, said["error"]["code"]) == (409, code)


def test_a_later_question_that_was_answered_badly_is_not_ours():
    client = LivelyClient(WAITING, [{**ASKED_AGAIN, "answered": 1}])
    assert answer(client)[0] == 202


def test_what_this_app_does_not_know_cannot_be_answered():
    odd = {"id": "call_2", "kind": "unsupported", "name": "computer_use_preview"}
    calls = [*WAITING["required_action"]["calls"], odd]
    client = LivelyClient({"status": "Running", "required_action": {"event": "tool_outputs_1", "calls": calls}}, [])
    status, said = answer(client)
    assert (status, said["error"]["code"], client.events) == (409, "unsupported_action", [])
    assert "computer_use_preview" in said["error"]["message"]


def test_headers_make_no_repetition_of_an_answer_without_them():
    approval = {"tool_call_id": "call_1", "approve": True}
    taken = {"event": "tool_outputs_1", "digest": answer_digest({"approvals": [approval]})}
    client = LivelyClient({**DONE, "answer_taken": taken}, [])
    assert answer(client, {"approvals": [approval]})[0] == 202
    assert answer(client, {"approvals": [{**approval, "headers": {"a": "b"}}]})[0] == 409


@pytest.mark.parametrize("custom", [WAITING, HELD, DONE])
def test_headers_are_refused_and_neither_logged_nor_repeated(custom, caplog):
    client = LivelyClient(custom, [])
    approval = {"tool_call_id": "call_1", "approve": True, "headers": {"Authorization": "Bearer planted-99b3"}}
    with caplog.at_level(logging.DEBUG):
        status, said = answer(client, {**OUTPUTS, "approvals": [approval]})
    assert (status, client.events) == (400 if custom is WAITING else 409, [])
    assert "planted-99b3" not in json.dumps(said) + caplog.text
