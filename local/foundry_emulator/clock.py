"""The service's clock: seconds since the epoch, which may run faster than ours."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the emulator asks for the time."""

    def now(self) -> float:
        """Return seconds since the epoch."""


class ScaledClock:
    """Starts at the real time and runs `speed` times as fast; every timestamp of the service follows it.

    `not_before` is a time that has been: a clock that ran fast before a restart must not go back.
    """

    def __init__(self, speed: float = 1.0, *, not_before: float = 0.0) -> None:
        if not speed > 0:
            raise ValueError(f"clock speed must be more than 0, not {speed}")
        self._speed = speed
        self._origin = max(time.time(), not_before)
        self._start = time.monotonic()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._origin + (time.monotonic() - self._start) * self._speed


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return seconds since the epoch."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Move on."""
        with self._lock:
            self._now += seconds
