"""What one orchestration knows so far. It survives continue-as-new, so every step can be resumed from it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

import msgspec

from contracts.activities import Failure
from contracts.codes import ErrorCode
from contracts.durable import tool_outputs_event
from contracts.request import AgentRunRequest, RunOptions, RunPolicy
from contracts.runs import PendingCall, RunSnapshot, RunState, Stamp, composite_run_id
from validation.tool_answers import answer_digest

LOOK_AT_HOLDER_EVERY = 5

LARGEST_CUSTOM_STATUS = 1900
"""Characters of its JSON. The platform's limit is 8,703, ours 2,048."""

_WENT_ON = frozenset({RunState.ACTIVE, RunState.COMPLETED, RunState.INCOMPLETE})
"""States that a run which waits for an answer reaches by nothing but one."""

_LONGEST_ERROR = 500
_LONGEST_ARGUMENTS = 200


class Progress(msgspec.Struct, kw_only=True):
    """Mutable state of an orchestration; a field may be added with a default, never renamed or removed."""

    instance_id: str
    operation_id: str
    """Tells this execution from another one of the same instance id (a restarted instance, say)."""
    policy: RunPolicy
    options: RunOptions
    metadata: dict[str, str]
    started: datetime
    deadline: datetime
    message: str | None
    """The user's message, until it is posted."""
    wait_if_busy: bool = True
    status: str = "Running"
    step: str = "validate_input"
    failure: Failure | None = None
    """What went wrong, once the orchestration ends for it."""
    retrying: Failure | None = None
    """Why the last attempt at the present step failed."""
    failed_attempts: int = 0
    """Attempts at the present step that failed alike in a row."""
    checks_answer: bool = False
    """The thread is not ours alone: see whether the run has answered our message."""
    holder: tuple[str, str] | None = None
    """An instance whose message kept ours waiting, and the state in which it was then found."""
    waited_for_instance: tuple[str, int] | None = None
    """Whose message on the thread kept ours waiting, and how many times in a row."""
    thread_id: str | None = None
    run_requested: bool = False
    """A run may exist although `run_id` is not known: the answer to its creation may have been lost."""
    run_id: str | None = None
    run_number: int = 0
    """Runs that failed for lack of quota before this one."""
    run_requested_at: datetime | None = None
    run_state: RunState | None = None
    run_status: str | None = None
    usage: dict[str, Any] | None = None
    polls: int = 0
    question: int = 0
    """Questions asked so far; the last one is open while there are `pending_calls`."""
    pending_calls: tuple[PendingCall, ...] = ()
    answers: list[Any] = []
    """The payload of the event that answered the open question, until Foundry has taken it; at most one."""
    answer_taken: dict[str, str] | None = None
    """The last answer that was accepted: its event, and its digest, so that each of several callers learns whether it
    was his.
    """
    question_error: str | None = None
    """Why the last answer was not taken."""
    answered: int = 0
    """The last question that was answered."""
    answered_calls: frozenset[str] = frozenset()
    """The calls that were answered last; Foundry may show them as pending a little longer."""

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
        """Take over what a look at the run showed; a run that goes on without a question has none open."""
        self.run_id, self.run_state, self.run_status = run.run_id, run.state, run.raw_status
        self.usage = run.usage or self.usage
        ids = frozenset(call.id for call in run.pending_calls)
        asks_anew = bool(ids) and ids not in (self.answered_calls, self._pending_ids())
        if self.answers and (asks_anew or run.state in _WENT_ON):
            self.answer_was_taken()  # only Foundry's word for it was lost
        if asks_anew:
            self.question += 1
            self.pending_calls, self.question_error, self.answers = run.pending_calls, None, []
        elif run.state in {RunState.ACTIVE, RunState.CANCELLING}:
            self.pending_calls, self.question_error, self.answers = (), None, []

    def open_question(self) -> int | None:
        """Return the number of the question that still wants an answer."""
        return self.question if self.pending_calls and not self.answers else None

    def count(self, failure: Failure | None) -> None:
        """Count the attempts at the present step that failed alike in a row; None is a success."""
        alike = self.retrying is not None and failure is not None and self.retrying.code == failure.code
        self.failed_attempts = 0 if failure is None else self.failed_attempts + 1 if alike else 1
        self.retrying = failure

    def accept(self, answer: Any) -> None:
        """Hold the event's payload as the answer to the open question; no other one is taken."""
        self.answers = [answer]
        self.answer_taken = {"event": tool_outputs_event(self.question), "digest": answer_digest(answer)}

    def answer_was_taken(self) -> None:
        """Close the open question."""
        self.answered, self.answered_calls = self.question, self._pending_ids()
        self.pending_calls, self.question_error, self.answers = (), None, []

    def _pending_ids(self) -> frozenset[str]:
        return frozenset(call.id for call in self.pending_calls)

    def answer_was_refused(self, why: str) -> None:
        """Ask again, under a fresh event name: the old one may still deliver what was refused."""
        self.question += 1
        self.question_error, self.answers = why, []

    def next_run(self) -> None:
        """Forget the present run; the next one has a stamp of its own."""
        self.run_number += 1
        self.run_requested, self.run_id, self.run_requested_at = False, None, None
        self.run_state = self.run_status = None

    def waits_for_instance(self) -> int:
        """Count, and return, how many times in a row the message of the same instance has kept ours waiting.

        Failures of another kind in between do not count, and do not begin the count anew.
        """
        known, times = self.waited_for_instance or (None, 0)
        if self.retrying is not None and self.retrying.code == ErrorCode.THREAD_BUSY:
            holder = self.retrying.waiting_instance
            times = times + 1 if holder == known else 1
            self.waited_for_instance = (holder, times) if holder else None
        return self.waited_for_instance[1] if self.waited_for_instance else 0

    def is_to_look_at(self, holder: str) -> bool:
        """Whether to look now at the instance whose message has just kept ours waiting: at first, then now and then."""
        known, times = self.waited_for_instance or (None, 0)
        return known != holder or times % LOOK_AT_HOLDER_EVERY == 0

    def abandoned(self, *, waited_for_long: bool) -> str | None:
        """Return the instance whose message on the thread will never get a run: it has ended, or nobody knows it and
        it was waited for long.
        """
        holder, state = self.holder or (None, "unknown")
        if state == "ended":
            return holder
        known = self.waited_for_instance[0] if self.waited_for_instance else None
        return known if waited_for_long and not (state == "active" and holder == known) else None

    # --- what others see ---

    def ended_event(self, now: datetime) -> dict[str, Any]:
        """Return the fields of the log event `agent_run.ended`."""
        usage = self.usage or {}
        return {
            "instance_id": self.instance_id,
            "agent_id": self.policy.agent_id,
            "thread_id": self.thread_id,
            "run_id": self.run_id,
            "status": self.status,
            "code": self.failure.code if self.failure else None,
            "run_status": self.run_status,
            "seconds": round((now - self.started).total_seconds(), 1),
            "polls": self.polls,
            **{name: usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")},
        }

    def custom_status(self) -> dict[str, Any]:
        """Return the custom status: under 2 KB whatever is in it, and all that a later look at a failed run needs."""
        both = self.thread_id is not None and self.run_id is not None
        status: dict[str, Any] = {
            "status": self.status,
            "step": self.step,
            "agent_id": self.policy.agent_id,
            "thread_id": self.thread_id,
            "run_id": self.run_id,
            "run_requested": self.run_requested,
            "composite_run_id": composite_run_id(self.thread_id or "", self.run_id or "") if both else None,
            "run_status": self.run_status,
            "polls": self.polls,
            "answered": self.answered,
            "answer_taken": self.answer_taken,
            "required_action": None,
            "retrying": self.retrying.code if self.retrying else None,
            "error": _error(self.failure),
            "monitor_url": self.policy.monitor_url,
        }
        if self.pending_calls and not self.answers and self.failure is None:
            status["required_action"] = self._required_action(LARGEST_CUSTOM_STATUS - _size(status))
        return status

    def _required_action(self, room: int) -> dict[str, Any]:
        """Return the open question in at most `room` bytes: arguments are cut first, then names left out, then
        calls.
        """
        head: dict[str, Any] = {"event": tool_outputs_event(self.question), "error": self.question_error}
        for longest in (_LONGEST_ARGUMENTS, 60, 0):
            calls = [_shown(call, longest) for call in self.pending_calls]
            action = {**head, "calls": calls}
            if _size(action) <= room:
                return action
        bare = [{"id": call.id, "kind": call.kind} for call in self.pending_calls]
        left = room - _size({**head, "calls": [], "more": len(bare)})
        fitting = sum(total <= left for total in accumulate(_size(call) + len(", ") for call in bare))
        return {**head, "calls": bare[:fitting], "more": len(bare) - fitting}


def begin(
    request: AgentRunRequest,
    policy: RunPolicy,
    *,
    instance_id: str,
    operation_id: str,
    now: datetime,
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


def _shown(call: PendingCall, longest_arguments: int) -> dict[str, str]:
    shown = {"id": call.id, "kind": call.kind, "name": call.name[:64]}
    if longest_arguments:
        shown["arguments"] = shortened(call.arguments, longest_arguments)
    return shown


def _error(failure: Failure | None) -> dict[str, str] | None:
    return {"code": failure.code[:64], "message": shortened(failure.message, _LONGEST_ERROR)} if failure else None


def _size(value: Any) -> int:
    """Return the characters of its JSON as the SDK writes it: ASCII only, everything else escaped."""
    return len(json.dumps(value))


def shortened(text: str, most: int) -> str:
    """Return the text, cut so that its JSON has at most `most` bytes, whatever script it is in."""
    while _size(text) > most:
        text = text[: len(text) * 9 // 10 - 1].rstrip("…") + "…"
    return text
