"""The looks that the virtual figures work with."""

import pytest

from benchmarks.figures.lag_virtual import share_of
from benchmarks.figures.storage_cost import counted_app, counted_before
from benchmarks.schedules import Looks, app_looks, app_run, naive_looks, sdk_looks


def test_lag_is_the_next_look_and_what_follows_it():
    looks = Looks([1.0, 2.5, 4.0], 0.2)
    assert looks.count(0.5) == 1
    assert looks.count(1.0) == 1
    assert looks.count(1.1) == 2
    assert looks.lag(2.0) == pytest.approx(0.7)
    assert looks.shortest_gap == 1.5
    assert share_of(looks)(2.0) == pytest.approx(35)
    with pytest.raises(ValueError, match="end before"):
        looks.lag(4.1)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("duration", [0.35, 3.0, 21.7])
def test_the_looks_of_a_long_run_tell_those_of_a_shorter_one(duration, exact):
    looks = app_looks(30, exact_timers=exact, activity_seconds=0.1, request_seconds=0.05)
    foundry, ended = app_run(duration, exact_timers=exact, activity_seconds=0.1)
    created = foundry.runs[0]["at"]
    assert len(foundry.looked_at) == ended.custom_status["polls"] == looks.count(duration)
    with_the_request = ended.seconds + 0.05  # for the answer: the simulation counts whole activities only
    assert with_the_request - created - duration == pytest.approx(looks.lag(duration), abs=1e-3)


def test_runs_of_both_generations_are_counted():
    classic, second = (
        counted_app(0.3, exact_timers=False, generation=generation) for generation in ("classic", "responses")
    )
    assert classic.activities == second.activities == 2, "thread, then message and run; or the reverse"
    assert counted_app(0.3, exact_timers=False, thread_id="thread_x").activities == 1
    assert counted_before(0.3, exact_timers=False).activities == 4


def test_the_loops_beside_it():
    assert sdk_looks(10, request_seconds=0.0).count(9.5) == 10
    assert sdk_looks(10, request_seconds=0.1).at[:2] == pytest.approx([1.1, 2.2])
    assert naive_looks(10, exact_timers=False, activity_seconds=0.1).shortest_gap == pytest.approx(0.2)
    assert naive_looks(10, exact_timers=True, activity_seconds=0.1).shortest_gap == pytest.approx(1.1)
