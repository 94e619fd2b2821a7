"""Trouble while an activity stays with its run: the looks of a watch fail, the host dies, somebody cancels.

On a clock that runs as fast as ours: a watch lasts `WATCH_SECONDS` of ours.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.generations import Generation
from tests.e2e.generations import operation
from tests.e2e.world import World
from tests.faults.caller import Caller, shown
from tests.faults.checks import doubled, one_message_one_run, still_active
from tests.faults.matrix import EMULATOR, FAULTS, THREADS, Case, Fault, Request, run_all

pytestmark = pytest.mark.e2e

IN_MID_WATCH: dict[Generation, tuple[Request, ...]] = {
    "classic": (
        Request("look-in-mid-watch", "get_run", skip=1),
        Request("answer-in-mid-watch", "list_messages", skip=1),
    ),
    "responses": (
        Request("look-in-mid-watch", "get_response", skip=1),
        Request("answer-in-mid-watch", "list_items", skip=4),
    ),
}
"""The answer is that of the look that sees the end; those before it look for the message of an earlier attempt, say."""

DRIP = Fault("drip", {"kind": "trickle", "seconds": 14.0})
"""Longer than a look of a watch may take."""


@pytest.fixture(scope="module")
def world(generation: Generation) -> Iterator[World]:
    with World(speed=1, env=THREADS, emulator=EMULATOR) as made:
        yield made


@pytest.mark.timeout(180)
def test_a_look_in_mid_watch_meets_every_fault(world: World, generation: Generation) -> None:
    requests = IN_MID_WATCH[generation]
    assert run_all(world, [Case(request, fault) for request in requests for fault in (*FAULTS, DRIP)]) == []


def until_watched(world: World, caller: Caller, looks: int = 1) -> str:
    """Return the id of a run that was looked at by the activity that has started it, which is still under way."""
    before = len(world.emulator.ledger().of(operation("get_run")))
    instance_id = caller.start("forever", "watched", timeout_seconds=60)
    caller.until_true(lambda: len(world.emulator.ledger().of(operation("get_run"))) - before >= looks)
    document = caller.document(instance_id)
    assert (document["step"], document["run_id"]) == ("create_run", None), shown(document)
    return instance_id


def assert_stopped(world: World, caller: Caller, instance_id: str) -> None:
    document = caller.end(instance_id)
    assert (document["status"], document["runtimeStatus"]) == ("Cancelled", "Terminated"), shown(document)
    threads = caller.threads()
    assert [*one_message_one_run(threads, instance_id), *doubled(threads), *still_active(threads)] == []


@pytest.mark.parametrize("kind", ["kill", "stop"])
def test_the_host_goes_away_in_mid_watch(kind: str) -> None:
    with World(speed=1) as world:
        caller = Caller(world)
        instance_id = until_watched(world, caller)
        world.host.kill() if kind == "kill" else world.host.stop()
        world.host.restart()
        assert len(world.emulator.ledger().of(operation("create_run"))) == 1
        assert caller.cancel(instance_id).status == 202
        assert_stopped(world, caller, instance_id)


@pytest.mark.classic("a message can be taken back, so a cancel waits until it is known whether a response was created")
def test_a_cancel_is_heard_in_mid_watch(world: World) -> None:
    caller = Caller(world)
    instance_id = until_watched(world, caller)
    looks = len(world.emulator.ledger().of(operation("get_run")))
    assert caller.cancel(instance_id).status == 202
    [cancelled] = world.emulator.ledger().of(operation("cancel_run"))[-1:]
    before = [entry for entry in world.emulator.ledger().of(operation("get_run"))[looks:] if entry.at < cancelled.at]
    assert len(before) <= 2  # of the four that the watch has left
    assert_stopped(world, caller, instance_id)


def test_a_termination_in_mid_watch_leaves_no_run() -> None:
    with World(speed=1, env={"ORPHAN_SCAN_SCHEDULE": "*/2 * * * * *"}) as world:
        caller = Caller(world)
        instance_id = until_watched(world, caller)
        caller.terminate(instance_id)
        caller.end(instance_id)
        caller.until_true(lambda: not [*still_active(caller.threads())])
        threads = caller.threads()
        assert [*one_message_one_run(threads, instance_id)] == []
