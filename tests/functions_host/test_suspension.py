"""Suspended instances: nothing is started until the resume, then everything goes on in its order."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import azure.durable_functions as df
import pytest

from local.functions_host.protocol import Answer, CallActivity, Event, Kind
from local.functions_host.replay import Outcome, Replay
from local.functions_host.store import Instance
from tests.functions_host.inprocess import Hub

Context = df.DurableOrchestrationContext


def waits(context: Context) -> Any:
    """What `agent_run` does with a cancel: the event wins against a timer, then there is something to do."""
    alarm = context.create_timer(context.current_utc_datetime + dt.timedelta(hours=9))
    go = context.wait_for_external_event("go")
    yield context.task_any([go, alarm])
    alarm.cancel()
    done = yield context.call_activity("double", 21)
    return [done, (yield context.call_activity("double", done))]


def played(script: Callable[[Hub], Awaitable[Any]]) -> tuple[list[int], Instance, list[Kind]]:
    """Start ``waits``, suspend it and play a script: the activities that ran, the end and the history's kinds."""
    calls: list[int] = []

    def double(value: int) -> int:
        calls.append(value)
        return 2 * value

    async def play() -> tuple[list[int], Instance, list[Kind]]:
        async with Hub({"waits": waits}, {"double": double}, speed=1) as hub:
            hub.start("waits", "one")
            await hub.until_running("one")
            hub.operations.suspend("one", "hold")
            await hub.until("one", lambda row: row.status == "Suspended")
            await script(hub)
            row = await hub.until_ended("one")
            await asyncio.sleep(0.05)
            return calls, row, [event.kind for event in hub.history("one")]

    return asyncio.run(play())


async def raised(hub: Hub, number: int = 1) -> None:
    """Raise the event, and wait until it is in the history."""
    for _ in range(number):
        hub.raise_event("one", "go")
    async with asyncio.timeout(10):
        while [e.kind for e in hub.history("one")].count(Kind.EVENT_RAISED) < number:  # noqa: ASYNC110 - as `until`
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [1, 2])
def test_an_event_that_wins_against_a_timer_starts_nothing_before_the_resume(number: int) -> None:
    async def script(hub: Hub) -> None:
        await raised(hub, number)
        assert hub.row("one").status == "Suspended"
        assert Kind.TASK_SCHEDULED not in [event.kind for event in hub.history("one")]
        hub.operations.resume("one", "go")

    calls, row, kinds = played(script)
    assert (row.status, row.output) == ("Completed", "[42,84]")
    assert calls == [21, 42]
    assert kinds.count(Kind.TASK_SCHEDULED) == 2
    assert kinds.index(Kind.TASK_SCHEDULED) > kinds.index(Kind.EXECUTION_RESUMED)


def test_it_may_be_suspended_again_and_again() -> None:
    async def script(hub: Hub) -> None:
        await raised(hub)
        for _ in range(3):
            hub.operations.resume("one", "go")
            hub.operations._send("one", hub.engine.event(Kind.EXECUTION_SUSPENDED, reason="hold"))
            await hub.until("one", lambda row: row.status == "Suspended")
            await asyncio.sleep(0.05)
        hub.operations.resume("one", "go")

    calls, row, _ = played(script)
    assert (row.status, row.output) == ("Completed", "[42,84]")
    assert calls == [21, 42]


def test_one_resume_ends_two_suspensions() -> None:
    async def script(hub: Hub) -> None:
        # Two requests at once both find the instance Running; to send both is what the operation then does.
        hub.operations._send("one", hub.engine.event(Kind.EXECUTION_SUSPENDED, reason="hold"))
        await raised(hub)
        hub.operations.resume("one", "go")

    _, row, _ = played(script)
    assert row.status == "Completed"


def test_what_was_kept_back_never_runs_after_a_termination() -> None:
    async def script(hub: Hub) -> None:
        await raised(hub)
        hub.operations.terminate("one", "enough")

    calls, row, kinds = played(script)
    assert (row.status, calls) == ("Terminated", [])
    assert Kind.TASK_SCHEDULED not in kinds


def test_a_crash_between_suspension_and_resume_changes_nothing() -> None:
    async def script(hub: Hub) -> None:
        await raised(hub)
        await hub.crash()
        hub.operations.resume("one", "go")

    calls, row, _ = played(script)
    assert (row.status, calls) == ("Completed", [21, 42])


# --- without an engine: batches that cannot be had at will ---

NOW = "2026-01-01T00:00:00Z"
CHAIN = Answer(actions=(CallActivity("double", "1", None), CallActivity("double", "2", None)))


def replayed(*events: Event) -> Outcome:
    started = [Event(Kind.ORCHESTRATOR_STARTED, NOW), Event(Kind.EXECUTION_STARTED, NOW)]
    return Replay(CHAIN, activities={"double"}, orchestrators=set()).run([*started, *events])


def scheduled(outcome: Outcome) -> list[int]:
    return [item.id for item in outcome.scheduled]


FIRST = Event(Kind.TASK_SCHEDULED, NOW, event_id=0, name="double")
ENDED = Event(Kind.TASK_COMPLETED, NOW, task_id=0, result="2")
SUSPENDED = Event(Kind.EXECUTION_SUSPENDED, NOW)
RESUMED = Event(Kind.EXECUTION_RESUMED, NOW)
EPISODE = [Event(Kind.ORCHESTRATOR_COMPLETED, NOW), Event(Kind.ORCHESTRATOR_STARTED, NOW)]


def test_a_result_and_a_suspension_in_one_batch() -> None:
    batch = [FIRST, *EPISODE, ENDED, SUSPENDED]
    outcome = replayed(*batch)
    assert (scheduled(outcome), outcome.suspended) == ([], True)
    outcome = replayed(*batch, *EPISODE, RESUMED)
    assert (scheduled(outcome), outcome.suspended) == ([1], False)


def test_a_suspension_and_a_result_in_one_batch() -> None:
    batch = [FIRST, *EPISODE, SUSPENDED, ENDED]
    assert scheduled(replayed(*batch)) == []
    assert scheduled(replayed(*batch, RESUMED)) == [1]


def test_a_start_and_a_suspension_in_one_batch() -> None:
    assert scheduled(replayed(SUSPENDED)) == []
    assert scheduled(replayed(SUSPENDED, RESUMED)) == [0]
    assert scheduled(replayed(SUSPENDED, *EPISODE, RESUMED)) == [0]
