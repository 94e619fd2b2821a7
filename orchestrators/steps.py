"""An orchestrator's only access to Durable Functions: calls with retries, waits, and what may interrupt them.

Any orchestrator may take its steps here: it hands in its `Course`, which says until when, and what is to be made of a
failure, an answer, and the progress.

What the platform demands (durable-protocol.md, rules 1 to 5), kept in this one place:
- the `cancel` waiter is created first thing and raced in every wait; it is looked at before every further step;
- the losing timer of a race is cancelled, or the instance could not end;
- every delay is k + 0.5 seconds, and a timer that fired is taken as due;
- a generation ends only right after a timer fired, never in an episode in which an event won a race;
- an activity that watches a run, or stays until its turn comes, is raced with the cancel too; the platform ends no
  instance and no generation while an activity is open, so one that a cancel has interrupted is waited for at the end
  (and a cancelled one never renews);
- every question is asked under a fresh event name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

from app_log import log_event
from contracts.activities import ActivityResult, Failure, OnThread
from contracts.durable import CANCEL_EVENT, OLDER_VERSION
from contracts.wire import Wire, from_wire, to_wire
from look_schedule import within_deadline
from orchestrators.retry_policy import failure_of_exception
from trace_context import read_trace

_log = logging.getLogger("agent_run.orchestrator")

V = TypeVar("V")
Step = Generator[Any, Any, V]
"""A part of an orchestrator: yields Durable tasks, returns a value."""

TIMERS_PER_GENERATION = 8
"""Replay costs grow with the square of the history, so it starts anew after this many timers. Fewer would cost more
transactions than they save processor time (benchmarks/README.md, `replay_cost`).
"""


RACE_SECONDS = 330.5
"""A timer stands in every race but the first of a generation, in which the waiter for the cancel is fresh: or the
extension would not see the cancel win (durable-protocol.md, rule 21). It is longer than an activity may take
(`functionTimeout` in host.json), and most instances.
"""


class CancelRequested(Exception):  # noqa: N818 - a signal, not an error
    """Somebody raised the event `cancel`; `payload` is what it brought."""

    def __init__(self, payload: Any) -> None:
        super().__init__("cancel")
        self.payload = payload


class DeadlinePassed(Exception):  # noqa: N818
    """The orchestration's time is over."""


class GenerationFull(Exception):  # noqa: N818
    """The history is long enough: continue as new."""


