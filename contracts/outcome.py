"""The output of a run that succeeded."""

from __future__ import annotations

from typing import Any, Literal

from contracts.runs import Attachment
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
