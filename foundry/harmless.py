"""What the service says, made fit to travel through Durable Functions, whatever it says. Pure.

Objects with the Durable SDK's own markers would be decoded as code, and fail the instance (durable-protocol.md, rule
11); the platform's JSON reader takes 64 levels; a number may be none that a date can hold.
"""

from __future__ import annotations

from typing import Any

from contracts.wire import SDK_MARKERS

_DEEPEST = 32
_MOST_NUMBERS = 16
_LATEST = 2**33
"""In Unix seconds: the year 2242."""


def harmless(value: Any, depth: int = _DEEPEST) -> Any:
    """Return the JSON value without the SDK's markers, and without what lies deeper than `depth` levels."""
    if isinstance(value, dict):
        return {k: harmless(v, depth - 1) for k, v in value.items() if k not in SDK_MARKERS} if depth else {}
    if isinstance(value, list):
        return [harmless(item, depth - 1) for item in value] if depth else []
    return value


def numbers(value: Any, depth: int = 2) -> dict[str, Any] | None:
    """Return the numbers of an object such as `usage`, and of the objects in it; None where it is no object."""
    if not isinstance(value, dict):
        return None
    found: dict[str, Any] = {}
    for name, item in list(value.items())[:_MOST_NUMBERS]:
        if name in SDK_MARKERS:
            continue
        inner = numbers(item, depth - 1) if depth > 1 else None
        if inner:
            found[name[:64]] = inner
        elif isinstance(item, int | float) and not isinstance(item, bool) and abs(item) < 2**53:
            found[name[:64]] = item
    return found


def unix_seconds(value: Any) -> int | None:
    """Return the moment where it is one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        return None
    return int(value)
