"""The extension's half of an episode: it replays an orchestrator's actions against the history.

The SDK re-runs the orchestrator and answers with all actions so far. The extension then runs those actions as a
little program of its own, awaiting each top-level action in turn, while it feeds itself the same history; what the
program has started but the history does not hold yet is new work. Both sides keep their own idea of what is
finished, and most surprises of Durable Functions are disagreements between the two (`durable-protocol.md`, "The
model that explains most of it"). So this module follows the extension step by step instead of trusting the SDK.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from local.functions_host.clock import iso, parse_iso
from local.functions_host.protocol import (
    COMPLETIONS,
    SCHEDULED,
    Action,
    Answer,
    CallActivity,
    CallSubOrchestrator,
    ContinueAsNew,
    CreateTimer,
    Event,
    Kind,
    RetryPolicy,
    Unsupported,
    WaitForEvent,
    WhenAll,
    WhenAny,
)


class NonDeterministicError(Exception):
    """The orchestrator's actions do not fit its history; the message is the real host's."""

    def __init__(self, before: str, now: str) -> None:
        """Say what the history holds and what the orchestrator does at that place."""
        super().__init__(
            f"Non-Deterministic workflow detected: A previous execution of this orchestration scheduled {before} but "
            f"the current {now}. Was a change made to the orchestrator code after this instance had already started "
            "running?"
        )


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Work that the program starts under task id `id`; the history event for it is made when it is recorded."""

    id: int
    action: CallActivity | CallSubOrchestrator | CreateTimer


@dataclass(slots=True)
class Outcome:
    """What follows from an episode.

    `status` is None while the instance runs on, else `Completed`, `Failed`, `Terminated` or
    `ContinuedAsNew`; `reason` is the error or the reason of the termination, `bare` one that is not the
    orchestrator's own. `carried` are events for the
    next generation, `unregistered` names the host does not know, `open_ids` tasks that hold the end back. Tasks
    from id `terminated_before` on were started after a termination, and are really run. `waiting_for` are the
    events that open waits are for.
    """

    scheduled: list[Scheduled] = field(default_factory=list)
    status: str | None = None
    reason: str | None = None
    bare: bool = False
    new_input: str | None = None
    carried: list[Event] = field(default_factory=list)
    suspended: bool = False
    unregistered: list[str] = field(default_factory=list)
    open_ids: list[int] = field(default_factory=list)
    terminated_before: int | None = None
    waiting_for: list[str] = field(default_factory=list)


class _Node:
    """Something awaited. `done` tells whether it has ended, successfully or not."""

    done: bool = False


class _Leaf(_Node):
    pass


class _Any(_Node):
    def __init__(self, children: Sequence[_Node]) -> None:
        self._children = children

    @property
    def done(self) -> bool:  # type: ignore[override]
        return any(child.done for child in self._children)


class _All(_Node):
    def __init__(self, children: Sequence[_Node]) -> None:
        self._children = children

    @property
    def done(self) -> bool:  # type: ignore[override]
        return all(child.done for child in self._children)


