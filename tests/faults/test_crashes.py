"""Crash matrix: the host is killed at named points, and starts again; one message, one run, and the right end."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.generations import CAPABILITIES
from tests.e2e.generations import operation as service_operation
from tests.e2e.generations import present
from tests.e2e.world import World
from tests.faults.caller import Caller, new_thread, shown
from tests.faults.checks import (
    doubled,
    one_message_one_run,
    one_used_thread,
    still_active,
    threads_of,
)
from tests.faults.crash_points import CONTINUE_AS_NEW, Crashes, episode_unrecorded, result_unrecorded

pytestmark = pytest.mark.e2e

AFTER_EFFECT_SECONDS = 20.0
"""Longer than the host lives, shorter than the client waits: the effect is there, and nobody hears of it."""

AGENTS = {"submit_tool_outputs": "tool", "cancel_run": "forever"}
"""Agents by the activity that they bring about; any other one happens with all."""


def own_thread(world: World, activity: str) -> dict[str, str]:
    """A thread of somebody else's for what posts a message by itself: a new conversation takes it along."""
    takes_along = CAPABILITIES[present()].opens_with_message
    return {"thread_id": new_thread(world)} if activity == "create_message" and takes_along else {}


def by_itself(world: World, activity: str) -> None:
    """Have the orchestrator call the activity, where another one would go on with what it does."""
    if activity == "create_run" and CAPABILITIES[present()].stamps_all:
        world.emulator.faults.add("status", operation=service_operation(activity), status=503)


def created_before(activity: str) -> int:
    """How many requests of the same kind a run makes before those of the activity."""
    return int(activity == "submit_tool_outputs" and CAPABILITIES[present()].answer_is_new_run)


def took_effect_unheard(world: World, operation: str) -> bool:
    return any(e.took_effect and e.status is None for e in world.emulator.ledger().of(operation))


def kill_and_restart(world: World) -> None:
    world.host.kill()
    world.emulator.faults.clear()
    world.host.restart()


def provoke(caller: Caller, instance_id: str, activity: str) -> None:
    """Do what makes the orchestrator call the activity, where it does not by itself. Events, since nobody waits for
    their acknowledgement: the host may be about to die.
    """
    host = caller.world.host
    if activity == "submit_tool_outputs":
        question = caller.until(instance_id, lambda d: d["required_action"])["required_action"]
        outputs = {"tool_outputs": [{"tool_call_id": question["calls"][0]["id"], "output": "x"}]}
        host.raise_event(instance_id, question["event"], outputs)
    elif activity == "cancel_run":
        caller.until(instance_id, lambda d: d["run_id"])
        host.raise_event(instance_id, "cancel")


def assert_right(caller: Caller, instance_id: str, document: dict[str, Any], activity: str) -> None:
    """The right end, the right answer, one message, one run, and nothing else on any thread."""
    if activity == "cancel_run":
        assert (document["status"], document["runtimeStatus"]) == ("Cancelled", "Terminated"), shown(document)
    else:
        assert document["status"] == "Success", shown(document)
        says = "The tools said: x" if activity == "submit_tool_outputs" else 'You wrote: "killed"'
        assert says in document["response"]
    threads = caller.threads()
    assert [*one_message_one_run(threads, instance_id), *one_used_thread(threads, instance_id)] == []
    assert [*doubled(threads), *still_active(threads)] == []


@pytest.mark.parametrize(
    "activity", ["create_thread", "create_message", "create_run", "submit_tool_outputs", "cancel_run"]
)
def test_killed_after_the_effect_and_before_the_activity_returned(activity: str) -> None:
    with World() as world:
        caller = Caller(world)
        delayed, fields = service_operation(activity), own_thread(world, activity)
        first = created_before(activity)
        world.emulator.faults.add("delay", operation=delayed, effect="first", seconds=AFTER_EFFECT_SECONDS, skip=first)
        instance_id = caller.start(AGENTS.get(activity, "history"), "killed", **fields)
        provoke(caller, instance_id, activity)
        caller.until_true(lambda: took_effect_unheard(world, delayed))
        kill_and_restart(world)
        assert_right(caller, instance_id, caller.end(instance_id), activity)
        # A start with a key looks for its thread before it makes one: whoever repeats it finds the first.
        assert len(threads_of(caller.threads(), instance_id)) == (0 if fields else 1)


