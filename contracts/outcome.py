"""The output of a run that succeeded."""

from __future__ import annotations

from typing import Any, Literal

from contracts.runs import AnswerMessage, Attachment
from contracts.wire import Wire


class Outcome(Wire, frozen=True, kw_only=True):
    """Output of a successful run. Times are ISO 8601, UTC."""

    status: Literal["Success"]
    response: str
    thread_id: str
    run_id: str
    composite_run_id: str
    agent_id: str
    run_status: str
    message_id: str | None
    annotations: list[dict[str, Any]]
    attachments: list[Attachment]
    usage: dict[str, Any] | None
    model: str | None
    monitor_url: str | None
    started_at: str
    completed_at: str
    messages: list[AnswerMessage] = []
    """Everything that the run's agent wrote, oldest first; `response` is the text of the last one."""
    refusal: bool = False
    """`response` is, or holds, the model's refusal."""
    not_understood: list[str] = []
    """Types of parts of the answer that this app does not know: look into the messages in Foundry."""
    left_out: list[str] = []
    """What was left out of messages for its size, beside texts: `attachments`, `annotations`."""
    incomplete: str = ""
    """Why the service did not write all of `response`, in its word, such as `content_filter`; empty if it did."""
    thread_deleted: bool = False
    """The thread is gone, as `delete_thread` asked."""
