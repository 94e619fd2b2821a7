"""When a run is looked at: how often at most, and how much later than it ended its end is seen."""

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from look_schedule import (
    CLOSEST_SECONDS,
    FIRST_LOOKS,
    SHORTEST_GAP_SECONDS,
    WATCH_SECONDS,
    is_watched,
    next_look,
    next_poll_delay,
    whole_and_half,
    within_deadline,
)

LONGEST = 600.0
durations = st.floats(0, LONGEST, exclude_min=True)
takes = st.floats(0, 0.5)
"""What a request, or the way of an activity through the queues, takes in seconds."""


def looks_at(lasting: float, *, exact_timers: bool, request: float, hop: float) -> list[float]:
    """Return the ages at which a run is looked at that takes so long: watches with timers between them."""
    looks: list[float] = []

    def watch(age: float) -> float:
        end, ended = age + WATCH_SECONDS, age
        while (not looks or looks[-1] < lasting) and age + next_look(age) <= end:
            age = max(age + next_look(age), ended)
            looks.append(age)
            ended = age + request
        return ended

    age = watch(0.0)
    while not looks or looks[-1] < lasting:
        delay = next_poll_delay(age)
        age += (delay if exact_timers else math.floor(delay) + 0.1) + hop
        looks.append(age)
        if looks[-1] < lasting:
            age = watch(age) if is_watched(age) else age + request
    return looks


def looks_of_the_loop(lasting: float) -> int:
    """Return how often a loop looks that does so 1, 2, 3 ... s after the start, the look that sees the end included.

    Whoever looks at the very moment of the end does not see it, here and there.
    """
    return math.floor(lasting) + 1


def courses(longest: float) -> Iterator[list[float]]:
    """Yield the looks at a run that does not end, by all that differs between backends and services."""
    for exact, request, hop in itertools.product((False, True), (0, 0.02, 0.1, 0.3, 0.5), (0, 0.02, 0.1, 0.3, 0.5)):
        yield looks_at(longest, exact_timers=exact, request=request, hop=hop)


def test_no_run_is_looked_at_more_than_1_3_times_as_often_as_by_the_loop() -> None:
    lengths = [hundredths / 100 for hundredths in range(200, 60_001)]
    for looks in courses(LONGEST + 1):
        assert max((bisect_right(looks, d) + 1) / looks_of_the_loop(d) for d in lengths) <= 1.3


@given(st.floats(2, LONGEST), st.booleans(), takes, takes)
def test_nor_is_one_whose_requests_and_hops_take_anything_else(
    lasting: float, exact: bool, request: float, hop: float
) -> None:
    looks = looks_at(lasting, exact_timers=exact, request=request, hop=hop)
    assert len(looks) <= 1.3 * looks_of_the_loop(lasting)


def lags_of(looks: list[float], near: float) -> list[float]:
    """Return the lags, least first, of runs that take `near` seconds, give or take 15 %."""
    ends = [near * (0.85 + 0.3 * (i + 0.5) / 1000) for i in range(1000)]
    return sorted(looks[bisect_right(looks, end)] - end for end in ends)


@pytest.mark.parametrize(("near", "most"), [(0.3, 0.11), (1.0, 0.21), (3.0, 0.26), (10.0, 0.39)])
def test_half_of_the_ends_are_seen_soon(near: float, most: float) -> None:
    for exact in (False, True):
        lags = lags_of(looks_at(20, exact_timers=exact, request=0.01, hop=0.05), near)
        assert lags[500] <= most
        assert lags[950] <= 1


def test_a_look_that_came_late_is_not_followed_by_one_at_once() -> None:
    for planned in FIRST_LOOKS:
        assert next_look(planned - 1e-9) >= CLOSEST_SECONDS
        assert next_look(planned + 0.1) >= CLOSEST_SECONDS
    assert next_look(1.0) == 2.0
    assert next_look(6.0) == SHORTEST_GAP_SECONDS


@given(durations, st.booleans(), takes, takes)
def test_there_are_at_most_three_looks_a_second(lasting: float, exact: bool, request: float, hop: float) -> None:
    looks = looks_at(lasting, exact_timers=exact, request=request, hop=hop)
    assert all(later - earlier > 1 for earlier, later in zip(looks, looks[3:], strict=False))


@given(st.floats(0.3, LONGEST), st.booleans())
def test_the_end_is_seen_soon(lasting: float, exact: bool) -> None:
    lag = looks_at(lasting, exact_timers=exact, request=0.05, hop=0.1)[-1] - lasting
    assert lag <= max(1.85, 0.13 * lasting)
    if lasting >= 3:
        assert lag < 1 or lasting > FIRST_LOOKS[-1]


@given(durations, durations)
def test_the_older_the_run_the_longer_the_waits(one: float, other: float) -> None:
    young, old = sorted((one, other))
    assert next_poll_delay(young) <= next_poll_delay(old)
    if young >= FIRST_LOOKS[-1]:
        assert next_look(young) <= next_look(old)
        assert is_watched(young) or not is_watched(old)


def test_a_look_at_an_old_run_is_one_look() -> None:
    assert next_look(60) < WATCH_SECONDS
    assert is_watched(60)
    assert not is_watched(60.1)


@given(st.floats(0, 1e6))
def test_every_timer_is_one_that_all_backends_keep(age: float) -> None:
    assert next_poll_delay(age) % 1 == 0.5
    assert 1.5 <= next_poll_delay(age) <= 60.5


@given(st.floats(0.51, 1e5), st.floats(0, 1e5))
def test_a_timer_ends_less_than_a_second_after_the_deadline(remaining: float, delay: float) -> None:
    cut = within_deadline(whole_and_half(delay), remaining)
    assert cut is not None
    assert 1.5 <= cut < max(remaining + 1, 1.6)
    assert within_deadline(delay, 0.5) is None
