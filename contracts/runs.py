"""Threads, messages and runs as the orchestrator sees them, whichever generation of the service they are of."""

from __future__ import annotations

import enum
from typing import Any, Literal

from contracts.wire import Wire

METADATA_INSTANCE = "durable_instance_id"

METADATA_OPERATION = "durable_operation_id"


class RunState(enum.StrEnum):
    """Normalised state of a run, for every generation of the service."""

    ACTIVE = "active"
    """Queued, in progress, or a status that this code does not know: keep polling."""
    REQUIRES_ACTION = "requires_action"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"

    @property
    def is_ended(self) -> bool:
        """Whether the run does nothing any more."""
        return self not in {RunState.ACTIVE, RunState.REQUIRES_ACTION, RunState.CANCELLING}


class PendingCall(Wire, frozen=True, kw_only=True):
    """A tool call that waits for the caller: `kind` is `function` (wants an output) or `approval` (wants a yes or
    no).
    """

    id: str
    kind: Literal["function", "approval"]
    name: str
    arguments: str = ""
    """JSON text, as far as it may travel: `activities.bounds` cuts it."""


class ToolOutput(Wire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller's output of a function that the agent called."""

    tool_call_id: str
    output: str


class ToolApproval(Wire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller's yes or no to a tool call that the agent wants to make."""

    tool_call_id: str
    approve: bool


class ToolAnswer(Wire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to a run that requires action: something for every pending call, each once."""

    tool_outputs: list[ToolOutput] = []
    approvals: list[ToolApproval] = []


class Attachment(Wire, frozen=True, kw_only=True):
    """A part of the answer that is not text: `kind` is Foundry's block type, `id` a file id (or the URL of an
    image).
    """

    kind: str
    id: str


class Answer(Wire, frozen=True, kw_only=True):
    """The newest message that the run's agent wrote. `found` is false where the run has no message (yet)."""

    found: bool
    text: str = ""
    of_another_message: bool = False
    """Somebody else's message came between ours and the run, so that the run has answered that one."""
    message_id: str | None = None
    annotations: list[dict[str, Any]] = []
    attachments: list[Attachment] = []


class Tokens(Wire, frozen=True, kw_only=True):
    """What a run used, whatever its generation calls it; null where the service does not say."""

    prompt: int | None = None
    completion: int | None = None
    total: int | None = None


class RunSnapshot(Wire, frozen=True, kw_only=True):
    """A run as the service showed it once. `raw_status` is the service's own word, times are Unix seconds."""

    run_id: str
    thread_id: str
    state: RunState
    raw_status: str
    error_code: str | None = None
    error_message: str | None = None
    """Why the run failed, in the service's words, which may quote the request."""
    error_summary: str | None = None
    """The same in our own words, where we have some."""
    rate_limited: bool = False
    """The run failed for lack of quota: it did not answer, and nothing of it happened."""
    retry_after_seconds: float | None = None
    """How long the service says to wait, for a run that failed for lack of quota."""
    instance_id: str | None = None
    """The instance that stamped the run, if one did."""
    pending_calls: tuple[PendingCall, ...] = ()
    model: str | None = None
    usage: dict[str, Any] | None = None
    """The numbers as the service names them."""
    tokens: Tokens | None = None
    created_at: int | None = None
    started_at: int | None = None
    completed_at: int | None = None
    expires_at: int | None = None
    answer: Answer | None = None
    """What the run's agent wrote, where the look that saw it completed could fetch that too."""


class AgentSummary(Wire, frozen=True, kw_only=True):
    """One agent of the project, as job discovery lists it."""

    id: str
    name: str | None
    model: str | None


class Stamp(Wire, frozen=True, kw_only=True):
    """Identifies the instance and the operation that created something in Foundry; kept in its metadata."""

    instance_id: str
    operation_id: str

    def as_metadata(self) -> dict[str, str]:
        """Return the stamp as the metadata pairs that Foundry stores."""
        return {METADATA_INSTANCE: self.instance_id, METADATA_OPERATION: self.operation_id}


def composite_run_id(thread_id: str, run_id: str) -> str:
    """Return the one string that names a run completely."""
    return f"agent#{thread_id}#{run_id}"
