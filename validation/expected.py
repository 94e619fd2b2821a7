"""What a contract's type expects, in our own words: made from the type, so that nothing is said twice. Pure.

Slow beside a conversion, so it is asked only where something does not fit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import inspect

from contracts.formats import AGENT_ID_PATTERN, ID_PATTERN
from contracts.ids import AGENT_REFERENCE_PATTERN, FILE_ID_PATTERN, THREAD_ID_PATTERN, VECTOR_STORE_ID_PATTERN
from contracts.messages import IMAGE_URL_PATTERN
from contracts.runs import HEADERS_REF_PATTERN
from validation.given_ids import of_another_kind

_THINGS = {
    THREAD_ID_PATTERN: "a thread",
    FILE_ID_PATTERN: "a file",
    VECTOR_STORE_ID_PATTERN: "a vector store",
    AGENT_REFERENCE_PATTERN: "an agent",
}
"""Of what the ids are that a pattern takes."""

_LENGTH = "of at most 128 letters, digits, _ and -"

_IDS = {
    rf"\A{ID_PATTERN}\Z": f"an id {_LENGTH}",
    rf"\A{AGENT_ID_PATTERN}\Z": f"an agent's id or name {_LENGTH}, with or without :version",
    **{pattern: f"the id of {thing}, {_LENGTH}" for pattern, thing in _THINGS.items()},
    THREAD_ID_PATTERN: f"the id of a thread or conversation, {_LENGTH}",
    AGENT_REFERENCE_PATTERN: "an agent's id, or its name of at most 256 characters",
}

_NOT_BLANK = r"\S"

_PATTERNS = {
    **_IDS,
    IMAGE_URL_PATTERN: "an http or https URL, or a png, jpeg, gif or webp as data:image/png;base64,...",
    r"\A[\x21-\x7e]{1,200}\Z": "a text of 1 to 200 visible ASCII characters",
    rf"\A{HEADERS_REF_PATTERN}\Z": "a name of at most 64 letters, digits and _, the first a letter",
    _NOT_BLANK: "a text that is not blank",
}
"""Nobody reads regular expressions. A test finds those of the contracts that have no words here."""

_HINTS = {"asst_abc123": "; GET /api/agents lists them"}
"""What stands behind an example."""

_TEXT, _NUMBER, _BOOLEAN, _LIST, _OBJECT, _NULL = "a text", "a number", "a boolean", "a list", "an object", "null"


@functools.cache
def expected(kind: Any) -> str:
    """Return what a value of this type is, such as "a number from 0 to 2"."""
    return _words(inspect.type_info(kind))


def must_be(kind: Any, value: Any) -> str:
    """Return the message about a value that does not fit: what it must be and, where that helps, what it is instead."""
    node = _plain(inspect.type_info(kind))
    wanted = _THINGS.get(getattr(node, "pattern", None) or "")
    given, most = _kind_of(value), getattr(node, "max_length", None)
    if given not in _kinds(node):
        instead = f" ({given} was given)"
    elif most is not None and len(value) > most:
        instead = f" ({len(value):,} were given)"
    elif wanted and (other := of_another_kind(value, wanted)):
        instead = f" ({other})"
    else:
        instead = ""
    return f"must be {expected(kind)}{instead}"


def is_blank(kind: Any, value: Any) -> bool:
    """Say whether this is a text of nothing but blanks where there must be more."""
    pattern = getattr(_plain(inspect.type_info(kind)), "pattern", None)
    return isinstance(value, str) and not value.strip() and pattern == _NOT_BLANK


def has_other_size(kind: Any, value: Any) -> bool:
    """Say whether this is a list that is too long or too short: then its items are not looked at."""
    node = _plain(inspect.type_info(kind))
    if not isinstance(node, inspect.ListType) or not isinstance(value, list):
        return False
    return not (node.min_length or 0) <= len(value) <= (len(value) if node.max_length is None else node.max_length)


def _words(node: inspect.Type) -> str:
    match node:
        case inspect.Metadata():
            return _described(node)
        case inspect.UnionType():
            return _of_several(node)
        case inspect.LiteralType() | inspect.EnumType():
            values = node.values if isinstance(node, inspect.LiteralType) else [each.value for each in node.cls]
            return any_of(values)
        case inspect.StructType():
            return _fields(node)
        case inspect.DictType():
            return _pairs(node)
        case inspect.ListType() | inspect.VarTupleType():
            return f"a list{_size(node, 'items')}"
        case inspect.TupleType():
            return f"a list of {len(node.item_types)} items"
        case _:
            return _scalar(node)


def _scalar(node: inspect.Type) -> str:
    match node:
        case inspect.StrType(pattern=None):
            return f"a text{_size(node, 'characters')}"
        case inspect.StrType(pattern=pattern):
            return _PATTERNS[pattern or ""] + (
                f", of at most {node.max_length:,} characters" if node.max_length else ""
            )
        case inspect.IntType():
            return f"a whole number{_range(node)}"
        case inspect.FloatType():
            return f"a number{_range(node)}"
        case inspect.BoolType():
            return "true or false"
        case inspect.DateTimeType():
            return "a time with its time zone, such as 2026-11-21T10:00:00Z"
        case inspect.AnyType():
            return "any value"
        case inspect.NoneType():
            return _NULL
        case _:
            raise NotImplementedError(type(node))


def _described(node: inspect.Metadata) -> str:
    schema = node.extra_json_schema or {}
    pattern = getattr(_plain(node), "pattern", None)
    example = next(iter(schema.get("examples", ())), None) if pattern not in (None, _NOT_BLANK) else None
    return _words(node.type) + (f", such as {example}{_HINTS.get(example, '')}" if example else "")


def _of_several(node: inspect.UnionType) -> str:
    """Return the words of a union: of several objects that one field tells apart, what that must be."""
    kinds = [each for each in node.types if not isinstance(each, inspect.NoneType)]
    tags = [each.tag for each in kinds if isinstance(each, inspect.StructType) and each.tag_field]
    if len(tags) < 2:
        return " or ".join(_words(each) for each in kinds)
    [field] = {each.tag_field for each in kinds if isinstance(each, inspect.StructType)}
    return f"an object whose {field} is {any_of(tags)}"


def any_of(values: Iterable[Any]) -> str:
    """Return the words for one of these values."""
    return " or ".join(f"'{value}'" for value in values)


def _fields(node: inspect.StructType) -> str:
    required = [field.encode_name for field in node.fields if field.required]
    if required:
        return f"an object with {' and '.join(required)}"
    return f"an object with any of: {', '.join(field.encode_name for field in node.fields)}"


def _pairs(node: inspect.DictType) -> str:
    if isinstance(node.value_type, inspect.AnyType):
        return "an object"
    return f"an object{_size(node, 'pairs')}, each key {_words(node.key_type)}, each value {_words(node.value_type)}"


def _size(node: inspect.StrType | inspect.CollectionType | inspect.DictType, of_what: str) -> str:
    least, most = node.min_length, node.max_length
    if most is None:
        return "" if not least else f" of at least {least:,} {of_what}"
    if least == most == 1:
        return " of one item"
    return f" of {least:,} to {most:,} {of_what}" if least else f" of at most {most:,} {of_what}"


def _range(node: inspect.IntType | inspect.FloatType) -> str:
    if node.ge is None:
        return "" if node.le is None else f", at most {node.le:,}"
    return f", at least {node.ge:,}" if node.le is None else f" from {node.ge:,} to {node.le:,}"


def _plain(node: inspect.Type) -> inspect.Type:
    """Return the type without its description, and without null beside it."""
    while True:
        match node:
            case inspect.Metadata():
                node = node.type
            case inspect.UnionType(types=(only, inspect.NoneType()) | (inspect.NoneType(), only)):
                node = only
            case _:
                return node


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return _NULL
        case bool():
            return _BOOLEAN
        case int() | float():
            return _NUMBER
        case str():
            return _TEXT
        case Mapping():
            return _OBJECT
        case _:
            return _LIST


def _kinds(node: inspect.Type) -> set[str]:
    """Return the kinds of JSON values among which those of the type are."""
    match _plain(node):
        case inspect.UnionType(types=types):
            return {kind for each in types for kind in _kinds(each)}
        case inspect.StructType() | inspect.DictType():
            return {_OBJECT}
        case inspect.ListType() | inspect.VarTupleType() | inspect.TupleType():
            return {_LIST}
        case inspect.IntType() | inspect.FloatType():
            return {_NUMBER}
        case inspect.BoolType():
            return {_BOOLEAN}
        case inspect.NoneType():
            return {_NULL}
        case inspect.AnyType():
            return {_TEXT, _NUMBER, _BOOLEAN, _LIST, _OBJECT, _NULL}
        case _:
            return {_TEXT}
