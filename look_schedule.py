"""When a run is looked at: one schedule of two paces. Pure; activities and orchestrators share it.

**A watch** is an activity that stays with its run and looks again: first `FIRST_LOOK_SECONDS` after the run began to
work, then about as often as a loop of one look a second, less often the older the run is. A look again costs one
request; staying costs no storage transaction, but a slot of the worker, so a watch is over after `WATCH_SECONDS`.

**A durable timer** paces the watches: the instance waits without a worker. Between two watches of a young run lies the
shortest timer that every backend keeps (1.5 s), from the twentieth second on the timer is 9 % of the run's age. Where a
watch would be over before its second look, from the first minute on, a look is one look, and the timers alone pace.

So a run is looked at no more than 1.3 times as often as by a loop of one look a second, whole looks counted, whatever
it takes from 2 s to 10 min (tests/unit/test_look_schedule.py; the plots are in benchmarks/README.md). Half of what
lies between two looks is the mean lag: 0.4 s while young, 5 % of the duration beyond. What is older than eleven minutes
waits for somebody's answer to a tool call, and that comes as an event: once a minute is enough.

Every timer is k + 0.5 seconds, k >= 1: Azure Storage cuts a timer's delay to whole seconds and fires early, the
Durable Task Scheduler is exact, and this is more than a second on both (durable-protocol.md, rule 2).
"""

from __future__ import annotations

import math

WATCH_SECONDS = 4.0
"""How long a watch stays, unless it has something to tell before."""

FIRST_LOOK_SECONDS = 0.4
SHORTEST_GAP_SECONDS = 0.87
GAP_SHARE_OF_AGE = 1 / 15
"""Between two looks of a watch: with these a run of 3 s has its fourth look, one of 10 s its twelfth."""

SHARE_OF_AGE = 0.09
LONGEST_DELAY_SECONDS = 60.5
SHORTEST_DELAY_SECONDS = 1.5

DEADLINE_TOLERANCE_SECONDS = 0.5
"""A deadline that is this near has passed: no timer is that short, and timers may fire this early."""


def next_look(age_seconds: float) -> float:
    """Return the seconds from one look of a watch, at a run that has worked for so long, to the next one."""
    if age_seconds < FIRST_LOOK_SECONDS:
        return FIRST_LOOK_SECONDS - age_seconds
    return max(SHORTEST_GAP_SECONDS, GAP_SHARE_OF_AGE * age_seconds)


def is_watched(age_seconds: float) -> bool:
    """Say whether a watch of a run that has worked for so long comes to its second look."""
    return next_look(age_seconds) <= WATCH_SECONDS


def next_poll_delay(age_seconds: float) -> float:
    """Return the seconds that the durable timer waits before a run that is so old is looked at, or watched, again."""
    proportional = math.floor(SHARE_OF_AGE * max(0.0, age_seconds) + 0.25) + 0.5
    return min(max(proportional, SHORTEST_DELAY_SECONDS), LONGEST_DELAY_SECONDS)


def whole_and_half(seconds: float) -> float:
    """Return the shortest allowed timer (k + 0.5 seconds, k >= 1) that is not shorter than `seconds`."""
    return max(1, math.ceil(seconds - 0.5)) + 0.5


def within_deadline(delay_seconds: float, remaining_seconds: float) -> float | None:
    """Return the timer cut so that it ends less than a second after the deadline; None where the deadline has
    passed.
    """
    if remaining_seconds <= DEADLINE_TOLERANCE_SECONDS:
        return None
    return min(delay_seconds, whole_and_half(remaining_seconds))
