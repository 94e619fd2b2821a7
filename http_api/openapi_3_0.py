"""OpenAPI 3.0.3 made from 3.1, for tools that take nothing newer: API Management, Power Platform. Pure.

It never says less than is true: what 3.0 cannot say is left out, so a schema takes what it took before, or more. Those
tools know no `anyOf` either: null becomes `nullable`, objects of several kinds become one with the properties of all,
and any other choice has no type. A component that may be null has a twin, since 3.0 takes nothing beside a `$ref`.

The one exception is what a start takes beside its values, an empty text for none: it is left out.

Patterns lose what looks ahead: importers whose regular expressions run in linear time refuse a document that has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

VERSION = "3.0.3"
_COMPONENTS = "#/components/schemas/"
_AS_IT_IS = frozenset(
    {
        "title", "description", "default", "format", "type", "enum", "required", "pattern", "nullable", "multipleOf",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems",
        "uniqueItems", "minProperties", "maxProperties", "readOnly", "writeOnly", "deprecated", "example",
        "discriminator", "externalDocs", "xml", "$ref",
    }
)  # fmt: skip
_SAID_OF_IT = frozenset({"title", "description", "default", "example", "readOnly", "writeOnly", "deprecated"})
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_NULLS: tuple[Json, ...] = ({"type": "null"}, {"const": None})
_EMPTY: Json = {"const": ""}
_NO_VALUE: Json = {"type": "string", "nullable": True, "enum": [None]}


def as_3_0(document: Mapping[str, Any]) -> Json:
    """Return the 3.1 document as one of 3.0.3; neither is part of the other."""
    given = document.get("components", {})
    schemas = _Schemas(given.get("schemas", {}))
    made = {key: _object(key, value, schemas) for key, value in document.items() if key not in _NEW_IN_3_1}
    components = {
        key: _map(value, key, schemas) for key, value in given.items() if key not in ("schemas", *_NEW_IN_3_1)
    }
    return {**made, "openapi": VERSION, "components": {**components, "schemas": schemas.made}}


_NEW_IN_3_1 = frozenset({"components", "webhooks", "jsonSchemaDialect", "pathItems"})
_MAPS = {"paths", "responses", "headers", "content", "callbacks", "parameters", "requestBodies"}
"""Objects of the description whose keys are names, and whose values are objects of the description."""


class _Schemas:
    """Converts schemas, and keeps the components that they need."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self._begun: set[str] = set()
        self._added: Json = {}
        self._own = {name: self.convert(schema) for name, schema in given.items()}

    @property
    def made(self) -> Json:
        """All components, as far as they are needed until now; those that refer to others behind them."""
        return {**self._own, **self._added}

    def convert(self, schema: Any) -> Json:
        """Return a schema in the words of 3.0."""
        if isinstance(schema, bool):
            return {} if schema else {"not": {}}
        found = {key: value for key, value in schema.items() if key in _AS_IT_IS or key.startswith("x-")}
        if found.get("required") == []:
            del found["required"]  # 3.0 wants one name at least
        found |= self._parts(schema)
        if "const" in schema:
            found["enum"] = [schema["const"]]
        if schema.get("examples"):
            found["example"] = schema["examples"][0]
        if isinstance(pattern := found.get("pattern"), str):
            found["pattern"] = without_looking_ahead(pattern)
        _limits(found)
        _content(schema, found)
        found = self._typed(found)
        choices = [kind for key in ("anyOf", "oneOf") for kind in schema.get(key, ())]
        return self._chosen(found, choices) if choices else _alone(found)

    def _parts(self, schema: Json) -> Json:
        """Return the keywords that hold schemas."""
        parts: Json = {}
        for key in ("not", "items", "additionalProperties"):
            if key in schema and not (key == "additionalProperties" and "patternProperties" in schema):
                value = schema[key]
                keeps = key == "additionalProperties" and isinstance(value, bool)
                parts[key] = value if keeps else self.convert(value)
        if "properties" in schema:
            parts["properties"] = {name: self.convert(kind) for name, kind in schema["properties"].items()}
        if "allOf" in schema:
            parts["allOf"] = [self.convert(kind) for kind in schema["allOf"]]
        return parts

    def _typed(self, found: Json) -> Json:
        """Return the schema with one type or none, and with null as `nullable`."""
        kinds = found.pop("type", None)
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds is None and (values := [v for v in found.get("enum", ()) if v is not None]):
            kinds = sorted({_TYPES[type(value)] for value in values}) + ["null"] * (None in found["enum"])
        if kinds is None:
            return found
        named = [kind for kind in kinds if kind != "null"]
        if not named:
            return {**found, **_NO_VALUE}
        if len(named) == 1:
            found["type"] = named[0]
            if named[0] == "array":
                found.setdefault("items", {})
            if "null" in kinds:
                _or_null(found)
        return found

    def _chosen(self, found: Json, choices: list[Any]) -> Json:
        """Return the schema of a choice: the only kind beside null and the empty text, or what fits all."""
        kinds = [kind for kind in choices if kind not in (*_NULLS, _EMPTY)]
        may_be_null = any(kind in _NULLS for kind in choices)
        said = {key: value for key, value in found.items() if key in _SAID_OF_IT or key.startswith("x-")}
        if len(kinds) == 1:
            return self._one(kinds[0], said, may_be_null=may_be_null)
        names = [str(kind.get("$ref", "")).removeprefix(_COMPONENTS) for kind in kinds if isinstance(kind, Mapping)]
        if not may_be_null and len(names) == len(kinds) and all(self._is_object(name) for name in names):
            return _alone({"$ref": _COMPONENTS + self._merged(names), **said})
        return said

    def _one(self, kind: Json, said: Json, *, may_be_null: bool) -> Json:
        if may_be_null and "$ref" in kind:
            return _alone({"$ref": _COMPONENTS + self._twin(kind["$ref"].removeprefix(_COMPONENTS)), **said})
        if may_be_null and kind == {"type": "object"}:
            return said  # of an object without properties that may be null generators of clients make a class, twice
        found = {**self.convert(kind), **said}
        return _or_null(found) if may_be_null and "type" in found else _alone(found)

    def _is_object(self, name: str) -> bool:
        return "properties" in self._given.get(name, {})

    def _twin(self, name: str) -> str:
        """Return the name of the component that may be null too."""
        twin = f"Nullable{name}"
        if twin not in self._begun:
            self._begun.add(twin)  # before it is made: it may hold itself
            self._added[twin] = _or_null(self.convert(self._given[name]))
        return twin

    def _merged(self, names: list[str]) -> str:
        """Return the name of the component that fits objects of all these kinds."""
        merged = "Or".join(names)
        if merged not in self._begun:
            self._begun.add(merged)
            kinds = [self.convert(self._given[name]) for name in names]
            properties: Json = {}
            for kind in kinds:
                for name, schema in kind["properties"].items():
                    properties[name] = _either(properties.get(name, schema), schema)
            required = set.intersection(*(set(kind.get("required", ())) for kind in kinds))
            always = {"required": sorted(required)} if required else {}
            self._added[merged] = {"type": "object", "properties": properties, **always}
        return merged


