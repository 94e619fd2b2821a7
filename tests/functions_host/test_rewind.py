"""A worker that dies in an episode, and what a rewind makes of that, as measured on the real host."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import math
from collections import Counter
from typing import Any

import azure.durable_functions as df
import pytest

from local.functions_host.engine import RETRY_SECONDS
from local.functions_host.hooks import Death, Hooks
from local.functions_host.protocol import Kind
from local.functions_host.store import Instance
from tests.functions_host.inprocess import Hub

Context = df.DurableOrchestrationContext
DIED = "One or more errors occurred. (python exited with code 137 (0x89))"
NOT_DETERMINISTIC = (
    "Non-Deterministic workflow detected: A previous execution of this orchestration scheduled an activity task with "
    "sequence ID 0 and name 'count' (version ''), but the current replay execution hasn't (yet?) scheduled this task. "
    "Was a change made to the orchestrator code after this instance had already started running?"
)
DIED_WITH_A_TIMER = NOT_DETERMINISTIC.replace(
    "an activity task with sequence ID 0 and name 'count' (version ''),", "a timer task with sequence number 0"
)


class DiesIn(Hooks):
    """The worker dies in these episodes of one instance, counted from 1."""

    def __init__(self, *episodes: int, death: Death, instance_id: str) -> None:
        self._episodes = episodes
        self._death = death
        self._instance_id = instance_id
        self._seen: Counter[str] = Counter()

    def episode_death(self, row: Instance) -> Death:
        self._seen[row.instance_id] += 1
        dies = row.instance_id == self._instance_id and self._seen[row.instance_id] in self._episodes
        return self._death if dies else Death.NONE


class World:
    """Activities that count how often they run, and one that waits until it may end."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()
        self.may_end = asyncio.Event()
        self.waits = asyncio.Event()

    def count(self, name: str) -> str:
        self.ran[name] += 1
        return name

    async def linger(self, name: str) -> str:
        self.ran[name] += 1
        self.waits.set()
        await self.may_end.wait()
        return name

    def fail(self, name: str) -> None:
        self.ran[name] += 1
        raise ValueError("boom")

    def hub(
        self, code: Any, *episodes: int, death: Death = Death.STATUS_LOST, instance_id: str = "one", **others: Any
    ) -> Hub:
        activities = {"count": self.count, "linger": self.linger, "fail": self.fail}
        hooks = DiesIn(*episodes, death=death, instance_id=instance_id)
        return Hub({"o": code, **others}, activities, hooks=hooks)


def three_steps(context: Context) -> Any:
    done = []
    for name in ("a", "b", "c"):
        context.set_custom_status(name)
        done.append((yield context.call_activity("count", name)))
    return done


def output(row: Instance) -> Any:
    return json.loads(row.output or "null")


def test_a_death_before_anything_was_started() -> None:
    async def play() -> None:
        world = World()
        async with world.hub(three_steps, 1) as hub:
            hub.start("o", "one")
            row = await hub.until_ended("one")
            assert (row.status, output(row), row.custom_status) == ("Failed", DIED, None)
            hub.operations.rewind("one", "try again")
            row = await hub.until_ended("one")
            assert (row.status, output(row)) == ("Completed", ["a", "b", "c"])
            assert world.ran == {"a": 1, "b": 1, "c": 1}

    asyncio.run(play())


@pytest.mark.parametrize(("death", "shown"), [(Death.STATUS_LOST, None), (Death.STATUS_KEPT, "b")])
def test_a_death_after_an_action_was_sent(death: Death, shown: str | None) -> None:
    async def play() -> None:
        world = World()
        async with world.hub(three_steps, 3, death=death) as hub:
            hub.start("o", "one")
            row = await hub.until_ended("one")
            assert (row.status, output(row)) == ("Failed", NOT_DETERMINISTIC)
            assert json.loads(row.custom_status or "null") == shown
            hub.operations.rewind("one", "try again")
            row = await hub.until_ended("one")
            assert (row.status, output(row)) == ("Completed", ["a", "b", "c"])
            assert world.ran == {"a": 1, "b": 1, "c": 1}
            assert hub.findings == []

    asyncio.run(play())


