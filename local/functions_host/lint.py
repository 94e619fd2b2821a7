"""A linter for orchestrators: a second opinion, apart from `replay`, on instances that have ended.

It reads a finished history and the actions of the last answer by the extension's rules (`durable-protocol.md`,
the model and rules 1 to 5, 8, 12, 20) and reports what stalls, repeats or is non-deterministic on Azure, also where
it went well this time. Code is read without running it in `lintsource`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from local.functions_host.clock import parse_iso
from local.functions_host.protocol import (
    COMPLETIONS,
    SCHEDULED,
    Action,
    CallActivity,
    CallSubOrchestrator,
    CreateTimer,
    Event,
    Kind,
    WaitForEvent,
    WhenAll,
    WhenAny,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that goes wrong on Azure. `rule` is a short name, `text` says what and what to do."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


def stall(waiting_for: Sequence[str]) -> Finding:
    """The orchestrator is done, the extension still waits for an event: no episode ever ends the instance."""
    names = ", ".join(f"'{name}'" for name in waiting_for)
    return Finding(
        "stall",
        f"the code has ended, but the extension still waits for {names}: it does not see a waiter of an earlier wait "
        "again, so have a fresh timer in every race and cancel it when an event wins",
    )


def unread() -> Finding:
    """The code ended with an answer of which the extension reads the error alone."""
    return Finding(
        "unread-answer",
        "the code raised after continue_as_new, returned what is no JSON or got an input or event that cannot be "
        "decoded: of such an answer no action is read, and after a task the instance ends as non-deterministic",
    )


@dataclass(frozen=True, slots=True)
class Finished:
    """A generation that has ended: its history and the actions of its last answer.

    `status` is a terminal one or `ContinuedAsNew`. `done_in` is the number of the episode in which the
    orchestrator first answered that it was done, None where that is not known.
    """

    name: str
    instance_id: str
    status: str
    events: Sequence[Event]
    actions: Sequence[Action]
    done_in: int | None = None

    def leaves(self) -> Iterator[Action]:
        """Every action that is not made of others."""
        for action in self.actions:
            yield from _leaves(action)

    def episode_of(self, index: int) -> int:
        """The number of the episode that an event belongs to."""
        return sum(e.kind is Kind.ORCHESTRATOR_STARTED for e in self.events[: index + 1])


def lint(finished: Finished) -> list[Finding]:
    """Check a generation that has ended."""
    checks = (_open_tasks, _short_timers, _lost_races, _event_names, _after_termination, _slow_failures)
    return [finding for check in checks for finding in check(finished)]


def lint_answers(before: Sequence[Action], after: Sequence[Action], *, raised: bool) -> list[Finding]:
    """Compare the actions of two successive episodes: the earlier ones must come again, in place (rule 20).

    Where the later one `raised`, inputs may differ: the platform compares names, and code that fails may have left them
    out of the failure's text, where the SDK quotes them.
    """
    for number, (old, new) in enumerate(zip(before, after, strict=False)):
        if _comparable(old, inputs=not raised) != _comparable(new, inputs=not raised):
            what = f"action {number + 1} was {_name(old)} in one episode and {_name(new)} in the next"
            return [Finding("non-deterministic", f"{what}: the code does not depend on its history alone")]
    if len(after) < len(before):
        gone = f"{len(before) - len(after)} actions of the episode before have gone"
        return [Finding("non-deterministic", f"{gone}: the code does not depend on its history alone")]
    return []


def _leaves(action: Action) -> Iterator[Action]:
    match action:
        case WhenAny(children) | WhenAll(children):
            for child in children:
                yield from _leaves(child)
        case _:
            yield action


def _open_tasks(case: Finished) -> Iterator[Finding]:
    """Rule 1: the end waits for every open activity, timer and sub-orchestration."""
    if case.done_in is None or case.status == "Terminated":
        return
    for index, event in enumerate(case.events):
        if event.kind in COMPLETIONS and case.episode_of(index) > case.done_in:
            yield Finding(
                "open-task",
                f"the end waited for {_origin(case, event.task_id)}: cancel a timer that lost its race, and wait for "
                "an activity only where its result counts",
            )


def _short_timers(case: Finished) -> Iterator[Finding]:
    """Rule 2: Azure Storage cuts delays to whole seconds, below one nothing is left."""
    asked = {leaf.fire_at for leaf in case.leaves() if isinstance(leaf, CreateTimer)}
    now = None
    for event in case.events:
        if event.kind is Kind.ORCHESTRATOR_STARTED:
            now = parse_iso(event.timestamp)
        elif event.kind is Kind.TIMER_CREATED and event.fire_at in asked and now is not None:
            delay = (parse_iso(event.fire_at or "") - now).total_seconds()
            if round(delay, 3) <= 1:
                yield Finding(
                    "short-timer",
                    f"a timer of {delay:.2g} s fires at once on Azure Storage: use k + 0.5 seconds with k >= 1, and "
                    "take a fired timer as due",
                )
    for leaf in case.leaves():
        if isinstance(leaf, CallActivity | CallSubOrchestrator) and leaf.retry and leaf.retry.interval_ms <= 1000:
            text = f"{leaf.name} is retried after {leaf.retry.interval_ms} ms, on Azure Storage at once"
            yield Finding("short-timer", f"{text}: use an interval above a second")


def _lost_races(case: Finished) -> Iterator[Finding]:
    """Rule 5: continue_as_new in the episode in which an event won a race delivers that event for ever."""
    if case.status != "ContinuedAsNew":
        return
    starts = [i for i, e in enumerate(case.events) if e.kind is Kind.ORCHESTRATOR_STARTED]
    # Where the generation began in the episode that ends it, events it was handed stand before the only start's end.
    arrived = {(e.name or "") for e in case.events[starts[-1] :] if e.kind is Kind.EVENT_RAISED}
    for action in case.actions:
        leaves = list(_leaves(action)) if isinstance(action, WhenAny) else []
        cancelled = any(isinstance(leaf, CreateTimer) and leaf.cancelled for leaf in leaves)
        for name in sorted({leaf.name for leaf in leaves if isinstance(leaf, WaitForEvent)} & arrived):
            if cancelled:
                yield Finding(
                    "event-redelivered",
                    f"'{name}' won a race and the instance continued as new in the same episode: the event is "
                    "delivered to every later generation",
                )


def _event_names(case: Finished) -> Iterator[Finding]:
    """Rules 3 and 4: one waiter per name, yielded before its event comes."""
    waits = [leaf.name for leaf in case.leaves() if isinstance(leaf, WaitForEvent)]
    for name, count in Counter(w.lower() for w in waits).items():
        if count > 1:
            text = f"{count} waits for '{name}' in one generation: early events are given again, open ones newest first"
            yield Finding("two-waits", f"{text}; use a fresh name for every question")
    for name in sorted({e.name or "" for e in case.events if e.kind is Kind.EVENT_RAISED}):
        if name in waits:
            continue
        if name.lower() in {w.lower() for w in waits}:
            text = f"the event '{name}' was raised in another case than it is waited for: the code never sees it"
            yield Finding("event-case", text)
        else:
            text = f"the event '{name}' arrived, but no waiter for it was ever yielded: it is lost"
            yield Finding("unread-event", f"{text}; create the waiter first thing and yield it in every wait")


def _after_termination(case: Finished) -> Iterator[Finding]:
    """Rule 6: nothing but a wait for an event that never comes may follow a self-termination."""
    ended = False
    for event in case.events:
        ended = ended or event.kind is Kind.EXECUTION_TERMINATED
        if ended and event.kind in SCHEDULED:
            yield Finding(
                "step-after-termination",
                f"{event.name or 'a timer'} was started after the instance was terminated, and really runs",
            )


def _slow_failures(case: Finished) -> Iterator[Finding]:
    """Rule 12: after a failed task_all the next action starts only when all its tasks have ended."""
    next_id = 0
    for number, action in enumerate(case.actions):
        leaves = [x for x in _leaves(action) if isinstance(x, CallActivity | CallSubOrchestrator | CreateTimer)]
        ids = range(next_id, next_id + len(leaves))
        next_id += len(leaves)
        if any(not isinstance(leaf, CreateTimer) and leaf.retry for leaf in leaves):
            return  # retries take ids of their own
        if not isinstance(action, WhenAll) or number + 1 == len(case.actions):
            continue
        failed = [i for i, e in enumerate(case.events) if _is_failure(e) and e.task_id in ids]
        ended = [i for i, e in enumerate(case.events) if e.kind in COMPLETIONS and e.task_id in ids]
        if failed and case.episode_of(max(ended)) > case.episode_of(failed[0]):
            text = "the step after a failed task_all was held back until the slowest of its tasks had ended"
            yield Finding("slow-failure", f"{text}: return failures as data")


def _is_failure(event: Event) -> bool:
    return event.kind in (Kind.TASK_FAILED, Kind.SUB_FAILED)


def _origin(case: Finished, task_id: int) -> str:
    origin = next((e for e in case.events if e.kind in SCHEDULED and e.event_id == task_id), None)
    if origin is None:
        return f"task {task_id}"
    return "a timer" if origin.kind is Kind.TIMER_CREATED else f"'{origin.name}'"


def _comparable(action: Action, *, inputs: bool) -> Action:
    match action:
        case CreateTimer():
            return replace(action, cancelled=False)
        case CallActivity() | CallSubOrchestrator() if not inputs:
            return replace(action, input=None)
        case WhenAny(children):
            return WhenAny(tuple(_comparable(c, inputs=inputs) for c in children))
        case WhenAll(children):
            return WhenAll(tuple(_comparable(c, inputs=inputs) for c in children))
        case _:
            return action


def _name(action: Action) -> str:
    name = getattr(action, "name", None)
    return f"{type(action).__name__}({name})" if name else type(action).__name__
