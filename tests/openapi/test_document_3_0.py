"""The description in OpenAPI 3.0.3: valid, of one mind with that in 3.1, and without what importers do not know."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator

from http_api.openapi_3_0 import as_3_0, without_looking_ahead
from tests.openapi.description import Description
from tests.openapi.test_document import CONFIGURATIONS, START, document, requests

NOT_IN_3_0 = {
    "const", "examples", "propertyNames", "patternProperties", "prefixItems", "contains", "if", "then", "else", "$defs",
    "contentMediaType", "contentEncoding", "dependentRequired", "unevaluatedProperties", "$schema",
}  # fmt: skip
NOT_IN_IMPORTERS = {"anyOf", "oneOf"}
"""Power Platform's connectors know neither."""
WHOLE = document()
DOCUMENT = as_3_0(WHOLE)
REF = "#/components/schemas/"


def schemas(value: Any, key: str = "") -> Iterator[dict[str, Any]]:
    """Every schema of a description, with those inside of it."""
    if isinstance(value, dict):
        if key == "schema":
            yield from parts(value)
        elif key == "schemas":
            for schema in value.values():
                yield from parts(schema)
        else:
            for name, item in value.items():
                yield from schemas(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from schemas(item)


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for name in ("not", "items", "additionalProperties"):
            yield from parts(schema.get(name))
        for item in (*schema.get("properties", {}).values(), *schema.get("allOf", ())):
            yield from parts(item)


def judge(name: str) -> OAS30Validator:
    return OAS30Validator({"$ref": f"{REF}{name}", "components": DOCUMENT["components"]})


@pytest.mark.parametrize("level", ["FUNCTION", "ANONYMOUS"])
@pytest.mark.parametrize("given", CONFIGURATIONS)
def test_it_is_openapi_3_0_and_leaves_the_other_as_it_was(level: str, given: str) -> None:
    whole = document(level, CONFIGURATIONS[given])
    before = copy.deepcopy(whole)
    made = as_3_0(whole)
    OpenAPIV30SpecValidator(made).validate()
    assert made["openapi"] == "3.0.3"
    assert whole == before


def test_it_has_nothing_that_3_0_or_its_importers_do_not_know() -> None:
    found = list(schemas(DOCUMENT))
    assert len(found) > 200
    for schema in found:
        assert not schema.keys() & (NOT_IN_3_0 | NOT_IN_IMPORTERS), schema
        assert not isinstance(schema.get("type"), list), schema
        assert schema.get("type") != "null", schema
        assert "$ref" not in schema or len(schema) == 1, schema
        assert not schema.get("nullable") or "type" in schema, schema
        assert not schema.get("nullable") or None in schema.get("enum", [None]), schema
        assert schema.get("type") != "array" or "items" in schema, schema


def test_no_pattern_looks_ahead_and_each_says_what_it_said_but_for_that() -> None:
    patterns = {s["pattern"] for s in schemas(DOCUMENT) if "pattern" in s}
    assert len(patterns) > 5
    assert [pattern for pattern in patterns if "(?" in pattern] == []
    assert "^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$" in patterns
    assert patterns == {without_looking_ahead(s["pattern"]) for s in whole_schemas() if "pattern" in s}


def whole_schemas() -> Iterator[dict[str, Any]]:
    """Every schema of the description in 3.1, with those that it lets one choose from."""
    for schema in schemas(WHOLE):
        yield schema
        for kind in schema.get("anyOf", ()):
            yield from parts(kind)


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("^a(b|c)$", "^a(b|c)$"),
        ("^(?!a|b)c$", "^c$"),
        (r"^(?!(a(?=b)|\(c)$)(?=.)d$", "^d$"),
        (r"^[(?!]\(?![)]$", r"^[(?!]\(?![)]$"),
        (r"^(a(?!\)|[)]))?$", "^(a)?$"),
    ],
)
def test_a_pattern_loses_what_looks_ahead(pattern: str, wanted: str) -> None:
    assert without_looking_ahead(pattern) == wanted


