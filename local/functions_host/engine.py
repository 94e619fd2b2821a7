"""The orchestration engine: gets messages to instances, activities run and timers fired.

One episode at a time per instance (`episode`). Everything an episode leads to is written in one transaction; only
then is new work dispatched. Nothing that matters lives in memory alone: what was not committed happens again, from
the database.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from local.functions_host import protocol
from local.functions_host.clock import Clock
from local.functions_host.console import Console
from local.functions_host.episode import DisabledActivityError, Effects, EngineOptions, Episodes, Functions, Run
from local.functions_host.hooks import Fate, Hooks
from local.functions_host.protocol import Event, Kind
from local.functions_host.store import Instance, Message, Store, Work
from local.functions_host.tracing import Trace, traced_by

# After an error of the host itself, a full disk for one.
RETRY_SECONDS = 5.0
# How long a purge waits for others before the files are written anew, which takes as long as the state is large.
COMPACT_SECONDS = 0.5
# Histories kept in memory; others are read again when something happens to them.
CACHED_INSTANCES = 1000


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
        observe: Callable[[Effects], None] = lambda _: None,
    ) -> None:
        """Prepare; `start` begins to work. `observe` is shown every episode that was written."""
        self.store = store
        self.clock = clock
        self.options = options
        self.hooks = hooks
        self._observe = observe
        self._functions = functions
        self._console = console
        self._episodes = Episodes(functions, clock, console, options, hooks)
        self.event = self._episodes.event
        self._orchestrator_slots = asyncio.Semaphore(options.max_orchestrators)
        self._activity_slots = asyncio.Semaphore(options.max_activities)
        self._cache: dict[str, Run] = {}
        self._driving: set[str] = set()
        self._again: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._alarms: dict[str, tuple[float, asyncio.TimerHandle]] = {}  # one per instance, for its next message
        self._running: Counter[str] = Counter()  # activities under way, by instance
        self._under_way: set[int] = set()  # their work, by number
        self._held: dict[str, list[int]] = {}  # terminations that wait for such an activity
        self._stopping = False
        self._compaction: asyncio.TimerHandle | None = None

    # --- life ---

    def start(self) -> None:
        """Take up what the database holds: messages, timers and activities that have not ended."""
        waiting = self.store.pending_instances()
        for instance_id, visible_at in waiting:
            self.wake_at(instance_id, visible_at)
        work = self.store.all_work()
        for item in work:
            self._dispatch(item)
        if waiting or work:
            instances = len({instance_id for instance_id, _ in waiting})
            self._console.info(f"resumed from the database: {instances} waiting instances, {len(work)} activities")
        self.compact_soon()  # a kill may have come between a purge and this

    async def stop(self, grace: float) -> None:
        """Let running episodes and activities end for `grace` real seconds; the rest runs again at next start."""
        self._stopping = True
        for _, alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=grace)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if self._compaction is not None:
            self._compaction.cancel()
        self._compact()

    def compact_soon(self) -> None:
        """Have what was purged leave the files, together with what else is purged meanwhile."""
        if self._compaction is None and not self._stopping:
            self._compaction = asyncio.get_running_loop().call_later(COMPACT_SECONDS, self._compact)

    def _compact(self) -> None:
        self._compaction = None
        if self.store.is_compact:
            return
        try:
            self.store.compact()
        except sqlite3.Error as error:
            self._console.error("what was purged is still in the state's files, until the next purge or start", error)

    def wake_at(self, instance_id: str, visible_at: float) -> None:
        """Look at the inbox of an instance once the clock shows `visible_at`."""
        delay = self.clock.real_until(visible_at)
        if delay <= 0 or self._stopping:
            self.wake(instance_id)
            return
        set_for, alarm = self._alarms.get(instance_id, (math.inf, None))
        if set_for <= visible_at:
            return  # it looks for what comes after when it has rung

        def ring() -> None:
            del self._alarms[instance_id]
            self.wake_at(instance_id, visible_at)  # the loop may ring a little early: then once more

        if alarm is not None:
            alarm.cancel()
        self._alarms[instance_id] = visible_at, asyncio.get_running_loop().call_later(delay, ring)

    def wake(self, instance_id: str) -> None:
        """Run episodes of an instance until its inbox is empty."""
        if self._stopping:
            return
        if instance_id in self._driving:
            self._again.add(instance_id)
            return
        self._driving.add(instance_id)
        self._spawn(self._drive(instance_id))

    def revive(self, instance_id: str) -> None:
        """Go on with an instance that has been rewound: what was in flight comes back after a while."""
        for work in self.store.work_of(instance_id):
            if work.seq not in self._under_way:
                delay = self.clock.real_seconds(RETRY_SECONDS)
                asyncio.get_running_loop().call_later(delay, self._dispatch, work)
        self.wake(instance_id)

    def forget(self, instance_id: str) -> None:
        """Drop what is remembered of an instance whose rows were changed from outside."""
        self._cache.pop(instance_id, None)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- messages ---

    def send(self, instance_id: str, event: Event, *, execution_id: str | None = None) -> float:
        """Put a message into an inbox, inside the caller's transaction; returns when it becomes visible."""
        visible_at = self.clock.timestamp() + self.hooks.message_delay(event)
        self.store.put_message(instance_id, execution_id, protocol.event_to_text(event), visible_at)
        return visible_at

    def send_termination(self, row: Instance, event: Event) -> float:
        """Send a termination, like `send`. One that an activity of the instance asks for may have to wait."""
        if not self._running[row.instance_id] or not self.hooks.holds_termination(row):
            return self.send(row.instance_id, event)
        at = self.clock.timestamp() + RETRY_SECONDS  # for the case that the activity never ends
        seq = self.store.put_message(row.instance_id, None, protocol.event_to_text(event), at)
        self._held.setdefault(row.instance_id, []).append(seq)
        return at

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
                parent_id=started.parent.instance_id if started.parent else None,
            )
        )
        return self.send(started.instance_id, started, execution_id=started.execution_id)

    # --- episodes ---

    async def _drive(self, instance_id: str) -> None:
        due: float | None = None
        try:
            while not self._stopping:
                self._again.discard(instance_id)
                async with self._orchestrator_slots:
                    looked_at = self.clock.timestamp()
                    worked = await self._episode(instance_id, looked_at)
                if not worked and instance_id not in self._again:
                    # What comes after the very moment of the last look: nothing falls between the two.
                    due = self.store.next_message(instance_id, looked_at)
                    break
        except Exception as error:  # noqa: BLE001 - a bug of the host must not take the other instances along
            self.forget(instance_id)
            self._console.error(f"the episode of '{instance_id}' failed in the host, it is tried again", error)
            due = self.clock.timestamp() + RETRY_SECONDS
        finally:
            self._driving.discard(instance_id)
        if due is not None:
            self.wake_at(instance_id, due)

    def _load(self, instance_id: str) -> Run | None:
        run = self._cache.get(instance_id)
        if run is None:
            row = self.store.instance(instance_id)
            if row is None:
                return None
            texts = self.store.history(instance_id)
            run = Run(row, [protocol.event_from_text(t) for t in texts], texts, len(texts))
            self._remember(run)
        return run

    def _remember(self, run: Run) -> None:
        self._cache[run.row.instance_id] = run
        if len(self._cache) > CACHED_INSTANCES:
            del self._cache[next(iter(self._cache))]

    async def _episode(self, instance_id: str, now: float) -> bool:
        """Run one episode on what is visible `now`; False where there was nothing to do."""
        messages = self.store.due_messages(instance_id, now)
        if not messages:
            return False
        run = self._load(instance_id)
        events = _fresh(run, messages)
        if run is None or not events:
            self.forget(instance_id)
            with self.store.transaction():
                self.store.delete_messages([m.seq for m in messages])
            return True
        if not run.events and events[0].kind is not Kind.EXECUTION_STARTED:
            return False  # the start itself is still under way; what came early waits for it
        versions = self.options.versions
        if versions.rejects and not versions.fits(run.row.version):
            self._console.warn(
                f"instance '{instance_id}' has version '{run.row.version}', which does not fit this host's "
                f"'{versions.current}' ({versions.match}): it waits for a host that fits"
            )
            return False
        self.forget(instance_id)  # a failure anywhere below leaves the database as the only truth
        began = time.perf_counter()
        execution_id = run.row.execution_id
        effects = await self._episodes.run(run, events)
        current = self.store.instance(instance_id)
        if current is None or current.execution_id != execution_id:
            return True  # replaced or purged meanwhile: this episode never was
        self._commit(run, messages, effects)
        self._console.episode(run.row, time.perf_counter() - began)
        self._observe(effects)
        return True

    def _commit(self, run: Run, messages: Sequence[Message], effects: Effects) -> None:
        row = run.row
        wakes: list[tuple[str, float]] = []
        with self.store.transaction():
            self.store.delete_messages([m.seq for m in messages])
            if effects.rewritten:
                self.store.replace_history(row.instance_id, run.texts)
            else:
                self.store.append_history(row.instance_id, run.stored, run.texts[run.stored :])
            self.store.save_instance(row)
            work = [self.store.put_work(item) for item in effects.work]
            if row.ended and row.status != "Failed":
                self.store.clear_inbox(row.instance_id)  # of a failed one a rewind may need what is not due yet
            elif not row.ended:
                for event, due in effects.timers:
                    text = protocol.event_to_text(event)
                    self.store.put_message(row.instance_id, row.execution_id, text, due)
                    wakes.append((row.instance_id, due))
            wakes += [(str(child.instance_id), self.create(child)) for child in effects.children]
            if effects.to_parent is not None:
                parent = run.started.parent
                assert parent is not None
                at = self.send(parent.instance_id, effects.to_parent, execution_id=parent.execution_id)
                wakes.append((parent.instance_id, at))
        if not row.ended:
            run.stored = len(run.texts)
            self._remember(run)
        self.hooks.committed()
        for item in work:
            self._dispatch(item)
        for instance_id, at in wakes:
            self.wake_at(instance_id, at)

    # --- activities ---

    def _dispatch(self, work: Work) -> None:
        if not self._stopping:
            self._spawn(self._activity(work))

    async def _activity(self, work: Work) -> None:
        try:
            await self._run_work(work)
        except Exception as error:  # noqa: BLE001 - a bug of the host: the activity is still in the database
            self._console.error(f"activity '{work.name}' failed in the host, it is run again", error)
            await asyncio.sleep(self.clock.real_seconds(RETRY_SECONDS))
            self._dispatch(work)

    async def _run_work(self, work: Work) -> None:
        async with self._activity_slots:
            if self._stopping:
                return
            began = time.perf_counter()
            self._running[work.instance_id] += 1
            self._under_way.add(work.seq)
            try:
                event = await self._meet_fate(work)
            finally:
                self._under_way.discard(work.seq)
                self._running[work.instance_id] -= 1
                if not self._running[work.instance_id]:
                    del self._running[work.instance_id]
            self._console.activity(work.name, work.instance_id, time.perf_counter() - began, event.reason)
        with self.store.transaction():
            row = self.store.instance(work.instance_id)
            if row is not None and row.status == "Failed":
                return  # it failed with this in flight: a rewind finds it here
            if not self.store.take_work(work.seq):
                return  # the instance was purged or replaced meanwhile
            at = self.send(work.instance_id, event, execution_id=work.execution_id)
            self.store.hasten(self._held.pop(work.instance_id, ()), at)
        self.hooks.committed()
        self.wake_at(work.instance_id, at)

    async def _meet_fate(self, work: Work) -> Event:
        fate = self.hooks.activity_fate(work)
        if fate is Fate.WORKER_DIES_BEFORE:
            return self._failed(work, protocol.DEAD_WORKER)
        event = await self._run_activity(work)
        if fate is Fate.WORKER_DIES_AFTER:
            return self._failed(work, protocol.DEAD_WORKER)
        return await self._run_activity(work) if fate is Fate.RUNS_TWICE else event

    def _failed(self, work: Work, message: str) -> Event:
        return self.event(
            Kind.TASK_FAILED,
            task_id=work.task_id,
            reason=f"Activity function '{work.name}' failed: {message}",
            details=protocol.failure_details(message),
        )

    async def _run_activity(self, work: Work) -> Event:
        try:
            result = await self._functions.run_activity(work.name, work.input, self._trace_of(work.instance_id))
        except DisabledActivityError as error:
            return self._failed(work, str(error))
        except Exception as error:  # noqa: BLE001 - an activity's exception is a result
            self._console.error(f"activity '{work.name}' of '{work.instance_id}' raised", error)
            return self._failed(work, f"{type(error).__name__}: {error}")
        return self.event(Kind.TASK_COMPLETED, task_id=work.task_id, result=protocol.normalise_text(result))

    def _trace_of(self, instance_id: str) -> Trace | None:
        """A span of the instance's trace, None where nothing is traced."""
        text = self.store.started(instance_id) if self.options.traces else None
        parent = protocol.event_from_text(text) if text else None
        return traced_by(parent.trace_parent, parent.trace_state) if parent and parent.trace_parent else None


def _fresh(run: Run | None, messages: Sequence[Message]) -> list[Event]:
    """The events for the present generation, its start first; an ended instance takes none, as on the platform."""
    if run is None or run.row.ended:
        return []
    fresh = [m for m in messages if m.execution_id in (None, run.row.execution_id)]
    events = [protocol.event_from_text(m.event) for m in fresh]
    return sorted(events, key=lambda e: e.kind is not Kind.EXECUTION_STARTED)
