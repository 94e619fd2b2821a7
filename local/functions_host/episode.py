"""One episode of an instance, from its messages to everything that follows, in memory only.

The orchestrator is called with the history and the new events; its answer is replayed as the extension does
(`replay`); what that starts or ends is recorded in the run and collected as effects. The engine writes both in
one transaction.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from local.functions_host import protocol
from local.functions_host.clock import Clock, iso, parse_iso
from local.functions_host.console import Console
from local.functions_host.hooks import Death, Hooks
from local.functions_host.lint import Finished
from local.functions_host.protocol import (
    Action,
    Answer,
    CallActivity,
    CallSubOrchestrator,
    CreateTimer,
    Event,
    Kind,
    Parent,
)
from local.functions_host.replay import NonDeterministicError, Outcome, Replay, Scheduled
from local.functions_host.store import Instance, Work
from local.functions_host.tracing import Trace
from local.functions_host.versions import VersionRule

# What a message takes through a storage queue, measured: a timer of 1.5 s fires after 1.1 s.
QUEUE_LATENCY = 0.1
CUSTOM_STATUS_LIMIT_KB = 16


class Functions(Protocol):
    """What the engine needs to know and call of the app."""

    @property
    def activities(self) -> set[str]:
        """Names of the registered activities, disabled ones too."""
        ...

    @property
    def orchestrators(self) -> set[str]:
        """Names of the registered orchestrators."""
        ...

    async def run_orchestrator(self, name: str, context: str) -> str:
        """Run an episode; raises what the function raised."""
        ...

    async def run_activity(self, name: str, data: str | None, trace: Trace | None) -> str:
        """Run an activity on JSON text and return JSON text; raises what it raised, or DisabledActivityError."""
        ...


class DisabledActivityError(Exception):
    """An activity is disabled."""

    def __init__(self, name: str) -> None:
        """Name it."""
        super().__init__(f"Activity function '{name}' is disabled.")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Limits and timing."""

    exact_timers: bool = False
    max_orchestrators: int = 20
    max_activities: int = 20
    versions: VersionRule = VersionRule()  # noqa: RUF009 - frozen
    traces: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """Two successive answers of a generation, for whoever wants to compare them."""

    name: str
    instance_id: str
    before: Sequence[Action]
    after: Sequence[Action]
    raised: bool  # the code ended in an exception, in the later one


@dataclass(slots=True)
class Run:
    """An instance in memory: its row and its history, decoded and as text, of which `stored` are in the store."""

    row: Instance
    events: list[Event]
    texts: list[str]
    stored: int
    own_status: str | None = None  # what this generation's code has set itself
    done_in: int | None = None  # the episode in which the code was first done, as far as this process saw
    answered: tuple[Action, ...] = ()  # the actions of the episode before, where this process ran it

    def append(self, event: Event) -> None:
        """Add an event to the history."""
        self.events.append(event)
        self.texts.append(protocol.event_to_text(event))

    @property
    def started(self) -> Event:
        """The event that began this generation."""
        return next(e for e in self.events if e.kind is Kind.EXECUTION_STARTED)


@dataclass(slots=True)
class Effects:
    """What an episode leads to besides the new state of its own instance. `timers` are events with due times."""

    work: list[Work] = field(default_factory=list)
    timers: list[tuple[Event, float]] = field(default_factory=list)
    children: list[Event] = field(default_factory=list)
    to_parent: Event | None = None
    rewritten: bool = False  # the history was begun anew
    finished: list[Finished] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    stalled: list[tuple[str, str, Sequence[str]]] = field(default_factory=list)  # name, instance id, awaited events
    unread: list[tuple[str, str]] = field(default_factory=list)  # name, instance id


class _RefusedError(Exception):
    """The extension refuses to call the orchestrator, or its answer: the instance fails, open tasks or not."""


