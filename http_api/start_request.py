"""Reads a start request from route, body and query. Pure.

Parameters may come from any of them (Polysync puts into the query what does not fit the body); the same one given
twice with different values is an error. `code` and `clientId` in the query are the platform's, and
`returnInternalServerErrorOnFailure` says how to answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from werkzeug.http import parse_options_header

from contracts.codes import ErrorCode
from contracts.request import AgentRunRequest
from http_api.answers import ApiError, invalid_request
from http_api.links import FAILURE_IS_500
from http_api.query_parameters import PLATFORM_PARAMETERS
from policy import policy_errors
from settings import Settings
from validation.field_errors import FieldError, InvalidRequestError
from validation.start_request import parse_request

MAX_BODY_BYTES = 4_000_000
"""The longest message, 256,000 characters outside of the basic plane, takes 12 bytes each as escaped JSON."""

_NO_FIELDS = {name.lower() for name in (*PLATFORM_PARAMETERS, FAILURE_IS_500)}
"""Query parameters that say nothing of the run."""
_JSON_IN_QUERY = {"run_options", "metadata"}
_MISSING = object()
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')
_CHARSET_PARAMETER = re.compile(r"(?<![^;\s])charset=", re.IGNORECASE)


def read_start_request(
    settings: Settings,
    *,
    route: Mapping[str, str],
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    is_name: Callable[[str], bool],
) -> AgentRunRequest:
    """Return the request; raise `ApiError` (400, 413, 415) that says everything that is wrong with it. Whether an agent
    that is named may be run is seen when it is known.
    """
    key = headers.get("idempotency-key")
    sources = {
        "route": dict(route),
        "Idempotency-Key header": {} if key is None else {"idempotency_key": key},
        "body": _fields_of_body(headers.get("content-type"), body),
        "query": _fields_of_query(query),
    }
    given, errors = _merge(sources)
    agent_id, timeout_seconds = given.get("agent_id"), given.get("timeout_seconds")
    by_name = isinstance(agent_id, str) and is_name(agent_id)
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


def _fields_of_body(content_type: str | None, body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    kind, charset = _media_type(content_type)
    if kind == "text/plain":
        _check_size(body)
        return {"user_message": _decoded(body, charset)}
    return read_json_object(content_type, body)


def read_json_object(content_type: str | None, body: bytes) -> dict[str, Any]:
    """Return the body's JSON object; raise `ApiError` (400, 413, 415) where it has none."""
    _check_size(body)
    kind, charset = _media_type(content_type)
    if kind not in ("", "application/json") and not kind.endswith("+json"):
        raise ApiError(
            415,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            "send application/json (a start also takes text/plain, the message)",
            target="Content-Type",
        )
    try:
        parsed = json.loads(
            _decoded(body, charset), object_pairs_hook=_without_contradiction, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ApiError(400, ErrorCode.INVALID_JSON, f"the body is not JSON, from {where} on", target="body") from None
    except ValueError:  # the only one left: Python reads no number of more than 4,300 digits
        raise ApiError(400, ErrorCode.INVALID_JSON, "a number in the body is too long", target="body") from None
    except RecursionError:
        raise ApiError(400, ErrorCode.INVALID_JSON, "the body's JSON is nested too deeply", target="body") from None
    if not isinstance(parsed, dict):
        raise ApiError(400, ErrorCode.INVALID_JSON, "the body must be a JSON object", target="body")
    return parsed


def _without_contradiction(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object, unless it gives one key two values: which of them is meant, nobody can know."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made and made[name] != value:
            message = f"the key {name[:100]!r} is given twice in the body's JSON, with different values"
            raise ApiError(400, ErrorCode.INVALID_JSON, message, target="body")
        made[name] = value
    return made


def _no_constant(name: str) -> Any:
    raise ApiError(400, ErrorCode.INVALID_JSON, f"the body is not JSON: it has {name}", target="body")


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BODY_BYTES:
        message = f"the body has {len(body):,} bytes, at most {MAX_BODY_BYTES:,} are taken"
        raise ApiError(413, ErrorCode.TOO_LARGE, message, target="body")


def _media_type(content_type: str | None) -> tuple[str, str]:
    """Return type and charset in small letters. A charset that is named but cannot be read is empty, and so refused."""
    text = "=".join(part.strip() for part in (content_type or "").split("="))  # some callers put blanks there
    kind, parameters = parse_options_header(text)
    is_named = _CHARSET_PARAMETER.search(_QUOTED.sub("", text))
    return kind.lower(), parameters.get("charset", "" if is_named else "utf-8").lower()


def _decoded(body: bytes, charset: str) -> str:
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise ApiError(415, ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send the body as UTF-8", target="Content-Type")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ApiError(400, ErrorCode.INVALID_ENCODING, "the body is not UTF-8", target="body") from None


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
