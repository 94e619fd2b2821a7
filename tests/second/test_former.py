"""Right behind a run, on a service whose lists lag: nothing of it is taken for the next one's."""

from datetime import UTC, datetime

import pytest

from contracts.runs import FormerRun, RunState
from foundry import errors
from tests.second.conftest import HI, LONG

NO_STAMPS = {"response_metadata_get": "empty", "response_metadata_list": "empty"}


def former(world, run, *, ids=(), shows=None):
    now = datetime.fromtimestamp(world.clock.now(), UTC)
    return FormerRun(run_ids=(run.run_id, *ids), left_at=now, shows_items=run.shows_items if shows is None else shows)


def settled(world, thread_id, left):
    """Take over once the conversation shows what was left; return the seconds that took, and the known runs."""
    for second in range(60):
        try:
            return second, world.service.take_over(thread_id, "i-2", left)
        except errors.RefusedForNowError:
            world.clock.advance(1)
    raise AssertionError("it never takes over")


def test_a_conversation_is_taken_over_when_it_shows_what_was_said_last(world):
    world.emulator.set_unknowns(item_lag=10, list_lag=20, **NO_STAMPS)
    thread_id = world.thread()
    run = world.ended(thread_id)
    assert run.shows_items
    seconds, known = settled(world, thread_id, former(world, run))
    assert 0 < seconds <= 10
    assert known == (run.run_id,)
    assert world.service.find_run(thread_id, world.effect("other", known=known)) is None
    assert world.service.find_message(thread_id, HI, world.stamp(instance="i-2")) is None, "it is the former one's"


def test_without_a_lag_nothing_is_waited_for(world):
    thread_id = world.thread()
    run = world.ended(thread_id)
    assert settled(world, thread_id, former(world, run)) == (0, (run.run_id,))


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_run_that_has_said_nothing_is_not_waited_for(world, status):
    world.emulator.set_unknowns(item_lag=10, list_lag=10)
    thread_id = world.thread()
    if status == "failed":
        run = world.ended(thread_id, "fails")
    else:
        run = world.service.cancel_run(thread_id, world.run(thread_id, "forever").run_id)
    assert (run.raw_status, run.shows_items) == (status, False)
    assert settled(world, thread_id, former(world, run)) == (0, (run.run_id,))


def test_what_never_shows_is_waited_for_no_longer_than_the_grace(world):
    world.emulator.set_unknowns(item_lag=1000)
    thread_id = world.thread()
    seconds, known = settled(world, thread_id, former(world, world.ended(thread_id)))
    assert seconds == 30
    assert len(known) == 1


@pytest.mark.parametrize("p7", ["accepted", "refused"])
@pytest.mark.parametrize("p8", ["at_end", "at_once"])
def test_calls_that_were_closed_are_waited_for_and_what_closed_them_is_known(world, p7, p8):
    world.emulator.set_unknowns(item_lag=10, list_lag=30, p7=p7, p8=p8, **NO_STAMPS)
    thread_id = world.thread()
    run = world.service.cancel_run(thread_id, world.ended(thread_id, "tool").run_id)
    assert run.state is RunState.CANCELLED
    assert len(run.closed_by) == (0 if p7 == "accepted" else 1)
    _, known = settled(world, thread_id, former(world, run, ids=run.closed_by))
    assert known == (*reversed(run.closed_by), run.run_id) if p7 == "refused" else known == (run.run_id,)
    world.clock.advance(LONG * 3)
    assert world.service.find_run(thread_id, world.effect("other", known=known)) is None


def test_a_call_that_the_last_owner_has_left_is_ours_although_no_stamp_says_so(world):
    world.emulator.set_unknowns(**NO_STAMPS)
    thread_id = world.thread()
    run = world.ended(thread_id, "tool")
    left = former(world, run)
    with pytest.raises(errors.WaitsForToolError):
        world.service.take_over(thread_id, "i-2")
    with pytest.raises(errors.RefusedForNowError):
        world.service.take_over(thread_id, "i-2", left)  # it may have been closed a moment ago
    with pytest.raises(errors.WaitsForToolError):
        world.service.refuse_open_calls(thread_id)
    world.service.refuse_open_calls(thread_id, left)
    world.clock.advance(30)
    world.service.take_over(thread_id, "i-2", left)
    assert world.held(thread_id)["open_calls"] == []