class Episodes:
    """Runs episodes."""

    def __init__(
        self, functions: Functions, clock: Clock, console: Console, options: EngineOptions, hooks: Hooks
    ) -> None:
        """Call `functions`; times come from `clock`."""
        self._hooks = hooks
        self._functions = functions
        self._clock = clock
        self._console = console
        self._options = options

    async def run(self, run: Run, events: Sequence[Event]) -> Effects:
        """Handle new events: updates `run` and returns the effects. Continues into new generations at once."""
        run.append(self.event(Kind.ORCHESTRATOR_STARTED))
        for event in events:
            run.append(event)
        effects = Effects()
        while True:
            stack = ""
            try:
                answer, stack = await self._ask(run)
                self._note(run, answer, effects)
                _check(answer)
                outcome = self._replay(run, answer)
            except _RefusedError as error:
                answer = Answer()
                outcome = Outcome(status="Failed", reason=str(error))
            self._record(run, answer, outcome, effects, stack)
            if outcome.status != "ContinuedAsNew":
                return effects
            self._begin_generation(run, outcome)
            effects.rewritten = True

    def event(self, kind: Kind, **fields: Any) -> Event:
        """Make a history event with the present time."""
        return Event(kind, iso(self._clock.now()), **fields)

    # --- the two halves ---

    async def _ask(self, run: Run) -> tuple[Answer, str]:
        """Call the orchestrator; returns its answer and, where it raised, what the worker says of that."""
        name = run.row.name
        if not self._options.versions.fits(run.row.version):
            raise _RefusedError(
                f"the version '{run.row.version}' of the instance does not fit the host's version "
                f"'{self._options.versions.current}' ({self._options.versions.match})"
            )
        if name not in self._functions.orchestrators:
            known = ", ".join(f"'{n}'" for n in sorted(self._functions.orchestrators))
            raise _RefusedError(
                f"The orchestrator function '{name}' doesn't exist, is disabled, or is not an orchestrator "
                f"function. Additional info: The following are the known orchestrator functions: {known}."
            )
        death = self._hooks.episode_death(run.row)
        if death is not Death.NONE:
            return _died(run.row, kept=death is Death.STATUS_KEPT)
        replaying = sum(e.kind is Kind.ORCHESTRATOR_STARTED for e in run.events) > 1
        try:
            context = protocol.episode_context(run.texts, started=run.started, replaying=replaying)
            return protocol.parse_answer(await self._functions.run_orchestrator(name, context)), ""
        except protocol.ProtocolError as error:
            raise _RefusedError(str(error)) from error
        except Exception as error:  # noqa: BLE001 - whatever user code raises fails the instance, not the host
            answer = protocol.parse_failure(str(error))
            if answer is not None:
                return answer, ""
            text = protocol.worker_failure(error)
            return Answer(error=f"One or more errors occurred. ({text}", read=False), text

    def _replay(self, run: Run, answer: Answer) -> Outcome:
        replay = Replay(answer, activities=self._functions.activities, orchestrators=self._functions.orchestrators)
        try:
            outcome = replay.run(run.events)
        except NonDeterministicError as error:
            return Outcome(status="Failed", reason=str(error), bare=True)
        outcome.bare = answer.by_platform
        return outcome

    # --- what follows ---

    def _note(self, run: Run, answer: Answer, effects: Effects) -> None:
        """Collect what the linter wants to see."""
        row = run.row
        if answer.by_platform:
            return
        if not answer.read:
            effects.unread.append((row.name, row.instance_id))
            return
        raised = answer.error is not None
        effects.answered.append(Answered(row.name, row.instance_id, run.answered, answer.actions, raised))
        run.answered = answer.actions
        if run.done_in is None and (answer.is_done or raised):
            run.done_in = sum(e.kind is Kind.ORCHESTRATOR_STARTED for e in run.events)

    def _record(self, run: Run, answer: Answer, outcome: Outcome, effects: Effects, stack: str) -> None:
        """Write the outcome into the run and collect what is to be sent and dispatched."""
        row = run.row
        for name in outcome.unregistered:
            self._console.warn(
                f"instance '{row.instance_id}' calls '{name}', which is not registered: on Azure it now stays "
                "Running for ever without a word"
            )
        # Written per episode from the answer; a falsy one is none.
        run.own_status = protocol.dumps(answer.custom_status) if answer.custom_status else None
        row.custom_status = run.own_status or row.carried_status
        row.updated = self._clock.timestamp()
        done = answer.is_done or answer.error is not None
        if done and outcome.status is None and not outcome.open_ids and not outcome.suspended:
            effects.stalled.append((row.name, row.instance_id, outcome.waiting_for))
        if outcome.status != "ContinuedAsNew":
            self._settle(run, answer, outcome, effects, stack)
        if outcome.status is not None:
            effects.finished.append(
                Finished(row.name, row.instance_id, outcome.status, tuple(run.events), answer.actions, run.done_in)
            )

    def _settle(self, run: Run, answer: Answer, outcome: Outcome, effects: Effects, stack: str) -> None:
        """Record what an episode starts and, where it is the last, the end."""
        row = run.row
        cut = outcome.terminated_before
        self._schedule(run, [s for s in outcome.scheduled if cut is None or s.id < cut], effects)
        if outcome.status is None:
            row.status = "Suspended" if outcome.suspended else "Pending" if _rewound(run.events) else "Running"
            _show_reason(run)
        else:
            self._end(run, answer, outcome, effects, stack)
        if cut is not None:
            self._schedule(run, [s for s in outcome.scheduled if s.id >= cut], effects)
        run.append(self.event(Kind.ORCHESTRATOR_COMPLETED))

    def _end(self, run: Run, answer: Answer, outcome: Outcome, effects: Effects, stack: str) -> None:
        row = run.row
        assert outcome.status is not None
        row.status = outcome.status
        match outcome.status:
            case "Completed":
                output = protocol.normalise(answer.output)
            case "Failed":
                own = f"Orchestrator function '{row.name}' failed: {outcome.reason}"
                output = outcome.reason if outcome.bare else own
            case _:
                output = outcome.reason
        row.output = protocol.dumps(output)
        run.append(self.event(Kind.EXECUTION_COMPLETED, status=outcome.status, result=row.output))
        parent = run.started.parent
        if parent is None:
            return
        if outcome.status == "Completed":
            effects.to_parent = self.event(Kind.SUB_COMPLETED, task_id=parent.task_id, result=row.output)
        else:
            details = f"Message: {outcome.reason}, StackTrace: {stack}"
            effects.to_parent = self.event(Kind.SUB_FAILED, task_id=parent.task_id, reason=output, details=details)

    def _schedule(self, run: Run, scheduled: Sequence[Scheduled], effects: Effects) -> None:
        row = run.row
        for item in scheduled:
            match item.action:
                case CallActivity(name=name, input=data):
                    run.append(self.event(Kind.TASK_SCHEDULED, event_id=item.id, name=name))
                    effects.work.append(Work(0, row.instance_id, row.execution_id, item.id, name, data))
                case CallSubOrchestrator():
                    child = self._child(run, item.id, item.action)
                    effects.children.append(child)
                    run.append(
                        self.event(Kind.SUB_CREATED, event_id=item.id, name=child.name, instance_id=child.instance_id)
                    )
                case CreateTimer(fire_at=fire_at, cancelled=cancelled):
                    run.append(self.event(Kind.TIMER_CREATED, event_id=item.id, fire_at=fire_at))
                    if not cancelled:
                        fired = self.event(Kind.TIMER_FIRED, task_id=item.id, fire_at=fire_at)
                        effects.timers.append((fired, self._due(run, fire_at)))

    def _child(self, run: Run, task_id: int, action: CallSubOrchestrator) -> Event:
        row = run.row
        return self.event(
            Kind.EXECUTION_STARTED,
            name=action.name,
            version=action.version or self._options.versions.current,
            # The SDK's JSON text travels as a JSON string: the child reads it as text [M].
            input=None if action.input is None else protocol.dumps(action.input),
            instance_id=action.instance_id or f"{row.execution_id}:{task_id}",
            execution_id=uuid.uuid4().hex,
            parent=Parent(row.name, row.instance_id, row.execution_id, task_id),
            trace_parent=run.started.trace_parent,
            trace_state=run.started.trace_state,
        )

    def _due(self, run: Run, fire_at: str) -> float:
        """When a timer fires by the clock. Azure Storage: the delay is cut to whole seconds (rule 2)."""
        at = parse_iso(fire_at).timestamp()
        if self._options.exact_timers:
            return at
        # Measured from the episode's own time, so that a slow machine or a fast clock does not cut a second more.
        episode = next(e for e in reversed(run.events) if e.kind is Kind.ORCHESTRATOR_STARTED)
        delay = max(0.0, at - parse_iso(episode.timestamp).timestamp())
        whole = max(0, math.ceil(round(delay, 5)) - 1)  # the queue sees a little less than what was asked for
        return self._clock.timestamp() + whole + QUEUE_LATENCY

    def _begin_generation(self, run: Run, outcome: Outcome) -> None:
        """Start the next generation in place: a new execution id and history, events that nobody consumed."""
        row = run.row
        before = run.started
        row.execution_id = uuid.uuid4().hex
        row.input = None if outcome.new_input is None else protocol.dumps(outcome.new_input)
        # A custom status lives on in the next generation only, unless that sets its own [M].
        row.carried_status = run.own_status
        row.output = None
        row.created = self._clock.timestamp()
        started = self.event(
            Kind.EXECUTION_STARTED,
            name=row.name,
            version=row.version,
            input=row.input,
            instance_id=row.instance_id,
            execution_id=row.execution_id,
            parent=before.parent,
            trace_parent=before.trace_parent,
            trace_state=before.trace_state,
        )
        run.events, run.texts, run.stored = [], [], 0
        run.answered, run.done_in = (), None
        for event in (self.event(Kind.ORCHESTRATOR_STARTED), started, *outcome.carried):
            run.append(event)
        run.append(self.event(Kind.ORCHESTRATOR_COMPLETED))


