"""The served description as a judge of real answers."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema

from contracts.codes import ErrorCode
from contracts.status import StatusDocument
from http_api.operations import OPERATIONS
from http_api.operations import Answer as Described
from tests.functions_host.harness import Answer

NOT_KEPT_SHORT = 100_000

OneAnswer = tuple[str, int, str | None]
"""An operation, a status, and the code of an error, where the table of operations lists codes."""


def table() -> set[OneAnswer]:
    """Every answer and every error code of the table of operations; 401 wherever a key is asked for."""
    own = {(o.name, a.status, code) for o in OPERATIONS for a in o.answers for code in _codes(a)}
    return own | {(o.name, 401, None) for o in OPERATIONS if not o.is_anonymous}


def _codes(answer: Described) -> tuple[ErrorCode | None, ...]:
    """The codes of errors; None for any other answer, which may have the same status."""
    return (*answer.codes, None) if not answer.codes or StatusDocument in answer.messages else answer.codes


def with_code(answers: set[OneAnswer], *codes: ErrorCode) -> set[OneAnswer]:
    return {answer for answer in answers if answer[2] in codes}


class Description:
    """A document, and what it says about answers. `seen` collects which of them were judged."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = copy.deepcopy(dict(document))
        for schema in self.document["components"]["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False  # a field that nobody described would go unnoticed
        self.seen: set[OneAnswer] = set()

    def operations(self) -> dict[str, tuple[str, str, dict[str, Any]]]:
        """Method, path and description of every operation, by its id."""
        return {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        }

    def validator(self, schema: Mapping[str, Any]) -> jsonschema.Draft202012Validator:
        """Judge of a schema of this document."""
        whole = _in_python({**schema, "components": self.document["components"]})
        return jsonschema.Draft202012Validator(whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)

    def component(self, name: str) -> jsonschema.Draft202012Validator:
        return self.validator({"$ref": f"#/components/schemas/{name}"})

    def conforms(self, operation: str, answer: Answer) -> Answer:
        """Assert that the description allows just this answer."""
        responses = self.operations()[operation][2]["responses"]
        assert str(answer.status) in responses, f"{operation}: {answer.status} is not described: {answer.text[:500]}"
        described = responses[str(answer.status)]
        headers = {name.lower(): value for name, value in answer.headers.items()}
        for name, header in described.get("headers", {}).items():
            value: Any = headers.get(name.lower())
            assert value is not None or not header.get("required"), f"{operation}: {answer.status} lacks {name}"
            if value is not None:
                self.validator(header["schema"]).validate(
                    int(value) if header["schema"]["type"] == "integer" and value.isdigit() else value
                )
        if "content" not in described:
            assert answer.body == b""
        elif answer.status == 200 and "application/octet-stream" in described["content"]:
            assert headers["content-type"].partition(";")[0] in described["content"]
        elif "text/event-stream" in described["content"] and headers["content-type"].startswith("text/event-stream"):
            assert answer.text.endswith("\n\n")
        else:
            assert re.match(r"application/json(;|$)", headers["content-type"])
            self.validator(described["content"]["application/json"]["schema"]).validate(answer.json)
        code = None
        if "x-error-codes" in described and "instanceId" not in answer.json:  # that would be a run that has failed
            code = answer.json["error"]["code"]
            assert code in described["x-error-codes"], answer.text
        self.seen.add((operation, answer.status, code))
        return answer

    def for_generators(self, instances: list[str]) -> str:
        """The document for a generator of requests: it knows some instances, and draws no texts of a megabyte."""
        document = copy.deepcopy(self.document)
        _keep_short(document)
        for methods in document["paths"].values():
            for operation in methods.values():
                for parameter in operation.get("parameters", []):
                    if parameter["name"] == "instance_id":
                        parameter["examples"] = {i: {"value": i} for i in instances}
        return json.dumps(document)


def _keep_short(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _keep_short(item)
    if isinstance(value, dict):
        for item in value.values():
            _keep_short(item)
        if isinstance(value.get("maxLength"), int) and value["maxLength"] >= NOT_KEPT_SHORT:
            del value["maxLength"]


def _in_python(value: Any) -> Any:
    """The schema with patterns for Python, whose `$` also matches before a last line end."""
    if isinstance(value, list):
        return [_in_python(item) for item in value]
    if isinstance(value, dict):
        found = {key: _in_python(item) for key, item in value.items()}
        if isinstance(found.get("pattern"), str) and found["pattern"].endswith("$"):
            found["pattern"] = found["pattern"][:-1] + r"\Z"
        return found
    return value
