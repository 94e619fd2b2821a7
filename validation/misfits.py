"""Where a value does not fit a contract's type, field by field. Pure.

Whether something fits, only `from_wire` decides; here it is asked again, part by part, to find out where it does not.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.wire import from_wire
from validation.expected import expected, must_be
from validation.field_errors import MOST_NAMED, FieldError, shown_name
from validation.near_names import no_field


def misfits(kind: Any, value: Any, path: str) -> list[FieldError]:
    """Return what does not fit about a value that is no `kind`, the first fields of it; `path` leads to it, and is
    empty where it is the whole body.
    """
    return list(islice(_misfits(kind, value, path), MOST_NAMED))


def _misfits(kind: Any, value: Any, path: str) -> Iterator[FieldError]:
    plain = _plain(kind)
    found = False
    for error in _parts_of(plain, value, path):
        found = True
        yield error
    if not found:
        yield _error(path, must_be(kind, value))


def _parts_of(plain: Any, value: Any, path: str) -> Iterator[FieldError]:
    """Return what is wrong with the parts of a value, if it has any."""
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        if isinstance(value, Mapping):
            yield from _fields_of(plain, value, path)
    elif typing.get_origin(plain) is list and isinstance(value, list):
        item = typing.get_args(plain)[0]
        for number, each in enumerate(value):
            if not _fits(item, each):
                yield from _misfits(item, each, f"{path}[{number}]")
    elif typing.get_origin(plain) is dict and isinstance(value, Mapping):
        yield from _pairs_of(plain, value, path)


def _fields_of(kind: type[msgspec.Struct], value: Mapping[Any, Any], path: str) -> Iterator[FieldError]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name, field in fields.items():
        where = f"{path}.{name}" if path else name
        if name not in value:
            if field.required:
                yield _error(where, f"is required: {expected(field.type)}")
        elif not _fits(field.type, value[name]):
            yield from _misfits(field.type, value[name], where)
    if kind.__struct_config__.forbid_unknown_fields:
        for name in value:
            if name not in fields:
                yield _error(f"{path}.{shown_name(name)}" if path else shown_name(name), no_field(name, fields))


def _pairs_of(plain: Any, value: Mapping[Any, Any], path: str) -> Iterator[FieldError]:
    """Return what is wrong with keys and values. The target stays the object: the keys are the caller's own words."""
    of_key, of_value = typing.get_args(plain)
    for key, each in value.items():
        if not _fits(of_key, key):
            yield _error(path, f"has the key '{shown_name(key)}', which {must_be(of_key, key)}")
        elif not _fits(of_value, each):
            yield _error(path, f"has a value under '{shown_name(key)}' that {must_be(of_value, each)}")


def _error(path: str, message: str) -> FieldError:
    return FieldError(code=ErrorCode.INVALID, message=message, target=path or "body")


def _fits(kind: Any, value: Any) -> bool:
    try:
        from_wire(kind, value)
    except msgspec.ValidationError:
        return False
    return True


def _plain(kind: Any) -> Any:
    """Return the type without its limits, and without null beside it."""
    if typing.get_origin(kind) is typing.Annotated:
        return _plain(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        others = [each for each in typing.get_args(kind) if each is not types.NoneType]
        return _plain(others[0]) if len(others) == 1 else kind
    return kind
