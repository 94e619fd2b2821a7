"""Crash matrix: the host is killed at named points, and starts again; one message, one run, and the right end."""

from __future__ import annotations

import pytest

from tests.e2e.world import World
from tests.faults.caller import Caller, shown
from tests.faults.checks import doubled, one_message_one_run, still_active

pytestmark = pytest.mark.e2e

AFTER_EFFECT_SECONDS = 20.0
"""Longer than the host lives, shorter than the client waits: the effect is there, and nobody hears of it."""


def took_effect_unheard(world: World, operation: str) -> bool:
    return any(e.took_effect and e.status is None for e in world.emulator.ledger().of(operation))


def kill_and_restart(world: World) -> None:
    world.host.kill()
    world.emulator.faults.clear()
    world.host.restart()


@pytest.mark.parametrize(
    "operation", ["create_thread", "create_message", "create_run", "submit_tool_outputs", "cancel_run"]
)
def test_killed_after_the_effect_and_before_the_activity_returned(operation: str) -> None:
    with World() as world:
        caller = Caller(world)
        world.emulator.faults.add("delay", operation=operation, effect="first", seconds=AFTER_EFFECT_SECONDS)
        agent = {"submit_tool_outputs": "tool", "cancel_run": "forever"}.get(operation, "history")
        instance_id = caller.start(agent, f"killed-after-{operation}")
        if operation == "submit_tool_outputs":
            document = caller.until(instance_id, lambda d: d["required_action"])
            world.host.raise_event(
                instance_id,
                document["required_action"]["event"],
                {"tool_outputs": [{"tool_call_id": document["required_action"]["calls"][0]["id"], "output": "x"}]},
            )
        elif operation == "cancel_run":
            caller.until(instance_id, lambda d: d["run_id"])
            world.host.raise_event(instance_id, "cancel")
        caller.until_true(lambda: took_effect_unheard(world, operation))
        kill_and_restart(world)
        document = caller.end(instance_id)
        assert document["status"] == ("Cancelled" if operation == "cancel_run" else "Success"), shown(document)
        threads = world.emulator.ledger().threads
        assert list(one_message_one_run(threads, instance_id)) == []
        assert [*doubled(threads), *still_active(threads)] == []


def test_killed_around_continue_as_new_and_while_cancelling() -> None:
    with World() as world:
        caller = Caller(world)
        long = caller.start("forever", "long", timeout_seconds=900)
        for polls in (17, 19, 20, 21, 39, 41):
            caller.until(long, lambda d, least=polls: (d["customStatus"] or {}).get("polls", 0) >= least)
            kill_and_restart(world)
        cancelled = caller.start("slowCancel", "slow-to-cancel")
        caller.until(cancelled, lambda d: d["run_id"])
        assert caller.cancel(cancelled).status == 202
        caller.until(cancelled, lambda d: d["status"] == "Cancelling")
        kill_and_restart(world)
        assert caller.end(cancelled)["status"] == "Cancelled"
        assert caller.cancel(long).status == 202
        document = caller.end(long)
        assert document["status"] == "Cancelled", shown(document)
        threads = world.emulator.ledger().threads
        assert [*doubled(threads), *still_active(threads)] == []
        for instance_id in (long, cancelled):
            assert list(one_message_one_run(threads, instance_id)) == []
