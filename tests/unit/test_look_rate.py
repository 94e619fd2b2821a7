"""How often one worker looks at runs, whoever asks and whenever."""

from hypothesis import given
from hypothesis import strategies as st

from activities.look_rate import LookRate

steps = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 2), st.booleans()), max_size=200)
"""How long until the next one asks, how long he would wait, and whether the former is in seconds, or in tokens."""


@given(st.integers(1, 50), steps)
def test_no_window_has_more_looks_than_its_seconds_and_one_more(per_second, asked) -> None:
    rate, now, looks = LookRate(per_second, 0.0), 0.0, []
    for pause, patience, in_seconds in asked:
        now += pause if in_seconds else pause / per_second
        wait = rate.reserve(now, now + patience)
        if wait is not None:
            assert wait <= patience
            looks.append(now + wait)
    looks.sort()
    for i, first in enumerate(looks):
        for n, last in enumerate(looks[i:], 1):
            assert n <= per_second * (last - first + 1) + 1e-6


@given(st.integers(1, 50), steps)
def test_who_is_refused_takes_nothing_from_the_others(per_second, asked) -> None:
    alone, beside = LookRate(per_second, 0.0), LookRate(per_second, 0.0)
    now = 0.0
    for pause, patience, in_seconds in asked:
        now += pause if in_seconds else pause / per_second
        assert beside.reserve(now, now - 1) is None
        assert alone.reserve(now, now + patience) == beside.reserve(now, now + patience)


def test_counted_looks_make_others_wait() -> None:
    rate = LookRate(20, 0.0)
    rate.count(19, 0.0)
    assert rate.reserve(0.0, 1.0) == 0.0
    rate.count(20, 0.0)
    assert rate.reserve(0.0, 1.0) is None
    assert rate.reserve(0.5, 1.6) == 0.55


def test_counted_looks_make_a_debt_of_a_second_at_most() -> None:
    rate = LookRate(20, 0.0)
    rate.count(10_000, 0.0)
    assert rate.reserve(0.0, 9.0) == 1.05


def test_a_clock_that_stands_still_fills_nothing() -> None:
    rate = LookRate(1, 5.0)
    assert [rate.reserve(5.0, 9.0) for _ in range(3)] == [0.0, 1.0, 2.0]


def test_a_pause_saves_the_looks_of_one_second_and_no_more() -> None:
    rate = LookRate(5, 0.0)
    assert [rate.reserve(100.0, 100.0) for _ in range(7)] == [0.0] * 5 + [None] * 2
