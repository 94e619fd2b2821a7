"""The orchestrator's only access to Durable Functions: calls with retries, waits, and what may interrupt them.

What the platform demands (durable-protocol.md, rules 1 to 5), kept in this one place:
- the `cancel` waiter is created first thing and raced in every wait; it is looked at before every further step;
- the losing timer of a race is cancelled, or the instance could not end;
- every delay is k + 0.5 seconds, and a timer that fired is taken as due;
- a generation ends only right after a timer fired, never in an episode in which an event won a race;
- every question is asked under a fresh event name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from app_log import log_event
from contracts.activities import ActivityResult, Failure
from contracts.durable import CANCEL_EVENT, tool_outputs_event
from contracts.wire import Wire, from_wire, to_wire
from orchestrators.poll_schedule import within_deadline
from orchestrators.progress import Progress
from orchestrators.retry_policy import failure_of_exception, retry_delay

_log = logging.getLogger("agent_run.orchestrator")

V = TypeVar("V")
Step = Generator[Any, Any, V]
"""A part of the orchestrator: yields Durable tasks, returns a value."""

TIMERS_PER_GENERATION = 8
"""Replay costs grow with the square of the history, so it starts anew after this many timers. Fewer would cost more
transactions than they save processor time (benchmarks/README.md, `replay_cost`).
"""


class CancelRequested(Exception):  # noqa: N818 - a signal, not an error
    """Somebody raised the event `cancel`."""


class DeadlinePassed(Exception):  # noqa: N818
    """The orchestration's time is over."""


class GenerationFull(Exception):  # noqa: N818
    """The history is long enough: continue as new."""


class StepFailed(Exception):  # noqa: N818
    """A step failed for good."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Steps:
    """One generation's access to the Durable context."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._cancel = context.wait_for_external_event(CANCEL_EVENT)
        self._cancel_is_raced = False
        self._question: tuple[int, Any] = (0, None)
        self._timers = 0
        self._calls: list[Any] = []
        self._interruptible = True

    @property
    def now(self) -> datetime:
        """The time of this episode, UTC."""
        moment: datetime = self._context.current_utc_datetime
        return moment

    @property
    def instance_id(self) -> str:
        """The instance that runs this code, which may be a restarted copy of the one that began the progress."""
        return str(self._context.instance_id)

    def only_finish(self) -> None:
        """From here on neither a cancel nor the length of the history interrupts: the orchestration is about to end."""
        self._interruptible = False

    def call(
        self,
        activity: str,
        make: Callable[[], Wire],
        kind: type[V],
        progress: Progress,
        reconsider: Callable[[Failure], Step[bool]] | None = None,
    ) -> Step[V]:
        """Call the activity until it succeeds, each time with what `make` returns; return its value.

        `reconsider` looks into a failure, and says whether to try again at once.

        Raises `StepFailed` where trying again is no use, and `DeadlinePassed`, `CancelRequested` or `GenerationFull`
        between two attempts; `progress` lets the next generation go on counting.
        """
        while True:
            self._heed_cancel()
            self._heed_deadline(progress)
            result = yield from self.attempt(activity, make(), kind)
            failure = result.failure
            progress.count(failure)
            if failure is None:
                return cast("V", result.value)
            if reconsider is not None and (yield from reconsider(failure)):
                continue
            delay = retry_delay(activity, failure, progress.failed_attempts, wait_if_busy=progress.wait_if_busy)
            if delay is None:
                raise StepFailed(failure)
            self.show(progress)
            yield from self.sleep(delay, progress)

    def attempt(self, activity: str, message: Wire, kind: type[V]) -> Step[ActivityResult[V]]:
        """Call the activity once; return its value or its failure."""
        task = self._context.call_activity(activity, to_wire(message))
        self._calls.append(task)
        if not self._cancel_is_raced:
            # The SDK knows a waiter only once it has been yielded, so the first call of a generation is a race too.
            self._cancel_is_raced = True
            yield self._context.task_any([task, self._cancel])
        try:
            wire = yield task
        except Exception as error:  # noqa: BLE001 - the SDK raises bare exceptions, only their text tells them apart
            return ActivityResult(failure=failure_of_exception(str(error)))
        return from_wire(ActivityResult[kind], wire)  # type: ignore[valid-type]

    def sleep(self, seconds: float, progress: Progress) -> Step[None]:
        """Wait `seconds`, or until the deadline, a cancel, or the answer to the open question, whichever comes first.

        An answer goes into the progress at once, so that it outlives this generation. A timer that the deadline has
        cut ends in `DeadlinePassed`: what was waited for is not there. While the orchestration ends there is one last
        try.
        """
        delay = within_deadline(seconds, (progress.deadline - self.now).total_seconds())
        if delay is None:
            raise DeadlinePassed
        timer = self._context.create_timer(self.now + timedelta(seconds=delay))
        self._timers += 1
        if not self._interruptible:
            yield timer
            return
        question = progress.open_question()
        answer = self._waiter(question) if question is not None else None
        self._cancel_is_raced = True
        yield self._context.task_any([timer, self._cancel] + ([answer] if answer is not None else []))
        if not timer.is_completed:
            timer.cancel()
        self._heed_cancel()
        if delay < seconds and timer.is_completed:
            raise DeadlinePassed
        if answer is not None and answer.is_completed:
            progress.accept(answer.result)
            self.show(progress)  # the caller waits to see it
        elif self._timers >= TIMERS_PER_GENERATION:
            raise GenerationFull

    def show(self, progress: Progress) -> None:
        """Make the progress the custom status."""
        self._context.set_custom_status(progress.custom_status())

    def leave_out_inputs(self) -> None:
        """Take what the activities were given out of what the SDK reports.

        Where an orchestrator fails, the SDK puts all of that into the exception's text, which the host logs: prompts
        and tool outputs, too. The platform compares names, not inputs (durable-protocol.md, rule 20).
        """
        for task in self._calls:
            task.action_repr.input_ = '"left out"'

    def log(self, event: str, **fields: Any) -> None:
        """Log an event once, not in every replay."""
        if not self._context.is_replaying:
            log_event(_log, event, **fields)

    def wait_for_ever(self) -> Step[None]:
        """Wait for an event that never comes."""
        yield self._context.wait_for_external_event("never")

    def _waiter(self, question: int) -> Any:
        """Return this generation's one waiter for the answer to the question."""
        if self._question[0] != question:
            self._question = (question, self._context.wait_for_external_event(tool_outputs_event(question)))
        return self._question[1]

    def _heed_deadline(self, progress: Progress) -> None:
        """Nothing is created, asked or passed on any more; an instance may have been suspended for long, say."""
        if self._interruptible and self.now >= progress.deadline:
            raise DeadlinePassed

    def _heed_cancel(self) -> None:
        if self._interruptible and self._cancel.is_completed:
            raise CancelRequested
