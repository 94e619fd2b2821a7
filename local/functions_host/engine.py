"""The orchestration engine: episodes of instances, activities, timers.

One episode at a time per instance. An episode takes the visible messages of the instance, calls the orchestrator
with the history and those, replays its answer as the extension does (``replay``), and writes everything that
follows in one transaction; only then is new work dispatched. Nothing that matters lives in memory alone: what was
not committed happens again, from the database.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from local.functions_host import protocol
from local.functions_host.clock import Clock, iso, parse_iso
from local.functions_host.console import Console
from local.functions_host.hooks import Hooks
from local.functions_host.protocol import (
    Answer,
    CallActivity,
    CallSubOrchestrator,
    CreateTimer,
    Event,
    Kind,
    Parent,
)
from local.functions_host.replay import NonDeterministicError, Outcome, Replay, Scheduled
from local.functions_host.store import Instance, Message, Store, Work

# What a message takes through a storage queue, measured: a timer of 1.5 s fires after 1.1 s.
QUEUE_LATENCY = 0.1
CUSTOM_STATUS_LIMIT_KB = 16


class Functions(Protocol):
    """What the engine needs to know and call of the app."""

    @property
    def activities(self) -> set[str]:
        """Names of the registered activities."""
        ...

    @property
    def orchestrators(self) -> set[str]:
        """Names of the registered orchestrators."""
        ...

    async def run_orchestrator(self, name: str, context: str) -> str:
        """Run an episode; raises what the function raised."""
        ...

    async def run_activity(self, name: str, data: str | None, instance_id: str) -> str:
        """Run an activity on JSON text and return JSON text; raises what the function raised."""
        ...


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Limits and timing."""

    exact_timers: bool = False
    max_orchestrators: int = 20
    max_activities: int = 20
    default_version: str | None = None


@dataclass(slots=True)
class _Run:
    """An instance in memory: its row and its history, decoded and as text, of which ``stored`` are in the store."""

    row: Instance
    events: list[Event]
    texts: list[str]
    stored: int
    own_status: str | None = None  # what this generation's code has set itself

    def append(self, event: Event) -> None:
        self.events.append(event)
        self.texts.append(protocol.event_to_text(event))


