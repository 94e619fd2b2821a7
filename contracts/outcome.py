"""The output of a run that succeeded."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from contracts.generations import Generation
from contracts.runs import AnswerMessage, Attachment, Tokens
from contracts.wire import Wire


class Outcome(Wire, frozen=True, kw_only=True):
    """Output of a successful run. Times are ISO 8601, UTC."""

    status: Literal["Success"]
    response: str
    thread_id: str
    run_id: str
    composite_run_id: str
    agent_id: str
    generation: Generation = "classic"
    agent_version: str | None = None
    run_status: str
    message_id: str | None
    annotations: list[dict[str, Any]]
    attachments: list[Attachment]
    usage: Annotated[
        dict[str, Any] | None,
        Meta(
            description="`input_tokens`, `output_tokens`, `total_tokens` and `cached_tokens` (of the input), each null "
            "where the service does not say; of all Foundry runs of this run together. Of a classic agent also "
            "`prompt_tokens` and `completion_tokens`, the older names of the first two."
        ),
    ]
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


def usage_of(tokens: Tokens | None, generation: Generation) -> dict[str, int | None] | None:
    """Return what a run has used as callers read it: one shape for every generation, with the names that callers of
    classic agents know beside it; None where the service has not said.
    """
    if tokens is None:
        return None
    usage = {
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "total_tokens": tokens.total,
        "cached_tokens": tokens.cached,
    }
    older = {"prompt_tokens": tokens.input, "completion_tokens": tokens.output} if generation == "classic" else {}
    return usage | older
