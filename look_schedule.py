"""When a run is looked at: one schedule of two paces. Pure; activities and orchestrators share it.

**A watch** is an activity that stays with its run and looks again: at the ages of `FIRST_LOOKS` while the run is young,
then each `SHORTEST_GAP_SECONDS`, less often the older the run is. A look again costs one request; staying costs no
storage transaction, but a slot of the worker, so a watch is over after `WATCH_SECONDS`.

**A durable timer** paces the watches: the instance waits without a worker. Between two watches of a young run lies the
shortest timer that every backend keeps (1.5 s), from half a minute on the timer grows with 9 % of the run's age. From
the first minute on a look is one look, and the timers alone pace: what they are late is little beside such a run.

**No run of 2 s to 10 min is looked at more than 1.3 times as often as by a loop of one look a second**
(tests/unit/test_look_schedule.py). That loop looks 1, 2, 3 ... s after the start; the look that sees the end counts:
its count is 3 from 2 s to less than 3 s, so ours is 3, too, not 3.9. This is why no look lies between 1.2 s and 3 s:
one look is spent on the shortest runs, one on those of a second. What the bound leaves of lag, and what this schedule
has, is in benchmarks/README.md. What is older than eleven minutes waits for somebody's answer to a tool call, and that
comes as an event: once a minute is enough.

Every timer is k + 0.5 seconds, k >= 1: Azure Storage cuts a timer's delay to whole seconds and fires early, the
Durable Task Scheduler is exact, and this is more than a second on both (durable-protocol.md, rule 2).
"""

from __future__ import annotations

import math

WATCH_SECONDS = 5.5
"""How long a watch stays, unless it has something to tell before. Two of them, with a timer between, reach beyond the
twelfth second; and a host that stops leaves ten to activities.
"""

FIRST_LOOKS = (0.4, 1.2, 3.0, 3.5, 4.3, 5.25)
"""The third look no sooner than 3 s, the fifth than 4 s, the sixth than 5 s: the bound."""

SHORTEST_GAP_SECONDS = 0.72
"""Between two looks of a later watch. Less than 1 / 1.3 s: the timers between watches save looks."""

GAP_SHARE_OF_AGE = 1 / 27
WATCHED_UNTIL_SECONDS = 60.0
CLOSEST_SECONDS = 1 / 3
"""A look that came late may stand near the next one's age: that one is left out, so there are three in a second."""

SHARE_OF_AGE = 0.09
YOUNG_SECONDS = 12.0
"""Of a run that is watched the share is one of its age beyond that: so the bound on looks is made use of."""
LONGEST_DELAY_SECONDS = 60.5
SHORTEST_DELAY_SECONDS = 1.5

DEADLINE_TOLERANCE_SECONDS = 0.5
"""A deadline that is this near has passed: no timer is that short, and timers may fire this early."""


def next_look(age_seconds: float) -> float:
    """Return the seconds from one look of a watch, at a run that has worked for so long, to the next one: never 0."""
    for age in FIRST_LOOKS:
        if age >= age_seconds + CLOSEST_SECONDS:
            return age - age_seconds
    return max(SHORTEST_GAP_SECONDS, GAP_SHARE_OF_AGE * age_seconds)


def is_watched(age_seconds: float) -> bool:
    """Say whether a run that has worked for so long is watched."""
    return age_seconds <= WATCHED_UNTIL_SECONDS


def next_poll_delay(age_seconds: float, *, as_before_1_1: bool = False) -> float:
    """Return the seconds that the durable timer waits before a run that is so old is looked at, or watched, again.

    Instances of version 1.0 of the orchestrator keep the pace that they had.
    """
    young = YOUNG_SECONDS if is_watched(age_seconds) and not as_before_1_1 else 0.0
    proportional = math.floor(SHARE_OF_AGE * max(0.0, age_seconds - young) + 0.25) + 0.5
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