def test_every_episode_may_die_and_be_rewound_and_nothing_is_doubled() -> None:
    async def play() -> None:
        world = World()
        async with world.hub(three_steps, 1, 3, 4, 5, 7) as hub:
            hub.start("o", "one")
            deaths = 0
            while (await hub.until_ended("one")).status == "Failed":
                deaths += 1
                await hub.crash()  # the host may end between the two
                hub.operations.rewind("one", "try again")
            assert (deaths, output(hub.row("one"))) == (5, ["a", "b", "c"])
            assert world.ran == {"a": 1, "b": 1, "c": 1}

    asyncio.run(play())


def waits_and_continues(context: Context) -> Any:
    generation = context.get_input() or 0
    yield context.call_activity("count", f"step {generation}")
    yield context.wait_for_external_event(f"go_{generation}")
    if generation:
        return "done"
    context.continue_as_new(1)


def test_a_rewound_instance_shows_pending_and_its_old_output_until_its_next_generation() -> None:
    async def play() -> None:
        world = World()
        async with world.hub(waits_and_continues, 2) as hub:
            hub.start("o", "one")
            await hub.until_ended("one")
            hub.operations.rewind("one", "try again")
            await until_quiet(hub)
            row = hub.row("one")
            assert (row.status, output(row)) == ("Pending", NOT_DETERMINISTIC)
            hub.raise_event("one", "other")
            await until_quiet(hub)
            assert hub.row("one").status == "Pending"
            hub.raise_event("one", "go_0")
            row = await hub.until_running("one")
            assert row.output is None
            hub.raise_event("one", "go_1")
            assert output(await hub.until_ended("one")) == "done"
            assert world.ran == {"step 0": 1, "step 1": 1}

    asyncio.run(play())


async def until_quiet(hub: Hub) -> None:
    """Wait until everything that was sent to instances has been dealt with."""
    async with asyncio.timeout(30):
        while hub.engine._tasks or hub.store.due_messages("one", hub.clock.timestamp()):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def test_suspend_and_resume_end_the_pending_of_a_rewind() -> None:
    async def play() -> None:
        async with World().hub(waits_and_continues, 2) as hub:
            hub.start("o", "one")
            await hub.until_ended("one")
            hub.operations.rewind("one", "try again")
            hub.operations.suspend("one", "hold")
            await hub.until("one", lambda row: row.status == "Suspended")
            hub.operations.resume("one", "go on")
            await hub.until_running("one")

    asyncio.run(play())


def waits_for_both(context: Context) -> Any:
    both = [context.call_activity("linger", "slow"), context.wait_for_external_event("go")]
    return (yield context.task_all(both))


async def after_the_visibility_timeout(hub: Hub) -> None:
    until = hub.clock.timestamp() + 2 * RETRY_SECONDS
    while hub.clock.timestamp() < until:  # noqa: ASYNC110 - the host's clock, five hundred times as fast
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(("ends_while_failed", "runs"), [(False, 1), (True, 2)])
def test_an_activity_that_was_in_flight_comes_back(ends_while_failed: bool, runs: int) -> None:
    async def play() -> None:
        world = World()
        async with world.hub(waits_for_both, 2) as hub:
            hub.start("o", "one")
            await world.waits.wait()
            hub.raise_event("one", "go", 1)
            await hub.until_ended("one")
            if ends_while_failed:
                world.may_end.set()
                await until_quiet(hub)
            hub.operations.rewind("one", "try again")
            if not ends_while_failed:
                await after_the_visibility_timeout(hub)
            world.may_end.set()
            assert output(await hub.until_ended("one")) == ["slow", 1]
            assert world.ran == {"slow": runs}

    asyncio.run(play())


def test_a_failed_instance_runs_nothing_when_the_host_starts_again() -> None:
    async def play() -> None:
        world = World()
        async with world.hub(waits_for_both, 2) as hub:
            hub.start("o", "one")
            await world.waits.wait()
            hub.raise_event("one", "go", 1)
            await hub.until_ended("one")
            await hub.crash()
            await until_quiet(hub)
            assert world.ran == {"slow": 1}
            world.may_end.set()
            hub.operations.rewind("one", "try again")
            await hub.crash()  # from now on it is work like any other
            assert (await hub.until_ended("one")).status == "Completed"
            assert world.ran == {"slow": 2}

    asyncio.run(play())


