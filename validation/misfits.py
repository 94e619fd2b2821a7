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
from validation.expected import any_of, expected, has_other_size, is_blank, must_be
from validation.field_errors import MOST_NAMED, FieldError, shown_name
from validation.near_names import no_field

_UNIONS = (typing.Union, types.UnionType)
_NOTHING = (types.NoneType, msgspec.UnsetType)


def misfits(kind: Any, value: Any, path: str) -> list[FieldError]:
    """Return what does not fit about a value that is no `kind`, the first fields of it; `path` leads to it, and is
    empty where it is the whole body.
    """
    return list(islice(_misfits(kind, value, path), MOST_NAMED))


def _misfits(kind: Any, value: Any, path: str) -> Iterator[FieldError]:
    found = False
    parts = () if has_other_size(kind, value) else _parts_of(_plain(kind), value, path)
    for error in parts:
        found = True
        yield error
    if not found:
        code = ErrorCode.BLANK if is_blank(kind, value) else ErrorCode.INVALID
        yield FieldError(code=code, message=must_be(kind, value), target=path or "body")


def _parts_of(plain: Any, value: Any, path: str) -> Iterator[FieldError]:
    """Return what is wrong with the parts of a value, if it has any."""
    if typing.get_origin(plain) in _UNIONS:
        yield from _of_the_one_meant(plain, value, path)
    elif _is_struct(plain):
        if isinstance(value, Mapping):
            yield from _fields_of(plain, value, path)
    elif typing.get_origin(plain) is list and isinstance(value, list):
        item = typing.get_args(plain)[0]
        for number, each in enumerate(value):
            if not _fits(item, each):
                yield from _misfits(item, each, f"{path}[{number}]")
    elif typing.get_origin(plain) is dict and isinstance(value, Mapping):
        yield from _pairs_of(plain, value, path)


def _of_the_one_meant(union: Any, value: Any, path: str) -> Iterator[FieldError]:
    """Return what is wrong with a value as that type of the union which it was meant to be, if that can be told: of
    several objects the one that its tag names, else the only one that is of the value's kind.
    """
    kinds = [_plain(kind) for kind in typing.get_args(union)]
    tagged = {kind.__struct_config__.tag: kind for kind in kinds if _is_struct(kind) and kind.__struct_config__.tag}
    if tagged and isinstance(value, Mapping):
        [field] = {kind.__struct_config__.tag_field for kind in tagged.values()}
        tag = value.get(field)
        meant = tagged.get(tag) if isinstance(tag, str) else None
        if meant is not None:
            yield from _fields_of(meant, value, path)
        else:
            where = f"{path}.{field}" if path else field
            known = any_of(tagged)
            yield _error(where, f"must be {known}" if field in value else f"is required: {known}")
        return
    for kind in kinds:
        if typing.get_origin(kind) is list and isinstance(value, list):
            yield from _parts_of(kind, value, path)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


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
        known = (*fields, *filter(None, [kind.__struct_config__.tag_field]))
        for name in value:
            if name not in known:
                yield _error(f"{path}.{shown_name(name)}" if path else shown_name(name), no_field(name, known))


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
    """Return the type without its limits, and without null, or nothing at all, beside it."""
    if typing.get_origin(kind) is typing.Annotated:
        return _plain(typing.get_args(kind)[0])
    if typing.get_origin(kind) in _UNIONS:
        others = [each for each in typing.get_args(kind) if each not in _NOTHING]
        return _plain(others[0]) if len(others) == 1 else kind
    return kind
