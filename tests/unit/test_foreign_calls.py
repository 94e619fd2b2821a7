"""A conversation that waits for somebody else's tool output, seen before anything is started."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from contracts.agents import ResolvedAgent
from contracts.runs import FormerRun
from foundry.errors import NotFoundError, UnavailableError, WaitsForToolError
from http_api import foreign_calls, runs, starting
from ownership.threads import leave, take_place
from tests.unit.test_http_functions import FakeClient, call, environment, instance  # noqa: F401 - the fixture counts

LEFT = FormerRun(run_ids=("resp_1",), left_at=datetime(2026, 1, 1, tzinfo=UTC), shows_items=False)
WAITS = WaitsForToolError("the conversation conv_1 waits for get_weather (call_1)")


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def conversation(monkeypatch):
    """What a look at the conversation raises, and which ones were looked at."""
    seen = SimpleNamespace(error=None, looked=[], hang=None, ours=LEFT)

    def look(thread_id, former=None):
        seen.looked.append(thread_id)
        if seen.hang:
            seen.hang.wait(60)
        if seen.error and former != seen.ours:
            raise seen.error

    service = SimpleNamespace(refuse_open_calls=look, within=lambda seconds: service)
    monkeypatch.setattr(foreign_calls, "agent_service", lambda settings, generation: service)

    async def known(settings, given):
        return ResolvedAgent("helper", "responses", "7")

    monkeypatch.setattr(starting, "known_agent", known)
    return seen


def start(client, **more):
    asked = {"user_message": "hi", "agent_id": "helper", "thread_id": "conv_1", **more}
    return call(runs.run_agent, body=asked, client=client)


def test_a_conversation_that_waits_for_somebody_else_refuses_the_start(client, conversation):
    conversation.error = WAITS
    status, body, _ = start(client)
    assert (status, body["error"]["code"], body["error"]["target"]) == (409, "conversation_waits_for_tool", "thread_id")
    assert "waits for get_weather (call_1)" in body["error"]["message"]
    assert client.started == []


def test_a_conversation_that_waits_for_nobody_is_used(client, conversation):
    assert start(client)[0] == 202
    assert conversation.looked == ["conv_1"]


def test_a_run_of_this_app_that_owns_the_conversation_is_waited_for(client, conversation, documents):
    conversation.error = WAITS
    client.instances["i-1"] = instance("i-1")
    take_place(documents, "conv_1", "i-1", lambda _: False)
    assert start(client)[0] == 202
    client.instances["i-1"] = instance("i-1", "Completed")
    assert start(client, user_message="again")[0] == 409


def test_a_call_that_the_last_owner_has_left_is_the_runs_to_close(client, conversation, documents):
    conversation.error = WAITS
    take_place(documents, "conv_1", "i-1", lambda _: False)
    leave(documents, "conv_1", "i-1", LEFT)
    assert start(client)[0] == 202
    conversation.ours = "none of this"
    assert start(client, user_message="again")[0] == 409


@pytest.mark.parametrize("error", [UnavailableError("503"), NotFoundError("no such conversation", names_it=True)])
def test_where_foundry_does_not_tell_the_run_will(client, conversation, error):
    conversation.error = error
    assert start(client)[0] == 202


def test_a_look_that_hangs_keeps_no_start_waiting(client, conversation, monkeypatch):
    monkeypatch.setattr(foreign_calls, "LOOK_SECONDS", 0.05)
    conversation.hang = threading.Event()
    try:
        assert start(client)[0] == 202
    finally:
        conversation.hang.set()


@pytest.mark.parametrize("thread_id", [None, ""])
def test_a_new_conversation_is_not_looked_at(client, conversation, thread_id):
    conversation.error = WAITS
    assert start(client, thread_id=thread_id)[0] == 202
    assert conversation.looked == []


def test_a_thread_of_classic_agents_is_not_looked_at(client, conversation, monkeypatch):
    async def known(settings, given):
        return ResolvedAgent("asst_1")

    monkeypatch.setattr(starting, "known_agent", known)
    conversation.error = WAITS
    assert start(client, agent_id="asst_1", thread_id="thread_1")[0] == 202
    assert conversation.looked == []
