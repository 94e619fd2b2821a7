"""The routes that read steps and files of a run: what is asked of Foundry, and each failure's answer."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import azure.functions as func
import pytest

from contracts.runs import AnswerMessage, Attachment
from contracts.steps import RunFile, RunStep, RunSteps, StepCall
from contracts.wire import to_wire
from foundry import errors
from http_api import foundry_reads, run_files, run_steps
from http_api.file_headers import MOST_FILE_BYTES
from tests.unit import test_http_functions as http
from tests.unit.test_http_functions import OUTCOME, FakeClient, call, instance

client, environment = http.client, http.environment
"""Their fixtures."""

STEPS = RunSteps(
    run_id="run_1",
    steps=[
        RunStep(
            id="step_1",
            type="tool_calls",
            status="completed",
            created_at="2026-11-21T10:00:00Z",
            completed_at=None,
            error=None,
            tool_calls=[StepCall(id="call_1", type="mcp", name="t", server_label="github")],
        )
    ],
)


class FakeService:
    """Stands in for the agent service: what it has, and what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.raises: dict[str, Exception] = {}
        self.produced: set[str] = set()
        self.file = RunFile(name="a.csv", content=b"a,b\n")
        self.hangs = threading.Event()
        self.hangs.set()

    def within(self, seconds: float) -> FakeService:
        return self

    def _asked(self, name: str, *given: Any) -> None:
        self.asked.append((name, *given))
        self.hangs.wait(10)
        if name in self.raises:
            raise self.raises[name]

    def list_steps(self, thread_id: str, run_id: str) -> RunSteps:
        self._asked("list_steps", thread_id, run_id)
        return STEPS

    def has_produced(self, thread_id: str, run_id: str, file_id: str) -> bool:
        self._asked("has_produced", thread_id, run_id, file_id)
        return file_id in self.produced

    def get_file(self, file_id: str, most_bytes: int) -> RunFile:
        self._asked("get_file", file_id, most_bytes)
        return self.file


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    fake = FakeService()
    monkeypatch.setattr(foundry_reads, "agent_service", lambda settings, generation: fake)
    return fake


def with_run(client: FakeClient, **fields: Any) -> None:
    shown = {"status": "Running", "thread_id": "thread_1", "run_id": "run_1"}
    client.instances["i1"] = instance(customStatus=shown, **fields)


def succeeded(client: FakeClient, *messages: AnswerMessage, **fields: Any) -> None:
    outcome = {
        **OUTCOME,
        "thread_id": "thread_1",
        "run_id": "run_1",
        "messages": [to_wire(m) for m in messages],
        **fields,
    }
    client.instances["i1"] = instance(status="Completed", output=outcome)


def steps(client: FakeClient, instance_id: str = "i1") -> tuple[int, Any, Any]:
    route = {"instance_id": instance_id}
    return call(run_steps.agent_run_steps, "/runs/i1/steps", method="GET", route=route, client=client)


def file(client: FakeClient, file_id: str = "file-1", instance_id: str = "i1") -> func.HttpResponse:
    function = run_files.agent_run_file._function.get_user_function()
    route = {"instance_id": instance_id, "file_id": file_id}
    request = func.HttpRequest("GET", "https://app.example/api/runs/x/files/y", route_params=route, body=b"")
    answer: func.HttpResponse = asyncio.run(function.client_function(req=request, client=client))
    return answer


def error_of(answer: func.HttpResponse) -> tuple[int, str, str]:
    error = json.loads(answer.get_body())["error"]
    return answer.status_code, error["code"], error["message"]


# --- steps ---


def test_the_steps_are_those_of_the_instances_run(client: FakeClient, service: FakeService) -> None:
    with_run(client)
    code, body, headers = steps(client)
    assert (code, body, headers["Cache-Control"]) == (200, to_wire(STEPS), "no-store")
    assert service.asked == [("list_steps", "thread_1", "run_1")]


