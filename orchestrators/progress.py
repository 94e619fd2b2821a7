"""What one orchestration knows so far. It survives continue-as-new, so every step can be resumed from it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from contracts.activities import Failure
from contracts.formats import Id, Utc
from contracts.request import AgentRunRequest, RunOptions, RunPolicy
from contracts.runs import RunSnapshot, RunState, Stamp, Tokens, composite_run_id
from contracts.status import CustomStatus, Status
from orchestrators.attempts import Attempts
from orchestrators.question import Question
from orchestrators.retry_policy import retry_delay
from orchestrators.shown_status import shown_error, with_question


class Progress(msgspec.Struct, kw_only=True):
    """Mutable state of an orchestration, and its `Course`; a field may be added with a default, never renamed or
    removed.
    """

    instance_id: Annotated[str, Meta(max_length=512)]
    operation_id: Annotated[str, Meta(max_length=128)]
    """Tells this execution from another one of the same instance id (a restarted instance, say)."""
    policy: RunPolicy
    options: RunOptions
    metadata: dict[str, str]
    started: Utc
    deadline: Utc
    message: str | None
    """The user's message, until it is posted."""
    wait_if_busy: bool = True
    status: Status = "Running"
    step: Annotated[str, Meta(max_length=64)] = "validate_input"
    failure: Failure | None = None
    """What went wrong, once the orchestration ends for it."""
    attempts: Attempts = msgspec.field(default_factory=Attempts)
    checks_answer: bool = False
    """The thread is not ours alone: see whether the run has answered our message."""
    thread_id: Id | None = None
    run_requested: bool = False
    """A run may exist although `run_id` is not known: the answer to its creation may have been lost."""
    run_id: Id | None = None
    run_number: int = 0
    """Runs that failed for lack of quota before this one."""
    run_requested_at: Utc | None = None
    run_state: RunState | None = None
    run_status: Annotated[str, Meta(max_length=64)] | None = None
    tokens: Tokens | None = None
    polls: int = 0
    question: Question = msgspec.field(default_factory=Question)

    # --- stamps ---

    def thread_stamp(self) -> Stamp:
        """Return the stamp of the thread that this instance creates."""
        return self._stamp("thread")

    def message_stamp(self) -> Stamp:
        """Return the stamp of the message."""
        return self._stamp("message")

    def run_stamp(self) -> Stamp:
        """Return the stamp of the present run."""
        return self._stamp(f"run-{self.run_number}")

    def _stamp(self, operation: str) -> Stamp:
        return Stamp(instance_id=self.instance_id[:512], operation_id=f"{self.operation_id}:{operation}")

    # --- what happened ---

    def saw(self, run: RunSnapshot) -> None:
        """Take over what a look at the run showed."""
        self.run_id, self.run_state, self.run_status = run.run_id, run.state, run.raw_status
        self.tokens = run.tokens or self.tokens
        self.question.saw(run)

    def next_run(self) -> None:
        """Forget the present run; the next one has a stamp of its own."""
        self.run_number += 1
        self.run_requested, self.run_id, self.run_requested_at = False, None, None
        self.run_state = self.run_status = None

    def run_age(self, now: datetime) -> float:
        """Return how many seconds ago the run was asked for."""
        return (now - (self.run_requested_at or now)).total_seconds()

    # --- what the steps ask: `steps.Course` ---

    @property
    def awaited_event(self) -> str | None:
        """The event that answers the open question."""
        return self.question.event

    def accept(self, payload: Any) -> None:
        """Hold it as the answer to the open question."""
        self.question.accept(payload)

    def delay_after(self, activity: str, failure: Failure | None) -> float | None:
        """Count the attempt; return the seconds before another one, None where that is no use."""
        self.attempts.count(failure)
        if failure is None:
            return None
        return retry_delay(activity, failure, self.attempts.failed, wait_if_busy=self.wait_if_busy)

    def custom_status(self) -> CustomStatus:
        """Return the custom status: all that a later look at a failed run needs."""
        both = self.thread_id is not None and self.run_id is not None
        status = CustomStatus(
            status=self.status,
            step=self.step,
            agent_id=self.policy.agent_id,
            thread_id=self.thread_id,
            run_id=self.run_id,
            run_requested=self.run_requested,
            composite_run_id=composite_run_id(self.thread_id or "", self.run_id or "") if both else None,
            run_status=self.run_status,
            run_state=self.run_state,
            polls=self.polls,
            answered=self.question.answered,
            answer_taken=self.question.accepted,
            retrying=self.attempts.last.code if self.attempts.last else None,
            error=shown_error(self.failure) if self.failure else None,
            monitor_url=self.policy.monitor_url,
        )
        return status if self.failure else with_question(status, self.question)


def begin(
    request: AgentRunRequest, policy: RunPolicy, *, instance_id: str, operation_id: str, now: datetime
) -> Progress:
    """Return the progress of an orchestration that starts now. The deadline is fixed here, once."""
    return Progress(
        instance_id=instance_id,
        operation_id=operation_id,
        policy=policy,
        options=request.run_options,
        metadata=dict(request.metadata),
        started=now,
        deadline=now + timedelta(seconds=policy.timeout_seconds),
        message=request.user_message,
        thread_id=request.thread_id,
        checks_answer=request.thread_id is not None,
        wait_if_busy=request.if_thread_busy == "wait",
    )
