"""The linter: every finding has a faulty orchestrator that triggers it, and a sound one that does not."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import random
import textwrap
import time
from collections.abc import Callable
from typing import Any

import azure.durable_functions as df
import pytest

from local.functions_host.lint import Finding, lint_answers
from local.functions_host.lintsource import lint_source
from local.functions_host.protocol import CallActivity, CallSubOrchestrator, WhenAll
from tests.functions_host.inprocess import Hub

Context = df.DurableOrchestrationContext
_COUNTER = itertools.count()


async def slow(value: Any) -> Any:
    await asyncio.sleep(0.02)
    return value


def fail(_: Any) -> None:
    raise ValueError("boom")


ACTIVITIES = {"echo": lambda value: value, "slow": slow, "fail": fail}


def findings(code: Callable[[Any], Any], drive: Callable[[Hub], Any] | None = None) -> list[Finding]:
    async def play() -> list[Finding]:
        async with Hub({"o": code}, ACTIVITIES) as hub:
            hub.start("o", "one")
            if drive is not None:
                await hub.until_running("one")
                await drive(hub)
            await hub.until_ended("one")
            return hub.findings

    return asyncio.run(play())


def rules(code: Callable[[Any], Any], drive: Callable[[Hub], Any] | None = None) -> set[str]:
    return {finding.rule for finding in findings(code, drive)}


def timer(context: Context, seconds: float) -> Any:
    return context.create_timer(context.current_utc_datetime + dt.timedelta(seconds=seconds))


def raising(*events: tuple[str, Any]) -> Callable[[Hub], Any]:
    async def drive(hub: Hub) -> None:
        for name, value in events:
            hub.raise_event("one", name, value)

    return drive


# --- faulty ones ---


def leaves_a_timer_open(context: Context) -> Any:
    event = context.wait_for_external_event("go")
    yield context.task_any([event, timer(context, 60)])
    return "done"


def leaves_an_activity_open(context: Context) -> Any:
    winner = yield context.task_any([context.call_activity("slow", 1), context.call_activity("echo", 2)])
    return winner.result


def raises_with_an_open_timer(context: Context) -> Any:
    yield context.task_any([context.wait_for_external_event("go"), timer(context, 60)])
    raise ValueError("no")


def has_a_short_timer(context: Context) -> Any:
    yield timer(context, 1)


def retries_too_soon(context: Context) -> Any:
    try:
        yield context.call_activity_with_retry("fail", df.RetryOptions(500, 2))
    except Exception:  # noqa: BLE001
        return "gave up"


def continues_with_the_event(context: Context) -> Any:
    seen = context.get_input() or 0
    event = context.wait_for_external_event("go")
    alarm = timer(context, 600.5)
    winner = yield context.task_any([event, alarm])
    if winner == event:
        alarm.cancel()
    if seen >= 2:
        return seen
    context.continue_as_new(seen + 1)


def never_yields_its_waiter(context: Context) -> Any:
    context.wait_for_external_event("go")
    yield context.call_activity("slow", 1)


def waits_in_another_case(context: Context) -> Any:
    alarm = timer(context, 600.5)
    yield context.task_any([context.wait_for_external_event("go"), alarm])


def waits_twice(context: Context) -> Any:
    first = yield context.wait_for_external_event("e")
    second = yield context.wait_for_external_event("e")
    return [first, second]


def goes_on_after_a_failed_all(context: Context) -> Any:
    try:
        yield context.task_all([context.call_activity("slow", 1), context.call_activity("fail", 1)])
    except Exception:  # noqa: BLE001
        yield context.call_activity("echo", 1)


def changes_its_input(context: Context) -> Any:
    yield context.call_activity("echo", next(_COUNTER))
    yield context.call_activity("echo", 1)


def changes_its_calls(context: Context) -> Any:
    yield context.call_activity(f"echo{next(_COUNTER)}", 1)


def raises_after_continuing(context: Context) -> Any:
    yield context.call_activity("echo", 1)
    context.continue_as_new(1)
    raise ValueError("too late")


def returns_a_set(context: Context) -> Any:
    yield context.call_activity("echo", 1)
    return {"a": [{1, 2}]}


@pytest.mark.parametrize(
    ("code", "drive", "rule"),
    [
        (leaves_a_timer_open, raising(("go", 1)), "open-task"),
        (leaves_an_activity_open, None, "open-task"),
        (raises_with_an_open_timer, raising(("go", 1)), "open-task"),
        (has_a_short_timer, None, "short-timer"),
        (retries_too_soon, None, "short-timer"),
        (continues_with_the_event, raising(("go", 1)), "event-redelivered"),
        (never_yields_its_waiter, raising(("go", 1)), "unread-event"),
        (waits_in_another_case, raising(("GO", 1)), "event-case"),
        (waits_twice, raising(("e", 1), ("e", 2)), "two-waits"),
        (goes_on_after_a_failed_all, None, "slow-failure"),
        (changes_its_input, None, "non-deterministic"),
        (raises_after_continuing, None, "unread-answer"),
        (returns_a_set, None, "unread-answer"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_faulty_orchestrator_is_found_out(code: Any, drive: Any, rule: str) -> None:
    assert rules(code, drive) == {rule}


def test_a_step_after_a_termination_is_found() -> None:
    async def play() -> set[str]:
        hubs: list[Hub] = []

        def ends(_: Any) -> None:
            hubs[0].operations.terminate("one", "by itself")

        def code(context: Context) -> Any:
            yield context.call_activity("ends")
            yield context.call_activity("echo", 1)

        from local.functions_host.hooks import Hooks

        class Holds(Hooks):
            def holds_termination(self, row: Any) -> bool:
                return True

        async with Hub({"o": code}, {**ACTIVITIES, "ends": ends}, hooks=Holds()) as hub:
            hubs.append(hub)
            hub.start("o", "one")
            row = await hub.until_ended("one")
            assert (row.status, row.output) == ("Terminated", '"by itself"')
            return {finding.rule for finding in hub.findings}

    assert asyncio.run(play()) == {"step-after-termination"}


def test_a_call_that_changes_its_name_ends_non_deterministic() -> None:
    async def play() -> tuple[str, str | None]:
        async with Hub({"o": changes_its_calls}, {f"echo{n}": lambda v: v for n in range(100_000)}) as hub:
            hub.start("o", "one")
            row = await hub.until_ended("one")
            return row.status, row.output

    status, output = asyncio.run(play())
    assert status == "Failed"
    assert "Non-Deterministic workflow detected: A previous execution of this orchestration scheduled an " in str(
        output
    )
    assert "but the current orchestration replay instead scheduled an activity task named 'echo" in str(output)


def races_an_old_waiter(context: Context) -> Any:
    stop = context.wait_for_external_event("stop")
    while True:
        tick = context.wait_for_external_event("tick")
        winner = yield context.task_any([stop, tick])
        if winner == stop:
            return "stopped"


def test_a_race_that_only_the_sdk_sees_the_end_of_stalls() -> None:
    """As on Azure, by the extension's rules: what was scheduled before is left out of the second race."""

    async def play() -> set[str]:
        async with Hub({"o": races_an_old_waiter}) as hub:
            hub.start("o", "one")
            await hub.until_running("one")
            hub.raise_event("one", "tick")
            hub.raise_event("one", "stop")
            while not any(f.rule == "stall" for f in hub.findings):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            assert hub.row("one").status == "Running"
            hub.raise_event("one", "tick")
            await hub.until_ended("one")
            return {f.rule for f in hub.findings}

    assert asyncio.run(play()) == {"stall", "two-waits"}


