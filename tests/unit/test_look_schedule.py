"""When a run is looked at: how often at most, and how much later than it ended its end is seen."""

import math

from hypothesis import given
from hypothesis import strategies as st

from look_schedule import (
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
    """Return how often a loop looks that does so each second, the look that sees the end included."""
    return math.floor(lasting) + 1


@given(st.floats(2, LONGEST), st.booleans(), takes, takes)
def test_a_run_is_looked_at_at_most_1_3_times_as_often_as_by_the_loop(
    lasting: float, exact: bool, request: float, hop: float
) -> None:
    looks = looks_at(lasting, exact_timers=exact, request=request, hop=hop)
    assert len(looks) <= math.ceil(1.3 * looks_of_the_loop(lasting))


@given(st.booleans(), takes, takes)
def test_over_all_durations_it_is_less_than_1_3_times(exact: bool, request: float, hop: float) -> None:
    looks = looks_at(LONGEST, exact_timers=exact, request=request, hop=hop)
    for lasting in (2.5, 4.5, 10.0, 30.0, 100.0, LONGEST):
        ours = sum(1 + sum(at < d for at in looks) for d in spread(2.0, lasting))
        assert ours <= 1.3 * sum(looks_of_the_loop(d) for d in spread(2.0, lasting))


def spread(low: float, high: float) -> list[float]:
    return [low + (high - low) * (i + 0.5) / 200 for i in range(200)]


@given(durations, st.booleans(), takes, takes)
def test_there_are_at_most_three_looks_a_second(lasting: float, exact: bool, request: float, hop: float) -> None:
    looks = looks_at(lasting, exact_timers=exact, request=request, hop=hop)
    assert all(later - earlier > 1 for earlier, later in zip(looks, looks[3:], strict=False))


@given(st.floats(0.3, LONGEST), st.booleans())
def test_the_end_is_seen_soon(lasting: float, exact: bool) -> None:
    lag = looks_at(lasting, exact_timers=exact, request=0.05, hop=0.1)[-1] - lasting
    assert lag <= max(1.75, 0.13 * lasting)
    if lasting < WATCH_SECONDS - 0.3:
        assert lag < 1


@given(durations, durations)
def test_the_older_the_run_the_longer_the_waits(one: float, other: float) -> None:
    young, old = sorted((one, other))
    assert next_poll_delay(young) <= next_poll_delay(old)
    if young >= 0.4:
        assert next_look(young) <= next_look(old)
        assert is_watched(young) or not is_watched(old)


def test_a_look_at_an_old_run_is_one_look() -> None:
    assert is_watched(59)
    assert not is_watched(61)


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