class _RefusedError(Exception):
    """The orchestrator's answer is none, or one the extension refuses: the instance fails, open tasks or not."""

    def __init__(self, reason: str, stack: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.stack = stack


@dataclass(slots=True)
class _Effects:
    """What an episode leads to besides the new state of its own instance."""

    work: list[Work]
    timers: list[tuple[Event, float]]
    children: list[Event]
    to_parent: Event | None = None


class Engine:
    """Runs instances. All methods belong to one event loop."""

    def __init__(
        self,
        store: Store,
        functions: Functions,
        *,
        clock: Clock,
        console: Console,
        options: EngineOptions,
        hooks: Hooks,
    ) -> None:
        """Prepare; ``start`` begins to work."""
        self.store = store
        self.clock = clock
        self.options = options
        self._functions = functions
        self._console = console
        self._hooks = hooks
        self._orchestrator_slots = asyncio.Semaphore(options.max_orchestrators)
        self._activity_slots = asyncio.Semaphore(options.max_activities)
        self._cache: dict[str, _Run] = {}
        self._driving: set[str] = set()
        self._again: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._alarms: set[asyncio.TimerHandle] = set()
        self._stopping = False

    # --- life ---

    def start(self) -> None:
        """Take up what the database holds: messages, timers and activities that have not ended."""
        first: dict[str, float] = {}
        for instance_id, visible_at in self.store.pending_instances():
            self.wake_at(instance_id, visible_at)
            first.setdefault(instance_id, visible_at)
        work = self.store.all_work()
        for item in work:
            self._dispatch(item)
        if first or work:
            self._console.info(f"resumed {len(first)} waiting instances and {len(work)} activities from the database")

    async def stop(self, grace: float) -> None:
        """Let running episodes and activities end for ``grace`` real seconds; the rest runs again at next start."""
        self._stopping = True
        for alarm in self._alarms:
            alarm.cancel()
        self._alarms.clear()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=grace)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    @property
    def busy(self) -> bool:
        """Whether an episode or an activity is running."""
        return bool(self._tasks)

    def wake_at(self, instance_id: str, visible_at: float) -> None:
        """Look at the inbox of an instance once the clock shows ``visible_at``."""
        delay = self.clock.real_until(visible_at)
        if delay <= 0:
            self.wake(instance_id)
            return
        loop = asyncio.get_running_loop()
        handle: asyncio.TimerHandle

        def ring() -> None:
            self._alarms.discard(handle)
            if self.clock.timestamp() < visible_at:  # the loop's timer may be a little early
                self.wake_at(instance_id, visible_at)
            else:
                self.wake(instance_id)

        handle = loop.call_later(delay, ring)
        self._alarms.add(handle)

    def wake(self, instance_id: str) -> None:
        """Run episodes of an instance until its inbox is empty."""
        if self._stopping:
            return
        if instance_id in self._driving:
            self._again.add(instance_id)
            return
        self._driving.add(instance_id)
        self._spawn(self._drive(instance_id))

    def forget(self, instance_id: str) -> None:
        """Drop what is remembered of an instance whose rows were changed from outside."""
        self._cache.pop(instance_id, None)

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- messages ---

    def send(self, instance_id: str, event: Event, *, execution_id: str | None = None) -> float:
        """Put a message into an inbox, inside the caller's transaction; returns when it becomes visible."""
        visible_at = self.clock.timestamp() + self._hooks.message_delay(event)
        self.store.put_message(instance_id, execution_id, protocol.event_to_text(event), visible_at)
        return visible_at

    def event(self, kind: Kind, **fields: Any) -> Event:
        """Make a history event with the present time."""
        return Event(kind, iso(self.clock.now()), **fields)

    def create(self, started: Event) -> float:
        """Store a new instance and its first message, inside a transaction; replaces one of the same id."""
        assert started.instance_id is not None
        assert started.execution_id is not None
        assert started.name is not None
        self.store.delete_instance(started.instance_id)
        self.forget(started.instance_id)
        now = self.clock.timestamp()
        self.store.save_instance(
            Instance(
                instance_id=started.instance_id,
                execution_id=started.execution_id,
                name=started.name,
                version=started.version,
                input=started.input,
                status="Pending",
                custom_status=None,
                output=None,
                created=now,
                updated=now,
            )
        )
        return self.send(started.instance_id, started, execution_id=started.execution_id)

    # --- episodes ---

    async def _drive(self, instance_id: str) -> None:
        try:
            while not self._stopping:
                self._again.discard(instance_id)
                async with self._orchestrator_slots:
                    worked = await self._episode(instance_id)
                if not worked and instance_id not in self._again:
                    break
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of the host must not take the other instances along
            self.forget(instance_id)
            self._console.error(f"the episode of '{instance_id}' failed in the host", error)
        finally:
            self._driving.discard(instance_id)
            if instance_id in self._again:
                self._again.discard(instance_id)
                self.wake(instance_id)

    def _load(self, instance_id: str) -> _Run | None:
        run = self._cache.get(instance_id)
        if run is None:
            row = self.store.instance(instance_id)
            if row is None:
                return None
            texts = self.store.history(instance_id)
            run = _Run(row, [protocol.event_from_text(t) for t in texts], texts, len(texts))
            self._cache[instance_id] = run
        return run

    async def _episode(self, instance_id: str) -> bool:
        """Run one episode; False where there was nothing to do."""
        messages = self.store.due_messages(instance_id, self.clock.timestamp())
        if not messages:
            return False
        run = self._load(instance_id)
        events = self._fresh(run, messages)
        if run is None or not events:
            with self.store.transaction():
                self.store.delete_messages([m.seq for m in messages])
            return True
        if not run.events and events[0].kind is not Kind.EXECUTION_STARTED:
            return False  # the start itself is still under way; what came early waits for it
        self.forget(instance_id)  # a failure anywhere below leaves the database as the only truth
        began = time.perf_counter()
        execution_id = run.row.execution_id
        run.append(self.event(Kind.ORCHESTRATOR_STARTED))
        for event in events:
            run.append(event)
        effects, generation = await self._generations(run)
        current = self.store.instance(instance_id)
        if current is None or current.execution_id != execution_id:
            return True  # replaced or purged meanwhile: this episode never was
        self._commit(run, messages, effects, rewritten=generation > 0)
        self._console.episode(run.row, time.perf_counter() - began)
        return True

    def _fresh(self, run: _Run | None, messages: Sequence[Message]) -> list[Event]:
        if run is None or run.row.ended:
            return []
        # What is for an earlier generation is stale; what is for no particular one is for this.
        fresh = [m for m in messages if m.execution_id in (None, run.row.execution_id)]
        events = [protocol.event_from_text(m.event) for m in fresh]
        return sorted(events, key=lambda e: e.kind is not Kind.EXECUTION_STARTED)

    async def _generations(self, run: _Run) -> tuple[_Effects, int]:
        """Run the orchestrator, again for every generation it continues into at once."""
        generation = 0
        while True:
            stack = ""
            try:
                answer = await self._ask(run)
                self._check(answer)
                outcome = self._replay(run, answer)
            except _RefusedError as error:
                answer, stack = Answer(), error.stack
                outcome = Outcome(status="Failed", reason=error.reason)
            effects = self._record(run, answer, outcome, stack)
            if outcome.status != "ContinuedAsNew":
                return effects, generation
            generation += 1
            self._begin_generation(run, outcome)

    async def _ask(self, run: _Run) -> Answer:
        """Call the orchestrator."""
        name = run.row.name
        if name not in self._functions.orchestrators:
            known = ", ".join(f"'{n}'" for n in sorted(self._functions.orchestrators))
            raise _RefusedError(
                f"The orchestrator function '{name}' doesn't exist, is disabled, or is not an orchestrator "
                f"function. Additional info: The following are the known orchestrator functions: {known}."
            )
        replaying = sum(e.kind is Kind.ORCHESTRATOR_STARTED for e in run.events) > 1
        context = protocol.episode_context(run.texts, started=_started(run.events), replaying=replaying)
        try:
            return protocol.parse_answer(await self._functions.run_orchestrator(name, context))
        except protocol.ProtocolError as error:
            raise _RefusedError(str(error)) from error
        except Exception as error:
            # Whatever user code raises fails the instance, not the host.
            answer = protocol.parse_failure(str(error))
            if answer is not None:
                return answer
            text = protocol.worker_failure(error)
            raise _RefusedError(f"One or more errors occurred. ({text}", text) from error

    def _check(self, answer: Answer) -> None:
        size = len(json.dumps(answer.custom_status, ensure_ascii=False).encode("utf-16-le")) // 1024
        if size > CUSTOM_STATUS_LIMIT_KB:
            raise _RefusedError(
                "The UTF-16 size of the JSON-serialized payload must not exceed "
                f"{CUSTOM_STATUS_LIMIT_KB} KB. The current payload size is {size} KB."
            )
        refused = protocol.unsupported_actions(answer.actions)
        if refused:
            names = ", ".join(sorted(set(refused)))
            raise _RefusedError(f"{names} is not supported by the local host")

    def _replay(self, run: _Run, answer: Answer) -> Outcome:
        replay = Replay(answer, activities=self._functions.activities, orchestrators=self._functions.orchestrators)
        try:
            return replay.run(run.events)
        except NonDeterministicError as error:
            raise _RefusedError(f"Non-Deterministic workflow detected: {error}") from error

    def _record(self, run: _Run, answer: Answer, outcome: Outcome, stack: str) -> _Effects:
        """Write the outcome into the run in memory and collect what is to be sent and dispatched."""
        row = run.row
        for name in outcome.unregistered:
            self._console.warn(
                f"instance '{row.instance_id}' calls '{name}', which is not registered: on Azure it now stays "
                "Running for ever without a word"
            )
        # Written per episode from the answer; a falsy one is none.
        run.own_status = protocol.dumps(answer.custom_status) if answer.custom_status else None
        row.custom_status = run.own_status or row.carried_status
        effects = _Effects([], [], [])
        if outcome.status in ("Completed", "Failed", "Terminated"):
            self._end(run, answer, outcome, effects, stack)
        else:
            row.status, row.output = self._live_status(run, outcome)
        if outcome.status != "ContinuedAsNew":
            self._schedule(run, outcome.scheduled, effects)
            run.append(self.event(Kind.ORCHESTRATOR_COMPLETED))
        row.updated = self.clock.timestamp()
        return effects

    def _live_status(self, run: _Run, outcome: Outcome) -> tuple[str, str | None]:
        """Status and output of an instance that runs on: the reason of the last suspend or resume shows [M]."""
        output = run.row.output
        for event in run.events:
            if event.kind in (Kind.EXECUTION_SUSPENDED, Kind.EXECUTION_RESUMED):
                output = protocol.dumps(event.reason)
        return ("Suspended" if outcome.suspended else "Running"), output

    def _end(self, run: _Run, answer: Answer, outcome: Outcome, effects: _Effects, stack: str) -> None:
        row = run.row
        assert outcome.status is not None
        row.status = outcome.status
        if outcome.status == "Completed":
            row.output = protocol.dumps(protocol.normalise(answer.output))
        elif outcome.status == "Failed":
            row.output = protocol.dumps(f"Orchestrator function '{row.name}' failed: {outcome.reason}")
        else:
            row.output = protocol.dumps(outcome.reason)
        run.append(self.event(Kind.EXECUTION_COMPLETED, status=outcome.status, result=row.output))
        parent = _started(run.events).parent
        if parent is None:
            return
        if outcome.status == "Completed":
            effects.to_parent = self.event(Kind.SUB_COMPLETED, task_id=parent.task_id, result=row.output)
        else:
            details = f"Message: {outcome.reason}, StackTrace: {stack}"
            effects.to_parent = self.event(
                Kind.SUB_FAILED, task_id=parent.task_id, reason=json.loads(row.output), details=details
            )

    def _schedule(self, run: _Run, scheduled: Sequence[Scheduled], effects: _Effects) -> None:
        row = run.row
        for item in scheduled:
            match item.action:
                case CallActivity(name=name, input=data):
                    run.append(self.event(Kind.TASK_SCHEDULED, event_id=item.id, name=name))
                    effects.work.append(Work(0, row.instance_id, row.execution_id, item.id, name, data, 0.0))
                case CallSubOrchestrator():
                    child = self._child(row, item.id, item.action)
                    effects.children.append(child)
                    run.append(
                        self.event(Kind.SUB_CREATED, event_id=item.id, name=child.name, instance_id=child.instance_id)
                    )
                case CreateTimer(fire_at=fire_at, cancelled=cancelled):
                    run.append(self.event(Kind.TIMER_CREATED, event_id=item.id, fire_at=fire_at))
                    if not cancelled:
                        fired = self.event(Kind.TIMER_FIRED, task_id=item.id, fire_at=fire_at)
                        effects.timers.append((fired, self._due(run, fire_at)))

    def _child(self, row: Instance, task_id: int, action: CallSubOrchestrator) -> Event:
        return self.event(
            Kind.EXECUTION_STARTED,
            name=action.name,
            version=action.version or self.options.default_version,
            # The SDK's JSON text travels as a JSON string: the child reads it as text [M].
            input=None if action.input is None else protocol.dumps(action.input),
            instance_id=action.instance_id or f"{row.execution_id}:{task_id}",
            execution_id=uuid.uuid4().hex,
            parent=Parent(row.name, row.instance_id, row.execution_id, task_id),
        )

    def _due(self, run: _Run, fire_at: str) -> float:
        """When a timer fires by the clock. Azure Storage: the delay is cut to whole seconds (rule 2)."""
        at = parse_iso(fire_at).timestamp()
        if self.options.exact_timers:
            return at
        # Measured from the episode's own time, so that a slow machine or a fast clock does not cut a second more.
        episode = next(e for e in reversed(run.events) if e.kind is Kind.ORCHESTRATOR_STARTED)
        delay = max(0.0, at - parse_iso(episode.timestamp).timestamp())
        whole = max(0, math.ceil(round(delay, 5)) - 1)  # the queue sees a little less than what was asked for
        return self.clock.timestamp() + whole + QUEUE_LATENCY

    def _begin_generation(self, run: _Run, outcome: Outcome) -> None:
        """Start the next generation in place: a new execution id and history, events that nobody consumed."""
        row = run.row
        parent = _started(run.events).parent
        now = self.clock.timestamp()
        row.execution_id = uuid.uuid4().hex
        row.input = None if outcome.new_input is None else protocol.dumps(outcome.new_input)
        # A custom status lives on in the next generation only, unless that sets its own [M].
        row.carried_status = run.own_status
        row.output = None
        row.created = now
        started = self.event(
            Kind.EXECUTION_STARTED,
            name=row.name,
            version=row.version,
            input=row.input,
            instance_id=row.instance_id,
            execution_id=row.execution_id,
            parent=parent,
        )
        run.events, run.texts, run.stored = [], [], 0
        for event in (self.event(Kind.ORCHESTRATOR_STARTED), started, *outcome.carried):
            run.append(event)
        run.append(self.event(Kind.ORCHESTRATOR_COMPLETED))

    def _commit(self, run: _Run, messages: Sequence[Message], effects: _Effects, *, rewritten: bool) -> None:
        row = run.row
        wakes: list[tuple[str, float]] = []
        with self.store.transaction():
            self.store.delete_messages([m.seq for m in messages])
            if row.ended:
                self.store.clear_inbox(row.instance_id)
            if rewritten:
                self.store.replace_history(row.instance_id, run.texts)
            else:
                self.store.append_history(row.instance_id, run.stored, run.texts[run.stored :])
            run.stored = len(run.texts)
            self.store.save_instance(row)
            work = [self.store.put_work(item) for item in effects.work]
            if not row.ended:
                for event, due in effects.timers:
                    text = protocol.event_to_text(event)
                    self.store.put_message(row.instance_id, row.execution_id, text, due)
                    wakes.append((row.instance_id, due))
            wakes += [(str(child.instance_id), self.create(child)) for child in effects.children]
            if effects.to_parent is not None:
                parent = _started(run.events).parent
                assert parent is not None
                at = self.send(parent.instance_id, effects.to_parent, execution_id=parent.execution_id)
                wakes.append((parent.instance_id, at))
        if not row.ended:
            self._cache[row.instance_id] = run
        for item in work:
            self._dispatch(item)
        for instance_id, at in wakes:
            self.wake_at(instance_id, at)

    # --- activities ---

    def _dispatch(self, work: Work) -> None:
        if not self._stopping:
            self._spawn(self._activity(work))

    async def _activity(self, work: Work) -> None:
        delay = self.clock.real_until(work.visible_at)
        if delay:
            await asyncio.sleep(delay)
        async with self._activity_slots:
            if self._stopping:
                return
            began = time.perf_counter()
            event = await self._run_activity(work)
            self._console.activity(work.name, work.instance_id, time.perf_counter() - began, event.reason)
        with self.store.transaction():
            if not self.store.take_work(work.seq):
                return
            at = self.send(work.instance_id, event, execution_id=work.execution_id)
        self.wake_at(work.instance_id, at)

    async def _run_activity(self, work: Work) -> Event:
        try:
            result = await self._functions.run_activity(work.name, work.input, work.instance_id)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - an activity's exception is a result
            message = f" {type(error).__name__}: {error}"
            self._console.error(f"activity '{work.name}' of '{work.instance_id}' raised", error)
            return self.event(
                Kind.TASK_FAILED,
                task_id=work.task_id,
                reason=f"Activity function '{work.name}' failed: {message}",
                details=protocol.failure_details(message),
            )
        return self.event(Kind.TASK_COMPLETED, task_id=work.task_id, result=protocol.normalise_text(result))


def _started(events: Sequence[Event]) -> Event:
    return next(e for e in events if e.kind is Kind.EXECUTION_STARTED)
