"""What keeps a value from travelling to Foundry through the Durable SDK."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from contracts.codes import ErrorCode
from contracts.wire import SDK_MARKERS
from validation.field_errors import FieldError, shown_name

_DEEPEST = 64

_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")

Trail: TypeAlias = "tuple[Trail, Any] | None"
"""The way into a value, from its end. Written out only where something is wrong there."""


def unfit(value: Any, target: str) -> list[FieldError]:
    """Return what keeps a value, at any depth, from travelling to Foundry through the Durable SDK."""
    pending: list[tuple[Any, int, Trail]] = [(value, 0, None)]
    while pending:
        item, depth, trail = pending.pop()
        code, message = ErrorCode.INVALID, ""
        if depth > _DEEPEST:
            message, trail = f"is nested more than {_DEEPEST} levels deep", None
        elif isinstance(item, Mapping):
            if marker := next((m for m in SDK_MARKERS if m in item), None):
                code, message = ErrorCode.RESERVED, f"has the key '{marker}', which cannot be used inside a request"
            for key, part in item.items():
                pending.append((key, depth + 1, trail))
                pending.append((part, depth + 1, (trail, key)))
        elif isinstance(item, list):
            pending.extend((part, depth + 1, (trail, number)) for number, part in enumerate(item))
        elif isinstance(item, float) and not math.isfinite(item):
            message = "has NaN or an infinite number, which JSON does not know"
        elif isinstance(item, str) and _HALF_A_CHARACTER.search(item):
            message = "has half of a surrogate pair, which is no character"
        if message:
            where = f" (in {shown_name(_path(trail))})" if trail else ""
            return [FieldError(code=code, message=message + where, target=target)]
    return []


def _path(trail: Trail) -> str:
    """Return the way into the value as callers write it."""
    steps = []
    while trail is not None:
        trail, step = trail
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(steps)).removeprefix(".")
