"""A whole life on one conversation, whatever the service turns out to do: every two values of the switches meet."""

import itertools
from datetime import UTC, datetime

import pytest

from contracts.runs import RunState
from foundry import errors
from local.foundry_emulator.second.unknowns import Unknowns
from tests.pairs import pair_of, pairs
from tests.second.conftest import HI, LONG, outputs

VALUES = {
    "p2": ("listed", "hidden"),
    "p3": ("locked", "allowed", "in_progress", "conflict"),
    "p4": ("allowed", "refused"),
    "p5": ("refused", "failed", "broken", "ignored"),
    "p7": ("accepted", "refused"),
    "p8": ("at_end", "at_once"),
    "p9": ("refused", "returned"),
    "p11": ("dropped", "kept"),
    "p12": ("refused", "ignored", "appended"),
    "response_metadata_get": ("echoed", "empty"),
    "response_metadata_list": ("echoed", "empty"),
    "list_lag": (0.0, 5.0),
    "item_lag": (0.0, 5.0),
}


COMBINATIONS = pairs(VALUES)


def test_every_switch_of_which_a_value_can_matter_here_is_turned():
    assert set(Unknowns.__struct_fields__) - set(VALUES) == {
        "p15",  # of what is waited for,
        "p16",  # as this: a clock that stands still lets no request wait
        "conversation_metadata_get",
        "conversation_metadata_list",
        "late_effect",  # needs a retry over the grace, which is the orchestrator's
    }
    names = list(VALUES)
    met = {
        pair_of(names, *first, *second)
        for one in COMBINATIONS
        for first, second in itertools.combinations(one.items(), 2)
    }
    for a, b in itertools.combinations(names, 2):
        assert {((a, x), (b, y)) for x, y in itertools.product(VALUES[a], VALUES[b])} <= met


def settled(world, action):
    """Do it, again while it may have happened; as who retries over the grace does."""
    for _ in range(60):
        try:
            return action()
        except (errors.MayHaveHappenedError, errors.ConnectionFailedError):
            world.clock.advance(1)
    raise AssertionError("it never shows")


@pytest.mark.parametrize("unknowns", COMBINATIONS, ids=range(len(COMBINATIONS)))
@pytest.mark.parametrize("loses", [True, False])
def test_a_run_with_tools_is_answered_once_and_leaves_a_conversation_that_works(world, unknowns, loses):
    world.emulator.set_unknowns(**unknowns)
    thread_id = world.thread()
    known = world.service.take_over(thread_id, "i-1")

    if loses:
        world.lose("create_response")
        with pytest.raises(errors.ConnectionFailedError):
            world.run(thread_id, "tool")

    def start():
        found = world.service.find_run(thread_id, world.effect(known=known))
        if found is None and loses:
            raise errors.MayHaveHappenedError("the grace is not over")
        return found or world.run(thread_id, "tool")

    run = settled(world, start)
    world.clock.advance(LONG)
    run = world.service.get_run(thread_id, run.run_id)
    assert run.state is RunState.REQUIRES_ACTION

    known = (*known, run.run_id)
    doubt = None
    if loses:
        world.lose("create_response")
        with pytest.raises(errors.ConnectionFailedError):
            world.answer(thread_id, run, outputs(run), known=known)
        doubt = datetime.fromtimestamp(world.clock.now() + 30, UTC)
    answered = settled(world, lambda: world.answer(thread_id, run, outputs(run), known=known, doubt=doubt))
    world.clock.advance(LONG)
    assert world.service.get_run(thread_id, answered.run_id).state is RunState.COMPLETED
    assert len(world.responses(thread_id)) == 2
    assert world.held(thread_id)["open_calls"] == []

    # the next one leaves a call behind, and somebody after it finds a conversation that works
    world.clock.advance(LONG)  # lists and items show all of it
    world.service.take_over(thread_id, "i-2")
    world.service.create_message(thread_id, HI, world.stamp(instance="i-2"))
    left = world.ended(thread_id, "tool", instance="i-2")
    world.service.cancel_run(thread_id, left.run_id)
    world.clock.advance(LONG)
    world.service.take_over(thread_id, "i-3")
    world.service.create_message(thread_id, HI, world.stamp(instance="i-3"))
    last = world.ended(thread_id, instance="i-3")
    assert last.state is RunState.COMPLETED
    assert world.held(thread_id)["open_calls"] == []
    assert world.held(thread_id)["user_messages"] == 3