class StepFailed(Exception):  # noqa: N818
    """A step failed for good."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True)
class Interrupted:
    """An activity whose end nobody waited for: its name, and its result as JSON, null where it has failed."""

    activity: str
    result: Any

    def value_of(self, activity: str, kind: type[V]) -> V | None:
        """Return what it has returned, if it is that activity, and has succeeded."""
        if activity != self.activity or self.result is None:
            return None
        return from_wire(ActivityResult[kind], self.result).value  # type: ignore[valid-type]


class Course(Protocol):
    """What the steps ask the orchestration that takes them. Everything that must outlive a generation is its own."""

    @property
    def deadline(self) -> datetime:
        """Until when it may go on, UTC."""
        ...

    @property
    def awaited_event(self) -> str | None:
        """The external event that answers what it asks now, if it asks anything."""
        ...

    def accept(self, payload: Any) -> None:
        """Keep what that event brought."""
        ...

    def delay_after(self, activity: str, failure: Failure | None, now: datetime) -> float | None:
        """Count the attempt (None: it succeeded); return the seconds before another one, None where that is no use."""
        ...

    def custom_status(self) -> Wire:
        """Return what it shows of itself."""
        ...


class Steps:
    """One generation's access to the Durable context."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._cancel = context.wait_for_external_event(CANCEL_EVENT)
        self._cancel_is_raced = False
        self._awaited: tuple[str | None, Any] = (None, None)
        self._timers = 0
        self._calls: list[Any] = []
        self._interrupted: tuple[str, Any] | None = None
        self._interruptible = True
        self.trace_id = _trace_id(context)
        """The id of the trace that the instance belongs to, if the platform names it; every log event has it."""

    # --- the instance ---

    @property
    def now(self) -> datetime:
        """The time of this episode, UTC."""
        moment: datetime = self._context.current_utc_datetime
        return moment

    @property
    def instance_id(self) -> str:
        """The instance that runs this code, which may be a restarted copy of the one that began the progress."""
        return str(self._context.instance_id)

    @property
    def given(self) -> Any:
        """The input of this generation."""
        return self._context.get_input()

    @property
    def history(self) -> Sequence[Any]:
        """The platform's events of this generation: all of them, so only its end is the same in every replay."""
        events: Sequence[Any] = self._context.histories
        return events

    @property
    def began_before_1_1(self) -> bool:
        """Whether the history is one of the code that started a run by an activity of its own, always."""
        return bool(self._context.version == OLDER_VERSION)

    def new_id(self) -> str:
        """Return an id that no other execution has; the same in every replay."""
        return str(self._context.new_uuid())

    # --- calls and waits ---

    def only_finish(self) -> None:
        """From here on neither a cancel nor the length of the history interrupts: the orchestration is about to end."""
        self._interruptible = False

    def call(
        self,
        activity: str,
        make: Callable[[], Wire],
        kind: type[V],
        course: Course,
        attempted: ActivityResult[V] | None = None,
    ) -> Step[V]:
        """Call the activity until it succeeds, each time with what `make` returns; return its value. `attempted`: what
        came of the first attempt, where another activity has made it.

        Raises `StepFailed` where trying again is no use, and `DeadlinePassed`, `CancelRequested` or `GenerationFull`
        between two attempts; the course lets the next generation go on counting.
        """
        while True:
            if attempted is None:
                self._heed_cancel()
                self._heed_deadline(course)
                attempted = yield from self.attempt(activity, make(), kind)
            result, attempted = attempted, None
            failure = result.failure
            delay = course.delay_after(activity, failure, self.now)
            if failure is None:
                return cast("V", result.value)
            if delay is None:
                raise StepFailed(failure)
            self.show(course.custom_status())
            yield from self.sleep(delay, course)

    def attempt(self, activity: str, message: Wire, kind: type[V]) -> Step[ActivityResult[V]]:
        """Call the activity once; return its value or its failure."""
        task = self._context.call_activity(activity, to_wire(message))
        self._calls.append(task)
        if self._interruptible and isinstance(message, OnThread) and message.watches:
            yield from self._race(activity, task)
        elif not self._cancel_is_raced:
            # The SDK knows a waiter only once it has been yielded, so the first call of a generation is a race too.
            self._cancel_is_raced = True
            yield self._context.task_any([task, self._cancel])
        try:
            wire = yield task
        except Exception as error:  # noqa: BLE001 - the SDK raises bare exceptions, only their text tells them apart
            return ActivityResult(failure=failure_of_exception(str(error)))
        return from_wire(ActivityResult[kind], wire)  # type: ignore[valid-type]

    def _race(self, activity: str, task: Any) -> Step[None]:
        """Wait for the task, or raise `CancelRequested`: then the task goes on, and what it returns is ignored."""
        is_first, self._cancel_is_raced = not self._cancel_is_raced, True
        if is_first and not self.began_before_1_1:
            yield self._context.task_any([task, self._cancel])
        while not task.is_completed and not self._cancel.is_completed:
            timer = self._context.create_timer(self.now + timedelta(seconds=RACE_SECONDS))
            yield self._context.task_any([task, self._cancel, timer])
            if not timer.is_completed:
                timer.cancel()
        if not task.is_completed:
            self._interrupted = activity, task
            self._heed_cancel()

    @property
    def has_interrupted(self) -> bool:
        """Whether there is an activity that a cancel has interrupted, and whose end nobody has waited for."""
        return self._interrupted is not None

    def wait_for_interrupted(self) -> Step[Interrupted | None]:
        """Wait for the end of the activity that a cancel has interrupted; return it, None where there is none."""
        interrupted, self._interrupted = self._interrupted, None
        if interrupted is None:
            return None
        activity, task = interrupted
        result = None
        with suppress(Exception):  # its worker has died, say: whatever it did is looked for by its stamp
            result = yield task
        return Interrupted(activity, result)

    def sleep(self, seconds: float, course: Course) -> Step[None]:
        """Wait `seconds`, or until the deadline, a cancel, or the awaited event, whichever comes first.

        What the event brought goes into the course at once, so that it outlives this generation. A timer that the
        deadline has cut ends in `DeadlinePassed`: what was waited for is not there. While the orchestration ends there
        is one last try.
        """
        delay = within_deadline(seconds, (course.deadline - self.now).total_seconds())
        if delay is None:
            raise DeadlinePassed
        timer = self._context.create_timer(self.now + timedelta(seconds=delay))
        self._timers += 1
        if not self._interruptible:
            yield timer
            return
        event = course.awaited_event
        answer = self._waiter(event) if event is not None else None
        self._cancel_is_raced = True
        yield self._context.task_any([timer, self._cancel] + ([answer] if answer is not None else []))
        if not timer.is_completed:
            timer.cancel()
        self._heed_cancel()
        if delay < seconds and timer.is_completed:
            raise DeadlinePassed
        if answer is not None and answer.is_completed:
            course.accept(answer.result)
            self.show(course.custom_status())  # the caller waits to see it
        elif self._timers >= TIMERS_PER_GENERATION:
            raise GenerationFull

    def wait_for_ever(self) -> Step[None]:
        """Wait for an event that never comes."""
        yield self._context.wait_for_external_event("never")

    def continue_as_new(self, given: Any) -> None:
        """End this generation; the next one begins with this input."""
        self._context.continue_as_new(given)

    def _waiter(self, event: str) -> Any:
        """Return this generation's one waiter for the event."""
        if self._awaited[0] != event:
            self._awaited = (event, self._context.wait_for_external_event(event))
        return self._awaited[1]

    def _heed_deadline(self, course: Course) -> None:
        """Nothing is created, asked or passed on any more; an instance may have been suspended for long, say."""
        if self._interruptible and self.now >= course.deadline:
            raise DeadlinePassed

    def _heed_cancel(self) -> None:
        if self._interruptible and self._cancel.is_completed:
            raise CancelRequested(self._cancel.result)

    # --- what others see ---

    def show(self, status: Wire) -> None:
        """Make this the custom status."""
        self._context.set_custom_status(to_wire(status))

    def log(self, event: str, **fields: Any) -> None:
        """Log an event once, not in every replay."""
        if not self._context.is_replaying:
            log_event(_log, event, **(fields | ({"trace_id": self.trace_id} if self.trace_id else {})))

    def leave_out_inputs(self) -> None:
        """Take what the activities were given out of what the SDK reports.

        Where an orchestrator fails, the SDK puts all of that into the exception's text, which the host logs: prompts
        and tool outputs, too. The platform compares names, not inputs (durable-protocol.md, rule 20).
        """
        for task in self._calls:
            task.action_repr.input_ = '"left out"'


def _trace_id(context: Any) -> str | None:
    """Return the id of the trace in which this generation was started (durable-protocol.md, section 10)."""
    for event in context.histories[:2]:  # the episode's own start, and that of the generation
        named = getattr(event, "ParentTraceContext", None)
        if isinstance(named, dict) and (trace := read_trace(named.get("TraceParent"))) is not None:
            return trace.trace_id
    return None
