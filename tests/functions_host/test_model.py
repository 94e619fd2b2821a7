"""Random orchestrators, interleavings, crashes and duplicates against a plain sequential interpreter."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
import random
from collections import Counter
from typing import Any

import azure.durable_functions as df
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.functions_host.clock import Clock
from local.functions_host.console import Console
from local.functions_host.hooks import Fate, Hooks
from local.functions_host.protocol import COMPLETIONS, SCHEDULED, Event, Kind
from local.functions_host.store import Instance, Work
from tests.functions_host.inprocess import Hub

Context = df.DurableOrchestrationContext
Program = list[Any]

# --- programs: lists of steps, as JSON, so that they can be an orchestration's input ---

_LEAF = st.one_of(
    st.tuples(st.just("act"), st.integers(0, 9)),
    st.tuples(st.just("fail"), st.integers(0, 9)),
    st.tuples(st.just("all"), st.lists(st.integers(0, 9), min_size=1, max_size=3)),  # of none, the SDK makes None
    st.tuples(st.just("any"), st.integers(0, 9)),
    st.tuples(st.just("timer"), st.integers(1, 4)),
    st.tuples(st.just("retry"), st.integers(0, 3)),
    st.tuples(st.just("event"), st.integers(0, 99)),
    st.tuples(st.just("status"), st.integers(1, 9)),
)
_SUB = st.tuples(st.just("sub"), st.lists(_LEAF, max_size=3))
_GENERATION = st.lists(st.one_of(_LEAF, _SUB), max_size=5)
# Continue-as-new loses events nobody has waited for yet (rule 5), so a program has either.
_WITHOUT_EVENTS = _GENERATION.map(lambda steps: [s for s in steps if s[0] != "event"])
PROGRAMS = st.one_of(_GENERATION.map(lambda g: [g]), st.lists(_WITHOUT_EVENTS, min_size=2, max_size=3))


def interpret(generations: list[Program]) -> list[Any]:
    """What a program comes to, without any engine."""
    out: list[Any] = []
    for steps in generations:
        for number, (kind, value) in enumerate(steps):
            match kind:
                case "act" | "any":
                    out.append(2 * value)
                case "fail":
                    out.append("failed")
                case "all":
                    out.append([2 * v for v in value])
                case "retry":
                    out.append("ok" if value < 3 else "gave up")
                case "event":
                    out.append([number, value])
                case "sub":
                    out.append(interpret([[s for s in value if s[0] != "event"]]))
                case _:
                    pass
    return out


def program(context: Context) -> Any:  # noqa: C901, PLR0912 - a table, one row per step
    """The orchestrator: interprets its input."""
    text = context.get_input()
    given = json.loads(text) if isinstance(text, str) else text
    generations, out = given["generations"], given["out"]
    for number, (kind, value) in enumerate(generations[0]):
        match kind:
            case "act":
                out.append((yield context.call_activity("double", value)))
            case "fail":
                try:
                    yield context.call_activity("fails", value)
                except Exception:  # noqa: BLE001
                    out.append("failed")
            case "all":
                out.append((yield context.task_all([context.call_activity("double", v) for v in value])))
            case "any":
                alarm = context.create_timer(context.current_utc_datetime + dt.timedelta(hours=9))
                work = context.call_activity("double", value)
                yield context.task_any([work, alarm])
                alarm.cancel()
                out.append(work.result)
            case "timer":
                yield context.create_timer(context.current_utc_datetime + dt.timedelta(seconds=value + 0.5))
            case "retry":
                given_to = {"key": f"{context.instance_id}/{len(generations)}/{number}", "times": value}
                try:
                    options = df.RetryOptions(1500, 3)
                    out.append((yield context.call_activity_with_retry("flaky", options, given_to)))
                except Exception:  # noqa: BLE001
                    out.append("gave up")
            case "event":
                out.append([number, (yield context.wait_for_external_event(f"event_{number}"))])
            case "status":
                context.set_custom_status(value)
            case "sub":
                child = {"generations": [[s for s in value if s[0] != "event"]], "out": []}
                out.append((yield context.call_sub_orchestrator("program", child)))
    if len(generations) > 1:
        context.continue_as_new({"generations": generations[1:], "out": out})
        return None
    return out


class Rough(Hooks):
    """Activities run twice, events arrive twice, messages are held back."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def message_delay(self, event: Event) -> float:
        return 2.0 if self._random.random() < 0.2 else 0.0

    def activity_fate(self, work: Work) -> Fate:
        return Fate.RUNS_TWICE if self._random.random() < 0.3 else Fate.RUNS

    def repeats_event(self, row: Instance) -> bool:
        return self._random.random() < 0.5


def consistent(history: list[Event]) -> None:
    """Nothing ends that was not started, nothing ends twice, and the instance ends once, at the end."""
    started = [e.event_id for e in history if e.kind in SCHEDULED]
    ended = [e.task_id for e in history if e.kind in COMPLETIONS]
    assert started == list(range(len(started)))
    assert set(ended) <= set(started)
    assert max(Counter(ended).values(), default=1) == 1
    assert [e.kind for e in history].count(Kind.EXECUTION_COMPLETED) == 1
    assert history[-1].kind is Kind.ORCHESTRATOR_COMPLETED
    kinds = [e.kind for e in history if e.kind in (Kind.ORCHESTRATOR_STARTED, Kind.ORCHESTRATOR_COMPLETED)]
    # Episodes do not overlap; a generation's first closes at once (recorded so).
    assert all(a != b or a is Kind.ORCHESTRATOR_COMPLETED for a, b in itertools.pairwise(kinds))