LOOKING_AHEAD = sorted({s["pattern"] for s in whole_schemas() if "(?!" in s.get("pattern", "")})


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_pattern_that_looks_ahead_no_more_fits_all_that_it_fitted(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(LOOKING_AHEAD))
    assert re.search(without_looking_ahead(pattern), data.draw(st.from_regex(pattern)))


def test_importers_find_what_they_ask_for() -> None:
    operations = [o for methods in DOCUMENT["paths"].values() for o in methods.values()]
    assert len({o["operationId"] for o in operations}) == len(operations)
    assert [server["url"] for server in DOCUMENT["servers"]] == ["https://app.example/api"]
    for operation in operations:
        # API Management wants names that are unique within path and query, regardless of case.
        named = [p["name"].lower() for p in operation.get("parameters", []) if p["in"] in ("path", "query")]
        assert len(set(named)) == len(named)
        assert all("content" not in p for p in operation.get("parameters", []))


def test_the_same_operations_parameters_and_answers_are_described() -> None:
    def parameters(operation: dict[str, Any]) -> list[tuple[str, str]]:
        return [(p["in"], p["name"]) for p in operation.get("parameters", [])]

    def outline(described: dict[str, Any]) -> list[Any]:
        return [
            (path, method, operation["operationId"], list(operation["responses"]), parameters(operation))
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
        ]

    assert outline(DOCUMENT) == outline(WHOLE)
    assert DOCUMENT["components"]["schemas"].keys() >= WHOLE["components"]["schemas"].keys()
    assert DOCUMENT["components"]["securitySchemes"] == WHOLE["components"]["securitySchemes"]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(request=requests())
def test_what_3_1_takes_3_0_takes_too_but_for_an_empty_text(request: dict[str, Any]) -> None:
    if START.is_valid(request) and "" not in request.values():
        judge("StartRequest").validate(request)


def test_answers_with_null_and_of_any_kind_fit() -> None:
    status = {
        **dict.fromkeys(Description(DOCUMENT).document["components"]["schemas"]["StatusDocument"]["required"]),
        "name": "agent_run",
        "instanceId": "i1",
        "runtimeStatus": "Running",
        "createdTime": "2026-11-21T10:00:00Z",
        "lastUpdatedTime": "2026-11-21T10:00:00Z",
        "status": "Running",
    }
    for output in (None, "one line", {"status": "Success"}):
        for name in ("StatusDocument", "StartedRunOrStatusDocument", "ErrorOrStatusDocument"):
            judge(name).validate({**status, "output": output})
    judge("ErrorOrStatusDocument").validate({"error": {"code": "internal_error", "message": "x"}})
    judge("NullableRunState").validate(None)
    assert not judge("RunState").is_valid(None)
    assert not judge("StatusDocument").is_valid({**status, "status": None})


