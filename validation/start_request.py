"""Validates a start request, however it came: over a route, or as the orchestrator's input."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.request import AgentRunRequest, RunOptions
from contracts.wire import Wire, from_wire
from validation.expected import expected
from validation.field_errors import MOST_NAMED, FieldError, InvalidRequestError, shown_name
from validation.fitness import unfit
from validation.message_limits import reserved_keys, too_much, unfit_attachments, unfit_messages
from validation.misfits import misfits
from validation.near_names import no_field

_OPTIONS = "run_options."

_INTEGERS = ("timeout_seconds", "max_prompt_tokens", "max_completion_tokens", "last_messages", "top_k")

_OPTIONS_WITH_NUMBERS = ("truncation_strategy", "tool_resources")
_DEEPEST_NUMBER = 4
"""Objects and lists down to the numbers in these: `tool_resources.azure_ai_search.indexes[0].top_k`."""

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
    errors = _unknown_fields(given, AgentRunRequest, "")
    fields = {name: value for name, value in with_whole_numbers(given).items() if value is not None}
    if isinstance(fields.get("run_options"), Mapping):
        fields["run_options"] = _options_with_whole_numbers(fields["run_options"])
    for name in EMPTY_MEANS_ABSENT:
        if fields.get(name) == "":
            del fields[name]
    types = _types_of(AgentRunRequest)
    for name, value in fields.items():
        if name == "run_options" and isinstance(value, Mapping):
            errors += _option_errors(value)
        elif name in types:
            errors += _field_errors(name, value, types[name])
    errors += _without_a_message(fields, types)
    if errors:
        raise InvalidRequestError(sorted(errors, key=lambda e: e.target))
    request = from_wire(AgentRunRequest, fields)
    if errors := too_much(request):
        raise InvalidRequestError(errors)
    return request


def _without_a_message(fields: Mapping[str, Any], types: Mapping[str, Any]) -> list[FieldError]:
    """Return what is wrong with a request that has no message: only what stands on a thread can be run without one."""
    if "user_message" in fields or "content" in fields:
        return []
    if fields.get("attachments"):
        message = "is required beside attachments, or content is"
    elif "thread_id" not in fields:
        message = (
            f"is required: {expected(types['user_message'])} (or give content, or a thread_id to run what is there)"
        )
    else:
        return []
    return [FieldError(code=ErrorCode.REQUIRED, message=message, target="user_message")]


def _field_errors(name: str, value: Any, kind: Any) -> list[FieldError]:
    if name == "metadata" and (reserved := reserved_keys(value, name)):
        return reserved
    return _misfit(name, value, kind) + (unfit_attachments(value, name) if name == "attachments" else [])


def _misfit(target: str, value: Any, kind: Any) -> list[FieldError]:
    """Return what is wrong with the value of a field, part by part."""
    if problems := unfit(value, target):
        return problems
    try:
        from_wire(kind, value)
    except msgspec.ValidationError:
        return misfits(kind, value, target)
    return []


def with_whole_numbers(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the fields, integers without their fraction of 0: 5.0 is an integer in JSON."""
    whole = {n: int(v) for n, v in fields.items() if n in _INTEGERS and isinstance(v, float) and v.is_integer()}
    return {**fields, **whole}


def _options_with_whole_numbers(options: Mapping[Any, Any]) -> dict[Any, Any]:
    within = {n: _whole_within(v, _DEEPEST_NUMBER) for n, v in options.items() if n in _OPTIONS_WITH_NUMBERS}
    return {**with_whole_numbers(options), **within}


def _whole_within(value: Any, depth: int) -> Any:
    match value:
        case Mapping() if depth:
            return {name: _whole_within(part, depth - 1) for name, part in with_whole_numbers(value).items()}
        case list() if depth:
            return [_whole_within(part, depth - 1) for part in value]
        case _:
            return value


def _option_errors(options: Mapping[Any, Any]) -> list[FieldError]:
    types = _types_of(RunOptions)
    errors = _unknown_fields(options, RunOptions, _OPTIONS)
    for name, value in options.items():
        if name in types and value is not None:
            errors += _option_errors_of(name, value, types[name])
    return errors


def _option_errors_of(name: str, value: Any, kind: Any) -> list[FieldError]:
    target = f"{_OPTIONS}{name}"
    return _misfit(target, value, kind) + (unfit_messages(value, target) if name == "additional_messages" else [])


def _unknown_fields(given: Mapping[Any, Any], kind: type[Wire], prefix: str) -> list[FieldError]:
    unknown = [name for name in given if name not in kind.__struct_fields__]
    errors = [_unknown(f"{prefix}{shown_name(name)}", _no_field(name, kind)) for name in unknown[:MOST_NAMED]]
    if len(unknown) > MOST_NAMED:
        errors.append(_unknown(prefix.rstrip(".") or "body", f"has {len(unknown) - MOST_NAMED:,} more unknown fields"))
    return errors


def _unknown(target: str, message: str) -> FieldError:
    return FieldError(code=ErrorCode.UNKNOWN_FIELD, message=message, target=target)


def _no_field(name: Any, kind: type[Wire]) -> str:
    request = AgentRunRequest.__struct_fields__
    options = [f"{_OPTIONS}{option}" for option in RunOptions.__struct_fields__]
    return no_field(name, options, request) if kind is RunOptions else no_field(name, request, options)
