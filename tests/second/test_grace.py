"""A request that makes something says for how long its effect may show, where its answer was lost; a look does not."""

import pytest

from foundry import errors
from local.foundry_emulator import FoundryEmulator, ManualClock
from tests.second.conftest import HI, World, outputs, service_at


def grace_of(action):
    with pytest.raises(errors.FoundryError) as caught:
        action()
    return caught.value.grace_seconds


@pytest.mark.parametrize("kind", ["reset", "empty_body", "html"])
def test_a_lost_post_may_still_show_itself(world, kind):
    thread_id = world.thread()
    run = world.ended(thread_id, "tool")
    world.emulator.faults.add(kind, effect="first", method="POST", times=None)
    assert grace_of(lambda: world.service.create_message(thread_id, HI, world.stamp())) == 30
    assert grace_of(lambda: world.answer(thread_id, run, outputs(run))) == 30
    assert grace_of(lambda: world.run(thread_id)) == 30


def test_a_post_that_waits_for_its_answer_may_show_itself_later(waiting_world):
    world = waiting_world
    world.emulator.faults.add("reset", operation="create_response", skip=1)
    assert grace_of(lambda: world.run(world.thread())) == 130


@pytest.fixture
def waiting_world():
    clock = ManualClock()
    with FoundryEmulator(clock=clock, unknowns={"p16": "all"}) as emulator:
        yield World(emulator, clock, service_at(emulator, clock))


def test_a_look_that_fails_leaves_no_doubt(world):
    thread_id = world.thread()
    run = world.ended(thread_id, "tool")
    world.emulator.faults.add("status", method="GET", times=None)
    assert grace_of(lambda: world.service.take_over(thread_id, "i-1")) is None
    assert grace_of(lambda: world.service.find_message(thread_id, HI, world.stamp())) is None
    assert grace_of(lambda: world.service.find_run(thread_id, world.effect())) is None
    assert grace_of(lambda: world.answer(thread_id, run, outputs(run))) is None