def waits_for_a_timer_too(context: Context) -> Any:
    timer = context.create_timer(context.current_utc_datetime + dt.timedelta(days=1))
    yield context.task_all([timer, context.wait_for_external_event("go")])
    return "fired"


async def fire(hub: Hub) -> None:
    """Let the timer be due."""
    (message,) = hub.store.due_messages("one", math.inf)
    with hub.store.transaction():
        hub.store.hasten([message.seq], 0)
    hub.engine.wake("one")
    await until_quiet(hub)


@pytest.mark.parametrize("rewound_before_it_is_due", [True, False])
def test_a_timer_fires_after_a_rewind_but_one_that_was_due_before_is_lost(rewound_before_it_is_due: bool) -> None:
    """The platform drops what comes to an instance that has failed."""

    async def play() -> None:
        async with World().hub(waits_for_a_timer_too, 2) as hub:
            hub.start("o", "one")
            await hub.until_running("one")
            hub.raise_event("one", "go")
            await hub.until_ended("one")
            if not rewound_before_it_is_due:
                await fire(hub)
            hub.operations.rewind("one", "try again")
            await until_quiet(hub)
            if rewound_before_it_is_due:
                await fire(hub)
            row = hub.row("one")
            expected = ("Completed", "fired") if rewound_before_it_is_due else ("Pending", DIED_WITH_A_TIMER)
            assert (row.status, output(row)) == expected

    asyncio.run(play())


def takes_an_event(context: Context) -> Any:
    return (yield context.wait_for_external_event("go"))


def test_an_event_that_cannot_be_decoded_fails_the_instance_again_after_a_rewind() -> None:
    async def play() -> None:
        async with Hub({"o": takes_an_event}) as hub:
            hub.start("o", "one")
            await hub.until_running("one")
            hub.raise_event("one", "go", {"__class__": "X", "__module__": "no_such_module", "__data__": {}})
            for _ in range(2):
                row = await hub.until_ended("one")
                assert row.status == "Failed"
                assert output(row).startswith(
                    "Orchestrator function 'o' failed: One or more errors occurred. (Result: "
                )
                assert row.custom_status is None
                hub.operations.rewind("one", "try again")
            await hub.until_ended("one")

    asyncio.run(play())


def parent(context: Context) -> Any:
    before = yield context.call_activity("count", "before")
    return [before, (yield context.call_sub_orchestrator("child", None, "two"))]


def child(context: Context) -> Any:
    first = yield context.call_activity("count", "of the child")
    return [first, (yield context.call_activity("count", "its second"))]


def test_failed_children_go_on_where_they_were_and_their_parents_wait() -> None:
    async def play() -> None:
        world = World()
        async with world.hub(parent, 3, instance_id="two", child=child) as hub:
            hub.start("o", "one")
            row = await hub.until_ended("one")  # of the child's failure
            assert (row.status, hub.row("two").status) == ("Failed", "Failed")
            execution = hub.row("two").execution_id
            hub.operations.rewind("one", "try again")
            row = await hub.until_ended("one")
            told = [e.reason for e in hub.history("one") if e.kind is Kind.GENERIC]
            assert told == ["Rewound: SubOrchestrationInstanceFailed", "Rewound: ExecutionCompleted"]
            assert output(row) == ["before", ["of the child", "its second"]]
            assert hub.row("two").execution_id == execution
            assert world.ran == {"before": 1, "of the child": 1, "its second": 1}

    asyncio.run(play())


def fails_once_more(context: Context) -> Any:
    first = yield context.call_activity("count", "first")
    return [first, (yield context.call_activity("fail", "second"))]


def test_a_failed_activity_runs_again() -> None:
    async def play() -> None:
        world = World()
        async with world.hub(fails_once_more) as hub:
            hub.start("o", "one")
            for _ in range(2):
                assert (await hub.until_ended("one")).status == "Failed"
                hub.operations.rewind("one", "try again")
            await hub.until_ended("one")
            assert world.ran == {"first": 1, "second": 3}

    asyncio.run(play())
