"""Validates a start request, however it came: over a route, or as the orchestrator's input."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.request import MAX_MESSAGE_CHARACTERS, MAX_METADATA_PAIRS, AgentRunRequest, RunOptions
from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION
from contracts.wire import Wire, from_wire
from validation.field_errors import FieldError, InvalidRequestError
from validation.fitness import unfit

_EXPECTED = {
    "agent_id": "an agent's id such as asst_abc123 (GET /api/agents lists them): letters, digits, _ and -, at most 128",
    "thread_id": "a thread's id such as thread_abc123: letters, digits, _ and -, at most 128",
    "user_message": f"a text that is not blank, of at most {MAX_MESSAGE_CHARACTERS:,} characters",
    "timeout_seconds": "a whole number of seconds, at least 1",
    "if_thread_busy": "'wait' or 'fail'",
    "idempotency_key": "a text of 1 to 200 visible ASCII characters",
    "run_options": f"an object with any of: {', '.join(RunOptions.__struct_fields__)}",
    "metadata": f"an object of at most {MAX_METADATA_PAIRS} texts (keys up to 64 characters, values up to 512)",
}

_INTEGERS = ("timeout_seconds", "max_prompt_tokens", "max_completion_tokens")

EMPTY_MEANS_ABSENT = ("agent_id", "thread_id", "idempotency_key")
"""Polysync sends a parameter that is not set as an empty string."""


@functools.cache
def _types_of(kind: type[Wire]) -> dict[str, Any]:
    """Return the types of the fields. Cached: msgspec evaluates every annotation anew, and every replay parses a
    request.
    """
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


def parse_request(given: Any) -> AgentRunRequest:
    """Return the request, or raise `InvalidRequestError` that names every bad field at once."""
    if not isinstance(given, Mapping):
        raise InvalidRequestError(
            [FieldError(code=ErrorCode.INVALID_TYPE, message="must be a JSON object", target="body")]
        )
    errors = [_unknown(name, "", AgentRunRequest) for name in given if name not in AgentRunRequest.__struct_fields__]
    fields = {name: value for name, value in _with_whole_numbers(given).items() if value is not None}
    if isinstance(fields.get("run_options"), Mapping):
        fields["run_options"] = _with_whole_numbers(fields["run_options"])
    for name in EMPTY_MEANS_ABSENT:
        if fields.get(name) == "":
            del fields[name]
    types = _types_of(AgentRunRequest)
    for name, value in fields.items():
        if name == "run_options" and isinstance(value, Mapping):
            errors += _option_errors(value)
        elif name in types:
            errors += _field_errors(name, value, types[name])
    if "user_message" not in fields:
        errors.append(
            FieldError(
                code=ErrorCode.REQUIRED, message=f"is required: {_EXPECTED['user_message']}", target="user_message"
            )
        )
    if errors:
        raise InvalidRequestError(sorted(errors, key=lambda e: e.target))
    return from_wire(AgentRunRequest, fields)


def _field_errors(name: str, value: Any, kind: Any) -> list[FieldError]:
    if name == "user_message" and isinstance(value, str) and not value.strip():
        return [FieldError(code=ErrorCode.BLANK, message=f"must be {_EXPECTED[name]}", target=name)]
    if name == "metadata" and isinstance(value, Mapping):
        reserved = [k for k in value if k in (METADATA_INSTANCE, METADATA_OPERATION)]
        if reserved:
            return [
                FieldError(code=ErrorCode.RESERVED, message="this key is the app's own", target=f"metadata.{k}")
                for k in reserved
            ]
    if problems := unfit(value, name):
        return problems
    try:
        from_wire(kind, value)
    except msgspec.ValidationError as error:
        return [FieldError(code=ErrorCode.INVALID, message=f"must be {_EXPECTED[name]} ({error})", target=name)]
    return []


def _with_whole_numbers(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the fields, integers without their fraction of 0: 5.0 is an integer in JSON."""
    whole = {n: int(v) for n, v in fields.items() if n in _INTEGERS and isinstance(v, float) and v.is_integer()}
    return {**fields, **whole}


def _option_errors(options: Mapping[Any, Any]) -> list[FieldError]:
    types = _types_of(RunOptions)
    errors = []
    for name, value in options.items():
        target = f"run_options.{name}"
        if name not in types:
            errors.append(_unknown(name, "run_options.", RunOptions))
        elif problems := unfit(value, target):
            errors += problems
        else:
            try:
                from_wire(types[name], value)
            except msgspec.ValidationError as error:
                errors.append(FieldError(code=ErrorCode.INVALID, message=str(error), target=target))
    return errors


def _unknown(name: Any, prefix: str, kind: type[Wire]) -> FieldError:
    known = ", ".join(kind.__struct_fields__)
    return FieldError(
        code=ErrorCode.UNKNOWN_FIELD, message=f"is not a field; known fields: {known}", target=f"{prefix}{name}"[:200]
    )
