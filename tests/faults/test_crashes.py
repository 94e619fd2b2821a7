"""Crash matrix: the host is killed at named points, and starts again; one message, one run, and the right end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.world import World
from tests.faults.caller import Caller, shown
from tests.faults.checks import (
    doubled,
    one_message_one_run,
    one_used_thread,
    still_active,
    threads_of,
)
from tests.faults.crash_points import CONTINUE_AS_NEW, Crashes, episode_unrecorded, result_unrecorded

RUNS_ONCE = "follows the second generation later"
pytestmark = pytest.mark.e2e

AFTER_EFFECT_SECONDS = 20.0
"""Longer than the host lives, shorter than the client waits: the effect is there, and nobody hears of it."""

AGENTS = {"submit_tool_outputs": "tool", "cancel_run": "forever"}
"""Agents by the activity that they bring about; any other one happens with all."""


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


def assert_right(world: World, instance_id: str, document: dict[str, Any], activity: str) -> None:
    """The right end, the right answer, one message, one run, and nothing else on any thread."""
    if activity == "cancel_run":
        assert (document["status"], document["runtimeStatus"]) == ("Cancelled", "Terminated"), shown(document)
    else:
        assert document["status"] == "Success", shown(document)
        says = "The tools said: x" if activity == "submit_tool_outputs" else 'You wrote: "killed"'
        assert says in document["response"]
    threads = world.emulator.ledger().threads
    assert [*one_message_one_run(threads, instance_id), *one_used_thread(threads, instance_id)] == []
    assert [*doubled(threads), *still_active(threads)] == []


@pytest.mark.parametrize(
    "operation", ["create_thread", "create_message", "create_run", "submit_tool_outputs", "cancel_run"]
)
def test_killed_after_the_effect_and_before_the_activity_returned(operation: str) -> None:
    with World() as world:
        caller = Caller(world)
        world.emulator.faults.add("delay", operation=operation, effect="first", seconds=AFTER_EFFECT_SECONDS)
        instance_id = caller.start(AGENTS.get(operation, "history"), "killed")
        provoke(caller, instance_id, operation)
        caller.until_true(lambda: took_effect_unheard(world, operation))
        kill_and_restart(world)
        assert_right(world, instance_id, caller.end(instance_id), operation)
        # A start with a key looks for its thread before it makes one: whoever repeats it finds the first.
        assert len(threads_of(world.emulator.ledger().threads, instance_id)) == 1


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
        instance_id = caller.start(AGENTS.get(activity, "history"), "killed")
        provoke(caller, instance_id, activity)
        crashes.at(activity_again, then=episode_again)
        crashes.at(episode_again)
        assert_right(world, instance_id, caller.end(instance_id), activity)
        assert len(threads_of(world.emulator.ledger().threads, instance_id)) == 1


def test_killed_after_a_thread_was_made_whose_id_nobody_learned() -> None:
    """Without a key the first attempt of a new process does not look: an empty thread stays behind, and is not used."""
    with World() as world:
        caller = Caller(world)
        world.emulator.faults.add("delay", operation="create_thread", effect="first", seconds=AFTER_EFFECT_SECONDS)
        instance_id = caller.start("history", "killed", instance_id="without-a-key")
        caller.until_true(lambda: took_effect_unheard(world, "create_thread"))
        kill_and_restart(world)
        assert_right(world, instance_id, caller.end(instance_id), "create_thread")
        assert len(threads_of(world.emulator.ledger().threads, instance_id)) <= 2


def test_a_thread_whose_id_was_lost_is_found_by_its_stamp() -> None:
    """The orchestration lives on and tries again: it knows that there may be a thread, and makes no other one."""
    with World() as world:
        caller = Caller(world)
        world.emulator.faults.add("reset", operation="create_thread", effect="first")
        instance_id = caller.start("history", "killed", instance_id="lives-on")
        assert_right(world, instance_id, caller.end(instance_id), "create_thread")
        ledger = world.emulator.ledger()
        assert len(threads_of(ledger.threads, instance_id)) == len(ledger.of("create_thread")) == 1


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
        assert_right(world, instance_id, caller.end(instance_id), "cancel_run")


def test_killed_while_cancelling() -> None:
    with World() as world:
        caller = Caller(world)
        instance_id = caller.start("slowCancel", "killed")
        caller.until(instance_id, lambda d: d["run_id"])
        assert caller.cancel(instance_id).status == 202
        caller.until(instance_id, lambda d: d["status"] == "Cancelling")
        kill_and_restart(world)
        assert_right(world, instance_id, caller.end(instance_id), "cancel_run")
