"""How often one worker looks at runs. Pure: whoever asks brings the time."""

from __future__ import annotations


class LookRate:
    """A bucket of tokens: it fills by `per_second` and holds those of a second, so that of a few runs each is looked at
    when that is due, and in any `n` seconds there are at most `n + 1` times as many looks.

    Looks that the durable timers pace are not held up: they are counted, and what watches for more waits longer. Times
    are seconds of a clock that never goes back.
    """

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._tokens = float(per_second)
        self._at = now

    def count(self, looks: int, now: float) -> None:
        """Count looks that were made whatever the rate says. A debt is at most a second's."""
        self._fill(now)
        self._tokens = max(self._tokens - looks, -self._per_second)

    def reserve(self, now: float, latest: float) -> float | None:
        """Take a token; return the seconds until it may be used. None, and nothing taken, where that is after
        `latest`.
        """
        self._fill(now)
        wait = max(0.0, (1 - self._tokens) / self._per_second)
        if now + wait > latest:
            return None
        self._tokens -= 1
        return wait

    def _fill(self, now: float) -> None:
        gained = (now - self._at) * self._per_second
        self._tokens = min(self._tokens + gained, float(self._per_second))
        self._at = max(self._at, now)