COMPONENTS = {"Text": {"type": "string", "minLength": 1}, "Thing": {"properties": {"a": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"const": "x"}, {"type": "string", "enum": ["x"]}),
        ({"const": 3, "type": "integer"}, {"type": "integer", "enum": [3]}),
        ({"const": True}, {"type": "boolean", "enum": [True]}),
        ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"enum": ["a", None]}, {"type": "string", "enum": ["a", None], "nullable": True}),
        ({"enum": ["a", 1]}, {"enum": ["a", 1]}),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["string", "null"], "enum": ["a"]}, {"type": "string", "nullable": True, "enum": ["a", None]}),
        ({"type": ["string", "integer"]}, {}),
        ({"type": "null"}, {"type": "string", "nullable": True, "enum": [None]}),
        (
            {"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "T"},
            {"type": "integer", "nullable": True, "title": "T"},
        ),
        ({"anyOf": [{"type": "object"}, {"type": "null"}], "description": "D"}, {"description": "D"}),
        ({"oneOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "integer", "nullable": True}),
        (
            {"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "null"}], "description": "D"},
            {"description": "D"},
        ),
        (
            {"anyOf": [{"$ref": f"{REF}Text"}, {"type": "null"}]},
            {"$ref": f"{REF}NullableText"},
        ),
        (
            {"$ref": f"{REF}Text", "description": "D"},
            {"allOf": [{"$ref": f"{REF}Text"}], "description": "D"},
        ),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 0, "exclusiveMinimum": True}),
        ({"exclusiveMaximum": 5, "maximum": 9}, {"maximum": 5, "exclusiveMaximum": True}),
        ({"exclusiveMaximum": 9, "maximum": 5}, {"maximum": 5}),
        ({"exclusiveMinimum": 1, "minimum": 3}, {"minimum": 3}),
        ({"examples": ["a", "b"], "type": "string"}, {"example": "a", "type": "string"}),
        ({"type": "string", "contentMediaType": "application/octet-stream"}, {"type": "string", "format": "binary"}),
        ({"type": "string", "contentEncoding": "base64"}, {"type": "string", "format": "byte"}),
        ({"type": "array", "prefixItems": [{}]}, {"type": "array", "items": {}}),
        ({"type": "array", "items": {"const": "x"}}, {"type": "array", "items": {"type": "string", "enum": ["x"]}}),
        ({"type": "object", "propertyNames": {"maxLength": 3}}, {"type": "object"}),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {}),
        ({"type": "object", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
        ({"additionalProperties": {"const": 1}}, {"additionalProperties": {"type": "integer", "enum": [1]}}),
        ({"type": "object", "required": []}, {"type": "object"}),
        ({"properties": {"const": {"const": 1}}}, {"properties": {"const": {"type": "integer", "enum": [1]}}}),
        ({"not": {"const": "x"}}, {"not": {"type": "string", "enum": ["x"]}}),
        (True, {}),
        (False, {"not": {}}),
        ({"x-ms-summary": "S", "$comment": "c", "if": {}, "then": {}}, {"x-ms-summary": "S"}),
    ],
)
def test_a_schema_says_the_same_in_the_words_of_3_0(schema: Any, wanted: Any) -> None:
    made = as_3_0({"openapi": "3.1.0", "components": {"schemas": {**COMPONENTS, "It": schema}}})
    assert made["components"]["schemas"]["It"] == wanted


def test_kinds_of_objects_become_one_with_the_properties_of_all() -> None:
    one = {"type": "object", "properties": {"kind": {"const": "a"}, "a": {"type": "string"}}, "required": ["kind", "a"]}
    two = {"type": "object", "properties": {"kind": {"const": "b"}, "a": {"type": "integer"}}, "required": ["kind"]}
    it = {"anyOf": [{"$ref": f"{REF}One"}, {"$ref": f"{REF}Two"}]}
    made = as_3_0({"openapi": "3.1.0", "components": {"schemas": {"One": one, "Two": two, "It": it}}})["components"]
    assert made["schemas"]["It"] == {"$ref": f"{REF}OneOrTwo"}
    assert made["schemas"]["OneOrTwo"] == {
        "type": "object",
        "properties": {"kind": {"type": "string", "enum": ["a", "b"]}, "a": {}},
        "required": ["kind"],
    }


def test_a_kind_that_holds_itself_is_made_once() -> None:
    own = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": f"{REF}Node"}, {"type": "null"}]}},
    }
    made = as_3_0({"openapi": "3.1.0", "components": {"schemas": {"Node": own}}})["components"]["schemas"]
    assert made["Node"]["properties"]["next"] == {"$ref": f"{REF}NullableNode"}
    assert made["NullableNode"] == {**made["Node"], "nullable": True}


def test_what_only_3_1_has_around_schemas_is_left_out() -> None:
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1", "summary": "S"},
        "jsonSchemaDialect": "https://example/dialect",
        "webhooks": {"w": {}},
        "paths": {
            "/a": {"get": {"parameters": [{"name": "p", "in": "query", "schema": {"const": 1}}], "responses": {}}}
        },
        "components": {"pathItems": {}, "headers": {"H": {"schema": {"const": "x"}}}},
    }
    assert as_3_0(whole) == {
        "openapi": "3.0.3",
        "info": {"title": "T", "version": "1"},
        "paths": {
            "/a": {
                "get": {
                    "parameters": [{"name": "p", "in": "query", "schema": {"type": "integer", "enum": [1]}}],
                    "responses": {},
                }
            }
        },
        "components": {"headers": {"H": {"schema": {"type": "string", "enum": ["x"]}}}, "schemas": {}},
    }
