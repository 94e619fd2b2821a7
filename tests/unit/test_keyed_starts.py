"""One key, one run: starts with an idempotency key, with a fake durable client and a store in memory."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func
import pytest

from contracts.wire import from_wire
from http_api import keyed_starts, runs
from http_api.keyed_starts import OtherRequestError, PurgedRunError, StartKey, start_by_key
from ownership.keys import KeyHolder, claim, holder_of, mark_started
from tests.unit.scripted import PROMPT
from tests.unit.test_http_functions import FakeClient, call, environment, instance  # noqa: F401 - the fixture counts

KEYED = {"user_message": "hi", "idempotency_key": "k"}
KEY = StartKey("k", "f")
LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def looks(monkeypatch):
    """What is done while a start waits for the one that has taken its key; after these looks it waits no longer."""
    planned: list[Any] = []

    async def sleep(seconds: float) -> None:
        if planned:
            planned.pop(0)()
        else:
            monkeypatch.setattr(keyed_starts, "STARTS_WITHIN", timedelta())

    monkeypatch.setattr(keyed_starts.asyncio, "sleep", sleep)
    return planned


def start(client: FakeClient, body: Any = KEYED, **how: Any) -> tuple[int, dict[str, Any], Any]:
    return call(runs.run_agent, body=body, client=client, **how)


def by_key(client: FakeClient, key: StartKey = KEY) -> str:
    async def begin(instance_id: str) -> None:
        await client.start_new("agent_run", instance_id, {})

    return asyncio.run(start_by_key(client, key, begin))


def taken(instance_id: str, created: datetime | None = None) -> KeyHolder:
    return KeyHolder(instance=instance_id, fingerprint="f", created=created or datetime.now(UTC))


def test_the_same_key_and_request_answer_with_the_same_instance(client):
    answers = [
        start(client),
        start(client, {"user_message": "hi"}, headers={"idempotency-key": "k"}),
        start(client, {**KEYED, "agent_id": "asst_1"}),
    ]
    assert [code for code, _, _ in answers] == [202] * 3
    [(_, instance_id, _)] = client.started
    assert {body["id"] for _, body, _ in answers} == {instance_id}


def test_defaults_that_are_changed_in_between_make_no_other_request(client, environment):  # noqa: F811
    start(client)
    environment.setenv("RUN_TIMEOUT_SECONDS", "77")
    environment.setenv("DELETE_THREAD", "on_success")
    assert start(client)[0] == 202
    assert len(client.started) == 1


def test_the_same_key_with_another_request_is_a_conflict(client):
    start(client)
    status, body, _ = start(client, {**KEYED, "user_message": "ho"})
    assert (status, body["error"]["code"], body["error"]["target"]) == (409, "idempotency_conflict", "idempotency_key")
    assert len(client.started) == 1


def test_another_app_of_the_project_makes_another_request_of_it(client, environment):  # noqa: F811
    environment.setenv("WEBSITE_SITE_NAME", "one")
    start(client)
    environment.setenv("WEBSITE_SITE_NAME", "two")
    assert start(client)[0] == 409


def test_neither_id_nor_document_nor_log_shows_key_or_message(client, documents, caplog):
    with caplog.at_level(logging.DEBUG):
        start(client, {"user_message": PROMPT, "idempotency_key": "../#secret?"})
    shown = client.started[0][1] + json.dumps(documents.documents) + caplog.text
    assert "secret" not in shown
    assert PROMPT not in shown
    assert set(client.started[0][1]) <= set("abcdef0123456789-")


def test_a_start_notes_that_it_was_made(client, documents):
    instance_id = by_key(client)
    assert documents.requests == 3
    holder = holder_of(documents, "k")
    assert holder is not None
    assert (holder.instance, holder.fingerprint, holder.started) == (instance_id, "f", True)


def test_a_loser_is_told_the_winners_instance(client, documents):
    mine = claim(documents, "k", taken("i-1"))
    client.instances["i-1"] = instance("i-1", "Completed")
    assert by_key(client) == "i-1"
    assert client.started == []
    assert holder_of(documents, "k") != mine, "the winner has not said so: it may have died"


def test_a_loser_waits_for_the_winner(client, documents, looks):
    claim(documents, "k", taken("i-1"))
    looks += [lambda: None, lambda: client.instances.update({"i-1": instance("i-1")})]
    assert by_key(client) == "i-1"
    assert client.started == []
    assert looks == []


def test_where_the_winner_has_died_the_next_one_starts_its_instance(client, documents, looks):
    claim(documents, "k", taken("i-1"))
    assert by_key(client) == "i-1"
    assert [instance_id for _, instance_id, _ in client.started] == ["i-1"]
    assert holder_of(documents, "k").started


def test_nobody_waits_for_a_winner_of_long_ago(client, documents, looks):
    claim(documents, "k", taken("i-1", LONG_AGO))
    looks += [lambda: pytest.fail("nothing is to be waited for")]
    assert by_key(client) == "i-1"


def test_a_clock_that_is_ahead_keeps_nobody_waiting_for_ever(client, documents, monkeypatch):
    claim(documents, "k", taken("i-1", datetime.now(UTC) + timedelta(days=1)))
    monkeypatch.setattr(keyed_starts, "STARTS_WITHIN", timedelta(milliseconds=1))
    monkeypatch.setattr(keyed_starts, "LOOK_SECONDS", 0.001)
    assert by_key(client) == "i-1"


def test_a_run_that_came_and_was_purged_meanwhile_is_not_started_again(client, documents, looks):
    mine = claim(documents, "k", taken("i-1"))
    looks += [lambda: mark_started(documents, "k", mine)]
    with pytest.raises(PurgedRunError, match="i-1"):
        by_key(client)
    assert client.started == []


def test_a_key_holds_when_its_run_was_purged(client):
    instance_id = start(client)[1]["id"]
    client.instances.clear()
    status, body, _ = start(client)
    assert (status, body["error"]["code"], body["error"]["target"]) == (410, "run_purged", "idempotency_key")
    assert instance_id in body["error"]["message"]
    assert "new key" in body["error"]["message"]
    assert len(client.started) == 1


def test_another_request_with_the_key_of_a_purged_run_is_a_conflict(client):
    start(client)
    client.instances.clear()
    assert start(client, {**KEYED, "user_message": "ho"})[0] == 409


def test_another_request_is_refused_before_anything_else(client, documents):
    claim(documents, "k", taken("i-1"))
    with pytest.raises(OtherRequestError, match="i-1"):
        by_key(client, StartKey("k", "g"))
    assert client.asked == client.started == []


def test_what_the_platform_does_not_start_is_started_by_the_next_one(client, documents, looks):
    begin, client.start_new = client.start_new, None
    assert start(client)[0] == 500
    client.start_new = begin
    status, body, _ = start(client)
    assert status == 202
    assert client.started[0][1] == body["id"] == from_wire(KeyHolder, _only(documents)).instance


def test_an_instance_that_appears_meanwhile_is_answered_with(client):
    begin = client.start_new

    async def lose_the_race(name, instance_id, client_input):
        await begin(name, instance_id, client_input)
        raise Exception(f"Instance with ID {instance_id} already exists")  # noqa: TRY002 - as the SDK does

    client.start_new = lose_the_race
    assert start(client)[0] == 202


def test_a_key_that_is_free_again_makes_a_run_that_adopts_nothing(client, documents):
    start(client)
    documents.documents.clear()
    start(client)
    prints = [given["policy"]["request_fingerprint"] for _, _, given in client.started]
    assert prints[0] != prints[1]


@pytest.mark.parametrize("fault", ["lost", "unheard"])
def test_a_store_that_does_not_answer_starts_nothing_and_repeating_is_safe(client, documents, looks, fault):
    documents.faults = [fault]
    status, body, headers = start(client)
    assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "store_unavailable", "10")
    assert client.started == []
    assert start(client)[0] == start(client)[0] == 202
    assert len(client.started) == 1


def test_a_start_without_a_key_needs_no_store(client, documents):
    documents.faults = ["lost"]
    assert start(client, {"user_message": "hi"})[0] == 202
    assert start(client, {"user_message": "hi", "thread_id": "thread_1"})[0] == 202
    assert documents.requests == 0
    assert client.started[0][2]["policy"].get("request_fingerprint") is None


def test_of_many_starts_at_once_one_starts(client):
    async def all_at_once() -> list[func.HttpResponse]:
        function = runs.run_agent._function.get_user_function().client_function
        body = json.dumps(KEYED).encode()
        return await asyncio.gather(
            *(
                function(req=func.HttpRequest("POST", "https://app.example/api/run_agent", body=body), client=client)
                for _ in range(20)
            )
        )

    answers = asyncio.run(all_at_once())
    assert {answer.status_code for answer in answers} == {202}
    assert len({json.loads(answer.get_body())["id"] for answer in answers}) == 1
    assert len(client.started) == 1


def _only(documents: Any) -> dict[str, Any]:
    [(text, _)] = documents.documents.values()
    return dict(json.loads(text))
