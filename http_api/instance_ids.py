"""The ids of the instances that this app starts: the newest comes first where ids are sorted.

The platform lists instances by id, ascending, and by nothing else. What another app or a person starts over the Durable
webhook has the platform's ids, or any.
"""

from __future__ import annotations

import re
import secrets

import host_clock

_DIGITS = 12
_LATEST_MS = 16**_DIGITS - 1
"""In the year 10889."""

RANDOM_BYTES = 10
"""Two starts of one millisecond never get one id, and nobody guesses one."""

_OURS = re.compile(rf"[0-9a-f]{{{_DIGITS}}}-[0-9a-f]{{{2 * RANDOM_BYTES}}}")


def instance_id(now_ms: int, random: bytes) -> str:
    """Return the id of an instance that is started now: the time that is left, then chance."""
    return f"{_LATEST_MS - now_ms:0{_DIGITS}x}-{random.hex()}"


def new_instance_id() -> str:
    """Return an id that nobody has."""
    return instance_id(int(host_clock.now().timestamp() * 1000), secrets.token_bytes(RANDOM_BYTES))


def started_ms(given: str) -> int | None:
    """Return when the instance was started, as its id says; None where this app has not made it."""
    return _LATEST_MS - int(given[:_DIGITS], 16) if _OURS.fullmatch(given) else None


def prefix_of_window(from_ms: int, to_ms: int) -> str:
    """Return how all ids begin that this app makes in the window."""
    first, last = (f"{_LATEST_MS - min(max(ms, 0), _LATEST_MS):0{_DIGITS}x}" for ms in (from_ms, to_ms))
    common = next((n for n in range(_DIGITS) if first[n] != last[n]), _DIGITS)
    return first[:common]
