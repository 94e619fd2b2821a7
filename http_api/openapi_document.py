"""The OpenAPI 3.1 description of this API. Pure: a table of operations, and schemas made from the contracts.

`OPERATIONS` says what there is. The rest turns it into the document: `openapi_document` at the end of this module,
the schemas of what callers send in the middle. `tests/openapi` holds the running app to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.outcome import Outcome
from contracts.request import MAX_METADATA_PAIRS, AgentRunRequest, RunOptions
from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION, ToolAnswer
from contracts.status import StatusDocument
from contracts.wire import SDK_MARKERS
from http_api.openapi_schemas import (
    AgentList,
    Error,
    Health,
    OpenApiDocument,
    Readiness,
    StartedRun,
)
from http_api.preferences import LONGEST_WAIT_SECONDS
from http_api.start_request import MAX_BODY_BYTES
from settings import Settings
from validation.start_request import EMPTY_MEANS_ABSENT
from version import VERSION

Json = dict[str, Any]

JSON = "application/json"
TEXT = "text/plain"
START_ANY = "StartRequest"
START_OF_AGENT = "StartRequestOfAgent"
"""The same without `agent_id`, which the route names."""
USER_MESSAGE = "UserMessage"

RESERVED_KEYS = (*SDK_MARKERS, METADATA_INSTANCE, METADATA_OPERATION)
"""Keys of `metadata` that the parser refuses."""


# --- the operations --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of an operation: `schema` names a component, None is an empty body."""

    status: int
    description: str
    schema: str | None = None
    headers: tuple[str, ...] = ()
    optional_headers: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    """With an error: the values of `error.code`; none means that Foundry's own may appear."""
    links: bool = False
    """The body's `id` leads to the operations on the run."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation. `name` is the function's."""

    method: str
    path: str
    name: str
    tag: str
    summary: str
    description: str
    answers: tuple[Answer, ...]
    body: str | None = None
    """The component that the JSON body is, if the operation takes one."""
    starts: bool = False
    """It takes the fields of a start in the query too, and headers that go with a start."""
    anonymous: bool = False


def _error(status: int, description: str, *codes: str, headers: tuple[str, ...] = ()) -> Answer:
    return Answer(status=status, description=description, schema="Error", codes=codes, headers=headers)


_UNAUTHORIZED = Answer(status=401, description="No key or token, or a wrong one. From the platform.")
_BUSY = Answer(status=429, description="Too many requests at once. From the platform, with an empty body.")
_INTERNAL = _error(
    500,
    "The app is not configured (`configuration_error`; `details` names the settings), or it failed.",
    ErrorCode.CONFIGURATION_ERROR,
    ErrorCode.INTERNAL_ERROR,
)
_BAD_BODY = (
    _error(413, f"The body has more than {MAX_BODY_BYTES:,} bytes.", ErrorCode.TOO_LARGE),
    _error(415, "The body is of another type, or not in UTF-8.", ErrorCode.UNSUPPORTED_MEDIA_TYPE),
)
_NO_RUN = _error(404, "There is no run with this instance id.", ErrorCode.NOT_FOUND)
_NOT_YET = _error(
    503,
    "The run has not taken it within ten seconds; it may be starting, or the app is very busy. Or its worker process "
    "has died, and it is being brought back (`recovering`). Ask again.",
    ErrorCode.NOT_ACKNOWLEDGED,
    ErrorCode.RECOVERING,
    headers=("Retry-After",),
)
_START_ANSWERS = (
    Answer(
        status=200,
        description="Only with `Prefer: wait`: the run has ended.",
        schema="StatusDocument",
        headers=("Preference-Applied",),
    ),
    Answer(
        status=202,
        description="The run is started. Poll `statusQueryGetUri` (also in `Location`) or `runUri`.",
        schema="StartedRun",
        headers=("Location", "Retry-After"),
        optional_headers=("Preference-Applied",),
        links=True,
    ),
    _error(
        400,
        "The request is invalid: `details` names every bad field at once.",
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_JSON,
        ErrorCode.INVALID_ENCODING,
    ),
    _error(409, "The idempotency key was used for another request.", ErrorCode.IDEMPOTENCY_CONFLICT),
    *_BAD_BODY,
    _INTERNAL,
)
_START_TEXT = (
    "Fields come from the body, and from the query where they do not fit there (then the body may lack them); the same "
    "one given twice with different values is an error. `null` counts as not given. A `text/plain` body is the user "
    "message. With an idempotency key, repeating the request answers with the same run and starts nothing."
)

