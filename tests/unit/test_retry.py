"""Repeating a run that did not succeed, with a fake durable client and a fake agent service."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.instance_input import continued_input, start_input
from contracts.request import RunPolicy
from foundry import errors
from http_api import foundry_reads, keyed_starts, retry
from orchestrators.progress import begin
from tests.unit.scripted import PROMPT
from tests.unit.test_http_functions import FakeClient, call, environment, instance  # noqa: F401 - the fixture counts
from validation.start_request import parse_request

ASKED = {
    "user_message": PROMPT,
    "if_thread_busy": "fail",
    "metadata": {"job": "nightly"},
    "run_options": {"temperature": 0, "additional_messages": [{"role": "user", "content": "more"}]},
}
POLICY = RunPolicy(agent_id="asst_7", timeout_seconds=600, delete_thread="with_history")


class FakeService:
    """Says whose message waits on a thread, or fails."""

    def __init__(self, waiting: str | None = None, failure: Exception | None = None):
        self.waiting, self.failure = waiting, failure
        self.asked: list[str] = []

    def within(self, seconds):
        return self

    def awaits_answer(self, thread_id, instance_id):
        self.asked.append(thread_id)
        if self.failure:
            raise self.failure
        return self.waiting == instance_id


@pytest.fixture
def service(monkeypatch):
    fake = FakeService()
    monkeypatch.setattr(foundry_reads, "agent_service", lambda settings, generation: fake)
    return fake


@pytest.fixture
def client():
    return FakeClient()


def ended(given: Any, status: str = "Failed", instance_id: str = "i1", **shown: Any) -> dict[str, Any]:
    word = {"Failed": "Failed", "Terminated": "Cancelled", "Completed": "Success"}[status]
    fields = {"customStatus": {"status": word, "step": "done", **shown}, "output": "timeout: not done"}
    return instance(instance_id, status, input=json.dumps(given), **fields)


def started(asked: dict[str, Any] = ASKED) -> dict[str, Any]:
    return start_input(parse_request(asked), POLICY)


def again(client, instance_id="i1", body=None, **how) -> tuple[int, dict[str, Any], Any]:
    route = {"instance_id": instance_id}
    return call(retry.retry_agent_run, f"/runs/{instance_id}/retry", body, route=route, client=client, **how)


def repetition(client, given: Any, status: str = "Failed", body: Any = None, **shown: Any) -> dict[str, Any]:
    """Return the request and the policy with which a run is repeated that was given this and has shown that."""
    client.instances["i1"] = ended(given, status, **shown)
    answer = again(client, body=body)
    assert answer[0] == 202, answer
    [(name, instance_id, made)] = client.started
    assert (name, instance_id) == ("agent_run", answer[1]["id"])
    return dict(made)


ON_THREAD = {"thread_id": "thread_1", "message_posted": True}


def test_what_is_on_the_thread_is_run_again_without_a_second_message(client, service):
    made = repetition(client, started(), **ON_THREAD)
    expected = {name: value for name, value in ASKED.items() if name != "user_message"}
    assert made["request"] == {
        **expected,
        "agent_id": "asst_7",
        "thread_id": "thread_1",
        "timeout_seconds": 600,
        "delete_thread": "with_history",
    }
    policy = made["policy"]
    assert (policy["agent_id"], policy["timeout_seconds"], policy["delete_thread"]) == ("asst_7", 600, "with_history")
    assert service.asked == []


def test_additional_messages_came_with_the_run_and_do_not_come_twice(client, service):
    made = repetition(client, started(), run_id="run_1", **ON_THREAD)
    assert made["request"]["run_options"] == {"temperature": 0}


def test_a_message_that_never_got_onto_the_thread_is_posted(client, service):
    made = repetition(client, started(), thread_id="thread_1", message_posted=False)
    assert (made["request"]["user_message"], made["request"]["thread_id"]) == (PROMPT, "thread_1")
    assert service.asked == ["thread_1"]


def test_a_message_that_got_there_unheard_is_not_posted_again(client, service):
    service.waiting = "i1"
    made = repetition(client, started(), thread_id="thread_1", message_posted=False)
    assert "user_message" not in made["request"]


def test_the_message_of_another_one_is_not_taken_for_its_own(client, service):
    service.waiting = "i2"
    made = repetition(client, started(), thread_id="thread_1", message_posted=False)
    assert made["request"]["user_message"] == PROMPT


def test_without_a_thread_it_starts_anew(client, service):
    made = repetition(client, started())
    assert made["request"]["user_message"] == PROMPT
    assert "thread_id" not in made["request"]
    assert service.asked == []


def test_one_that_was_ended_from_outside_before_it_showed_anything_keeps_its_callers_thread(client, service):
    client.instances["i1"] = instance("i1", "Terminated", input=json.dumps(started({**ASKED, "thread_id": "thread_9"})))
    assert again(client)[0] == 202
    assert client.started[0][2]["request"]["thread_id"] == "thread_9"
    assert service.asked == ["thread_9"]


@pytest.mark.parametrize("posted", [True, False])
def test_the_input_of_a_later_generation_is_read_too(client, service, posted):
    asked = {**ASKED, "content": [{"type": "image_file", "image_file": {"file_id": "assistant-1"}}]}
    progress = begin(
        parse_request(asked), POLICY, instance_id="i1", operation_id="o", now=datetime(2026, 11, 21, tzinfo=UTC)
    )
    progress.thread_id = "thread_1"
    if posted:
        progress.message = None
    made = repetition(client, continued_input(progress), "Terminated", thread_id="thread_1", message_posted=posted)
    assert made["request"].get("user_message") == (None if posted else PROMPT)
    assert made["request"].get("content") == (None if posted else asked["content"])
    for name in ("metadata", "run_options", "if_thread_busy"):
        assert made["request"][name] == ASKED[name]
    assert made["policy"]["agent_id"] == "asst_7"


def test_a_start_over_the_webhook_is_repeated_with_what_the_settings_say(client, service):
    made = repetition(client, {"user_message": "hi", "agent_id": "asst_9"}, **ON_THREAD)
    assert (made["policy"]["agent_id"], made["policy"]["timeout_seconds"]) == ("asst_9", 1800)


def test_a_run_without_a_message_is_repeated_without_one(client, service):
    made = repetition(client, started({"thread_id": "thread_1"}), thread_id="thread_1", message_posted=False)
    assert "user_message" not in made["request"]
    assert service.asked == []


def test_an_idempotency_key_is_not_taken_along(client, service):
    made = repetition(client, started({**ASKED, "idempotency_key": "k"}), **ON_THREAD)
    assert "idempotency_key" not in made["request"]
    assert made["policy"]["request_fingerprint"]


def test_its_time_may_be_another_one(client, service):
    made = repetition(client, started(), body={"timeout_seconds": 5.0}, **ON_THREAD)
    assert made["request"]["timeout_seconds"] == made["policy"]["timeout_seconds"] == 5


def test_a_time_that_is_no_longer_allowed_is_the_longest_that_is(client, service, environment):  # noqa: F811
    environment.setenv("RUN_TIMEOUT_SECONDS", "60")
    environment.setenv("RUN_MAX_TIMEOUT_SECONDS", "300")
    assert repetition(client, started(), **ON_THREAD)["policy"]["timeout_seconds"] == 300


def test_asking_again_is_the_same_repetition_and_that_is_repeated_by_its_own_id(client, service):
    client.instances["i1"] = ended(started(), **ON_THREAD)
    first, second = again(client), again(client, body={"timeout_seconds": 9})
    assert first[0] == second[0] == 202
    assert first[1]["id"] == second[1]["id"]
    assert len(client.started) == 1
    repeated = first[1]["id"]
    client.instances[repeated] = ended(client.started[0][2], instance_id=repeated, **ON_THREAD)
    third = again(client, repeated)
    assert third[0] == 202
    assert len({"i1", repeated, third[1]["id"]}) == 3


def test_a_lost_answer_is_told_again_even_while_foundry_is_down(client, service):
    client.instances["i1"] = ended(started(), thread_id="thread_1")
    first = again(client)
    service.failure = errors.UnavailableError("down")
    assert again(client)[1]["id"] == first[1]["id"]


def test_a_repetition_that_is_started_twice_adopts_the_same_things(client, service, documents, monkeypatch):
    monkeypatch.setattr(keyed_starts, "STARTS_WITHIN", timedelta())
    client.instances["i1"] = ended(started(), **ON_THREAD)
    documents.faults = [*[None] * 3, "lost"]  # that it was started is not noted
    again(client)
    client.instances.pop(client.started[0][1])
    again(client)
    [(_, one, first), (_, other, second)] = client.started
    assert (one, first["policy"]) == (other, second["policy"])
    assert first["policy"]["request_fingerprint"]


def test_a_repetition_that_was_purged_is_not_started_again(client, service):
    client.instances["i1"] = ended(started(), **ON_THREAD)
    repeated = again(client)[1]["id"]
    client.instances.pop(repeated)
    code, body, _ = again(client)
    assert (code, body["error"]["code"], body["error"]["target"]) == (410, "run_purged", "instance_id")
    assert repeated in body["error"]["message"]
    assert len(client.started) == 1


def test_another_run_of_the_same_id_is_not_answered_with_the_repetition_of_the_first(client, service):
    client.instances["i1"] = ended(started(), **ON_THREAD)
    assert again(client)[0] == 202
    client.instances["i1"]["createdTime"] = "2026-11-22T10:00:00Z"
    status, body, _ = again(client)
    assert (status, body["error"]["code"]) == (409, "nothing_to_retry")


@pytest.mark.parametrize(("status", "word"), [("Running", "goes on (Running)"), ("Pending", "goes on")])
def test_one_that_goes_on_is_not_repeated(client, service, status, word):
    client.instances["i1"] = instance("i1", status, input=json.dumps(started()))
    code, body, _ = again(client)
    assert (code, body["error"]["code"]) == (409, "nothing_to_retry")
    assert word in body["error"]["message"]
    assert client.started == []


def test_one_that_has_succeeded_is_not_repeated(client, service):
    client.instances["i1"] = instance("i1", "Completed", input=json.dumps(started()))
    code, body, _ = again(client)
    assert (code, body["error"]["code"]) == (409, "nothing_to_retry")
    assert "has succeeded (Success)" in body["error"]["message"]


def test_one_that_is_brought_back_is_not_repeated(client, service, monkeypatch):
    client.instances["i1"] = instance("i1", "Running", input=json.dumps(started()))
    read = retry.read_document

    async def recovering(client, instance_id):
        document = await read(client, instance_id)
        return type(document)(**{n: getattr(document, n) for n in document.__struct_fields__} | {"step": "recovering"})

    monkeypatch.setattr(retry, "read_document", recovering)
    code, body, headers = again(client)
    assert (code, body["error"]["code"], headers["Retry-After"]) == (503, "recovering", "60")


def test_an_unknown_run_is_404(client, service):
    assert again(client, "nobody")[0] == 404


@pytest.mark.parametrize("given", [{"user_message": " "}, {"x": PROMPT}, "x", None])
def test_what_could_not_be_run_would_fail_again(client, service, given):
    client.instances["i1"] = ended(given)
    code, body, _ = again(client)
    assert (code, body["error"]["code"]) == (409, "nothing_to_retry")
    assert client.started == []


@pytest.mark.parametrize("broken", [{"progress": {"options": 5}}, {"request": ASKED, "policy": {"agent_id": 1}}])
def test_an_input_of_somebody_elses_is_not_repeated(client, service, broken):
    client.instances["i1"] = ended(broken)
    code, body, _ = again(client)
    assert (code, body["error"]["code"]) == (409, "nothing_to_retry")


@pytest.mark.parametrize(
    ("body", "targets"),
    [
        ({"timeout_seconds": 0}, ["timeout_seconds"]),
        ({"timeout_seconds": "5"}, ["timeout_seconds"]),
        ({"timeout_seconds": 10**6}, ["timeout_seconds"]),
        ({"user_message": "hi", "timeout": 5}, ["timeout", "user_message"]),
    ],
)
def test_a_body_that_does_not_fit_is_400(client, service, body, targets):
    client.instances["i1"] = ended(started(), **ON_THREAD)
    code, answer, _ = again(client, body=body)
    assert code == 400
    assert [d["target"] for d in answer["error"]["details"]] == targets
    assert client.started == []


def test_a_chunked_body_is_411(client, service):
    client.instances["i1"] = ended(started(), **ON_THREAD)
    assert again(client, headers={"transfer-encoding": "chunked"})[0] == 411


def test_while_foundry_does_not_tell_nothing_is_started(client, service):
    service.failure = errors.UnavailableError("down")
    client.instances["i1"] = ended(started(), thread_id="thread_1")
    code, body, _ = again(client)
    assert (code, body["error"]["code"]) == (502, "service_unavailable")
    assert client.started == []


def test_a_repetition_that_waits_answers_with_the_end(client, service):
    client.instances["i1"] = ended(started(), **ON_THREAD)
    start = client.start_new

    async def start_and_fail(name, instance_id=None, client_input=None):
        await start(name, instance_id, client_input)
        client.instances[instance_id] = ended(client_input, instance_id=instance_id, **ON_THREAD)
        return instance_id

    client.start_new = start_and_fail
    code, body, headers = again(client, headers={"prefer": "wait=5"})
    assert (code, body["status"], headers["Preference-Applied"]) == (200, "Failed", "wait=5")
    query = {"returnInternalServerErrorOnFailure": "true"}
    assert again(client, headers={"prefer": "wait=5"}, query=query)[0] == 500


@pytest.mark.parametrize("name", ["timeout_seconds", "returnInternalServerErrorOnFailures", "user_message"])
def test_a_query_parameter_that_a_repetition_does_not_know_is_refused(client, service, name):
    client.instances["i1"] = ended(started(), "Failed", **ON_THREAD)
    code, body, _ = again(client, query={name: "1"})
    assert (code, body["error"]["target"]) == (400, name)
    assert client.started == []


def test_no_log_line_of_a_repetition_has_the_prompt(client, service, caplog):
    with caplog.at_level(logging.DEBUG):
        repetition(client, started(), thread_id="thread_1")
    assert PROMPT not in caplog.text