def _either(one: Json, other: Json) -> Json:
    """Return a schema that fits what either fits: words that differ are one list of words, anything else is any."""
    if one == other:
        return one
    words = [{key: value for key, value in schema.items() if key != "enum"} for schema in (one, other)]
    if words[0] == words[1] == {"type": "string"}:
        return {"type": "string", "enum": list(dict.fromkeys([*one["enum"], *other["enum"]]))}
    return {}


def _or_null(found: Json) -> Json:
    """Let the schema, which has a type, take null too."""
    found["nullable"] = True
    if "enum" in found and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
    return found


def _alone(found: Json) -> Json:
    """Return the schema with nothing beside a `$ref`, where it would count for nothing."""
    if "$ref" not in found or len(found) == 1:
        return found
    return {"allOf": [{"$ref": found.pop("$ref")}], **found}


_PART = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\(\?[=!]|\(|\)|.", re.DOTALL)
"""A part of a regular expression: an escape, a set of characters, what opens and closes, or anything else."""


def without_looking_ahead(pattern: str) -> str:
    """Return the pattern without its lookaheads, whatever is in them: it fits what it has fitted, and more."""
    kept, depth = [], 0
    for part in _PART.findall(pattern):
        looks_ahead = part in ("(?=", "(?!")
        if depth or looks_ahead:
            depth += part.startswith("(") - (part == ")")
        else:
            kept.append(part)
    return "".join(kept)


def _limits(found: Json) -> None:
    """Say of a limit that it is exclusive, where 3.1 has an exclusive limit."""
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        value = found.get(exclusive)
        if value is None or isinstance(value, bool):
            continue
        inclusive = found.get(limit)
        tighter = max if limit == "minimum" else min
        if inclusive is not None and inclusive != value and tighter(inclusive, value) == inclusive:
            del found[exclusive]
        else:
            found[limit], found[exclusive] = value, True


def _content(schema: Mapping[str, Any], found: Json) -> None:
    """Say of bytes that they are bytes, by the format."""
    if schema.get("contentEncoding") in ("base64", "base64url"):
        found["format"] = "byte"
    elif "contentMediaType" in schema and "contentEncoding" not in schema and found.get("type") == "string":
        found["format"] = "binary"


def _object(key: str, value: Any, schemas: _Schemas) -> Any:
    """Return an object of the description, which stands under this key, with all schemas in it converted."""
    if key == "schema":
        return schemas.convert(value)
    if key == "info":
        return {name: item for name, item in value.items() if name != "summary"}
    if key in _MAPS and isinstance(value, Mapping):
        return _map(value, key, schemas)
    if isinstance(value, list):
        return [_object("", item, schemas) for item in value]
    if not isinstance(value, Mapping) or key in ("example", "examples", "security", "links", "servers"):
        return value
    return {name: _object(name, item, schemas) for name, item in _as_text(value).items()}


def _map(value: Mapping[str, Any], _: str, schemas: _Schemas) -> Json:
    return {name: _object("", item, schemas) for name, item in value.items()}


def _as_text(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a parameter that is JSON text as a text: those tools know no `content` of a parameter."""
    if "in" not in value or "content" not in value:
        return value
    others = {key: item for key, item in value.items() if key != "content"}
    return {**others, "description": f"{value.get('description', '')} JSON text.".strip(), "schema": {"type": "string"}}
