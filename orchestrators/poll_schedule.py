"""When to look at a run again: a pure function of how long it has taken so far.

Assumes that most runs answer within seconds and some take minutes; Foundry expires a run after ten. At first the run
is looked at as often as timers allow on every backend, from its twentieth second on in proportion to its age. So a
caller waits about five percent longer than the run took in the mean, nine at worst, and a run of ten minutes costs less
than sixty polls (benchmarks/README.md, `lag_virtual`). What is older than eleven minutes waits for somebody's answer
to a tool call, and that comes as an event: once a minute is enough.

Every delay is k + 0.5 seconds, k >= 1: Azure Storage cuts a timer's delay to whole seconds and fires early, the
Durable Task Scheduler is exact, and this is more than a second on both (durable-protocol.md, rule 2).
"""

from __future__ import annotations

import math

SHARE_OF_AGE = 0.09
LONGEST_DELAY_SECONDS = 60.5
SHORTEST_DELAY_SECONDS = 1.5

DEADLINE_TOLERANCE_SECONDS = 0.5
"""A deadline that is this near has passed: no timer is that short, and timers may fire this early."""


def whole_and_half(seconds: float) -> float:
    """Return the shortest allowed delay (k + 0.5 seconds, k >= 1) that is not shorter than `seconds`."""
    return max(1, math.ceil(seconds - 0.5)) + 0.5


def next_poll_delay(age_seconds: float) -> float:
    """Return the seconds to wait before the next look at a run that is `age_seconds` old."""
    proportional = math.floor(SHARE_OF_AGE * max(0.0, age_seconds) + 0.25) + 0.5
    return min(max(proportional, SHORTEST_DELAY_SECONDS), LONGEST_DELAY_SECONDS)


def within_deadline(delay_seconds: float, remaining_seconds: float) -> float | None:
    """Return the delay cut so that it ends less than a second after the deadline; None where the deadline has
    passed.
    """
    if remaining_seconds <= DEADLINE_TOLERANCE_SECONDS:
        return None
    return min(delay_seconds, whole_and_half(remaining_seconds))
