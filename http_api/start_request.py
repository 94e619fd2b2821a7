"""Reads a start request from route, body and query. Pure.

Parameters may come from any of them (Polysync puts into the query what does not fit the body); the same one given
twice with different values is an error. `code` and `clientId` in the query are the platform's, and
`returnInternalServerErrorOnFailure` says how to answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.request import AgentRunRequest
from http_api.answers import invalid_request
from http_api.links import FAILURE_IS_500
from http_api.query_parameters import PLATFORM_PARAMETERS
from http_api.request_body import Body
from policy import policy_errors
from settings import Settings
from validation.field_errors import FieldError, InvalidRequestError
from validation.start_request import parse_request

_NO_FIELDS = {name.lower() for name in (*PLATFORM_PARAMETERS, FAILURE_IS_500)}
"""Query parameters that say nothing of the run."""
_JSON_IN_QUERY = {"run_options", "metadata", "content", "attachments"}
_MISSING = object()


def read_start_request(
    settings: Settings,
    *,
    route: Mapping[str, str],
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: Body,
    is_name: Callable[[str], bool],
) -> AgentRunRequest:
    """Return the request; raise `ApiError` (400, 415) that says everything that is wrong with it. Whether an agent
    that is named may be run is seen when it is known.
    """
    key = headers.get("idempotency-key")
    sources = {
        "route": dict(route),
        "Idempotency-Key header": {} if key is None else {"idempotency_key": key},
        "body": _fields_of_body(body),
        "query": _fields_of_query(query),
    }
    given, errors = _merge(sources)
    agent_id, timeout_seconds = given.get("agent_id"), given.get("timeout_seconds")
    meant = agent_id or settings.default_agent_id
    by_name = isinstance(meant, str) and is_name(meant)
    forbidden = policy_errors(settings, agent_id=agent_id, timeout_seconds=timeout_seconds)
    _add(errors, [e for e in forbidden if not (by_name and e.target == "agent_id")])
    try:
        request = parse_request(given)
    except InvalidRequestError as error:
        _add(errors, error.details)
    if errors:
        raise invalid_request(sorted(errors, key=lambda e: e.target))
    return request


def _add(errors: list[FieldError], more: Sequence[FieldError]) -> None:
    """Add the errors on fields that have none yet."""
    known = {e.target for e in errors}
    errors += [e for e in more if e.target not in known]


def _fields_of_body(body: Body) -> dict[str, Any]:
    if not body.content:
        return {}
    return {"user_message": body.text()} if body.media_type == "text/plain" else body.json_object()


def _fields_of_query(query: Mapping[str, str]) -> dict[str, Any]:
    """Return the query's parameters, numbers and objects read as such where the field is one."""
    fields: dict[str, Any] = {}
    for name, text in query.items():
        if name.lower() in _NO_FIELDS:
            continue
        fields[name] = text
        if name == "timeout_seconds" and re.fullmatch(r"\s*[0-9]{1,30}\s*", text):
            fields[name] = int(text)
        elif name in _JSON_IN_QUERY:
            try:
                fields[name] = msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError):
                fields[name] = text  # refused later, with what is expected there
    return fields


def _merge(sources: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], list[FieldError]]:
    given: dict[str, Any] = {}
    conflicts: list[FieldError] = []
    came_from: dict[str, str] = {}
    for source, fields in sources.items():
        for name, value in fields.items():
            if value in ("", None) and name in given:
                continue
            known = given.get(name, _MISSING)
            if known is _MISSING or known in ("", None):
                given[name], came_from[name] = value, source
            elif known != value:
                message = f"is given in the {came_from[name]} and, with another value, in the {source}: give it once"
                conflicts.append(FieldError(code=ErrorCode.CONFLICT, message=message, target=name))
    return given, conflicts