OPERATIONS = (
    Operation(
        method="post",
        path="/run_agent",
        name="run_agent",
        tag="runs",
        summary="Start a run; the agent is a parameter",
        description=_START_TEXT,
        body=START_ANY,
        starts=True,
        answers=_START_ANSWERS,
    ),
    Operation(
        method="post",
        path="/agents/{agent_id}/runs",
        name="start_agent_run",
        tag="runs",
        summary="Start a run of the agent that the route names",
        description=_START_TEXT,
        body=START_OF_AGENT,
        starts=True,
        answers=_START_ANSWERS,
    ),
    Operation(
        method="get",
        path="/runs/{instance_id}",
        name="agent_run_status",
        tag="runs",
        summary="The status document of a run",
        description="202 while the run goes on, 200 when it has ended, however it ended: `status` says how.",
        answers=(
            Answer(status=200, description="The run has ended.", schema="StatusDocument"),
            Answer(
                status=202,
                description="The run goes on.",
                schema="StatusDocument",
                headers=("Location", "Retry-After"),
            ),
            _NO_RUN,
            _INTERNAL,
        ),
    ),
    Operation(
        method="post",
        path="/runs/{instance_id}/cancel",
        name="cancel_agent_run",
        tag="runs",
        summary="Cancel a run",
        description="Cancels the Foundry run too, then ends as `Cancelled`. Repeating it does no harm.",
        answers=(
            Answer(
                status=202,
                description="The run has taken the cancel, or is cancelled already.",
                schema="StatusDocument",
                optional_headers=("Location", "Retry-After"),
            ),
            _NO_RUN,
            _error(409, "The run has ended.", ErrorCode.ALREADY_ENDED),
            _INTERNAL,
            _NOT_YET,
        ),
    ),
    Operation(
        method="post",
        path="/runs/{instance_id}/tool_outputs",
        name="submit_agent_run_tool_outputs",
        tag="runs",
        summary="Answer the tool calls that a run waits for",
        description="The answer holds something for every call of `required_action`, each once.",
        body="ToolAnswer",
        answers=(
            Answer(
                status=202,
                description="The run has taken the answer.",
                schema="StatusDocument",
                optional_headers=("Location", "Retry-After"),
            ),
            _error(
                400,
                "The answer does not fit the pending calls: `details` names missing, unknown and repeated ids.",
                ErrorCode.INVALID_REQUEST,
                ErrorCode.INVALID_JSON,
                ErrorCode.INVALID_ENCODING,
            ),
            _NO_RUN,
            _error(
                409,
                "The run waits for nothing now, has taken another answer, or has ended.",
                ErrorCode.NOTHING_PENDING,
                ErrorCode.ANSWERED_OTHERWISE,
                ErrorCode.ALREADY_ENDED,
            ),
            *_BAD_BODY,
            _INTERNAL,
            _NOT_YET,
        ),
    ),
    Operation(
        method="get",
        path="/agents",
        name="list_agents",
        tag="agents",
        summary="Every agent that callers may run",
        description="All pages of the project's agents, ordered by name.",
        answers=(
            Answer(status=200, description="The agents.", schema="AgentList"),
            _INTERNAL,
            _error(502, "Foundry failed, or refused the app: `message` says what to do."),
        ),
    ),
    Operation(
        method="get",
        path="/health",
        name="health",
        tag="health",
        summary="The app is alive",
        description="Asks for no key, and says nothing but the version.",
        anonymous=True,
        answers=(Answer(status=200, description="It is.", schema="Health"),),
    ),
    Operation(
        method="get",
        path="/health/ready",
        name="ready",
        tag="health",
        summary="Can the app do its work, and if not, what is to be done",
        description="Checks the settings, the token and the project.",
        answers=(
            Answer(status=200, description="All checks are fine.", schema="Readiness"),
            _INTERNAL,
            Answer(status=503, description="One is not; its `message` says what to do.", schema="Readiness"),
        ),
    ),
    Operation(
        method="get",
        path="/openapi.json",
        name="openapi",
        tag="description",
        summary="This description",
        description="It follows the settings of the app: the longest timeout, the agents that are allowed.",
        answers=(Answer(status=200, description="OpenAPI 3.1.", schema="OpenApiDocument"), _INTERNAL),
    ),
)

