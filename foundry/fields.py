"""Reads fields of the wire's JSON objects, of which none can be relied on. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, TypeGuard

from contracts.formats import ID_PATTERN, utc_text
from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION, Stamp
from foundry import errors
from foundry.harmless import unix_seconds

_LONGEST_LABEL = 256


def text_of(item: dict[str, Any], key: str) -> str:
    """Return the text; raise `BadResponseError` where there is none."""
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise errors.BadResponseError(f"Foundry's answer has no {key!r}")
    return value


def id_of(item: dict[str, Any], key: str) -> str:
    """Return the id; raise `BadResponseError` where it is none, since it goes into paths."""
    value = text_of(item, key)
    if not is_id(value):
        raise errors.BadResponseError(f"Foundry's answer has a {key!r} that is no id")
    return value


def is_id(value: Any) -> TypeGuard[str]:
    """Say whether this is an id."""
    return isinstance(value, str) and re.fullmatch(ID_PATTERN, value) is not None


def items_of(page: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a page's items; raise `BadResponseError` where it has none."""
    data = page.get("data")
    if not isinstance(data, list):
        raise errors.BadResponseError("Foundry's answer has no list 'data'")
    return objects(data)


def optional(item: dict[str, Any], key: str) -> str | None:
    """Return the text, or None where there is none."""
    value = item.get(key)
    return value if isinstance(value, str) else None


def word(value: Any) -> str | None:
    """Return the value where it is a code: one word."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w.-]{1,64}", value) else None


def label_of(item: dict[str, Any], key: str) -> str | None:
    """Return the text, cut to the length of a name, or None where there is none."""
    value = optional(item, key)
    return value[:_LONGEST_LABEL] if value else None


def moment_of(value: Any) -> str | None:
    """Return the moment of Unix seconds as callers read it, or None where it is none."""
    seconds = unix_seconds(value)
    return None if seconds is None else utc_text(datetime.fromtimestamp(seconds, UTC))


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def obj(value: Any) -> dict[str, Any]:
    """Return the object; an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def carries(item: dict[str, Any], stamp: Stamp) -> bool:
    """Say whether the item has this stamp."""
    return stamp.as_metadata().items() <= obj(item.get("metadata")).items()


def is_of_one_start(item: dict[str, Any], other: dict[str, Any]) -> bool:
    """Say whether the stamps of both are of the same instance and execution, whatever they were created for."""
    start = _start_of(item)
    return start is not None and start == _start_of(other)


def _start_of(item: dict[str, Any]) -> tuple[str, str] | None:
    instance_id, operation = instance_of(item), obj(item.get("metadata")).get(METADATA_OPERATION)
    if instance_id is None or not isinstance(operation, str):
        return None
    return instance_id, operation.rpartition(":")[0]


def instance_of(item: dict[str, Any]) -> str | None:
    """Return the instance that stamped the item, if one did."""
    instance_id = obj(item.get("metadata")).get(METADATA_INSTANCE)
    return instance_id[:512] if isinstance(instance_id, str) else None