def _died(row: Instance, *, kept: bool) -> tuple[Answer, str]:
    """What the extension makes of a worker that dies in an episode, and the worker's stack: none."""
    shown = json.loads(row.custom_status) if kept and row.custom_status else None
    text = f"One or more errors occurred. ({protocol.DEAD_WORKER})"
    return Answer(error=text, custom_status=shown, read=False, by_platform=True), ""


def _rewound(events: Sequence[Event]) -> bool:
    """Whether an instance shows Pending since it was rewound: until its next generation, or a suspend or resume."""
    for event in reversed(events):
        if event.kind in (Kind.EXECUTION_SUSPENDED, Kind.EXECUTION_RESUMED):
            return False
        if event.kind is Kind.GENERIC and (event.reason or "").startswith(protocol.REWOUND):
            return True
    return False


def _check(answer: Answer) -> None:
    size = len(json.dumps(answer.custom_status, ensure_ascii=False).encode("utf-16-le", "surrogatepass")) // 1024
    if size > CUSTOM_STATUS_LIMIT_KB:
        raise _RefusedError(
            "The UTF-16 size of the JSON-serialized payload must not exceed "
            f"{CUSTOM_STATUS_LIMIT_KB} KB. The current payload size is {size} KB."
        )
    refused = protocol.unsupported_actions(answer.actions)
    if refused:
        names = ", ".join(sorted(set(refused)))
        raise _RefusedError(f"{names} is not supported by the local host")


def _show_reason(run: Run) -> None:
    """The output of an instance that runs on shows the reason of the last suspend or resume [M]."""
    for event in reversed(run.events):
        if event.kind in (Kind.EXECUTION_SUSPENDED, Kind.EXECUTION_RESUMED):
            run.row.output = protocol.dumps(event.reason)
            return