class Replay:
    """One run of the extension's program over one history. Use `run` once."""

    def __init__(self, answer: Answer, *, activities: set[str], orchestrators: set[str]) -> None:
        """Prepare to replay `answer`; names outside the two sets are unknown to the host."""
        self._answer = answer
        self._activities = activities
        self._orchestrators = orchestrators
        self._outcome = Outcome()
        self._next_id = 0
        self._now = ""
        self._pointer = 0
        self._current: _Node | None = None
        self._started = False
        self._finished = False
        self._continued: ContinueAsNew | None = None
        self._terminated: str | None = None
        self._suspended = False
        self._queued: deque[Event] = deque()
        self._parked: dict[int, Scheduled] = {}
        self._new: dict[int, Scheduled] = {}
        self._open: dict[int, Callable[[bool], None]] = {}
        self._waiters: dict[str, list[_Leaf]] = {}
        self._buffered: dict[str, deque[Event]] = {}

    def run(self, history: Sequence[Event]) -> Outcome:
        """Replay the history and say what is new."""
        for event in history:
            if event.kind is Kind.ORCHESTRATOR_STARTED:
                self._now = event.timestamp
            elif self._suspended and event.kind not in (Kind.EXECUTION_RESUMED, Kind.EXECUTION_TERMINATED):
                # One resume ends any number of suspensions: the extension drops all but the first.
                if event.kind is not Kind.EXECUTION_SUSPENDED:
                    self._queued.append(event)
            else:
                self._feed(event)
        outcome = self._outcome
        outcome.scheduled = [self._new[i] for i in sorted(self._new)]
        outcome.open_ids = sorted(self._open)
        outcome.suspended = self._suspended
        outcome.waiting_for = sorted(name for name, open_ones in self._waiters.items() if open_ones)
        if self._terminated is not None:
            outcome.status, outcome.reason = "Terminated", self._terminated
        elif not self._open and not self._suspended:
            if self._continued is not None:
                outcome.status, outcome.new_input = "ContinuedAsNew", self._continued.input
            elif self._finished:
                outcome.status = "Failed" if self._answer.error is not None else "Completed"
                outcome.reason = self._answer.error
        return outcome

    # --- events of the history ---

    def _feed(self, event: Event) -> None:
        if event.kind in SCHEDULED:
            self._confirm(event)
        elif event.kind in COMPLETIONS:
            # An unknown id is a late result, of a cancelled timer for one: the extension ignores it.
            finish = self._open.pop(event.task_id, None)
            if finish is not None:
                finish(event.kind in (Kind.TASK_FAILED, Kind.SUB_FAILED))
                self._advance()
        else:
            self._feed_control(event)

    def _feed_control(self, event: Event) -> None:
        match event.kind:
            case Kind.EXECUTION_STARTED:
                self._started = True
                self._advance()
            case Kind.EVENT_RAISED:
                self._raise(event)
            case Kind.EXECUTION_TERMINATED:
                if self._terminated is None:
                    self._terminated = event.reason or ""
                    self._outcome.terminated_before = self._next_id
            case Kind.EXECUTION_SUSPENDED:
                # The program may be ahead of the history: the code has seen an event that waits here, and the timer
                # it cancelled lets the program pass. What was started so is kept back until the resume, else every
                # episode until then would start it again (Azure/durabletask pull request 1024, January 2024).
                self._suspended = True
                self._parked, self._new = self._new, {}
            case Kind.EXECUTION_RESUMED:
                self._suspended = False
                self._new, self._parked = self._new | self._parked, {}
                while self._queued:
                    self._feed(self._queued.popleft())
            case _:
                pass

    def _raise(self, event: Event) -> None:
        if self._continued is not None:
            # The extension hands it to the next generation, even one the SDK has consumed already: this is what
            # delivers an event for ever where continue_as_new follows in the episode that received it.
            self._outcome.carried.append(replace(event, played=True))
            return
        name = (event.name or "").lower()
        waiters = self._waiters.get(name)
        if waiters:
            waiters.pop().done = True  # the newest waiter first [M]
            self._advance()
        else:
            self._buffered.setdefault(name, deque()).append(event)

    def _confirm(self, event: Event) -> None:
        """Check a recorded scheduling against what the program started under the same id."""
        scheduled = self._new.pop(event.event_id, None)
        if scheduled is None:
            raise NonDeterministicError(_recorded(event), "replay execution hasn't (yet?) scheduled this task")
        known: Kind
        name: str | None
        match scheduled.action:
            case CallActivity(name=name):
                known, now = Kind.TASK_SCHEDULED, f"an activity task named '{name}'"
            case CallSubOrchestrator(name=name):
                known, now = Kind.SUB_CREATED, f"a sub-orchestration task named '{name}'"
            case CreateTimer():
                known, name, now = Kind.TIMER_CREATED, None, "a timer task"
        if event.kind is not known or (name is not None and name != event.name):
            now = f"orchestration replay instead scheduled {now} with this sequence number"
            raise NonDeterministicError(_recorded(event), now)

    # --- the program ---

    def _advance(self) -> None:
        while self._continued is None:
            if self._current is None:
                if self._pointer >= len(self._answer.actions):
                    self._finished = self._answer.is_done or self._answer.error is not None
                    return
                self._current = self._start(self._answer.actions[self._pointer])
                self._pointer += 1
            if not self._current.done:
                return
            self._current = None

    def _start(self, action: Action) -> _Node:
        match action:
            case CallActivity():
                return self._call(action, action.retry, known=action.name in self._activities)
            case CallSubOrchestrator():
                return self._call(action, action.retry, known=action.name in self._orchestrators)
            case CreateTimer():
                return self._timer(action)
            case WaitForEvent():
                return self._wait(action)
            case WhenAny(children):
                return _Any([self._start(child) for child in children])
            case WhenAll(children):
                return _All([self._start(child) for child in children])
            case ContinueAsNew():
                self._continued = action
                return _done()
            case Unsupported(api):
                raise NotImplementedError(api)

    def _call(self, action: CallActivity | CallSubOrchestrator, retry: RetryPolicy | None, *, known: bool) -> _Node:
        if not known:
            # The extension's call fails inside its own program without taking an id; the orchestrator never
            # hears of it and waits for ever [M, rule 8].
            self._outcome.unregistered.append(action.name)
            return _done()
        leaf = _Leaf()
        if retry is None:
            self._schedule(action, lambda _failed: _finish(leaf))
        else:
            self._attempt(leaf, action, retry, number=1)
        return leaf

    def _attempt(
        self, leaf: _Leaf, action: CallActivity | CallSubOrchestrator, retry: RetryPolicy, *, number: int
    ) -> None:
        def ended(failed: bool) -> None:  # noqa: FBT001 - the signature of every open task
            if not failed:
                _finish(leaf)
                return
            last = number >= retry.max_attempts
            # After the last attempt the extension still sets a timer, for this very moment.
            wait = timedelta() if last else timedelta(milliseconds=retry.interval_ms)
            fire_at = iso(parse_iso(self._now) + wait)
            self._schedule(CreateTimer(fire_at, cancelled=False), again)

        def again(_failed: bool) -> None:  # noqa: FBT001
            if number >= retry.max_attempts:
                _finish(leaf)
            else:
                self._attempt(leaf, action, retry, number=number + 1)

        self._schedule(action, ended)

    def _timer(self, action: CreateTimer) -> _Node:
        leaf = _Leaf()
        task = self._schedule(action, lambda _failed: _finish(leaf))
        if action.cancelled:
            # A cancelled timer is still recorded, but it is over, and nothing waits for it any more.
            del self._open[task]
            leaf.done = True
        return leaf

    def _wait(self, action: WaitForEvent) -> _Node:
        name = action.name.lower()  # the extension ignores case where the SDK does not
        early = self._buffered.get(name)
        if early:
            early.popleft()
            return _done()
        leaf = _Leaf()
        self._waiters.setdefault(name, []).append(leaf)
        return leaf

    def _schedule(
        self, action: CallActivity | CallSubOrchestrator | CreateTimer, finish: Callable[[bool], None]
    ) -> int:
        task = self._next_id
        self._next_id += 1
        self._new[task] = Scheduled(task, action)
        self._open[task] = finish
        return task


def _finish(leaf: _Leaf) -> None:
    leaf.done = True


def _done() -> _Leaf:
    leaf = _Leaf()
    leaf.done = True
    return leaf


def _recorded(event: Event) -> str:
    """Describe a recorded scheduling as the real host does."""
    version = event.version or ""
    match event.kind:
        case Kind.TASK_SCHEDULED:
            return f"an activity task with sequence ID {event.event_id} and name '{event.name}' (version '{version}'),"
        case Kind.SUB_CREATED:
            return (
                f"a sub-orchestration task with sequence ID {event.event_id} and name '{event.name}' (version "
                f"'{version}', instance ID '{event.instance_id}'),"
            )
        case _:
            return f"a timer task with sequence number {event.event_id}"
