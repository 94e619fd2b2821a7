"""The names under which the app and Durable Functions know each other's things."""

from __future__ import annotations

import re

ORCHESTRATOR = "agent_run"
"""Name under which the orchestrator is registered."""

ORCHESTRATOR_VERSION = "1.1"
"""Version of its code: `defaultVersion` in host.json."""

OLDER_VERSION = "1.0"
"""The one before, whose instances go on as they began."""

ENDED_RUNTIME_STATUSES = ("Completed", "Failed", "Terminated", "Canceled")
"""The platform's words for an instance that has ended."""

CANCEL_EVENT = "cancel"
"""External event that asks an instance to cancel its run."""


def tool_outputs_event(question: int) -> str:
    """Return the event that answers an instance's n-th question; a fresh name for each (durable-protocol.md, rule
    4).
    """
    return f"tool_outputs_{question}"


def question_of_event(event: str) -> int | None:
    """Return the question that the event answers; None where it answers none."""
    found = re.fullmatch(r"tool_outputs_([1-9][0-9]{0,8})", event)
    return int(found[1]) if found else None
