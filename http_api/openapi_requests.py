"""What callers send, for the OpenAPI description: bodies and parameters, made from the contracts. Pure.

The contracts say what a request is. What the parser lets pass beside, null and empty texts, and what the settings
narrow come in here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from http_api.operations import Operation
from http_api.preferences import LONGEST_WAIT_SECONDS
from settings import Settings
from validation.start_request import EMPTY_MEANS_ABSENT

Json = dict[str, Any]

JSON = "application/json"
_TEXT = "text/plain"
_START_ANY = "StartRequest"
_START_OF_AGENT = "StartRequestOfAgent"
_USER_MESSAGE = "UserMessage"
_NULL = {"type": "null"}
_SAID_OF_A_FIELD = ("description", "examples", "default")
"""What stands in a field's schema beside which values it takes."""
_IN_ROUTES: Mapping[str, Json] = {
    "instance_id": {"type": "string", "minLength": 1, "description": "The `id` of the answer that started the run."},
    "file_id": {"type": "string", "minLength": 1, "description": "An `id` of the run's `attachments`."},
}
_PREFER = (
    "`wait=N` waits up to N seconds for the end of the run, or for a question of its agent (RFC 7240); "
    f"N counts as {LONGEST_WAIT_SECONDS} where it is more. Anything else is ignored."
)


def reference(component: str) -> Json:
    """Return the schema that refers to a component."""
    return {"$ref": f"#/components/schemas/{component}"}


def as_configured(start: Json, settings: Settings | None) -> Json:
    """Return the schema of a start request as narrow as the settings make it, of fields that are given: not null."""
    fields = {name: _given(field) for name, field in start["properties"].items()}
    required = list(start.get("required", ()))
    if settings is not None:
        agent, timeout = fields["agent_id"], fields["timeout_seconds"]
        timeout |= {"maximum": settings.max_timeout_seconds, "default": settings.timeout_seconds}
        if settings.allowed_agent_ids is not None:
            agent["enum"] = sorted(settings.allowed_agent_ids)
        if settings.default_agent_id is None:
            required.append("agent_id")
        else:
            agent["default"] = settings.default_agent_id
    return {**start, "properties": fields, "required": required}


def retry_as_configured(retry: Json, settings: Settings | None) -> Json:
    """Return the schema of a repetition, whose time is as short as the settings make it."""
    if settings is None:
        return retry
    field = retry["properties"]["timeout_seconds"]
    timeout = {**_values(_given(field)), "maximum": settings.max_timeout_seconds}
    field = {**field, "anyOf": [timeout, _NULL]}
    return {**retry, "properties": {**retry["properties"], "timeout_seconds": field}}


def _given(field: Json) -> Json:
    [kind] = [kind for kind in field.get("anyOf", [field]) if kind != _NULL]
    return {**kind, **{key: value for key, value in field.items() if key != "anyOf"}}


def start_components(start: Json) -> Json:
    """Return the components of the bodies of starts."""
    without_agent = {name: field for name, field in start["properties"].items() if name != "agent_id"}
    required = [name for name in start.get("required", ()) if name != "agent_id"]
    return {
        _START_ANY: _body(start),
        _START_OF_AGENT: _body({**start, "properties": without_agent, "required": required}),
        _USER_MESSAGE: start["properties"]["user_message"],
    }


def _body(start: Json) -> Json:
    fields = {
        name: field if name in start["required"] else _or_absent(name, field)
        for name, field in start["properties"].items()
    }
    message = {"anyOf": [reference(_USER_MESSAGE), _NULL]}
    return {**start, "properties": {**fields, "user_message": message}}


def _or_absent(name: str, field: Json) -> Json:
    kinds = [_values(field), _NULL, *([{"const": ""}] if name in EMPTY_MEANS_ABSENT else [])]
    return {"anyOf": kinds, **{key: field[key] for key in _SAID_OF_A_FIELD if key in field}}


def _values(field: Json) -> Json:
    return {key: value for key, value in field.items() if key not in _SAID_OF_A_FIELD}


def content(operation: Operation) -> Json:
    """Return what an operation with a body takes, by media type."""
    assert operation.body is not None
    if not operation.is_start:
        return {JSON: {"schema": reference(operation.body.__name__)}}
    body = _START_OF_AGENT if "agent_id" in operation.in_route else _START_ANY
    return {JSON: {"schema": reference(body)}, _TEXT: {"schema": reference(_USER_MESSAGE)}}


def parameters(operation: Operation, start: Json) -> Iterator[Json]:
    """Return the parameters of an operation: those of the route, and of a start those in query and headers."""
    fields = start["properties"]
    for name in operation.in_route:
        schema = fields.get(name) or _IN_ROUTES[name]
        yield {**_parameter("path", name, schema["description"], _values(schema)), "required": True}
    if operation.is_start:
        yield from _start_parameters(operation, fields)
    for given in operation.query:
        yield _parameter("query", given.name, given.description, dict(given.schema))
    if operation.waits:
        yield _parameter("header", "Prefer", _PREFER, {"type": "string", "examples": ["wait=30"]})


def _start_parameters(operation: Operation, fields: Mapping[str, Json]) -> Iterator[Json]:
    for name in [name for name in fields if name not in operation.in_route]:
        parameter = _parameter("query", name, fields[name]["description"], _values(fields[name]))
        if "$ref" in fields[name] or fields[name].get("type") in ("object", "array"):
            parameter["content"] = {JSON: {"schema": parameter.pop("schema")}}
        else:
            parameter["allowEmptyValue"] = True  # the platform drops a parameter without a value
        yield parameter
    key = _values(fields["idempotency_key"])
    key["pattern"] = key["pattern"].replace("{1,", "{0,")  # an empty header counts as none
    yield _parameter("header", "Idempotency-Key", "Makes it safe to repeat the request. Empty counts as none.", key)


def _parameter(where: str, name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": where, "required": False, "description": description, "schema": schema}
