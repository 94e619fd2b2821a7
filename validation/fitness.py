"""What keeps a value from travelling to Foundry through the Durable SDK."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from contracts.codes import ErrorCode
from contracts.wire import SDK_MARKERS
from validation.field_errors import FieldError

_DEEPEST = 64

_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def unfit(value: Any, target: str) -> list[FieldError]:
    """Return what keeps a value, at any depth, from travelling to Foundry through the Durable SDK."""
    pending = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        code, message = ErrorCode.INVALID, ""
        if depth > _DEEPEST:
            message = f"is nested more than {_DEEPEST} levels deep"
        elif isinstance(item, Mapping):
            if marker := next((m for m in SDK_MARKERS if m in item), None):
                code, message = ErrorCode.RESERVED, f"has the key {marker!r}, which cannot be used inside a request"
            pending.extend((v, depth + 1) for pair in item.items() for v in pair)
        elif isinstance(item, list):
            pending.extend((v, depth + 1) for v in item)
        elif isinstance(item, float) and not math.isfinite(item):
            message = f"has the number {item}, which JSON does not know"
        elif isinstance(item, str) and _HALF_A_CHARACTER.search(item):
            message = "has half of a surrogate pair, which is no character"
        if message:
            return [FieldError(code=code, message=message, target=target)]
    return []