def activities() -> dict[str, Any]:
    attempts: Counter[str] = Counter()

    def flaky(value: dict[str, Any]) -> str:
        # Counted per retry, not per run: where the host runs an attempt twice, it succeeds the sooner.
        attempts[value["key"]] += 1
        if value["times"] >= 3 or attempts[value["key"]] <= min(value["times"], 1):
            raise RuntimeError("not yet")
        return "ok"

    def fails(_: Any) -> None:
        raise ValueError("always")

    return {"double": lambda v: 2 * v, "fails": fails, "flaky": flaky}


def raise_all(hub: Hub, steps: Program) -> None:
    for number, (kind, value) in enumerate(steps):
        if kind == "event":
            hub.raise_event("one", f"event_{number}", value)


async def steps_of_the_loop(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def hold(hub: Hub, pause: int) -> None:
    """Suspend the instance after so many steps of the event loop, and resume it after as many more."""
    await steps_of_the_loop(pause)
    if hub.row("one").status != "Running":
        return
    hub.operations.suspend("one", "hold")
    row = await hub.until("one", lambda row: row.ended or row.status == "Suspended")
    await steps_of_the_loop(pause)
    if not row.ended:
        hub.operations.resume("one", "go")


async def play(generations: list[Program], seed: int, crashes: list[int], holds: list[int]) -> Any:
    """Run a program on a rough host that crashes, or suspends the instance, after so many steps of the event loop;
    returns its output.
    """
    async with Hub({"program": program}, activities(), speed=2000, hooks=Rough(seed)) as hub:
        hub.start("program", "one", {"generations": generations, "out": []})
        raised = False
        for pause in crashes:
            await steps_of_the_loop(pause)
            await hub.crash()
            if hub.row("one").status == "Running" and not raised:
                raised = True
                raise_all(hub, generations[0])
        row = await hub.until("one", lambda row: row.status != "Pending")
        if not raised and not row.ended:
            raise_all(hub, generations[0])
        for pause in holds:
            await hold(hub, pause)
        row = await hub.until_ended("one")
        assert row.status == "Completed", row.output
        for other in hub.store.instances():
            assert other.ended
            consistent(hub.history(other.instance_id))
        return json.loads(row.output or "null")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    generations=PROGRAMS,
    seed=st.integers(0, 2**32),
    crashes=st.lists(st.integers(0, 12), max_size=4),
    holds=st.lists(st.integers(0, 30), max_size=3),
)
def test_an_orchestration_comes_to_what_its_program_says(
    generations: list[Program], seed: int, crashes: list[int], holds: list[int]
) -> None:
    assert asyncio.run(play(generations, seed, crashes, holds)) == interpret(generations)


class SteppedClock(Clock):
    """Jumps ahead whenever it is read, so that messages come due between any two steps of the host."""

    def __init__(self, step: float) -> None:
        super().__init__(speed=1000)
        self._step = step
        self._shown = super().timestamp()

    def timestamp(self) -> float:
        self._shown += self._step
        return self._shown


@pytest.mark.parametrize("gap", [0.25, 1.0, 4.0])
def test_a_message_that_comes_due_while_its_instance_falls_asleep_is_seen(gap: float) -> None:
    def sleeps(context: Context) -> Any:
        now = context.current_utc_datetime
        yield context.task_all([context.create_timer(now + dt.timedelta(seconds=n)) for n in (4, 4 + gap)])
        return "awake"

    async def play_many() -> list[Any]:
        found = []
        for hundredths in range(5, 100, 5):
            async with Hub({"sleeps": sleeps}, clock=SteppedClock(hundredths / 100), exact=True) as hub:
                found.append(await hub.run("sleeps"))
        return found

    assert set(asyncio.run(play_many())) == {"awake"}


def test_the_clock_never_runs_backwards_for_an_orchestrator() -> None:
    def reads(context: Context) -> Any:
        seen = [context.current_utc_datetime.isoformat()]
        for _ in range(3):
            yield context.call_activity("double", 1)
            seen.append(context.current_utc_datetime.isoformat())
        return seen

    async def play() -> list[str]:
        async with Hub({"reads": reads}, {"double": lambda v: 2 * v}, speed=1) as hub:
            return list(await hub.run("reads"))

    seen = asyncio.run(play())
    assert seen == sorted(seen)
    assert len(set(seen)) == 4


def test_a_fast_clock_is_fast_and_starts_where_it_is_told() -> None:
    clock = Clock(speed=1000, not_before=4e9)
    assert clock.timestamp() >= 4e9
    assert clock.real_seconds(10) == 0.01
    assert clock.real_until(clock.timestamp() - 5) == 0
    assert Console(level=0).level == 0
