"""`if_thread_busy: fail`, seen before anything is started."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import azure.functions as func
import pytest

from contracts.request import RunPolicy
from http_api import keyed_starts, runs
from http_api.answers import ApiError
from http_api.starting import start_instance
from ownership.threads import document_of, take_place
from tests.unit.test_http_functions import HOST, FakeClient, call, environment, instance  # noqa: F401 - the fixture counts
from validation.start_request import parse_request

ASKED = {"user_message": "hi", "thread_id": "thread_1", "if_thread_busy": "fail"}
POLICY = RunPolicy(agent_id="asst_1", timeout_seconds=600)


@pytest.fixture
def client(documents):
    """The thread is i-1's, and i-2 waits for it."""
    client = FakeClient()
    for instance_id in ("i-1", "i-2"):
        client.instances[instance_id] = instance(instance_id)
        take_place(documents, "thread_1", instance_id, lambda _: False)
    return client


def start(client, **more):
    return call(runs.run_agent, body={**ASKED, **more}, client=client)


def test_a_busy_thread_refuses_the_start_and_names_the_run_that_owns_it(client, documents):
    line = documents.read(document_of("thread_1"))
    status, body, headers = start(client)
    assert (status, body["error"]["code"], body["error"]["target"]) == (409, "thread_busy", "thread_id")
    assert headers["Location"] == f"{HOST}/runs/i-1"
    assert "the run i-1 owns thread thread_1" in body["error"]["message"]
    assert f"{HOST}/runs/i-1;" in body["error"]["message"]
    assert client.started == []
    assert documents.read(document_of("thread_1")) == line, "who only looks changes nothing"


def test_whoever_has_ended_or_is_gone_owns_nothing(client):
    client.instances["i-1"] = instance("i-1", "Terminated")
    assert start(client)[2]["Location"] == f"{HOST}/runs/i-2"
    del client.instances["i-2"]
    assert start(client)[0] == 202


@pytest.mark.parametrize("more", [{"if_thread_busy": "wait"}, {"thread_id": None}, {"thread_id": "thread_2"}])
def test_who_would_wait_or_has_a_thread_of_its_own_is_not_refused(client, more):
    assert start(client, **more)[0] == 202


def test_without_the_store_it_is_not_known_and_nothing_is_started(client, documents):
    documents.faults = ["lost"]
    status, body, headers = start(client)
    assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "store_unavailable", "10")
    assert client.started == []


def test_where_the_platform_does_not_tell_of_the_owner_nothing_is_started(client):
    async def fail(*_, **__):
        raise RuntimeError("500")

    client.get_status = fail
    status, body, headers = start(client)
    assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "instance_not_seen", "10")
    assert client.started == []


def test_with_a_key_its_own_run_is_in_nobodys_way(client, documents):
    client.instances["i-1"] = client.instances["i-2"] = instance(status="Completed")
    instance_id = start(client, idempotency_key="k")[1]["id"]
    take_place(documents, "thread_1", instance_id, lambda _: True)
    assert start(client, idempotency_key="k")[1]["id"] == instance_id
    assert len(client.started) == 1


def test_a_start_that_finds_its_own_instance_there_is_not_refused(client):
    """Another start with its key has been faster, since it looked."""
    req = func.HttpRequest("POST", f"{HOST}/run_agent", body=b"")
    asyncio.run(start_instance(req, client, "i-1", parse_request(ASKED), POLICY))
    with pytest.raises(ApiError, match="i-1"):
        asyncio.run(start_instance(req, client, "i-2", parse_request(ASKED), POLICY))


def test_a_refused_start_with_a_key_can_be_repeated(client, monkeypatch):
    assert start(client, idempotency_key="k")[0] == 409
    client.instances.clear()
    monkeypatch.setattr(keyed_starts, "STARTS_WITHIN", timedelta())
    assert start(client, idempotency_key="k")[0] == 202
