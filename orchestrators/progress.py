"""What one orchestration knows so far. It survives continue-as-new, so every step can be resumed from it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.activities import Failure
from contracts.codes import ErrorCode
from contracts.formats import Id, Utc
from contracts.generations import CAPABILITIES, Capabilities
from contracts.messages import UserMessage
from contracts.past import Past
from contracts.request import AgentRunRequest, IfThreadBusy, RunOptions, RunPolicy
from contracts.runs import Effect, PostedMessage, RunSnapshot, RunState, Stamp, Tokens, composite_run_id
from contracts.status import CustomStatus, Status, WaitingFor
from orchestrators.attempts import LEAVES_DOUBT, Attempts, may_be_of_a_repetition
from orchestrators.question import Question, Stage
from orchestrators.retry_policy import Situation, retry_delay, share_of
from orchestrators.shown_status import with_error, with_question

CREATING = frozenset({"create_message", "create_run", "submit_tool_outputs"})
"""Activities that create what must not be there twice."""

STARTING = frozenset({"create_message", "create_run"})
"""Activities that may start the run."""

STOPPING_STEP = "cancel_run"
"""The step at which an orchestration stops its run, until it knows how that has ended."""


class Progress(msgspec.Struct, kw_only=True):
    """Mutable state of an orchestration, and its `Course`; a field may be added with a default, never renamed or
    removed.
    """

    instance_id: Annotated[str, Meta(max_length=512)]
    operation_id: Annotated[str, Meta(max_length=128)]
    """Tells this execution from another one of the same instance id (a restarted instance, say)."""
    runs_as: Annotated[str, Meta(max_length=512)] | None = None
    """The instance that goes on with this progress, where that is a restarted copy: callers ask for it."""
    trace_id: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    """The trace of whoever started it, if it is known; a later generation may be given another one."""
    policy: RunPolicy
    options: RunOptions
    metadata: dict[str, str]
    started: Utc
    deadline: Utc
    message: UserMessage | None
    """The user's message, until it is posted for good; a start may have none, and runs what stands on the thread."""
    message_posted: bool = False
    """It is on the thread, and may still be taken back."""
    message_id: Id | None = None
    known_runs: tuple[Id, ...] = ()
    """Runs of the thread that are not the one that is asked for next, where stamps do not tell."""
    if_thread_busy: IfThreadBusy = "wait"
    replaces: str | None = None
    """The instance that owned the thread when this one came to replace it."""
    owns_thread: bool = False
    """No other instance posts on the thread before this one's run has ended."""
    status: Status = "Running"
    step: Annotated[str, Meta(max_length=64)] = "validate_input"
    failure: Failure | None = None
    """What went wrong, once the orchestration ends for it."""
    attempts: Attempts = msgspec.field(default_factory=Attempts)
    checks_answer: bool = False
    """There is a message of ours, and the thread is not ours alone: see whether the run has answered it."""
    thread_id: Id | None = None
    goes_on: bool | UnsetType = UNSET
    """The activity that posts the message starts the run, too, as it was asked last. Unset: it was not asked."""
    run_requested: bool = False
    """A run may exist although `run_id` is not known: the answer to its creation may have been lost."""
    run_id: Id | None = None
    run_number: int = 0
    """Runs that failed for lack of quota before this one."""
    run_requested_at: Utc | None = None
    run_state: RunState | None = None
    run_status: Annotated[str, Meta(max_length=64)] | None = None
    run_lifetime: int | None = None
    """Seconds that Foundry gives the run, as far as it says."""
    tokens: Tokens | None = None
    tokens_before: Tokens | None = None
    """Of the runs before the present one, which their answers have ended."""
    counted_run: Id | None = None
    """One of those, where it is the present one again."""
    asked_by: Id | None = None
    """The run whose calls were answered to start the present one."""
    earlier_runs: tuple[Id, ...] | UnsetType = UNSET
    """That one, and those whose calls were answered before, oldest first; unset: there is none."""
    doubt_until: Utc | None = None
    """Until when a request whose answer was lost may still show that it has created what is asked for now."""
    polls: int = 0
    question: Question = msgspec.field(default_factory=Question)
    unsupported_since: Utc | None = None
    """When the open question, which nobody can answer here, was first seen."""
    past: Past | None = None
    """What happened in earlier generations; null: it began with an app that did not keep it."""

    @property
    def can(self) -> Capabilities:
        """What the generation of the service that this run is of can do."""
        return CAPABILITIES[self.policy.generation]

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

    def effect(self) -> Effect:
        """Return what tells the run that was asked for last: by its creation, or by an answer."""
        return Effect(
            stamp=self.answer_stamp() if self.answer_starts_run else self.run_stamp(),
            known_runs=self.known_runs,
            doubt_until=self.doubt_until,
        )

    @property
    def answer_starts_run(self) -> bool:
        """Whether there is an answer that starts another run, or may have started it."""
        return self.can.answer_is_new_run and self.question.stage is Stage.HELD

    @property
    def is_creating(self) -> bool:
        """Whether what may just be being created is waited for, before anything is stopped."""
        if not self.run_requested:
            return True
        return self.can.takes_back_messages and (self.run_id is None or self.answer_starts_run)

    @property
    def may_take_back(self) -> bool:
        """Whether there is a message on the thread, or may be, that no run answers, and that can be deleted again."""
        posted = self.message_posted or (self.message is not None and self.doubt_until is not None)
        return self.can.takes_back_messages and self.thread_id is not None and posted

    def answer_stamp(self) -> Stamp:
        """Return the stamp of the run that the answer to the present question starts."""
        # By the run that has asked, so that an answer to the same calls that is asked for again finds what an earlier
        # one has started.
        return self._stamp(f"answer-{self.run_number}-{self.run_id}")

    @property
    def position(self) -> int | None:
        """How many stood before this one in the thread's line when it was last told; None where it was told of none."""
        return self.attempts.last.position if self.attempts.last else None

    def posted_message(self) -> PostedMessage | None:
        """Return the message that the run is to answer, where another one may have come between."""
        return PostedMessage(stamp=self.message_stamp(), message_id=self.message_id) if self.checks_answer else None

    def _stamp(self, operation: str) -> Stamp:
        return Stamp(instance_id=self.instance_id[:512], operation_id=f"{self.operation_id}:{operation}")

    # --- what happened ---

    def saw(self, run: RunSnapshot, now: datetime) -> None:
        """Take over what a look at the run, or the last one of several, showed."""
        self.polls += run.looks
        self.message, self.message_posted = None, True  # it has a run, and stays
        self._knows(run)
        self.run_id, self.run_state, self.run_status = run.run_id, run.state, run.raw_status
        self.run_lifetime = lifetime_of(run) or self.run_lifetime
        if run.run_id != self.counted_run:
            self.tokens = run.tokens or self.tokens
        asked = self.question.number
        self.question.saw(run)
        if not self.can.answer_is_new_run:
            self.question.given, self.question.given_to = [], ()
        if self.question.stage is not Stage.HELD and self.attempts.activity == "submit_tool_outputs":
            self.attempts.settled()  # the answer needs no other attempt
        if not self.question.unsupported:
            self.unsupported_since = None
        elif self.unsupported_since is None or self.question.number != asked:
            self.unsupported_since = now

    def _knows(self, run: RunSnapshot) -> None:
        if run.run_id == self.run_id:
            return
        self.asked_by = self.run_id
        earlier = self.earlier_runs or ()
        if self.can.answer_is_new_run and self.run_id is not None and self.run_id not in earlier:
            self.earlier_runs = (*earlier, self.run_id)
        if self.run_id is not None and self.tokens is not None:
            self.tokens_before, self.tokens = self.used, None
        if not self.can.stamps_messages:
            self.known_runs = (*self.known_runs, run.run_id)

    @property
    def used(self) -> Tokens | None:
        """What all runs together have used, as far as the service says."""
        if self.tokens is None or self.tokens_before is None:
            return self.tokens or self.tokens_before
        return self.tokens_before.plus(self.tokens)

    def next_run(self, now: datetime) -> None:
        """Forget the present run; the next one has a stamp of its own. One that an answer has started is gone with the
        answer: that is given once more to the run that has asked, and which is the present one again.
        """
        self.run_number += 1
        self.run_state = self.run_status = self.run_lifetime = None
        self.tokens_before, self.tokens = self.used, None
        if self.can.answer_is_new_run and self.asked_by is not None and self.question.give_again():
            self.run_id = self.counted_run = self.asked_by
            self.doubt_until = now  # of the answer, where it stands on the thread all the same: its run has ended
            return
        self.run_requested, self.run_id, self.run_requested_at = False, None, None
        self.earlier_runs = UNSET

    def run_age(self, now: datetime) -> float:
        """Return how many seconds ago the run was asked for."""
        return (now - (self.run_requested_at or now)).total_seconds()

    def unsupported_for(self, now: datetime) -> float | None:
        """Return for how many seconds the run has waited for what nobody can answer here; None where it does not."""
        return None if self.unsupported_since is None else (now - self.unsupported_since).total_seconds()

    # --- what the steps ask: `steps.Course` ---

    @property
    def awaited_event(self) -> str | None:
        """The event that answers the open question."""
        return self.question.event

    def accept(self, payload: Any) -> None:
        """Hold it as the answer to the open question."""
        self.question.accept(payload)

    def delay_after(self, activity: str, failure: Failure | None, now: datetime) -> float | None:
        """Count the attempt; return the seconds before another one, None where that is no use."""
        self.attempts.count(failure, activity)
        if activity in CREATING:
            self._doubt(failure, now)
        if activity == "create_message" and failure is not None:
            self.step = activity
            self.run_requested |= self.goes_on is True and may_be_of_a_repetition(failure)
        if failure is None:
            return None
        if self.if_thread_busy == "replace":
            self.replaces = self.replaces or failure.waiting_instance
        situation = Situation(
            waits_for_thread=self.if_thread_busy != "fail",
            stopping=self.step == STOPPING_STEP,
            may_have_acted=activity in STARTING and self.run_requested and self.attempts.may_have_acted,
            share=share_of(self.instance_id, activity, self.attempts.failed),
            remaining_seconds=(self.deadline - now).total_seconds(),
        )
        return retry_delay(activity, failure, self.attempts.failed, situation)

    def _doubt(self, failure: Failure | None, now: datetime) -> None:
        """Note that the request may have taken effect all the same, or that it has succeeded."""
        if failure is None:
            self.doubt_until = None
        elif self._leaves_doubt(failure, now):
            grace = max(failure.grace_seconds or 0.0, self.can.grace_seconds)
            self.doubt_until = max(self.doubt_until or now, now + timedelta(seconds=grace))

    def _leaves_doubt(self, failure: Failure, now: datetime) -> bool:
        """Say whether it is about a request that may have made something: not where a look has failed, which may fail
        again and again. What a worker did that has died nobody knows, but in doubt it only looks.
        """
        if failure.code == ErrorCode.MAY_HAVE_HAPPENED:
            return self.doubt_until is None
        if failure.code == ErrorCode.WORKER_DIED:
            return self.doubt_until is None or now >= self.doubt_until
        return failure.code in LEAVES_DOUBT and failure.grace_seconds is not None

    def _waiting_for(self) -> WaitingFor | None:
        last = self.attempts.last
        if last is None or last.waiting_instance is None or last.position is None:
            return None
        return WaitingFor(instance=last.waiting_instance, position=last.position)

    def custom_status(self) -> CustomStatus:
        """Return the custom status: all that a later look at a failed run needs."""
        both = self.thread_id is not None and self.run_id is not None
        status = CustomStatus(
            status=self.status,
            step=self.step,
            agent_id=self.policy.agent_id,
            generation=self.policy.generation,
            agent_version=self.policy.agent_version,
            thread_id=self.thread_id,
            message_posted=(self.message is None or self.message_posted) and self.thread_id is not None,
            run_id=self.run_id,
            run_requested=self.run_requested,
            composite_run_id=composite_run_id(self.thread_id or "", self.run_id or "") if both else None,
            run_status=self.run_status,
            run_state=self.run_state,
            polls=self.polls,
            answered=self.question.answered,
            answer_taken=self.question.accepted,
            retrying=self.attempts.last.code if self.attempts.last else None,
            waiting_for=self._waiting_for(),
            monitor_url=self.policy.monitor_url,
            trace_id=self.trace_id,
            delete_thread="with_history" if self.policy.delete_thread == "with_history" else UNSET,
        )
        if self.failure:
            return with_error(status, self.failure)
        return with_question(status, self.question, self.runs_as or self.instance_id)


def begin(
    request: AgentRunRequest,
    policy: RunPolicy,
    *,
    instance_id: str,
    operation_id: str,
    now: datetime,
    trace_id: str | None = None,
) -> Progress:
    """Return the progress of an orchestration that starts now. The deadline is fixed here, once."""
    return Progress(
        instance_id=instance_id,
        operation_id=operation_id,
        trace_id=trace_id or UNSET,
        policy=policy,
        options=request.run_options,
        metadata=dict(request.metadata),
        started=now,
        deadline=now + timedelta(seconds=policy.timeout_seconds),
        message=request.message,
        thread_id=request.thread_id,
        checks_answer=request.message is not None and request.thread_id is not None,
        if_thread_busy=request.if_thread_busy,
        past=Past(),
    )


def lifetime_of(run: RunSnapshot) -> int | None:
    """Return how many seconds Foundry gives the run, or gave one that has expired; None where it does not say."""
    end = run.expires_at or (run.completed_at if run.state is RunState.EXPIRED else None)
    if end is None or run.created_at is None or end <= run.created_at:
        return None
    return end - run.created_at