_TAGS = {
    "runs": "Starting runs of agents, and following them.",
    "agents": "Job discovery.",
    "health": "For probes and operators.",
    "description": "What you read.",
}
_ROUTE_PARAMETERS = {
    "agent_id": "The agent, as GET /agents lists it.",
    "instance_id": "The `id` of the answer that started the run.",
}
_PREFER = (
    "`wait=N` waits up to N seconds for the end of the run and then answers 200 (RFC 7240); "
    f"N counts as {LONGEST_WAIT_SECONDS} where it is more. Anything else is ignored."
)
_HEADERS: Mapping[str, Json] = {
    "Cache-Control": {
        "description": "Answers are about one moment.",
        "schema": {"type": "string", "const": "no-store"},
    },
    "X-Content-Type-Options": {
        "description": "The body is what its type says.",
        "schema": {"type": "string", "const": "nosniff"},
    },
    "Location": {"description": "Where to look again.", "schema": {"type": "string", "format": "uri"}},
    "Retry-After": {"description": "Seconds to wait before.", "schema": {"type": "integer", "minimum": 1}},
    "Preference-Applied": {
        "description": "The wait that was granted (RFC 7240).",
        "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
    },
}
_EVERY_ANSWER = ("Cache-Control", "X-Content-Type-Options")
_SECURITY_SCHEMES: Mapping[str, Json] = {
    "functionKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-functions-key",
        "description": "A function key, or the app's host key. It wins over `code`.",
    },
    "functionKeyInQuery": {
        "type": "apiKey",
        "in": "query",
        "name": "code",
        "description": "The same as a parameter, for callers that cannot send headers; URLs end up in logs.",
    },
    "entra": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of Microsoft Entra ID for this app, where the platform authenticates in front of it.",
    },
}
_SECURITY: Mapping[str, tuple[str, ...]] = {
    "FUNCTION": ("functionKey", "functionKeyInQuery"),
    "ANONYMOUS": ("entra",),
}


# --- what callers send -----------------------------------------------------------------------------------------------

_START_FIELDS: Mapping[str, Json] = {
    "user_message": {"description": "The message to the agent. Not blank.", "examples": ["Why is the sky blue?"]},
    "agent_id": {"description": "The agent, as GET /agents lists it.", "examples": ["asst_abc123"]},
    "thread_id": {
        "description": "Go on with this thread; without it the run gets a new one.",
        "examples": ["thread_abc123"],
    },
    "timeout_seconds": {"description": "After so long the run is cancelled and fails with the code `timeout`."},
    "if_thread_busy": {"description": "Where another run is active on the thread: wait for its end, or fail at once."},
    "idempotency_key": {
        "description": "Makes it safe to repeat the request; also as the header `Idempotency-Key`.",
        "examples": ["nightly-report-2026-11-21"],
    },
    "run_options": {"description": "Passed on to Foundry's create-run request."},
    "metadata": {
        "description": f"At most {MAX_METADATA_PAIRS} pairs, kept by Foundry on the message and the run.",
        "examples": [{"job": "nightly-report"}],
    },
}
_COMPONENT_TEXTS = {
    "RunOptions": "Options of the run; Foundry's documentation of create-run says what each does.",
    "ToolAnswer": "The answer to a run that requires action: something for every pending call, each once.",
}


