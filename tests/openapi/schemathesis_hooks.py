"""Loaded by schemathesis in its own process: what the description cannot say in JSON Schema, and two more checks.

A start takes its fields from body, query and headers, and refuses the same field given twice with different values: so
a generated case keeps only one of them. What the agent's generation refuses is taken out. `SECRETS` names texts that no
answer may hold.
"""

from __future__ import annotations

import itertools
import json
import os
from typing import Any

import schemathesis
from schemathesis.core import NOT_SET
from schemathesis.core.parameters import ParameterLocation

SECRETS = [s for s in os.environ.get("PLANTED_SECRETS", "").split(",") if s]
AGENT = os.environ.get("KNOWN_AGENT", "")
ENDED = os.environ.get("ENDED_RUN", "")
ERROR_CODES = "x-error-codes"
FAILURE_IS_500 = "returnInternalServerErrorOnFailure"
_STARTS = ("POST /run_agent", "POST /agents/{agent_id}/runs")
_COUNTER = itertools.count()


def _is_negative(case: Any, where: ParameterLocation) -> bool:
    return case.meta is not None and case.meta.is_negative_at(where)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    if "prefer" in case.headers:  # nobody wants to wait for 200 seconds in a test, nor hundreds of times for one
        case.headers["prefer"] = "wait=1" if next(_COUNTER) % 10 == 0 else "respond-async"
    if case.query:
        # What the platform drops, as it drops every parameter without a value, cannot be refused.
        case.query = {name: " " if value == "" else value for name, value in case.query.items()}
        if FAILURE_IS_500 in case.query and not _is_negative(case, ParameterLocation.QUERY):
            case.query[FAILURE_IS_500] = "false"  # a 500 that is asked for is no finding
    if case.operation.label in _STARTS:
        _give_once(case)
        _fit_the_agent(case)
    if case.operation.label == "POST /runs/{instance_id}/tool_outputs":
        _answer_nobody(case)
    if case.operation.label in ("GET /runs", "GET /threads/{thread_id}/messages"):
        _list_what_there_is(case)
    if case.operation.label == "POST /runs/cancel":
        _cancel_what_is_named(case)


def _give_once(case: Any) -> None:
    query = dict(case.query or {})
    body = {} if case.body is NOT_SET else case.body
    if case.media_type == "text/plain":
        body = {"user_message": body}
    if _is_negative(case, ParameterLocation.BODY) and not _is_negative(case, ParameterLocation.QUERY):
        query = {}  # what is missing in the body must not come from here
    elif isinstance(body, dict) and not _is_negative(case, ParameterLocation.QUERY):
        query = {name: value for name, value in query.items() if name not in body}
    if case.media_type == "text/plain" and case.path == "/run_agent":
        query.setdefault("agent_id", AGENT)
    if "idempotency-key" in case.headers:
        if not _is_negative(case, ParameterLocation.QUERY):
            query.pop("idempotency_key", None)
        if isinstance(case.body, dict) and not _is_negative(case, ParameterLocation.BODY):
            case.body = {name: value for name, value in case.body.items() if name != "idempotency_key"}
    if query != case.query:
        case.query = query


def _fit_the_agent(case: Any) -> None:
    """Take out what the agent refuses, since it is of the other generation."""
    body, query = case.body if isinstance(case.body, dict) else None, case.query or {}
    agent = case.path_parameters.get("agent_id") or (body or {}).get("agent_id") or query.get("agent_id")
    is_classic = str(agent).startswith("asst_")
    if query and not _is_negative(case, ParameterLocation.QUERY):
        plain = {name: _from_json(value) if name in _AS_JSON else value for name, value in query.items()}
        fit = _fitting(plain, is_classic=is_classic)
        query = {name: value for name, value in query.items() if name in fit and fit[name] == plain[name]}
        case.query = query
    if body is not None and not _is_negative(case, ParameterLocation.BODY):
        case.body = _fitting(body, is_classic=is_classic)
        if not any(case.body.get(name) or query.get(name) for name in _TO_ANSWER):
            case.body["user_message"] = "hi"  # what was taken out was all that there was to answer


_AS_JSON = {"content", "attachments", "run_options"}
_TO_ANSWER = ("user_message", "content", "thread_id")


def _from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _fitting(fields: dict[str, Any], *, is_classic: bool) -> dict[str, Any]:
    fit = dict(fields)
    if isinstance(options := fields.get("run_options"), dict):
        fit["run_options"] = {n: v for n, v in options.items() if (n == "structured_inputs") != is_classic}
    if str(fields.get("thread_id", "")).startswith("conv_") == is_classic:
        fit.pop("thread_id", None)
    if not is_classic:
        fit.pop("attachments", None)
        if any(part.get("type") == "image_file" for part in fields.get("content") or ()):
            fit.pop("content")
    return fit


def _list_what_there_is(case: Any) -> None:
    """Take out what is refused beside the schema: a cursor that nobody gave, a window that ends before it begins."""
    if case.query and not _is_negative(case, ParameterLocation.QUERY):
        case.query = {name: value for name, value in case.query.items() if name not in ("cursor", "created_to")}


def _answer_nobody(case: Any) -> None:
    """Send what fits the schema to a run that has ended: which calls are to be answered, no schema says."""
    if not _is_negative(case, ParameterLocation.BODY):
        case.path_parameters["instance_id"] = ENDED


def _cancel_what_is_named(case: Any) -> None:
    """Name one agent, that has no runs: without filters, or with `all` beside them, a cancel is refused."""
    if isinstance(case.body, dict) and not _is_negative(case, ParameterLocation.BODY):
        case.body = {"reason": case.body["reason"], "agent_id": "asst_nobody"}


@schemathesis.check
def documented_error_codes(context: Any, response: Any, case: Any) -> None:
    """The code of an error is one that the description of the answer lists."""
    answer = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    if ERROR_CODES in answer and response.content and "instanceId" not in response.json():
        assert response.json()["error"]["code"] in answer[ERROR_CODES]


@schemathesis.check
def says_nothing_secret(context: Any, response: Any, case: Any) -> None:
    """No planted secret and no stack trace, in headers or body."""
    text = f"{response.headers}{response.text}"
    assert not [secret for secret in SECRETS if secret in text]
    assert "Traceback" not in text
    assert ".py" not in text
