"""How the API answers: one error shape, and no exception ever shown."""

import asyncio
import inspect
import json
import logging

import azure.functions as func
import pytest

from http_api.answers import ApiError, answering, error_answer, invalid_request, json_answer
from settings import SettingProblem, SettingsError
from tests.unit.scripted import PROMPT
from validation.field_errors import FieldError, InvalidRequestError

REQUEST = func.HttpRequest(method="GET", url="https://app.example/api/x", body=b"")
BAD = FieldError(code="invalid", message="must be an id", target="agent_id")
WORSE = FieldError(code="required", message="is required", target="user_message")


def handlers(raised):
    """Return a sync and an async function that raise this, as HTTP functions."""

    @answering
    def handle(req):
        raise raised

    @answering
    async def handle_async(req):
        raise raised

    return [handle, lambda req: asyncio.run(handle_async(req))]


def both(raised):
    """Return status and error of what both kinds of function answer, which must be the same."""
    answers = [handler(REQUEST) for handler in handlers(raised)]
    assert answers[0].get_body() == answers[1].get_body()
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].mimetype == "application/json"
    body = json.loads(answers[0].get_body())
    assert set(body) == {"error"}
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "target", "details"}
    return answers[0].status_code, body["error"]


def test_an_answer_is_passed_on():
    answer = json_answer({"a": 1})
    assert answering(lambda req: answer)(REQUEST) is answer
    assert (answer.status_code, answer.get_body(), answer.mimetype) == (200, b'{"a":1}', "application/json")
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_api_error_is_answered_as_it_is():
    assert both(ApiError(404, "not_found", "no such run", target="instance_id")) == (
        404,
        {"code": "not_found", "message": "no such run", "target": "instance_id"},
    )
    assert both(ApiError(409, "x", "y")) == (409, {"code": "x", "message": "y"})


def test_an_error_may_say_when_to_ask_again():
    answer = error_answer(ApiError(503, "x", "y", retry_after_seconds=5))
    assert answer.headers["Retry-After"] == "5"
    assert "Retry-After" not in error_answer(ApiError(503, "x", "y")).headers


def test_an_invalid_request_names_every_field():
    for raised in (InvalidRequestError([BAD, WORSE]), invalid_request([BAD, WORSE])):
        status, error = both(raised)
        assert (status, error["code"], error["target"]) == (400, "invalid_request", "agent_id")
        assert "1 more" in error["message"]
        assert error["details"] == [
            {"code": "invalid", "message": "must be an id", "target": "agent_id"},
            {"code": "required", "message": "is required", "target": "user_message"},
        ]


def test_a_single_bad_field_is_the_message():
    assert both(invalid_request([BAD]))[1]["message"] == "agent_id must be an id"


def test_missing_settings_are_named():
    problems = [SettingProblem("FOUNDRY_PROJECT_ENDPOINT", "is not set"), SettingProblem("RUN_TIMEOUT_SECONDS", "no")]
    status, error = both(SettingsError(problems))
    assert (status, error["code"], error["target"]) == (500, "configuration_error", "FOUNDRY_PROJECT_ENDPOINT")
    assert [d["target"] for d in error["details"]] == ["FOUNDRY_PROJECT_ENDPOINT", "RUN_TIMEOUT_SECONDS"]
    assert "FOUNDRY_PROJECT_ENDPOINT is not set" in error["message"]


@pytest.mark.parametrize(
    "raised",
    [
        KeyError(PROMPT),
        ValueError(PROMPT),
        RuntimeError(f"Bearer {PROMPT}"),
        RecursionError(PROMPT),
        UnicodeEncodeError("utf-8", PROMPT, 0, 1, PROMPT),
        AssertionError(PROMPT),
        ExceptionGroup(PROMPT, [ValueError(PROMPT)]),
    ],
    ids=lambda e: type(e).__name__,
)
def test_no_other_exception_is_shown_to_the_caller_or_quoted_in_the_log(raised, caplog):
    with caplog.at_level(logging.DEBUG):
        status, error = both(raised)
    assert (status, error["code"]) == (500, "internal_error")
    assert PROMPT not in json.dumps(error)
    assert "Traceback" not in json.dumps(error)
    assert PROMPT not in caplog.text
    assert f"{type(raised).__name__} at " in caplog.text  # where to look is logged
    assert "test_answers.py" in caplog.text


def test_a_function_keeps_its_name_and_kind():
    # The SDK takes the function's name from it, and the worker asks whether it is a coroutine function.
    @answering
    async def some_name(req, client): ...

    assert some_name.__name__ == "some_name"
    assert inspect.iscoroutinefunction(some_name)


def test_the_worker_may_still_stop_a_function():
    @answering
    async def stopped(req):
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stopped(REQUEST))
