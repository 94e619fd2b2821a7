"""The host's clock: the only place that reads the time, so that tests can drive it faster than real time."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Wall-clock time that runs `speed` times faster than real time from the moment it is made.

    Timestamps, timers, the time orchestrators see and cron schedules follow it; measured durations do not. An app that
    lives by its host's time finds in the environment what `told` returns.
    """

    def __init__(self, *, speed: float = 1.0, not_before: float = 0.0) -> None:
        """Start now, or at `not_before` (epoch seconds) where a faster clock has been further already."""
        if not speed > 0:
            raise ValueError(f"the clock's speed must be above 0, not {speed}")
        self.speed = speed
        self._origin = max(time.time(), not_before)
        self._started = time.monotonic()

    def timestamp(self) -> float:
        """Seconds since the epoch."""
        return self._origin + (time.monotonic() - self._started) * self.speed

    @property
    def told(self) -> str:
        """The speed, and a moment: by this clock (epoch seconds), and by the system's monotonic one."""
        return f"{self.speed!r} {self._origin!r} {self._started!r}"

    def now(self) -> datetime:
        """Return the time as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def real_seconds(self, host_seconds: float) -> float:
        """How long `host_seconds` of this clock take, never below zero."""
        return max(0.0, host_seconds / self.speed)

    def real_until(self, timestamp: float) -> float:
        """Real seconds from now until this clock shows `timestamp`, never below zero."""
        return self.real_seconds(timestamp - self.timestamp())


def iso(moment: datetime) -> str:
    """Write a moment as the Durable extension writes it in histories: UTC with `Z` and microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def iso_seconds(timestamp: float) -> str:
    """Write a moment as the status API does: UTC with `Z`, whole seconds."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso(text: str) -> datetime:
    """Read an ISO date; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