def _start_request(contract: Json, settings: Settings | None, *, with_agent: bool) -> Json:
    """Return the schema of a start's body: the contract's, with what the parser lets pass, and with the defaults."""
    properties: Json = {}
    required = ["user_message"]
    for name, field in contract["properties"].items():
        if name == "agent_id" and not with_agent:
            continue
        if name == "agent_id" and settings is not None and settings.default_agent_id is None:
            required.append(name)
        if name == "user_message":
            properties[name] = _reference(USER_MESSAGE)
            continue
        kinds = [_narrowed(name, field, settings)]
        if name not in required:
            kinds.append({"type": "null"})
            if name in EMPTY_MEANS_ABSENT:
                kinds.append({"const": ""})
        default = _default(name, field, settings)
        properties[name] = {
            **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds}),
            **_START_FIELDS[name],
            **({} if default is None else {"default": default}),
        }
    return {
        "type": "object",
        "description": "What a caller asks for.",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _narrowed(name: str, field: Json, settings: Settings | None) -> Json:
    """Return the schema of a field that is given, with what the contract's type cannot say."""
    schema = {key: value for key, value in _without_null(field).items() if key != "default"}
    match name:
        case "user_message":
            schema["pattern"] = r"\S"
        case "metadata":
            schema["propertyNames"] = {**schema["propertyNames"], "not": {"enum": list(RESERVED_KEYS)}}
        case "timeout_seconds" if settings is not None:
            schema["maximum"] = settings.max_timeout_seconds
        case "agent_id" if settings is not None and settings.allowed_agent_ids is not None:
            schema["enum"] = sorted(settings.allowed_agent_ids)
    return schema


def _default(name: str, field: Json, settings: Settings | None) -> Any:
    if settings is not None and name == "timeout_seconds":
        return settings.timeout_seconds
    if settings is not None and name == "agent_id":
        return settings.default_agent_id
    return field.get("default")


def _without_null(field: Json) -> Json:
    kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
    if not kinds:
        return field
    rest = {key: value for key, value in field.items() if key != "anyOf"}
    return {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest}


def _parameters(operation: Operation, contract: Json, settings: Settings | None) -> Iterator[Json]:
    """Return the parameters of an operation: those of the route, and for a start those in the query and in headers."""
    fields = {name: _narrowed(name, field, settings) for name, field in contract["properties"].items()}
    in_route = re.findall(r"{(\w+)}", operation.path)
    for name in in_route:
        schema = {"type": "string", "minLength": 1} if name == "instance_id" else fields[name]
        yield _parameter("path", name, _ROUTE_PARAMETERS[name], schema, required=True)
    if not operation.starts:
        return
    for name, schema in fields.items():
        if name not in in_route:
            text = _START_FIELDS[name]["description"]
            parameter = _parameter("query", name, text, schema)
            if name in ("run_options", "metadata"):
                parameter["content"] = {JSON: {"schema": parameter.pop("schema")}}
            else:
                parameter["allowEmptyValue"] = True  # the platform drops a parameter without a value
            yield parameter
    key = {**fields["idempotency_key"], "pattern": fields["idempotency_key"]["pattern"].replace("{1,", "{0,")}
    yield _parameter("header", "Idempotency-Key", "Makes it safe to repeat the request. Empty counts as none.", key)
    yield _parameter("header", "Prefer", _PREFER, {"type": "string", "examples": ["wait=30"]})


def _parameter(where: str, name: str, description: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": where, "required": required, "description": description, "schema": schema}


# --- the document ----------------------------------------------------------------------------------------------------


def openapi_document(server: str, *, auth_level: str, settings: Settings | None) -> Json:
    """Return the document for callers that reach the app at `server`; `settings` is None where they are invalid."""
    components = _components()
    contract = components.pop("AgentRunRequest")
    schemas = {
        START_ANY: _start_request(contract, settings, with_agent=True),
        START_OF_AGENT: _start_request(contract, settings, with_agent=False),
        USER_MESSAGE: {
            **_narrowed("user_message", contract["properties"]["user_message"], settings),
            **_START_FIELDS["user_message"],
        },
        **components,
    }
    paths: Json = {}
    for operation in OPERATIONS:
        parameters = list(_parameters(operation, contract, settings))
        paths.setdefault(operation.path, {})[operation.method] = _described(operation, parameters, auth_level)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Durable runs of Azure AI Foundry agents",
            "version": VERSION,
            "description": "Starts runs of an Azure AI Foundry project's agents, follows them and hands over the "
            "answer. Beside these routes the Durable extension serves its management API, to which the URLs in the "
            "answer to a start lead.",
        },
        "servers": [{"url": server}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{scheme: []} for scheme in _SECURITY[auth_level]],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": dict(_SECURITY_SCHEMES)},
    }


