"""The OpenAPI 3.1 description of this API, made from the table of operations and the contracts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.request import AgentRunRequest, RetryRequest
from http_api.messages import OpenApiDocument, StartedRun
from http_api.openapi_requests import (
    JSON,
    Json,
    as_configured,
    content,
    parameters,
    reference,
    retry_as_configured,
    start_components,
)
from http_api.operations import BUSY, OPERATIONS, UNAUTHORIZED, Answer, Operation
from settings import Settings
from version import VERSION

_TAGS = {
    "runs": "Starting runs of agents, and following them.",
    "agents": "Job discovery.",
    "health": "For probes and operators.",
    "description": "What you read.",
}
_HEADERS: Mapping[str, Json] = {
    "Cache-Control": {
        "description": "Answers are about one moment.",
        "schema": {"type": "string", "const": "no-store"},
    },
    "X-Content-Type-Options": {
        "description": "The body is what its type says.",
        "schema": {"type": "string", "const": "nosniff"},
    },
    "Content-Disposition": {
        "description": "The file's name; browsers save it and show nothing.",
        "schema": {"type": "string", "pattern": "^attachment; "},
    },
    "Content-Security-Policy": {
        "description": "Whatever the file holds, it may do nothing.",
        "schema": {"type": "string", "const": "default-src 'none'; sandbox"},
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


def openapi_document(server: str, *, auth_level: str, settings: Settings | None) -> OpenApiDocument:
    """Return the document for callers that reach the app at `server`; `settings` is None where they are invalid."""
    components = _components()
    start = as_configured(components.pop(AgentRunRequest.__name__), settings)
    components[RetryRequest.__name__] = retry_as_configured(components[RetryRequest.__name__], settings)
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        described = _described(operation, list(parameters(operation, start)), auth_level)
        paths.setdefault(f"/{operation.route}", {})[operation.method.lower()] = described
    return OpenApiDocument(
        openapi="3.1.0",
        info={
            "title": "Durable runs of Azure AI Foundry agents",
            "version": VERSION,
            "description": "Starts runs of an Azure AI Foundry project's agents, follows them and hands over the "
            "answer. Beside these routes the Durable extension serves its management API, to which the URLs in the "
            "answer to a start lead.",
        },
        servers=[{"url": server}],
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        security=[{scheme: []} for scheme in _SECURITY[auth_level]],
        paths=paths,
        components={"schemas": {**start_components(start), **components}, "securitySchemes": dict(_SECURITY_SCHEMES)},
    )


def _described(operation: Operation, parameters: list[Json], auth_level: str) -> Json:
    described: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {"required": operation.needs_body, "content": content(operation)}
    answers = [*operation.answers, BUSY]
    if operation.is_anonymous and auth_level == "FUNCTION":  # Entra stands in front of every route
        described["security"] = []
    else:
        answers.append(UNAUTHORIZED)
    described["responses"] = {str(a.status): _answer(a) for a in sorted(answers, key=lambda a: a.status)}
    return described


def _answer(answer: Answer) -> Json:
    described: Json = {"description": answer.description}
    if not (answer.messages or answer.media_types):
        return described
    always = {name: {**_HEADERS[name], "required": True} for name in (*answer.headers, *_EVERY_ANSWER)}
    described["headers"] = {**always, **{name: _HEADERS[name] for name in answer.optional_headers}}
    described["content"] = _content(answer)
    if answer.codes:
        described["x-error-codes"] = list(answer.codes)
    if StartedRun in answer.messages:
        described["links"] = {
            operation.name: {
                "operationId": operation.name,
                "parameters": {"instance_id": "$response.body#/id"},
                "description": operation.summary,
            }
            for operation in OPERATIONS
            if "instance_id" in operation.in_route
        }
    return described


def _content(answer: Answer) -> Json:
    if answer.media_types and not answer.messages:
        return {kind: {"schema": {"type": "string", "format": "binary"}} for kind in answer.media_types}
    texts = {kind: {"schema": {"type": "string"}} for kind in answer.media_types}
    kinds = [reference(message.__name__) for message in answer.messages]
    return {JSON: {"schema": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}, **texts}


def _components() -> Json:
    """Return the schemas of all messages of the operations, as plain JSON Schema."""
    sent = [operation.body for operation in OPERATIONS if operation.body]
    answered = [message for operation in OPERATIONS for answer in operation.answers for message in answer.messages]
    _, found = msgspec.json.schema_components(
        dict.fromkeys([*sent, *answered]), ref_template="#/components/schemas/{name}"
    )
    components: Json = _portable(found)
    return components


def _portable(value: Any) -> Any:
    """Return the schema without Python's own: anchors of its regular expressions, line breaks of docstrings, titles
    that repeat the name, and defaults that say no more than that a field may be left out.
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
    # Generators of clients drop an operation whose body has an object as a default.
    return (key == "title" and isinstance(value, str)) or value == [] or (key == "default" and value in (None, {}))