def test_the_service_of_the_threads_generation_is_read(client: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def service(_: Any, generation: str) -> FakeService:
        read.append(generation)
        return FakeService()

    monkeypatch.setattr(foundry_reads, "agent_service", service)
    for thread_id in ("thread_1", "conv_1"):
        shown = {"status": "Running", "thread_id": thread_id, "run_id": "run_1"}
        client.instances["i1"] = instance(customStatus=shown)
        assert steps(client)[0] == 200
    assert read == ["classic", "responses"]


def test_a_run_that_is_not_started_has_no_steps_and_foundry_is_not_asked(
    client: FakeClient,
    service: FakeService,
) -> None:
    client.instances["i1"] = instance(customStatus={"status": "Running", "thread_id": "thread_1"})
    assert steps(client)[:2] == (200, {"run_id": None, "steps": [], "truncated": False})
    assert service.asked == []


@pytest.mark.parametrize("status", ["Failed", "Terminated", "Suspended", "Completed"])
def test_whatever_became_of_the_run_its_steps_are_shown(
    status: str,
    client: FakeClient,
    service: FakeService,
) -> None:
    with_run(client, status=status, output="it failed")
    assert steps(client)[0] == 200


def test_an_unknown_run_has_neither(client: FakeClient, service: FakeService) -> None:
    client.instances["other"] = instance("other", name="somebody_elses")
    for instance_id in ("nobody", "other", "a/b"):
        assert steps(client, instance_id)[:1] == (404,)
        assert error_of(file(client, "file-1", instance_id))[:2] == (404, "not_found")
    assert service.asked == []


# --- files ---


def test_a_file_of_the_answer_is_handed_over_without_another_look(
    client: FakeClient,
    service: FakeService,
) -> None:
    handed_over = Attachment(kind="file_path", id="file-1")
    succeeded(
        client, AnswerMessage(id="m", text="t", attachments=[handed_over]), AnswerMessage(id="n", text="question")
    )
    answer = file(client)
    assert (answer.status_code, answer.get_body()) == (200, b"a,b\n")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="a.csv"')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert service.asked == [("get_file", "file-1", MOST_FILE_BYTES)]


def test_a_file_of_an_older_outcome_is_handed_over(client: FakeClient, service: FakeService) -> None:
    succeeded(client, attachments=[{"kind": "image_file", "id": "file-1"}])
    assert file(client).status_code == 200
    assert [name for name, *_ in service.asked] == ["get_file"]


@pytest.mark.parametrize("status", ["Running", "Failed", "Terminated"])
def test_where_the_output_does_not_tell_foundry_does(
    status: str,
    client: FakeClient,
    service: FakeService,
) -> None:
    with_run(client, status=status)
    service.produced = {"file-1"}
    assert file(client).status_code == 200
    assert service.asked[0] == ("has_produced", "thread_1", "run_1", "file-1")


def test_a_file_that_only_the_runs_code_has_made_is_handed_over(
    client: FakeClient,
    service: FakeService,
) -> None:
    succeeded(client, AnswerMessage(id="m", text="t"))
    service.produced = {"file-1"}
    assert file(client).status_code == 200


def test_another_file_is_unknown_and_not_asked_for(client: FakeClient, service: FakeService) -> None:
    succeeded(client, AnswerMessage(id="m", text="t", attachments=[Attachment(kind="file", id="file-2")]))
    code, error, message = error_of(file(client))
    assert (code, error) == (404, "not_found")
    assert "file-1" in message
    assert "get_file" not in [name for name, *_ in service.asked]


@pytest.mark.parametrize("file_id", ["", "..", "a/b", "a?b", "a b", "é", "x" * 129, "https://images.example/a.png"])
def test_what_is_no_id_is_unknown_at_once(file_id: str, client: FakeClient, service: FakeService) -> None:
    succeeded(client, AnswerMessage(id="m", text="t", attachments=[Attachment(kind="image_url", id=file_id)]))
    assert error_of(file(client, file_id))[:2] == (404, "not_found")
    assert service.asked == []


def test_a_run_that_is_not_started_has_no_files(client: FakeClient, service: FakeService) -> None:
    client.instances["i1"] = instance(customStatus={"status": "Running", "thread_id": "thread_1"})
    assert error_of(file(client))[:2] == (404, "not_found")
    assert service.asked == []


# --- failures ---

GONE = errors.NotFoundError("Foundry's GET /files/file-1 answered 404: gone", names_it=True)
FAILURES = [
    (GONE, 404, "not_found"),
    (errors.NotFoundError("Project not found"), 502, "not_found"),
    (errors.UnavailableError("busy"), 502, "service_unavailable"),
    (errors.PermissionDeniedError("no role"), 502, "forbidden"),
    (errors.RateLimitedError("slow down"), 502, "rate_limited"),
    (errors.BadResponseError("half of it"), 502, "bad_response"),
    (errors.ResponseTooLargeError("31,000,000 bytes"), 413, "response_too_large"),
]


@pytest.mark.parametrize(("raised", "code", "error"), FAILURES)
@pytest.mark.parametrize("when", ["has_produced", "get_file"])
def test_what_foundry_says_against_a_file_becomes_an_answer(
    when: str,
    raised: Exception,
    code: int,
    error: str,
    client: FakeClient,
    service: FakeService,
) -> None:
    with_run(client)
    service.produced = {"file-1"}
    service.raises = {when: raised}
    found = error_of(file(client))
    assert found[:2] == (code, error)
    assert ("deleted" in found[2]) == (code == 404)


@pytest.mark.parametrize(("raised", "code", "error"), FAILURES[:-1])
def test_what_foundry_says_against_steps_becomes_an_answer(
    raised: Exception,
    code: int,
    error: str,
    client: FakeClient,
    service: FakeService,
) -> None:
    with_run(client)
    service.raises = {"list_steps": raised}
    found, body, _ = steps(client)
    assert (found, body["error"]["code"]) == (code, error)


def test_a_foundry_that_hangs_is_not_waited_for(
    client: FakeClient,
    service: FakeService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_run(client)
    service.hangs.clear()
    monkeypatch.setattr(run_steps, "READING_SECONDS", 0.05)
    monkeypatch.setattr(run_files, "READING_SECONDS", 0.05)
    try:
        assert steps(client)[1]["error"]["code"] == "connection_failed"
        assert error_of(file(client))[:2] == (502, "connection_failed")
    finally:
        service.hangs.set()


def test_an_app_that_is_not_configured_says_so(
    client: FakeClient,
    service: FakeService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_run(client)
    monkeypatch.setenv("FOUNDRY_PROJECT_ENDPOINT", "")
    assert steps(client)[0] == 500
    assert error_of(file(client))[:2] == (500, "configuration_error")