def _described(operation: Operation, parameters: Sequence[Json], auth_level: str) -> Json:
    described: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
    }
    if parameters:
        described["parameters"] = list(parameters)
    if operation.body is not None:
        content: Json = {JSON: {"schema": _reference(operation.body)}}
        if operation.starts:
            content[TEXT] = {"schema": _reference(USER_MESSAGE)}
        described["requestBody"] = {"required": True, "content": content}
    answers = [*operation.answers, _BUSY]
    if operation.anonymous and auth_level == "FUNCTION":  # Entra stands in front of every route
        described["security"] = []
    else:
        answers.append(_UNAUTHORIZED)
    described["responses"] = {str(a.status): _answer(a) for a in sorted(answers, key=lambda a: a.status)}
    return described


def _answer(answer: Answer) -> Json:
    described: Json = {"description": answer.description}
    if answer.schema is None:
        return described
    always = {name: {**_HEADERS[name], "required": True} for name in (*answer.headers, *_EVERY_ANSWER)}
    described["headers"] = {**always, **{name: _HEADERS[name] for name in answer.optional_headers}}
    described["content"] = {JSON: {"schema": _reference(answer.schema)}}
    if answer.codes:
        described["x-error-codes"] = list(answer.codes)
    if answer.links:
        described["links"] = {
            operation.name: {
                "operationId": operation.name,
                "parameters": {"instance_id": "$response.body#/id"},
                "description": operation.summary,
            }
            for operation in OPERATIONS
            if "{instance_id}" in operation.path
        }
    return described


def _components() -> Json:
    """Return the schemas of all contracts that cross this API, as plain JSON Schema."""
    kinds: list[type] = [
        AgentRunRequest,
        RunOptions,
        ToolAnswer,
        StartedRun,
        StatusDocument,
        Outcome,
        AgentList,
        Health,
        Readiness,
        Error,
        OpenApiDocument,
    ]
    _, found = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    components: Json = _portable(found)
    for name, text in _COMPONENT_TEXTS.items():
        components[name]["description"] = text
    return components


def _portable(value: Any) -> Any:
    """Return the schema without Python's own: anchors of its regular expressions, line breaks of docstrings, titles
    that repeat the name, and nulls as defaults.
    """
    if isinstance(value, Mapping):
        kept = {key: _portable(item) for key, item in value.items() if not _is_noise(key, item)}
        if isinstance(pattern := kept.get("pattern"), str):
            kept["pattern"] = pattern.replace(r"\A", "^").replace(r"\Z", "$")
        if isinstance(text := kept.get("description"), str):
            kept["description"] = " ".join(text.split())
        return kept
    return [_portable(item) for item in value] if isinstance(value, list) else value


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None) or value == []


def _reference(component: str) -> Json:
    return {"$ref": f"#/components/schemas/{component}"}