@pytest.mark.parametrize(
    "activity",
    ["create_thread", "create_message", "create_run", "get_run", "submit_tool_outputs", "cancel_run"],
)
def test_killed_after_the_activity_returned_and_before_the_episode_was_recorded(activity: str) -> None:
    """Twice in one run: before the result is recorded, so that the activity runs again, and after."""
    with World() as world:
        caller = Caller(world)
        crashes = Crashes(world, caller)
        activity_again, episode_again = result_unrecorded(activity), episode_unrecorded(activity)
        crashes.arm(activity_again)
        by_itself(world, activity)
        fields = own_thread(world, activity)
        instance_id = caller.start(AGENTS.get(activity, "history"), "killed", **fields)
        provoke(caller, instance_id, activity)
        crashes.at(activity_again, then=episode_again)
        crashes.at(episode_again)
        assert_right(caller, instance_id, caller.end(instance_id), activity)
        assert len(threads_of(caller.threads(), instance_id)) == (0 if fields else 1)


def test_killed_after_a_thread_was_made_whose_id_nobody_learned() -> None:
    """Without a key the first attempt of a new process does not look: an empty thread stays behind, and is not used."""
    with World() as world:
        caller = Caller(world)
        lost = service_operation("create_thread")
        world.emulator.faults.add("delay", operation=lost, effect="first", seconds=AFTER_EFFECT_SECONDS)
        instance_id = caller.start("history", "killed", instance_id="without-a-key")
        caller.until_true(lambda: took_effect_unheard(world, lost))
        kill_and_restart(world)
        assert_right(caller, instance_id, caller.end(instance_id), "create_thread")
        assert len(threads_of(caller.threads(), instance_id)) <= 2


def test_a_thread_whose_id_was_lost_is_found_by_its_stamp() -> None:
    """The orchestration lives on and tries again: it knows that there may be a thread, and makes no other one."""
    with World() as world:
        caller = Caller(world)
        lost = service_operation("create_thread")
        world.emulator.faults.add("reset", operation=lost, effect="first")
        instance_id = caller.start("history", "killed", instance_id="lives-on")
        assert_right(caller, instance_id, caller.end(instance_id), "create_thread")
        made = world.emulator.ledger().of(lost)
        assert len(threads_of(caller.threads(), instance_id)) == len(made) == 1


def test_killed_during_continue_as_new() -> None:
    """Before the new generation is recorded, and before the first thing that it did is, for two generations."""
    with World() as world:
        caller = Caller(world)
        crashes = Crashes(world, caller)
        first_look = result_unrecorded("get_run")
        crashes.arm(CONTINUE_AS_NEW)
        instance_id = caller.start("forever", "killed", timeout_seconds=900)
        for then in (CONTINUE_AS_NEW, None):
            crashes.at(CONTINUE_AS_NEW, then=first_look)
            crashes.at(first_look, then=then)
        assert len(crashes.generations) == 3
        assert caller.cancel(instance_id).status == 202
        assert_right(caller, instance_id, caller.end(instance_id), "cancel_run")


@pytest.mark.classic("a response is cancelled at once")
def test_killed_while_cancelling() -> None:
    with World() as world:
        caller = Caller(world)
        instance_id = caller.start("slowCancel", "killed")
        caller.until(instance_id, lambda d: d["run_id"])
        assert caller.cancel(instance_id).status == 202
        caller.until(instance_id, lambda d: d["status"] == "Cancelling")
        kill_and_restart(world)
        assert_right(caller, instance_id, caller.end(instance_id), "cancel_run")
