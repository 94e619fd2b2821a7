"""The ids of the instances that this app starts: the newest comes first where ids are sorted.

The platform lists instances by id, ascending, and by nothing else. What another app or a person starts over the Durable
webhook has the platform's ids.
"""

from __future__ import annotations

import secrets
import time

_DIGITS = 12
_LATEST_MS = 16**_DIGITS - 1
"""In the year 10889."""

RANDOM_BYTES = 10
"""Two starts of one millisecond never get one id, and nobody guesses one."""


def instance_id(now_ms: int, random: bytes) -> str:
    """Return the id of an instance that is started now: the time that is left, then chance."""
    return f"{_LATEST_MS - now_ms:0{_DIGITS}x}-{random.hex()}"


def new_instance_id() -> str:
    """Return an id that nobody has."""
    return instance_id(time.time_ns() // 1_000_000, secrets.token_bytes(RANDOM_BYTES))
