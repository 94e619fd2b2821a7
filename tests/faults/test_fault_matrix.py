"""Fault matrix: whatever request of a run meets whatever fault, there is one message, one run, and the right end."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.generations import Generation
from tests.e2e.generations import operation
from tests.e2e.world import World
from tests.faults.caller import Caller, shown, tool_answer
from tests.faults.identity import IdentityEndpoint
from tests.faults.matrix import (
    EMULATOR,
    FAULTS,
    LATER_THAN_THE_CLIENT_WAITS,
    REFUSED,
    REQUESTS,
    RESPONSE_TWICE,
    THREADS,
    UNAUTHORIZED_ONCE,
    Case,
    every_request,
    run_all,
)

pytestmark = pytest.mark.e2e


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_answers_come_later_than_the_client_waits(generation: Generation) -> None:
    """Thirty real seconds, once for all requests."""
    with World(speed=4, env=THREADS, emulator=EMULATOR) as world:
        cases = [Case(request, LATER_THAN_THE_CLIENT_WAITS) for request in every_request(generation)]
        assert run_all(world, cases) == []


NAMES = list(dict.fromkeys(request.name for generation in REQUESTS for request in every_request(generation)))


@pytest.mark.parametrize("name", [*NAMES, RESPONSE_TWICE["classic"].name])
def test_a_request_meets_every_fault(world: World, generation: Generation, name: str) -> None:
    named = {request.name: request for request in (*every_request(generation), RESPONSE_TWICE[generation])}
    if name not in named:
        pytest.skip("a run of this generation makes no such request")
    assert run_all(world, [Case(named[name], fault) for fault in FAULTS]) == []


def test_nobody_listens(world: World, generation: Generation) -> None:
    """The whole port is gone for a moment, again and again: so every case is disturbed at other requests, too."""
    assert run_all(world, [Case(r, fault) for r in every_request(generation) for fault in REFUSED]) == []


def test_a_token_is_refused_once(generation: Generation) -> None:
    """A managed identity's token, since a fixed one cannot be renewed."""
    with IdentityEndpoint() as identity, World(speed=30, env=identity.env | THREADS, emulator=EMULATOR) as world:
        cases = [Case(request, UNAUTHORIZED_ONCE) for request in every_request(generation)]
        assert run_all(world, cases) == []


# --- a caller's answer is never lost, although Foundry fails for longer than a generation lasts ---

LONGER_THAN_A_GENERATION: dict[str, Any] = {"kind": "status", "status": 503, "headers": {"retry-after": "1"}}


def _raise_answer(world: World, instance_id: str, document: dict[str, Any]) -> None:
    """Answer by the event that the custom status names, which the platform delivers once."""
    event = document["required_action"]["event"]
    assert world.host.raise_event(instance_id, event, tool_answer(document)) == 202


def test_tool_outputs_survive_a_generation_in_which_foundry_does_not_take_them(world: World) -> None:
    instance_id = world.start("tool", "weather", timeout_seconds=400)
    document = world.until(instance_id, lambda d: d["required_action"])
    world.emulator.faults.add(operation=operation("submit_tool_outputs"), times=9, **LONGER_THAN_A_GENERATION)
    _raise_answer(world, instance_id, document)
    document = Caller(world).end(instance_id)
    assert document["status"] == "Success", shown(document)


def test_tool_outputs_survive_a_generation_in_which_no_look_succeeds(world: World) -> None:
    instance_id = world.start("tool", "weather", timeout_seconds=400)
    document = world.until(instance_id, lambda d: d["required_action"])
    world.emulator.faults.add(operation=operation("get_run"), times=9, **LONGER_THAN_A_GENERATION)
    world.until(instance_id, lambda d: d["customStatus"]["retrying"])
    _raise_answer(world, instance_id, document)
    document = Caller(world).end(instance_id)
    assert document["status"] == "Success", shown(document)


@pytest.mark.slow
def test_a_run_that_foundry_starts_after_the_cancel_is_stopped_too() -> None:
    """Its creation was on its way for longer than the client waits, so neither answer nor lookup knew of it."""
    with World(speed=4, env={"ORPHAN_SCAN_SCHEDULE": "*/15 * * * * *"}) as world:
        world.emulator.faults.add("delay", operation=operation("create_run"), effect="last", seconds=32.0)
        instance_id = world.start("forever", "too late")
        caller = Caller(world, patience=90)
        caller.until(instance_id, lambda d: d["customStatus"] and d["customStatus"]["step"] == "create_run")
        document = caller.document(instance_id)
        world.host.raise_event(instance_id, "cancel")
        assert caller.end(instance_id)["status"] == "Cancelled"
        run = caller.until_true(lambda: world.thread(document["thread_id"])["runs"])[0]
        caller.until_true(lambda: world.thread(document["thread_id"])["runs"][0]["status"] == "cancelled")
        assert run["id"]
