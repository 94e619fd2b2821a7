"""The time as the host has it: what is compared with the host's moments, or paced as its timers are, goes by this.

On Azure that is the system's time. The local host may run a faster clock (`--clock-speed`, for tests), and tells it in
the environment; what a request may take goes by the system's clock there, too.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime

TOLD_IN = "LOCAL_FUNCTIONS_HOST_CLOCK"
"""Three numbers: the speed, and a moment, by the host's clock (epoch seconds) and by the system's monotonic one."""


@dataclass(frozen=True)
class _FasterClock:
    speed: float
    origin: float
    started: float

    def seconds(self) -> float:
        return self.origin + (time.monotonic() - self.started) * self.speed


def now() -> datetime:
    """Return the host's time, UTC."""
    faster = _faster_clock(os.environ.get(TOLD_IN))
    return datetime.now(UTC) if faster is None else datetime.fromtimestamp(faster.seconds(), UTC)


def seconds() -> float:
    """Return seconds of the host that never go back, from any moment on."""
    faster = _faster_clock(os.environ.get(TOLD_IN))
    return time.monotonic() if faster is None else faster.seconds()


async def sleep(host_seconds: float) -> None:
    """Sleep for so many seconds of the host."""
    faster = _faster_clock(os.environ.get(TOLD_IN))
    await asyncio.sleep(host_seconds if faster is None else host_seconds / faster.speed)


@functools.lru_cache(maxsize=1)
def _faster_clock(told: str | None) -> _FasterClock | None:
    return None if told is None else _FasterClock(*map(float, told.split()))
