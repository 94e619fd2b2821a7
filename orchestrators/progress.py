"""What one orchestration knows so far. It survives continue-as-new, so every step can be resumed from it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from contracts import (
    AgentRunRequest,
    Failure,
    RunOptions,
    RunPolicy,
    RunSnapshot,
    RunState,
    Stamp,
    composite_run_id,
)

_LONGEST_ERROR = 600


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
    thread_id: str | None = None
    run_requested: bool = False
    """A run may exist although `run_id` is not known: the answer to its creation may have been lost."""
    run_id: str | None = None
    run_number: int = 0
    run_requested_at: datetime | None = None
    run_state: RunState | None = None
    run_status: str | None = None
    usage: dict[str, Any] | None = None
    polls: int = 0
    failed_attempts: int = 0
    """Attempts at the present step that failed in a row."""
    step: str = "validate_input"

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

    def saw(self, run: RunSnapshot) -> None:
        """Take over what a look at the run showed."""
        self.run_id, self.run_state, self.run_status = run.run_id, run.state, run.raw_status
        self.usage = run.usage or self.usage

    def ended_event(self, status: str, code: str | None, now: datetime) -> dict[str, Any]:
        """Return the fields of the log event `agent_run.ended`."""
        usage = self.usage or {}
        return {
            "instance_id": self.instance_id,
            "agent_id": self.policy.agent_id,
            "thread_id": self.thread_id,
            "run_id": self.run_id,
            "status": status,
            "code": code,
            "run_status": self.run_status,
            "seconds": round((now - self.started).total_seconds(), 1),
            "polls": self.polls,
            **{name: usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")},
        }

    def custom_status(self, status: str, failure: Failure | None = None) -> dict[str, Any]:
        """Return the custom status: under 2 KB whatever the messages are, and all that a later look at a failed run
        needs.
        """
        both = self.thread_id is not None and self.run_id is not None
        return {
            "status": status,
            "step": self.step,
            "agent_id": self.policy.agent_id,
            "thread_id": self.thread_id,
            "run_id": self.run_id,
            "composite_run_id": composite_run_id(self.thread_id or "", self.run_id or "") if both else None,
            "run_status": self.run_status,
            "polls": self.polls,
            "error": {"code": failure.code, "message": _shortened(failure.message)} if failure else None,
            "monitor_url": self.policy.monitor_url,
        }


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
    )


def _shortened(text: str) -> str:
    """Return at most `_LONGEST_ERROR` bytes of the text as JSON escapes it, so that no script inflates the status."""
    while len(msgspec.json.encode(text)) > _LONGEST_ERROR or len(text.encode("utf-16-le")) > 2 * _LONGEST_ERROR:
        text = text[: len(text) * 9 // 10 - 1] + "…"
    return text
