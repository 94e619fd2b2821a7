"""The orchestrator's input: made by whoever starts it, or by the generation before."""

from __future__ import annotations

from typing import Any

from contracts.request import AgentRunRequest, RunPolicy
from contracts.wire import to_wire


def start_input(request: AgentRunRequest, policy: RunPolicy) -> dict[str, Any]:
    """Return the orchestrator's input for a request whose policy the starter has made already."""
    return {"request": to_wire(request), "policy": to_wire(policy)}