# --- sound ones ---


def polls_with_a_cancel_waiter(context: Context) -> Any:
    """The shape that works on Azure: one waiter, raced in every wait, looked at after every step."""
    generation = context.get_input() or 0
    cancel = context.wait_for_external_event("cancel")
    for number in range(3):
        alarm = timer(context, 1.5)
        yield context.task_any([cancel, alarm])
        if cancel.is_completed:
            if not alarm.is_completed:
                alarm.cancel()
            return "cancelled"
        yield context.call_activity("echo", number)
        if cancel.is_completed:
            return "cancelled"
    if generation < 3:
        context.continue_as_new(generation + 1)
        return None
    return "ended"


def does_a_bit_of_everything(context: Context) -> Any:
    results = yield context.task_all([context.call_activity("echo", n) for n in range(3)])
    try:
        yield context.call_activity_with_retry("fail", df.RetryOptions(1500, 2))
    except Exception as error:  # noqa: BLE001
        results.append(str(error)[:40])
    yield timer(context, 2.5)
    return results


@pytest.mark.parametrize(
    ("code", "drive"),
    [
        (polls_with_a_cancel_waiter, None),
        (polls_with_a_cancel_waiter, raising(("cancel", 1))),
        (does_a_bit_of_everything, None),
    ],
)
def test_a_sound_orchestrator_is_clean(code: Any, drive: Any) -> None:
    assert findings(code, drive) == []


def leaves_out_inputs_and_raises(context: Context) -> Any:
    """Keep what the activities were given out of the failure's text, as the product does."""
    tasks = [context.call_activity("echo", f"secret {number}") for number in range(2)]
    try:
        yield context.task_all(tasks)
        tasks.append(context.call_activity("fail", "secret"))
        yield tasks[-1]
    except Exception:
        for task in tasks:
            task.action_repr.input_ = '"left out"'
        raise


def test_inputs_left_out_of_a_failure_are_not_called_non_deterministic() -> None:
    assert findings(leaves_out_inputs_and_raises) == []


@pytest.mark.parametrize("wrapped", [lambda action: action, lambda action: WhenAll((action,))])
@pytest.mark.parametrize("kind", [CallActivity, lambda *given: CallSubOrchestrator(*given, None, None)])
def test_where_the_code_raises_names_are_compared_and_inputs_are_not(kind: Any, wrapped: Any) -> None:
    before, other_input, other_name = (wrapped(kind(*given)) for given in [("a", "1"), ("a", "2"), ("b", "1")])
    assert lint_answers([before], [other_input], raised=True) == []
    assert [f.rule for f in lint_answers([before], [other_input], raised=False)] == ["non-deterministic"]
    assert [f.rule for f in lint_answers([before], [other_name], raised=True)] == ["non-deterministic"]


# --- the code itself ---


def reads_the_clock(context: Context) -> Any:
    now = dt.datetime.now()  # noqa: DTZ005
    time.sleep(0)
    yield context.call_activity("echo", [str(now), random.random()])
    yield context.call_activity("nobody")
    yield context.call_sub_orchestrator("o")
    yield context.call_sub_orchestrator_with_retry("nobody_else", df.RetryOptions(1500, 2))


def test_the_source_is_read_for_unstable_calls_and_unknown_names() -> None:
    found = [str(f) for f in lint_source(reads_the_clock, {"echo"}, {"o"})]
    assert sorted(f.split(": ", 1)[1].split(",")[0].split(" calls ")[1] for f in found) == [
        "'nobody'",
        "'nobody_else'",
        "datetime.now",
        "random.random",
        "time.sleep",
    ]
    assert lint_source(polls_with_a_cancel_waiter, {"echo"}, set()) == []


def goes_on_after_continuing(context: Context) -> Any:
    if (yield context.call_activity("echo", 1)):
        context.continue_as_new(1)
        print("still here")  # noqa: T201
    context.continue_as_new(2)
    return {"fine": None}


def returns_many_things(context: Context) -> Any:
    kind = yield context.call_activity("echo", 1)

    def inner() -> Any:
        return {1}

    match kind:
        case 1:
            return [{"a": {n + 1 for n in range(3)}}]
        case 2:
            return (1, b"bytes")
        case 3:
            return frozenset(inner())
        case 4:
            return {"at": context.current_utc_datetime}
        case 5:
            return (n for n in range(3))
        case 6:
            return lambda: 1
        case _:
            return [{"a": (1, "x", None)}, str(context.current_utc_datetime), sorted(inner())]


def test_the_source_is_read_for_what_follows_continue_as_new() -> None:
    (finding,) = lint_source(goes_on_after_continuing, {"echo"}, set())
    assert str(finding).startswith("after-continue: line 4 goes on after continue_as_new")
    assert [f.rule for f in lint_source(raises_after_continuing, {"echo"}, set())] == ["after-continue"]
    assert lint_source(continues_with_the_event, set(), set()) == []


def test_the_source_is_read_for_results_that_are_no_json() -> None:
    found = [str(f).split(" returns ")[1].split(",")[0] for f in lint_source(returns_many_things, {"echo"}, set())]
    assert sorted(found) == ["a bytes", "a datetime", "a frozenset", "a function", "a generator", "a set"]
    assert [f.rule for f in lint_source(returns_a_set, {"echo"}, set())] == ["no-json"]


def test_code_without_a_source_is_left_alone() -> None:
    names: dict[str, Any] = {}
    exec(textwrap.dedent("def made(context):\n    yield context.call_activity('nobody')\n"), names)
    assert lint_source(names["made"], set(), set()) == []
